#include "kube/client/kubeconfig.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "core/base/strings.h"
#include "core/json/value.h"
#include "core/yaml/yaml.h"
#include "kube/client/internal/credential_plugin.h"
#include "kube/client/internal/tls_files.h"
#include "kube/client/internal/token_file.h"

namespace aviary::client {

namespace {

using json::Value;

// Inline base64, or a file beside the kubeconfig: then `path` says which.
Result<std::string> pem(Value const& entry, char const* data_field, char const* file_field,
                        std::filesystem::path const& folder, std::string& path) {
    if (auto const data = entry[data_field].as_string(); !data.empty()) {
        auto decoded = base64_decode(data);
        if (!decoded) return fail(ErrorCode::kInvalid, fmt::format("{} is not base64", data_field));
        return std::move(*decoded);
    }
    auto const file = entry[file_field].as_string();
    if (file.empty()) return std::string();
    path = (folder / std::string(file)).string();
    return read_file(path);
}

Status read_tls(Value const& cluster, Value const& user, std::filesystem::path const& folder, ServerAccess& access) {
    TlsPaths paths;
    access.authority =
        TRY(pem(cluster, "certificate-authority-data", "certificate-authority", folder, paths.authority));
    access.certificate = TRY(pem(user, "client-certificate-data", "client-certificate", folder, paths.certificate));
    access.key = TRY(pem(user, "client-key-data", "client-key", folder, paths.key));
    if (!paths.none())
        access.tls_source = tls_files(std::move(paths), {access.authority, access.certificate, access.key});
    return {};
}

Value const& named(Value const& list, std::string_view name, std::string_view field) {
    static Value const nothing;
    for (Value const& each : list.array()) {
        if (each["name"].as_string() == name) return each[field];
    }
    return nothing;
}

std::vector<std::string> files(std::string const& path) {
    if (!path.empty()) return {path};
    std::vector<std::string> result;
    if (char const* environment = std::getenv("KUBECONFIG"); environment != nullptr && *environment != '\0') {
        for (std::string_view each : split(environment, ':')) result.emplace_back(each);
        return result;
    }
    char const* home = std::getenv("HOME");
    return {fmt::format("{}/.kube/config", home != nullptr ? home : "")};
}

}   // namespace

std::vector<std::string> context_names(std::string const& path) {
    std::vector<std::string> names;
    for (std::string const& file : files(path)) {
        auto const text = read_file(file);
        auto const parsed = text ? yaml::parse(*text) : Result<Value>(std::unexpected(text.error()));
        if (!parsed) continue;
        for (Value const& each : (*parsed)["contexts"].array()) names.push_back(each["name"].string());
    }
    return names;
}

Result<ServerAccess> load_kubeconfig(std::string path, std::string context) {
    std::optional<Error> problem;
    for (std::string const& file : files(path)) {
        auto const text = read_file(file);
        if (!text) {
            problem = text.error();
            continue;
        }
        auto const parsed = yaml::parse(*text);
        if (!parsed) return std::unexpected(parsed.error().context(file));
        std::string const wanted = context.empty() ? (*parsed)["current-context"].string() : context;
        Value const& entry = named((*parsed)["contexts"], wanted, "context");
        if (!entry.is_object()) {
            problem = Error(ErrorCode::kNotFound, fmt::format("context \"{}\" does not exist in {}", wanted, file));
            continue;
        }
        std::filesystem::path const folder = std::filesystem::path(file).parent_path();
        Value const& cluster = named((*parsed)["clusters"], entry["cluster"].as_string(), "cluster");
        Value const& user = named((*parsed)["users"], entry["user"].as_string(), "user");
        if (user.contains("auth-provider")) {
            return fail(
                ErrorCode::kUnsupported,
                fmt::format("{}: user \"{}\" has an auth-provider, which Kubernetes has no more since 1.26: exec "
                            "has taken its place",
                            file, entry["user"].as_string()));
        }
        ServerAccess access;
        access.context = wanted;
        access.url = cluster["server"].string();
        access.ns = entry["namespace"].string();
        access.token = user["token"].string();
        if (auto const path = user["tokenFile"].as_string(); !path.empty()) {
            auto source = token_file((folder / std::string(path)).string());
            if (!source) return std::unexpected(source.error().context(fmt::format("tokenFile in {}", file)));
            access.token_source = std::move(*source);
        }
        access.insecure = cluster["insecure-skip-tls-verify"].as_bool();
        TRY(read_tls(cluster, user, folder, access));
        if (Value const& exec = user["exec"]; !exec.is_null()) {
            auto spec = read_plugin(exec, cluster, access.authority, folder);
            if (!spec)
                return std::unexpected(
                    spec.error().context(fmt::format("{}: user \"{}\"", file, entry["user"].as_string())));
            access.plugin = std::make_shared<CredentialPlugin>(std::move(*spec));
        }
        if (access.url.empty())
            return fail(ErrorCode::kInvalid, fmt::format("{}: context \"{}\" has no server", file, wanted));
        return access;
    }
    return std::unexpected(problem ? problem->context("reading the kubeconfig")
                                   : Error(ErrorCode::kNotFound, "no kubeconfig"));
}

Status write_private_file(std::string const& path, std::string const& text) {
    std::string const temporary = path + ".new";
    int const file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return fail(ErrorCode::kUnavailable, fmt::format("writing {}: {}", temporary, std::strerror(errno)));
    std::size_t done = 0;
    bool good = true;
    while (good && done < text.size()) {
        ssize_t const count = ::write(file, text.data() + done, text.size() - done);
        good = count > 0;
        if (good) done += static_cast<std::size_t>(count);
    }
    good = good && ::fsync(file) == 0;
    good = ::close(file) == 0 && good;
    if (!good || ::rename(temporary.c_str(), path.c_str()) != 0) {
        return fail(ErrorCode::kUnavailable, fmt::format("writing {}: {}", path, std::strerror(errno)));
    }
    return {};
}

Status write_kubeconfig(std::string const& path, std::vector<NamedServer> const& servers, std::string const& user,
                        std::string const& authority, std::string const& certificate, std::string const& key) {
    Value config{json::Object{{"apiVersion", "v1"}, {"kind", "Config"}, {"preferences", json::Object()}}};
    for (NamedServer const& server : servers) {
        config["clusters"].push_back(json::Object{
            {"name", server.context},
            {"cluster",
             json::Object{{"server", server.url}, {"certificate-authority-data", base64_encode(authority)}}}});
        config["contexts"].push_back(json::Object{
            {"name", server.context}, {"context", json::Object{{"cluster", server.context}, {"user", user}}}});
    }
    config["users"].push_back(
        json::Object{{"name", user},
                     {"user", json::Object{{"client-certificate-data", base64_encode(certificate)},
                                           {"client-key-data", base64_encode(key)}}}});
    config["current-context"] = servers.empty() ? "" : servers.front().context;
    return write_private_file(path, yaml::write(config));
}

}   // namespace aviary::client
