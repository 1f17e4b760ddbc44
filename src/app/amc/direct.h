// approve --direct: without the hub. What can be decided without asking anybody is pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/amc/rows.h"
#include "app/amc/session.h"
#include "core/json/doc.h"

namespace aviary::amc {

// What is wrong with --direct for this action on a Rollout with these flags, and what to do instead; empty: nothing.
std::string direct_problem(std::string_view action, Flags const& flags, std::string const& rollout);
// The row of a member's Rollout: a target, or why not. `step` 0: at any.
Row look_directly(std::string const& cluster, json::Doc const& rollout, std::int64_t step);
// Sends the approval; the exit code.
Task<int> approve_directly(Session session, std::string rollout);

}   // namespace aviary::amc
