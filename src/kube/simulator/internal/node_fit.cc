#include "kube/simulator/internal/node_fit.h"

#include <algorithm>
#include <optional>
#include <string>

#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::simulator {

using json::Doc;

namespace {

// One requirement of a node selector; `value` is absent when the node has no such label.
bool holds(Doc const& requirement, std::optional<std::string> const& value) {
    std::string_view const op = requirement["operator"].as_string();
    if (op == "Exists") return value.has_value();
    if (op == "DoesNotExist") return !value;
    bool listed = false;
    for (auto const& [key, each] : requirement["values"].elements())
        listed = listed || (value && each.as_string() == *value);
    if (op == "In") return listed;
    if (op == "NotIn") return !listed;
    auto const own = parse_int(value.value_or(""));
    auto const bound = parse_int(requirement["values"][0].as_string());
    if (!own || !bound) return false;
    return op == "Gt" ? *own > *bound : op == "Lt" && *own < *bound;
}

// All requirements of a term; an empty term matches no node.
bool matches_term(Doc const& term, Doc const& node) {
    if (term["matchExpressions"].size() + term["matchFields"].size() == 0) return false;
    for (auto const& [key, requirement] : term["matchExpressions"].elements()) {
        Doc const label = node.at({"metadata", "labels"})[requirement["key"].as_string()];
        if (!holds(requirement, label.exists() ? std::optional(label.string()) : std::nullopt)) return false;
    }
    for (auto const& [key, requirement] : term["matchFields"].elements()) {
        if (requirement["key"].as_string() != "metadata.name" || !holds(requirement, meta::name(node))) return false;
    }
    return true;
}

}   // namespace

std::vector<Doc> elements_of(Doc const& list) {
    std::vector<Doc> result;
    for (auto const& [key, element] : list.elements()) result.push_back(element);
    return result;
}

bool matches_node(Doc const& pod_spec, Doc const& node) {
    for (auto const& [key, value] : pod_spec["nodeSelector"].members()) {
        if (node.at({"metadata", "labels"})[key].as_string("\n") != value.as_string()) return false;
    }
    Doc const required = pod_spec.at({"affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
    if (!required.is_object()) return true;
    return std::ranges::any_of(elements_of(required["nodeSelectorTerms"]),
                               [&](Doc const& term) { return matches_term(term, node); });
}

bool tolerates(std::vector<Doc> const& tolerations, Doc const& taint) {
    return std::ranges::any_of(tolerations, [&](Doc const& toleration) {
        std::string_view const effect = toleration["effect"].as_string();
        std::string_view const key = toleration["key"].as_string();
        if (!effect.empty() && effect != taint["effect"].as_string()) return false;
        if (!key.empty() && key != taint["key"].as_string()) return false;
        if (toleration["operator"].as_string() == "Exists") return true;
        return !key.empty() && toleration["value"].as_string() == taint["value"].as_string();
    });
}

bool repels(Doc const& node, std::vector<Doc> const& tolerations, std::vector<std::string_view> const& effects) {
    return std::ranges::any_of(elements_of(node.at({"spec", "taints"})), [&](Doc const& taint) {
        bool const counts = std::ranges::find(effects, taint["effect"].as_string()) != effects.end();
        return counts && !tolerates(tolerations, taint);
    });
}

}   // namespace aviary::simulator
