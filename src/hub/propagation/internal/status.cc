#include <fmt/format.h>

#include <set>

#include "apis/rollouts/rollout.h"
#include "core/base/lasts.h"
#include "hub/propagation/aggregate.h"
#include "hub/propagation/binding_status.h"
#include "hub/propagation/internal/impl.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr Duration kStatusInterval = std::chrono::milliseconds(500);   // status of one object at most twice a second
constexpr Duration kStillEnding = std::chrono::minutes(1);             // should nothing tell of the last cluster
constexpr Duration kNotResolved = std::chrono::seconds(2);
constexpr Duration kPatience = std::chrono::seconds(20);   // before a cluster that answers is said not to be read

// Only what differs.
void write_status(Plan& plan, meta::GroupVersionResource const& resource, meta::ObjectKey const& key, std::string why,
                  Doc const& object, Value const& wanted) {
    Value changes = status_changes(object, wanted);
    if (changes.size() == 0) return;
    Write write;
    write.resource = resource;
    write.key = key;
    write.subresource = "status";
    write.body["status"] = std::move(changes);
    write.why = std::move(why);
    plan.writes.push_back(std::move(write));
}

Value waits_for_last(std::string const& cluster) {
    return json::Object{{"message", fmt::format("waits until the last one of its name is gone from {}", cluster)}};
}

constexpr std::size_t kMostEvents = 10;   // of one object at once

// What keeps the hub's object from a cluster until somebody has looked: not what ends by itself.
bool is_told(Doc const& row) {
    std::string_view const state = row["state"].as_string();
    return state == to_string(State::kGuarded) || state == to_string(State::kConflict) ||
           state == to_string(State::kNotServed) || state == to_string(State::kBehindMembers) ||
           row["reason"].as_string() == "ApplyFailed";
}

// The binding has said so before; of a cluster that has been away, before it went.
bool said_before(Doc const& binding, Doc const& row) {
    for (auto const& [index, before] : binding.at({"status", "abnormal"}).elements()) {
        if (before["cluster"].as_string() != row["cluster"].as_string()) continue;
        if (before["state"].as_string() == "Unreachable") {
            auto const went = parse_rfc3339(before["since"].as_string());
            auto const began = parse_rfc3339(row["since"].as_string());
            return went && began && *began < *went;
        }
        return before["state"].as_string() == row["state"].as_string() &&
               before["reason"].as_string() == row["reason"].as_string();
    }
    return false;
}

// Told once, when the binding begins to say so.
void tell_of_refusals(Plan& plan, Doc const& source, Doc const& binding, Value const& status) {
    Doc const next = Doc::freeze(status);
    for (auto const& [index, row] : next["abnormal"].elements()) {
        if (plan.events.size() == kMostEvents) return;
        if (!is_told(row) || said_before(binding, row)) continue;
        plan.events.push_back(
            control::event_about(source, control::kWarning, row["reason"].string(),
                                 fmt::format("{}: {}", row["cluster"].as_string(), row["message"].as_string())));
    }
}

std::string stable_revision_of(Doc const& source, std::vector<Reported> const& reported, Doc const& binding) {
    if (!template_in(source).exists()) return {};
    std::vector<Doc> workloads;
    for (Reported const& each : reported) workloads.push_back(each.live);
    return stable_revision(workloads, template_hash(pod_template(source)),
                           binding.at({"status", "stableRevision"}).string());
}

}   // namespace

Plan Propagator::Impl::decide_status(Key const& key, Time now) {
    Plan plan;
    auto const spec = bindings.spec(key.object);
    if (!spec) {
        forget(key.object);
        return plan;
    }
    if (auto const last = status_written.find(key.object);
        last != status_written.end() && lasts(last->second, kStatusInterval, now)) {
        plan.requeue_at(last->second + kStatusInterval, "status of one object at most twice a second");
        return plan;
    }
    Doc const binding = bindings.get(key.object);
    if (meta::is_deleting(binding)) return finish_binding(key, *spec, binding, now);
    placement::Sources::Kind const* const kind = sources.find(kind_of(spec->resource));
    if (kind == nullptr) return plan;
    meta::ObjectKey const object{spec->resource.ns, spec->resource.name};
    Doc const source = kind->informer->get(object);
    if (!source.exists()) return plan;

    auto& memories = known[key.object];
    std::erase_if(memories, [&](auto const& each) {
        return members.find(each.first) == nullptr && find_cluster(*spec, each.first) == nullptr;
    });
    std::vector<Reported> reported;
    std::vector<BindingRow> rows;
    std::optional<Time> under_way;   // until when nothing is said of a write that may be answered in a moment
    std::set<std::string> const taken_back =
        kind->kind == kRolloutKind ? taken_back_from(source) : std::set<std::string>();
    for (apis::BoundCluster const& cluster : spec->clusters) {
        clusters::Member const* const member = members.find(cluster.name);
        auto const memory = memories.find(cluster.name);
        Standing const* const standing = memory == memories.end() ? nullptr : &memory->second.standing;
        bool const away = member == nullptr ? members.synced() : member->probed() && !member->reachable();
        bool const applied = standing != nullptr && standing->state == State::kApplied;
        // Of one that is away this was found out before it left.
        bool const current = applied && (!away || decided_newest(kind->kind, source, cluster.name));
        reported.push_back({cluster.name, member == nullptr ? Doc() : member->get(kind->resource, object), current,
                            away, taken_back.contains(cluster.name)});
        if (away) {
            rows.push_back({cluster.name, "Unreachable", "ClusterUnreachable",
                            standing == nullptr ? "" : standing->message,
                            member == nullptr ? std::nullopt : std::optional(member->since())});
        } else if (standing != nullptr) {
            rows.push_back({cluster.name, std::string(to_string(standing->state)), standing->reason, standing->message,
                            standing->since});
            if (standing->state == State::kApplying && standing->reason.empty() &&
                lasts(standing->since, kStatusInterval, now))
                under_way = std::max(under_way.value_or(now), standing->since + kStatusInterval);
        } else if (member == nullptr || !member->probed() || lasts(member->since(), kPatience, now)) {
            // Not looked at yet: nothing is said that will not be true in a moment.
            plan.requeue_at(now + kPatience, "a cluster is being read");
            return plan;
        } else {
            client::Informer const* const copy = member->informer(kind->resource);
            bool const failed = copy != nullptr && copy->last_error();
            rows.push_back({cluster.name, "Applying", "NotObserved",
                            failed ? copy->last_error()->message() : "the copy of its objects is not there yet",
                            member->since()});
        }
    }
    if (under_way) {
        plan.requeue_at(*under_way, "it is being applied");
    } else {
        Value const wanted = binding_status(binding, rows, stable_revision_of(source, reported, binding),
                                            content(key.object, source), now);
        write_status(plan, placement::binding_resource(key.object), key.object, "binding status", binding, wanted);
        tell_of_refusals(plan, source, binding, wanted);
    }
    if (kind->kind == kRolloutKind) note_failures(source, reported);
    Value status = aggregate(source, reported, now);
    auto const waits = rollback_waits.find(object);
    if (kind->kind == kRolloutKind && waits != rollback_waits.end() && !waits->second.empty())
        status["message"] = fmt::format("{}; {}", waits->second, status["message"].as_string());
    write_status(plan, kind->resource, object, "status", source, status);
    if (!plan.writes.empty()) status_written[key.object] = now;
    return plan;
}

std::set<std::string> Propagator::Impl::taken_back_from(Doc const& rollout) const {
    auto const [kind, key] = workload_of(rollout);
    auto const spec = bindings.spec(placement::binding_key(kind, key));
    std::set<std::string> names;
    std::string hash;   // of the hub's template, once it is asked for
    if (!spec) return names;
    for (apis::BoundCluster const& cluster : spec->clusters) {
        if (cluster.rejected.empty() || cluster.revision.empty()) continue;
        if (hash.empty()) hash = template_hash(pod_template(sources.get(kind, key)));
        if (cluster.rejected == hash) names.insert(cluster.name);
    }
    return names;
}

void Propagator::Impl::note_failures(Doc const& rollout, std::vector<Reported>& reported) const {
    auto const [kind, key] = workload_of(rollout);
    placement::Sources::Kind const* const known_kind = sources.find(kind);
    std::string hash;   // of the hub's template, once it is asked for
    for (Reported& each : reported) {
        clusters::Member const* const member = members.find(each.cluster);
        if (!apis::taken_back_by_deadline(each.live)) continue;
        each.lacks_newest = true;   // also where the hub does not bring the workload
        Doc const source = sources.get(kind, key);
        if (member == nullptr || known_kind == nullptr || !source.exists()) continue;
        if (hash.empty()) hash = template_hash(pod_template(source));
        Doc const workload = member->get(known_kind->resource, key);
        each.lacks_newest = !workload.exists() || meta::label(workload, kTemplateLabel) != hash;
    }
}

bool Propagator::Impl::decided_newest(meta::GroupVersionKind const& kind, Doc const& source,
                                      std::string const& cluster) const {
    auto const object = known.find(placement::binding_key(kind, meta::key_of(source)));
    if (object == known.end()) return false;
    auto const memory = object->second.find(cluster);
    if (memory == object->second.end() || memory->second.source_generation != meta::generation(source)) return false;
    if (kind != kRolloutKind) return true;
    auto const [workload_kind, workload_key] = workload_of(source);
    Doc const workload = sources.get(workload_kind, workload_key);
    return !workload.exists() || decided_newest(workload_kind, workload, cluster);
}

// A binding goes once no member has its object any more.
Plan Propagator::Impl::finish_binding(Key const& key, apis::FleetBindingSpec const& spec, Doc const& binding,
                                      Time now) {
    Plan plan;
    if (!meta::has_finalizer(binding, placement::kBindingFinalizer)) return plan;
    placement::Sources::Kind const* const kind = sources.find(kind_of(spec.resource));
    if (kind == nullptr) {
        plan.requeue_at(now + kNotResolved, "the kind is not known yet, nor what members have of it");
        return plan;
    }
    if (!members.synced()) {
        plan.requeue_at(now + kNotResolved, "the clusters are not known yet");
        return plan;
    }
    // The next Rollout of its name waits for nobody who is away, nor for a release: it takes over what is there.
    meta::ObjectKey const object{spec.resource.ns, spec.resource.name};
    Doc const next = kind->informer->get(object);
    bool const waits = next.exists() && !meta::is_deleting(next);
    bool const succeeded = waits && !spec.preserve_resources_on_deletion &&
                           meta::annotation(binding, placement::kSucceededBy) == meta::uid(next);
    auto const& memories = known[key.object];
    for (clusters::Member const* member : members.all()) {   // a cluster that left the fleet keeps what it has
        auto const memory = memories.find(member->name());
        bool const away = member->probed() && !member->reachable();
        bool const refused = memory != memories.end() && memory->second.standing.state == State::kRefused;
        bool const seen_clean = memory != memories.end() && (memory->second.standing.state == State::kRemoved ||
                                                             memory->second.standing.state == State::kNotServed);
        Doc const live = member->get(kind->resource, object);
        apis::BoundCluster const* const bound = find_cluster(spec, member->name());
        bool const paused = bound != nullptr && bound->paused;   // the next one does not know of that
        if (succeeded && !paused && (away || refused || meta::is_deleting(live))) continue;
        bool const never_there = bound == nullptr && meta::label(live, kHubLabel) != hub_id;
        if (!seen_clean && !never_there) {
            plan.requeue_at(now + kStillEnding, fmt::format("{} is not clean", member->name()));
            if (waits && kind->kind == kRolloutKind)
                write_status(plan, kind->resource, object, "status", next, waits_for_last(member->name()));
            return plan;
        }
    }
    Value finalizers{json::Array()};
    for (auto const& [index, finalizer] : binding.at({"metadata", "finalizers"}).elements()) {
        if (finalizer.as_string() != placement::kBindingFinalizer) finalizers.push_back(finalizer.thaw());
    }
    Write write;
    write.resource = placement::binding_resource(key.object);
    write.key = key.object;
    write.body.set({"metadata", "finalizers"}, finalizers);
    write.body.set({"metadata", "resourceVersion"}, meta::resource_version(binding));
    write.why = "every member is clean";
    plan.writes.push_back(std::move(write));
    return plan;
}

}   // namespace aviary::propagation
