// What arguments of kubectl-amc may be, for completion: asked from the hub that the command line names, within a
// moment.
#pragma once

#include <string>
#include <vector>

#include "app/command_line/command_line.h"

namespace aviary::amc {

command_line::Values values_from_hub(std::vector<std::string> words);

}   // namespace aviary::amc
