// What a server says of its kinds.
#pragma once

#include <optional>

#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::client {

struct ServedKind {
    meta::GroupVersionResource resource;
    bool namespaced = true;
};

// Absent: the server does not serve the kind in this version.
Task<Result<std::optional<ServedKind>>> find_kind(Context ctx, Client client, meta::GroupVersionKind kind);

}   // namespace aviary::client
