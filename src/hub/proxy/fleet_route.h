// The hub's reads across members (what `kubectl amc` asks, one request instead of one per cluster), and members through
// the hub's API. Below kRoot (paths.h). Lives on the hub's loop.
//
//   GET
//   resources?group=&version=&resource=[&namespace=&name=&labelSelector=&fieldSelector=&clusters=a,b&output=table|json]
//   GET namespaces/<ns>/rollouts/<name>
//   any clusters/<name>/proxy/<path>
#pragma once

#include <memory>

#include "hub/propagation/propagator.h"
#include "kube/apiserver/server.h"
#include "kube/control/access_review.h"

namespace aviary::proxy {

// Requests may wait for members and reviews while a term of the hub ends: the route keeps what it reads from alive.
std::shared_ptr<apiserver::Route> make_fleet_route(std::shared_ptr<propagation::Propagator> propagator,
                                                   std::shared_ptr<control::AccessReviewer> reviewer);

}   // namespace aviary::proxy
