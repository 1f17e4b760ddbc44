// Deployments: held as `paused` with type Recreate and rolled by our own controller (roller.h), as upstream's "Advanced
// Deployment" is.
#pragma once

#include <memory>
#include <vector>

#include "member/workload/workload.h"

namespace aviary::workload {

inline meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
inline meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};

struct DeploymentInputs {
    json::Doc deployment;
    std::vector<json::Doc> replica_sets;   // those it controls
    std::vector<json::Doc> pods;           // those these control
};

std::unique_ptr<Workload> observe_deployment(DeploymentInputs inputs, Time now);

}   // namespace aviary::workload
