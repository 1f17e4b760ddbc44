#include "apis/fleet/fleet_binding.h"

#include "apis/internal/definition.h"
#include "apis/internal/fields_condition.h"
#include "core/json/fields.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<BoundResource> =
    object("The object on the hub.", field("apiVersion", &BoundResource::api_version, "", {.required = true}),
           field("kind", &BoundResource::kind, "", {.required = true}), field("namespace", &BoundResource::ns, ""),
           field("name", &BoundResource::name, "", {.required = true}), field("uid", &BoundResource::uid, ""));

template <>
constexpr auto fields<BoundPolicy> =
    object("The policy that claims the object.", field("apiVersion", &BoundPolicy::api_version, ""),
           field("kind", &BoundPolicy::kind, ""), field("namespace", &BoundPolicy::ns, ""),
           field("name", &BoundPolicy::name, ""));

template <>
constexpr auto fields<BoundCluster> = object(
    "One cluster the object goes to.", field("name", &BoundCluster::name, "The ManagedCluster.", {.required = true}),
    field("replicas", &BoundCluster::replicas, "Its share; absent: the object's own count."),
    field("paused", &BoundCluster::paused, "A Rollout is paused there."),
    field("pausedBy", &BoundCluster::paused_by, "Who had it paused, when and why."),
    field("revision", &BoundCluster::revision, "A workload is pinned to the template with this hash …"),
    field("rejected", &BoundCluster::rejected, "… as long as the hub's template has this hash."));

template <>
constexpr auto fields<RejectedCluster> =
    object("A cluster that the policy leaves out.", field("name", &RejectedCluster::name, ""),
           field("reason", &RejectedCluster::reason, ""), field("message", &RejectedCluster::message, ""));

template <>
constexpr auto fields<FleetBindingSpec> =
    object("Where the object goes.",
           field("resource", &FleetBindingSpec::resource, "The object on the hub.", {.required = true}),
           field("policy", &FleetBindingSpec::policy, "The policy that claims it."),
           field("clusters", &FleetBindingSpec::clusters, "The chosen clusters, by name.",
                 {.always = true, .list_type = "map", .list_keys = {"name"}}),
           field("preserveResourcesOnDeletion", &FleetBindingSpec::preserve_resources_on_deletion,
                 "Members keep the object when it leaves.", {.always = true}),
           field("conflictResolution", &FleetBindingSpec::conflict_resolution,
                 "What happens to an object of that name that is not the hub's.", {.one_of = {"Abort", "Overwrite"}}));

template <>
constexpr auto fields<BindingRow> =
    object("A cluster that does not simply carry the object.", field("cluster", &BindingRow::cluster, ""),
           field("state", &BindingRow::state, ""), field("reason", &BindingRow::reason, ""),
           field("message", &BindingRow::message, ""), field("since", &BindingRow::since, ""));

template <>
constexpr auto fields<FleetBindingStatus> =
    object("How that stands.", field("observedGeneration", &FleetBindingStatus::observed_generation, ""),
           field("conditions", &FleetBindingStatus::conditions, "Applied, Guarded."),
           field("counts", &FleetBindingStatus::counts, "Clusters by state."),
           field("rejected", &FleetBindingStatus::rejected, "Clusters left out, with reasons; at most 100."),
           field("abnormal", &FleetBindingStatus::abnormal, "Clusters in another state than Applied; at most 100."),
           field("stableRevision", &FleetBindingStatus::stable_revision,
                 "Hash of the workload's template that was last at rest in some cluster."),
           field("contentKey", &FleetBindingStatus::content_key,
                 "What the object and this binding said, status apart: another one whenever they say something else."),
           field("contentVersion", &FleetBindingStatus::content_version,
                 "Since which resource version of the hub they say so."));

}   // namespace aviary::json

namespace aviary::apis {

Result<FleetBinding> read_fleet_binding(json::Doc const& object) {
    FleetBinding binding;
    binding.spec = TRY(json::read<FleetBindingSpec>(object["spec"], "spec"));
    binding.status = TRY(json::read<FleetBindingStatus>(object["status"], "status"));
    return binding;
}

json::Value write_fleet_binding_spec(FleetBindingSpec const& spec) { return json::to_value(spec); }
json::Value write_fleet_binding_status(FleetBindingStatus const& status) { return json::to_value(status); }

Definition fleet_binding_definition(bool namespaced) {
    Definition definition;
    definition.group = "fleet.aviary.dev";
    definition.version = "v1alpha1";
    definition.kind = namespaced ? "FleetBinding" : "ClusterFleetBinding";
    definition.plural = namespaced ? "fleetbindings" : "clusterfleetbindings";
    definition.short_names = {namespaced ? "fb" : "cfb"};
    definition.namespaced = namespaced;
    definition.description =
        "Where one object of the hub goes, with how many replicas, at which revision, and how that stands.";
    definition.spec = json::schema_of<FleetBindingSpec>();
    definition.status = json::schema_of<FleetBindingStatus>();
    definition.columns = {{"KIND", "string", ".spec.resource.kind"},
                          {"OBJECT", "string", ".spec.resource.name"},
                          {"APPLIED", "string", ".status.conditions[?(@.type==\"Applied\")].status"},
                          {"GUARDED", "string", ".status.conditions[?(@.type==\"Guarded\")].reason"},
                          {"AGE", "date", ".metadata.creationTimestamp"}};
    return definition;
}

}   // namespace aviary::apis
