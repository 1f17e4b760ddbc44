// The ClusterRoles and ClusterRoleBindings that every Kubernetes cluster starts with (cluster-admin, admin, edit, view,
// system:discovery …), without those of components that Aviary does not run. Thread-safe.
#pragma once

#include <vector>

#include "core/json/doc.h"

namespace aviary::builtin {

// Documents as `kubectl get -o json` shows them before the server adds its metadata: roles first, then bindings.
std::vector<json::Doc> default_roles();

}   // namespace aviary::builtin
