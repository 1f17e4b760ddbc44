// Sets of clusters as Open Cluster Management has them: which clusters are in which, and which namespaces may place in
// them. Pure, but for the making of the two that every fleet has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/async/task.h"
#include "core/json/doc.h"
#include "kube/client/client.h"

namespace aviary::placement {

// Where PropagationPolicies may place.
enum class Allowed { kEverywhere, kBoundSets };

struct ClusterSets {
    std::vector<json::Doc> sets;       // ManagedClusterSets
    std::vector<json::Doc> bindings;   // ManagedClusterSetBindings, of the namespace in question at least
};

// The names of those that the cluster is in, sorted. One without the label of a set is in `default`.
std::vector<std::string> sets_of(json::Doc const& cluster, ClusterSets const& sets);
bool is_bound(std::string_view set, std::string_view ns, ClusterSets const& sets);

// Creates `default` and `global` where they are missing.
Task<Status> ensure_default_sets(Context ctx, client::Client client);

}   // namespace aviary::placement
