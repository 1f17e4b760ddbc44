// HTTP client of one server, TLS or plain, with streamed bodies. Where the handshake agreed on HTTP/2 (offer
// protocols()), all requests share a connection, and another one beyond what the server takes at once; otherwise there
// is a pool of kept HTTP/1.1 connections. Lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/async/asio_executor.h"
#include "core/http/message.h"
#include "core/net/stream.h"

namespace aviary::http {

struct ClientOptions {
    std::string host;
    std::uint16_t port = 443;
    std::shared_ptr<net::TlsClient> tls;     // absent: plain
    std::size_t max_idle_connections = 64;   // of HTTP/1.1
    std::size_t max_body_bytes = 512 << 20;
    Duration connect_timeout = std::chrono::seconds(10);
    Duration request_timeout = std::chrono::seconds(60);   // until the head of the answer, and for a whole body
};

class Client {
public:
    Client(async::AsioExecutor& executor, ClientOptions options);
    // Over connections made in another way.
    using Connect = std::function<Task<Result<std::unique_ptr<net::Stream>>>(Context)>;
    Client(Connect connect, ClientOptions options);
    // Streams that are under way go on.
    ~Client();
    Client(Client const&) = delete;
    Client& operator=(Client const&) = delete;
    // With `stream`, a body of unknown length comes as Response::stream; otherwise bodies are whole. A request that the
    // server surely did not process, or that met a kept HTTP/1.1 connection which it had just closed, is sent once
    // more.
    Task<Result<Response>> send(Context ctx, Request request, bool stream = false);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}   // namespace aviary::http
