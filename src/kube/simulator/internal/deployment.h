// Decides one sync of one Deployment, as kube-controller-manager's deployment controller does (apps/v1,
// Kubernetes 1.32).
#pragma once

#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// `replica_sets` are those this Deployment controls. Pure.
control::Plan decide_deployment(json::Doc const& deployment, std::vector<json::Doc> const& replica_sets, Time now);

}   // namespace aviary::simulator
