// Validation of Rollouts beyond their schema. Pure; used by the members' admission and by the hub's.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::apis {

// Which kinds of workloads a Rollout may name: those that are known, or custom ones too, whose objects say by their
// label that they are like StatefulSets (upstream's --filter-workload-type=false).
enum class WorkloadKinds { kKnown, kLabelled };

// Whether the kind may be one of these: its group is neither Kubernetes' own nor one whose kinds are known.
bool is_custom_kind(std::string_view api_version);
// What those objects have in kWorkloadTypeLabel, and whether this one does.
inline constexpr std::string_view kStatefulSetType = "statefulset";
bool is_like_stateful_set(json::Doc const& object);

// What is wrong, by JSON path ("spec.strategy.canary.steps[1].replicas"). The Rollout may
// be of either version, and so may `old`, which is absent for creations; `others` are the other Rollouts of the
// namespace, as they are stored. What this version does not support is refused, and said so.
std::vector<FieldCause> validate_rollout(json::Value const& rollout, json::Doc const& old,
                                         std::vector<json::Doc> const& others,
                                         WorkloadKinds kinds = WorkloadKinds::kKnown);

// Of a TrafficRouting; `old` as above.
std::vector<FieldCause> validate_traffic_routing(json::Value const& object, json::Doc const& old);

// The refusal that carries the causes, in the API server's words; ok when there are none.
Status refuse(std::vector<FieldCause> causes, std::string const& group, std::string const& kind,
              std::string const& name);

}   // namespace aviary::apis
