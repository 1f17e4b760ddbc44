// What a Store and its Watches share.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/async/event.h"
#include "kube/apiserver/store/internal/tree.h"
#include "kube/apiserver/store/store.h"

namespace aviary::store {

using EventPointer = std::shared_ptr<Event const>;

struct Snapshot::Root {
    Tree::Root tree;
};

// The recent events of one resource, and who waits for more.
struct Topic {
    std::deque<EventPointer> events;
    Revision floor = 0;                              // every later event of the resource is in `events`
    std::map<std::uint64_t, Watch::Impl*> watches;   // in the order they were opened
};

struct Watch::Impl {
    std::shared_ptr<Store::Impl> store;
    Topic* topic = nullptr;
    std::string prefix;   // of the wanted keys
    std::string ns;
    std::uint64_t id = 0;
    Revision cursor = 0;   // every wanted event up to here is handed out, or in `from_log`
    Revision handed_out = 0;
    std::deque<EventPointer> from_log;   // a bounded piece read ahead
    async::Event readable;
    bool due = false;   // in the store's `to_wake`

    bool wants(Event const& event) const { return ns.empty() || event.key.ns == ns; }
    bool skip_unwanted();
    Status read_log();
};

struct Store::Impl : std::enable_shared_from_this<Store::Impl> {
    Impl(storage::Engine& engine, std::string cluster, Options options)
        : engine(engine), cluster(std::move(cluster)), options(std::move(options)), failures(engine.failures()) {}

    storage::Engine& engine;
    std::string cluster;
    Options options;
    bool closed = false;

    Tree objects;   // durable and visible
    Revision visible = 0;
    Revision assigned = 0;   // the last revision given out
    Revision reserved = 0;   // revisions up to here may be given out; once what is under way is durable
    Revision durable_reserved = 0;
    Revision floor = 0;    // the log knows every later event
    bool exists = false;   // the cluster's record is durable

    struct Pending {
        Revision revision = 0;
        json::Doc object;   // absent: a deletion
    };
    std::map<std::string, Pending, std::less<>> pending;   // the newest write under way of each key
    std::size_t in_flight = 0;
    async::Event settled;         // notified when a write is stored, or is not
    std::uint64_t failures = 0;   // the engine's, when `pending` was last known to be good

    std::map<std::string, Topic, std::less<>> topics;
    std::deque<Topic*> ring;   // whose turn it is to lose its oldest event
    std::size_t ring_bytes = 0;
    Revision opened_at = 0;
    std::uint64_t last_watch = 0;
    std::deque<std::pair<Topic*, std::uint64_t>> to_wake;   // watches that have something to read, each once
    bool waking = false;                                    // a later turn goes on with them
    std::vector<std::function<void(Event const&)>> observers;

    struct Pin {
        Snapshot snapshot;
        MonotonicTime used;
    };
    std::map<Revision, Pin> pins;
    std::shared_ptr<Snapshot::Root const> current;   // of `visible`, once someone asked

    Status load();
    json::Doc latest(std::string const& key) const;
    Status check(Write const& write, json::Doc const& there) const;
    void forget_failed();
    storage::WriteBatch batch_for(EventPointer const& event, std::string const& key);
    void publish(Context const& ctx, EventPointer event, std::string key);
    void wake_some(async::Executor& executor);
    void remember(EventPointer const& event);
    Topic& topic(std::string const& prefix);
    std::shared_ptr<Snapshot::Root const> root();
    void prune_pins(MonotonicTime now);
};

}   // namespace aviary::store
