// Client: the verbs of the Kubernetes API over a Transport. Cheap to copy; lives on one loop. Reads go to the server;
// for cached reads see informer.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "kube/client/transport.h"
#include "kube/meta/gvk.h"

namespace aviary::client {

struct ListOptions {
    std::string ns;   // empty: all namespaces, or a cluster-scoped resource
    std::string label_selector;
    std::string field_selector;
    std::string resource_version;
    std::string resource_version_match;
    std::string continue_token;
    std::int64_t limit = 0;   // 0: all
};

struct WatchOptions {
    std::string ns;
    std::string label_selector;
    std::string field_selector;
    std::string resource_version;
    bool bookmarks = true;
    std::int64_t timeout_seconds = 0;   // 0: the server's choice
};

// For every write. Field manager empty: the client's.
struct WriteOptions {
    std::string subresource;   // "status", "scale"
    std::string field_manager;
    bool dry_run = false;
    bool force = false;   // apply only: take fields from other managers
};

struct DeleteOptions {
    std::string uid;   // preconditions; empty: none
    std::string resource_version;
    std::string propagation_policy;   // Background, Foreground, Orphan; empty: the server's default
    std::optional<std::int64_t> grace_period_seconds;
    bool dry_run = false;
};

enum class PatchType { kJson, kMerge, kStrategicMerge, kApply };

class Client {
public:
    // The name is the default field manager and the user agent.
    Client(std::shared_ptr<Transport> transport, std::string name);

    using Resource = meta::GroupVersionResource;
    using Key = meta::ObjectKey;   // an empty namespace for cluster-scoped resources

    Task<Result<json::Doc>> get(Context ctx, Resource resource, Key key, std::string subresource = {}) const;
    // Absent when there is none.
    Task<Result<json::Doc>> find(Context ctx, Resource resource, Key key) const;
    // The whole list document: items, metadata.resourceVersion, metadata.continue.
    Task<Result<json::Doc>> list(Context ctx, Resource resource, ListOptions options = {}) const;
    Task<Result<std::unique_ptr<WatchStream>>> watch(Context ctx, Resource resource, WatchOptions options) const;
    // The namespace and name come from the object's metadata (or generateName).
    Task<Result<json::Doc>> create(Context ctx, Resource resource, json::Value object, WriteOptions options = {}) const;
    Task<Result<json::Doc>> update(Context ctx, Resource resource, json::Value object, WriteOptions options = {}) const;
    Task<Result<json::Doc>> patch(Context ctx, Resource resource, Key key, PatchType type, json::Value body,
                                  WriteOptions options = {}) const;
    // Server-side apply; creates the object when it is absent.
    Task<Result<json::Doc>> apply(Context ctx, Resource resource, json::Value object, WriteOptions options = {}) const;
    Task<Status> remove(Context ctx, Resource resource, Key key, DeleteOptions options = {}) const;

    // Whom the server takes us for: userInfo of a SelfSubjectReview. NotFound before Kubernetes 1.28.
    Task<Result<json::Doc>> who_am_i(Context ctx) const;

    // gitVersion: "v1.37.2".
    Task<Result<std::string>> server_version(Context ctx) const;
    // Whether it says that it is ready to serve; Unavailable, with the checks that fail. One that does not let us see
    // that counts as ready.
    Task<Status> ready(Context ctx) const;

    // The same server and credential under another name, or as another user (Impersonate-User, -Group, -Extra-*).
    Client named(std::string name) const;
    Client impersonating(std::string user, std::vector<std::string> groups, NameValues extra = {}) const;
    // The same over another way to the server.
    Client over(std::shared_ptr<Transport> transport) const;

    // For anything the verbs above do not say; a refusal becomes an Error with the server's message, causes and retry
    // time.
    Task<Result<Response>> raw(Context ctx, Request request) const;

    std::string const& name() const { return name_; }
    std::shared_ptr<Transport> const& transport() const { return transport_; }

private:
    std::shared_ptr<Transport> transport_;
    std::string name_;
    NameValues headers_;
};

// "/api/v1/namespaces/demo/pods/x/status"; empty parts are left out.
std::string resource_path(meta::GroupVersionResource const& resource, std::string_view ns, std::string_view name = {},
                          std::string_view subresource = {});

}   // namespace aviary::client
