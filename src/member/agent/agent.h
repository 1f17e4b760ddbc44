// The agent of a member that the hub cannot reach: it dials the hub, and over that connection serves the API of its own
// cluster, with its own ServiceAccount's rights. Lives in the member, on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/net/stream.h"
#include "kube/client/client.h"
#include "kube/client/http_transport.h"
#include "member/agent/credentials.h"

namespace aviary::agent {

struct AgentOptions {
    std::string ns;            // of the two Secrets
    std::string cluster_uid;   // of kube-system
    std::string version;
};

class Agent {
public:
    // A connection to the hub whose handshake is done, with the certificate if it has one.
    using Dial = std::function<Task<Result<std::unique_ptr<net::Stream>>>(Context, Given, Own)>;
    // `api`: the cluster's API, as whoever the hub is to be there.
    Agent(client::Client member, client::Exchange api, Dial dial, AgentOptions options);
    ~Agent();

    // Joins, links, and links again, until the context stops.
    Task<void> run(Context ctx);
    // Why there is no link; empty while there is.
    std::string missing() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// By TCP and TLS.
Agent::Dial dial_by(async::AsioExecutor& executor);

}   // namespace aviary::agent
