// Placement: which policy an object follows, which clusters it goes to, and with how many replicas. Pure: the same
// inputs give the same answer, with a reason for every cluster left out. Selection and rank as Karmada defines them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apis/fleet/fleet_binding.h"
#include "core/base/result.h"
#include "core/json/doc.h"
#include "hub/placement/cluster_sets.h"

namespace aviary::placement {

struct Target {
    std::string cluster;
    std::optional<std::int64_t> replicas;   // absent: the object's own count, or none
    bool operator==(Target const&) const = default;
};

struct Rejected {
    std::string cluster;
    // NotInClusterNames | LabelsDiffer | Excluded | FieldsDiffer | ClusterSetNotBound | Tainted | NotAccepted |
    // NoWeight
    std::string reason;
    std::string message;
};

struct Placement {
    std::vector<Target> targets;      // sorted by cluster
    std::vector<Rejected> rejected;   // sorted by cluster
};

// The policy among `policies` (PropagationPolicies of the object's namespace and ClusterPropagationPolicies) that
// claims the object; absent when none does. A PropagationPolicy beats a ClusterPropagationPolicy; then spec.priority,
// then the selector (by name over by label over all), then the policy's name. One that has claimed it before keeps it
// as long as it selects it (Karmada, preemption: Never): what is made or raised beside it moves no pods.
json::Doc policy_for(json::Doc const& object, std::vector<json::Doc> const& policies,
                     std::optional<apis::BoundPolicy> const& claim = {});

// `previous` keeps clusters that only a new NoSchedule taint would refuse. With `sets` a PropagationPolicy places only
// in clusters of sets that are bound in its namespace; a ClusterPropagationPolicy, which is a fleet administrator's,
// and null sets know no such limit. An Error names what the policy asks for that is not supported.
Result<Placement> place(json::Doc const& object, json::Doc const& policy, std::vector<json::Doc> const& clusters,
                        std::vector<Target> const& previous, ClusterSets const* sets = nullptr);

// Without a policy what is placed stays where it is: but for where PropagationPolicies of this namespace may not place.
Placement stay(std::string_view policy_ns, std::vector<Target> const& previous, std::vector<json::Doc> const& clusters,
               ClusterSets const& sets);

}   // namespace aviary::placement
