#include "kube/simulator/internal/leader_worker_sets.h"

#include "kube/meta/object.h"
#include "kube/simulator/internal/leader_worker_set.h"
#include "kube/simulator/internal/leader_worker_set_objects.h"
#include "kube/simulator/internal/resources.h"
#include "kube/simulator/internal/watching.h"

namespace aviary::simulator {

using client::Informer;
using control::Key;
using control::Plan;
using json::Doc;

namespace {

constexpr char kBySet[] = "leader-worker-set";   // namespace/name, of what carries its label

// A kind that is taken away again is asked for this often.
client::InformerOptions patient() {
    client::InformerOptions options;
    options.last_backoff = std::chrono::seconds(10);
    return options;
}

std::string set_name(Doc const& object) { return meta::label(object, meta::kGroupSetLabel); }

std::vector<std::string> by_set(Doc const& object) {
    std::string const name = set_name(object);
    return name.empty() ? std::vector<std::string>() : std::vector{meta::ns(object) + "/" + name};
}

std::vector<Key> key_of_set(Doc const& object) {
    std::string const name = set_name(object);
    return name.empty() ? std::vector<Key>() : std::vector<Key>{{"", {meta::ns(object), name}}};
}

// The object's controller, when that is of this kind.
std::vector<Key> owner_of(Doc const& object, std::string_view kind) {
    auto const owner = meta::controller_of(object);
    bool const is = owner && owner->kind == kind;
    return is ? std::vector<Key>{{"", {meta::ns(object), owner->name}}} : std::vector<Key>();
}

}   // namespace

LeaderWorkerSets::LeaderWorkerSets(client::Client const& client, Shared shared)
    : client_(client.named("lws")),
      shared_(shared),
      definition_(client_, kDefinitions, client::only({"", "leaderworkersets." + meta::kLeaderWorkerSets.group})),
      sets_(client_, meta::kLeaderWorkerSets, patient()) {
    definition_.on_change([this](client::Change const& change) {
        if (change.after.exists()) served_.set();
    });
    shared_.stateful_sets.add_index(kBySet, by_set);
    shared_.pods.add_index(kBySet, by_set);

    set_controller_ = controller("leaderworkerset", [this](Key const& key, Time now) { return sync_set(key, now); });
    set_controller_->watch(sets_, own_key);
    set_controller_->watch(shared_.stateful_sets, key_of_set);
    set_controller_->watch(shared_.revisions, [](Doc const& each) { return owner_of(each, "LeaderWorkerSet"); });
    set_controller_->watch(shared_.services, [](Doc const& each) { return owner_of(each, "LeaderWorkerSet"); });
    set_controller_->watch(shared_.pods, [](Doc const&) { return std::vector<Key>(); });

    pod_controller_ =
        controller("leaderworkerset-pod", [this](Key const& key, Time now) { return sync_pod(key, now); });
    pod_controller_->watch(sets_, [](Doc const&) { return std::vector<Key>(); });
    pod_controller_->watch(shared_.pods,
                           [](Doc const& pod) { return set_name(pod).empty() ? std::vector<Key>() : own_key(pod); });
    pod_controller_->watch(shared_.stateful_sets, [](Doc const& each) {
        return set_name(each).empty() ? std::vector<Key>() : owner_of(each, "Pod");
    });
    pod_controller_->watch(shared_.services, [](Doc const& each) { return owner_of(each, "Pod"); });
}

std::unique_ptr<control::Controller> LeaderWorkerSets::controller(std::string name,
                                                                  control::FunctionReconciler::Decide decide) const {
    control::ControllerOptions options;
    options.name = std::move(name);
    return std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     std::move(decide), [this](Key const&) -> client::Client const& { return client_; }));
}

Plan LeaderWorkerSets::sync_set(Key const& key, Time now) const {
    LeaderWorkerSetView view;
    view.set = sets_.get(key.object);
    if (!view.set.exists()) return {};
    std::string const name = key.object.ns + "/" + key.object.name;
    view.leaders = shared_.stateful_sets.get(key.object);
    view.workers = shared_.stateful_sets.by_index(kBySet, name);
    view.pods = shared_.pods.by_index(kBySet, name);
    view.revisions = controlled_by(view.set, shared_.revisions);
    view.service = shared_.services.get(key.object);
    return decide_leader_worker_set(view, now);
}

Plan LeaderWorkerSets::sync_pod(Key const& key, Time now) const {
    GroupPodView view;
    view.pod = shared_.pods.get(key.object);
    std::string const name = set_name(view.pod);
    if (name.empty()) return {};
    std::string const& ns = key.object.ns;
    view.set = sets_.get({ns, name});
    if (!view.set.exists()) return {};
    view.service = shared_.services.get(key.object);
    view.revisions = controlled_by(view.set, shared_.revisions);
    for (Doc& pod : shared_.pods.by_index(kBySet, ns + "/" + name)) {
        if (group_index(pod) != group_index(view.pod)) continue;
        if (meta::label(pod, meta::kWorkerIndexLabel) == "0") view.leader = pod;
        view.group.push_back(std::move(pod));
    }
    if (view.leader.exists()) view.workers = shared_.stateful_sets.get(meta::key_of(view.leader));
    return decide_group_pod(view, now);
}

Task<void> LeaderWorkerSets::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(definition_.run(scope.context()));
    if (co_await served_.wait(scope.context())) {
        scope.spawn(sets_.run(scope.context()));
        scope.spawn(set_controller_->run(scope.context()));
        scope.spawn(pod_controller_->run(scope.context()));
    }
    co_await scope.join();
}

}   // namespace aviary::simulator
