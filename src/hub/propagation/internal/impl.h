// The Propagator's inside: what it remembers, and its parts. observe.cc looks, status.cc brings back, propagator.cc
// wires.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hub/propagation/aggregate.h"
#include "hub/propagation/content.h"
#include "hub/propagation/propagator.h"
#include "hub/propagation/rollback.h"
#include "kube/control/controller.h"

namespace aviary::propagation {

// What is remembered of one object in one cluster.
struct Memory {
    Standing standing;
    std::int64_t source_generation = 0;   // the hub's object, when it was decided
    std::optional<Time> taken_back;       // when no webhook was in force
    std::vector<Time> put_right;          // drift, in the last minute
};

struct Propagator::Impl {
    Impl(client::Client hub_client, std::string id, clusters::Members& members, placement::Sources& sources,
         placement::Bindings& bindings);

    client::Client hub;
    std::string hub_id;
    std::int64_t epoch = 1;
    Mode mode = Mode::kFull;
    clusters::Members& members;
    placement::Sources& sources;
    placement::Bindings& bindings;
    std::optional<Context> ctx;   // while it runs
    client::Informer revisions;
    std::unique_ptr<control::Controller> propagate, status, keep, rollback;
    // By binding, and what is below by cluster; goes with the binding.
    std::map<meta::ObjectKey, std::map<std::string, Memory>> known;
    // By binding: what was said at these versions of the object and the binding. A thousand clusters ask for it.
    struct Said {
        std::string source, binding;
        Content content;
    };
    std::map<meta::ObjectKey, Said> contents;
    std::map<meta::ObjectKey, Time> status_written;
    std::map<meta::ObjectKey, std::string> rollback_waits;   // by Rollout of the hub: what its going back waits for
    std::map<std::string, std::set<meta::ObjectKey>> undecided;   // by cluster: bindings that wait for a copy
    // Whether it answered when last heard of. A cluster that came again is another Member.
    std::map<std::string, std::pair<clusters::Member const*, bool>> reachable;

    // ---- observe.cc: what is there ----

    // Every copy that deciding must not do without is there: a Rollout that is not read yet guards nothing.
    bool ready() const;
    // Whether the hub's copy of this kind is there.
    bool known_kind(meta::GroupVersionKind const& kind) const;
    json::Doc rollout_of(json::Doc const& workload) const;
    std::optional<json::Value> revision(std::string const& ns, std::string_view hash) const;
    // Empty while a copy is not there yet.
    std::optional<Observed> observe(control::Key const& key, apis::FleetBindingSpec const& spec,
                                    clusters::Member& member);
    Content const& content(meta::ObjectKey const& binding, json::Doc const& source);
    bool observe_workload(Observed& seen, control::Key const& key, apis::FleetBindingSpec const& spec,
                          clusters::Member& member);
    void observe_elsewhere(Observed& seen, control::Key const& key, apis::FleetBindingSpec const& spec) const;
    bool observe_rollout(Observed& seen, control::Key const& key, apis::FleetBindingSpec const& spec,
                         clusters::Member& member);
    // Empty while a copy is not there yet.
    std::optional<RollbackSeen> observe_rollback(json::Doc const& rollout);
    std::string obstacle(meta::ObjectKey const& binding, std::string const& cluster) const;
    HeldBack held_back_by(json::Doc const& rollout);
    // Whether a Rollout that is being deleted has nothing to wait for.
    bool may_go(json::Doc const& rollout);
    bool unplaced(json::Doc const& rollout, std::string const& cluster) const;
    // Clusters in which the Rollout holds a new version back, by name.
    std::vector<std::string> releasing_in(json::Doc const& rollout) const;
    // The Rollouts on the hub that policy `before` places, or that would be placed by it as `after`.
    std::vector<json::Doc> rollouts_of(placement::Placer const& placer, json::Doc const& before,
                                       json::Doc const& after) const;

    // ---- status.cc: status back, and the end ----

    control::Plan decide_status(control::Key const& key, Time now);
    // Whether the newest of the hub's object, and of the workload that a Rollout selects, was decided for this cluster.
    bool decided_newest(meta::GroupVersionKind const& kind, json::Doc const& source, std::string const& cluster) const;
    // Says of Rollouts whose last release failed whether their cluster is to have another version.
    void note_failures(json::Doc const& rollout, std::vector<Reported>& reported) const;
    // Where the workload of this Rollout is pinned against the hub's version.
    std::set<std::string> taken_back_from(json::Doc const& rollout) const;
    control::Plan finish_binding(control::Key const& key, apis::FleetBindingSpec const& spec, json::Doc const& binding,
                                 Time now);

    // ---- propagator.cc ----

    control::Plan decide_member(control::Key const& key, Time now);
    control::Plan decide_keep(control::Key const& key) const;
    control::Plan decide_going_back(control::Key const& key, Time now);
    // All that select it, whether or not it is there.
    std::vector<meta::ObjectKey> rollouts_selecting(meta::GroupVersionKind const& kind,
                                                    meta::ObjectKey const& workload) const;
    void enqueue_rollouts_of(meta::GroupVersionKind const& kind, meta::ObjectKey const& workload);
    // With what the hub says of them: where the version was taken back among it.
    void enqueue_rollouts_and_statuses_of(meta::GroupVersionKind const& kind, meta::ObjectKey const& workload);
    void enqueue_rollouts();
    void remember(control::Key const& key, Decision const& decision, Time now);
    void enqueue_binding(meta::ObjectKey const& binding);
    void enqueue_workload_of(json::Doc const& rollout);
    void hub_object_changed(meta::GroupVersionKind const& kind, client::Change const& change);
    void forget(meta::ObjectKey const& binding);
    void binding_changed(client::Change const& change);
    void member_object_changed(std::string const& cluster, client::Change const& change);
    void standing_changed(clusters::Member& member);
    void build();
    Task<void> begin(Context ctx);
};

apis::BoundCluster const* find_cluster(apis::FleetBindingSpec const& spec, std::string const& name);

}   // namespace aviary::propagation
