// The users of a simulation: what World asks of them.
#pragma once

#include <string>

#include "core/async/task.h"
#include "extras.h"
#include "kinds.h"
#include "kube/client/client.h"

namespace aviary::sim {

// In one cluster: empty when it runs this version, healthy; else what differs.
Task<std::string> differs_in(Context ctx, client::Client member, WorkloadKind const& kind, std::string image);
// … what a release has left behind on any object.
Task<std::string> leftovers_in(Context ctx, client::Client member, WorkloadKind const& kind);

// The version that a release there comes from; empty: there is none.
Task<std::string> stable_version_in(Context ctx, client::Client member, WorkloadKind const& kind);
// An autoscaler there of a workload of this kind; other bounds for it, and an Error where they are not taken.
Task<Status> autoscale_in(Context ctx, client::Client member, WorkloadKind const& kind, std::int64_t least,
                          std::int64_t most);
Task<Status> bound_in(Context ctx, client::Client member, std::int64_t least, std::int64_t most);
// Replicas for a workload that is to be scaled.
std::int64_t some_replicas(Random& random, WorkloadKind const& kind);

// Replicas for a workload that is to be scaled to nothing, or up from there. One alone would be replaced with nobody
// beside it.
std::int64_t nothing_or_some(Extras& extras, WorkloadKind const& kind, json::Doc const& workload);

class Users {
public:
    virtual ~Users() = default;

    // The workloads and their Rollouts, in their first version.
    virtual Task<Status> begin() = 0;
    // An autoscaler in each cluster, once the workload is there.
    virtual Task<Status> autoscale() = 0;
    // One thing that somebody does now.
    virtual Task<void> act() = 0;
    // Puts everything in order and releases a last version.
    virtual Task<void> tidy() = 0;
    // Approves whatever is paused. Called again and again after tidy().
    virtual Task<void> go_on() = 0;
    // Empty when every cluster runs the last version, healthy, and nothing is open; else what differs.
    virtual Task<std::string> differs() = 0;
    virtual Task<std::string> leftovers() = 0;
    // How many versions there have been: the newest is "v" and this.
    virtual int versions() const = 0;
};

}   // namespace aviary::sim
