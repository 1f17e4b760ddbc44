// The resources that the simulator's controllers touch, and the references they put on what they make.
#pragma once

#include <string>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"
#include "kube/meta/pods.h"

namespace aviary::simulator {

inline meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
inline meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};
inline meta::GroupVersionResource const kNodes{"", "v1", "nodes"};
inline meta::GroupVersionResource const kServices{"", "v1", "services"};
inline meta::GroupVersionResource const kEndpointSlices{"discovery.k8s.io", "v1", "endpointslices"};

// ObjectReference for events.
json::Value reference_to(json::Doc const& object, std::string api_version, std::string kind);
// The owner reference of a controller.
json::Value controller_reference(json::Doc const& owner, std::string api_version, std::string kind);

// Pods as their controllers count them.
using meta::is_active;
using meta::is_finished;
using meta::is_ready;
Time ready_since(json::Doc const& pod);   // epoch when not ready

}   // namespace aviary::simulator
