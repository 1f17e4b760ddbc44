// The place where agents of members dial in, while the hub leads; and where they find it: a ConfigMap of the hub's
// namespace. Lives on the hub's loop.
#pragma once

#include <memory>
#include <string>

#include "core/async/asio_executor.h"
#include "hub/link/links.h"
#include "kube/client/client.h"
#include "kube/webhook/authority.h"

namespace aviary::hub {

// Its data has `address` (HOST:PORT) and `ca.crt`: what `aviary join --agent` gives to a cluster.
inline constexpr char kAgentsMap[] = "aviary-hub-agents";

struct AgentsOptions {
    std::string ns;
    std::string address;        // HOST:PORT, as agents reach it; empty: the hub takes no agents
    std::string bind_address;   // where it listens
    std::uint16_t port = 0;     // 0: that of the address
};

class Agents {
public:
    // Errors say what of the address is wrong, or why the authority cannot be read.
    static Task<Result<std::unique_ptr<Agents>>> create(Context ctx, async::AsioExecutor& executor,
                                                        client::Client client, AgentsOptions options);

    link::Links& links() { return links_; }
    // Of a cluster whose agent dials.
    Result<std::shared_ptr<client::Transport>> connect(std::string const& cluster) const;
    // Beside the hub of a term, with its client, until that ends.
    Task<void> run(Context term, client::Client client);

private:
    Agents(async::AsioExecutor& executor, AgentsOptions options, std::string host, webhook::Authority authority);
    Task<Status> say_where(Context ctx, client::Client client) const;
    Task<void> keep_saying(Context term, client::Client client) const;   // until it is said
    Result<std::unique_ptr<net::Listener>> listen(Time now) const;

    async::AsioExecutor& executor_;
    AgentsOptions options_;
    std::string host_;
    webhook::Authority authority_;
    link::Links links_;
};

}   // namespace aviary::hub
