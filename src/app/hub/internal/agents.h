// The place where agents of members dial in, while the hub leads; and where they find it: a ConfigMap of the hub's
// namespace. Lives on the hub's loop.
#pragma once

#include <memory>
#include <string>

#include "core/async/asio_executor.h"
#include "hub/link/links.h"
#include "kube/client/client.h"
#include "kube/webhook/certificate.h"

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
    struct Term;
    Agents(async::AsioExecutor& executor, AgentsOptions options, std::string host);
    Result<std::unique_ptr<webhook::Certificate>> certificate(client::Client client, webhook::Authority authority,
                                                              Time now) const;
    Task<Status> say_where(Context ctx, client::Client client, std::string bundle) const;
    // Until it is said.
    Task<void> keep_saying(Context ctx, client::Client client, std::string bundle) const;
    // One gate, until other authorities count.
    Task<void> open_gate(Context ctx, client::Client client, Term& term);

    async::AsioExecutor& executor_;
    AgentsOptions options_;
    std::string host_;
    link::Links links_;
};

}   // namespace aviary::hub
