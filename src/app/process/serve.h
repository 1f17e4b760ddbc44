// How `aviary hub` and `aviary member` run and end, after they have started.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/process/process.h"
#include "app/process/webhooks.h"
#include "core/http/server.h"
#include "core/observe/gauges.h"

namespace aviary::process {

// What /metrics has beside what the process counts, made for each request.
using GatherGauges = std::function<Task<std::vector<observe::Gauges>>(Context)>;

struct Work {
    // What keeps it from being ready, beside the webhooks; empty: nothing.
    std::function<std::string()> missing;
    std::vector<std::function<Task<void>(Context)>> always;   // each replica's
    // Waits for the Lease, leads, and gives it up when the context stops.
    std::function<Task<void>(Context)> lead;
    GatherGauges gauges = {};
};

// Until SIGINT or SIGTERM. Then it is not ready any more and gives the Lease up, answers for Options::shutdown_delay,
// until nobody sends it anything more, and ends when what it was asked has been answered.
Task<Status> serve(Context ctx, async::AsioExecutor& executor, Cluster const& cluster, Webhooks& webhooks, Work work);

// /healthz, /readyz and /metrics. `missing` says what keeps the process from being ready; empty: nothing. Both must
// outlive the server.
Result<std::unique_ptr<http::Server>> health_server(Context const& ctx, async::AsioExecutor& executor,
                                                    Options const& options, std::function<std::string()> missing,
                                                    GatherGauges gauges = {});

}   // namespace aviary::process
