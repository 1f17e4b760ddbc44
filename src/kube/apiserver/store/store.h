// Store: the objects of one logical cluster over a shared Engine. A write is checked against what is pending, made
// durable with its event in one batch, and only then visible to reads and watches. Knows no kinds. Lives on one loop; a
// Snapshot may be read on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/async/context.h"
#include "core/async/task.h"
#include "core/json/doc.h"
#include "core/storage/engine.h"

namespace aviary::store {

using Revision = std::uint64_t;

// Where an object lives. The version of a resource is no part of it: an object is stored once, whatever version it is
// read in.
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
    json::Doc object;     // of a deletion: the last state, with the deletion's revision
    json::Doc previous;   // absent for additions
};

struct Write {
    enum class Kind { kCreate, kUpdate, kDelete } kind = Kind::kCreate;
    Key key;
    json::Value object;      // metadata.resourceVersion is set by the store; of a deletion: null, or the last state
    Revision expected = 0;   // what an update or deletion was computed from; 0: whatever is there
    std::string uid = {};    // the metadata.uid that must be there; empty: any
};

struct Options {
    std::size_t ring = 1024;   // events kept in memory for watches that are behind; older ones come from the log
    std::size_t ring_bytes = 2 << 20;     // the same in bytes of their documents
    std::size_t log = 10'000;             // revisions that the durable log reaches back; older ones answer Gone
    std::size_t max_in_flight = 10'000;   // writes under way; more answer TooManyRequests
    std::size_t max_pins = 100;           // lists in pages that are open at once; the oldest give way
    Duration pin_time = std::chrono::minutes(5);
};

// An immutable state of all objects. Cheap to copy; keeps what it shows alive.
class Snapshot {
public:
    Snapshot() = default;
    Revision revision() const { return revision_; }
    json::Doc get(Key const& key) const;
    // Objects of one resource (and namespace, unless empty) in the order of etcd's keys, from `after` on (exclusive,
    // unless absent). The visitor answers false to stop.
    void visit(std::string const& group, std::string const& resource, std::string const& ns,
               std::optional<Key> const& after, std::function<bool(Key const&, json::Doc const&)> const& visitor) const;
    std::uint64_t count(std::string const& group, std::string const& resource, std::string const& ns = {}) const;
    // Every object of the cluster.
    void visit_all(std::function<bool(Key const&, json::Doc const&)> const& visitor) const;

    struct Root;

private:
    friend class Store;
    Snapshot(std::shared_ptr<Root const> root, Revision revision) : root_(std::move(root)), revision_(revision) {}
    std::shared_ptr<Root const> root_;
    Revision revision_ = 0;
};

struct ListRequest {
    std::string group, resource, ns;                 // ns empty: all namespaces
    std::size_t limit = 0;                           // 0: all
    std::string continue_token;                      // of an earlier page
    std::function<bool(json::Doc const&)> matches;   // selectors; null: all
};

struct Page {
    std::vector<json::Doc> objects;
    Revision revision = 0;                    // of the whole list: all its pages have the same
    std::string continue_token;               // empty: this is the last page
    std::optional<std::uint64_t> remaining;   // objects after this page; only where `matches` is null
};

class Watch;

class Store {
public:
    // Loads the cluster's objects; a cluster that is not there is empty and begins with its first write. The engine
    // outlives the store. Internal when the store is corrupt.
    static Result<std::unique_ptr<Store>> open(storage::Engine& engine, std::string cluster, Options options = {});
    // Watches end with Unavailable. No write may be under way.
    ~Store();
    Store(Store const&) = delete;
    Store& operator=(Store const&) = delete;

    // NotFound, AlreadyExists or Conflict in Kubernetes' words ('deployments.apps "x" not found'), or why it could not
    // be made durable. Answers the object as stored (of a deletion: its last state); by then it is visible. Writes
    // under way count: what is checked and given its revision first wins. Cancellation does not undo what was handed
    // over.
    Task<Result<json::Doc>> write(Context ctx, Write write);

    // Absent when there is none.
    json::Doc get(Key const& key) const;
    // Like get, but counts writes that are not durable yet: what the next write should be computed from. Never show it.
    json::Doc latest(Key const& key) const;
    // Waits until what latest() answered with this revision is durable and visible; Unavailable when it was not stored.
    Task<Status> wait_visible(Context ctx, Revision revision);
    // The newest visible revision; also what a bookmark may say.
    Revision revision() const;
    Snapshot snapshot() const;
    // The state as of a revision that is current or that pages of a list still pin; Gone otherwise.
    Result<Snapshot> snapshot_at(Revision revision) const;

    // Snapshot::visit on the current state.
    void visit(std::string const& group, std::string const& resource, std::string const& ns,
               std::optional<Key> const& after, std::function<bool(Key const&, json::Doc const&)> const& visitor) const;
    // One page. Later pages show the state of the first; Gone when it is no longer kept, BadRequest for a token not of
    // ours.
    Result<Page> list(Context const& ctx, ListRequest const& request);

    // Events after `from` of one resource (and namespace, unless empty); Gone when they are no longer known.
    Result<std::unique_ptr<Watch>> watch(std::string group, std::string resource, std::string ns, Revision from);

    // Called for every event, when it becomes visible, before watches see it. For the server's own bookkeeping.
    void on_event(std::function<void(Event const&)> observer);

    struct Impl;

private:
    explicit Store(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

// A place in the stream of events, not a queue: one that is slow costs no memory and ends with Gone when the log has
// passed it.
class Watch {
public:
    ~Watch();
    Watch(Watch const&) = delete;
    Watch& operator=(Watch const&) = delete;

    // The next event; Gone when this watch fell too far behind. Timeout and Cancelled leave it usable.
    Task<Result<std::shared_ptr<Event const>>> next(Context ctx);
    // The same without waiting: null when there is none yet, or when finding it takes another step (has_pending()
    // tells).
    Result<std::shared_ptr<Event const>> poll();
    // Every event up to here has been handed out: what a bookmark may say.
    Revision seen() const;
    bool has_pending() const;

    struct Impl;

private:
    friend class Store;
    explicit Watch(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

// The logical clusters that the engine holds, in order.
Result<std::vector<std::string>> clusters(storage::Engine const& engine);
// Forgets a cluster whose Store is closed. Its revisions do not begin anew should it come back.
Task<Status> remove_cluster(Context ctx, storage::Engine& engine, std::string cluster);

}   // namespace aviary::store
