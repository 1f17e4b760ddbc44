// A release that its clusters alone know, because something else than a hub has delivered it there. Pure.
#pragma once

#include <vector>

#include "hub/proxy/explain.h"

namespace aviary::proxy {

// What is released, from what each cluster has; it is in those whose Rollout is there, or cannot be known. Says so in
// the views, and what each comes from.
Release release_among(std::vector<ClusterView>& views);

}   // namespace aviary::proxy
