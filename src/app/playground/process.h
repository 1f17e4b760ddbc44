// The playground as a process: in the foreground or detached, its pid and log files, and ending it.
#pragma once

#include <string>

#include "app/playground/playground.h"

namespace aviary::playground {

struct ProcessOptions {
    Options playground;
    bool detach = false;
    bool quiet = false;   // the API server alone prints less
};

// Runs until SIGINT or SIGTERM; detached, returns when everything is ready. The exit code.
int up(ProcessOptions options);
// Ends the playground that runs on the folder, detached or not; done when there is none.
int down(std::string const& data_dir);

}   // namespace aviary::playground
