// The fields of what Rollouts and TrafficRoutings have in common: how requests reach a workload.
#pragma once

#include "apis/rollouts/rollout.h"
#include "core/json/fields.h"

namespace aviary::json {

template <>
inline constexpr auto fields<apis::IngressRef> =
    object("An Ingress of the same namespace; a second one is made beside it.",
           field("classType", &apis::IngressRef::class_type,
                 "Which script says a step in annotations: nginx, higress, aliyun-alb, mse, or your own.",
                 {.default_json = "\"nginx\""}),
           field("name", &apis::IngressRef::name, "", {.required = true}));
template <>
inline constexpr auto fields<apis::GatewayRef> =
    object("Routes of the Gateway API, of the same namespace.",
           field("httpRouteName", &apis::GatewayRef::http_route_name, "An HTTPRoute, v1 or v1beta1."),
           field("grpcRouteName", &apis::GatewayRef::grpc_route_name, "A GRPCRoute; Kruise Rollouts knows none."));
template <>
inline constexpr auto fields<apis::CustomNetworkRef> =
    object("An object of the same namespace that a script changes, as Istio's VirtualService.",
           field("apiVersion", &apis::CustomNetworkRef::api_version, "", {.required = true}),
           field("kind", &apis::CustomNetworkRef::kind, "", {.required = true}),
           field("name", &apis::CustomNetworkRef::name, "", {.required = true}));
template <>
inline constexpr auto fields<apis::TrafficRoutingRef> = object(
    "How requests reach the workload.",
    field("service", &apis::TrafficRoutingRef::service, "The Service of the workload.", {.required = true}),
    field("gracePeriodSeconds", &apis::TrafficRoutingRef::grace_period_seconds,
          "How long a change of a Service or a route takes to reach everybody; 0: no wait.",
          {.default_json = "3", .format = "int32"}),
    field("ingress", &apis::TrafficRoutingRef::ingress, ""), field("gateway", &apis::TrafficRoutingRef::gateway, ""),
    field("customNetworkRefs", &apis::TrafficRoutingRef::custom_network_refs, ""));

}   // namespace aviary::json
