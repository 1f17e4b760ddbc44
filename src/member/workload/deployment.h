// Deployments, in upstream's three styles. Partition: paused, and rolled by our own controller (roller.h). Canary: a
// second Deployment beside it has the new version. Blue-green: the new version comes in pods above spec.replicas.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "member/workload/workload.h"

namespace aviary::workload {

inline meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
inline meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};
inline meta::GroupVersionResource const kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};

// The ReplicaSet of a second Deployment that the first is taking over, whoever has it now.
struct Promoted {
    json::Doc replica_set;
    std::vector<json::Doc> pods;
};

struct DeploymentInputs {
    json::Doc deployment;
    std::vector<json::Doc> replica_sets;      // those it controls
    std::vector<json::Doc> pods;              // those these control
    std::vector<DeploymentInputs> canaries;   // the second Deployments that releases have made beside it
    Promoted promoted;                        // of one of these
    std::vector<json::Doc> autoscalers;       // those that scale it, also those that a release has switched off
    std::string autoscalers_unread;           // why they cannot be read; empty: they can
    bool may_be_old = false;                  // the Deployment, older than what it controls
};

struct Style {
    std::string name;    // one of apis::batch::k…Style; empty: as the marks of a release say
    json::Value patch;   // patchPodTemplateMetadata of canary style: {annotations, labels}
};
// As a Rollout or a BatchRelease asks for.
Style style_of_rollout(json::Doc const& rollout);
Style style_of_batch_release(json::Doc const& batch_release);

std::unique_ptr<Workload> observe_deployment(DeploymentInputs inputs, Style style, Time now);

// The ReplicaSet, by name, that the Deployment is taking over from the second one beside it; empty: none.
std::string promoted_set(json::Doc const& deployment);

// Workload::tidy, also of a Deployment that is not there any more.
std::vector<control::Write> tidy_deployment(DeploymentInputs const& inputs);

}   // namespace aviary::workload
