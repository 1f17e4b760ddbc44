// Events go some time after their last change; nothing else would ever delete them.
#include <deque>

#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/object_rules.h"

namespace aviary::apiserver {

namespace {

constexpr std::size_t kAtOnce = 32;

}   // namespace

void Cluster::note_event(store::Event const& event) {
    if (event.key.resource != "events" || event.type == store::EventType::kDeleted) return;
    if (!event.key.group.empty() && event.key.group != "events.k8s.io") return;
    fresh_events_.emplace_back(event.key, event.revision);
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
    struct Due {
        MonotonicTime when;
        store::Key key;
        store::Revision revision;
    };
    std::deque<Due> waiting;   // by time
    while (ctx.check()) {
        MonotonicTime const now = ctx.monotonic();
        for (auto& [key, revision] : fresh_events_) {
            waiting.push_back({now + shared_.options.event_ttl, std::move(key), revision});
        }
        fresh_events_.clear();
        if (waiting.empty()) {
            (void)co_await expiry_.wait(ctx);
            continue;
        }
        if (waiting.front().when > now) {
            (void)co_await expiry_.wait(ctx.with_deadline(waiting.front().when));
            continue;
        }
        async::Scope scope(ctx);
        for (std::size_t count = 0; count < kAtOnce && !waiting.empty() && waiting.front().when <= now; ++count) {
            scope.spawn(expire_one(scope.context(), std::move(waiting.front().key), waiting.front().revision));
            waiting.pop_front();
        }
        co_await scope.join();
    }
}

}   // namespace aviary::apiserver
