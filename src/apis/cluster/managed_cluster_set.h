// ManagedClusterSet and ManagedClusterSetBinding cluster.open-cluster-management.io/v1beta2, as Open Cluster Management
// has them: clusters under one name, and the word of a namespace that may use them. The set is cluster-scoped, the
// binding is in the namespace and has the name of its set.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apis/cluster/managed_cluster.h"
#include "core/base/error.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kManagedClusterSets{"cluster.open-cluster-management.io", "v1beta2",
                                                            "managedclustersets"};
inline meta::GroupVersionResource const kManagedClusterSetBindings{"cluster.open-cluster-management.io", "v1beta2",
                                                                   "managedclustersetbindings"};

// One of either kind.
inline bool is_of_cluster_sets(meta::GroupVersionResource const& resource) {
    return resource.group == kManagedClusterSets.group && (resource.resource == kManagedClusterSets.resource ||
                                                           resource.resource == kManagedClusterSetBindings.resource);
}

// On a ManagedCluster: the one set of type ExclusiveClusterSetLabel that it is in.
inline constexpr std::string_view kClusterSetLabel = "cluster.open-cluster-management.io/clusterset";
inline constexpr std::string_view kExclusiveLabel = "ExclusiveClusterSetLabel";
inline constexpr std::string_view kByLabelSelector = "LabelSelector";

// Every cluster without that label is in the first, and every cluster in the second.
inline constexpr std::string_view kDefaultSet = "default";
inline constexpr std::string_view kGlobalSet = "global";

struct ManagedClusterSelector {
    std::string selector_type;    // ExclusiveClusterSetLabel, which empty means | LabelSelector
    json::Value label_selector;   // metav1.LabelSelector; null when absent
};

struct ManagedClusterSetSpec {
    ManagedClusterSelector cluster_selector;
};

struct ManagedClusterSetBindingSpec {
    std::string cluster_set;
};

// Of both kinds.
struct ClusterSetStatus {
    std::vector<StatusCondition> conditions;
};

// The two sets that every fleet has.
std::vector<json::Value> default_cluster_sets();

// What is wrong beyond the schema, by JSON path. Pure.
std::vector<FieldCause> validate_cluster_set(json::Value const& set);
std::vector<FieldCause> validate_cluster_set_binding(json::Value const& binding);

}   // namespace aviary::apis
