// Credential plugins of kubeconfigs (users[].user.exec): a program of the machine says who we are, as a token or a
// client certificate, for a while. As client-go has them. Lives on one loop.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/async/asio_executor.h"
#include "core/async/task.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/value.h"

namespace aviary::client {

struct PluginSpec {
    enum class Asks { kNever, kWhereItCan, kAlways };

    std::string api_version;   // client.authentication.k8s.io/v1 or v1beta1
    std::string command;
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;
    std::string install_hint;
    Asks asks = Asks::kWhereItCan;   // people, at the terminal
    json::Value cluster;             // what it is told of the cluster; null: nothing
};

// Of a user's `exec` and the cluster of its context (its authority as PEM). A command with a slash is beside the
// kubeconfig. Errors name the field.
Result<PluginSpec> read_plugin(json::Value const& exec, json::Value const& cluster, std::string const& authority,
                               std::filesystem::path const& folder);

struct PluginCredential {
    std::string token;
    std::string certificate, key;   // PEM
    std::optional<Time> ends;       // empty: until the server refuses it
    bool operator==(PluginCredential const&) const = default;
};

// Of what the plugin prints. Errors say what of it is wrong, and never what it is.
Result<PluginCredential> read_plugin_credential(std::string_view output, std::string_view api_version);

class CredentialPlugin {
public:
    explicit CredentialPlugin(PluginSpec spec);
    ~CredentialPlugin();
    CredentialPlugin(CredentialPlugin const&) = delete;
    CredentialPlugin& operator=(CredentialPlugin const&) = delete;

    // What it said last, as long as that lasts; asked anew before it ends. Whoever asks meanwhile waits for the same
    // run. After one that has failed it is left in peace for some seconds.
    Task<Result<PluginCredential>> current(Context ctx, async::AsioExecutor& executor);
    // The server takes this one no more: it is asked for another.
    void refused(PluginCredential const& credential);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}   // namespace aviary::client
