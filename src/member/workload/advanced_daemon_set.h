// DaemonSets of Kruise: held by their partition, and rolled by Kruise's controller, which gives every node that lacks a
// pod the newest template.
#pragma once

#include <memory>

#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

std::unique_ptr<Workload> observe_advanced_daemon_set(NativeSetInputs inputs, Time now);

}   // namespace aviary::workload
