// HorizontalPodAutoscalers in a blue-green release: they are switched off by a name at the end of what they scale that
// nothing has, as upstream does it, so that one that was switched off by either controller is found by both.
#pragma once

#include <optional>
#include <string>

#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "member/workload/deployment.h"

namespace aviary::workload {

// Absent when it is so already.
std::optional<control::Write> switch_off(json::Doc const& autoscaler);
std::optional<control::Write> switch_on(json::Doc const& autoscaler);
// Waits for them to be read, which they cannot be.
control::Wait autoscalers_unread(std::string const& why);

}   // namespace aviary::workload
