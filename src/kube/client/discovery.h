// What a server says of its kinds.
#pragma once

#include <optional>
#include <vector>

#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::client {

// Accept of /api and /apis for all that is served in one answer, an APIGroupDiscoveryList. Kubernetes before 1.30 has
// v2beta1 alone, which looks alike, and takes no request that asks for v2 alone.
inline constexpr char kAggregatedDiscovery[] =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

struct ServedKind {
    meta::GroupVersionResource resource;
    bool namespaced = true;
};

// Absent: the server does not serve the kind in this version.
Task<Result<std::optional<ServedKind>>> find_kind(Context ctx, Client client, meta::GroupVersionKind kind);

// All kinds of objects in namespaces that can be listed, in each version that is served. An Error where one of
// its groups is not answered for at this moment.
Task<Result<std::vector<meta::GroupVersionResource>>> namespaced_resources(Context ctx, Client client);

}   // namespace aviary::client
