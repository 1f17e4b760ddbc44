// on-delete: Rollback, Hold and Release. Decides what a Rollout of the hub that is being deleted leaves behind: the
// stable version, or the one that each cluster has, pinned as an abort pins it, because nothing holds the new one back
// afterwards; or the new one. It is not gone before that is so, nor before its own binding has the word on record:
// whoever leads then takes it away in the members by that. Where a Rollout is disabled or un-placed it goes on holding
// back, and nothing is pinned (decide.h). Pure.
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
    bool answers = true;           // now
    bool known = true;             // what it has, or had when it answered last, was read
    json::Doc rollout, workload;   // the member's
    std::string reason;            // why the hub cannot do there what it wants; empty: it can
};

struct RollbackSeen {
    json::Doc rollout;    // the hub's
    json::Doc workload;   // … and the workload that it selects, with its binding; absent: the hub brings none anywhere
    json::Doc binding;
    json::Doc own_binding;                 // the Rollout's; absent: it is placed nowhere
    meta::GroupVersionResource resource;   // of the workload
    std::vector<RollbackCluster> clusters;
    std::function<bool(std::string_view hash)> kept;   // whether the hub keeps this template
    std::string hub_id;
    std::string let_go_failed;   // why the last try to take the finalizer off failed; empty: it has not
};

struct Rollback {
    control::Plan plan;    // writes to the hub
    std::string message;   // what is waited for; empty: nothing
    bool goes = false;     // it may go now
};

Rollback decide_rollback(RollbackSeen const& seen);

// Clusters in which nothing releases, and that would get the hub's version, all of it at once, were the Rollout gone;
// and those of which nobody can say. In the binding's order.
struct HeldBack {
    std::vector<std::string> waiting, unknown;
};
HeldBack held_back(RollbackSeen const& seen);

}   // namespace aviary::propagation
