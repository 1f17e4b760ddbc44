// StatefulSets: held by their partition. The native controller rolls them, the highest ordinals first, as many at a
// time as maxUnavailable says.
#pragma once

#include <memory>
#include <vector>

#include "member/workload/workload.h"

namespace aviary::workload {

inline meta::GroupVersionResource const kStatefulSets{"apps", "v1", "statefulsets"};
inline meta::GroupVersionResource const kControllerRevisions{"apps", "v1", "controllerrevisions"};

struct StatefulSetInputs {
    json::Doc set;
    std::vector<json::Doc> revisions;   // those it controls
    std::vector<json::Doc> pods;        // those it controls
};
std::unique_ptr<Workload> observe_stateful_set(StatefulSetInputs inputs, Time now);

}   // namespace aviary::workload
