// What a blue-green release changes of a CloneSet, and how it is as it was (original.h).
#pragma once

#include <string_view>

#include "apis/rollouts/keys.h"
#include "member/workload/internal/original.h"

namespace aviary::workload {

inline constexpr std::string_view kReCreate = "ReCreate";   // of spec.updateStrategy.type

// What a release notes on a CloneSet.
inline constexpr std::string_view kCloneSetMarks[] = {apis::kInProgressingAnnotation, apis::kControlInfoAnnotation,
                                                      apis::kOriginalDeploymentStrategyAnnotation};

Original clone_set_settings(json::Doc const& clone_set);
void give_back(Original const& original, JsonPatch& patch);
void give_back(Original const& original, json::Value& clone_set);
// Takes over what a write wants to change of the settings that hold `held`; they stay in `clone_set`.
void keep(Original& original, json::Value& clone_set, json::Doc const& held);

}   // namespace aviary::workload
