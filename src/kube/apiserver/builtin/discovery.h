// Discovery documents from the list of served resources, built-in and custom. Pure; thread-safe. A resource that is
// served in several versions stands once per version in the list.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/apiserver/registry.h"

namespace aviary::builtin {

using ResourceList = std::span<std::shared_ptr<apiserver::ResourceInfo const> const>;

json::Value api_versions(std::string_view server_address);   // GET /api
json::Value api_group_list(ResourceList resources);          // GET /apis
// GET /apis/<group>; null when nothing of the group is served.
json::Value api_group(ResourceList resources, std::string_view group);
// GET /api/v1 (group "") and /apis/<group>/<version>; null when nothing is served there.
json::Value api_resource_list(ResourceList resources, std::string_view group, std::string_view version);

// What an Accept header asks of /api and /apis: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList".
enum class DiscoveryForm { kPlain, kAggregatedV2, kAggregatedV2Beta1 };
DiscoveryForm discovery_form(std::string_view accept);
// The Content-Type that answers with the form.
std::string_view content_type(DiscoveryForm form);
// APIGroupDiscoveryList: `core` is the one for /api, otherwise all other groups, for /apis.
json::Value aggregated_discovery(ResourceList resources, bool core, DiscoveryForm form);

}   // namespace aviary::builtin
