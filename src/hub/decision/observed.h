// A step that was approved in a member itself: found in how the member's Rollout changed, and kept as a Decision that
// records it and carries nothing out. Pure.
#pragma once

#include <optional>
#include <string>

#include "apis/fleet/decision.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::decision {

// A pause that only a person ends, and that has ended.
struct LeftStep {
    apis::DecisionTarget target;   // the pause
    std::string now;               // what the member showed then: "step 1 in StepReady"
    std::string manager;           // who wrote that there, and when; empty: nobody can say
    std::string at;
    bool operator==(LeftStep const&) const = default;
};

// Whether between two looks at a member's Rollout somebody approved the step it was paused at. Absent where anything
// else can have ended the pause: a duration, another plan or release, a jump, a rollback, the end of the Rollout; and
// where the hub itself wrote it.
std::optional<LeftStep> left_step(std::string const& cluster, json::Doc const& before, json::Doc const& after);

// Whether this Decision asked for it; a record of what was seen in a member asks for nothing.
bool asks_for(apis::DecisionSpec const& spec, std::string const& rollout, apis::DecisionTarget const& target);

// Whether a Decision is such a record. Only the hub may create one (admission.h).
bool is_record(apis::DecisionSpec const& spec);
// The record's name: of one pause always the same.
std::string record_name(std::string const& rollout, apis::DecisionTarget const& target);
json::Value record_of(meta::ObjectKey const& rollout, LeftStep const& left);
apis::DecisionStatus record_status(apis::DecisionSpec const& spec, std::string now);

}   // namespace aviary::decision
