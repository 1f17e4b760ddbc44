// HTTP/1.1 server: keep-alive, chunked streams, limits by name. Beast's parser ends in the .cc.
#pragma once

#include <memory>

#include "core/async/scope.h"
#include "core/http/message.h"
#include "core/net/stream.h"

namespace aviary::http {

struct ServerLimits {
    std::size_t max_header_bytes = 64 << 10;
    std::size_t max_body_bytes = 4 << 20;
    std::size_t max_connections = 25'000;
    Duration handshake_timeout = std::chrono::seconds(10);
    Duration header_timeout = std::chrono::seconds(30);   // from a request's first byte to its last
    Duration idle_timeout = std::chrono::minutes(5);      // between requests
    Duration write_timeout = std::chrono::seconds(30);    // a client that does not read is dropped
    // One that is refused while it still sends hears why only if it is heard out: so long and so far at most.
    Duration linger_timeout = std::chrono::seconds(5);
    std::size_t max_linger_bytes = 64 << 20;
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
