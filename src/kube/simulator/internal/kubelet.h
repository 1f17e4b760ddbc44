// Decides what the kubelet of a pod's node reports next: pulling, starting, ready, failing, gone.
#pragma once

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// `node` is the pod's node; `since` is when this kubelet first saw the pod, or its status.startTime after a restart.
// Pure.
control::Plan decide_pod(json::Doc const& pod, json::Doc const& node, Duration pod_start, Time since, Time now);

}   // namespace aviary::simulator
