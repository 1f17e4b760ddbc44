// Decides what one Decision means in one member now. Pure.
#pragma once

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
    json::Doc rollout;           // the member's
    json::Doc workload;          // the member's; for undo and abort
    std::int64_t replicas = 0;   // of the workload there
    bool sent = false;           // this process has sent the approval before
    bool pinned = false;         // undo and abort: the binding pins the stable revision here
    bool superseded = false;     // the hub releases something else than what this was decided about
    std::string stable;          // undo and abort: the revision to go back to; empty: there is none
    bool paused = false;         // pause and resume: what the binding says of this cluster
};

struct Outcome {
    std::string outcome;   // Applied | Stale | Refused | Waiting | Unreachable | Expired; empty: not settled
    std::optional<std::int64_t> from, to;
    std::string message;
    control::Plan plan;         // writes to the member
    bool wants_pin = false;     // the hub is to pin `stable` in the binding
    bool wants_pause = false;   // the hub is to set `paused` as the action says
};

Outcome carry_out(Seen const& seen, Time now);

// How far a step goes: "50% (5 of 10 pods)".
std::string step_text(json::Doc const& rollout, std::int64_t step, std::int64_t replicas);

}   // namespace aviary::decision
