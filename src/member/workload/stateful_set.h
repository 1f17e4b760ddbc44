// StatefulSets, native ones and Kruise's, and other kinds that have their fields: held by their partition. Their own
// controller rolls them, the highest ordinals first unless they say otherwise, as many at a time as maxUnavailable
// says.
#pragma once

#include <memory>

#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

inline meta::GroupVersionResource const kStatefulSets{"apps", "v1", "statefulsets"};

std::unique_ptr<Workload> observe_stateful_set(NativeSetInputs inputs, Time now);

}   // namespace aviary::workload
