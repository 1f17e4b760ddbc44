// The built-in kinds of Kubernetes, from a data text that tools/builtin-data derives: parsed once per process on first
// use and shared by all. Thread-safe.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "kube/apiserver/registry.h"

namespace aviary::builtin {

// One entry per resource and version, in the order of discovery. The same objects at every call.
std::vector<std::shared_ptr<apiserver::ResourceInfo const>> const& builtin_resources();

// The OpenAPI v3 schemas of all built-in types by name ("io.k8s.api.core.v1.Pod"); they refer to each other by
// "#/components/schemas/<name>". ResourceInfo::openapi of a built-in kind is one of them.
json::Doc builtin_schemas();

// The Kubernetes release that the facts were taken from ("v1.37.2").
std::string_view builtin_version();

}   // namespace aviary::builtin
