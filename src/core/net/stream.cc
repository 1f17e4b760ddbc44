#include "core/net/stream.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/ssl/context.hpp>

#include <array>
#include <cerrno>
#include <optional>

#include "core/async/event.h"
#include "core/async/wait.h"
#include "core/net/internal/tls_engine.h"

namespace aviary::net {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

std::unexpected<Error> bad_credentials(std::string_view what, error_code const& problem) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: {}", what, problem.message()));
}

Status use_credentials(ssl::context& context, std::string const& certificate, std::string const& key) {
    error_code problem;
    context.use_certificate_chain(asio::buffer(certificate), problem);
    if (problem) return bad_credentials("server certificate", problem);
    context.use_private_key(asio::buffer(key), ssl::context::pem, problem);
    if (problem) return bad_credentials("server key", problem);
    return {};
}

struct ServerTls final : TlsServer {
    ServerTls() : context(ssl::context::tls_server) {}
    Status replace(std::string const& certificate, std::string const& key) override {
        // Tried on another first: half of a pair would refuse everybody.
        ssl::context trial(ssl::context::tls_server);
        TRY(use_credentials(trial, certificate, key));
        return use_credentials(context, certificate, key);
    }
    Status replace_client_authority(std::string const& authority) override {
        ssl::context other(ssl::context::tls_server);
        error_code problem;
        other.add_certificate_authority(asio::buffer(authority), problem);
        if (problem) return bad_credentials("client authority", problem);
        SSL_CTX_set1_cert_store(context.native_handle(), SSL_CTX_get_cert_store(other.native_handle()));
        name_sessions();
        return {};
    }
    // A session of before is not taken up again: with it a client would be who an earlier authority said.
    void name_sessions() {
        std::string const name = fmt::format("aviary-{}", authorities++);
        SSL_CTX_set_session_id_context(context.native_handle(), reinterpret_cast<unsigned char const*>(name.data()),
                                       static_cast<unsigned int>(name.size()));
    }
    ssl::context context;
    std::string protocols;           // as they go over the wire
    std::uint64_t authorities = 0;   // how many there have been

    static int choose(SSL*, unsigned char const** chosen, unsigned char* length, unsigned char const* offered,
                      unsigned int count, void* self) {
        auto const& ours = static_cast<ServerTls*>(self)->protocols;
        unsigned char* found = nullptr;
        int const outcome = SSL_select_next_proto(&found, length, reinterpret_cast<unsigned char const*>(ours.data()),
                                                  static_cast<unsigned int>(ours.size()), offered, count);
        *chosen = found;
        return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    }
};

struct ClientTls final : TlsClient {
    ClientTls() : context(ssl::context::tls_client) {}
    ssl::context context;
    bool insecure = false;
};

// A list of names, each behind its length.
Result<std::string> on_the_wire(Protocols const& protocols) {
    std::string out;
    for (std::string const& name : protocols) {
        if (name.empty() || name.size() > 255)
            return fail(ErrorCode::kInvalid, fmt::format("\"{}\" is no name of a protocol", name));
        out += static_cast<char>(name.size());
        out += name;
    }
    return out;
}

Error net_error(error_code const& problem) { return Error(ErrorCode::kUnavailable, problem.message()); }

// What an asio operation left; outlives a wait that was given up.
struct Outcome {
    error_code problem;
    std::size_t bytes = 0;
    bool done = false;
    async::Waiter* waiter = nullptr;

    void finish(error_code const& error, std::size_t count) {
        problem = error;
        bytes = count;
        done = true;
        if (waiter != nullptr) waiter->wake();
    }
};

// Waits for an operation that was started with a handler for `outcome`. When the context ends first, `abandon` makes
// the operation end, and its end is waited for: its buffers belong to the caller.
template <class Abandon>
Task<Result<std::size_t>> finish(Context ctx, std::shared_ptr<Outcome> outcome, Abandon abandon) {
    if (!outcome->done) {
        Status waited;
        {
            async::Waiter waiter(ctx);
            outcome->waiter = &waiter;
            waited = co_await waiter;
            outcome->waiter = nullptr;
        }
        if (!waited && !outcome->done) {
            abandon();
            while (!outcome->done) {
                async::Waiter last{Context(ctx.executor())};
                outcome->waiter = &last;
                (void)co_await last;
                outcome->waiter = nullptr;
            }
            co_return std::unexpected(waited.error());
        }
    }
    if (outcome->problem) co_return std::unexpected(net_error(outcome->problem));
    co_return outcome->bytes;
}

Peer subject_of(X509* certificate) {
    Peer peer;
    if (certificate == nullptr) return peer;
    X509_NAME* const name = X509_get_subject_name(certificate);
    for (int index = 0; index < X509_NAME_entry_count(name); ++index) {
        X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, index);
        int const kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        unsigned char* text = nullptr;
        int const length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        if (length < 0) continue;
        std::string value(reinterpret_cast<char*>(text), static_cast<std::size_t>(length));
        OPENSSL_free(text);
        if (kind == NID_commonName) peer.common_name = std::move(value);
        if (kind == NID_organizationName) peer.organisations.push_back(std::move(value));
    }
    return peer;
}

// Plain or TLS by whether there is a context. What can be had or sent at once is, without a turn of the loop; now and
// then the others get their turn all the same.
class TcpStream final : public Stream {
public:
    TcpStream(tcp::socket socket, std::shared_ptr<void> keep, SSL_CTX* context, bool client)
        : keep_(std::move(keep)), socket_(std::move(socket)), client_(client) {
        error_code ignored;
        socket_.set_option(tcp::no_delay(true), ignored);
        auto const remote = socket_.remote_endpoint(ignored);
        if (!ignored) peer_.address = fmt::format("{}:{}", remote.address().to_string(), remote.port());
        if (context != nullptr) tls_.emplace(context, client);
    }

    void expect_host(std::string const& host) { tls_->expect_host(host); }

    Task<Status> handshake(Context ctx) override {
        if (!tls_) co_return Status{};
        // What a handshake needs is taken when it begins: who connects and says nothing holds a socket.
        if (!client_) CO_TRY(co_await ready(ctx, tcp::socket::wait_read));
        while (true) {
            auto const step = tls_->handshake();
            // Also when it failed: the alert says why.
            Status const sent = co_await flush(ctx);
            if (!step) co_return std::unexpected(step.error());
            CO_TRY(sent);
            if (*step == TlsEngine::Step::kDone) break;
            if (*step == TlsEngine::Step::kClosed) co_return fail(ErrorCode::kUnavailable, "closed in the handshake");
            if (drained_) CO_TRY(co_await ready(ctx, tcp::socket::wait_read));
            CO_TRY_ASSIGN(bool const more, receive());
            if (!more) co_return fail(ErrorCode::kUnavailable, "closed in the handshake");
        }
        if (!client_) {
            X509* const certificate = SSL_get1_peer_certificate(tls_->native());
            Peer subject = subject_of(certificate);
            if (certificate != nullptr) X509_free(certificate);
            subject.address = peer_.address;
            peer_ = std::move(subject);
        }
        co_return Status{};
    }

    Task<Result<std::size_t>> read_some(Context ctx, std::span<char> buffer) override {
        CO_TRY(co_await take_turns(ctx));
        while (true) {
            if (tls_) {
                std::size_t count = 0;
                CO_TRY_ASSIGN(auto const step, tls_->read(buffer, count));
                if (step == TlsEngine::Step::kDone) co_return count;
                if (step == TlsEngine::Step::kClosed) co_return std::size_t{0};
                // The peer may have asked for new keys. Who writes sends that too; to wait for all of theirs would be
                // to read nothing meanwhile, and two ends that do so wait for each other.
                if (!writing_) CO_TRY(co_await flush(ctx));
            }
            if (drained_) CO_TRY(co_await ready(ctx, tcp::socket::wait_read));
            if (tls_) {
                CO_TRY_ASSIGN(bool const more, receive());
                if (!more) co_return std::size_t{0};
                continue;
            }
            CO_TRY_ASSIGN(auto const count, receive_into(buffer));
            if (count) co_return *count;
        }
    }

    Task<Status> write(Context ctx, std::string_view bytes) override {
        CO_TRY(co_await take_turns(ctx));
        writing_ = true;   // until it is done; after an error the stream is
        while (!bytes.empty()) {
            std::string_view const piece = bytes.substr(0, kPieceBytes);
            if (tls_) {
                CO_TRY(tls_->write(piece));
            } else {
                plain_out_ += piece;
            }
            CO_TRY(co_await flush(ctx));
            bytes.remove_prefix(piece.size());
        }
        writing_ = false;
        co_return Status{};
    }

    void close() override {
        error_code ignored;
        socket_.close(ignored);
    }

    Peer const& peer() const override { return peer_; }

    std::string_view protocol() const override {
        if (!tls_) return {};
        unsigned char const* name = nullptr;
        unsigned int length = 0;
        SSL_get0_alpn_selected(tls_->native(), &name, &length);
        return {reinterpret_cast<char const*>(name), length};
    }

private:
    static constexpr std::size_t kPieceBytes = 256 << 10;
    static constexpr std::size_t kKeptBytes = 64 << 10;   // a buffer that grew larger is given back
    static constexpr int kTurns = 32;                     // operations in a row that did not wait

    static Error socket_error() { return net_error(error_code(errno, boost::system::system_category())); }

    Task<Status> take_turns(Context ctx) {
        if (++without_wait_ < kTurns) co_return ctx.check();
        without_wait_ = 0;
        Status const turn = co_await async::yield(ctx);
        co_return turn;
    }

    Task<Status> ready(Context ctx, tcp::socket::wait_type what) {
        without_wait_ = 0;
        auto outcome = std::make_shared<Outcome>();
        socket_.async_wait(what, [outcome](error_code const& problem) { outcome->finish(problem, 0); });
        CO_TRY(co_await finish(ctx, outcome, [this] { close(); }));
        if (what == tcp::socket::wait_read) drained_ = false;
        co_return Status{};
    }

    // Absent: nothing is there yet. Less than there is room for: there is no more, so the next wait comes first.
    Result<std::optional<std::size_t>> receive_into(std::span<char> space) {
        while (true) {
            ssize_t const count = ::recv(socket_.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
            if (count < 0 && errno == EINTR) continue;
            drained_ = count != 0 && count < static_cast<ssize_t>(space.size());
            if (count >= 0) return std::optional(static_cast<std::size_t>(count));
            if (errno == EAGAIN || errno == EWOULDBLOCK) return std::optional<std::size_t>();
            return std::unexpected(socket_error());
        }
    }

    // False at the end of the stream.
    Result<bool> receive() {
        static thread_local std::array<char, 64 << 10> space;   // of one step: nothing waits while it is in use
        std::optional<std::size_t> const count = TRY(receive_into(space));
        if (!count) return true;
        tls_->feed(std::span(space.data(), *count));
        return *count > 0;
    }

    // Sends all that is to go out, also what others have added meanwhile.
    Task<Status> flush(Context ctx) {
        std::string& out = tls_ ? tls_->outgoing() : plain_out_;
        while (sent_ < out.size()) {
            ssize_t const count =
                ::send(socket_.native_handle(), out.data() + sent_, out.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count >= 0) {
                sent_ += static_cast<std::size_t>(count);
            } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                CO_TRY(co_await ready(ctx, tcp::socket::wait_write));
            } else if (errno != EINTR) {
                co_return std::unexpected(socket_error());
            }
        }
        out.clear();
        sent_ = 0;
        if (out.capacity() > kKeptBytes) std::string().swap(out);
        co_return Status{};
    }

    std::shared_ptr<void> keep_;   // the TLS context
    tcp::socket socket_;
    std::optional<TlsEngine> tls_;
    std::string plain_out_;
    std::size_t sent_ = 0;   // of what is to go out
    bool drained_ = true;    // the socket had no more when it was last asked
    bool writing_ = false;
    int without_wait_ = 0;
    Peer peer_;
    bool client_ = false;
};

class TcpListener final : public Listener {
public:
    TcpListener(tcp::acceptor acceptor, std::shared_ptr<TlsServer> tls)
        : acceptor_(std::move(acceptor)), tls_(std::move(tls)) {}

    std::uint16_t port() const override { return acceptor_.local_endpoint().port(); }

    Task<Result<std::unique_ptr<Stream>>> accept(Context ctx) override {
        auto outcome = std::make_shared<Outcome>();
        tcp::socket socket(acceptor_.get_executor());
        acceptor_.async_accept(socket, [outcome](error_code const& problem) { outcome->finish(problem, 0); });
        CO_TRY(co_await finish(ctx, outcome, [this] {
            error_code ignored;
            acceptor_.cancel(ignored);
        }));
        SSL_CTX* const context = tls_ ? static_cast<ServerTls&>(*tls_).context.native_handle() : nullptr;
        co_return std::make_unique<TcpStream>(std::move(socket), tls_, context, false);
    }

    void close() override {
        error_code ignored;
        acceptor_.close(ignored);
    }

private:
    tcp::acceptor acceptor_;
    std::shared_ptr<TlsServer> tls_;
};

}   // namespace

Result<std::shared_ptr<TlsServer>> TlsServer::create(std::string certificate, std::string key,
                                                     std::string client_authority, Protocols protocols) {
    auto tls = std::make_shared<ServerTls>();
    TRY(use_credentials(tls->context, certificate, key));
    error_code problem;
    if (!client_authority.empty()) {
        tls->context.add_certificate_authority(asio::buffer(client_authority), problem);
        if (problem) return bad_credentials("client authority", problem);
        tls->context.set_verify_mode(ssl::verify_peer);   // asked for, not demanded
    }
    SSL_CTX_set_min_proto_version(tls->context.native_handle(), TLS1_2_VERSION);
    tls->name_sessions();
    tls->protocols = TRY(on_the_wire(protocols));
    if (!protocols.empty()) SSL_CTX_set_alpn_select_cb(tls->context.native_handle(), ServerTls::choose, tls.get());
    return std::shared_ptr<TlsServer>(std::move(tls));
}

Result<std::shared_ptr<TlsClient>> TlsClient::create(std::string authority, std::string certificate, std::string key,
                                                     bool insecure, Protocols protocols) {
    auto tls = std::make_shared<ClientTls>();
    tls->insecure = insecure;
    error_code problem;
    if (authority.empty()) {
        tls->context.set_default_verify_paths(problem);
    } else {
        tls->context.add_certificate_authority(asio::buffer(authority), problem);
    }
    if (problem) return bad_credentials("certificate authority", problem);
    if (!certificate.empty()) {
        tls->context.use_certificate_chain(asio::buffer(certificate), problem);
        if (problem) return bad_credentials("client certificate", problem);
        tls->context.use_private_key(asio::buffer(key), ssl::context::pem, problem);
        if (problem) return bad_credentials("client key", problem);
    }
    std::string const offer = TRY(on_the_wire(protocols));
    SSL_CTX_set_alpn_protos(tls->context.native_handle(), reinterpret_cast<unsigned char const*>(offer.data()),
                            static_cast<unsigned int>(offer.size()));
    return std::shared_ptr<TlsClient>(std::move(tls));
}

Result<std::unique_ptr<Listener>> Listener::listen(async::AsioExecutor& executor, std::uint16_t port,
                                                   std::shared_ptr<TlsServer> tls) {
    return listen(executor, "127.0.0.1", port, std::move(tls));
}

Result<std::unique_ptr<Listener>> Listener::listen(async::AsioExecutor& executor, std::string const& address,
                                                   std::uint16_t port, std::shared_ptr<TlsServer> tls) {
    tcp::acceptor acceptor(executor.io_context());
    error_code problem;
    asio::ip::address const at = asio::ip::make_address(address, problem);
    if (problem) return fail(ErrorCode::kInvalid, fmt::format("\"{}\" is no IP address to listen on", address));
    tcp::endpoint const endpoint(at, port);
    acceptor.open(endpoint.protocol(), problem);
    if (problem && address == "::") return listen(executor, "0.0.0.0", port, std::move(tls));
    if (!problem && at.is_v6()) acceptor.set_option(asio::ip::v6_only(false), problem);
    if (!problem) acceptor.set_option(tcp::acceptor::reuse_address(true), problem);
    if (!problem) acceptor.bind(endpoint, problem);
    if (!problem) acceptor.listen(1024, problem);
    if (problem == asio::error::address_in_use) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("port {} is in use by another process: choose another with --port", port));
    }
    if (problem) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("listening on {} port {}: {}", address, port, problem.message()));
    }
    return std::unique_ptr<Listener>(std::make_unique<TcpListener>(std::move(acceptor), std::move(tls)));
}

Task<Result<std::unique_ptr<Stream>>> connect(Context ctx, async::AsioExecutor& executor, std::string host,
                                              std::uint16_t port, std::shared_ptr<TlsClient> tls) {
    auto resolver = std::make_shared<tcp::resolver>(executor.io_context());
    tcp::resolver::results_type addresses;
    {
        auto outcome = std::make_shared<Outcome>();
        resolver->async_resolve(
            host, std::to_string(port),
            [outcome, resolver, &addresses](error_code const& problem, tcp::resolver::results_type found) {
                if (!problem) addresses = std::move(found);
                outcome->finish(problem, 0);
            });
        Result<std::size_t> const resolved = co_await finish(ctx, outcome, [resolver] { resolver->cancel(); });
        if (!resolved) co_return std::unexpected(resolved.error().context("looking up " + host));
    }
    tcp::socket socket(executor.io_context());
    {
        auto outcome = std::make_shared<Outcome>();
        asio::async_connect(socket, addresses, [outcome](error_code const& problem, tcp::endpoint const&) {
            outcome->finish(problem, 0);
        });
        Result<std::size_t> const connected = co_await finish(ctx, outcome, [&socket] {
            error_code ignored;
            socket.close(ignored);
        });
        if (!connected)
            co_return std::unexpected(connected.error().context(fmt::format("connecting to {}:{}", host, port)));
    }
    SSL_CTX* const context = tls ? static_cast<ClientTls&>(*tls).context.native_handle() : nullptr;
    auto stream = std::make_unique<TcpStream>(std::move(socket), tls, context, true);
    if (tls) {
        if (!static_cast<ClientTls&>(*tls).insecure) stream->expect_host(host);
        Status const shaken = co_await stream->handshake(ctx);
        if (!shaken)
            co_return std::unexpected(shaken.error().context(fmt::format("TLS handshake with {}:{}", host, port)));
    }
    co_return std::unique_ptr<Stream>(std::move(stream));
}

}   // namespace aviary::net
