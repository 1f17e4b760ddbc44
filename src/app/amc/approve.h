// approve without a hub, in the clusters of kubeconfig contexts (--contexts, --direct): the hub's own patch, sent to
// each.
#pragma once

#include <string>
#include <string_view>

#include "app/amc/session.h"

namespace aviary::amc {

// What `history` is for problem_without_hub.
inline constexpr std::string_view kHistory = "History";
// What is wrong with these flags where there is no hub, and what to do instead; empty: nothing. `action` empty: a
// command that only looks; `name`: the Rollout, if it is about one.
std::string problem_without_hub(std::string_view action, Flags const& flags, std::string const& name);
// Sends the approvals; the exit code.
Task<int> approve_without_hub(Session session, std::string rollout);

}   // namespace aviary::amc
