#include "laws.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/fleet/decision.h"
#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "kinds.h"
#include "kube/meta/object.h"
#include "reading.h"
#include "routing.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr Duration kStale = 60s;   // what somebody still writes who saw another size

meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
meta::GroupVersionResource const kLeases{"coordination.k8s.io", "v1", "leases"};

}   // namespace

std::uint64_t version_of(Doc const& object) {
    return static_cast<std::uint64_t>(parse_int(meta::resource_version(object)).value_or(0));
}

std::string cell(WorkloadKind const& kind, std::string_view style, std::string_view event) {
    return fmt::format("{}, {}: {}", name_of(kind), style, event);
}

std::string Pause::text() const { return fmt::format("step {} of {} in {} since {}", step, revision, cluster, since); }

Pause pause_of(std::string const& cluster, Doc const& rollout) {
    // A release that is being taken back leaves StepPaused behind.
    std::string const reason = meta::condition(rollout, "Progressing")["reason"].string();
    bool const rolling = reason == apis::reason::kInRolling || reason == apis::reason::kPaused;
    if (phase_of(rollout) != "Progressing" || state_of(rollout) != "StepPaused" || !rolling) return {};
    return {cluster, meta::uid(rollout), revision_of(rollout), step_of(rollout),
            release_of(rollout)["lastUpdateTime"].string()};
}

Laws::Laws(Context const& ctx, bool with_hub, bool verbose) : ctx_(ctx), with_hub_(with_hub), verbose_(verbose) {}

// To the next step it is none: what leads there is an approval.
void Laws::jumping(std::string const& cluster, Doc const& rollout, std::int64_t to, bool later) {
    if (to == step_of(rollout) + 1) return;
    jumps_[{cluster, meta::uid(rollout), revision_of(rollout)}].push_back({to, version_of(rollout), later});
}

void Laws::jump_refused(std::string const& cluster, Doc const& rollout, std::int64_t to) {
    auto& asked = jumps_[{cluster, meta::uid(rollout), revision_of(rollout)}];
    auto const found = std::ranges::find_if(
        asked, [&](Jump const& jump) { return jump.to == to && jump.version == version_of(rollout); });
    if (found != asked.end()) asked.erase(found);
}

void Laws::say(std::string const& text) const {
    if (verbose_) fmt::print("{} {}\n", format_rfc3339_micro(ctx_.now()), text);
}

void Laws::violate(std::string text) {
    say("VIOLATION " + text);
    if (violation_.empty()) violation_ = std::move(text);
}

void Laws::pod_lost(std::string const& cluster, Doc const& pod) {
    Member& member = members_[cluster];
    ++member.granted.lost;
    auto const there = member.ready.find(meta::name(pod));
    bool const counts = !member.beside || member.trusted.contains(image_of_pod(pod));
    if (counts && (there != member.ready.end() || meta::condition_is_true(pod, "Ready"))) ++member.lost;
    // It may come back in the version before.
    if (member.back && image_of_pod(pod) != member.back->image) ++member.back->spared;
    member.lost_at = ctx_.monotonic();
    member.taken[unit_of(pod)] = member.lost_at;
    for (std::string const& hash : hashes_in(pod.at({"metadata", "labels"}))) member.lost_of[hash] = member.lost_at;
    // Then all come back in the new version.
    auto const newest = member.beyond.find(member.image);
    if (!member.by_what_is_left || newest == member.beyond.end()) return;
    std::int64_t const others = pods_of(cluster, member.image, false) - (image_of_pod(pod) != member.image ? 1 : 0);
    if (others <= 0) newest->second.unjudged = member.size;
}

void Laws::passes_by(std::string const& cluster, std::string const& image) {
    say(fmt::format("  {}: {} comes past the webhook", cluster, image));
    members_[cluster].passed[image] = std::nullopt;
    members_[cluster].passed_at = ctx_.monotonic();
}

void Laws::meets(std::string const& cluster, std::string_view event) {
    meets(cluster, stored(cluster, apis::kRollouts, kName), event);
}

void Laws::meets(std::string const& cluster, Doc const& rollout, std::string_view event) {
    if (!rolling(rollout)) return;
    for (WorkloadKind const& kind : workload_kinds()) {
        Doc const there = stored(cluster, kind.resource, kName);
        // What a workload's controller makes of a kind of its own is none that people release.
        if (there.exists() && !meta::controller_of(there)) met_.insert(cell(kind, style_of(rollout), event));
    }
}

bool Laws::lately(MonotonicTime when) const { return when > MonotonicTime{} && ctx_.monotonic() - when <= kStale; }
bool Laws::just(MonotonicTime when) const { return when > MonotonicTime{} && ctx_.monotonic() - when <= kShortly; }

// ---- objects ----

void Laws::server_started(Context const& ctx, std::function<client::Client(std::string const&)> const& clients) {
    scope_ = std::make_unique<async::Scope>(ctx.without_stop());
    restarted_at_ = ctx_.monotonic();
    for (char const* cluster : {"beijing", "hangzhou", "shanghai"}) {
        for (auto const& resource :
             {kReplicaSets, kPods, apis::kRollouts, apis::kBatchReleases, kServices, kRoutes, kIngresses})
            scope_->spawn(follow(scope_->context(), clients(cluster), cluster, resource));
        for (WorkloadKind const& kind : workload_kinds())
            scope_->spawn(follow(scope_->context(), clients(cluster), cluster, kind.resource));
    }
    scope_->spawn(judge(scope_->context()));
    if (!with_hub_) return;
    scope_->spawn(follow(scope_->context(), clients(kHubCluster), kHubCluster, apis::kDecisions));
    for (WorkloadKind const& kind : workload_kinds())
        scope_->spawn(follow(scope_->context(), clients(kHubCluster), kHubCluster, kind.resource));
    scope_->spawn(follow(scope_->context(), clients(kHubCluster), kHubCluster, kLeases));
}

Task<void> Laws::server_ended() {
    if (!scope_) co_return;
    co_await scope_->cancel_and_join();
    scope_.reset();
    for (auto const& [when, change] : std::exchange(heard_, {})) take(change);
}

Task<void> Laws::follow(Context ctx, client::Client client, std::string cluster, meta::GroupVersionResource resource) {
    std::string const kind = resource.group_resource();
    auto const hear = [this, &ctx, &cluster, &kind](Doc const& object, bool gone) {
        Change change{{cluster, kind, meta::ns(object), meta::name(object)},
                      gone ? Doc() : object.detach(),
                      version_of(object),
                      ctx.monotonic()};
        auto const at = std::tuple(change.at, cluster, change.version, change.object);
        heard_[at] = std::move(change);
        something_.notify();
    };
    std::string version;
    while (ctx.check()) {
        if (version.empty()) {
            auto const list = co_await client.list(ctx, resource);
            if (!list) {   // a kind that is not defined yet
                (void)co_await async::sleep_for(ctx, 20ms);
                continue;
            }
            version = list->at({"metadata", "resourceVersion"}).string();
            std::map<Object, std::uint64_t> there;
            for (auto const& [index, object] : (*list)["items"].elements()) {
                hear(object, false);
                there[{cluster, kind, meta::ns(object), meta::name(object)}] = version_of(object);
            }
            check_acknowledged(cluster, kind, there);
        }
        auto stream = co_await client.watch(ctx, resource, {.resource_version = version});
        while (stream) {
            auto event = co_await (*stream)->next(ctx);
            if (!event || !*event) break;
            Doc const object = (**event)["object"];
            std::string_view const type = (**event)["type"].as_string();
            if (type == "ERROR") {
                violate("the witness fell behind");
                break;
            }
            version = meta::resource_version(object);
            if (type != "BOOKMARK") hear(object, type == "DELETED");
        }
    }
}

Doc Laws::stored(std::string const& cluster, meta::GroupVersionResource const& resource,
                 std::string const& name) const {
    auto const found = objects_.find({cluster, resource.group_resource(), kNamespace, name});
    return found == objects_.end() ? Doc() : found->second;
}

// Whatever was acknowledged before a restart is there after it.
void Laws::check_acknowledged(std::string const& cluster, std::string const& resource,
                              std::map<Object, std::uint64_t> const& there) {
    for (auto const& [object, told] : acknowledged_) {
        if (object.cluster != cluster || object.resource != resource) continue;
        auto const found = there.find(object);
        auto const gone = deleted_.find(object);
        bool const kept = found != there.end() ? found->second >= told : gone != deleted_.end() && gone->second >= told;
        if (!kept)
            violate(fmt::format("{} {}/{} of {}: revision {} was acknowledged and is lost", resource, object.ns,
                                object.name, cluster, told));
    }
}

// Changes of one instant are taken once it has passed: until then they come in the order of the watches, not of the
// server.
Task<void> Laws::judge(Context ctx) {
    while (ctx.check()) {
        if (heard_.empty()) {
            if (!co_await something_.wait(ctx)) break;
        }
        if (!co_await async::sleep_for(ctx, 1us)) break;
        while (!heard_.empty() && std::get<0>(heard_.begin()->first) < ctx.monotonic()) {
            Change const change = std::move(heard_.begin()->second);
            heard_.erase(heard_.begin());
            take(change);
        }
        check_leaders();
    }
}

void Laws::take(Change const& change) {
    digest_ =
        digest_ * 1099511628211U ^ fnv1a_64(fmt::format("{}/{}/{} {}", change.object.cluster, change.object.resource,
                                                        change.object.name, change.version));
    Doc& known = objects_[change.object];
    Doc const before = known;
    if (before.exists() && change.after.exists() && version_of(before) == version_of(change.after)) return;
    known = change.after;
    if (!change.after.exists()) {
        objects_.erase(change.object);
        deleted_[change.object] = change.version;
    }
    std::string const& cluster = change.object.cluster;
    if (cluster == kHubCluster) {
        if (change.object.resource == apis::kDecisions.group_resource()) decision_changed(change.after);
        if (change.object.resource == kLeases.group_resource()) lease_changed(change);
        return;
    }
    if (change.object.resource == apis::kRollouts.group_resource()) rollout_changed(cluster, before, change.after);
    if (change.object.resource == kReplicaSets.group_resource()) set_changed(cluster, before, change.after);
    // What a workload's controller makes of a kind of its own is none that people release.
    bool const workload =
        change.after.exists() && is_workload(change.object.resource) && !meta::controller_of(change.after);
    if (workload && change.object.name == kName) workload_changed(cluster, change.after);
    if (workload) tell_workload(cluster, before, change.after);
    if (change.object.resource == kServices.group_resource() || change.object.resource == kRoutes.group_resource() ||
        change.object.resource == kIngresses.group_resource())
        routing_changed(cluster);
    if (change.object.resource == kPods.group_resource())
        pod_changed(cluster, change.object.name, before, change.after);
}

void Laws::lease_changed(Change const& change) {
    std::string const holder = change.after.at({"spec", "holderIdentity"}).string();
    if (!leaders_.empty() && leaders_.back().second == holder) return;
    leaders_.emplace_back(change.at, holder);
    say("the hub is led by " + holder);
}

// A leader that was deposed writes nothing more. Of one instant nobody can say what came first.
void Laws::check_leaders() {
    for (auto const& [at, process, what] : std::exchange(led_, {})) {
        bool led = leaders_.empty();
        for (auto each = leaders_.rbegin(); each != leaders_.rend() && !led; ++each) {
            led = each->first <= at && (each->second.starts_with(process + "_") || each->second.empty());
            if (each->first < at) break;
        }
        if (!led) violate(fmt::format("{} writes and does not lead: {}", process, what));
    }
}

// What is reported applied has happened; and what is recorded as approved in the member itself was approved there. A
// jump that is settled sends nothing on any more.
void Laws::decision_changed(Doc const& after) {
    auto const decision = apis::read_decision(after);
    if (!after.exists() || !decision) return;
    bool const approves = decision->spec.action == apis::action::kApprove;
    for (apis::DecisionClusterStatus const& row : decision->status.clusters) {
        auto const target = std::ranges::find(decision->spec.targets, row.cluster, &apis::DecisionTarget::cluster);
        if (target == decision->spec.targets.end()) continue;
        if (decision->spec.to_step && apis::settled(row.outcome) &&
            settled_jumps_.emplace(meta::name(after), row.cluster).second) {
            auto& asked = jumps_[{target->cluster, target->rollout_uid, target->revision}];
            auto const found = std::ranges::find_if(
                asked, [&](Jump const& jump) { return jump.later && jump.to == *decision->spec.to_step; });
            // Whatever of it was sent is done at the next change of step.
            if (found != asked.end()) found->later = false;
        }
        if (row.outcome != apis::outcome::kApplied || !approves) continue;
        Pause const pause{target->cluster, target->rollout_uid, target->revision, target->step.value_or(0),
                          target->paused_since};
        if (decision->status.origin == apis::kOriginMember && !direct_.contains(pause))
            violate(fmt::format("{} is on record as approved in the member, and nobody did", pause.text()));
        if (!passed_.contains(pause))
            violate(
                fmt::format("the approval of {} is reported as applied, and the pause was not passed", pause.text()));
    }
}

}   // namespace aviary::sim
