#include <algorithm>
#include <tuple>

#include "hub/decision/internal/impl.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::decision {

using control::Key;
using json::Doc;

std::string recorded(apis::Decision const& decision, std::string const& cluster) {
    auto const found = std::ranges::find(decision.status.clusters, cluster, &apis::DecisionClusterStatus::cluster);
    return found == decision.status.clusters.end() ? std::string() : found->outcome;
}

bool on_pause(std::string_view action) { return action == apis::action::kPause || action == apis::action::kResume; }

meta::ObjectKey binding_of(apis::Decision const& decision, Subject const& subject) {
    return on_pause(decision.spec.action) ? placement::binding_key(propagation::kRolloutKind, subject.rollout_key)
                                          : placement::binding_key(subject.kind, subject.workload_key);
}

Subject Decider::Impl::subject_of(Key const& key, apis::Decision const& decision,
                                  clusters::Member const* member) const {
    Subject subject;
    subject.rollout_key = {key.object.ns, decision.spec.rollout_ref.name};
    subject.rollout = propagator.sources().get(propagation::kRolloutKind, subject.rollout_key);
    Doc const rollout = subject.rollout.exists() || member == nullptr
                            ? subject.rollout
                            : member->get(propagation::kRollouts, subject.rollout_key);
    std::tie(subject.kind, subject.workload_key) = propagation::workload_of(rollout);
    subject.workload_key.ns = key.object.ns;
    subject.known = propagator.sources().find(subject.kind);
    if (subject.known != nullptr) subject.workload = subject.known->informer->get(subject.workload_key);
    return subject;
}

std::optional<Seen> Decider::Impl::observe(Key const& key, apis::Decision const& decision,
                                           apis::DecisionTarget const& target, Time now) {
    if (!propagator.ready()) return std::nullopt;
    Seen seen;
    seen.spec = decision.spec;
    seen.target = target;
    clusters::Member* const member = propagator.members().find(target.cluster);
    seen.reachable = member != nullptr && member->reachable();
    if (member != nullptr) propagator.members().want(*member, propagation::kRollouts);
    auto const unread = [&](meta::GroupVersionResource const& resource) {
        return seen.reachable && member->serving(resource) == clusters::Member::Serving::kUnknown;
    };
    if (unread(propagation::kRollouts)) return std::nullopt;
    Subject const subject = subject_of(key, decision, member);
    // A kind that the hub brings, and has not found since it began: without its workload another release would seem to
    // be on. That waits no longer than the Decision.
    auto const expires = parse_rfc3339(decision.spec.expires_at);
    bool const goes_back = decision.spec.action == apis::action::kAbort || decision.spec.action == apis::action::kUndo;
    bool const unresolved = subject.known == nullptr && propagator.sources().wanted(subject.kind);
    if (goes_back && unresolved && (!expires || now < *expires)) return std::nullopt;
    if (member != nullptr) seen.rollout = member->get(propagation::kRollouts, subject.rollout_key);
    if (subject.known != nullptr && !subject.known->informer->synced()) return std::nullopt;
    if (member != nullptr && subject.known != nullptr) {
        propagator.members().want(*member, subject.known->resource);
        if (unread(subject.known->resource)) return std::nullopt;
        seen.workload = member->get(subject.known->resource, subject.workload_key);
    }
    Progress const& mine = progress[key.object];
    // A cluster that is not the hub's any more is not waited for.
    seen.sent = member != nullptr && mine.sent.contains(target.cluster);
    seen.doubted = member != nullptr && recorded(decision, target.cluster) == apis::outcome::kUnreachable;
    seen.inherited = member != nullptr && mine.inherited;
    client::Informer const* const copy = member == nullptr ? nullptr : member->informer(propagation::kRollouts);
    seen.current = copy != nullptr && !copy->last_error();
    auto const left = unasked.find({target.cluster, subject.rollout_key});
    seen.left = left != unasked.end() && std::ranges::count(left->second.steps, target, &LeftStep::target) > 0;
    seen.begun = mine.begun.contains(target.cluster);
    // A Rollout that is gone from the hub, and still holds a version back in members, supersedes nothing.
    seen.superseded = subject.rollout.exists() && decision.spec.release &&
                      decision.spec.release->digest != release_digest(subject.workload, subject.rollout);
    seen.kept = [this, ns = key.object.ns](std::string_view hash) { return propagator.revision(ns, hash).has_value(); };
    seen.hub_template = propagation::template_hash(propagation::pod_template(subject.workload));
    auto const cluster = bound(binding_of(decision, subject), target.cluster);
    seen.bound = cluster.has_value();
    seen.brought = meta::label(seen.rollout, propagation::kHubLabel) == propagator.hub_id();
    // A pin against another template is an earlier decision's.
    if (cluster && cluster->rejected == seen.hub_template) seen.pinned = cluster->revision;
    seen.paused = cluster && cluster->paused;
    seen.paused_by_all = subject.rollout.at({"spec", "strategy", "paused"}).as_bool();
    seen.later = later(key.object, decision, target.cluster);
    return seen;
}

std::string Decider::Impl::later(meta::ObjectKey const& key, apis::Decision const& decision,
                                 std::string const& cluster) const {
    std::string const& action = decision.spec.action;
    if (!on_pause(action) && action != apis::action::kJump) return {};
    // Of the same second, one of both.
    auto const age = [](Doc const& object) {
        return std::pair(object.at({"metadata", "creationTimestamp"}).string(), meta::name(object));
    };
    auto const created = age(decisions.get(key));
    for (meta::ObjectKey const& each : open) {
        Doc const other = decisions.get(each);
        std::string const theirs = other.at({"spec", "action"}).string();
        bool const alike = on_pause(action) ? on_pause(theirs) : theirs == action;
        bool const after = each.ns == key.ns && alike && age(other) > created &&
                           other.at({"spec", "rolloutRef", "name"}).as_string() == decision.spec.rollout_ref.name;
        if (!after) continue;
        for (auto const& [index, target] : other.at({"spec", "targets"}).elements()) {
            if (target["cluster"].as_string() == cluster) return each.name;
        }
    }
    return {};
}

std::optional<apis::BoundCluster> Decider::Impl::bound(meta::ObjectKey const& binding,
                                                       std::string const& cluster) const {
    auto const spec = propagator.bindings().spec(binding);
    if (!spec) return std::nullopt;
    auto const found = std::ranges::find(spec->clusters, cluster, &apis::BoundCluster::name);
    return found == spec->clusters.end() ? std::nullopt : std::optional(*found);
}

bool Decider::Impl::any_decision(meta::ObjectKey const& rollout,
                                 std::function<bool(apis::Decision const&)> const& is) const {
    return std::ranges::any_of(decisions.by_index(kByRollout, rollout.name), [&](Doc const& object) {
        auto const decision = apis::read_decision(object);
        return meta::ns(object) == rollout.ns && decision && is(*decision);
    });
}

bool Decider::Impl::asked_for(meta::ObjectKey const& rollout, apis::DecisionTarget const& target) const {
    return any_decision(rollout, [&](auto const& decision) { return asks_for(decision, rollout.name, target); });
}

bool Decider::Impl::awaited(meta::ObjectKey const& rollout, apis::DecisionTarget const& target) const {
    return any_decision(rollout, [&](auto const& decision) {
        return asks_for(decision, rollout.name, target) && !apis::finished(recorded(decision, target.cluster));
    });
}

bool Decider::Impl::went_another_way(meta::ObjectKey const& rollout, LeftStep const& left) const {
    return !left.seen && any_decision(rollout, [&](auto const& decision) {
        return was_there_again(decision, rollout.name, left.target);
    });
}

}   // namespace aviary::decision
