// The credentials of a pod: its service account, as the kubelet mounts it.
#pragma once

#include <string>

#include "kube/client/kubeconfig.h"

namespace aviary::client {

// With files token, ca.crt and namespace.
inline constexpr char kServiceAccountFolder[] = "/var/run/secrets/kubernetes.io/serviceaccount";

// Whether this process runs in a pod that may ask the API server: $KUBERNETES_SERVICE_HOST and _PORT say where that is.
bool in_cluster();

// As the service account of the folder; token and authority are read anew when they are replaced, and `ns` is the pod's
// namespace. An Error says which variable or file is missing.
Result<ServerAccess> load_in_cluster(std::string const& folder);

// The kubeconfig at the path, or $KUBECONFIG; without both the pod's service account, or ~/.kube/config where this is
// no pod. With a context, which only a kubeconfig has, never the service account.
Result<ServerAccess> load_access(std::string const& kubeconfig, std::string const& context,
                                 std::string const& service_account_folder);

}   // namespace aviary::client
