#include "apis/policy/propagation_policy.h"

#include "apis/internal/definition.h"
#include "core/json/fields.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<ResourceSelector> = object(
    "Which objects: by name, by labels, or all of the kind.",
    field("apiVersion", &ResourceSelector::api_version, "", {.required = true}),
    field("kind", &ResourceSelector::kind, "", {.required = true}), field("namespace", &ResourceSelector::ns, ""),
    field("name", &ResourceSelector::name, ""), field("labelSelector", &ResourceSelector::label_selector, ""));
template <>
constexpr auto fields<FieldSelectorRequirement> =
    object("", field("key", &FieldSelectorRequirement::key, "", {.required = true}),
           field("operator", &FieldSelectorRequirement::op, "", {.required = true, .one_of = {"In", "NotIn"}}),
           field("values", &FieldSelectorRequirement::values, ""));
template <>
constexpr auto fields<FieldSelector> =
    object("Clusters by provider, region or zone.", field("matchExpressions", &FieldSelector::match_expressions, ""));
template <>
constexpr auto fields<ClusterAffinity> =
    object("Which clusters: all parts that are present must match.",
           field("clusterNames", &ClusterAffinity::cluster_names, ""),
           field("labelSelector", &ClusterAffinity::label_selector, ""),
           field("fieldSelector", &ClusterAffinity::field_selector, ""),
           field("exclude", &ClusterAffinity::exclude, "Clusters left out whatever else matches."));
template <>
constexpr auto fields<StaticClusterWeight> =
    object("", field("targetCluster", &StaticClusterWeight::target_cluster, "", {.required = true, .always = true}),
           field("weight", &StaticClusterWeight::weight, "", {.required = true, .minimum = 1}));
template <>
constexpr auto fields<WeightPreference> = object(
    "", field("staticWeightList", &WeightPreference::static_weight_list, ""),
    field("dynamicWeight", &WeightPreference::dynamic_weight, "Not supported.", {.one_of = {"AvailableReplicas"}}));
template <>
constexpr auto fields<ReplicaScheduling> =
    object("How replicas are shared.",
           field("replicaSchedulingType", &ReplicaScheduling::replica_scheduling_type,
                 "Duplicated: the full count everywhere; Divided: shares of it.",
                 {.one_of = {"Duplicated", "Divided"}, .default_json = "\"Divided\""}),
           field("replicaDivisionPreference", &ReplicaScheduling::replica_division_preference,
                 "Aggregated is not supported.", {.one_of = {"Aggregated", "Weighted"}}),
           field("weightPreference", &ReplicaScheduling::weight_preference, ""),
           field("customSchedulingType", &ReplicaScheduling::custom_scheduling_type, "Not supported."));
template <>
constexpr auto fields<SpreadConstraint> = object("",
                                                 field("spreadByField", &SpreadConstraint::spread_by_field, "",
                                                       {.one_of = {"cluster", "region", "zone", "provider"}}),
                                                 field("spreadByLabel", &SpreadConstraint::spread_by_label, ""),
                                                 field("minGroups", &SpreadConstraint::min_groups, ""),
                                                 field("maxGroups", &SpreadConstraint::max_groups, ""));
template <>
constexpr auto fields<ClusterToleration> =
    object("", field("key", &ClusterToleration::key, ""),
           field("operator", &ClusterToleration::op, "", {.one_of = {"Exists", "Equal"}}),
           field("value", &ClusterToleration::value, ""), field("effect", &ClusterToleration::effect, ""),
           field("tolerationSeconds", &ClusterToleration::toleration_seconds, ""));
template <>
constexpr auto fields<Placement> =
    object("Where objects go.", field("clusterAffinity", &Placement::cluster_affinity, "Absent: every cluster."),
           field("clusterAffinities", &Placement::cluster_affinities, "Not supported."),
           field("clusterTolerations", &Placement::cluster_tolerations, ""),
           field("spreadConstraints", &Placement::spread_constraints, "Groups other than clusters are not supported."),
           field("replicaScheduling", &Placement::replica_scheduling, ""),
           field("workloadAffinity", &Placement::workload_affinity, "Not supported."));
template <>
constexpr auto fields<SuspendClusters> = object("", field("clusterNames", &SuspendClusters::cluster_names, ""));
template <>
constexpr auto fields<Suspension> = object("Not supported.", field("dispatching", &Suspension::dispatching, ""),
                                           field("dispatchingOnClusters", &Suspension::dispatching_on_clusters, ""),
                                           field("scheduling", &Suspension::scheduling, ""));
template <>
constexpr auto fields<PropagationSpec> = object(
    "Which objects go to which clusters.",
    field("resourceSelectors", &PropagationSpec::resource_selectors, "", {.required = true}),
    field("placement", &PropagationSpec::placement, ""),
    field("preserveResourcesOnDeletion", &PropagationSpec::preserve_resources_on_deletion,
          "Members keep their copies when the object goes."),
    field("conflictResolution", &PropagationSpec::conflict_resolution,
          "What happens to an object of that name that is not the hub's.",
          {.one_of = {"Abort", "Overwrite"}, .default_json = "\"Abort\""}),
    field("priority", &PropagationSpec::priority, "The higher wins."),
    field("preemption", &PropagationSpec::preemption, "Always is not supported.", {.one_of = {"Always", "Never"}}),
    field("activationPreference", &PropagationSpec::activation_preference, "Lazy is not supported."),
    field("propagateDeps", &PropagationSpec::propagate_deps, "Not supported."),
    field("association", &PropagationSpec::association, ""),
    field("dependentOverrides", &PropagationSpec::dependent_overrides, "Not supported."),
    field("schedulerName", &PropagationSpec::scheduler_name, ""), field("suspension", &PropagationSpec::suspension, ""),
    field("failover", &PropagationSpec::failover, "Not supported."),
    field("schedulePriority", &PropagationSpec::schedule_priority, "Not supported."));

}   // namespace aviary::json

namespace aviary::apis {

Result<PropagationPolicy> read_propagation_policy(json::Doc const& object) {
    PropagationPolicy policy;
    policy.spec = TRY(json::read<PropagationSpec>(object["spec"], "spec"));
    return policy;
}

Definition propagation_policy_definition(std::string const& group, bool namespaced) {
    Definition definition;
    definition.group = group;
    definition.version = "v1alpha1";
    definition.kind = namespaced ? "PropagationPolicy" : "ClusterPropagationPolicy";
    definition.plural = namespaced ? "propagationpolicies" : "clusterpropagationpolicies";
    definition.short_names = {namespaced ? "pp" : "cpp"};
    definition.namespaced = namespaced;
    definition.description = "Which objects go to which clusters, and with how many replicas.";
    definition.spec = json::schema_of<PropagationSpec>();
    definition.columns = {{"CONFLICT-RESOLUTION", "string", ".spec.conflictResolution"},
                          {"PRIORITY", "integer", ".spec.priority"},
                          {"AGE", "date", ".metadata.creationTimestamp"}};
    return definition;
}

}   // namespace aviary::apis
