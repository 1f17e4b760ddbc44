// Decides one sync of one Deployment, as kube-controller-manager's deployment controller does (apps/v1,
// Kubernetes 1.32).
#pragma once

#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// `replica_sets` are those this Deployment controls, `pods` theirs where it recreates(). Pure.
control::Plan decide_deployment(json::Doc const& deployment, std::vector<json::Doc> const& replica_sets,
                                std::vector<json::Doc> const& pods, Time now);
// Whether it waits for old pods to be gone before it makes new ones.
bool recreates(json::Doc const& deployment);

}   // namespace aviary::simulator
