// Sources: the hub's objects of every kind that a policy names, watched from the moment a policy names them. Lives on
// the hub's loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"

namespace aviary::placement {

class Sources {
public:
    explicit Sources(client::Client hub) : hub_(std::move(hub)) {}

    struct Kind {
        meta::GroupVersionKind kind;
        meta::GroupVersionResource resource;
        bool namespaced = true;
        std::unique_ptr<client::Informer> informer;
    };

    // Looks the kind up by discovery and watches it; a kind that is not served yet is tried again.
    void want(meta::GroupVersionKind const& kind);
    bool wanted(meta::GroupVersionKind const& kind) const { return wanted_.contains(kind); }
    // Null until it is known.
    Kind const* find(meta::GroupVersionKind const& kind) const;
    json::Doc get(meta::GroupVersionKind const& kind, meta::ObjectKey const& key) const;
    // Until the kind is known and its first list is in.
    Task<Status> wait_synced(Context ctx, meta::GroupVersionKind kind);
    void on_informer(std::function<void(Kind const&)> started) { started_.push_back(std::move(started)); }
    std::vector<Kind const*> all() const;

    Task<void> run(Context ctx);

private:
    Task<void> resolve(Context ctx, meta::GroupVersionKind kind);

    client::Client hub_;
    std::map<meta::GroupVersionKind, Kind> kinds_;
    std::set<meta::GroupVersionKind> wanted_;
    std::vector<std::function<void(Kind const&)>> started_;
    async::Scope* scope_ = nullptr;
    async::Event resolved_;
};

}   // namespace aviary::placement
