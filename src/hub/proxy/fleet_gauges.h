// The fleet as metrics, made anew for each scrape: where releases are, what they wait for in the words of explain, and
// how long members have not been seen. On the hub's loop.
#pragma once

#include <memory>
#include <vector>

#include "core/observe/gauges.h"
#include "hub/propagation/propagator.h"

namespace aviary::proxy {

// Series of one name; releases under way come before what is at rest. How many are left out is a series, too.
inline constexpr std::size_t kMostSeries = 20'000;

// A Rollout that is gone has no series. What pods wait for is asked of their clusters, of some at a time and for some
// seconds at most: else they are NotReady. Keeps what it reads from alive.
Task<std::vector<observe::Gauges>> fleet_gauges(Context ctx, std::shared_ptr<propagation::Propagator> propagator);

}   // namespace aviary::proxy
