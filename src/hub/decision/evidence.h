// What approve --direct leaves in a member's Rollout of itself, for a hub that did not see the step being left. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "hub/decision/observed.h"

namespace aviary::decision {

// Written before the approval is sent: it says what was to be approved, not that it was.
struct DirectApproval {
    apis::DecisionTarget target;   // the pause; no cluster
    std::string plan;              // the rolloutHash then
    std::string at, by, reason;
    bool operator==(DirectApproval const&) const = default;
};

// The approval of the pause that this Rollout is in, as it is kept: in measure.
DirectApproval direct_approval(json::Doc const& rollout, std::string at, std::string by, std::string reason);
// What the annotation says, the oldest first; whatever is malformed or too long is left out.
std::vector<DirectApproval> direct_approvals(json::Doc const& rollout);
// The annotation with this one more, or without it.
std::string with_approval(json::Doc const& rollout, DirectApproval const& approval);
std::string without_approval(json::Doc const& rollout, DirectApproval const& approval);

// The pauses that were to be approved and that are over, by nothing but an approval as far as the Rollout can show it.
std::vector<LeftStep> steps_left_by_word(std::string const& cluster, json::Doc const& rollout);
// What the member says of the approval of this pause, put into the step.
void add_word(LeftStep& left, json::Doc const& rollout);
// Whether such a word is still to be recorded: not from the future, and not as old as Decisions are kept.
bool word_counts(std::string_view at, Time now);

}   // namespace aviary::decision
