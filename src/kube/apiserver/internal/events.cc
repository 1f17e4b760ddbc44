// Events go some time after their last change; nothing else would ever delete them.
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/expiry.h"
#include "kube/apiserver/internal/object_rules.h"

namespace aviary::apiserver {

namespace {

constexpr std::size_t kAtOnce = 32;

}   // namespace

void Cluster::note_event(store::Event const& event) {
    if (event.key.resource != "events") return;
    if (!event.key.group.empty() && event.key.group != "events.k8s.io") return;
    fresh_events_[event.key] = event.type == store::EventType::kDeleted ? 0 : event.revision;
    expiry_.notify();
}

Task<void> Cluster::expire_one(Context ctx, store::Key key, store::Revision revision) {
    json::Doc const current = store_->latest(key);
    // One that changed since has a later turn.
    if (!current.exists() || revision_number(current) != revision) co_return;
    store::Write write{store::Write::Kind::kDelete, std::move(key), current.thaw(), revision};
    (void)co_await store_->write(ctx, std::move(write));
}

Task<void> Cluster::expire_events(Context ctx) {
    Expiry waiting;
    while (ctx.check()) {
        MonotonicTime const now = ctx.monotonic();
        for (auto const& [key, revision] : fresh_events_) {
            if (revision == 0) {
                waiting.forget(key);
            } else {
                waiting.set(key, revision, now + shared_.options.event_ttl);
            }
        }
        fresh_events_.clear();
        if (auto const next = waiting.next(); !next || *next > now) {
            (void)co_await expiry_.wait(next ? ctx.with_deadline(*next) : ctx);
            continue;
        }
        async::Scope scope(ctx);
        for (std::size_t count = 0; count < kAtOnce; ++count) {
            auto due = waiting.take(now);
            if (!due) break;
            scope.spawn(expire_one(scope.context(), std::move(due->first), due->second));
        }
        co_await scope.join();
    }
}

}   // namespace aviary::apiserver
