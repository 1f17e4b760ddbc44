// The API server over HTTP: authenticates by client certificate (CN is the user, O its groups), finds the cluster by
// /clusters/<name>/, and turns bodies into documents and back. Lives on the server's loop.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/http/message.h"
#include "core/observe/gauges.h"
#include "kube/apiserver/server.h"

namespace aviary::apiserver {

// What /metrics of the root cluster has beside what the server counts, made for each request.
using GatherGauges = std::function<Task<std::vector<observe::Gauges>>(Context)>;

// The server must outlive the handler.
std::shared_ptr<http::Handler> http_handler(ApiServer& server, GatherGauges gauges = {});

}   // namespace aviary::apiserver
