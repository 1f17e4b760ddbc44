// Decides what the hub does about one object in one member: apply it, hold it, put it right, or take it away. Pure; the
// release guard is here (design section 8): no template goes where nothing would hold it back.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "hub/propagation/release_state.h"
#include "hub/propagation/render.h"
#include "kube/control/plan.h"

namespace aviary::propagation {

// How long a drift that was put right is remembered.
inline constexpr Duration kPutRightWithin = std::chrono::minutes(1);

// What is known when deciding about one object in one member.
struct Observed {
    std::string hub_id;
    std::int64_t epoch = 1;             // of the hub
    std::int64_t content_version = 0;   // content.h
    // The hub was found to be behind here before. Writes on the hub do not bring it on, such as the one that says so:
    // only a render that is the member's, or a higher epoch.
    bool was_behind = false;
    json::Doc source;   // the hub's object; absent: it, or its place here, is gone
    meta::GroupVersionResource resource;
    meta::ObjectKey key;
    Assignment assignment;
    bool placed = true;       // the binding names this cluster
    bool overwrite = false;   // conflictResolution: Overwrite
    bool preserve_on_deletion = false;
    json::Doc live;                // the member's object
    bool resource_served = true;   // the member serves this kind
    bool replicas_belong_to_member = false;
    std::vector<Time> put_right;   // when drift here was put right before, the latest last

    // For workloads that a Rollout on the hub selects; absent otherwise.
    json::Doc hub_rollout;
    bool rollout_placed = false;       // that Rollout's binding names this cluster
    bool rollout_taken_away = false;   // … not any more: a policy chose otherwise
    bool rollouts_served = true;       // the member serves rollouts.kruise.io as we read it
    std::string rollouts_versions;     // … in which other versions it does, if it does not
    json::Doc member_rollout;
    std::string hub_rollout_render;   // the render hash that the member's Rollout should carry
    std::string stable_elsewhere;     // of a workload without pods here: what the others come from; see below
    std::optional<Time> not_before;   // no admission held a new template back: none is tried again before
    // Finds a template by its hash among the revisions that the hub keeps.
    std::function<std::optional<json::Value>(std::string_view hash)> revision;

    // For Rollouts.
    json::Doc selected;      // the workload in the member that the member's Rollout points at
    std::string on_delete;   // what fleet.aviary.dev/on-delete says; empty: not said
};

// The words of FleetBinding rows and conditions; part of the API.
enum class State {
    kApplied,
    kApplying,
    kGuarded,
    kConflict,
    kNotServed,
    kBehindMembers,
    kHeld,
    kRemoving,
    kRemoved,
    kRefused
};
std::string_view to_string(State state);

struct Decision {
    control::Plan plan;
    State state = State::kApplied;
    // RolloutNotPlaced | RolloutMissing | RolloutDisabled | ControllerAbsent | ControllerTooOld | WebhookNotInForce |
    // ReleaseClosing | RevisionMissing | KindNotSupported | OtherHub | AlreadyExists | Differs | Drift |
    // ReleaseInProgress | RollingBack | RolloutLeaving | PinOutdated …
    std::string reason;
    std::string message;
    bool put_right = false;    // the plan puts drift right
    bool taken_back = false;   // … or takes back a template that nothing held
};

Decision decide(Observed const& seen, Time now);

}   // namespace aviary::propagation
