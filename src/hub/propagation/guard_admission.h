// "Deleting is not releasing": admission on the hub (design section 8). Refuses to delete or disable a Rollout, or to
// turn its policy away from a member, also by a set of clusters or its binding, while it holds a new version back
// there. Puts the finalizer on one that is to leave something behind (on-delete: Rollback, Hold), so that it is there
// before anything can be deleted.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "hub/propagation/rollback.h"
#include "kube/control/admission.h"

namespace aviary::propagation {

// What the guard has to know of the fleet.
struct GuardView {
    std::function<std::vector<std::string>(json::Doc const& rollout)> releasing_in;   // clusters, sorted
    // Besides these: where nothing releases, and its deletion would let the hub's version through.
    std::function<HeldBack(json::Doc const& rollout)> held_back;
    std::function<bool(json::Doc const& rollout)> may_go;   // one that is being deleted: nothing is left to be done
    // Those that policy `before` places, and those that it would take over as `after`; of a ManagedClusterSet or its
    // binding all that it may concern.
    std::function<std::vector<json::Doc>(json::Doc const& before, json::Doc const& after)> rollouts_of;
    // The clusters that a Rollout has once `before`, absent for a new policy, is replaced by `after`, absent for what
    // is deleted; sorted.
    std::function<std::vector<std::string>(json::Doc const& rollout, json::Doc const& before, json::Doc const& after)>
        clusters_after;
};

// What the view refers to must outlive the admission.
std::shared_ptr<control::Admission> make_guard_admission(GuardView view);

}   // namespace aviary::propagation
