// The fields of what Rollouts and TrafficRoutings have in common: how requests reach a workload.
#pragma once

#include "apis/rollouts/rollout.h"
#include "core/json/fields.h"

namespace aviary::json {

inline constexpr std::string_view kHeaderName = "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$";
template <>
inline constexpr auto fields<apis::PathMatch> =
    object("By path.",
           field("type", &apis::PathMatch::type, "",
                 {.one_of = {"Exact", "PathPrefix", "RegularExpression"}, .default_json = "\"PathPrefix\""}),
           field("value", &apis::PathMatch::value, "", {.max_length = 1024, .default_json = "\"/\""}));
template <>
inline constexpr auto fields<apis::HeaderMatch> =
    object("By a header.",
           field("name", &apis::HeaderMatch::name, "",
                 {.required = true, .min_length = 1, .max_length = 256, .pattern = kHeaderName}),
           field("value", &apis::HeaderMatch::value, "", {.required = true, .min_length = 1, .max_length = 4096}),
           field("type", &apis::HeaderMatch::type, "",
                 {.one_of = {"Exact", "RegularExpression"}, .default_json = "\"Exact\""}));
template <>
inline constexpr auto fields<apis::QueryParamMatch> =
    object("By a query parameter.",
           field("name", &apis::HeaderMatch::name, "",
                 {.required = true, .min_length = 1, .max_length = 256, .pattern = kHeaderName}),
           field("value", &apis::HeaderMatch::value, "", {.required = true, .min_length = 1, .max_length = 1024}),
           field("type", &apis::HeaderMatch::type, "",
                 {.one_of = {"Exact", "RegularExpression"}, .default_json = "\"Exact\""}));
template <>
inline constexpr auto fields<apis::HttpRouteMatch> = object(
    "Requests for which all of this holds.", field("path", &apis::HttpRouteMatch::path, ""),
    field("headers", &apis::HttpRouteMatch::headers, "", {.max_items = 16, .list_type = "map", .list_keys = {"name"}}),
    field("queryParams", &apis::HttpRouteMatch::query_params, "",
          {.max_items = 16, .list_type = "map", .list_keys = {"name"}}));
template <>
inline constexpr auto fields<apis::HttpHeader> =
    object("",
           field("name", &apis::HttpHeader::name, "",
                 {.required = true, .min_length = 1, .max_length = 256, .pattern = kHeaderName}),
           field("value", &apis::HttpHeader::value, "", {.required = true, .min_length = 1, .max_length = 4096}));
template <>
inline constexpr auto fields<apis::HeaderModifier> =
    object("What is changed in the headers of requests to the new version.",
           field("set", &apis::HeaderModifier::set, "", {.max_items = 16, .list_type = "map", .list_keys = {"name"}}),
           field("add", &apis::HeaderModifier::add, "", {.max_items = 16, .list_type = "map", .list_keys = {"name"}}),
           field("remove", &apis::HeaderModifier::remove, "", {.max_items = 16, .list_type = "set"}));
template <>
inline constexpr auto fields<apis::IngressRef> = object(
    "An Ingress of the same namespace; a second one is made beside it.",
    field("classType", &apis::IngressRef::class_type,
          "Which script says a step in annotations: nginx when it is not given, higress, aliyun-alb, mse, or your "
          "own."),
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
