// ManagedCluster cluster.open-cluster-management.io/v1 (mcl): a member cluster as the hub knows it. Cluster-scoped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kManagedClusters{"cluster.open-cluster-management.io", "v1", "managedclusters"};

// Condition types.
inline constexpr std::string_view kHubAccepted = "HubAcceptedManagedCluster";
inline constexpr std::string_view kClusterJoined = "ManagedClusterJoined";
inline constexpr std::string_view kClusterAvailable = "ManagedClusterConditionAvailable";

struct ManagedClusterClientConfig {
    std::string url;
    std::string ca_bundle;   // base64
};

struct ClusterTaint {
    std::string key;
    std::string value;
    std::string effect;   // NoSelect | PreferNoSelect | NoSelectIfNew
    std::string time_added;
};

struct ManagedClusterSpec {
    std::vector<ManagedClusterClientConfig> managed_cluster_client_configs;
    bool hub_accepts_client = false;
    std::int64_t lease_duration_seconds = 60;
    std::vector<ClusterTaint> taints;
};

// metav1.Condition.
struct StatusCondition {
    std::string type;
    std::string status;
    std::optional<std::int64_t> observed_generation;
    std::string last_transition_time;
    std::string reason;
    std::string message;
    bool operator==(StatusCondition const&) const = default;
};

struct ManagedClusterVersion {
    std::string kubernetes;
    bool operator==(ManagedClusterVersion const&) const = default;
};

struct ClusterClaim {
    std::string name;
    std::string value;
    bool operator==(ClusterClaim const&) const = default;
};

struct ManagedClusterStatus {
    std::vector<StatusCondition> conditions;
    std::map<std::string, std::string> capacity;
    std::map<std::string, std::string> allocatable;
    std::optional<ManagedClusterVersion> version;
    std::vector<ClusterClaim> cluster_claims;
    bool operator==(ManagedClusterStatus const&) const = default;
};

struct ManagedCluster {
    ManagedClusterSpec spec;
    ManagedClusterStatus status;
};

Result<ManagedCluster> read_managed_cluster(json::Doc const& object);
json::Value write_managed_cluster_spec(ManagedClusterSpec const& spec);
json::Value write_managed_cluster_status(ManagedClusterStatus const& status);

}   // namespace aviary::apis
