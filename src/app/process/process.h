// What `aviary hub` and `aviary member` do alike: a process that works on one real cluster, serves webhooks to its API
// server, says how it is, and leads or waits by a Lease.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/async/asio_executor.h"
#include "core/json/value.h"
#include "kube/client/client.h"
#include "kube/client/in_cluster.h"
#include "kube/client/lease.h"
#include "kube/meta/gvk.h"
#include "kube/webhook/authority.h"
#include "kube/webhook/configuration.h"

namespace aviary::process {

inline constexpr char kNamespace[] = "aviary-system";

struct Options {
    std::string name;                  // "aviary-member": of the Lease, the Service, the field manager
    std::string kubeconfig, context;   // empty: $KUBECONFIG, the pod's service account, ~/.kube/config
    std::string service_account_folder = client::kServiceAccountFolder;
    // Of the Lease and the Secret with the webhooks' authority; made when missing. Empty: the pod's, or kNamespace.
    std::string ns;
    std::string identity;      // of this replica in the Lease, for people; empty: the host's name
    std::string pod;           // where it runs in one: its name
    std::string webhook_url;   // where the API server reaches this process; empty: the Service
    std::uint16_t webhook_port = 0;
    std::uint16_t health_port = 0;     // /healthz, /readyz and /metrics; plain HTTP
    std::string bind_address = "::";   // of both: every address of the machine
    // How long it goes on answering after it was told to end: until nobody sends it anything more.
    Duration shutdown_delay{0};
};

// Where the cluster is and who we are there; of the options, the namespace is left open no more.
Result<client::ServerAccess> find_access(Options& options);

// The cluster, and who we are in it.
struct Cluster {
    Options options;   // with nothing left open
    client::Client client;
    client::Client of_lease;   // over connections of its own: it waits for nothing else that is asked
    std::string server;        // its address
    std::string user;          // whom it takes us for
    webhook::Authority authority;
    webhook::Address address;
};
// Connects, makes the namespace and the authority of the webhooks, and looks whether their address can be one.
Task<Result<Cluster>> connect(Context ctx, async::AsioExecutor& executor, Options options);

// The first that serves SelfSubjectReview.
inline constexpr std::string_view kOldestKubernetes = "1.28";
// Whom the cluster takes us for. Unsupported, with its version, where it is older than that.
Task<Result<std::string>> own_name(Context ctx, client::Client client);

// Where the authority of the webhooks' certificates is kept.
meta::ObjectKey authority_secret(Options const& options);

// A cluster's identity, by which it is known under whatever address: the uid of kube-system (id.k8s.io of
// ClusterProfiles).
Task<Result<std::string>> cluster_uid(Context ctx, client::Client client);

// Makes it where it is missing, with these annotations.
Task<Status> ensure_namespace(Context ctx, client::Client client, std::string name, json::Object annotations = {});

Result<std::unique_ptr<client::Lease>> lease(Context const& ctx, Cluster const& cluster);
// Of the lease's writes: so that an API server that is slow for two seconds stops none of them.
inline constexpr Duration kFenceMargin = std::chrono::seconds(1);

// How long starting may take, of all that is asked of the cluster before.
inline constexpr Duration kStartAtMost = std::chrono::minutes(2);

// Runs the body on a loop of its own; an Error is said on stderr. The exit code.
int run(std::function<Task<Status>(Context, async::AsioExecutor&)> body);
template <class Options>
int run(Task<Status> (*body)(Context, async::AsioExecutor&, Options), Options options) {
    return run([body, options = std::move(options)](Context ctx, async::AsioExecutor& executor) {
        return body(std::move(ctx), executor, options);
    });
}

}   // namespace aviary::process
