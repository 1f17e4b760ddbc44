#include "kube/client/in_cluster.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/base/strings.h"
#include "kube/client/internal/tls_files.h"
#include "kube/client/internal/token_file.h"

namespace aviary::client {

namespace {

constexpr char kHost[] = "KUBERNETES_SERVICE_HOST";
constexpr char kPort[] = "KUBERNETES_SERVICE_PORT";

std::string_view variable(char const* name) {
    char const* const value = std::getenv(name);
    return value == nullptr ? std::string_view() : value;
}

}   // namespace

bool in_cluster() { return !variable(kHost).empty() && !variable(kPort).empty(); }

Result<ServerAccess> load_in_cluster(std::string const& folder) {
    for (char const* name : {kHost, kPort}) {
        if (variable(name).empty())
            return fail(ErrorCode::kNotFound, fmt::format("${} is not set: this is no pod of a cluster", name));
    }
    auto const missing = [](Error const& error) {
        return error.context("the pod's service account (automountServiceAccountToken, or --kubeconfig instead)");
    };
    ServerAccess access;
    access.context = "in-cluster";
    access.of_pod = true;
    access.url = "https://" + join_host_port(variable(kHost), variable(kPort));
    auto token = token_file(folder + "/token");
    if (!token) return std::unexpected(missing(token.error()));
    access.token_source = std::move(*token);
    auto authority = read_file(folder + "/ca.crt");
    if (!authority) return std::unexpected(missing(authority.error()));
    access.authority = std::move(*authority);
    access.tls_source =
        tls_files({.authority = folder + "/ca.crt", .certificate = {}, .key = {}}, {access.authority, "", ""});
    // Without one the caller's default holds.
    access.ns = trim(read_file(folder + "/namespace").value_or(""));
    return access;
}

Result<ServerAccess> load_access(std::string const& kubeconfig, std::string const& context,
                                 std::string const& service_account_folder) {
    bool const named = !kubeconfig.empty() || !context.empty() || !variable("KUBECONFIG").empty();
    if (!named && in_cluster()) return load_in_cluster(service_account_folder);
    return load_kubeconfig(kubeconfig, context);
}

}   // namespace aviary::client
