#include "kube/simulator/simulator.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"
#include "kube/simulator/engines.h"
#include "kube/simulator/internal/daemon_set.h"
#include "kube/simulator/internal/deployment.h"
#include "kube/simulator/internal/endpoint_slice.h"
#include "kube/simulator/internal/kruise_controllers.h"
#include "kube/simulator/internal/kubelet.h"
#include "kube/simulator/internal/leader_worker_sets.h"
#include "kube/simulator/internal/pod_autoscaler.h"
#include "kube/simulator/internal/replica_set.h"
#include "kube/simulator/internal/resources.h"
#include "kube/simulator/internal/scheduler.h"
#include "kube/simulator/internal/stateful_set.h"
#include "kube/simulator/internal/watching.h"

namespace aviary::simulator {

namespace {

using client::Informer;
using control::Key;
using control::Plan;
using json::Doc;

json::Value node_object(int index, Options const& options, Time now) {
    std::string const stamp = format_rfc3339(now);
    json::Value const capacity = json::Object{{"cpu", std::to_string(options.cpus_per_node)},
                                              {"memory", fmt::format("{}Gi", options.memory_gib_per_node)},
                                              {"nvidia.com/gpu", std::to_string(options.gpus_per_node)},
                                              {"pods", "250"}};
    std::string const name = fmt::format("gpu-node-{}", index + 1);
    json::Value node{json::Object{{"apiVersion", "v1"}, {"kind", "Node"}}};
    node.set({"metadata", "name"}, name);
    node.set(
        {"metadata", "labels"},
        json::Object{{"kubernetes.io/hostname", name}, {"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", "amd64"}});
    node["spec"] = json::Object();
    node.set({"status", "capacity"}, capacity);
    node.set({"status", "allocatable"}, capacity);
    node.set({"status", "conditions"}, json::Array{json::Object{{"type", "Ready"},
                                                                {"status", "True"},
                                                                {"lastHeartbeatTime", stamp},
                                                                {"lastTransitionTime", stamp},
                                                                {"reason", "KubeletReady"},
                                                                {"message", "kubelet is posting ready status"}}});
    node.set({"status", "addresses"},
             json::Array{json::Object{{"type", "InternalIP"}, {"address", fmt::format("10.64.0.{}", index + 1)}},
                         json::Object{{"type", "Hostname"}, {"address", name}}});
    node.set({"status", "nodeInfo"}, json::Object{{"kubeletVersion", "v1.32.0"},
                                                  {"operatingSystem", "linux"},
                                                  {"architecture", "amd64"},
                                                  {"containerRuntimeVersion", "containerd://2.0.0"}});
    return node;
}

}   // namespace

struct Simulator::Impl {
    // What a kubelet remembers of a pod.
    struct Seen {
        Time since;
        std::string images;
    };

    Impl(client::Client client, Options options)
        : client(std::move(client)),
          options(options),
          deployments(named("deployment-controller"), kDeployments),
          replica_sets(named("deployment-controller"), kReplicaSets),
          stateful_sets(named("statefulset-controller"), kStatefulSets),
          daemon_sets(named("daemonset-controller"), kDaemonSets),
          revisions(named("statefulset-controller"), kControllerRevisions),
          claims(named("statefulset-controller"), kClaims),
          pods(named("replicaset-controller"), kPods),
          nodes(named("kube-scheduler"), kNodes),
          autoscalers(named("horizontal-pod-autoscaler"), kAutoscalers),
          services(named("endpointslice-controller"), kServices),
          slices(named("endpointslice-controller"), kEndpointSlices) {
        for (Informer* informer : {&replica_sets, &revisions, &claims, &pods}) index_by_controller(*informer);
        kruise.emplace(this->client, KruiseControllers::Shared{pods, revisions, claims, nodes, [this](std::string ns) {
                                                                   return finder(std::move(ns));
                                                               }});
        leader_worker_sets = std::make_unique<LeaderWorkerSets>(
            this->client, LeaderWorkerSets::Shared{stateful_sets, revisions, pods, services});
    }

    std::vector<Informer*> informers() {
        return {&deployments, &replica_sets, &stateful_sets, &daemon_sets, &revisions, &claims,
                &pods,        &nodes,        &autoscalers,   &services,    &slices};
    }

    client::Client named(std::string name) const { return client.named(std::move(name)); }

    std::unique_ptr<control::Controller> controller(std::string const& name, DecideKey decide) const {
        return make_controller(client, name, std::move(decide));
    }

    Plan sync_deployment(Key const& key, Time now) {
        Doc const object = deployments.get(key.object);
        if (!object.exists()) return {};
        Claim claimed_sets = claimed(object, kDeployment, kReplicaSets, replica_sets);
        std::vector<Doc> there;
        if (recreates(object)) {
            for (Doc const& set : claimed_sets.owned) {
                for (Doc& pod : controlled_by(set, pods)) there.push_back(std::move(pod));
            }
        }
        return after(std::move(claimed_sets.writes), decide_deployment(object, claimed_sets.owned, there, now));
    }

    Plan sync_replica_set(Key const& key, Time now) {
        Doc const object = replica_sets.get(key.object);
        if (!object.exists()) return {};
        Claim claimed_pods = claimed(object, kReplicaSet, kPods, pods);
        return after(std::move(claimed_pods.writes), decide_replica_set(object, claimed_pods.owned, now));
    }

    Plan sync_stateful_set(Key const& key, Time now) {
        Doc const object = stateful_sets.get(key.object);
        if (!object.exists()) return {};
        Claim own_pods =
            claimed(object, kStatefulSet, kPods, pods, [&](Doc const& pod) { return is_member(object, pod); });
        Claim own_revisions = claimed(object, kStatefulSet, kControllerRevisions, revisions);
        StatefulSetView const view{kStatefulSet, object, own_pods.owned, own_revisions.owned, finder(key.object.ns)};
        return after(std::move(own_pods.writes),
                     after(std::move(own_revisions.writes), decide_stateful_set(view, now)));
    }

    Plan sync_daemon_set(Key const& key, Time now) {
        Doc const object = daemon_sets.get(key.object);
        if (!object.exists()) return {};
        Claim own_pods = claimed(object, kDaemonSet, kPods, pods);
        Claim own_revisions = claimed(object, kDaemonSet, kControllerRevisions, revisions);
        DaemonSetView view{kDaemonSet, object, own_pods.owned, own_revisions.owned, {}, finder(key.object.ns)};
        for (auto const& [node_key, node] : nodes.objects()) view.nodes.push_back(node);
        return after(std::move(own_pods.writes),
                     after(std::move(own_revisions.writes), decide_daemon_set(view, failed_pods, now)));
    }

    // The sizes of what autoscalers are about, of whatever kind: absent where it has none. Then each is decided;
    // nothing is known where nobody answers, and it looks at the next time.
    Task<void> read_scales(Context ctx) {
        while (ctx.check()) {
            if (unread.empty()) {
                (void)co_await something_unread.wait(ctx);
                continue;
            }
            auto const [key, reference] = std::move(*unread.begin());
            unread.erase(unread.begin());
            auto const scale = co_await named("horizontal-pod-autoscaler")
                                   .get(ctx, meta::resource_of(meta::kind_of(reference)),
                                        {key.object.ns, reference["name"].string()}, "scale");
            if (!scale && !scale.error().is(ErrorCode::kNotFound)) continue;
            scales[key] = {reference, scale ? *scale : Doc()};
            autoscaler->enqueue(key);
        }
    }

    // Changes are taken up at the next look.
    Plan sync_autoscaler(Key const& key, Time now) {
        Doc const object = autoscalers.get(key.object);
        if (!object.exists()) {
            autoscaled_at.erase(key);
            scales.erase(key);
            return {};
        }
        Doc const reference = object.at({"spec", "scaleTargetRef"});
        Plan plan;
        auto const read = scales.extract(key);
        if (!read.empty() && read.mapped().reference == reference)
            plan = decide_pod_autoscaler(object, read.mapped().scale, meta::resource_of(meta::kind_of(reference)), now);
        Time& due = autoscaled_at.try_emplace(key, now + kAutoscalerPeriod).first->second;
        if (now >= due) {
            due = now + kAutoscalerPeriod;
            unread[key] = reference;
            something_unread.notify();
        }
        plan.requeue_at(due, "horizontal-pod-autoscaler-sync-period");
        return plan;
    }

    Find finder(std::string ns) {
        return [this, ns = std::move(ns)](meta::GroupVersionResource const& resource, std::string const& name) {
            Informer& informer = resource == kPods ? pods : resource == kClaims ? claims : revisions;
            return informer.get({ns, name});
        };
    }

    // Deployments that wait for this pod to be gone.
    std::vector<Key> recreating(Doc const& pod) {
        auto const owner = meta::controller_of(pod);
        if (!owner) return {};
        std::vector<Key> keys = owner_key(replica_sets.get({meta::ns(pod), owner->name}), kDeployment);
        std::erase_if(keys, [this](Key const& key) { return !recreates(deployments.get(key.object)); });
        return keys;
    }

    void build_sets() {
        stateful_set = controller("statefulset-controller",
                                  [this](Key const& key, Time now) { return sync_stateful_set(key, now); });
        daemon_set =
            controller("daemonset-controller", [this](Key const& key, Time now) { return sync_daemon_set(key, now); });
        stateful_set->watch(stateful_sets, own_key);
        daemon_set->watch(daemon_sets, own_key);
        for (Informer* informer : {&pods, &revisions}) {
            stateful_set->watch(*informer,
                                [this](Doc const& object) { return takers(object, kStatefulSet, stateful_sets); });
            daemon_set->watch(*informer, [this](Doc const& object) { return takers(object, kDaemonSet, daemon_sets); });
        }
        stateful_set->watch(claims, [](Doc const&) { return std::vector<Key>(); });
        daemon_set->watch(nodes, [this](Doc const&) {
            std::vector<Key> keys;
            for (auto const& [key, set] : daemon_sets.objects()) keys.push_back(Key{"", key});
            return keys;
        });
    }

    void build() {
        deployment =
            controller("deployment-controller", [this](Key const& key, Time now) { return sync_deployment(key, now); });
        deployment->watch(deployments, own_key);
        deployment->watch(replica_sets, [this](Doc const& object) { return takers(object, kDeployment, deployments); });
        deployment->watch(pods, [this](Doc const& pod) { return recreating(pod); });

        replica_set = controller("replicaset-controller",
                                 [this](Key const& key, Time now) { return sync_replica_set(key, now); });
        replica_set->watch(replica_sets, own_key);
        replica_set->watch(pods, [this](Doc const& object) { return takers(object, kReplicaSet, replica_sets); });

        build_sets();

        pods.on_change([this](client::Change const& change) {
            usage.update(change.before, change.after);
            if (change.after.exists()) return;
            first_seen.erase(meta::uid(change.before));
            if (options.engines != nullptr) options.engines->stop(change.before);
        });
        scheduler = controller("kube-scheduler", [this](Key const& key, Time now) { return schedule(key, now); });
        scheduler->watch(pods, [this](Doc const& pod) { return to_schedule(pod); });
        scheduler->watch(nodes,
                         [this](Doc const&) { return std::vector<Key>(unschedulable.begin(), unschedulable.end()); });

        kubelet = controller("kubelet", [this](Key const& key, Time now) { return run_pod(key, now); });
        kubelet->watch(pods, own_key);
        kubelet->watch(nodes, [this](Doc const& node) {
            std::vector<Key> keys;
            for (auto const& [key, pod] : pods.objects()) {
                if (pod.at({"spec", "nodeName"}).as_string() == meta::name(node)) keys.push_back(Key{"", key});
            }
            return keys;
        });

        collector = controller("pod-garbage-collector", [this](Key const&, Time) {
            std::vector<Doc> all;
            for (auto const& [key, pod] : pods.objects()) all.push_back(pod);
            return decide_collection(std::move(all));
        });
        collector->watch(
            pods, [](Doc const& pod) { return is_finished(pod) ? std::vector<Key>{Key{}} : std::vector<Key>(); });

        autoscaler = controller("horizontal-pod-autoscaler",
                                [this](Key const& key, Time now) { return sync_autoscaler(key, now); });
        autoscaler->watch(autoscalers, own_key);

        endpoint_slice = controller("endpointslice-controller", [this](Key const& key, Time) {
            Doc const service = services.get(key.object);
            return decide_endpoint_slice(service, pods.list(key.object.ns),
                                         slices.get({key.object.ns, endpoint_slice_name(key.object.name)}));
        });
        endpoint_slice->watch(services, own_key);
        endpoint_slice->watch(slices, [](Doc const& slice) { return owner_key(slice, kService); });
        endpoint_slice->watch(pods, [this](Doc const& pod) {
            std::vector<Key> keys;
            for (Doc const& service : services.list(meta::ns(pod))) keys.push_back(Key{"", meta::key_of(service)});
            return keys;
        });
    }

    // A pod that leaves a node may let a waiting one in.
    std::vector<Key> to_schedule(Doc const& pod) {
        if (!pod.at({"spec", "nodeName"}).exists()) return own_key(pod);
        if (is_active(pod) && pods.get(meta::key_of(pod)).exists()) return {};
        return {unschedulable.begin(), unschedulable.end()};
    }

    Plan schedule(Key const& key, Time now) {
        Doc const pod = pods.get(key.object);
        std::vector<Doc> candidates;
        for (auto const& [node_key, node] : nodes.objects()) candidates.push_back(node);
        std::string chosen;
        Plan plan = decide_binding(pod, candidates, usage, now, chosen);
        bool const waits = pod.exists() && is_active(pod) && !pod.at({"spec", "nodeName"}).exists() && chosen.empty();
        if (waits) {
            unschedulable.insert(key);
        } else {
            unschedulable.erase(key);
        }
        if (!chosen.empty()) usage.assume(pod, chosen);
        return plan;
    }

    Plan run_pod(Key const& key, Time now) {
        Doc const pod = pods.get(key.object);
        if (!pod.exists() || !pod.at({"spec", "nodeName"}).exists()) return {};
        Time const started = parse_rfc3339(pod.at({"status", "startTime"}).as_string()).value_or(now);
        Doc const running = pod.at({"status", "containerStatuses"});
        std::string images = images_of(pod.at({"spec", "containers"}));
        Seen& seen = first_seen.try_emplace(meta::uid(pod), started, running.size() > 0 ? images_of(running) : images)
                         .first->second;
        if (seen.images != images) seen = {now, std::move(images)};
        Plan plan =
            decide_pod(pod, nodes.get({"", pod.at({"spec", "nodeName"}).string()}), options.pod_start, seen.since, now);
        if (options.engines == nullptr) return plan;
        // Before the pod is said to be ready.
        if (serves(pod, plan)) {
            options.engines->start(pod, pod_address(pod));
        } else {
            options.engines->stop(pod);
        }
        return plan;
    }

    Task<void> ensure_nodes(Context ctx) {
        while (ctx.check()) {
            Result<Doc> const list = co_await client.list(ctx, kNodes);
            bool complete = list.has_value();
            if (complete && (*list)["items"].size() == 0) {
                for (int index = 0; index < options.nodes; ++index) {
                    Result<Doc> const created =
                        co_await named("kubelet").create(ctx, kNodes, node_object(index, options, ctx.now()));
                    complete = complete && (created || created.error().is(ErrorCode::kAlreadyExists));
                }
            }
            if (complete) co_return;
            (void)co_await async::sleep_for(ctx, std::chrono::seconds(1));
        }
    }

    client::Client client;
    Options options;
    Informer deployments, replica_sets, stateful_sets, daemon_sets, revisions, claims, pods, nodes, autoscalers,
        services, slices;
    std::optional<KruiseControllers> kruise;
    NodeUsage usage;
    FailedPods failed_pods;
    std::map<std::string, Seen> first_seen;   // by pod uid
    std::set<Key> unschedulable;
    std::map<Key, Time> autoscaled_at;   // when each autoscaler is to be looked at next
    struct Scale {
        Doc reference, scale;
    };
    std::map<Key, Doc> unread;     // autoscalers whose target's size is wanted → scaleTargetRef
    std::map<Key, Scale> scales;   // what was read, until it is decided
    async::Event something_unread;
    std::unique_ptr<control::Controller> deployment, replica_set, stateful_set, daemon_set, scheduler, kubelet,
        collector, autoscaler, endpoint_slice;
    std::unique_ptr<LeaderWorkerSets> leader_worker_sets;
};

Simulator::Simulator(client::Client client, Options options)
    : impl_(std::make_unique<Impl>(std::move(client), options)) {
    impl_->build();
}

Simulator::~Simulator() = default;

bool Simulator::ready() const {
    for (Informer const* informer : impl_->informers()) {
        if (!informer->synced()) return false;
    }
    return impl_->kruise->ready();
}

Task<void> Simulator::run(Context ctx) {
    co_await impl_->ensure_nodes(ctx);
    async::Scope scope(ctx);
    for (Informer* informer : impl_->informers()) scope.spawn(informer->run(scope.context()));
    for (auto* controller :
         {&impl_->deployment, &impl_->replica_set, &impl_->stateful_set, &impl_->daemon_set, &impl_->scheduler,
          &impl_->kubelet, &impl_->collector, &impl_->autoscaler, &impl_->endpoint_slice}) {
        scope.spawn((*controller)->run(scope.context()));
    }
    scope.spawn(impl_->kruise->run(scope.context()));
    scope.spawn(impl_->leader_worker_sets->run(scope.context()));
    scope.spawn(impl_->read_scales(scope.context()));
    co_await scope.join();
}

}   // namespace aviary::simulator
