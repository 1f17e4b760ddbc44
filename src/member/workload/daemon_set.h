// DaemonSets: held as OnDelete, and moved on by deleting pods of the old version, no more at a time than maxUnavailable
// allows. The native controller makes every pod that is missing from the template as it is.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "apis/rollouts/keys.h"
#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

inline meta::GroupVersionResource const kDaemonSets{"apps", "v1", "daemonsets"};

// Of spec.updateStrategy.type.
inline constexpr std::string_view kOnDelete = "OnDelete";

// What a release notes on a DaemonSet.
inline constexpr std::string_view kDaemonSetMarks[] = {
    apis::kInProgressingAnnotation, apis::kControlInfoAnnotation, apis::kDaemonSetRevisionAnnotation,
    apis::kDaemonSetControlAnnotation, apis::kDaemonSetStrategyAnnotation};
// The annotation daemonset-revision.
std::string daemon_set_revisions(std::string_view canary, std::string_view stable);

std::unique_ptr<Workload> observe_daemon_set(NativeSetInputs inputs, Time now);

}   // namespace aviary::workload
