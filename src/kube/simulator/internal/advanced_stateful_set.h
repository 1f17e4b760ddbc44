// Decides one sync of one StatefulSet of Kruise, as its statefulset controller does (apps.kruise.io/v1beta1,
// Kruise 1.8, with its feature gates as they are by default).
#pragma once

#include "kube/simulator/internal/stateful_set.h"

namespace aviary::simulator {

// Pure.
control::Plan decide_advanced_stateful_set(StatefulSetView const& view, Time now);

}   // namespace aviary::simulator
