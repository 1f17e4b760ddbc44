// Decides one sync of one DaemonSet of Kruise, as its daemonset controller does (apps.kruise.io/v1alpha1, Kruise 1.8).
#pragma once

#include "kube/simulator/internal/daemon_set.h"

namespace aviary::simulator {

// Pure but for what `failed` notes.
control::Plan decide_advanced_daemon_set(DaemonSetView const& view, FailedPods& failed, Time now);

}   // namespace aviary::simulator
