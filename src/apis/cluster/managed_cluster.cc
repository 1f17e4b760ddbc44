#include "apis/cluster/managed_cluster.h"

#include "apis/internal/definition.h"
#include "apis/internal/fields_condition.h"
#include "core/json/fields.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<ManagedClusterClientConfig> =
    object("How the hub reaches the cluster.", field("url", &ManagedClusterClientConfig::url, ""),
           field("caBundle", &ManagedClusterClientConfig::ca_bundle, ""));
template <>
constexpr auto fields<ClusterTaint> =
    object("What keeps objects away.", field("key", &ClusterTaint::key, "", {.required = true}),
           field("value", &ClusterTaint::value, ""), field("effect", &ClusterTaint::effect, "", {.required = true}),
           field("timeAdded", &ClusterTaint::time_added, ""));
template <>
constexpr auto fields<ManagedClusterSpec> = object(
    "A member cluster.", field("managedClusterClientConfigs", &ManagedClusterSpec::managed_cluster_client_configs, ""),
    field("hubAcceptsClient", &ManagedClusterSpec::hub_accepts_client, "", {.always = true}),
    field("leaseDurationSeconds", &ManagedClusterSpec::lease_duration_seconds, ""),
    field("taints", &ManagedClusterSpec::taints, ""));
template <>
constexpr auto fields<ManagedClusterVersion> = object("", field("kubernetes", &ManagedClusterVersion::kubernetes, ""));
template <>
constexpr auto fields<ClusterClaim> = object("What the cluster says of itself.", field("name", &ClusterClaim::name, ""),
                                             field("value", &ClusterClaim::value, ""));
template <>
constexpr auto fields<ManagedClusterStatus> = object(
    "How it stands.", field("conditions", &ManagedClusterStatus::conditions, ""),
    field("capacity", &ManagedClusterStatus::capacity, ""),
    field("allocatable", &ManagedClusterStatus::allocatable, ""), field("version", &ManagedClusterStatus::version, ""),
    field("clusterClaims", &ManagedClusterStatus::cluster_claims, ""));

}   // namespace aviary::json

namespace aviary::apis {

Result<ManagedCluster> read_managed_cluster(json::Doc const& object) {
    ManagedCluster cluster;
    cluster.spec = TRY(json::read<ManagedClusterSpec>(object["spec"], "spec"));
    cluster.status = TRY(json::read<ManagedClusterStatus>(object["status"], "status"));
    return cluster;
}

json::Value write_managed_cluster_spec(ManagedClusterSpec const& spec) { return json::to_value(spec); }
json::Value write_managed_cluster_status(ManagedClusterStatus const& status) { return json::to_value(status); }

Definition managed_cluster_definition() {
    Definition definition;
    definition.group = "cluster.open-cluster-management.io";
    definition.version = "v1";
    definition.kind = "ManagedCluster";
    definition.plural = "managedclusters";
    definition.short_names = {"mcl", "mcls"};
    definition.namespaced = false;
    definition.description = "A member cluster as the hub knows it.";
    definition.spec = json::schema_of<ManagedClusterSpec>();
    definition.status = json::schema_of<ManagedClusterStatus>();
    definition.columns = {
        {"HUB ACCEPTED", "boolean", ".spec.hubAcceptsClient"},
        {"MANAGED CLUSTER URLS", "string", ".spec.managedClusterClientConfigs[*].url"},
        {"JOINED", "string", ".status.conditions[?(@.type==\"ManagedClusterJoined\")].status"},
        {"AVAILABLE", "string", ".status.conditions[?(@.type==\"ManagedClusterConditionAvailable\")].status"},
        {"AGE", "date", ".metadata.creationTimestamp"},
        {.name = "CONTROLLER",
         .type = "string",
         .json_path = ".status.clusterClaims[?(@.name==\"rollouts.aviary.dev/controller\")].value",
         .priority = 1},
        {.name = "CONTROLLER VERSION",
         .type = "string",
         .json_path = ".status.clusterClaims[?(@.name==\"rollouts.aviary.dev/controller-version\")].value",
         .priority = 1}};
    return definition;
}

}   // namespace aviary::apis
