// The demo: tools/demo, which is part of the program with the manifests that it applies.
#pragma once

#include <string>

namespace aviary::playground {

// Plays it with the programs beside this one and kubectl. The exit code; the fleet runs on afterwards.
int demo(std::string const& data_dir);

}   // namespace aviary::playground
