// Validation of Rollouts beyond their schema. Pure; used by the members' admission and by the hub's.
#pragma once

#include <vector>

#include "core/base/error.h"
#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::apis {

// What is wrong, by JSON path ("spec.strategy.canary.steps[1].replicas"). The Rollout may
// be of either version, and so may `old`, which is absent for creations; `others` are the other Rollouts of the
// namespace, as they are stored. What this version does not support is refused, and said so.
std::vector<FieldCause> validate_rollout(json::Value const& rollout, json::Doc const& old,
                                         std::vector<json::Doc> const& others);

// Of a TrafficRouting; `old` as above.
std::vector<FieldCause> validate_traffic_routing(json::Value const& object, json::Doc const& old);

// The refusal that carries the causes, in the API server's words; ok when there are none.
Status refuse(std::vector<FieldCause> causes, std::string const& group, std::string const& kind,
              std::string const& name);

}   // namespace aviary::apis
