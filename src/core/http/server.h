// HTTP server: HTTP/2 where client and server agreed on it in their handshake, otherwise HTTP/1.1 with keep-alive and
// chunked streams. Limits by name. Beast's parser ends in the .cc.
#pragma once

#include <memory>

#include "core/async/scope.h"
#include "core/http/http2.h"
#include "core/http/message.h"
#include "core/net/stream.h"

namespace aviary::http {

// Those of one connection, and of all.
struct ServerLimits : Http2Limits {
    std::size_t max_connections = 25'000;
    Duration handshake_timeout = std::chrono::seconds(10);
};

class Server {
public:
    Server(std::unique_ptr<net::Listener> listener, std::shared_ptr<Handler> handler, ServerLimits limits = {});
    ~Server();
    std::uint16_t port() const;
    // Accepts and answers until the context stops; streams under way are cancelled then.
    Task<void> run(Context ctx);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::http
