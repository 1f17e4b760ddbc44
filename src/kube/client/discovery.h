// What a server says of its kinds.
#pragma once

#include <optional>
#include <vector>

#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::client {

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
