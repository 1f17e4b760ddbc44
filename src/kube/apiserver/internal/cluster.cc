#include "kube/apiserver/internal/cluster.h"

#include "core/base/strings.h"
#include "kube/apiserver/builtin/roles.h"
#include "kube/apiserver/internal/custom.h"
#include "kube/apiserver/internal/object_rules.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Value;

Task<void> write_into(Context ctx, store::Store& store, store::Write write, Status& outcome) {
    auto const stored = co_await store.write(ctx, std::move(write));
    if (!stored && !stored.error().is(ErrorCode::kAlreadyExists)) outcome = std::unexpected(stored.error());
}

Value first_namespace(char const* name) {
    Value object{json::Object{{"apiVersion", "v1"}, {"kind", "Namespace"}}};
    object.set({"metadata", "name"}, name);
    object.set({"metadata", "labels"}, json::Object{{"kubernetes.io/metadata.name", name}});
    object.set({"spec", "finalizers"}, json::Array{"kubernetes"});
    object.set({"status", "phase"}, "Active");
    return object;
}

}   // namespace

Cluster::Cluster(std::string name, Shared& shared, std::unique_ptr<store::Store> store)
    : name_(std::move(name)), shared_(shared), store_(std::move(store)), rbac_(*store_) {}

Result<std::unique_ptr<Cluster>> Cluster::open(storage::Engine& engine, std::string name, Shared& shared) {
    auto store = TRY(store::Store::open(engine, name, {.log = shared.options.max_log_events}));
    auto cluster = std::unique_ptr<Cluster>(new Cluster(std::move(name), shared, std::move(store)));
    Cluster* const self = cluster.get();
    self->relearn();
    self->store_->snapshot().visit_all([&](store::Key const& key, Doc const& object) {
        store::Event const event{revision_number(object), store::EventType::kAdded, key, object, {}};
        self->note_for_collection(event);
        self->note_event(event);
        return true;
    });
    self->store_->on_event([self](store::Event const& event) { self->learn(event); });
    return cluster;
}

void Cluster::learn(store::Event const& event) {
    note_for_collection(event);
    note_event(event);
    if (event.key.group != kDefinitionGroup || event.key.resource != kDefinitions) return;
    bool const same =
        event.type == store::EventType::kModified && event.object["spec"] == event.previous["spec"] &&
        meta::condition_is_true(event.object, "Established") == meta::condition_is_true(event.previous, "Established");
    if (!same) relearn();
}

void Cluster::relearn() {
    std::vector<Doc> definitions;
    store_->visit(kDefinitionGroup, kDefinitions, "", std::nullopt, [&](store::Key const&, Doc const& definition) {
        if (meta::condition_is_true(definition, "Established")) definitions.push_back(definition);
        return true;
    });
    served_ = shared_.options.catalog->serve(definitions);
    if (unjudged_.empty()) return;
    to_collect_.merge(unjudged_);
    unjudged_.clear();
    garbage_.notify();
}

Task<Status> Cluster::bootstrap(Context ctx) {
    std::vector<store::Write> writes;
    auto const want = [&](store::Key key, Value object) {
        if (store_->latest(key).exists()) return;
        object.set({"metadata", "uid"}, ctx.random().uuid());
        object.set({"metadata", "creationTimestamp"}, format_rfc3339(ctx.now()));
        writes.push_back({store::Write::Kind::kCreate, std::move(key), std::move(object)});
    };
    for (char const* ns : {"default", "kube-node-lease", "kube-public", "kube-system"})
        want({"", "namespaces", "", ns}, first_namespace(ns));
    for (Doc const& role : builtin::default_roles()) {
        auto const kind = meta::kind_of(role);
        want({kind.group, to_lower(kind.kind) + "s", meta::ns(role), meta::name(role)}, role.thaw());
    }
    if (writes.empty()) co_return Status{};
    // All at once: one commit makes them durable.
    Status outcome;
    async::Scope scope(ctx);
    for (store::Write& write : writes) scope.spawn(write_into(ctx, *store_, std::move(write), outcome));
    co_await scope.join();
    co_return outcome;
}

}   // namespace aviary::apiserver
