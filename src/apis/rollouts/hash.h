// The hashes by which Kruise Rollouts notices that a plan has changed; computed as upstream does, so that a release can
// change controllers in the middle.
#pragma once

#include <string>

#include "apis/rollouts/batch_release.h"
#include "core/json/doc.h"

namespace aviary::apis {

// Annotation rollouts.kruise.io/hash of a Rollout: pauses and failureThreshold do not count.
std::string plan_hash(json::Doc const& rollout);
// status.observedReleasePlanHash of a BatchRelease.
std::string release_plan_hash(json::Doc const& batch_release);

}   // namespace aviary::apis
