// The resources that the simulator's controllers touch, and the references they put on what they make.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"
#include "kube/meta/pods.h"

namespace aviary::simulator {

inline meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
inline meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
inline meta::GroupVersionResource const kStatefulSets{"apps", "v1", "statefulsets"};
inline meta::GroupVersionResource const kDaemonSets{"apps", "v1", "daemonsets"};
inline meta::GroupVersionResource const kControllerRevisions{"apps", "v1", "controllerrevisions"};
inline meta::GroupVersionResource const kClaims{"", "v1", "persistentvolumeclaims"};
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};
inline meta::GroupVersionResource const kNodes{"", "v1", "nodes"};
inline meta::GroupVersionResource const kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};
inline meta::GroupVersionResource const kServices{"", "v1", "services"};
inline meta::GroupVersionResource const kEndpointSlices{"discovery.k8s.io", "v1", "endpointslices"};

inline meta::GroupVersionResource const kCloneSets{"apps.kruise.io", "v1alpha1", "clonesets"};
inline meta::GroupVersionResource const kAdvancedStatefulSets{"apps.kruise.io", "v1beta1", "statefulsets"};
inline meta::GroupVersionResource const kAdvancedDaemonSets{"apps.kruise.io", "v1alpha1", "daemonsets"};
inline meta::GroupVersionResource const kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

inline meta::GroupVersionKind const kDeployment{"apps", "v1", "Deployment"};
inline meta::GroupVersionKind const kReplicaSet{"apps", "v1", "ReplicaSet"};
inline meta::GroupVersionKind const kStatefulSet{"apps", "v1", "StatefulSet"};
inline meta::GroupVersionKind const kDaemonSet{"apps", "v1", "DaemonSet"};
inline meta::GroupVersionKind const kCloneSet{"apps.kruise.io", "v1alpha1", "CloneSet"};
inline meta::GroupVersionKind const kAdvancedStatefulSet{"apps.kruise.io", "v1beta1", "StatefulSet"};
inline meta::GroupVersionKind const kAdvancedDaemonSet{"apps.kruise.io", "v1alpha1", "DaemonSet"};
inline meta::GroupVersionKind const kLeaderWorkerSet{"leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet"};
inline meta::GroupVersionKind const kPod{"", "v1", "Pod"};
inline meta::GroupVersionKind const kService{"", "v1", "Service"};

// ObjectReference for events.
json::Value reference_to(json::Doc const& object, meta::GroupVersionKind const& kind);
// The owner reference of a controller.
json::Value controller_reference(json::Doc const& owner, meta::GroupVersionKind const& kind);

// Pods as their controllers count them.
using meta::is_active;
using meta::is_finished;
using meta::is_ready;
Time ready_since(json::Doc const& pod);   // epoch when not ready
// Ready, and for as long as its workload asks.
bool is_available(json::Doc const& pod, std::chrono::seconds min_ready, Time now);
// Looks again when the next ready pod becomes available.
void await_availability(control::Plan& plan, json::Doc const& pod, std::chrono::seconds min_ready, Time now);

// What says which pod goes first: controller.kubernetes.io/pod-deletion-cost, and restarts.
std::int64_t deletion_cost(json::Doc const& pod);
std::int64_t most_restarts(json::Doc const& pod);

// Names for new pods, one after the other. The real controllers draw them at random. Here they follow from the pods
// that are there, so that the same decision made twice (after a crash) asks for the same pods; none is that of one of
// them, for a pod that exists already counts as made.
class PodNames {
public:
    // Both outlive it.
    PodNames(json::Doc const& owner, std::vector<json::Doc> const& there);
    std::string next();

private:
    json::Doc const& owner_;
    std::vector<json::Doc> const& there_;
    std::uint64_t seed_ = 0;
    std::int64_t index_ = 0;
};
// A pod of this template, controlled by `owner`; its name is the caller's to set.
json::Value pod_from_template(json::Doc const& pod_template, json::Doc const& owner,
                              meta::GroupVersionKind const& kind);
control::Write creation(meta::GroupVersionResource const& resource, json::Value object, std::string why);
// Members that differ; with `drops`, those that have gone as well.
void write_status(control::Plan& plan, meta::GroupVersionResource const& resource, json::Doc const& object,
                  json::Value const& status, std::vector<std::string_view> const& drops = {});

}   // namespace aviary::simulator
