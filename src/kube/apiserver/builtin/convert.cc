#include "kube/apiserver/builtin/convert.h"

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::builtin {

namespace {

constexpr std::string_view kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr std::string_view kBehavior = "autoscaling.alpha.kubernetes.io/behavior";
constexpr std::string_view kTarget = "targetCPUUtilizationPercentage";
constexpr std::string_view kCurrent = "currentCPUUtilizationPercentage";

bool is_cpu_share(json::Value const& metric) {
    return metric["type"].as_string() == "Resource" && metric.at({"resource", "name"}).as_string() == "cpu";
}

void put_annotation(json::Value& object, std::string_view name, json::Value const& value) {
    object["metadata"]["annotations"][name] = json::write(value);
}

// The annotation's document, which leaves the object; null when there is none.
json::Value take_annotation(json::Value& object, std::string_view name) {
    json::Value* metadata = object.find("metadata");
    json::Value* annotations = metadata ? metadata->find("annotations") : nullptr;
    json::Value const* text = annotations ? annotations->find(name) : nullptr;
    if (!text) return {};
    json::Value value = json::parse_value(text->as_string()).value_or(json::Value());
    annotations->erase(name);
    if (annotations->size() == 0) metadata->erase("annotations");
    return value;
}

void to_v1(json::Value& object) {
    json::Value& spec = object["spec"];
    json::Array others;
    for (json::Value const& metric : std::as_const(spec)["metrics"].array()) {
        json::Value share = metric.at({"resource", "target", "averageUtilization"});
        if (is_cpu_share(metric) && share.is_int() && !spec.contains(kTarget)) {
            spec[kTarget] = std::move(share);
        } else {
            others.push_back(metric);
        }
    }
    json::Value behavior = std::as_const(spec)["behavior"];
    spec.erase("metrics");
    spec.erase("behavior");
    if (json::Value* status = object.find("status")) {
        for (json::Value const& metric : std::as_const(*status)["currentMetrics"].array()) {
            json::Value share = metric.at({"resource", "current", "averageUtilization"});
            if (is_cpu_share(metric) && share.is_int()) (*status)[kCurrent] = std::move(share);
        }
        status->erase("currentMetrics");
        status->erase("conditions");
    }
    if (!others.empty()) put_annotation(object, kMetrics, others);
    if (behavior.is_object()) put_annotation(object, kBehavior, behavior);
}

void to_v2(json::Value& object) {
    json::Value metrics = take_annotation(object, kMetrics);
    json::Value behavior = take_annotation(object, kBehavior);
    json::Value& spec = object["spec"];
    json::Array all;
    if (json::Value share = std::as_const(spec)[kTarget]; share.is_int()) {
        json::Object target{{"type", "Utilization"}, {"averageUtilization", std::move(share)}};
        json::Object resource{{"name", "cpu"}, {"target", std::move(target)}};
        all.push_back(json::Object{{"type", "Resource"}, {"resource", std::move(resource)}});
    }
    for (json::Value const& metric : metrics.array()) all.push_back(metric);
    spec.erase(kTarget);
    if (!all.empty()) spec["metrics"] = std::move(all);
    if (behavior.is_object()) spec["behavior"] = std::move(behavior);
    json::Value* status = object.find("status");
    json::Value share = status ? std::as_const(*status)[kCurrent] : json::Value();
    if (!share.is_int()) return;
    json::Object resource{{"name", "cpu"}, {"current", json::Object{{"averageUtilization", std::move(share)}}}};
    (*status)["currentMetrics"] = json::Array{json::Object{{"type", "Resource"}, {"resource", std::move(resource)}}};
    status->erase(kCurrent);
}

}   // namespace

void to_version(json::Value& object, std::string_view api_version) {
    std::string from = std::as_const(object)["apiVersion"].string();
    if (from == api_version) return;
    bool autoscaler = std::as_const(object)["kind"].as_string() == "HorizontalPodAutoscaler";
    if (autoscaler && from == "autoscaling/v2" && api_version == "autoscaling/v1") to_v1(object);
    if (autoscaler && from == "autoscaling/v1" && api_version == "autoscaling/v2") to_v2(object);
    object["apiVersion"] = api_version;
}

}   // namespace aviary::builtin
