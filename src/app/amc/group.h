// What is said of the other Rollouts of a group when one of them is taken back.
#pragma once

#include <string>

#include "app/amc/session.h"

namespace aviary::amc {

// Of an abort and of an undo; of any other verb nothing. Names those of the group that this could have taken back as
// well, and that stay, at their step, with a version that this one does not run any more.
Task<void> tell_of_group(Session session, std::string action, std::string rollout);

}   // namespace aviary::amc
