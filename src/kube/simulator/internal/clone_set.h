// Decides one sync of one CloneSet, as Kruise's cloneset controller does (apps.kruise.io/v1alpha1, Kruise 1.8, with its
// feature gates as they are by default).
#pragma once

#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "kube/simulator/internal/revisions.h"

namespace aviary::simulator {

struct CloneSetView {
    meta::GroupVersionKind kind;
    json::Doc set;
    std::vector<json::Doc> pods;        // that it controls
    std::vector<json::Doc> revisions;   // that it controls
    std::vector<json::Doc> claims;      // that it controls
    Find find;
};

// Pure.
control::Plan decide_clone_set(CloneSetView const& view, Time now);

}   // namespace aviary::simulator
