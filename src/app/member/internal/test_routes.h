// For tests: Services, HTTPRoutes and GRPCRoutes in a simulated cluster.
#pragma once

#include "app/member/internal/test_world.h"
#include "core/base/strings.h"

namespace aviary::member {

inline meta::GroupVersionResource const kServices{"", "v1", "services"};
inline meta::GroupVersionResource const kRoutes{"gateway.networking.k8s.io", "v1", "httproutes"};

inline meta::GroupVersionResource const kCalls{"gateway.networking.k8s.io", "v1", "grpcroutes"};

// As Gateway API's own, as far as a route needs it.
inline Value routes_definition(std::string const& version, std::string const& kind = "HTTPRoute") {
    std::string const singular = to_lower(kind);
    Value crd = *json::parse_value(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":")" + singular +
                                   R"(s.gateway.networking.k8s.io"},"spec":{"group":"gateway.networking.k8s.io",
        "scope":"Namespaced","names":{"kind":")" +
                                   kind + R"(","listKind":")" + kind + R"(List","plural":")" + singular +
                                   R"(s","singular":")" + singular + R"("},
        "versions":[{"name":"","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{
        "type":"object","properties":{"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
        "spec":{"type":"object","properties":{
        "hostnames":{"type":"array","items":{"type":"string"}},"rules":{"type":"array","maxItems":16,"items":{"type":"object",
        "x-kubernetes-preserve-unknown-fields":true,"properties":{
        "matches":{"type":"array","items":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},
        "backendRefs":{"type":"array","items":{"type":"object","required":["name"],"properties":{
        "group":{"type":"string","default":""},"kind":{"type":"string","default":"Service"},"name":{"type":"string"},
        "port":{"type":"integer"},"weight":{"type":"integer","default":1,"minimum":0,"maximum":1000000}}}}}}}}}}}}}]}})");
    json::Array versions = crd.at({"spec", "versions"}).array();
    versions.front()["name"] = version;
    if (kind == "HTTPRoute") {
        versions.front().set({"schema", "openAPIV3Schema", "properties", "spec", "properties", "rules", "items",
                              "properties", "matches", "default"},
                             *json::parse_value(R"([{"path":{"type":"PathPrefix","value":"/"}}])"));
    }
    crd.set({"spec", "versions"}, std::move(versions));
    return crd;
}

inline Value pools_definition() {
    return *json::parse_value(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"inferencepools.inference.networking.k8s.io"},"spec":{"group":"inference.networking.k8s.io",
        "scope":"Namespaced","names":{"kind":"InferencePool","listKind":"InferencePoolList","plural":"inferencepools",
        "singular":"inferencepool"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{
        "type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})");
}

}   // namespace aviary::member
