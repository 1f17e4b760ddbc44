#include "people.h"

#include <fmt/format.h>

#include "apis/fleet/hold.h"
#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/async/event.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "hub/decision/evidence.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"
#include "reading.h"
#include "routing.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

meta::ObjectKey const kWeb{kNamespace, kName};
constexpr int kByHand = 100;   // tries to take a release back by the hub, before somebody goes there
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
meta::GroupVersionResource const kPolicies{"policy.one.alibabacloud.com", "v1alpha1", "propagationpolicies"};
meta::GroupVersionResource const kClusterPolicies{"policy.one.alibabacloud.com", "v1alpha1",
                                                  "clusterpropagationpolicies"};

// What a webhook let pass, as there were no pods yet or nobody answered, the hub has put back; by then it has sent it
// again.
constexpr Duration kTriedAgain = 40s;

// Of those that a hub delivers new templates of; half of the time a Deployment.
WorkloadKind const* some_kind(Random& random) {
    std::vector<WorkloadKind const*> choice;
    for (WorkloadKind const& kind : workload_kinds()) {
        if (!kind.daemons()) choice.push_back(&kind);
    }
    std::uint64_t const which = random.below(2 * (choice.size() - 1));
    return choice[which < choice.size() ? which : 0];
}

}   // namespace

Task<Status> People::begin() {
    kind_ = some_kind(ctx_.random());
    if (WorkloadKind const* const other = extras_.kind(); other != nullptr) kind_ = other;
    routed_ = ctx_.random().below(3) == 0;
    if (extras_.has(Extra::kIngress)) routed_ = ingress_ = true;
    // What leads requests goes back at once.
    if (extras_.has(Extra::kBatches) && extras_.random().below(2) == 0) routed_ = ingress_ = false;
    laws_.say(fmt::format("a {} ({})", kind_->kind.kind, kind_->kind.api_version()));
    for (std::string const& cluster : fleet_.members()) laws_.trust(cluster, "v1");
    client::Client const hub = fleet_.person(kHubCluster);
    CO_TRY(co_await hub.create(ctx_, kNamespaces,
                               parse(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}})")));
    CO_TRY(co_await hub.create(
        ctx_, kClusterPolicies,
        parse(
            R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"ClusterPropagationPolicy","metadata":{"name":"namespaces"},
      "spec":{"resourceSelectors":[{"apiVersion":"v1","kind":"Namespace","name":"demo"}]}})")));
    CO_TRY(co_await hub.create(ctx_, kind_->resource, make_workload(*kind_, "v1")));
    if (routed_) {
        CO_TRY(co_await make_routing(ctx_, hub, ingress_));
        CO_TRY(co_await hub.create(
            ctx_, kPolicies,
            parse(
                R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy","metadata":{"name":"routing","namespace":"demo"},
          "spec":{"resourceSelectors":[{"apiVersion":"v1","kind":"Service","name":"shop"},
          )" +
                std::string(ingress_
                                ? R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","name":"shop"})"
                                : R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","name":"shop"})") +
                "]}}")));
    }
    CO_TRY(co_await hub.create(ctx_, apis::kRollouts, rollout()));
    CO_TRY(co_await hub.create(
        ctx_, kPolicies,
        parse(
            R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy","metadata":{"name":"workloads","namespace":"demo"},
      "spec":{"resourceSelectors":[{"apiVersion":")" +
            kind_->resource.api_version() + R"(","kind":")" + kind_->kind.kind + R"(","name":"web"}]}})")));
    CO_TRY(co_await hub.create(
        ctx_, kPolicies,
        parse(
            R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy","metadata":{"name":"rollouts","namespace":"demo"},
      "spec":{"resourceSelectors":[{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"web"}]}})")));
    co_return Status{};
}

Value People::rollout() {
    auto const& styles = kind_->styles;
    Style const& style = styles.size() == 1 ? styles[0] : styles[ctx_.random().below(styles.size())];
    laws_.say(fmt::format("a Rollout with {} {}", style.strategy, style.steps));
    Value made = make_rollout(*kind_, style);
    if (extras_.has(Extra::kBatches)) made.set({"metadata", "annotations", apis::kRollbackInBatchAnnotation}, "true");
    return routed_ ? with_routing(std::move(made), ingress_) : made;
}

Task<Status> People::autoscale() {
    for (std::string const& cluster : fleet_.members())
        CO_TRY(co_await autoscale_in(ctx_, fleet_.person(cluster), *kind_, kind_->replicas, kind_->replicas));
    co_return Status{};
}

Task<void> People::act() {
    std::uint64_t const what = ctx_.random().below(100);
    if (leaving_) co_await come_back();
    if (extras_.has(Extra::kToZero) && extras_.random().below(6) == 0) {
        co_return co_await to_zero(some_member());
    }
    bool const done = co_await act_extra();
    if (done) co_return;
    if (what < 9) {
        if (leaving_ || disabled_) co_return;   // nothing would hold it
        // In the middle of a blue-green release it would be refused.
        if (!(co_await side_by_side()).empty() && ctx_.random().below(4) != 0) co_return co_await approve(views_);
        version_ = fmt::format("v{}", ++versions_);
        co_await push();
    } else if (what < 30) {
        co_await look();
    } else if (what < 50) {
        co_await approve(views_);
    } else if (what < 64) {
        co_await look();
        co_await approve(views_);
    } else if (what < 67) {
        co_await approve_in_member();
    } else if (what < 71) {
        co_await intervene("Pause", false);
    } else if (what < 79) {
        co_await intervene("Resume", ctx_.random().below(2) == 0);
    } else if (what < 82) {
        co_await intervene("Abort", false);
    } else if (what < 85) {
        co_await intervene("Undo", false);
    } else if (what < 90) {
        co_await touch();
    } else if (what < 92) {
        co_await leave();
    } else if (what < 95) {
        co_await place(R"({"clusterNames":["beijing","hangzhou"]})");
    } else {
        co_await place("null");
    }
}

std::string const& People::some_member() {
    auto const& members = fleet_.members();
    return members[extras_.random().below(members.size())];
}

Task<bool> People::act_extra() {
    Random& random = extras_.random();
    if (extras_.has(Extra::kJumps) && random.below(5) == 0) {
        co_await jump();
    } else if (extras_.has(Extra::kDisables) && random.below(8) == 0) {
        if (disabled_) {
            co_await enable();
        } else {
            co_await disable();
        }
    } else if (extras_.has(Extra::kPauses) && random.below(8) == 0) {
        co_await pause_everywhere(random.below(2) == 0);
    } else if (extras_.has(Extra::kPutsBack) && random.below(8) == 0) {
        co_await put_back();
    } else if (extras_.has(Extra::kScales) && random.below(6) == 0) {
        co_await scale(some_member());
    } else {
        co_return false;
    }
    co_return true;
}

// To the next step it is an approval, of a pause.
Task<void> People::jump() {
    co_await look();
    std::erase_if(views_, [](View const& view) { return phase_of(view.rollout) != "Progressing"; });
    if (views_.empty()) co_return;
    View const view = views_[extras_.random().below(views_.size())];
    Doc const& there = view.rollout;
    auto const to = static_cast<std::int64_t>(1 + extras_.random().below(3));
    if (to == step_of(there)) co_return;   // it is there
    std::string const since = release_of(there)["lastUpdateTime"].string();
    if (to == step_of(there) + 1) {
        // Times are whole seconds: it names the pause that begins in that one, too.
        laws_.approving({view.cluster, meta::uid(there), revision_of(there), step_of(there), since});
    } else {
        laws_.jumping(view.cluster, there, to, true);
    }
    std::vector<apis::DecisionTarget> targets{
        {view.cluster, meta::uid(there), step_of(there), revision_of(there), since}};
    bool const made = co_await decide("Jump", std::move(targets), to);
    if (!made) laws_.jump_refused(view.cluster, there, to);
}

Task<void> People::let_through() {
    for (std::string const& cluster : fleet_.members()) {
        laws_.let_through(cluster, version_);
        auto const there = co_await fleet_.person(cluster).get(ctx_, kind_->resource, kWeb);
        if (there) laws_.let_through(cluster, image_of(*there));
    }
}

Task<void> People::disable() {
    if (leaving_) co_return;
    disabled_ = true;
    co_await let_through();
    co_await change_rollout(parse(R"({"spec":{"disabled":true}})"), "disable the Rollout");
}

Task<void> People::enable() {
    client::Client const hub = fleet_.person(kHubCluster);
    auto const there = co_await hub.get(ctx_, apis::kRollouts, kWeb);
    if (there && there->at({"spec", "disabled"}).as_bool()) {
        co_return co_await change_rollout(parse(R"({"spec":{"disabled":false}})"), "enable the Rollout");
    }
    bool enabled = there.has_value() || there.error().is(ErrorCode::kNotFound);
    for (std::string const& cluster : fleet_.members()) {
        auto const rollout = co_await fleet_.person(cluster).get(ctx_, apis::kRollouts, kWeb);
        if (!rollout && rollout.error().is(ErrorCode::kNotFound)) continue;
        enabled = enabled && rollout && !rollout->at({"spec", "disabled"}).as_bool() &&
                  (phase_of(*rollout) == "Healthy" || phase_of(*rollout) == "Progressing");
    }
    disabled_ = !enabled;
}

Task<void> People::pause_everywhere(bool paused) {
    Value patch{json::Object()};
    patch.set({"spec", "strategy", "paused"}, paused);
    co_await change_rollout(std::move(patch),
                            paused ? "pause the Rollout everywhere" : "resume the Rollout everywhere");
}

Task<void> People::change_rollout(Value patch, std::string what) {
    auto const done = co_await fleet_.person(kHubCluster)
                          .patch(ctx_, apis::kRollouts, kWeb, client::PatchType::kMerge, std::move(patch));
    laws_.say(what + (done ? std::string() : ": " + done.error().message()));
}

Task<void> People::put_back() {
    if (leaving_ || disabled_) co_return;
    std::string const stable = co_await stable_version_in(ctx_, fleet_.person(some_member()), *kind_);
    if (stable.empty() || stable == version_) co_return;
    version_ = stable;
    co_await push();
}

// In the member, by hand or by the autoscaler's bounds.
Task<void> People::scale(std::string cluster) {
    std::int64_t const replicas = some_replicas(extras_.random(), *kind_);
    if (extras_.random().below(2) == 0) {
        co_await bound(cluster, replicas);
    } else {
        co_await resize(cluster, replicas);
    }
}

Task<void> People::bound(std::string cluster, std::int64_t replicas) {
    Status const done = co_await bound_in(ctx_, fleet_.person(cluster), replicas, replicas);
    laws_.say(fmt::format("{}: autoscale to {}{}", cluster, replicas, done ? "" : ": " + done.error().message()));
}

Task<void> People::push() {
    laws_.say("release " + version_);
    if (lets_go_ && somewhere_) co_await let_through();
    client::Client const hub = fleet_.person(kHubCluster);
    while (true) {
        auto const done =
            co_await hub.patch(ctx_, kind_->resource, kWeb, client::PatchType::kMerge, with_image(*kind_, version_));
        if (done || !ctx_.check()) co_return;
        (void)co_await async::sleep_for(ctx_, 1s);
    }
}

Task<void> People::look() {
    std::vector<View> views;
    for (std::string const& cluster : fleet_.members()) {
        auto rollout = co_await fleet_.person(cluster).get(ctx_, apis::kRollouts, kWeb);
        if (rollout) views.push_back({cluster, rollout->detach()});
    }
    views_ = std::move(views);
}

// Those of the clusters that were paused when somebody looked; sometimes only one.
Task<void> People::approve(std::vector<View> views) {
    bool const one = ctx_.random().below(3) == 0;
    std::vector<apis::DecisionTarget> targets;
    for (View const& view : views) {
        Pause const pause = pause_of(view.cluster, view.rollout);
        if (pause.step == 0 || view.rollout.at({"spec", "strategy", "paused"}).as_bool()) continue;
        laws_.approving(pause);
        targets.push_back({pause.cluster, pause.uid, pause.step, pause.revision, pause.since});
        if (one) break;
    }
    co_await decide("Approve", std::move(targets));
}

// As approve --direct does it before it sends the approval.
Task<void> People::leave_word(std::string cluster, Doc rollout) {
    Value patch{json::Object()};
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(rollout));
    auto const word = decision::direct_approval(rollout, format_rfc3339(ctx_.now()), "alice", "p95 ok");
    patch.set({"metadata", "annotations", propagation::kApprovedDirectly}, decision::with_approval(rollout, word));
    laws_.say("leave word in the member: " + pause_of(cluster, rollout).text());
    (void)co_await fleet_.person(cluster).patch(ctx_, apis::kRollouts, kWeb, client::PatchType::kMerge,
                                                std::move(patch));
}

// As upstream's tool does it, on what it has just read; or with a word left first, and sometimes with nothing behind
// it.
Task<void> People::approve_in_member() {
    std::string const cluster = fleet_.members()[ctx_.random().below(fleet_.members().size())];
    client::Client const member = fleet_.person(cluster);
    auto rollout = co_await member.get(ctx_, apis::kRollouts, kWeb);
    if (!rollout || pause_of(cluster, *rollout).step == 0) co_return;
    if (ctx_.random().below(3) != 0) {
        co_await leave_word(cluster, *rollout);
        if (ctx_.random().below(4) == 0) co_return;
        rollout = co_await member.get(ctx_, apis::kRollouts, kWeb);
        if (!rollout) co_return;
    }
    Pause const pause = pause_of(cluster, *rollout);
    if (pause.step == 0) co_return;
    laws_.approving_in_member(pause);
    laws_.say("approve in the member: " + pause.text());
    Value patch{json::Object()};
    patch.set({"status", apis::release_status_name(*rollout), "currentStepState"}, "StepReady");
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(*rollout));
    (void)co_await member.patch(ctx_, apis::kRollouts, kWeb, client::PatchType::kMerge, std::move(patch),
                                {.subresource = "status"});
}

Task<std::vector<apis::DecisionTarget>> People::side_by_side() {
    co_await look();
    std::vector<apis::DecisionTarget> targets;
    for (View const& view : views_) {
        if (blue_green(view.rollout) && phase_of(view.rollout) == "Progressing")
            targets.push_back({view.cluster, "", std::nullopt, "", ""});
    }
    co_return targets;
}

// What `rollout abort --direct` does: where the release that is stuck is itself the way back, undoing it changes
// nothing.
Task<void> People::take_back_in_member(std::string cluster) {
    client::Client const member = fleet_.person(cluster);
    auto const workload = co_await member.get(ctx_, kind_->resource, kWeb);
    auto const pods = co_await member.list(ctx_, kPods, {.ns = kNamespace});
    if (!workload || !pods) co_return;
    for (auto const& [index, pod] : (*pods)["items"].elements()) {
        std::string const image = image_of_pod(pod);
        if (image == image_of(*workload)) continue;
        laws_.say(fmt::format("take back in {}: to {}", cluster, image));
        Value patch = with_image(*kind_, image);
        patch.set({"metadata", "annotations", apis::kHold}, apis::hold_text(ctx_.now() + 1h, "person", "stuck"));
        (void)co_await member.patch(ctx_, kind_->resource, kWeb, client::PatchType::kMerge, std::move(patch));
        held_.insert(cluster);
        co_return;
    }
}

// A further version would be refused there. What was undone after its end is itself a release, and goes on.
Task<void> People::take_back() {
    for (int quiet = 0, count = 0; quiet < 5 && count < 300; ++count) {
        std::vector<apis::DecisionTarget> targets = co_await side_by_side();
        quiet = targets.empty() ? quiet + 1 : 0;
        if (count >= kByHand && count % 10 == 0) {
            for (apis::DecisionTarget const& each : targets) co_await take_back_in_member(each.cluster);
        } else if (count % 10 == 0) {
            co_await decide("Undo", std::move(targets));
        } else {
            co_await go_on();
        }
        (void)co_await async::sleep_for(ctx_, 2s);
    }
    Value let_go{json::Object()};
    let_go.set({"metadata", "annotations", apis::kHold}, nullptr);
    for (std::string const& cluster : held_)
        (void)co_await fleet_.person(cluster).patch(ctx_, kind_->resource, kWeb, client::PatchType::kMerge, let_go);
}

Task<void> People::intervene(std::string action, bool everywhere) {
    std::vector<apis::DecisionTarget> targets;
    for (std::string const& cluster : fleet_.members()) {
        if (everywhere || ctx_.random().below(2) == 0) targets.push_back({cluster, "", std::nullopt, "", ""});
    }
    co_await decide(std::move(action), std::move(targets));
}

Task<bool> People::decide(std::string action, std::vector<apis::DecisionTarget> targets,
                          std::optional<std::int64_t> to) {
    if (targets.empty()) co_return false;
    client::Client const hub = fleet_.person(kHubCluster);
    auto const workload = co_await hub.get(ctx_, kind_->resource, kWeb);
    auto const rollout = co_await hub.get(ctx_, apis::kRollouts, kWeb);
    if (!workload || !rollout) co_return false;
    apis::DecisionSpec spec;
    spec.rollout_ref = {"rollouts.kruise.io/v1beta1", "Rollout", kName};
    spec.release = apis::ReleaseReference{decision::release_digest(*workload, *rollout)};
    spec.action = action;
    spec.to_step = to;
    spec.selection = "Named";
    spec.targets = std::move(targets);
    spec.expires_at = format_rfc3339(ctx_.now() + (ctx_.random().below(4) == 0 ? 10s : 3600s));
    Value object{json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"}, {"kind", "Decision"}}};
    object.set({"metadata", "name"}, fmt::format("web-{:016x}", ctx_.random().next()));
    object.set({"metadata", "namespace"}, kNamespace);
    object["spec"] = apis::write_decision_spec(spec);
    std::string where;
    for (apis::DecisionTarget const& target : spec.targets)
        where += " " + target.cluster + (target.step ? fmt::format("@{}", *target.step) : "");
    auto const created = co_await hub.create(ctx_, apis::kDecisions, std::move(object));
    laws_.say(action + where + (created ? "" : ": " + created.error().message()));
    co_return created.has_value();
}

Task<void> People::place(std::string affinity) {
    somewhere_ = affinity != "null";
    if (lets_go_ && somewhere_) co_await let_through();
    auto const done = co_await fleet_.person(kHubCluster)
                          .patch(ctx_, kPolicies, {kNamespace, "rollouts"}, client::PatchType::kMerge,
                                 parse(R"({"spec":{"placement":{"clusterAffinity":)" + affinity + "}}}"));
    laws_.say("place the Rollout: " + affinity + (done ? "" : ": " + done.error().message()));
}

// Deletes the Rollout, be there a release or not: it is to go back first, or through.
Task<void> People::leave() {
    client::Client const hub = fleet_.person(kHubCluster);
    bool const lets_go = extras_.has(Extra::kLetsGo) && extras_.random().below(2) == 0;
    Value word{json::Object()};
    word.set({"metadata", "annotations", "fleet.aviary.dev/on-delete"}, lets_go ? "Release" : "Rollback");
    auto const annotated = co_await hub.patch(ctx_, apis::kRollouts, kWeb, client::PatchType::kMerge, std::move(word));
    if (annotated) lets_go_ = lets_go;
    if (lets_go_ && somewhere_) co_await let_through();
    if (!annotated || ctx_.random().below(3) == 0) co_return;
    leaving_ = true;
    if (lets_go_) co_await let_through();
    auto const deleted = co_await hub.remove(ctx_, apis::kRollouts, kWeb);
    laws_.say("delete the Rollout" + (deleted ? std::string() : ": " + deleted.error().message()));
}

// Once it is gone, it is created anew; and it is there again when the hub says something of it.
Task<void> People::come_back() {
    client::Client const hub = fleet_.person(kHubCluster);
    auto const there = co_await hub.get(ctx_, apis::kRollouts, kWeb);
    if (there) {
        bool const seen = !there->at({"status", "phase"}).as_string().empty();
        leaving_ = meta::is_deleting(*there) || !seen;
        co_return;
    }
    if (!there.error().is(ErrorCode::kNotFound)) co_return;
    auto const created = co_await hub.create(ctx_, apis::kRollouts, rollout());
    if (created) lets_go_ = false;
    laws_.say("create the Rollout anew" + (created ? std::string() : ": " + created.error().message()));
}

Task<void> People::touch() {
    Value patch{json::Object()};
    patch.set({"metadata", "labels", "touched"}, fmt::format("t{}", ctx_.random().below(1000)));
    (void)co_await fleet_.person(kHubCluster)
        .patch(ctx_, kind_->resource, kWeb, client::PatchType::kMerge, std::move(patch));
}

// In the member, by hand: its autoscaler leaves what has none alone, and brings back what has any.
Task<void> People::to_zero(std::string cluster) {
    auto const there = co_await fleet_.person(cluster).get(ctx_, kind_->resource, kWeb);
    if (!there) co_return;
    co_await resize(cluster, nothing_or_some(extras_, *kind_, *there));
}

Task<void> People::resize(std::string cluster, std::int64_t replicas) {
    Value patch{json::Object()};
    patch.set({"spec", "replicas"}, replicas);
    auto const done =
        co_await fleet_.person(cluster).patch(ctx_, kind_->resource, kWeb, client::PatchType::kMerge, std::move(patch));
    laws_.say(fmt::format("{}: scale to {}{}", cluster, replicas, done ? "" : ": " + done.error().message()));
}

Task<void> People::tidy() {
    laws_.say("tidying up");
    if (extras_.has(Extra::kToZero) || extras_.has(Extra::kScales)) {
        for (std::string const& cluster : fleet_.members()) {
            if (extras_.has(Extra::kScales)) co_await bound(cluster, kind_->replicas);
            co_await resize(cluster, kind_->replicas);
        }
    }
    if (extras_.has(Extra::kPauses)) co_await pause_everywhere(false);
    for (int count = 0; disabled_ && count < 600; ++count) {
        co_await enable();
        if (disabled_) (void)co_await async::sleep_for(ctx_, 1s);
    }
    if (disabled_) laws_.violate("the Rollout is not enabled in every cluster");
    if (extras_.has(Extra::kToZero) || extras_.has(Extra::kPasses)) (void)co_await async::sleep_for(ctx_, kTriedAgain);
    for (int count = 0; leaving_ && count < 600; ++count) {
        co_await come_back();
        // What came up from nothing in the new version goes back by a release, as does what goes back in batches; and
        // what was let through and had not come to all pods yet, which the hub says.
        bool const by_release = extras_.has(Extra::kToZero) || extras_.has(Extra::kBatches) ||
                                (extras_.has(Extra::kLetsGo) && co_await waits_for_a_release());
        if (leaving_ && by_release) co_await go_on();
        if (leaving_) (void)co_await async::sleep_for(ctx_, 1s);
    }
    if (leaving_) {
        auto const there = co_await fleet_.person(kHubCluster).get(ctx_, apis::kRollouts, kWeb);
        laws_.violate("the Rollout does not go: " +
                      (there ? there->at({"status", "message"}).string() : std::string()));
    }
    co_await place("null");
    co_await take_back();
    version_ = fmt::format("v{}", ++versions_);
    co_await push();
}

Task<bool> People::waits_for_a_release() {
    auto const there = co_await fleet_.person(kHubCluster).get(ctx_, apis::kRollouts, kWeb);
    co_return there && there->at({"status", "message"}).as_string().find("(releasing)") != std::string_view::npos;
}

Task<void> People::go_on() {
    client::Client const hub = fleet_.person(kHubCluster);
    auto const bindings = co_await hub.list(ctx_, apis::kFleetBindings, {.ns = kNamespace});
    bool paused = false;
    if (bindings) {
        for (auto const& [index, binding] : (*bindings)["items"].elements()) {
            for (auto const& [at, cluster] : binding.at({"spec", "clusters"}).elements())
                paused = paused || cluster["paused"].as_bool();
        }
    }
    if (paused) co_await intervene("Resume", true);
    co_await look();
    co_await approve(views_);
}

Task<std::string> People::differs() {
    for (std::string const& cluster : fleet_.members()) {
        std::string const what = co_await differs_in(ctx_, fleet_.person(cluster), *kind_, version_);
        if (!what.empty()) co_return cluster + ": " + what;
    }
    auto const decisions = co_await fleet_.person(kHubCluster).list(ctx_, apis::kDecisions, {.ns = kNamespace});
    if (!decisions) co_return decisions.error().message();
    for (auto const& [index, each] : (*decisions)["items"].elements()) {
        std::string_view const outcome = each.at({"status", "outcome"}).as_string();
        if (outcome.empty() || outcome == apis::outcome::kPending) {
            co_return fmt::format("{} of {} is not settled: {}", each.at({"spec", "action"}).as_string(),
                                  meta::name(each), json::write(each["status"]));
        }
    }
    co_return std::string();
}

Task<std::string> People::leftovers() {
    std::string found;
    for (std::string const& cluster : fleet_.members()) {
        std::string left = co_await leftovers_in(ctx_, fleet_.person(cluster), *kind_);
        if (routed_) left += co_await routing_left(ctx_, fleet_.person(cluster), ingress_);
        if (!left.empty()) found += cluster + ": " + left;
    }
    co_return found;
}

}   // namespace aviary::sim
