#include "kube/apiserver/builtin/internal/openapi_types.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/apiserver/builtin/internal/structure.h"

namespace aviary::builtin::internal {

namespace {

constexpr std::string_view kKinds = "x-kubernetes-group-version-kind";

std::string meta_type(std::string_view name) { return fmt::format("{}{}", kMetaTypes, name); }

json::Value reference(std::string_view name) {
    return json::Object{{"$ref", fmt::format("{}{}", kSchemaPrefix, name)}};
}

json::Value reference_beside(std::string_view name) { return json::Object{{"allOf", json::Array{reference(name)}}}; }

json::Array kind_list(apiserver::ResourceInfo const& info, std::string const& kind) {
    json::Array out;
    out.push_back(json::Object{{"group", info.resource.group}, {"kind", kind}, {"version", info.resource.version}});
    return out;
}

// A custom kind's schema as clients see it: metadata is that of every object.
json::Value custom_schema(apiserver::ResourceInfo const& info) {
    json::Value schema = info.openapi.exists() ? info.openapi.thaw() : json::Value(json::Object{{"type", "object"}});
    bool open = !schema.contains("properties");
    json::Value& properties = schema["properties"];
    for (std::string_view text : {"apiVersion", "kind"}) {
        if (!properties.contains(text)) properties[text] = json::Object{{"type", "string"}};
    }
    properties["metadata"] = reference_beside(meta_type("ObjectMeta"));
    if (open) schema["x-kubernetes-preserve-unknown-fields"] = true;
    schema[kKinds] = kind_list(info, info.kind);
    return schema;
}

json::Value custom_list_schema(apiserver::ResourceInfo const& info) {
    json::Object items{{"type", "array"}, {"items", reference(schema_name(info))}};
    json::Object properties{{"apiVersion", json::Object{{"type", "string"}}},
                            {"items", std::move(items)},
                            {"kind", json::Object{{"type", "string"}}},
                            {"metadata", reference_beside(meta_type("ListMeta"))}};
    json::Value schema =
        json::Object{{"type", "object"}, {"required", json::Array{"items"}}, {"properties", std::move(properties)}};
    schema[kKinds] = kind_list(info, info.list_kind);
    return schema;
}

class Collector {
public:
    explicit Collector(Resources const& resources) : resources_(resources) {}

    std::map<std::string, json::Value> collect() {
        for (auto const& info : resources_) {
            if (info->custom) {
                add_custom(*info);
            } else {
                add(schema_name(*info));
                add(list_schema_name(*info));
            }
        }
        for (std::string_view name : {"DeleteOptions", "Patch", "Status", "WatchEvent", "APIResourceList"})
            add(meta_type(name));
        bool scales = std::ranges::any_of(resources_, [](auto const& info) { return info->scale != nullptr; });
        if (scales) add("io.k8s.api.autoscaling.v1.Scale");
        bool pods =
            std::ranges::any_of(resources_, [](auto const& info) { return !info->custom && info->kind == "Pod"; });
        if (pods) {
            add("io.k8s.api.core.v1.Binding");
            add("io.k8s.api.policy.v1.Eviction");
        }
        return std::move(schemas_);
    }

private:
    void add_custom(apiserver::ResourceInfo const& info) {
        json::Value schema = custom_schema(info);
        add(meta_type("ObjectMeta"));
        add(meta_type("ListMeta"));
        schemas_.emplace(schema_name(info), std::move(schema));
        schemas_.emplace(list_schema_name(info), custom_list_schema(info));
    }

    void add(std::string const& name) {
        json::Doc schema = type_schema(name);
        if (!schema.exists() || schemas_.contains(name)) return;
        schemas_.emplace(name, schema.thaw());
        follow(schema);
    }

    void follow(json::Doc const& schema) {
        for (auto [key, member] : schema.members()) {
            if (key == "$ref" && member.is_string()) add(std::string(member.as_string().substr(kSchemaPrefix.size())));
            if (member.is_object() || member.is_array()) follow(member);
        }
        for (auto [_, element] : schema.elements()) follow(element);
    }

    Resources const& resources_;
    std::map<std::string, json::Value> schemas_;
};

}   // namespace

std::string schema_name(apiserver::ResourceInfo const& info) {
    if (!info.custom) {
        for (auto [_, fact] : facts()["resources"].elements()) {
            bool same = fact["group"].as_string() == info.resource.group &&
                        fact["version"].as_string() == info.resource.version &&
                        fact["name"].as_string() == info.resource.resource;
            if (same) return fact["type"].string();
        }
    }
    std::vector<std::string_view> labels = split(info.resource.group, '.');
    std::string name;
    for (std::size_t i = labels.size(); i-- > 0;) name += fmt::format("{}.", labels[i]);
    return fmt::format("{}{}.{}", name, info.resource.version, info.kind);
}

std::string list_schema_name(apiserver::ResourceInfo const& info) {
    std::string name = schema_name(info);
    return info.custom ? name.substr(0, name.size() - info.kind.size()) + info.list_kind : name + "List";
}

std::map<std::string, json::Value> schemas_for(Resources const& resources) { return Collector(resources).collect(); }

}   // namespace aviary::builtin::internal
