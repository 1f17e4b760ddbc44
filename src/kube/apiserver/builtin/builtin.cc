#include "kube/apiserver/builtin/builtin.h"

#include <algorithm>
#include <array>
#include <set>

#include "kube/apiserver/builtin/internal/defaults.h"
#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/apiserver/builtin/internal/prepare.h"
#include "kube/apiserver/builtin/internal/rows.h"
#include "kube/apiserver/builtin/internal/shape.h"
#include "kube/apiserver/builtin/internal/structure.h"
#include "kube/apiserver/builtin/internal/validate.h"

namespace aviary::builtin {

namespace {

using apiserver::Column;
using apiserver::ResourceInfo;

// Kinds whose metadata.generation follows their spec; the others have none.
bool counts_generation(std::string_view kind) {
    constexpr std::array<std::string_view, 17> kKinds{"Pod",
                                                      "Deployment",
                                                      "ReplicaSet",
                                                      "StatefulSet",
                                                      "DaemonSet",
                                                      "Job",
                                                      "CronJob",
                                                      "Ingress",
                                                      "IngressClass",
                                                      "NetworkPolicy",
                                                      "EndpointSlice",
                                                      "PriorityClass",
                                                      "PodDisruptionBudget",
                                                      "ReplicationController",
                                                      "CustomResourceDefinition",
                                                      "MutatingWebhookConfiguration",
                                                      "ValidatingWebhookConfiguration"};
    return std::ranges::find(kKinds, kind) != kKinds.end();
}

std::vector<std::string> texts(json::Doc const& list) {
    std::vector<std::string> out;
    for (auto [_, text] : list.elements()) out.push_back(text.string());
    return out;
}

std::vector<Column> columns_from(json::Doc const& list) {
    std::vector<Column> out;
    for (auto [_, column] : list.elements()) {
        out.push_back(Column{.name = column["name"].string(),
                             .type = column["type"].string(),
                             .format = column["format"].string(),
                             .priority = static_cast<int>(column["priority"].as_int())});
    }
    return out;
}

std::vector<Column> columns_of(json::Doc const& fact) {
    std::string_view kind = fact["kind"].as_string();
    if (kind == "APIService") {
        return {Column{.name = "Name", .format = "name"}, Column{.name = "Service"}, Column{.name = "Available"},
                Column{.name = "Age"}};
    }
    if (fact["columns"].exists()) return columns_from(fact["columns"]);
    // events.k8s.io shows what core shows.
    for (auto [_, other] : internal::facts()["resources"].elements()) {
        if (kind == "Event" && other["kind"].as_string() == kind && other["columns"].exists())
            return columns_from(other["columns"]);
    }
    return {};
}

std::function<void(json::Value&)> default_for(json::Doc const& fact, internal::Shape const* shape) {
    auto function =
        internal::default_function(fact["group"].as_string(), fact["version"].as_string(), fact["kind"].as_string());
    return [shape, function](json::Value& object) {
        internal::canonicalise(object, shape);
        if (function) function(object);
    };
}

std::function<void(json::Value&, json::Doc const&)> prepare_for(ResourceInfo const& info,
                                                                internal::Shape const* shape) {
    auto function = internal::prepare_function(info.resource.group, info.kind);
    bool drops = info.has_status && internal::drops_status_on_create(info.resource.group, info.kind);
    if (!function && !drops) return {};
    return [shape, function, drops, defaults = info.default_object](json::Value& object, json::Doc const& old) {
        if (drops && !old.exists()) object["status"] = json::Object();
        if (!function) return;
        // What is assigned depends on defaults; nothing changes when they are there already.
        defaults(object);
        function(object, old);
        internal::canonicalise(object, shape);
    };
}

std::function<std::vector<FieldCause>(json::Value const&, json::Doc const&)> validate_for(ResourceInfo const& info) {
    auto function = internal::validate_function(info.resource.group, info.kind);
    return [function, group = info.resource.group, kind = info.kind](json::Value const& object, json::Doc const& old) {
        internal::Causes causes;
        internal::validate_metadata(group, kind, object, old, causes);
        if (function) function(object, old, causes);
        return causes.take();
    };
}

void add_subresources(ResourceInfo& info, json::Doc const& subresources) {
    for (auto [_, sub] : subresources.elements()) {
        if (sub["name"].as_string() == "status") info.has_status = true;
        if (sub["name"].as_string() != "scale") continue;
        info.scale = std::make_unique<apiserver::ScalePaths>();
        info.scale->label_selector = ".spec.selector";
    }
}

std::shared_ptr<ResourceInfo const> make_info(json::Doc const& fact) {
    auto info = std::make_shared<ResourceInfo>();
    info->resource = {fact["group"].string(), fact["version"].string(), fact["name"].string()};
    info->kind = fact["kind"].string();
    info->list_kind = info->kind + "List";
    info->singular = fact["singular"].string();
    info->short_names = texts(fact["shortNames"]);
    info->categories = texts(fact["categories"]);
    info->verbs = texts(fact["verbs"]);
    info->namespaced = fact["namespaced"].as_bool();
    info->storage = !(info->resource.group == "autoscaling" && info->resource.version == "v1");
    info->counts_generation = counts_generation(info->kind);
    info->annotations_raise_generation = info->kind == "Deployment";
    add_subresources(*info, fact["subresources"]);
    info->openapi = internal::type_schema(fact["type"].as_string());
    info->schema = internal::structural_schema(fact["type"].as_string());
    info->type_tree = internal::type_tree(fact["type"].as_string());
    info->columns = columns_of(fact);
    info->row = internal::row_function(info->resource.group, info->kind);
    internal::Shape const* shape = internal::shape_of(fact["type"].as_string());
    info->default_object = default_for(fact, shape);
    info->prepare = prepare_for(*info, shape);
    info->validate = validate_for(*info);
    return info;
}

}   // namespace

std::vector<std::shared_ptr<ResourceInfo const>> const& builtin_resources() {
    static std::vector<std::shared_ptr<ResourceInfo const>> const resources = [] {
        std::vector<std::shared_ptr<ResourceInfo const>> made;
        for (auto [_, fact] : internal::facts()["resources"].elements()) made.push_back(make_info(fact));
        return made;
    }();
    return resources;
}

json::Doc builtin_schemas() { return internal::facts()["types"]; }

std::string_view builtin_version() { return internal::facts()["version"].as_string(); }

}   // namespace aviary::builtin
