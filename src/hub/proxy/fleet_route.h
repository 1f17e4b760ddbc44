// The hub's reads across members, served below /fleet/v1/ (what `kubectl amc` asks, one request instead of one per
// cluster), and members through the hub's API at /fleet/v1/clusters/<name>/proxy/. Lives on the hub's loop.
//
//   GET
//   /fleet/v1/resources?group=&version=&resource=[&namespace=&name=&labelSelector=&fieldSelector=&clusters=a,b&output=table|json]
//   GET /fleet/v1/namespaces/<ns>/rollouts/<name>
//   any /fleet/v1/clusters/<name>/proxy/<path>
#pragma once

#include <memory>

#include "hub/propagation/propagator.h"
#include "kube/apiserver/server.h"
#include "kube/control/access_review.h"

namespace aviary::proxy {

// The propagator must outlive the route.
std::shared_ptr<apiserver::Route> make_fleet_route(propagation::Propagator& propagator,
                                                   std::shared_ptr<control::AccessReviewer> reviewer);

}   // namespace aviary::proxy
