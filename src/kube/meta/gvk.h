// Names of kinds, resources and objects.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>

namespace aviary::meta {

// "apps/v1" → {"apps", "v1"}; "v1" → {"", "v1"}.
std::pair<std::string, std::string> parse_api_version(std::string_view api_version);
std::string api_version(std::string_view group, std::string_view version);

struct GroupVersionKind {
    std::string group, version, kind;
    std::string api_version() const { return meta::api_version(group, version); }
    auto operator<=>(GroupVersionKind const&) const = default;
};

struct GroupVersionResource {
    std::string group, version, resource;   // resource is the plural: "deployments"
    std::string api_version() const { return meta::api_version(group, version); }
    // "deployments.apps", as error messages name a resource.
    std::string group_resource() const;
    auto operator<=>(GroupVersionResource const&) const = default;
};

struct ObjectKey {
    std::string ns;   // empty for cluster-scoped objects
    std::string name;
    // "demo/qwen", or "qwen".
    std::string to_string() const { return ns.empty() ? name : ns + "/" + name; }
    auto operator<=>(ObjectKey const&) const = default;
};

}   // namespace aviary::meta
