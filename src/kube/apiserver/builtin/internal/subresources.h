// The sub-resources of a resource, as discovery and OpenAPI tell of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/apiserver/registry.h"

namespace aviary::builtin::internal {

struct Subresource {
    std::string_view name;   // "status", "scale", "binding", "eviction"
    std::string group;       // of the kind; with an empty version those of the resource hold
    std::string version;
    std::string kind;
    std::vector<std::string_view> verbs;
};

std::vector<Subresource> subresources_of(apiserver::ResourceInfo const& info);

}   // namespace aviary::builtin::internal
