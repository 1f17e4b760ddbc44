// Decides one sync of one StatefulSet, as kube-controller-manager's statefulset controller does (apps/v1, Kubernetes
// 1.37: maxUnavailable is honoured).
#pragma once

#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "kube/simulator/internal/revisions.h"

namespace aviary::simulator {

struct StatefulSetView {
    meta::GroupVersionKind kind;
    json::Doc set;
    std::vector<json::Doc> pods;        // that it controls
    std::vector<json::Doc> revisions;   // that it controls
    Find find;
};

// Pure.
control::Plan decide_stateful_set(StatefulSetView const& view, Time now);
// Whether the pod has a name that the set gives.
bool is_member(json::Doc const& set, json::Doc const& pod);

}   // namespace aviary::simulator
