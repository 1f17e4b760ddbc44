#include <fmt/format.h>

#include <algorithm>

#include "core/base/lasts.h"
#include "core/base/strings.h"
#include "hub/decision/evidence.h"
#include "hub/decision/internal/impl.h"
#include "hub/propagation/names.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;

constexpr Duration kKeepFinished = std::chrono::hours(24 * 30);   // evidence.cc counts on it
constexpr Duration kSoon = std::chrono::seconds(2);
// What is found out of some clusters is put on record with that of the others, if these follow within a moment.
constexpr Duration kTogether = std::chrono::milliseconds(250);
// A member that says every moment that something else was approved does not fill the hub's store.
constexpr Duration kCounted = std::chrono::hours(1);
constexpr std::size_t kMostRecords = 60;         // of one Rollout in one cluster, in that time
constexpr std::size_t kMostOfCluster = 600;      // … of all Rollouts in one cluster
constexpr std::size_t kMostUnasked = 60;         // that wait
constexpr std::ptrdiff_t kMostRollouts = 1000;   // of one cluster, with steps that wait
constexpr std::size_t kMostFailures = 10;        // to record one step, before it is given up

Write write_status(meta::ObjectKey const& key, apis::DecisionStatus const& status) {
    Write write;
    write.resource = apis::kDecisions;
    write.key = key;
    write.subresource = "status";
    write.body["status"] = apis::write_decision_status(status);
    write.why = "record";
    return write;
}

// Finished Decisions are kept a month.
Plan expire_record(Doc const& object, Time now) {
    Plan plan;
    Time const gone = meta::created(object).value_or(now) + kKeepFinished;
    if (now < gone) {
        plan.requeue_at(gone, "finished Decisions are kept 30 days");
        return plan;
    }
    plan.writes.push_back(control::deletion(apis::kDecisions, object, "kept for 30 days"));
    return plan;
}

// What is on record of one cluster, with what has been found out since.
apis::DecisionClusterStatus row_of(apis::DecisionStatus const& status, std::string const& cluster, Progress const& mine,
                                   Time now) {
    apis::DecisionClusterStatus row;
    auto const old = std::ranges::find(status.clusters, cluster, &apis::DecisionClusterStatus::cluster);
    if (old != status.clusters.end()) row = *old;
    row.cluster = cluster;
    auto const found = mine.outcomes.find(cluster);
    if (apis::finished(row.outcome) || found == mine.outcomes.end() || found->second.outcome.empty()) return row;
    bool const news = row.outcome != found->second.outcome;
    row.outcome = found->second.outcome;
    row.from = found->second.from;
    row.to = found->second.to;
    row.message = found->second.message;
    if (news) row.at = format_rfc3339(now);
    return row;
}

// The record as it is to be.
apis::DecisionStatus status_of(apis::Decision const& decision, Progress const& mine, Time now) {
    apis::DecisionStatus status;
    status.origin = apis::kOriginHub;
    std::size_t applied = 0;
    std::size_t settled = 0;
    bool expired = false;
    for (apis::DecisionTarget const& target : decision.spec.targets) {
        apis::DecisionClusterStatus row = row_of(decision.status, target.cluster, mine, now);
        applied += row.outcome == apis::outcome::kApplied ? 1 : 0;
        expired = expired || row.outcome == apis::outcome::kExpired;
        settled += apis::finished(row.outcome) ? 1 : 0;
        if (!row.outcome.empty()) status.clusters.push_back(std::move(row));
    }
    bool const over = settled == decision.spec.targets.size();
    status.outcome = !over                ? apis::outcome::kPending
                     : applied == settled ? apis::outcome::kApplied
                     : applied > 0        ? apis::outcome::kPartial
                     : expired            ? apis::outcome::kExpired
                                          : apis::outcome::kFailed;
    return status;
}

constexpr std::size_t kNamedClusters = 10;   // in one Event
// Of what a binding keeps of a Decision, for each cluster: of the name and of the reason.
constexpr std::size_t kLongestWho = 64;
constexpr std::size_t kLongestWhy = 100;

// "Approve by alice (decision web-12): beijing Applied, oslo Stale"
control::EventNote told(Doc const& about, std::string const& name, apis::DecisionSpec const& spec,
                        apis::DecisionStatus const& status) {
    std::string message = fmt::format("{}{} (decision {}):", spec.action,
                                      spec.requester ? " by " + shortened(spec.requester->username, 100) : "", name);
    std::size_t named = 0;
    for (apis::DecisionClusterStatus const& row : status.clusters) {
        if (named++ == kNamedClusters) {
            message += fmt::format(", and {} more", status.clusters.size() - kNamedClusters);
            break;
        }
        message += fmt::format("{} {} {}", named == 1 ? "" : ",", row.cluster, row.outcome);
    }
    bool const well = status.outcome == apis::outcome::kApplied;
    return control::event_about(about, well ? control::kNormal : control::kWarning, status.outcome, std::move(message));
}

// "alice at 2026-11-23T13:52:07Z: its p95 doubled"
std::string who_and_why(Doc const& object, apis::DecisionSpec const& spec) {
    std::string text = spec.requester ? shortened(spec.requester->username, kLongestWho) : "somebody";
    text += " at " + object.at({"metadata", "creationTimestamp"}).string();
    if (!spec.reason.empty()) text += ": " + shortened(spec.reason, kLongestWhy);
    return text;
}

}   // namespace

Plan Decider::Impl::decide_hub(Key const& key, Time now) {
    Plan plan;
    Doc const object = decisions.get(key.object);
    auto const decision = apis::read_decision(object);
    if (!object.exists()) {
        progress.erase(key.object);
        return plan;
    }
    if (!decision) return plan;
    if (apis::settled(decision->status.outcome)) {
        progress.erase(key.object);
        return expire_record(object, now);
    }
    if (is_record(decision->spec)) return finish_record(object, *decision, now);
    Progress& mine = progress[key.object];
    bind(plan, key, *decision, mine);
    apis::DecisionStatus const status = status_of(*decision, mine, now);
    if (status == decision->status) {
        mine.news.reset();
        return plan;
    }
    // That it is pending is news only after a moment: most are carried out by then.
    Time const made = meta::created(object).value_or(now);
    if (status.outcome == apis::outcome::kPending && status.clusters.empty() && lasts(made, kSoon, now)) {
        plan.requeue_at(made + kSoon, "the decision is pending");
        return plan;
    }
    if (!mine.news) mine.news = now;
    if (status.outcome == apis::outcome::kPending && lasts(*mine.news, kTogether, now)) {
        plan.requeue_at(*mine.news + kTogether, "the decision is carried out in more clusters");
        return plan;
    }
    mine.news.reset();
    plan.writes.push_back(write_status(key.object, status));
    if (apis::settled(status.outcome)) {
        Doc const rollout =
            propagator.sources().get(propagation::kRolloutKind, {key.object.ns, decision->spec.rollout_ref.name});
        plan.events.push_back(told(rollout.exists() ? rollout : object, meta::name(object), decision->spec, status));
    }
    return plan;
}

// Pins and pauses stand in bindings: rendering reads them there alone.
void Decider::Impl::bind(Plan& plan, Key const& key, apis::Decision const& decision, Progress const& mine) {
    clusters::Member const* any = nullptr;
    for (auto const& [name, outcome] : mine.outcomes) {
        if (any == nullptr) any = propagator.members().find(name);
    }
    meta::ObjectKey const binding_key = binding_of(decision, subject_of(key, decision, any));
    Doc const binding = propagator.bindings().get(binding_key);
    auto read = apis::read_fleet_binding(binding);
    if (!binding.exists() || !read) return;
    apis::FleetBindingSpec spec = read->spec;
    std::string const paused_by = who_and_why(decisions.get(key.object), decision.spec);
    for (auto const& [name, outcome] : mine.outcomes) {
        auto const cluster = std::ranges::find(spec.clusters, name, &apis::BoundCluster::name);
        auto const generation = mine.seen.find(name);
        // Found out about another state of the binding: it is found out anew.
        bool const current = generation != mine.seen.end() && generation->second == meta::generation(binding);
        if (cluster == spec.clusters.end() || !current || apis::finished(recorded(decision, name))) continue;
        if (outcome.pause) {
            cluster->paused = *outcome.pause;
            cluster->paused_by = *outcome.pause ? paused_by : "";
        }
        if (outcome.pin.empty()) continue;
        cluster->revision = outcome.pin;
        cluster->rejected = outcome.rejected;
    }
    if (spec == read->spec) return;
    plan.writes.push_back(placement::clusters_write(binding, spec, decision.spec.action));
}

// The copy that has the record has every Decision that was there before it: one that was carried out before the member
// was seen to move on is among them, whichever process carried it out.
Plan Decider::Impl::finish_record(Doc const& object, apis::Decision const& decision, Time now) const {
    Plan plan;
    meta::ObjectKey const rollout{meta::ns(object), decision.spec.rollout_ref.name};
    bool const asked = std::ranges::any_of(
        decision.spec.targets, [&](apis::DecisionTarget const& target) { return asked_for(rollout, target); });
    if (asked) {
        plan.writes.push_back(control::deletion(apis::kDecisions, object, "another Decision asked for it"));
    } else {
        plan.writes.push_back(write_status(meta::key_of(object), record_status(object, now)));
    }
    return plan;
}

bool Decider::Impl::brought(Key const& key) const {
    if (propagator.attached()) return true;   // all are its business that it follows
    meta::ObjectKey const name = placement::binding_key(propagation::kRolloutKind, key.object);
    Doc const binding = propagator.bindings().get(name);
    if (!binding.exists()) return false;
    if (meta::is_deleting(binding) || bound(name, key.part)) return true;
    // Not placed there any more, and kept while it releases.
    auto const standing = propagator.standing(name, key.part);
    return standing && standing->state == propagation::State::kRefused;
}

bool Decider::Impl::room_for(Key const& key) const {
    if (unasked.contains(key)) return true;
    auto const of_cluster = std::ranges::count(unasked, key.part, [](auto const& each) { return each.first.part; });
    return of_cluster < kMostRollouts;
}

void Decider::Impl::member_rollout_changed(std::string const& cluster, client::Change const& change) {
    bool const ours = propagator.attached() || meta::label(change.after, propagation::kHubLabel) == propagator.hub_id();
    if (!ours || !change.after.exists()) return;
    Key const key{cluster, meta::key_of(change.after)};
    if (propagator.bindings().synced() && !brought(key)) return;
    std::vector<LeftStep> news;
    if (auto left = left_step(cluster, change.before, change.after)) {
        add_word(*left, change.after);
        news.push_back(std::move(*left));
    }
    // What was approved while no hub looked. A step that is waiting was seen, which says more.
    for (LeftStep& left : steps_left_by_word(cluster, change.after)) news.push_back(std::move(left));
    for (LeftStep& left : news) {
        if (decisions.get({key.object.ns, record_name(key.object.name, left.target)}).exists()) continue;
        if (!room_for(key)) return;
        std::vector<LeftStep>& steps = unasked[key].steps;
        if (steps.size() >= kMostUnasked) return;
        if (std::ranges::count(steps, left.target, &LeftStep::target) > 0) continue;
        steps.push_back(std::move(left));
        watch_members->enqueue(key);
    }
}

void Decider::Impl::settle_unasked(Key const& key, Unasked& mine, Time now) {
    auto const error = watch_members->last_error(key);
    bool const refused = error && !error->is(ErrorCode::kUnavailable) && !error->is(ErrorCode::kTimeout) &&
                         !error->is(ErrorCode::kCancelled);
    mine.failures = refused ? mine.failures + 1 : 0;
    // No namespace for it, or one that goes.
    bool const hopeless = refused && (error->is(ErrorCode::kNotFound) || error->is(ErrorCode::kForbidden) ||
                                      mine.failures >= kMostFailures);
    if (hopeless && !mine.steps.empty()) {
        mine.steps.erase(mine.steps.begin());
        mine.failures = 0;
    }
    std::erase_if(mine.steps, [&](LeftStep& left) {
        if (left.word && !word_counts(left.word->at, now)) left.word.reset();
        bool const known = left.seen || left.word;
        if (!known || went_another_way(key.object, left)) return true;
        if (asked_for(key.object, left.target)) return !awaited(key.object, left.target);
        if (!decisions.get({key.object.ns, record_name(key.object.name, left.target)}).exists()) return false;
        ++counted[key].count;
        ++counted[{key.part, {}}].count;
        return true;
    });
}

std::optional<Time> Decider::Impl::next_record(Key const& key, Time now) {
    std::erase_if(counted, [now](auto const& each) { return !lasts(each.second.since, kCounted, now); });
    std::optional<Time> next;
    for (auto const& [whose, most] : {std::pair(key, kMostRecords), {Key{key.part, {}}, kMostOfCluster}}) {
        Recorded& one = counted.try_emplace(whose, Recorded{now, 0}).first->second;
        if (one.count >= most) next = std::max(next.value_or(now), one.since + kCounted);
    }
    return next;
}

Plan Decider::Impl::decide_unasked(Key const& key, Time now) {
    Plan plan;
    auto const found = unasked.find(key);
    if (found == unasked.end()) return plan;
    if (!propagator.ready()) {
        plan.requeue_at(now + kSoon, "the hub is being started");
        return plan;
    }
    if (!brought(key)) {
        unasked.erase(found);
        return plan;
    }
    Unasked& mine = found->second;
    auto const next = next_record(key, now);
    settle_unasked(key, mine, now);
    if (mine.steps.empty()) {
        unasked.erase(found);
        return plan;
    }
    auto const left =
        std::ranges::find_if(mine.steps, [&](LeftStep const& each) { return !asked_for(key.object, each.target); });
    if (left == mine.steps.end()) return plan;   // a change of what asked for it comes back to it
    if (next) {
        plan.requeue_at(*next, "records are counted by the hour");
        return plan;
    }
    Write write;
    write.verb = Write::Verb::kCreate;
    write.resource = apis::kDecisions;
    write.body = record_of(key.object, *left);
    write.key = {key.object.ns, write.body.at({"metadata", "name"}).string()};
    write.ignore_already_exists = true;
    write.why = "approved in the member itself";
    plan.writes.push_back(std::move(write));
    return plan;
}

}   // namespace aviary::decision
