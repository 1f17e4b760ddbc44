#include "operators.h"

#include <fmt/format.h>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/async/event.h"
#include "kube/meta/object.h"
#include "reading.h"
#include "routing.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

meta::ObjectKey const kWeb{kNamespace, kName};
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};

// A kind for each of its styles.
WorkloadKind const* some_kind(Random& random) {
    std::vector<WorkloadKind const*> choice;
    for (WorkloadKind const& kind : workload_kinds()) choice.insert(choice.end(), kind.styles.size(), &kind);
    return choice[random.below(choice.size())];
}

}   // namespace

Value Operators::rollout(Site const& site) {
    Style const& style = site.kind->styles[ctx_.random().below(site.kind->styles.size())];
    laws_.say(fmt::format("{}: a Rollout of a {} ({}) with {} {}", site.cluster, site.kind->kind.kind,
                          site.kind->kind.api_version(), style.strategy, style.steps));
    Value made = make_rollout(*site.kind, style);
    if (extras_.has(Extra::kBatches)) made.set({"metadata", "annotations", apis::kRollbackInBatchAnnotation}, "true");
    return site.routed ? with_routing(std::move(made), site.ingress) : made;
}

Task<Status> Operators::begin() {
    for (std::string const& cluster : fleet_.members()) {
        Site site{.cluster = cluster, .kind = some_kind(ctx_.random()), .routed = ctx_.random().below(3) == 0};
        if (WorkloadKind const* const other = extras_.random().below(2) == 0 ? extras_.kind() : nullptr;
            other != nullptr)
            site.kind = other;
        if (extras_.has(Extra::kIngress) && extras_.random().below(2) == 0) site.routed = site.ingress = true;
        // What leads requests goes back at once.
        if (extras_.has(Extra::kBatches) && extras_.random().below(2) == 0) site.routed = site.ingress = false;
        client::Client const member = fleet_.person(cluster);
        laws_.trust(cluster, site.version);
        CO_TRY(co_await member.create(ctx_, kNamespaces,
                                      parse(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}})")));
        CO_TRY(co_await member.create(ctx_, site.kind->resource, make_workload(*site.kind, site.version)));
        if (site.routed) CO_TRY(co_await make_routing(ctx_, member, site.ingress));
        CO_TRY(co_await member.create(ctx_, apis::kRollouts, rollout(site)));
        sites_.push_back(std::move(site));
    }
    co_return Status{};
}

Task<Status> Operators::autoscale() {
    for (Site const& site : sites_) {
        if (!site.kind->scales) continue;
        CO_TRY(co_await autoscale_in(ctx_, fleet_.person(site.cluster), *site.kind, 1, 20));
    }
    co_return Status{};
}

Task<void> Operators::act() { co_await act_in(sites_[ctx_.random().below(sites_.size())]); }

Task<void> Operators::act_in(Site& site) {
    std::uint64_t const what = ctx_.random().below(100);
    if (extras_.has(Extra::kToZero) && extras_.random().below(6) == 0) co_return co_await to_zero(site);
    if (extras_.has(Extra::kBatches) && extras_.random().below(8) == 0) co_return co_await take_back(site);
    if (site.unguarded && ctx_.random().below(2) == 0) co_return co_await restore_guard(site);
    if (what < 14) {
        auto const there = co_await fleet_.person(site.cluster).get(ctx_, apis::kRollouts, kWeb);
        bool const refused = there && blue_green(*there) && phase_of(*there) == "Progressing";
        if (refused && ctx_.random().below(4) != 0) co_return co_await approve(site);
        co_await release(site, fmt::format("v{}", ++versions_));
    } else if (what < 50) {
        co_await approve(site);
    } else if (what < 58) {
        co_await jump(site);
    } else if (what < 62) {
        co_await change_rollout(site, parse(R"({"spec":{"strategy":{"paused":true}}})"), "pause");
    } else if (what < 70) {
        co_await change_rollout(site, parse(R"({"spec":{"strategy":{"paused":false}}})"), "resume");
    } else if (what < 77) {
        co_await take_back(site);
    } else if (what < 84) {
        co_await scale(site);
    } else if (what < 88) {
        co_await disable(site);
    } else if (what < 92) {
        co_await remove(site);
    } else {
        Value patch{json::Object()};
        patch.set({"metadata", "labels", "touched"}, fmt::format("t{}", ctx_.random().below(1000)));
        co_await change_workload(site, std::move(patch), "touch");
    }
}

Task<bool> Operators::change_workload(Site const& site, Value patch, std::string what) {
    auto const done = co_await fleet_.person(site.cluster)
                          .patch(ctx_, site.kind->resource, kWeb, client::PatchType::kMerge, std::move(patch));
    laws_.say(fmt::format("{}: {}{}", site.cluster, what, done ? "" : ": " + done.error().message()));
    co_return done.has_value();
}

Task<Status> Operators::change_rollout(Site const& site, Value patch, std::string what, std::string subresource) {
    auto const done = co_await fleet_.person(site.cluster)
                          .patch(ctx_, apis::kRollouts, kWeb, client::PatchType::kMerge, std::move(patch),
                                 {.subresource = std::move(subresource)});
    laws_.say(fmt::format("{}: {}{}", site.cluster, what, done ? "" : ": " + done.error().message()));
    if (!done) co_return std::unexpected(done.error());
    co_return Status{};
}

Task<void> Operators::release(Site& site, std::string version) {
    if (site.unguarded) laws_.let_through(site.cluster, version);
    site.version = version;
    while (!co_await change_workload(site, with_image(*site.kind, version), "release " + version) && tidying_ &&
           ctx_.check())
        (void)co_await async::sleep_for(ctx_, 1s);
}

Task<void> Operators::take_back(Site& site) {
    std::string const stable = co_await stable_version_in(ctx_, fleet_.person(site.cluster), *site.kind);
    if (!stable.empty()) co_await release(site, stable);
}

Task<void> Operators::approve(Site const& site) {
    auto const there = co_await fleet_.person(site.cluster).get(ctx_, apis::kRollouts, kWeb);
    if (!there || there->at({"spec", "strategy", "paused"}).as_bool()) co_return;
    Pause const pause = pause_of(site.cluster, *there);
    if (pause.step == 0) co_return;
    laws_.approving(pause);
    Value patch{json::Object()};
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(*there));
    patch.set({"status", apis::release_status_name(*there), "currentStepState"}, "StepReady");
    co_await change_rollout(site, std::move(patch), "approve " + pause.text(), "status");
}

// As upstream's users do it: from any state, forward and back.
Task<void> Operators::jump(Site const& site) {
    auto const there = co_await fleet_.person(site.cluster).get(ctx_, apis::kRollouts, kWeb);
    if (!there || phase_of(*there) != "Progressing") co_return;
    auto const to = static_cast<std::int64_t>(1 + ctx_.random().below(3));
    laws_.jumping(site.cluster, *there, to);
    Value patch{json::Object()};
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(*there));
    patch.set({"status", apis::release_status_name(*there), "nextStepIndex"}, to);
    Status const done = co_await change_rollout(site, std::move(patch), fmt::format("jump to step {}", to), "status");
    if (!done && !client::no_answer(done.error())) laws_.jump_refused(site.cluster, *there, to);
}

// By hand or by the autoscaler's bounds.
Task<void> Operators::scale(Site const& site) {
    if (!site.kind->scales) co_return;
    std::int64_t const replicas = some_replicas(ctx_.random(), *site.kind);
    if (ctx_.random().below(2) == 0) co_return co_await bound(site, replicas, replicas);
    co_await resize(site, replicas);
}

Task<void> Operators::resize(Site const& site, std::int64_t replicas) {
    Value patch{json::Object()};
    patch.set({"spec", "replicas"}, replicas);
    co_await change_workload(site, std::move(patch), fmt::format("scale to {}", replicas));
}

// By hand: autoscalers leave what has none alone.
Task<void> Operators::to_zero(Site const& site) {
    if (!site.kind->scales) co_return;
    auto const there = co_await fleet_.person(site.cluster).get(ctx_, site.kind->resource, kWeb);
    if (!there) co_return;
    co_await resize(site, nothing_or_some(extras_, *site.kind, *there));
}

Task<void> Operators::bound(Site const& site, std::int64_t least, std::int64_t most) {
    Status const done = co_await bound_in(ctx_, fleet_.person(site.cluster), least, most);
    laws_.say(fmt::format("{}: autoscale between {} and {}{}", site.cluster, least, most,
                          done ? "" : ": " + done.error().message()));
}

Task<bool> Operators::let_through(Site& site) {
    auto const there = co_await fleet_.person(site.cluster).get(ctx_, site.kind->resource, kWeb);
    if (!there) co_return false;
    laws_.let_through(site.cluster, image_of(*there));
    site.unguarded = true;
    co_return true;
}

// What is being released goes through.
Task<void> Operators::disable(Site& site) {
    if (!co_await let_through(site)) co_return;
    co_await change_rollout(site, parse(R"({"spec":{"disabled":true}})"), "disable the Rollout");
}

Task<void> Operators::remove(Site& site) {
    if (!co_await let_through(site)) co_return;
    auto const done = co_await fleet_.person(site.cluster).remove(ctx_, apis::kRollouts, kWeb);
    laws_.say(site.cluster + ": delete the Rollout" + (done ? "" : ": " + done.error().message()));
}

// Guarded again once the controller has said something of the Rollout.
Task<void> Operators::restore_guard(Site& site) {
    client::Client const member = fleet_.person(site.cluster);
    auto const there = co_await member.get(ctx_, apis::kRollouts, kWeb);
    if (!there && there.error().is(ErrorCode::kNotFound)) {
        (void)co_await member.create(ctx_, apis::kRollouts, rollout(site));
        co_return;
    }
    if (!there || meta::is_deleting(*there)) co_return;
    if (there->at({"spec", "disabled"}).as_bool()) {
        co_await change_rollout(site, parse(R"({"spec":{"disabled":false}})"), "enable the Rollout");
        co_return;
    }
    std::string_view const phase = phase_of(*there);
    if (phase == "Healthy" || phase == "Progressing") site.unguarded = false;
}

Task<void> Operators::go_on() {
    for (Site const& site : sites_) {
        auto const there = co_await fleet_.person(site.cluster).get(ctx_, apis::kRollouts, kWeb);
        if (there && there->at({"spec", "strategy", "paused"}).as_bool())
            co_await change_rollout(site, parse(R"({"spec":{"strategy":{"paused":false}}})"), "resume");
        co_await approve(site);
    }
}

Task<void> Operators::tidy() {
    laws_.say("tidying up");
    tidying_ = true;
    for (Site& site : sites_) {
        for (int count = 0; site.unguarded && count < 300; ++count) {
            co_await restore_guard(site);
            if (site.unguarded) (void)co_await async::sleep_for(ctx_, 1s);
        }
        if (site.unguarded) laws_.violate(site.cluster + ": the Rollout does not come back");
        if (site.kind->scales) {
            co_await bound(site, 1, 20);
            co_await resize(site, site.kind->replicas);
        }
        // A further version would be refused in the middle of a blue-green release.
        for (int quiet = 0, count = 0; quiet < 5 && count < 300 && laws_.violation().empty(); ++count) {
            auto const there = co_await fleet_.person(site.cluster).get(ctx_, apis::kRollouts, kWeb);
            bool const busy = !there || (blue_green(*there) && phase_of(*there) == "Progressing");
            quiet = busy ? 0 : quiet + 1;
            if (busy && count % 10 == 0) co_await take_back(site);
            if (busy) co_await go_on();
            (void)co_await async::sleep_for(ctx_, 2s);
        }
        co_await release(site, fmt::format("v{}", ++versions_));
    }
}

Task<std::string> Operators::differs() {
    for (Site const& site : sites_) {
        std::string const what = co_await differs_in(ctx_, fleet_.person(site.cluster), *site.kind, site.version);
        if (!what.empty()) co_return site.cluster + ": " + what;
    }
    co_return std::string();
}

Task<std::string> Operators::leftovers() {
    std::string found;
    for (Site const& site : sites_) {
        std::string left = co_await leftovers_in(ctx_, fleet_.person(site.cluster), *site.kind);
        if (site.routed) left += co_await routing_left(ctx_, fleet_.person(site.cluster), site.ingress);
        if (!left.empty()) found += site.cluster + ": " + left;
    }
    co_return found;
}

}   // namespace aviary::sim
