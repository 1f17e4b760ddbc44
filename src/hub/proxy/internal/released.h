// A release as the hub's copies have it: nothing is asked of a member, but its pods where that is said. On the hub's
// loop.
#pragma once

#include <memory>
#include <string>

#include "hub/propagation/propagator.h"
#include "hub/proxy/explain.h"

namespace aviary::proxy {

// A Rollout and its workload, as the hub has them.
struct Released {
    meta::ObjectKey key, workload_key;
    json::Doc rollout, workload;
    placement::Sources::Kind const* kind = nullptr;   // the workload's; null where no policy names it
    meta::ObjectKey workload_binding;
    std::shared_ptr<apis::FleetBindingSpec const> rollout_spec, workload_spec;
    std::string workload_template;   // hash
    bool attached = false;           // something else has brought it to the members
};

// NotFound when neither the hub nor a member has such a Rollout.
Result<Released> released(propagation::Propagator const& propagator, meta::ObjectKey const& key);

// Why the release reaches no cluster; empty where it does.
std::string problem_of(propagation::Propagator const& propagator, Released const& released);

// How it stands in one cluster; the pods are left out.
ClusterView view_of(propagation::Propagator const& propagator, clusters::Member const& member,
                    Released const& released);
// The same of one that something else has brought there: the workload is left out, too.
ClusterView attached_view_of(clusters::Member const& member, meta::ObjectKey const& key);

// Reads the pods of the view's workload from its cluster. What does not answer has none, and why.
Task<Status> read_pods(Context ctx, clusters::Member& member, ClusterView& view);

// Since when no rollout controller leads there; absent: one does, or that is not known.
Task<std::optional<Time>> controller_silence(Context ctx, clusters::Member& member, std::string ns);
// … where a release is on.
Task<void> read_controller(Context ctx, clusters::Member& member, std::string ns, ClusterView& view);

}   // namespace aviary::proxy
