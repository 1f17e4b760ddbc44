// kubeconfig files: which server, and who we are there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace aviary::client {

class CredentialPlugin;

// What TLS is spoken with, as PEM text: whom we trust, and who we are.
struct TlsParts {
    std::string authority;          // empty: the system's
    std::string certificate, key;   // client certificate
    bool operator==(TlsParts const&) const = default;
};

// One context, with credentials as PEM text.
struct ServerAccess {
    std::string context;
    std::string url;                // https://127.0.0.1:7443/clusters/beijing
    std::string authority;          // empty: the system's
    std::string certificate, key;   // client certificate
    std::string token;
    // Both are asked for each request. The first holds before `token`: one that is made anew now and then. The second
    // holds before authority, certificate and key: files that are replaced now and then; absent where there are none.
    std::function<std::string()> token_source;
    std::function<TlsParts()> tls_source;
    // Where there is one: a program that says who we are. A token of the kubeconfig holds before its token, and its
    // client certificate before that of the kubeconfig.
    std::shared_ptr<CredentialPlugin> plugin;
    std::string ns;   // the context's namespace; empty: default
    bool insecure = false;
    bool of_pod = false;   // of the pod this process runs in
};

// From `path`, or $KUBECONFIG, or ~/.kube/config. An empty context is the current one. Errors say which file and what
// is missing.
Result<ServerAccess> load_kubeconfig(std::string path, std::string context);

// The contexts of the same files; none where there is nothing to read.
std::vector<std::string> context_names(std::string const& path);

// Writes a file (0600) whose contexts all share one authority and credential; the first is current.
struct NamedServer {
    std::string context, url;
};
Status write_kubeconfig(std::string const& path, std::vector<NamedServer> const& servers, std::string const& user,
                        std::string const& authority, std::string const& certificate, std::string const& key);

// Replaces the file at once, readable by the owner alone.
Status write_private_file(std::string const& path, std::string const& text);

}   // namespace aviary::client
