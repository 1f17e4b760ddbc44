#include "apis/crds.h"

#include <algorithm>

#include "apis/internal/definition.h"
#include "apis/policy/propagation_policy.h"
#include "core/base/strings.h"

namespace aviary::apis {

namespace {

using json::Object;
using json::Value;

Value version_of(Definition const& definition, bool storage) {
    Value schema{Object{{"type", "object"}, {"description", definition.description}}};
    schema["properties"] = Object{{"apiVersion", Object{{"type", "string"}}},
                                  {"kind", Object{{"type", "string"}}},
                                  {"metadata", Object{{"type", "object"}}}};
    schema["properties"]["spec"] = definition.spec;
    if (!definition.status.is_null()) schema["properties"]["status"] = definition.status;
    Value version{Object{{"name", definition.version}, {"served", true}, {"storage", storage}}};
    version.set({"schema", "openAPIV3Schema"}, schema);
    if (!definition.status.is_null()) version.set({"subresources", "status"}, Object());
    for (PrinterColumn const& column : definition.columns) {
        Value each{Object{{"name", column.name}, {"type", column.type}, {"jsonPath", column.json_path}}};
        if (!column.description.empty()) each["description"] = column.description;
        if (!column.format.empty()) each["format"] = column.format;
        if (column.priority > 0) each["priority"] = column.priority;
        version["additionalPrinterColumns"].push_back(std::move(each));
    }
    return version;
}

// Without an authority nobody is trusted to convert: what would be lost by nobody's converting is refused until then.
Value conversion() {
    Value config{Object()};
    config["service"] =
        Object{{"namespace", kConverterNamespace}, {"name", kConverter}, {"path", "/convert"}, {"port", 443}};
    return Object{
        {"strategy", "Webhook"},
        {"webhook", Object{{"clientConfig", std::move(config)}, {"conversionReviewVersions", json::Array{"v1"}}}}};
}

}   // namespace

json::Value make_definition(Definition const& definition) {
    json::Array versions;
    for (Definition const& older : definition.older) versions.push_back(version_of(older, false));
    versions.push_back(version_of(definition, true));
    Value names{Object{{"kind", definition.kind},
                       {"listKind", definition.kind + "List"},
                       {"plural", definition.plural},
                       {"singular", to_lower(definition.kind)}}};
    for (std::string const& name : definition.short_names) names["shortNames"].push_back(name);
    Value crd{Object{{"apiVersion", "apiextensions.k8s.io/v1"}, {"kind", "CustomResourceDefinition"}}};
    crd.set({"metadata", "name"}, definition.plural + "." + definition.group);
    crd["spec"] = Object{{"group", definition.group},
                         {"names", names},
                         {"scope", definition.namespaced ? "Namespaced" : "Cluster"},
                         {"versions", std::move(versions)}};
    if (!definition.older.empty()) crd["spec"]["conversion"] = conversion();
    return crd;
}

std::vector<json::Value> member_crds() {
    return {make_definition(batch_release_definition()), make_definition(rollout_definition()),
            make_definition(rollout_history_definition()), make_definition(traffic_routing_definition())};
}

std::vector<json::Value> crds() {
    std::vector<json::Value> result = member_crds();
    result.push_back(make_definition(managed_cluster_definition()));
    result.push_back(make_definition(managed_cluster_set_definition()));
    result.push_back(make_definition(managed_cluster_set_binding_definition()));
    result.push_back(make_definition(fleet_binding_definition(true)));
    result.push_back(make_definition(fleet_binding_definition(false)));
    result.push_back(make_definition(decision_definition()));
    for (std::string_view group : {kAckPolicyGroup, kKarmadaPolicyGroup}) {
        result.push_back(make_definition(propagation_policy_definition(std::string(group), true)));
        result.push_back(make_definition(propagation_policy_definition(std::string(group), false)));
    }
    std::ranges::sort(result, {}, [](json::Value const& crd) { return crd.at({"metadata", "name"}).string(); });
    return result;
}

}   // namespace aviary::apis
