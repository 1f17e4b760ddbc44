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

Time ready_since(json::Doc const& pod) {
    json::Doc const condition = meta::condition(pod, "Ready");
    if (condition["status"].as_string() != "True") return {};
    return parse_rfc3339(condition["lastTransitionTime"].as_string()).value_or(Time());
}

}   // namespace aviary::simulator
