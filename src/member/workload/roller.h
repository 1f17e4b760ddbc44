// The roller: moves the pods of a Deployment that a BatchRelease holds, as far as the release has come and not further,
// within the user's maxSurge and maxUnavailable, by writing ReplicaSets. Pods of versions in between are replaced by
// the stable one. It lives beside the native Deployment controller, which syncs paused Deployments too and takes a lone
// active ReplicaSet to spec.replicas. The roller makes the new one with a pod at least, so that the stable one is not
// alone; scaled to one pod, a version is alone for a moment when there are more again. Pure.
#pragma once

#include "kube/control/plan.h"
#include "member/workload/deployment.h"

namespace aviary::workload {

// Whether it moves pods of the Deployment at all. `holder` is the BatchRelease of the Deployment's name as listed; its
// uid must be the one that the Deployment names.
bool rolls(json::Doc const& deployment, json::Doc const& holder);

// `next` is what is about to be written of the Deployment, and nothing when that is not known: pods of the next step do
// not wait for it to be stored. What has yet to be taken over, or has a newer template, is decided by what is stored.
control::Plan decide_roll(DeploymentInputs const& inputs, json::Doc const& holder, json::Doc const& next = {});

}   // namespace aviary::workload
