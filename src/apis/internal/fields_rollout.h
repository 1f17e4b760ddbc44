// Fields that Rollouts and BatchReleases share. For .cc files alone.
#pragma once

#include "apis/internal/codecs.h"
#include "apis/rollouts/rollout.h"
#include "core/json/fields.h"

namespace aviary::json {

template <>
inline constexpr auto fields<apis::WorkloadRef> =
    object("The workload.", field("apiVersion", &apis::WorkloadRef::api_version, "", {.required = true}),
           field("kind", &apis::WorkloadRef::kind, "", {.required = true}),
           field("name", &apis::WorkloadRef::name, "", {.required = true}));
template <>
inline constexpr auto fields<apis::PatchPodTemplateMetadata> =
    object("", field("annotations", &apis::PatchPodTemplateMetadata::annotations, ""),
           field("labels", &apis::PatchPodTemplateMetadata::labels, ""));
template <>
inline constexpr auto fields<apis::RolloutCondition> =
    object("A condition with two times.", field("type", &apis::RolloutCondition::type, "", {.required = true}),
           field("status", &apis::RolloutCondition::status, "", {.required = true}),
           field("reason", &apis::RolloutCondition::reason, "", {.always = true}),
           field("message", &apis::RolloutCondition::message, "", {.always = true}),
           field("lastUpdateTime", &apis::RolloutCondition::last_update_time, ""),
           field("lastTransitionTime", &apis::RolloutCondition::last_transition_time, ""));

}   // namespace aviary::json
