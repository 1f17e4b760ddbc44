// `aviary member`: the rollout controllers and webhooks of one real cluster, as a process.
#pragma once

#include <cstdint>
#include <string>

namespace aviary::member {

struct ProcessOptions {
    std::string kubeconfig, context;    // empty: $KUBECONFIG, ~/.kube/config
    std::string ns = "aviary-system";   // of the Lease and the Secret with the webhooks' authority; made when missing
    std::string identity;               // of this replica in the Lease, for people; empty: the host's name
    std::string webhook_url;            // where the API server reaches the webhooks; empty: the Service
    std::string webhook_service = "aviary-member";
    std::uint16_t webhook_port = 9443;
    std::uint16_t health_port = 8080;   // /healthz, /readyz and /metrics; plain HTTP
};

// Runs until SIGINT or SIGTERM; the exit code.
int run(ProcessOptions const& options);

}   // namespace aviary::member
