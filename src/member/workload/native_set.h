// What is looked at of a set: a workload that controls its pods itself, and keeps its versions as ControllerRevisions.
#pragma once

#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"

namespace aviary::workload {

inline meta::GroupVersionResource const kControllerRevisions{"apps", "v1", "controllerrevisions"};

struct NativeSetInputs {
    json::Doc set;
    std::vector<json::Doc> revisions;   // those it controls
    std::vector<json::Doc> pods;        // those it controls; of a set of groups those that carry its name
    // As the cluster serves it; said of kinds that come in several versions.
    meta::GroupVersionResource resource{};
    std::vector<json::Doc> autoscalers{};   // those that scale it, also those that a release has switched off
    std::string autoscalers_unread{};       // why they cannot be read; empty: they can
};

// Workload::tidy, also of a set that is not there any more.
std::vector<control::Write> tidy_set(NativeSetInputs const& inputs);

}   // namespace aviary::workload
