// The schemas that OpenAPI documents carry: those of the served kinds and all that they refer to.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "kube/apiserver/registry.h"

namespace aviary::builtin::internal {

using Resources = std::vector<std::shared_ptr<apiserver::ResourceInfo const>>;

// "io.k8s.api.apps.v1.Deployment"; for a custom kind its reversed group: "io.example.stable.v1.CronTab".
std::string schema_name(apiserver::ResourceInfo const& info);
std::string list_schema_name(apiserver::ResourceInfo const& info);

// OpenAPI v3 schemas by name, closed under reference, with DeleteOptions, Status and whatever else paths refer to.
std::map<std::string, json::Value> schemas_for(Resources const& resources);

}   // namespace aviary::builtin::internal
