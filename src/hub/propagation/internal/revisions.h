// The pod templates of a workload, kept on the hub as ControllerRevisions: what an undo goes back to. And the pins that
// end with a new one. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::propagation {

struct RevisionsSeen {
    json::Doc workload;              // the hub's
    std::vector<json::Doc> kept;     // the ControllerRevisions that it controls
    json::Doc binding;               // its FleetBinding; absent when there is none
    std::vector<json::Doc> frozen;   // workloads of members that the hub has frozen and no release has taken over
    // Templates that some member has or comes from; while not all members are known, nothing is forgotten.
    std::set<std::string, std::less<>> used;
    bool all_known = true;
};

control::Plan decide_revisions(RevisionsSeen const& seen);

}   // namespace aviary::propagation
