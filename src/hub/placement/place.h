// Placement: which policy an object follows, which clusters it goes to, and with how many replicas. Pure: the same
// inputs give the same answer, with a reason for every cluster left out. Selection and rank as Karmada defines them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"

namespace aviary::placement {

struct Target {
    std::string cluster;
    std::optional<std::int64_t> replicas;   // absent: the object's own count, or none
    bool operator==(Target const&) const = default;
};

struct Rejected {
    std::string cluster;
    std::string
        reason;   // NotInClusterNames | LabelsDiffer | Excluded | FieldsDiffer | Tainted | NotAccepted | NoWeight
    std::string message;
};

struct Placement {
    std::vector<Target> targets;      // sorted by cluster
    std::vector<Rejected> rejected;   // sorted by cluster
};

// The policy among `policies` (PropagationPolicies of the object's namespace and ClusterPropagationPolicies) that
// claims the object; absent when none does. A PropagationPolicy beats a ClusterPropagationPolicy; then spec.priority,
// then the selector (by name over by label over all), then the policy's name.
json::Doc policy_for(json::Doc const& object, std::vector<json::Doc> const& policies);

// `previous` keeps clusters that only a new NoSchedule taint would refuse. An Error names what the policy asks for that
// is not supported yet.
Result<Placement> place(json::Doc const& object, json::Doc const& policy, std::vector<json::Doc> const& clusters,
                        std::vector<Target> const& previous);

}   // namespace aviary::placement
