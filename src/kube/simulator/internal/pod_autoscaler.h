// The HorizontalPodAutoscaler controller as it is in a cluster without a metrics server: it keeps its target between
// minReplicas and maxReplicas, and says that it knows no load. Pure.
#pragma once

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// How often it looks (--horizontal-pod-autoscaler-sync-period).
inline constexpr Duration kAutoscalerPeriod = std::chrono::seconds(15);

// `scale` is the target's, absent where there is none of that name, or its kind has none; `resource` is what it is
// served as.
control::Plan decide_pod_autoscaler(json::Doc const& autoscaler, json::Doc const& scale,
                                    meta::GroupVersionResource const& resource, Time now);

}   // namespace aviary::simulator
