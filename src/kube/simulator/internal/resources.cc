#include "kube/simulator/internal/resources.h"

#include "kube/meta/object.h"

namespace aviary::simulator {

json::Value reference_to(json::Doc const& object, std::string api_version, std::string kind) {
    return json::Object{{"apiVersion", std::move(api_version)},
                        {"kind", std::move(kind)},
                        {"namespace", meta::ns(object)},
                        {"name", meta::name(object)},
                        {"uid", meta::uid(object)}};
}

json::Value controller_reference(json::Doc const& owner, std::string api_version, std::string kind) {
    return json::Object{{"apiVersion", std::move(api_version)},
                        {"kind", std::move(kind)},
                        {"name", meta::name(owner)},
                        {"uid", meta::uid(owner)},
                        {"controller", true},
                        {"blockOwnerDeletion", true}};
}

bool is_finished(json::Doc const& pod) {
    std::string_view const phase = pod.at({"status", "phase"}).as_string();
    return phase == "Succeeded" || phase == "Failed";
}

bool is_active(json::Doc const& pod) { return !is_finished(pod) && !meta::is_deleting(pod); }

namespace {

json::Doc ready_condition(json::Doc const& pod) {
    for (auto const& [key, condition] : pod.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == "Ready") return condition;
    }
    return {};
}

}   // namespace

bool is_ready(json::Doc const& pod) { return ready_condition(pod)["status"].as_string() == "True"; }

Time ready_since(json::Doc const& pod) {
    json::Doc const condition = ready_condition(pod);
    if (condition["status"].as_string() != "True") return {};
    return parse_rfc3339(condition["lastTransitionTime"].as_string()).value_or(Time());
}

}   // namespace aviary::simulator
