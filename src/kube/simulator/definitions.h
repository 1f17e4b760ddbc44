// The definitions of LeaderWorkerSets and of Kruise's kinds of workloads, written by us: a simulated cluster that has
// them serves and runs these kinds. definitions/ has them as files for kubectl. Any thread.
#pragma once

#include <vector>

#include "core/json/value.h"

namespace aviary::simulator {

std::vector<json::Value> workload_definitions();

}   // namespace aviary::simulator
