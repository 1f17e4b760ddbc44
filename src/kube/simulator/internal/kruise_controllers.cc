#include "kube/simulator/internal/kruise_controllers.h"

#include <algorithm>

#include "core/async/scope.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/advanced_daemon_set.h"
#include "kube/simulator/internal/advanced_stateful_set.h"
#include "kube/simulator/internal/clone_set.h"
#include "kube/simulator/internal/watching.h"

namespace aviary::simulator {

namespace {

using client::Informer;
using control::Key;
using control::Plan;
using json::Doc;

// Schemas are large, and nobody reads them here.
Doc without_schemas(Doc const& definition) {
    json::Value kept = definition.thaw();
    for (json::Value& version : kept["spec"]["versions"].make_array()) version.erase("schema");
    return Doc::freeze(kept);
}

}   // namespace

KruiseControllers::Kind::Kind(client::Client const& client, meta::GroupVersionKind kind,
                              meta::GroupVersionResource const& resource)
    : kind(std::move(kind)), informer(client.named("kruise-manager"), resource) {}

KruiseControllers::KruiseControllers(client::Client const& client, Shared shared)
    : shared_(std::move(shared)),
      definitions_(client.named("kruise-manager"), kDefinitions, {.transform = without_schemas}),
      clone_sets_(client, kCloneSet, kCloneSets),
      stateful_sets_(client, kAdvancedStatefulSet, kAdvancedStatefulSets),
      daemon_sets_(client, kAdvancedDaemonSet, kAdvancedDaemonSets),
      kinds_{&clone_sets_, &stateful_sets_, &daemon_sets_} {
    definitions_.on_change([this](client::Change const& change) { see(change.after); });
    clone_sets_.controller = make_controller(client, "cloneset-controller",
                                             [this](Key const& key, Time now) { return sync_clone_set(key, now); });
    stateful_sets_.controller = make_controller(
        client, "statefulset-controller", [this](Key const& key, Time now) { return sync_stateful_set(key, now); });
    daemon_sets_.controller = make_controller(client, "daemonset-controller",
                                              [this](Key const& key, Time now) { return sync_daemon_set(key, now); });
    daemon_sets_.controller->watch(shared_.nodes, [this](Doc const&) {
        std::vector<Key> keys;
        for (auto const& [key, set] : daemon_sets_.informer.objects()) keys.push_back(Key{"", key});
        return keys;
    });
    for (Kind* kind : kinds_) {
        kind->controller->watch(kind->informer, own_key);
        for (Informer* informer : {&shared_.pods, &shared_.revisions}) {
            kind->controller->watch(*informer,
                                    [kind](Doc const& object) { return takers(object, kind->kind, kind->informer); });
        }
        kind->controller->watch(shared_.claims, [kind](Doc const& object) { return owner_key(object, kind->kind); });
    }
}

void KruiseControllers::see(Doc const& definition) {
    if (!meta::condition_is_true(definition, "Established")) return;
    for (Kind* kind : kinds_) {
        if (meta::name(definition) != kind->informer.resource().group_resource()) continue;
        auto const versions = definition.at({"spec", "versions"}).elements();
        if (std::ranges::any_of(versions, [&](auto const& version) {
                return version.second["served"].as_bool() &&
                       version.second["name"].as_string() == kind->informer.resource().version;
            }))
            kind->served.set();
    }
}

Plan KruiseControllers::sync_clone_set(Key const& key, Time now) const {
    Doc const set = clone_sets_.informer.get(key.object);
    if (!set.exists()) return {};
    Claim own_pods = claim(set, kCloneSet, kPods, controlled_by(set, shared_.pods));
    Claim own_revisions = claimed(set, kCloneSet, kControllerRevisions, shared_.revisions);
    CloneSetView const view{kCloneSet,
                            set,
                            own_pods.owned,
                            own_revisions.owned,
                            controlled_by(set, shared_.claims),
                            shared_.finder(key.object.ns)};
    return after(std::move(own_pods.writes), after(std::move(own_revisions.writes), decide_clone_set(view, now)));
}

Plan KruiseControllers::sync_stateful_set(Key const& key, Time now) const {
    Doc const set = stateful_sets_.informer.get(key.object);
    if (!set.exists()) return {};
    Claim own_pods =
        claimed(set, kAdvancedStatefulSet, kPods, shared_.pods, [&](Doc const& pod) { return is_member(set, pod); });
    Claim own_revisions = claimed(set, kAdvancedStatefulSet, kControllerRevisions, shared_.revisions);
    StatefulSetView const view{kAdvancedStatefulSet, set, own_pods.owned, own_revisions.owned,
                               shared_.finder(key.object.ns)};
    return after(std::move(own_pods.writes),
                 after(std::move(own_revisions.writes), decide_advanced_stateful_set(view, now)));
}

Plan KruiseControllers::sync_daemon_set(Key const& key, Time now) {
    Doc const set = daemon_sets_.informer.get(key.object);
    if (!set.exists()) return {};
    Claim own_pods = claimed(set, kAdvancedDaemonSet, kPods, shared_.pods);
    Claim own_revisions = claimed(set, kAdvancedDaemonSet, kControllerRevisions, shared_.revisions);
    DaemonSetView const view{kAdvancedDaemonSet,  set,
                             own_pods.owned,      own_revisions.owned,
                             shared_.nodes.all(), shared_.finder(key.object.ns)};
    return after(std::move(own_pods.writes),
                 after(std::move(own_revisions.writes), decide_advanced_daemon_set(view, failed_pods_, now)));
}

Task<void> KruiseControllers::run_kind(Context ctx, Kind& kind) {
    if (!co_await kind.served.wait(ctx)) co_return;
    async::Scope scope(ctx);
    scope.spawn(kind.informer.run(scope.context()));
    scope.spawn(kind.controller->run(scope.context()));
    co_await scope.join();
}

Task<void> KruiseControllers::run(Context ctx) {
    async::Scope scope(ctx);
    for (Kind* kind : kinds_) scope.spawn(run_kind(scope.context(), *kind));
    scope.spawn(definitions_.run(scope.context()));
    co_await scope.join();
}

bool KruiseControllers::ready() const {
    return definitions_.synced() && std::ranges::all_of(kinds_, [](Kind const* kind) {
               return !kind->served.is_set() || kind->informer.synced();
           });
}

}   // namespace aviary::simulator
