// Store: the objects of one logical cluster over a shared Engine. A write is checked against what is pending, made durable
// with its event in one batch, and only then visible to reads and watches. Knows no kinds. Lives on one loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/json/doc.h"
#include "core/storage/engine.h"
#include "kube/meta/gvk.h"

namespace aviary::store {

using Revision = std::uint64_t;

// Where an object lives. The version of a resource is no part of it: an object is stored once, whatever version it is read in.
struct Key {
    std::string group, resource, ns, name;
    auto operator<=>(Key const&) const = default;
};

enum class EventType { kAdded, kModified, kDeleted };

// Documents are shared with the index: an object exists once.
struct Event {
    Revision revision = 0;
    EventType type = EventType::kAdded;
    Key key;
    json::Doc object;      // of a deletion: the last state, with the deletion's revision
    json::Doc previous;    // absent for additions
};

struct Write {
    enum class Kind { kCreate, kUpdate, kDelete } kind = Kind::kCreate;
    Key key;
    json::Value object;            // metadata.resourceVersion is set by the store; of a deletion: the last state
    Revision expected = 0;         // the revision that an update or deletion was computed from
};

class Watch;

struct Options {
    std::size_t ring = 2048;          // events kept for watches that start behind
    std::size_t max_pending = 1024;   // events a slow watch may be behind before it is ended
};

class Store {
public:
    // Loads the cluster's objects. The engine outlives the store.
    static Result<std::unique_ptr<Store>> open(storage::Engine& engine, std::string cluster, Options options = {});
    ~Store();
    Store(Store const&) = delete;
    Store& operator=(Store const&) = delete;

    // NotFound, AlreadyExists or Conflict (bare codes: who knows the kind words them), or why it could not be made durable.
    // Answers the object as stored.
    Task<Result<json::Doc>> write(Context ctx, Write write);

    json::Doc get(Key const& key) const;
    // Like get, but counts writes that are not durable yet: what the next write must be computed from.
    json::Doc latest(Key const& key) const;
    Revision revision() const;

    // Visits objects of one resource (and namespace, unless empty) in key order, from `after` on (exclusive, may be absent).
    // The visitor answers false to stop. Reads the current state.
    void visit(std::string const& group, std::string const& resource, std::string const& ns, std::optional<Key> const& after,
               std::function<bool(Key const&, json::Doc const&)> const& visitor) const;

    // Events after `from` of one resource (and namespace, unless empty); Gone when they are no longer known.
    Result<std::unique_ptr<Watch>> watch(std::string group, std::string resource, std::string ns, Revision from);

    // Called for every event, when it becomes visible, before watches see it. For the server's own bookkeeping.
    void on_event(std::function<void(Event const&)> observer);

private:
    friend class Watch;
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

class Watch {
public:
    ~Watch();
    // The next event; Gone when this watch fell too far behind. Timeout and Cancelled leave it usable.
    Task<Result<std::shared_ptr<Event const>>> next(Context ctx);
    // Every event up to here has been handed out by next() once it answers no more without waiting.
    Revision seen() const;
    bool has_pending() const;

private:
    friend class Store;
    struct Impl;
    Watch(Store::Impl& store, std::string group, std::string resource, std::string ns, Revision from);
    std::shared_ptr<Impl> impl_;
    Store::Impl* store_;
};

// The logical clusters that the engine holds.
Result<std::vector<std::string>> clusters(storage::Engine const& engine);

}  // namespace aviary::store
