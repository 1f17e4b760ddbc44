// A Route served as an aggregated API behind a kube-apiserver, which says by the front proxy's certificate and headers
// who asks (Kubernetes, "Authenticating Proxy"). Lives on its server's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "kube/apiserver/server.h"

namespace aviary::apiserver {

// What the cluster's extension-apiserver-authentication says about its front proxy. The server that hosts the handler
// has to verify client certificates against its authority.
struct FrontProxy {
    std::vector<std::string> allowed_names;   // common names; empty: any
    std::vector<std::string> username_headers, group_headers, extra_header_prefixes;
};

struct AggregatedApi {
    std::string group, version;
    std::vector<std::string> resources;        // for discovery
    std::function<FrontProxy()> front_proxy;   // as it is by now
    // Who answers now; null: nobody does, and it says so, and why where that is known.
    std::function<std::shared_ptr<Route>()> route;
    std::function<std::string()> why_nobody;
};

// Requests below /apis/<group> are the API's, all others are for `others`.
std::shared_ptr<http::Handler> make_aggregated_handler(AggregatedApi api, std::shared_ptr<http::Handler> others);

}   // namespace aviary::apiserver
