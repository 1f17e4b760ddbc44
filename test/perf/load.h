// The loads that are put on an API server. Each prints one line of `name=value` pairs.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "kube/client/kubeconfig.h"

namespace aviary::perf {

struct LoadOptions {
    client::ServerAccess access;
    int connections = 64;
    double seconds = 5;
    std::uint64_t objects = 0;   // create: how many; 0: as many as the time allows
    int server = 0;              // its pid, for its share of the processor; 0: none
    int watches = 1000;
    double rate = 100;   // writes a second while watches are open
};

// Reads ConfigMaps of 1 KB, one request after another on every connection.
Status load_get(LoadOptions const& options);
// Creates ConfigMaps of 1 KB.
Status load_create(LoadOptions const& options);
// Opens watches of one namespace and writes at a steady rate: how late each event comes to each watch, counted from
// when the write was due.
Status load_watch(LoadOptions const& options);

// Approves releases through Decisions on the hub and waits for the next pause in the members.
struct ReactionOptions {
    std::string kubeconfig;
    std::string clusters;   // separated by commas
    int approvals = 200;
};
Status reaction(ReactionOptions const& options);

// Releases Deployments of ten pods in one cluster at once, in three steps that nobody approves.
struct ReleasesOptions {
    client::ServerAccess access;
    int rollouts = 100;
    bool native = false;   // without Rollouts
};
Status releases(ReleasesOptions const& options);

// Members in this process, whose agents dial a hub. When all are linked and available, statuses change at a steady
// rate; then the hub is to be restarted, and what is counted goes on when all are linked again. Ends by SIGTERM.
struct AgentsOptions {
    std::string kubeconfig;   // the hub's API
    int agents = 1000;
    double rate = 500;     // statuses a second, in all
    double seconds = 20;   // before the restart, and after
};
Status agents(AgentsOptions const& options);

}   // namespace aviary::perf
