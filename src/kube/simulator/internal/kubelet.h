// Decides what the kubelet of a pod's node reports next: pulling, starting, ready, failing, gone.
#pragma once

#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// `node` is the pod's node; `since` is when this kubelet first saw the pod with its images, or its status.startTime
// after a restart.
// Pure.
control::Plan decide_pod(json::Doc const& pod, json::Doc const& node, Duration pod_start, Time since, Time now);

// Whether its containers are ready, once the plan of decide_pod is carried out.
bool serves(json::Doc const& pod, control::Plan const& plan);

// Its address, which is the same for one uid.
std::string pod_address(json::Doc const& pod);

// Which images the containers have: of a pod's spec, or of the statuses that say what runs.
std::string images_of(json::Doc const& containers);

// Pods that have ended are kept to be looked at, so many; the oldest go first (kube-controller-manager's
// --terminated-pod-gc-threshold, smaller). Pure.
inline constexpr std::size_t kMostFinished = 100;
control::Plan decide_collection(std::vector<json::Doc> pods);

}   // namespace aviary::simulator
