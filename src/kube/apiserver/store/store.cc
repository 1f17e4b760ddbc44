#include "kube/apiserver/store/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/apiserver/store/internal/layout.h"
#include "kube/apiserver/store/internal/state.h"
#include "kube/meta/gvk.h"
#include "kube/meta/object.h"

namespace aviary::store {

namespace {

// Revisions are reserved in durable blocks, so they never go back, whatever else is lost.
constexpr Revision kBlock = 1000;
constexpr std::size_t kWakesATurn = 32;

Revision revision_of(json::Doc const& object) {
    return static_cast<Revision>(parse_int(object.at({"metadata", "resourceVersion"}).as_string()).value_or(0));
}

json::Doc with_revision(json::Value object, Revision revision) {
    object.set({"metadata", "resourceVersion"}, std::to_string(revision));
    return json::Doc::freeze(object);
}

json::Doc with_revision(json::Doc const& object, Revision revision) {
    json::DocBuilder builder;
    builder.begin_object();
    for (auto const& [key, value] : object.members()) {
        builder.key(key);
        if (key != "metadata") {
            builder.doc(value);
            continue;
        }
        builder.begin_object();
        for (auto const& [name, part] : value.members()) {
            if (name == "resourceVersion") continue;
            builder.key(name);
            builder.doc(part);
        }
        builder.key("resourceVersion");
        builder.string(std::to_string(revision));
        builder.end();
    }
    builder.end();
    return builder.finish();
}

Error refused(ErrorCode code, Key const& key, std::string_view what) {
    std::string const resource = meta::GroupVersionResource{key.group, {}, key.resource}.group_resource();
    std::string const message =
        code == ErrorCode::kConflict
            ? fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", resource, key.name, what)
            : fmt::format("{} \"{}\" {}", resource, key.name, what);
    return Error(code, message).with_object(key.group, key.resource, key.name);
}

std::size_t bytes_of(Event const& event) {
    std::size_t bytes = sizeof(Event) + event.object.block_bytes();
    if (event.previous.exists()) bytes += event.previous.block_bytes();
    return bytes;
}

}   // namespace

Result<std::unique_ptr<Store>> Store::open(storage::Engine& engine, std::string cluster, Options options) {
    if (cluster.empty() || cluster.contains('/')) {
        return fail(ErrorCode::kBadRequest, fmt::format("\"{}\" cannot name a cluster", cluster));
    }
    auto impl = std::make_shared<Impl>(engine, std::move(cluster), std::move(options));
    TRY(impl->load());
    return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Status Store::Impl::load() {
    std::string const prefix = layout::objects(cluster);
    std::optional<Error> problem;
    TRY(engine.scan(prefix, layout::end_of(prefix), [&](std::string_view key, std::string_view value) {
        key.remove_prefix(prefix.size());
        auto const stored = layout::decode_object(value);
        auto object = stored ? json::parse(stored->json) : Result<json::Doc>(std::unexpected(stored.error()));
        if (!object) {
            problem = Error(ErrorCode::kInternal,
                            fmt::format("the store is corrupt: {} of cluster {} cannot be read: {}; restore a backup",
                                        key, cluster, object.error().message()));
            return false;
        }
        assigned = std::max(assigned, stored->revision);
        objects.put(std::make_shared<Entry const>(Entry{std::string(key), stored->revision, std::move(*object)}));
        return true;
    }));
    if (problem) return std::unexpected(*problem);
    auto const end = TRY(engine.get(layout::reserved(cluster)));
    reserved = durable_reserved = end ? static_cast<Revision>(parse_int(*end).value_or(0)) : 0;
    visible = opened_at = assigned = std::max(assigned, reserved);
    auto const meta = TRY(engine.get(layout::meta(cluster)));
    exists = meta.has_value();
    floor = meta ? static_cast<Revision>(parse_int(*meta).value_or(0)) : visible;
    return {};
}

Store::Store(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() {
    impl_->closed = true;
    impl_->objects = Tree();
    impl_->pins.clear();
    impl_->current.reset();
    impl_->observers.clear();
    impl_->to_wake.clear();
    for (auto& [prefix, topic] : impl_->topics) {
        topic.events.clear();
        for (auto const& [id, watch] : topic.watches) watch->readable.notify();
    }
}

json::Doc Store::Impl::latest(std::string const& key) const {
    bool const good = failures == engine.failures();
    if (auto const found = pending.find(key); good && found != pending.end()) return found->second.object;
    Entry const* const entry = objects.find(key);
    return entry == nullptr ? json::Doc() : entry->object;
}

Status Store::Impl::check(Write const& write, json::Doc const& there) const {
    using enum Write::Kind;
    if (write.kind == kCreate) {
        if (there.exists()) return std::unexpected(refused(ErrorCode::kAlreadyExists, write.key, "already exists"));
        return {};
    }
    if (!there.exists()) return std::unexpected(refused(ErrorCode::kNotFound, write.key, "not found"));
    std::string const uid = meta::uid(there);
    if (!write.uid.empty() && write.uid != uid) {
        std::string const what =
            write.kind == kDelete
                ? fmt::format(
                      "the UID in the precondition ({}) does not match the UID in record ({}). The object might have "
                      "been deleted and then recreated",
                      write.uid, uid)
                : fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", write.uid, uid);
        return std::unexpected(refused(ErrorCode::kConflict, write.key, what));
    }
    Revision const revision = revision_of(there);
    if (write.expected != 0 && write.expected != revision) {
        std::string const what =
            write.kind == kDelete
                ? fmt::format(
                      "the ResourceVersion in the precondition ({}) does not match the ResourceVersion in record ({}). "
                      "The object might have been modified",
                      write.expected, revision)
                : "the object has been modified; please apply your changes to the latest version and try again";
        return std::unexpected(refused(ErrorCode::kConflict, write.key, what));
    }
    return {};
}

// After a failure in the engine nothing that was under way has succeeded or will: what stands is what is visible.
void Store::Impl::forget_failed() {
    if (failures == engine.failures()) return;
    failures = engine.failures();
    pending.clear();
    reserved = durable_reserved;
}

storage::WriteBatch Store::Impl::batch_for(EventPointer const& event, std::string const& key) {
    storage::WriteBatch batch;
    std::string const object_key = layout::objects(cluster) + key;
    std::string const json = json::write(event->object);
    if (event->type == EventType::kDeleted) {
        batch.erase(object_key);
    } else {
        batch.put(object_key, layout::encode_object(event->revision, json));
    }
    std::string const previous = event->previous.exists() ? json::write(event->previous) : std::string();
    batch.put(layout::log_key(cluster, event->revision), layout::encode_event(event->type, key, json, previous));
    if (event->revision > reserved) {
        reserved = event->revision + kBlock;
        batch.put(layout::reserved(cluster), std::to_string(reserved));
        batch.sync = true;
    }
    // In pieces of a quarter, so that dropping is rare.
    bool const compact = visible > floor + options.log + options.log / 4;
    if (compact) {
        floor = visible - options.log;
        batch.erase_range(layout::log_key(cluster, 0), layout::log_key(cluster, floor + 1));
    }
    if (compact || !exists) batch.put(layout::meta(cluster), std::to_string(floor));
    return batch;
}

Task<Result<json::Doc>> Store::write(Context ctx, Write write) {
    std::shared_ptr<Impl> const impl = impl_;
    CO_TRY(ctx.check());
    if (!layout::valid(write.key))
        co_return fail(ErrorCode::kBadRequest, fmt::format("\"{}\" cannot name an object", write.key.name));
    if (impl->in_flight >= impl->options.max_in_flight) {
        co_return std::unexpected(Error(ErrorCode::kTooManyRequests, "too many writes are under way")
                                      .with_retry_after(std::chrono::seconds(1)));
    }
    impl->forget_failed();
    impl->prune_pins(ctx.monotonic());
    std::string const key = layout::key_text(write.key);
    json::Doc const there = impl->latest(key);
    CO_TRY(impl->check(write, there));

    bool const deletion = write.kind == Write::Kind::kDelete;
    auto event = std::make_shared<Event>();
    event->revision = ++impl->assigned;
    event->type = deletion ? EventType::kDeleted : there.exists() ? EventType::kModified : EventType::kAdded;
    event->object = deletion && write.object.is_null() ? with_revision(there, event->revision)
                                                       : with_revision(std::move(write.object), event->revision);
    event->previous = there;
    event->key = std::move(write.key);

    storage::WriteBatch batch = impl->batch_for(event, key);
    Revision const reserved = impl->reserved;
    impl->pending.insert_or_assign(key, Impl::Pending{event->revision, deletion ? json::Doc() : event->object});
    ++impl->in_flight;
    Status const durable = co_await impl->engine.commit(ctx, std::move(batch));
    --impl->in_flight;
    impl->settled.notify();
    if (!durable) {
        impl->forget_failed();
        co_return std::unexpected(durable.error());
    }
    impl->exists = true;
    impl->durable_reserved = std::max(impl->durable_reserved, reserved);
    json::Doc const object = event->object;
    if (!impl->closed) impl->publish(ctx, std::move(event), key);
    co_return object;
}

Task<Status> Store::wait_visible(Context ctx, Revision revision) {
    std::shared_ptr<Impl> const impl = impl_;
    std::uint64_t const failures = impl->engine.failures();
    while (impl->visible < revision) {
        bool const lost = impl->closed || impl->in_flight == 0 || impl->engine.failures() != failures;
        if (lost) co_return fail(ErrorCode::kUnavailable, "the write before this one was not stored: try again");
        CO_TRY(co_await impl->settled.wait(ctx));
    }
    co_return Status{};
}

void Store::Impl::publish(Context const& ctx, EventPointer event, std::string key) {
    current.reset();
    visible = event->revision;
    if (auto const waiting = pending.find(key); waiting != pending.end() && waiting->second.revision == event->revision)
        pending.erase(waiting);
    if (event->type == EventType::kDeleted) {
        objects.erase(key);
    } else {
        objects.put(std::make_shared<Entry const>(Entry{std::move(key), event->revision, event->object}));
    }
    remember(event);
    for (auto const& observer : observers) observer(*event);
    Topic& home = topic(layout::prefix(event->key.group, event->key.resource));
    for (auto const& [id, watch] : home.watches) {
        if (watch->due || !watch->wants(*event)) continue;
        watch->due = true;
        to_wake.emplace_back(&home, id);
    }
    if (!waking) wake_some(ctx.executor());
}

// A few a turn: a thousand watches must not keep the next write waiting. One that comes late reads several events at
// once.
void Store::Impl::wake_some(async::Executor& executor) {
    for (std::size_t count = 0; count < kWakesATurn && !to_wake.empty(); ++count) {
        auto const [home, id] = to_wake.front();
        to_wake.pop_front();
        auto const found = home->watches.find(id);
        if (found == home->watches.end()) continue;
        found->second->due = false;
        found->second->readable.notify();
    }
    waking = !to_wake.empty();
    if (!waking) return;
    executor.post([weak = weak_from_this(), &executor] {
        if (auto const self = weak.lock()) self->wake_some(executor);
    });
}

void Store::Impl::remember(EventPointer const& event) {
    Topic& home = topic(layout::prefix(event->key.group, event->key.resource));
    home.events.push_back(event);
    ring.push_back(&home);
    ring_bytes += bytes_of(*event);
    while (ring.size() > options.ring || ring_bytes > options.ring_bytes) {
        Topic& oldest = *ring.front();
        ring.pop_front();
        EventPointer const& gone = oldest.events.front();
        ring_bytes -= bytes_of(*gone);
        oldest.floor = gone->revision;
        oldest.events.pop_front();
    }
}

Topic& Store::Impl::topic(std::string const& prefix) {
    auto const [found, made] = topics.try_emplace(prefix);
    if (made) found->second.floor = opened_at;
    return found->second;
}

json::Doc Store::get(Key const& key) const {
    if (!layout::valid(key)) return {};
    Entry const* const entry = impl_->objects.find(layout::key_text(key));
    return entry == nullptr ? json::Doc() : entry->object;
}

json::Doc Store::latest(Key const& key) const {
    return layout::valid(key) ? impl_->latest(layout::key_text(key)) : json::Doc();
}

Revision Store::revision() const { return impl_->visible; }

void Store::on_event(std::function<void(Event const&)> observer) { impl_->observers.push_back(std::move(observer)); }

Result<std::vector<std::string>> clusters(storage::Engine const& engine) {
    std::vector<std::string> result;
    std::string const begin(layout::kMetas);
    TRY(engine.scan(begin, layout::end_of(begin), [&](std::string_view key, std::string_view) {
        result.emplace_back(key.substr(begin.size()));
        return true;
    }));
    return result;
}

Task<Status> remove_cluster(Context ctx, storage::Engine& engine, std::string cluster) {
    storage::WriteBatch batch;
    for (std::string const& prefix : {layout::objects(cluster), layout::log(cluster)})
        batch.erase_range(prefix, layout::end_of(prefix));
    batch.erase(layout::meta(cluster));
    Status outcome = co_await engine.commit(ctx, std::move(batch));
    co_return outcome;
}

}   // namespace aviary::store
