// HTTP/1.1 client of one server: a pool of kept connections, TLS, streamed bodies. Lives on one loop.
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
    std::shared_ptr<net::TlsClient> tls;   // absent: plain
    std::size_t max_idle_connections = 64;
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
    ~Client();
    // With `stream`, a chunked body comes as Response::stream; otherwise bodies are whole. A request that met a
    // connection which the server had just closed is sent once more.
    Task<Result<Response>> send(Context ctx, Request request, bool stream = false);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}   // namespace aviary::http
