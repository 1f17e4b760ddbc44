// `aviary hub`: the hub of a fleet on a kube-apiserver, as a process.
#pragma once

#include <string>

#include "app/process/process.h"

namespace aviary::hub {

struct ProcessOptions {
    process::Options cluster;           // the hub's API
    std::string audit_log;              // a path, "-", or empty: none
    std::string agent_address;          // HOST:PORT where agents of members reach the hub; empty: it takes none
    std::uint16_t agent_port = 0;       // where it listens for them; 0: that of the address
    std::string mode = "full";          // or "attach": places nothing, follows what others have brought to the members
    bool require_set_binding = false;   // namespaces place only in clusters of sets that are bound there
};

// Until SIGINT or SIGTERM; the exit code.
int run(ProcessOptions options);

}   // namespace aviary::hub
