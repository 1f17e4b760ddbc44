// FleetBinding fleet.aviary.dev/v1alpha1 (fb): where one object of the hub goes, with how many replicas, at which
// revision, and how that stands. One per object, in its namespace. ClusterFleetBinding is the same for cluster-scoped
// objects.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apis/cluster/managed_cluster.h"
#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kFleetBindings{"fleet.aviary.dev", "v1alpha1", "fleetbindings"};
inline meta::GroupVersionResource const kClusterFleetBindings{"fleet.aviary.dev", "v1alpha1", "clusterfleetbindings"};

struct BoundResource {
    std::string api_version;
    std::string kind;
    std::string ns;
    std::string name;
    std::string uid;
    bool operator==(BoundResource const&) const = default;
};

struct BoundPolicy {
    std::string api_version;
    std::string kind;
    std::string ns;
    std::string name;
    bool operator==(BoundPolicy const&) const = default;
};

// One cluster the object goes to. What follows the replicas is what Decisions change; rendering reads them here
// alone.
struct BoundCluster {
    std::string name;
    std::optional<std::int64_t> replicas;
    bool paused = false;     // a Rollout: strategy.paused there
    std::string paused_by;   // who had it paused, when and why, in words
    std::string revision;    // a workload: hash of the pinned template; empty: the one that it has
    std::string rejected;    // … until the hub's template has another hash than this
    bool operator==(BoundCluster const&) const = default;
};

struct RejectedCluster {
    std::string name;
    std::string reason;   // NotInClusterNames | LabelsDiffer | …
    std::string message;
    bool operator==(RejectedCluster const&) const = default;
};

struct FleetBindingSpec {
    BoundResource resource;
    std::optional<BoundPolicy> policy;
    std::vector<BoundCluster> clusters;   // sorted by name
    bool preserve_resources_on_deletion = false;
    std::string conflict_resolution;   // Abort | Overwrite
    bool operator==(FleetBindingSpec const&) const = default;
};

// A cluster that is not simply applied and current.
struct BindingRow {
    std::string cluster;
    std::string state;   // Applying | Guarded | Conflict | NotServed | …
    std::string reason;
    std::string message;
    std::string since;   // RFC 3339
    bool operator==(BindingRow const&) const = default;
};

struct FleetBindingStatus {
    std::int64_t observed_generation = 0;
    std::vector<StatusCondition> conditions;      // Scheduled, Applied, Guarded …
    std::map<std::string, std::int64_t> counts;   // clusters by state
    std::vector<RejectedCluster> rejected;        // at most 100
    std::vector<BindingRow> abnormal;             // at most 100
    std::string stable_revision;                  // a workload: hash of the template that was last at rest somewhere
    std::string content_key;                      // what the object and the binding said, and …
    std::int64_t content_version = 0;             // … since which resource version of the hub
    bool operator==(FleetBindingStatus const&) const = default;
};

struct FleetBinding {
    FleetBindingSpec spec;
    FleetBindingStatus status;
};

Result<FleetBinding> read_fleet_binding(json::Doc const& object);
json::Value write_fleet_binding_spec(FleetBindingSpec const& spec);
json::Value write_fleet_binding_status(FleetBindingStatus const& status);

}   // namespace aviary::apis
