// `aviary uninstall`: takes `aviary member` out of a cluster, also in the middle of releases, so that no workload is
// left in a state where somebody's next write takes its pods away.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/process/process.h"
#include "kube/client/client.h"
#include "member/workload/workload.h"

namespace aviary::member {

struct UninstallOptions {
    process::Options cluster{.name = "aviary-member"};   // as one who may delete roles there
    // What becomes of releases that are going on; absent: it refuses while there is one.
    std::optional<workload::Leaving> releases;
    bool keep_rollouts = false;     // another controller goes on with them: they and their workloads stay as they are
    bool delete_rollouts = false;   // they, and BatchReleases, are deleted
    bool definitions = false;       // their CustomResourceDefinitions are deleted, when nothing of them is left
    bool dry_run = false;
};

// Safe to repeat, and to break off: what is away is not missed. `say` gets a line for each thing that is done.
Task<Status> uninstall(Context ctx, client::Client client, UninstallOptions options,
                       std::function<void(std::string const&)> say);

// The exit code; says on stdout what it does.
int uninstall(UninstallOptions options);

}   // namespace aviary::member
