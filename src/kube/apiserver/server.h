// The embedded API server: many logical clusters over one storage engine. kubectl, client-go and controller-runtime
// cannot tell it from kube-apiserver for what a hub and a simulated member need. Lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/async/context.h"
#include "core/async/scope.h"
#include "core/async/task.h"
#include "core/http/message.h"
#include "kube/client/transport.h"
#include "kube/control/admission.h"
#include "kube/control/authorizer.h"

namespace aviary::storage {
class Engine;
}

namespace aviary::apiserver {

// What definitions of kinds are compiled in. Of one loop.
class Catalog;
// One for servers that follow each other in a process with much the same definitions, as where servers are started
// anew all the time: it keeps so many lists of them although no cluster serves them any more.
std::shared_ptr<Catalog> make_catalog(std::size_t kept);

struct Options {
    // The logical cluster served at the root path; others at /clusters/<name>/.
    std::string root_cluster = "fleet";
    std::size_t max_body_bytes = 3 << 20;   // as kube-apiserver limits request bodies
    std::size_t max_depth = 100;            // of request bodies
    std::size_t max_watches = 20'000;
    std::size_t max_log_events = 10'000;   // per cluster; older resource versions answer 410 Gone
    Duration bookmark_interval = std::chrono::seconds(60);
    Duration event_ttl = std::chrono::hours(1);   // Events go this long after their last change
    std::string version = "v1.32.0";              // reported at /version
    std::shared_ptr<Catalog> catalog;             // none: the server's own, which keeps nothing
};

// Answers requests below a path prefix that are not resources (the hub's proxy and fan-out). Already authenticated and,
// by non-resource URL or as `resource/subresource`, authorised by the route itself.
class Route {
public:
    virtual ~Route() = default;
    virtual Task<client::Response> handle(Context ctx, control::UserInfo user, client::Request request) = 0;
};

class ApiServer {
public:
    // Opens every cluster found in the engine, and creates the root cluster when there is none.
    static Task<Result<std::unique_ptr<ApiServer>>> open(Context ctx, std::shared_ptr<storage::Engine> engine,
                                                         Options options);
    ~ApiServer();

    // Creates the logical cluster when absent, with the system namespaces and default roles. Safe to repeat.
    Task<Status> ensure_cluster(Context ctx, std::string cluster);
    std::vector<std::string> clusters() const;

    // One request of an authenticated user to one cluster: authorises, admits, carries out.
    Task<client::Response> handle(Context ctx, std::string cluster, control::UserInfo user, client::Request request);
    // The same as a Transport for clients in this process.
    std::shared_ptr<client::Transport> transport(std::string cluster, control::UserInfo user);

    // Of a cluster that exists. For admission that asks for verbs of its own.
    control::Authorizer const& authorizer(std::string const& cluster) const;
    Options const& options() const;

    // In-process admission of one cluster, in the order added, after the built-in plugins. Before serving.
    void add_admission(std::string cluster, std::shared_ptr<control::Admission> admission);
    // Who answers in this process for a Service that the conversion webhooks of definitions name: with
    // ConversionReviews.
    void add_service(std::string cluster, meta::ObjectKey service, std::shared_ptr<http::Handler> handler);
    // Requests of `cluster` whose path starts with `prefix` go to the route.
    void add_route(std::string cluster, std::string prefix, std::shared_ptr<Route> route);

    // Garbage collection and namespace deletion of all clusters; runs until the context stops.
    Task<void> run_controllers(Context ctx);

    // Requests answered so far, in a stable order: thrift is counted here, not guessed. The user is who asked, not who
    // was impersonated; the agent is the User-Agent header; the resource of others is a name of their path.
    struct RequestCount {
        std::string cluster, user, agent, verb, resource, subresource;
        int code = 0;
        std::uint64_t count = 0;
    };
    std::vector<RequestCount> request_counts() const;
    std::size_t open_watches() const;
    // Where the context of open() counts: for /metrics.
    observe::Metrics const& metrics() const;

private:
    struct Impl;
    explicit ApiServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::apiserver
