// PropagationPolicy and ClusterPropagationPolicy v1alpha1, of policy.one.alibabacloud.com and policy.karmada.io: which
// objects go to which clusters, and with how many replicas. The same structs for both kinds and groups. Fields that are
// accepted in the schema but not carried out yet are refused by validation (validate.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::apis {

inline constexpr std::string_view kAckPolicyGroup = "policy.one.alibabacloud.com";
inline constexpr std::string_view kKarmadaPolicyGroup = "policy.karmada.io";
inline meta::GroupVersionResource const kPropagationPolicies{"policy.one.alibabacloud.com", "v1alpha1",
                                                             "propagationpolicies"};
inline meta::GroupVersionResource const kClusterPropagationPolicies{"policy.one.alibabacloud.com", "v1alpha1",
                                                                    "clusterpropagationpolicies"};
inline meta::GroupVersionResource const kKarmadaPropagationPolicies{"policy.karmada.io", "v1alpha1",
                                                                    "propagationpolicies"};
inline meta::GroupVersionResource const kKarmadaClusterPropagationPolicies{"policy.karmada.io", "v1alpha1",
                                                                           "clusterpropagationpolicies"};
inline bool is_policy(meta::GroupVersionResource const& resource) {
    return (resource.group == kAckPolicyGroup || resource.group == kKarmadaPolicyGroup) &&
           (resource.resource == kPropagationPolicies.resource ||
            resource.resource == kClusterPropagationPolicies.resource);
}

struct ResourceSelector {
    std::string api_version;
    std::string kind;
    std::string ns;
    std::string name;
    json::Value label_selector;   // metav1.LabelSelector; null when absent
};

struct FieldSelectorRequirement {
    std::string key;   // provider | region | zone
    std::string op;    // In | NotIn
    std::vector<std::string> values;
};

struct FieldSelector {
    std::vector<FieldSelectorRequirement> match_expressions;
};

struct ClusterAffinity {
    std::vector<std::string> cluster_names;
    json::Value label_selector;   // null when absent
    std::optional<FieldSelector> field_selector;
    std::vector<std::string> exclude;
};

struct StaticClusterWeight {
    ClusterAffinity target_cluster;
    std::int64_t weight = 1;
};

struct WeightPreference {
    std::vector<StaticClusterWeight> static_weight_list;
    std::string dynamic_weight;   // AvailableReplicas; not supported
};

struct ReplicaScheduling {
    std::string replica_scheduling_type;       // Duplicated | Divided
    std::string replica_division_preference;   // Weighted | Aggregated (not supported)
    std::optional<WeightPreference> weight_preference;
    std::string custom_scheduling_type;   // Gang; not supported
};

struct SpreadConstraint {
    std::string spread_by_field;   // cluster | region | zone | provider
    std::string spread_by_label;
    std::int64_t min_groups = 0;
    std::int64_t max_groups = 0;
};

struct ClusterToleration {
    std::string key;
    std::string op;   // Exists | Equal
    std::string value;
    std::string effect;
    std::optional<std::int64_t> toleration_seconds;
};

struct Placement {
    std::optional<ClusterAffinity> cluster_affinity;
    std::vector<json::Value> cluster_affinities;   // not supported
    std::vector<ClusterToleration> cluster_tolerations;
    std::vector<SpreadConstraint> spread_constraints;
    std::optional<ReplicaScheduling> replica_scheduling;
    json::Value workload_affinity;   // not supported
};

struct SuspendClusters {
    std::vector<std::string> cluster_names;
};

struct Suspension {
    std::optional<bool> dispatching;
    std::optional<SuspendClusters> dispatching_on_clusters;
    std::optional<bool> scheduling;   // ACK One's; not supported
};

struct PropagationSpec {
    std::vector<ResourceSelector> resource_selectors;
    Placement placement;
    bool preserve_resources_on_deletion = false;
    std::string conflict_resolution;   // Abort | Overwrite
    std::int64_t priority = 0;
    std::string preemption;              // Never | Always (not supported)
    std::string activation_preference;   // "" | Lazy (not supported)
    bool propagate_deps = false;
    std::optional<bool> association;
    std::vector<std::string> dependent_overrides;
    std::string scheduler_name;
    std::optional<Suspension> suspension;
    json::Value failover;            // not supported
    json::Value schedule_priority;   // not supported
};

struct PropagationPolicy {
    PropagationSpec spec;
};

Result<PropagationPolicy> read_propagation_policy(json::Doc const& object);

}   // namespace aviary::apis
