// Streams over TCP, plain or TLS. asio and OpenSSL end here. Each stream lives on the loop of the executor it was made
// with; one read and one write may be under way at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/async/asio_executor.h"
#include "core/async/context.h"
#include "core/async/task.h"

namespace aviary::net {

// Who is at the other end: the subject of its verified client certificate (empty without one), and its address.
struct Peer {
    std::string common_name;
    std::vector<std::string> organisations;
    std::string address;
};

class Stream {
public:
    virtual ~Stream() = default;
    // TLS: agrees on keys and checks certificates; before anything else, once.
    virtual Task<Status> handshake(Context ctx) = 0;
    // At least one byte; 0 at the end of the stream. After an error, a timeout or a cancellation the stream is dead.
    virtual Task<Result<std::size_t>> read_some(Context ctx, std::span<char> buffer) = 0;
    // All of it. The bytes must outlive the call.
    virtual Task<Status> write(Context ctx, std::string_view bytes) = 0;
    virtual void close() = 0;
    virtual Peer const& peer() const = 0;
    // What both ends agreed to speak, in the handshake (ALPN); empty: they did not talk about it.
    virtual std::string_view protocol() const { return {}; }
};

// Names of protocols as ALPN has them ("h2"), the best first.
using Protocols = std::vector<std::string>;

// Shared by all connections; built once.
class TlsServer {
public:
    // PEM. With a client authority, clients may show a certificate, which must then be under it. The first of
    // `protocols` that a client offers too is agreed; one that offers only others is turned away.
    static Result<std::shared_ptr<TlsServer>> create(std::string certificate, std::string key,
                                                     std::string client_authority = {}, Protocols protocols = {});
    // For connections from now on; those that are open go on as they are. After an Error the former are shown.
    virtual Status replace(std::string const& certificate, std::string const& key) = 0;
    // Likewise, of a server that was made with one.
    virtual Status replace_client_authority(std::string const& authority) = 0;
    virtual ~TlsServer() = default;
};

class TlsClient {
public:
    // PEM; an empty authority is the system's, an empty certificate none. `protocols` are offered to the server.
    static Result<std::shared_ptr<TlsClient>> create(std::string authority, std::string certificate = {},
                                                     std::string key = {}, bool insecure = false,
                                                     Protocols protocols = {});
    virtual ~TlsClient() = default;
};

class Listener {
public:
    // Port 0 takes a free one. An Error names the port when it is in use. "::" is every address of the machine, of
    // IPv4 too; where there is no IPv6 it is "0.0.0.0".
    static Result<std::unique_ptr<Listener>> listen(async::AsioExecutor& executor, std::string const& address,
                                                    std::uint16_t port, std::shared_ptr<TlsServer> tls = {});
    // On the loopback address.
    static Result<std::unique_ptr<Listener>> listen(async::AsioExecutor& executor, std::uint16_t port,
                                                    std::shared_ptr<TlsServer> tls = {});
    virtual ~Listener() = default;
    virtual std::uint16_t port() const = 0;
    // The next connection, before its handshake.
    virtual Task<Result<std::unique_ptr<Stream>>> accept(Context ctx) = 0;
    virtual void close() = 0;
};

// Resolves, connects and shakes hands.
Task<Result<std::unique_ptr<Stream>>> connect(Context ctx, async::AsioExecutor& executor, std::string host,
                                              std::uint16_t port, std::shared_ptr<TlsClient> tls = {});

}   // namespace aviary::net
