// For tests: Services and HTTPRoutes in a simulated cluster.
#pragma once

#include "app/member/internal/test_world.h"

namespace aviary::member {

inline meta::GroupVersionResource const kServices{"", "v1", "services"};
inline meta::GroupVersionResource const kRoutes{"gateway.networking.k8s.io", "v1", "httproutes"};

// As Gateway API's own, as far as a route needs it.
inline Value routes_definition(std::string const& version) {
    Value crd = *json::parse_value(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"httproutes.gateway.networking.k8s.io"},"spec":{"group":"gateway.networking.k8s.io",
        "scope":"Namespaced","names":{"kind":"HTTPRoute","listKind":"HTTPRouteList","plural":"httproutes","singular":"httproute"},
        "versions":[{"name":"","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{
        "type":"object","properties":{"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
        "spec":{"type":"object","properties":{
        "hostnames":{"type":"array","items":{"type":"string"}},"rules":{"type":"array","maxItems":16,"items":{"type":"object",
        "x-kubernetes-preserve-unknown-fields":true,"properties":{
        "matches":{"type":"array","default":[{"path":{"type":"PathPrefix","value":"/"}}],"items":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},
        "backendRefs":{"type":"array","items":{"type":"object","required":["name"],"properties":{
        "group":{"type":"string","default":""},"kind":{"type":"string","default":"Service"},"name":{"type":"string"},
        "port":{"type":"integer"},"weight":{"type":"integer","default":1,"minimum":0,"maximum":1000000}}}}}}}}}}}}}]}})");
    Value versions = crd.at({"spec", "versions"});
    versions.make_array().front()["name"] = version;
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
