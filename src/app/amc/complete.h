// What arguments of kubectl-amc may be, for completion: asked from the hub that the command line names, within a
// moment.
#pragma once

#include <string>
#include <vector>

#include "app/amc/session.h"
#include "app/command_line/command_line.h"

namespace aviary::amc {

// The hub's; else those that members have, which others have brought.
Task<std::vector<cli::Candidate>> rollout_names(Session session);
command_line::Values values_from_hub(std::vector<std::string> words);

}   // namespace aviary::amc
