#include "hub/placement/sources.h"

#include "kube/client/discovery.h"

namespace aviary::placement {

void Sources::want(meta::GroupVersionKind const& kind) {
    if (!wanted_.insert(kind).second || scope_ == nullptr) return;
    scope_->spawn(resolve(scope_->context(), kind));
}

Sources::Kind const* Sources::find(meta::GroupVersionKind const& kind) const {
    auto const found = kinds_.find(kind);
    return found == kinds_.end() ? nullptr : &found->second;
}

json::Doc Sources::get(meta::GroupVersionKind const& kind, meta::ObjectKey const& key) const {
    Kind const* const known = find(kind);
    return known == nullptr ? json::Doc() : known->informer->get(key);
}

std::vector<Sources::Kind const*> Sources::all() const {
    std::vector<Kind const*> result;
    for (auto const& [kind, known] : kinds_) result.push_back(&known);
    return result;
}

Task<void> Sources::resolve(Context ctx, meta::GroupVersionKind kind) {
    while (ctx.check()) {
        auto const served = co_await client::find_kind(ctx, hub_, kind);
        if (served && *served) {
            Kind& known = kinds_[kind];
            known.kind = kind;
            known.resource = (*served)->resource;
            known.namespaced = (*served)->namespaced;
            known.informer = std::make_unique<client::Informer>(hub_, known.resource);
            for (auto const& started : started_) started(known);
            scope_->spawn(known.informer->run(scope_->context()));
            resolved_.notify();
            co_return;
        }
        // Not served yet: a CustomResourceDefinition may come.
        (void)co_await async::sleep_for(ctx, std::chrono::seconds(2));
    }
}

Task<Status> Sources::wait_synced(Context ctx, meta::GroupVersionKind kind) {
    while (find(kind) == nullptr) CO_TRY(co_await resolved_.wait(ctx));
    CO_TRY(co_await find(kind)->informer->wait_synced(ctx));
    co_return Status{};
}

Task<void> Sources::run(Context ctx) {
    async::Scope scope(ctx);
    scope_ = &scope;
    for (meta::GroupVersionKind const& kind : wanted_) scope.spawn(resolve(scope.context(), kind));
    async::Event never;
    (void)co_await never.wait(scope.context());
    co_await scope.cancel_and_join();
    scope_ = nullptr;   // not before: who is still being resolved spawns there
}

}   // namespace aviary::placement
