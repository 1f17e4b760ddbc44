#include "kube/simulator/internal/pod_autoscaler.h"

#include <fmt/format.h>

#include "kube/control/events.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

// The first metric that cannot be read.
std::string missing_metric(Doc const& autoscaler) {
    std::string_view const type = autoscaler.at({"spec", "metrics"})[0]["type"].as_string("Resource");
    return fmt::format("FailedGet{}Metric", type);
}

struct Looking {
    Doc const& autoscaler;
    Time now;
    Value conditions;
    Plan plan;

    void condition(char const* type, char const* status, std::string const& reason, std::string const& message) {
        meta::set_condition(conditions, type, status, reason, message, now);
    }
    void event(char const* type, std::string reason, std::string message) {
        plan.events.push_back(control::event_about(autoscaler, type, std::move(reason), std::move(message)));
    }
    Plan done(Value status) {
        status["conditions"] = std::move(conditions);
        // Conditions of autoscaling/v2 have no observedGeneration.
        for (Value& each : status["conditions"].make_array()) each.erase("observedGeneration");
        write_status(plan, kAutoscalers, autoscaler, status);
        return std::move(plan);
    }
};

}   // namespace

Plan decide_pod_autoscaler(Doc const& autoscaler, Doc const& scale, meta::GroupVersionResource const& resource,
                           Time now) {
    Looking looking{autoscaler, now, autoscaler.at({"status", "conditions"}).thaw(), {}};
    Value status{json::Object()};
    Doc const reference = autoscaler.at({"spec", "scaleTargetRef"});
    if (!scale.exists()) {
        std::string const why = fmt::format(R"({}/scale.{} "{}" not found)", resource.resource, resource.group,
                                            reference["name"].as_string());
        looking.condition("AbleToScale", "False", "FailedGetScale",
                          "the HPA controller was unable to get the target's current scale: " + why);
        looking.event(control::kWarning, "FailedGetScale", why);
        return looking.done(std::move(status));
    }
    looking.condition("AbleToScale", "True", "SucceededGetScale",
                      "the HPA controller was able to get the target's current scale");
    std::int64_t const current = scale.at({"spec", "replicas"}).as_int();
    std::int64_t const least = autoscaler.at({"spec", "minReplicas"}).as_int(1);
    std::int64_t const most = autoscaler.at({"spec", "maxReplicas"}).as_int();
    std::int64_t desired = current;
    std::string reason;
    if (current == 0 && least != 0) {
        looking.condition("ScalingActive", "False", "ScalingDisabled",
                          "scaling is disabled since the replica count of the target is zero");
        desired = 0;
    } else if (current > most) {
        reason = "Current number of replicas above Spec.MaxReplicas";
        desired = most;
    } else if (current < least) {
        reason = "Current number of replicas below Spec.MinReplicas";
        desired = least;
    } else {
        std::string const missing = missing_metric(autoscaler);
        std::string const why = "unable to fetch metrics: no metrics are served in this cluster";
        looking.condition("ScalingActive", "False", missing, "the HPA was unable to compute the replica count: " + why);
        looking.event(control::kWarning, missing, why);
        status["currentReplicas"] = current;
        return looking.done(std::move(status));
    }
    if (!reason.empty()) {
        Write resize;
        resize.resource = resource;
        resize.key = meta::key_of(scale);
        resize.subresource = "scale";
        resize.body.set({"metadata", "resourceVersion"}, meta::resource_version(scale));
        resize.body.set({"spec", "replicas"}, desired);
        resize.why = reason;
        looking.plan.writes.push_back(std::move(resize));
        looking.condition("AbleToScale", "True", "SucceededRescale",
                          fmt::format("the HPA controller was able to update the target scale to {}", desired));
        looking.event(control::kNormal, "SuccessfulRescale", fmt::format("New size: {}; reason: {}", desired, reason));
        status["lastScaleTime"] = format_rfc3339(now);
    }
    status["currentReplicas"] = current;
    status["desiredReplicas"] = desired;
    return looking.done(std::move(status));
}

}   // namespace aviary::simulator
