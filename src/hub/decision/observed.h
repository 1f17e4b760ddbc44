// A step that was approved in a member itself: found in how the member's Rollout changed, and kept as a Decision that
// records it and carries nothing out. Pure.
#pragma once

#include <optional>
#include <string>

#include "apis/fleet/decision.h"
#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::decision {

// What the approver left in the member of it (evidence.h).
struct Word {
    std::string at, by, reason;
    bool operator==(Word const&) const = default;
};

// A pause that only a person ends, and that has ended.
struct LeftStep {
    apis::DecisionTarget target;   // the pause
    std::string now;               // what the member showed then: "step 1 in StepReady"
    std::string manager;           // who wrote that there, and when; empty: nobody can say
    std::string at;
    std::optional<Word> word;
    bool seen = true;   // being left; else there is the word alone
    bool operator==(LeftStep const&) const = default;
};

// Whether between two looks at a member's Rollout somebody approved the step it was paused at. Absent where anything
// else can have ended the pause: a duration, another plan or release, a jump, a rollback, the end of the Rollout; and
// where the hub itself wrote it.
std::optional<LeftStep> left_step(std::string const& cluster, json::Doc const& before, json::Doc const& after);
// Whether this Rollout shows that the pause is over in the release that it was in, and that nothing but an approval can
// have ended it. `plan`: its rolloutHash in the pause.
std::optional<LeftStep> left_since(apis::DecisionTarget const& pause, std::string_view plan, json::Doc const& rollout);

// Whether this Decision asked for it, and has ended the pause or still may; a record of what was seen in a member asks
// for nothing.
bool asks_for(apis::Decision const& decision, std::string const& rollout, apis::DecisionTarget const& target);

// Whether this Decision was about a later pause of the same step and revision: somebody saw the release wait there
// again, so who said a word about the pause before may not have ended it.
bool was_there_again(apis::Decision const& decision, std::string const& rollout, apis::DecisionTarget const& target);

// Whether a Decision is such a record. Only the hub may create one (admission.h).
bool is_record(apis::DecisionSpec const& spec);
// The record's name: of one pause always the same.
std::string record_name(std::string const& rollout, apis::DecisionTarget const& target);
json::Value record_of(meta::ObjectKey const& rollout, LeftStep const& left);
// `record`: the Decision, as it was made.
apis::DecisionStatus record_status(json::Doc const& record, Time now);

}   // namespace aviary::decision
