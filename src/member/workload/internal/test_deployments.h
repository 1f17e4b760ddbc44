// For tests: Deployments and their ReplicaSets as they are written.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "core/json/doc.h"
#include "core/json/parse.h"
#include "core/json/value.h"

namespace aviary::workload {

inline json::Value value(std::string_view text) { return *json::parse_value(text); }
inline json::Doc doc(json::Value const& object) { return json::Doc::freeze(object); }

inline json::Value deployment(std::string const& image) {
    json::Value object = value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"d1","generation":4},
      "spec":{"replicas":10,"selector":{"matchLabels":{"app":"web"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
      "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":""}]}}}})");
    object.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", image}}});
    return object;
}

inline json::Value replica_set(std::string const& image, std::int64_t replicas, std::int64_t available, int age) {
    json::Value object =
        value(R"({"metadata":{"namespace":"demo"},"spec":{"template":{"metadata":{"labels":{"app":"web"}}}}})");
    object.set({"metadata", "name"}, "web-" + image);
    object.set({"metadata", "uid"}, "uid-" + image);
    object.set({"metadata", "labels", "pod-template-hash"}, "h" + image);
    object.set({"metadata", "annotations", "deployment.kubernetes.io/revision"}, std::to_string(age));
    object.set({"metadata", "creationTimestamp"}, fmt::format("2026-01-01T00:00:{:02}Z", age));
    object.set({"spec", "replicas"}, replicas);
    object.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", image}}});
    object["status"] =
        json::Object{{"replicas", replicas}, {"readyReplicas", available}, {"availableReplicas", available}};
    return object;
}

}   // namespace aviary::workload
