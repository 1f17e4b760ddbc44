// on-delete: Rollback. Decides what a Rollout of the hub that is being deleted leaves behind: the stable version,
// pinned as an abort pins it, because nothing holds the new one back afterwards. It is not gone before that is so.
// Where a Rollout is disabled or un-placed it goes on holding back, and nothing is pinned (decide.h). Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::propagation {

// One cluster of the fleet that the workload is bound to.
struct RollbackCluster {
    std::string name;
    bool known = true;             // it answers, and what it has was read
    json::Doc rollout, workload;   // the member's
};

struct RollbackSeen {
    json::Doc rollout;    // the hub's
    json::Doc workload;   // … and the workload that it selects, with its binding; absent: the hub brings none anywhere
    json::Doc binding;
    meta::GroupVersionResource resource;   // of the workload
    std::vector<RollbackCluster> clusters;
    std::function<bool(std::string_view hash)> kept;   // whether the hub keeps this template
};

struct Rollback {
    control::Plan plan;    // writes to the hub
    std::string message;   // what is waited for; empty: nothing
};

Rollback decide_rollback(RollbackSeen const& seen);

}   // namespace aviary::propagation
