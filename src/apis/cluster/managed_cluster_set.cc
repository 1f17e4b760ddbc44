#include "apis/cluster/managed_cluster_set.h"

#include <fmt/format.h>

#include <utility>

#include "apis/internal/definition.h"
#include "apis/internal/fields_condition.h"
#include "core/json/fields.h"
#include "kube/meta/names.h"
#include "kube/meta/selector.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<ManagedClusterSelector> = object(
    "Which clusters are in the set.",
    field("selectorType", &ManagedClusterSelector::selector_type,
          "ExclusiveClusterSetLabel: those whose label cluster.open-cluster-management.io/clusterset is the set's "
          "name. LabelSelector: those that labelSelector matches.",
          {.required = true,
           .one_of = {kExclusiveLabel, kByLabelSelector},
           .default_json = "\"ExclusiveClusterSetLabel\""}),
    field("labelSelector", &ManagedClusterSelector::label_selector,
          "Which labels, of the type LabelSelector; an empty one matches every cluster."));
template <>
constexpr auto fields<ManagedClusterSetSpec> =
    object("Clusters under one name.",
           field("clusterSelector", &ManagedClusterSetSpec::cluster_selector, "Which clusters are in the set.",
                 {.default_json = R"({"selectorType":"ExclusiveClusterSetLabel"})"}));
template <>
constexpr auto fields<ManagedClusterSetBindingSpec> =
    object("A set of clusters that the namespace may use.",
           field("clusterSet", &ManagedClusterSetBindingSpec::cluster_set, "The name of the set, and of the binding.",
                 {.required = true}));
template <>
constexpr auto fields<ClusterSetStatus> =
    object("How it stands.", field("conditions", &ClusterSetStatus::conditions, ""));

}   // namespace aviary::json

namespace aviary::apis {

using json::Object;
using json::Value;

namespace {

Value set_of(std::string_view name, Value selector) {
    Value set{Object{{"apiVersion", kManagedClusterSets.group + "/" + kManagedClusterSets.version},
                     {"kind", "ManagedClusterSet"}}};
    set.set({"metadata", "name"}, name);
    set.set({"spec", "clusterSelector"}, std::move(selector));
    return set;
}

FieldCause invalid(std::string field, std::string message) {
    return {"FieldValueInvalid", std::move(field), "Invalid value: " + std::move(message)};
}

}   // namespace

std::vector<Value> default_cluster_sets() {
    Value every{Object{{"selectorType", kByLabelSelector}}};
    every["labelSelector"] = Object();
    return {set_of(kDefaultSet, Object{{"selectorType", kExclusiveLabel}}), set_of(kGlobalSet, std::move(every))};
}

std::vector<FieldCause> validate_cluster_set(Value const& set) {
    std::vector<FieldCause> causes;
    std::string const name = set.at({"metadata", "name"}).string();
    Value const& selector = set.at({"spec", "clusterSelector"});
    bool const by_labels = selector["selectorType"].as_string() == kByLabelSelector;
    constexpr char kPath[] = "spec.clusterSelector";
    // It is the value of a label.
    if (auto const problem = meta::dns1123_label_problem(name)) causes.push_back(invalid("metadata.name", *problem));
    Value const& labels = selector["labelSelector"];
    if (by_labels && labels.is_null())
        causes.push_back(
            {"FieldValueRequired", fmt::format("{}.labelSelector", kPath), "Required value: {} matches every cluster"});
    if (!by_labels && !labels.is_null())
        causes.push_back(invalid(fmt::format("{}.labelSelector", kPath),
                                 fmt::format("is for the selectorType {} alone", kByLabelSelector)));
    if (by_labels && !labels.is_null()) {
        json::Doc const frozen = json::Doc::freeze(labels);
        auto const problem = meta::LabelSelector::problem(frozen);
        if (problem) causes.push_back(invalid(fmt::format("{}.labelSelector", kPath), *problem));
        if (!problem && name == kGlobalSet && !meta::LabelSelector::from_object(frozen)->empty())
            causes.push_back(invalid(fmt::format("{}.labelSelector", kPath), "the set global has every cluster"));
    }
    if ((name == kDefaultSet && by_labels) || (name == kGlobalSet && !by_labels))
        causes.push_back(invalid(fmt::format("{}.selectorType", kPath),
                                 fmt::format("the set {} is of the type {}", name,
                                             name == kGlobalSet ? kByLabelSelector : kExclusiveLabel)));
    return causes;
}

std::vector<FieldCause> validate_cluster_set_binding(Value const& binding) {
    std::string_view const set = binding.at({"spec", "clusterSet"}).as_string();
    if (auto const problem = meta::dns1123_label_problem(set)) return {invalid("spec.clusterSet", *problem)};
    if (binding.at({"metadata", "name"}).as_string() == set) return {};
    return {invalid("metadata.name", fmt::format("must be \"{}\", the name of the set", set))};
}

Definition managed_cluster_set_definition() {
    Definition definition;
    definition.group = kManagedClusterSets.group;
    definition.version = kManagedClusterSets.version;
    definition.kind = "ManagedClusterSet";
    definition.plural = kManagedClusterSets.resource;
    definition.short_names = {"mclset", "mclsets"};
    definition.namespaced = false;
    definition.description = "Clusters under one name, which namespaces may be bound to.";
    definition.spec = json::schema_of<ManagedClusterSetSpec>();
    definition.spec["default"] = Object{{"clusterSelector", Object{{"selectorType", kExclusiveLabel}}}};
    definition.status = json::schema_of<ClusterSetStatus>();
    definition.columns = {{"TYPE", "string", ".spec.clusterSelector.selectorType"},
                          {"AGE", "date", ".metadata.creationTimestamp"}};
    return definition;
}

Definition managed_cluster_set_binding_definition() {
    Definition definition;
    definition.group = kManagedClusterSetBindings.group;
    definition.version = kManagedClusterSetBindings.version;
    definition.kind = "ManagedClusterSetBinding";
    definition.plural = kManagedClusterSetBindings.resource;
    definition.short_names = {"mclsetbinding", "mclsetbindings"};
    definition.description = "A set of clusters that its namespace may use.";
    definition.spec = json::schema_of<ManagedClusterSetBindingSpec>();
    definition.status = json::schema_of<ClusterSetStatus>();
    definition.columns = {{"SET", "string", ".spec.clusterSet"}, {"AGE", "date", ".metadata.creationTimestamp"}};
    return definition;
}

}   // namespace aviary::apis
