// `aviary agent`: runs in a member that its hub cannot reach, and dials the hub.
#pragma once

#include <string>

#include "app/process/process.h"

namespace aviary::agent {

struct ProcessOptions {
    process::Options cluster;   // the member; of its ports the one of health alone
    std::string version;
};

// Until SIGINT or SIGTERM; the exit code.
int run(ProcessOptions options);

}   // namespace aviary::agent
