#include "apis/rollouts/traffic_routing.h"

#include "apis/internal/definition.h"
#include "apis/internal/fields_traffic.h"
#include "apis/rollouts/keys.h"
#include "core/json/fields.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<TrafficRoutingStrategy> =
    object("Which requests go to the new version.",
           field("weight", &TrafficRoutingStrategy::weight, "Percent.", {.format = "int32"}),
           field("requestHeaderModifier", &TrafficRoutingStrategy::request_header_modifier, ""),
           field("matches", &TrafficRoutingStrategy::matches,
                 "Requests that go to the new version: those for which one entry holds."));
template <>
constexpr auto fields<TrafficRoutingSpec> =
    object("", field("objectRef", &TrafficRoutingSpec::object_ref, "The first one alone counts.", {.required = true}),
           field("strategy", &TrafficRoutingSpec::strategy, "", {.required = true, .always = true}));
template <>
constexpr auto fields<TrafficRoutingStatus> =
    object("", field("observedGeneration", &TrafficRoutingStatus::observed_generation, ""),
           field("phase", &TrafficRoutingStatus::phase, ""), field("message", &TrafficRoutingStatus::message, ""));

}   // namespace aviary::json

namespace aviary::apis {

std::vector<std::string> holders_of(json::Doc const& traffic_routing) {
    std::vector<std::string> names;
    for (auto const& [index, each] : traffic_routing.at({"metadata", "finalizers"}).elements()) {
        if (std::string_view name = each.as_string(); name.starts_with(kHolderFinalizers))
            names.emplace_back(name.substr(kHolderFinalizers.size()));
    }
    return names;
}

Result<TrafficRouting> read_traffic_routing(json::Doc const& object) {
    TrafficRouting routing;
    routing.spec = TRY(json::read<TrafficRoutingSpec>(object["spec"], "spec"));
    routing.status = TRY(json::read<TrafficRoutingStatus>(object["status"], "status"));
    return routing;
}

json::Value write_traffic_routing_spec(TrafficRoutingSpec const& spec) { return json::to_value(spec); }
json::Value write_traffic_routing_status(TrafficRoutingStatus const& status) { return json::to_value(status); }

Definition traffic_routing_definition() {
    Definition definition;
    definition.group = kTrafficRoutings.group;
    definition.version = kTrafficRoutings.version;
    definition.kind = "TrafficRouting";
    definition.plural = kTrafficRoutings.resource;
    definition.description = "How requests are led while a Rollout that names it has a release on.";
    definition.spec = json::schema_of<TrafficRoutingSpec>();
    definition.status = json::schema_of<TrafficRoutingStatus>();
    definition.columns = {{"STATUS", "string", ".status.phase"},
                          {"MESSAGE", "string", ".status.message"},
                          {"AGE", "date", ".metadata.creationTimestamp"}};
    return definition;
}

}   // namespace aviary::apis
