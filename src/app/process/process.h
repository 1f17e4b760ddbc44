// What `aviary hub` and `aviary member` do alike: a process that works on one real cluster, serves webhooks to its API
// server, says how it is, and leads or waits by a Lease.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/async/asio_executor.h"
#include "core/crypto/certificate.h"
#include "core/http/server.h"
#include "kube/client/client.h"
#include "kube/client/lease.h"
#include "kube/webhook/authority.h"
#include "kube/webhook/configuration.h"
#include "kube/webhook/reach.h"

namespace aviary::process {

struct Options {
    std::string name;                   // "aviary-member": of the Lease, the Service, the field manager
    std::string kubeconfig, context;    // empty: $KUBECONFIG, ~/.kube/config
    std::string ns = "aviary-system";   // of the Lease and the Secret with the webhooks' authority; made when missing
    std::string identity;               // of this replica in the Lease, for people; empty: the host's name
    std::string webhook_url;            // where the API server reaches this process; empty: the Service
    std::uint16_t webhook_port = 0;
    std::uint16_t health_port = 0;     // /healthz, /readyz and /metrics; plain HTTP
    std::string bind_address = "::";   // of both: every address of the machine
};

// The cluster, and who we are in it.
struct Cluster {
    client::Client client;
    std::string server;   // its address
    std::string user;     // whom it takes us for
    webhook::Authority authority;
    webhook::Address address;
};
// Connects, makes the namespace and the authority of the webhooks, and looks whether their address can be one.
Task<Result<Cluster>> connect(Context ctx, async::AsioExecutor& executor, Options const& options);

// Tries, by a Rollout of which nothing is kept, whether the API server reaches the webhooks.
std::unique_ptr<webhook::Reach> reach(Options const& options, Cluster const& cluster);

// A cluster's identity, by which it is known under whatever address: the uid of kube-system (id.k8s.io of
// ClusterProfiles).
Task<Result<std::string>> cluster_uid(Context ctx, client::Client client);

// Makes it where it is missing.
Task<Status> ensure_namespace(Context ctx, client::Client client, std::string name);

Result<std::unique_ptr<client::Lease>> lease(Options const& options, Cluster const& cluster);

// The server of the webhooks, with a certificate under the cluster's authority for them, and for the Service of the
// process's name. Clients may show a certificate under `client_authority`.
Result<std::unique_ptr<http::Server>> webhook_server(async::AsioExecutor& executor, Options const& options,
                                                     Cluster const& cluster, std::shared_ptr<http::Handler> handler,
                                                     Time now, std::string const& client_authority = {});

// How long starting may take, of all that is asked of the cluster before.
inline constexpr Duration kStartAtMost = std::chrono::minutes(2);

// `missing` says what keeps the process from being ready; empty: nothing. It must outlive the server.
Result<std::unique_ptr<http::Server>> health_server(Context const& ctx, async::AsioExecutor& executor,
                                                    Options const& options, std::function<std::string()> missing);

// Runs the body on a loop of its own; an Error is said on stderr. The exit code.
int run(std::function<Task<Status>(Context, async::AsioExecutor&)> body);

}   // namespace aviary::process
