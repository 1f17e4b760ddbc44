// A release that its clusters alone know, because something else than a hub has delivered it there.
#pragma once

#include <functional>
#include <vector>

#include "kube/client/transport.h"

#include "hub/proxy/explain.h"

namespace aviary::proxy {

// Pure. What is released, from what each cluster has; it is in those whose Rollout is there, or cannot be known. Says
// so in the views, and what each comes from.
Release release_among(std::vector<ClusterView>& views);

// Reads the workload that the view's Rollout points at, and its pods, from its cluster.
using Get = std::function<Task<Result<client::Response>>(client::Request)>;
Task<void> read_workload(Get get, ClusterView& view);

}   // namespace aviary::proxy
