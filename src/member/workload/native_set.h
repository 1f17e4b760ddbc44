// What is looked at of a StatefulSet or a DaemonSet: it controls its pods itself, and keeps its versions as
// ControllerRevisions.
#pragma once

#include <vector>

#include "core/json/doc.h"
#include "kube/meta/gvk.h"

namespace aviary::workload {

inline meta::GroupVersionResource const kControllerRevisions{"apps", "v1", "controllerrevisions"};

struct NativeSetInputs {
    json::Doc set;
    std::vector<json::Doc> revisions;   // those it controls
    std::vector<json::Doc> pods;        // those it controls
};

}   // namespace aviary::workload
