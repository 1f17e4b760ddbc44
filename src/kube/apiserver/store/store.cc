#include "kube/apiserver/store/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::store {

namespace {

// On disk: o/<cluster>\0<group>\0<resource>\0<ns>\0<name> → object, and r/<cluster> → the end of the reserved revisions.
constexpr char kSeparator = '\0';
constexpr std::string_view kObjects = "o/";
constexpr std::string_view kReserved = "r/";
// Revisions are reserved in durable blocks, so they never go back, whatever else is lost.
constexpr Revision kBlock = 10'000;

std::string object_key(std::string_view cluster, Key const& key) {
    std::string text(kObjects);
    for (std::string_view part : {cluster, std::string_view(key.group), std::string_view(key.resource), std::string_view(key.ns)}) {
        text += part;
        text += kSeparator;
    }
    return text + key.name;
}

Key parse_object_key(std::string_view text) {
    text.remove_prefix(kObjects.size());
    auto const parts = split(text, kSeparator);
    if (parts.size() != 5) return {};
    return {std::string(parts[1]), std::string(parts[2]), std::string(parts[3]), std::string(parts[4])};
}

Revision revision_of(json::Doc const& object) {
    return static_cast<Revision>(parse_int(object.at({"metadata", "resourceVersion"}).as_string()).value_or(0));
}

json::Doc with_revision(json::Value object, Revision revision) {
    object.make_object()["metadata"].make_object()["resourceVersion"] = std::to_string(revision);
    return json::Doc::freeze(object);
}

}  // namespace

struct Watch::Impl {
    std::string group, resource, ns;
    std::deque<std::shared_ptr<Event const>> pending;
    bool overflowed = false;
    Revision seen = 0;
    async::Event readable;

    bool wants(Event const& event) const {
        return event.key.resource == resource && event.key.group == group && (ns.empty() || event.key.ns == ns);
    }
};

struct Store::Impl {
    Impl(storage::Engine& engine, std::string cluster, Options options) : engine(engine), cluster(std::move(cluster)), options(options) {}

    storage::Engine& engine;
    std::string cluster;
    Options options;

    std::map<Key, json::Doc> objects;                               // durable and visible
    std::map<Key, json::Doc> pending;              // written, not durable yet; an absent Doc is a deletion
    Revision assigned = 0;                         // the last revision given out
    Revision visible = 0;
    Revision reserved = 0;                         // revisions below are durable as "may have been used"
    Revision oldest = 0;                           // events up to here are no longer known
    std::deque<std::shared_ptr<Event const>> ring;
    std::set<std::shared_ptr<Watch::Impl>> watches;
    std::map<Revision, std::shared_ptr<Event const>> unsettled;   // durable before an earlier one was
    std::vector<std::function<void(Event const&)>> observers;

    json::Doc latest(Key const& key) const {
        if (auto const found = pending.find(key); found != pending.end()) return found->second;
        auto const found = objects.find(key);
        return found == objects.end() ? json::Doc() : found->second;
    }

    Status check(Write const& write, json::Doc const& current) const {
        if (write.kind == Write::Kind::kCreate) {
            if (current.exists()) return fail(ErrorCode::kAlreadyExists, "already exists");
            return {};
        }
        if (!current.exists()) return fail(ErrorCode::kNotFound, "not found");
        if (revision_of(current) != write.expected) return fail(ErrorCode::kConflict, "the object has been modified");
        return {};
    }

    void publish(std::shared_ptr<Event const> const& event) {
        if (event->type == EventType::kDeleted) {
            objects.erase(event->key);
        } else {
            objects.insert_or_assign(event->key, event->object);
        }
        auto const waiting = pending.find(event->key);
        if (waiting != pending.end()) {
            bool const same = event->type == EventType::kDeleted ? !waiting->second.exists() : waiting->second.same(event->object);
            if (same) pending.erase(waiting);
        }
        ring.push_back(event);
        if (ring.size() > options.ring) {
            oldest = ring.front()->revision;
            ring.pop_front();
        }
        for (auto const& observer : observers) observer(*event);
        for (auto const& watch : watches) {
            if (watch->overflowed || !watch->wants(*event)) continue;
            if (watch->pending.size() >= options.max_pending) {
                watch->overflowed = true;
                watch->pending.clear();
            } else {
                watch->pending.push_back(event);
            }
            watch->readable.notify();
        }
    }

    // The engine completes commits in order, but their coroutines may resume in any: events become visible by revision.
    // A failed write leaves a gap, told by an absent event.
    void settle(Revision revision, std::shared_ptr<Event const> event) {
        unsettled.emplace(revision, std::move(event));
        while (!unsettled.empty() && unsettled.begin()->first == visible + 1) {
            std::shared_ptr<Event const> const next = unsettled.begin()->second;
            visible = unsettled.begin()->first;
            unsettled.erase(unsettled.begin());
            if (next) publish(next);
        }
    }
};

Result<std::unique_ptr<Store>> Store::open(storage::Engine& engine, std::string cluster, Options options) {
    auto impl = std::make_unique<Impl>(engine, cluster, options);
    std::string const begin = std::string(kObjects) + cluster + kSeparator;
    std::string const end = std::string(kObjects) + cluster + static_cast<char>(kSeparator + 1);
    std::optional<Error> problem;
    TRY(engine.scan(begin, end, [&](std::string_view key, std::string_view value) {
        auto object = json::parse(value);
        if (!object) {
            problem = Error(ErrorCode::kInternal, fmt::format("the store is corrupt: an object of cluster {} cannot be read: {}", cluster, object.error().message()));
            return false;
        }
        impl->assigned = std::max(impl->assigned, revision_of(*object));
        impl->objects.emplace(parse_object_key(key), std::move(*object));
        return true;
    }));
    if (problem) return std::unexpected(*problem);
    auto const reserved = TRY(engine.get(std::string(kReserved) + cluster));
    impl->reserved = reserved ? static_cast<Revision>(parse_int(*reserved).value_or(0)) : 0;
    impl->assigned = std::max(impl->assigned, impl->reserved);
    impl->visible = impl->assigned;
    impl->oldest = impl->assigned;
    return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Task<Result<json::Doc>> Store::write(Context ctx, Write write) {
    Impl& impl = *impl_;
    CO_TRY(ctx.check());
    json::Doc const current = impl.latest(write.key);
    CO_TRY(impl.check(write, current));

    Revision const revision = ++impl.assigned;
    json::Doc const object = with_revision(std::move(write.object), revision);
    bool const deletion = write.kind == Write::Kind::kDelete;
    auto event = std::make_shared<Event>();
    event->revision = revision;
    event->type = deletion ? EventType::kDeleted : current.exists() ? EventType::kModified : EventType::kAdded;
    event->key = write.key;
    event->object = object;
    event->previous = current;

    storage::WriteBatch batch;
    if (revision > impl.reserved) {
        impl.reserved = revision + kBlock;
        batch.put(std::string(kReserved) + impl.cluster, std::to_string(impl.reserved));
    }
    std::string const key = object_key(impl.cluster, write.key);
    if (deletion) {
        batch.erase(key);
    } else {
        batch.put(key, json::write(object));
    }
    impl.pending.insert_or_assign(write.key, deletion ? json::Doc() : object);
    Status const durable = co_await impl.engine.commit(ctx, std::move(batch));
    if (!durable) {
        // The engine fails everything after a failure: what stood on this write fails too, and its pending state is void.
        impl.pending.erase(write.key);
        impl.settle(revision, nullptr);
        co_return std::unexpected(durable.error());
    }
    impl.settle(revision, std::move(event));
    co_return object;
}

json::Doc Store::get(Key const& key) const {
    auto const found = impl_->objects.find(key);
    return found == impl_->objects.end() ? json::Doc() : found->second;
}

json::Doc Store::latest(Key const& key) const { return impl_->latest(key); }

Revision Store::revision() const { return impl_->visible; }

void Store::visit(std::string const& group, std::string const& resource, std::string const& ns, std::optional<Key> const& after,
                  std::function<bool(Key const&, json::Doc const&)> const& visitor) const {
    auto each = after ? impl_->objects.upper_bound(*after) : impl_->objects.lower_bound(Key{group, resource, ns, ""});
    for (; each != impl_->objects.end(); ++each) {
        Key const& key = each->first;
        if (key.group != group || key.resource != resource || (!ns.empty() && key.ns != ns)) break;
        if (!visitor(key, each->second)) break;
    }
}

Result<std::unique_ptr<Watch>> Store::watch(std::string group, std::string resource, std::string ns, Revision from) {
    Impl& impl = *impl_;
    if (from < impl.oldest) {
        return fail(ErrorCode::kGone, fmt::format("too old resource version: {} ({})", from, impl.oldest));
    }
    auto watch = std::unique_ptr<Watch>(new Watch(impl, std::move(group), std::move(resource), std::move(ns), from));
    for (auto const& event : impl.ring) {
        if (event->revision > from && watch->impl_->wants(*event)) watch->impl_->pending.push_back(event);
    }
    return watch;
}

void Store::on_event(std::function<void(Event const&)> observer) { impl_->observers.push_back(std::move(observer)); }

Watch::Watch(Store::Impl& store, std::string group, std::string resource, std::string ns, Revision from)
    : impl_(std::make_shared<Impl>()), store_(&store) {
    impl_->group = std::move(group);
    impl_->resource = std::move(resource);
    impl_->ns = std::move(ns);
    impl_->seen = from;
    store_->watches.insert(impl_);
}

Watch::~Watch() { store_->watches.erase(impl_); }

Task<Result<std::shared_ptr<Event const>>> Watch::next(Context ctx) {
    while (impl_->pending.empty() && !impl_->overflowed) CO_TRY(co_await impl_->readable.wait(ctx));
    if (impl_->overflowed) {
        co_return fail(ErrorCode::kGone, "too old resource version: this watch did not keep up and was ended; list again");
    }
    std::shared_ptr<Event const> event = std::move(impl_->pending.front());
    impl_->pending.pop_front();
    impl_->seen = event->revision;
    co_return event;
}

Revision Watch::seen() const { return impl_->pending.empty() ? std::max(impl_->seen, store_->visible) : impl_->seen; }

bool Watch::has_pending() const { return !impl_->pending.empty(); }

Result<std::vector<std::string>> clusters(storage::Engine const& engine) {
    std::vector<std::string> result;
    std::string const end = std::string(kReserved.substr(0, 1)) + static_cast<char>('/' + 1);
    TRY(engine.scan(kReserved, end, [&](std::string_view key, std::string_view) {
        result.emplace_back(key.substr(kReserved.size()));
        return true;
    }));
    return result;
}

}  // namespace aviary::store
