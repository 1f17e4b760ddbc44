// Decides one sync of one ReplicaSet, as kube-controller-manager's replicaset controller does.
#pragma once

#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// `pods` are those this ReplicaSet controls. Pure.
control::Plan decide_replica_set(json::Doc const& replica_set, std::vector<json::Doc> const& pods, Time now);

}   // namespace aviary::simulator
