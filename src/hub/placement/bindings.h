// Bindings: where FleetBindings live and how an object's binding is named; and the controller that writes them. Lives
// on the hub's loop.
#pragma once

#include <map>
#include <memory>

#include "apis/fleet/fleet_binding.h"
#include "hub/placement/place.h"
#include "hub/placement/sources.h"
#include "kube/control/controller.h"

namespace aviary::placement {

// Kept on a binding until the members are clean.
inline constexpr std::string_view kBindingFinalizer = "fleet.aviary.dev/propagation";

// Rejected clusters that a binding's status lists.
inline constexpr std::size_t kMaxRejected = 100;

// Kept on a Rollout until its clusters are back on the stable version (propagation/rollback.h).
inline constexpr std::string_view kOnDeleteFinalizer = "fleet.aviary.dev/on-delete";
// uid of the Rollout of that name that comes once its binding is gone.
inline constexpr std::string_view kSucceededBy = "fleet.aviary.dev/succeeded-by";

// The binding of an object: in its namespace, or cluster-scoped (an empty namespace: a ClusterFleetBinding).
meta::ObjectKey binding_key(meta::GroupVersionKind const& kind, meta::ObjectKey const& object);
meta::GroupVersionResource const& binding_resource(meta::ObjectKey const& binding);

// Sets the clusters of this very binding: one that has changed since refuses it.
control::Write clusters_write(json::Doc const& binding, apis::FleetBindingSpec const& spec, std::string why);

// All bindings of both scopes.
class Bindings {
public:
    explicit Bindings(client::Client hub);
    json::Doc get(meta::ObjectKey const& key) const;
    // Read once for each change of it: with many clusters that is long, and everything asks. Null when there is no such
    // binding, or it cannot be read.
    std::shared_ptr<apis::FleetBindingSpec const> spec(meta::ObjectKey const& key) const;
    client::Informer& of(bool cluster_scoped) { return cluster_scoped ? cluster_scoped_ : namespaced_; }
    client::Informer const& of(bool cluster_scoped) const { return cluster_scoped ? cluster_scoped_ : namespaced_; }
    bool synced() const { return namespaced_.synced() && cluster_scoped_.synced(); }
    Task<Status> wait_synced(Context ctx);
    Task<void> run(Context ctx);

private:
    struct Read {
        json::Doc binding;
        std::shared_ptr<apis::FleetBindingSpec const> spec;
    };
    client::Informer namespaced_, cluster_scoped_;
    mutable std::map<meta::ObjectKey, Read> read_;
};

// Writes a FleetBinding for each object that a policy claims. Watches policies of both groups, clusters and sources,
// and where namespaces must be bound to sets of clusters these too.
class Placer {
public:
    Placer(client::Client hub, Sources& sources, Bindings& bindings, client::Informer& managed_clusters,
           Allowed allowed = Allowed::kEverywhere);
    ~Placer();
    Task<void> run(Context ctx);
    bool synced() const;
    // Whether `after` would claim the object, bound so now, if it replaced policy `before` (absent: it is a new one).
    bool would_claim(json::Doc const& object, apis::FleetBindingSpec const& bound, json::Doc const& before,
                     json::Doc const& after) const;
    // Where an object would go if the policy, ManagedClusterSet or ManagedClusterSetBinding `before` were replaced by
    // `after` (absent: deleted); `bound` is where it is now, and null when nowhere. What cannot be placed, or has no
    // policy, stays.
    std::vector<Target> targets_after(json::Doc const& object, apis::FleetBindingSpec const* bound,
                                      json::Doc const& before, json::Doc const& after) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::placement
