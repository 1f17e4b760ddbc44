// The users of a simulation: what World asks of them, and the kinds of workload that they release.
#pragma once

#include <string>
#include <vector>

#include "core/async/task.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::sim {

inline constexpr char kNamespace[] = "demo";
inline constexpr char kName[] = "web";
inline constexpr std::int64_t kReplicas = 10;

// A kind of workload, as its owner writes it.
struct WorkloadKind {
    meta::GroupVersionKind kind;
    meta::GroupVersionResource resource;
    meta::GroupVersionResource revisions;   // what its controller keeps of each version
    char const* spec;                       // beside selector and template
    std::vector<char const*> strategies;    // those of a Rollout of it, without steps
    bool scales = true;
};
std::vector<WorkloadKind> const& workload_kinds();
WorkloadKind const& workload_kind(std::string_view kind);

// Its first version, and a Rollout of it in this strategy: three steps, of which each waits.
json::Value make_workload(WorkloadKind const& kind, std::string const& image);
json::Value make_rollout(WorkloadKind const& kind, char const* strategy);
// The merge patch that gives it another version.
json::Value with_image(std::string const& image);
std::string image_of(json::Doc const& workload);

// In one cluster: empty when it runs this version, healthy; else what differs.
Task<std::string> differs_in(Context ctx, client::Client member, WorkloadKind const& kind, std::string image,
                             std::int64_t replicas);
// … what a release has left behind on any object.
Task<std::string> leftovers_in(Context ctx, client::Client member, WorkloadKind const& kind);

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
