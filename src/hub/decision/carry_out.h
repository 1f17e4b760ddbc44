// Decides what one Decision means in one member now. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "apis/fleet/decision.h"
#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::decision {

struct Seen {
    apis::DecisionSpec spec;
    apis::DecisionTarget target;
    bool reachable = true;
    json::Doc rollout;        // the member's; what is known of it when the member is away
    json::Doc workload;       // … and the workload that it points at
    bool sent = false;        // the approval, or the jump, was sent before
    bool doubted = false;     // the record says so: by this leader or by one before
    bool inherited = false;   // it is older than this leader's term: the leader before may have sent it
    bool current = true;      // what is known of the Rollout is kept up by a watch
    bool left = false;        // the cluster was seen to go on from that very pause, whatever it shows by now

    // What the hub has: the bindings of the workload (undo, abort) or the Rollout (pause, resume).
    bool bound = true;                                 // the binding names this cluster
    bool brought = false;                              // the Rollout there was brought by this hub
    std::function<bool(std::string_view hash)> kept;   // whether the hub keeps this template
    std::string hub_template;                          // hash of the hub's template
    bool superseded = false;   // the hub releases something else than what this was decided about
    std::string pinned;        // the revision that this cluster is pinned to, against the hub's template; empty: none
    bool paused = false;       // what the binding says
    bool paused_by_all = false;   // the hub's Rollout is paused by its own strategy.paused
    bool begun = false;   // the binding was once as this wants it; if it is not any more, that was another's word
    std::string later;    // a Decision on pause and resume, or one to jump, as this is, that came after it here
};

struct Outcome {
    std::string outcome;   // Applied | Stale | Refused | Waiting | Unreachable | Expired; empty: not settled
    std::optional<std::int64_t> from, to;
    std::string message;
    control::Plan plan;          // writes to the member
    std::string pin, rejected;   // the hub is to pin this revision in the binding, against this template
    std::optional<bool> pause;   // … or to set `paused`
};

// What was sent to a member that went away before it showed the effect is Unreachable, also when its time is over: it
// is not sent again then, and what became of it is found out when the member is back.
Outcome carry_out(Seen const& seen, Time now);

// Whether a member's Rollout is in a pause that can be approved now; and that pause, as an approval names it.
bool approvable(json::Doc const& rollout);
apis::DecisionTarget pause_of(std::string cluster, json::Doc const& rollout);
// The JSON Patch on the Rollout's status that approves. It tests everything that the approver saw, so that whatever has
// changed since refuses it.
json::Value approval_patch(json::Doc const& rollout, apis::DecisionTarget const& target);
// … and that jumps from the target's step, in whatever state that is; to a later one only while it is still in that.
json::Value jump_patch(json::Doc const& rollout, apis::DecisionTarget const& target, std::int64_t step);

// How many pods a workload is to have; of a DaemonSet its nodes say that.
std::int64_t replicas_of(json::Doc const& workload);
// How many pods have the new version at the end of a step; all, beyond the last.
std::int64_t pods_at(json::Doc const& rollout, std::int64_t step, std::int64_t replicas);
// How far a step goes: "50% (5 of 10 pods)"; "50%" where the workload is not known.
std::string step_text(json::Doc const& rollout, std::int64_t step, json::Doc const& workload);
// What a jump does: "moving to 50% (5 of 10 pods)"; back, no pod goes.
std::string move_text(json::Doc const& rollout, std::int64_t from, std::int64_t to, json::Doc const& workload);

}   // namespace aviary::decision
