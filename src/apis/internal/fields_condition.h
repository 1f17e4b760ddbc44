// The fields of metav1.Condition. For .cc files alone.
#pragma once

#include "apis/cluster/managed_cluster.h"
#include "core/json/fields.h"

namespace aviary::json {

template <>
inline constexpr auto fields<apis::StatusCondition> =
    object("metav1.Condition.", field("type", &apis::StatusCondition::type, "", {.required = true}),
           field("status", &apis::StatusCondition::status, "", {.required = true}),
           field("observedGeneration", &apis::StatusCondition::observed_generation, ""),
           field("lastTransitionTime", &apis::StatusCondition::last_transition_time, ""),
           field("reason", &apis::StatusCondition::reason, ""), field("message", &apis::StatusCondition::message, ""));

}   // namespace aviary::json
