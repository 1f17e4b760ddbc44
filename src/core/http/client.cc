#include "core/http/client.h"

#include <fmt/format.h>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/http/http2.h"

namespace aviary::http {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

namespace {

// As requests name it.
std::string host_of(ClientOptions const& options) { return join_host_port(options.host, std::to_string(options.port)); }

constexpr std::size_t kMaxHeaderBytes = 256 << 10;
constexpr std::size_t kMaxChunkBytes = 64 << 20;
constexpr std::size_t kMaxChunkLine = 4 << 10;   // its size and extensions
constexpr std::size_t kMaxShared = 16;           // HTTP/2 connections; beyond, requests wait for one another

// A connection and what was read ahead of need.
struct Connection {
    std::unique_ptr<net::Stream> stream;
    std::string buffer;
    bool reused = false;

    Task<Result<bool>> fill(Context ctx) {
        std::array<char, 32 << 10> space;
        CO_TRY_ASSIGN(std::size_t const count, co_await stream->read_some(ctx, space));
        buffer.append(space.data(), count);
        co_return count > 0;
    }
};

std::unexpected<Error> cut() { return fail(ErrorCode::kUnavailable, "the server closed the connection"); }

// Decodes chunks as they arrive.
class ChunkedBody final : public BodyStream {
public:
    explicit ChunkedBody(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        std::string& buffer = connection_->buffer;
        while (!ended_) {
            std::size_t const line = buffer.find("\r\n");
            if (std::min(line, buffer.size()) > kMaxChunkLine)
                co_return fail(ErrorCode::kUnavailable, "malformed chunk in the answer");
            if (line != std::string::npos) {
                if (line == 0) co_return fail(ErrorCode::kUnavailable, "malformed chunk in the answer");
                std::size_t size = 0;
                for (char digit : std::string_view(buffer).substr(0, line)) {
                    if (digit == ';') break;
                    int const value = digit >= '0' && digit <= '9'                 ? digit - '0'
                                      : (digit | 32) >= 'a' && (digit | 32) <= 'f' ? (digit | 32) - 'a' + 10
                                                                                   : -1;
                    if (value < 0 || size > kMaxChunkBytes)
                        co_return fail(ErrorCode::kUnavailable, "malformed chunk in the answer");
                    size = size * 16 + static_cast<std::size_t>(value);
                }
                if (size > kMaxChunkBytes)
                    co_return fail(ErrorCode::kTooLarge, fmt::format("a chunk of {} bytes is over the limit", size));
                if (buffer.size() >= line + 2 + size + 2) {
                    std::string chunk = buffer.substr(line + 2, size);
                    buffer.erase(0, line + 2 + size + 2);
                    if (size > 0) co_return std::optional(std::move(chunk));
                    ended_ = true;
                    break;
                }
            }
            CO_TRY_ASSIGN(bool const more, co_await connection_->fill(ctx));
            if (!more) co_return cut();
        }
        co_return std::optional<std::string>();
    }

private:
    std::unique_ptr<Connection> connection_;
    bool ended_ = false;
};

// A connection in the making; who wants one waits for it.
struct Dial {
    async::Event done;
    std::optional<Error> error;
};

std::string serialise(Request const& request, std::string const& host) {
    std::string out;
    out.reserve(512 + request.body.size());
    fmt::format_to(std::back_inserter(out), "{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, host);
    for (auto const& [key, value] : request.headers) {
        out += key;
        out += ": ";
        for (char letter : value) out += letter == '\r' || letter == '\n' ? ' ' : letter;
        out += "\r\n";
    }
    if (!request.body.empty() || request.method != "GET")
        fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", request.body.size());
    out += "\r\n";
    out += request.body;
    return out;
}

template <class Message>
Response head_of(Message const& message) {
    Response response;
    response.status = static_cast<int>(message.result_int());
    for (auto const& field : message)
        response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    return response;
}

}   // namespace

struct Client::Impl : std::enable_shared_from_this<Impl> {
    Impl(Connect connect, ClientOptions options) : connect(std::move(connect)), options(std::move(options)) {}

    Connect connect;
    ClientOptions options;
    enum class Speaks { kUnknown, kHttp1, kHttp2 } speaks = Speaks::kUnknown;   // as far as the last connection told
    std::deque<std::unique_ptr<Connection>> idle;                               // HTTP/1.1
    std::vector<std::shared_ptr<Http2Connection>> shared;
    std::shared_ptr<Dial> dial;            // the one under way
    std::unique_ptr<async::Scope> scope;   // of dials and HTTP/2 connections, whoever asked first; outlives the client
    async::StopSource dials;

    // What a request goes over: one of both.
    struct Way {
        std::unique_ptr<Connection> own;
        std::shared_ptr<Http2Connection> shared;
    };

    Task<Result<Way>> way(Context ctx, bool fresh) {
        while (true) {
            if (auto common = with_room()) co_return Way{.shared = std::move(common)};
            if (!fresh && !idle.empty()) {
                auto kept = std::move(idle.back());
                idle.pop_back();
                co_return Way{.own = std::move(kept)};
            }
            if (speaks == Speaks::kHttp1) {
                auto made = std::make_unique<Connection>();
                CO_TRY_ASSIGN(made->stream, co_await connect(ctx.with_timeout(options.connect_timeout)));
                if (made->stream->protocol() != kHttp2) co_return Way{.own = std::move(made)};
                share(std::move(made->stream));
                continue;
            }
            // Whether all can share a connection is known when the first is made.
            if (dial == nullptr) {
                dial = std::make_shared<Dial>();
                scope->spawn(dial_once(shared_from_this(), scope->context().with_stop(dials.token()), dial));
            }
            std::shared_ptr<Dial> const awaited = dial;
            CO_TRY(co_await awaited->done.wait(ctx));
            if (awaited->error) co_return std::unexpected(*awaited->error);
        }
    }

    // The first, so that others are not kept busy; when none has room and there are enough, the one with fewest.
    std::shared_ptr<Http2Connection> with_room() {
        std::erase_if(shared, [](auto const& each) { return !each->open(); });
        for (auto const& each : shared) {
            if (each->room() > 0) return each;
        }
        if (shared.size() < kMaxShared) return nullptr;
        return *std::ranges::min_element(shared, {}, [](auto const& each) { return each->requests(); });
    }

    static Task<void> dial_once(std::shared_ptr<Impl> self, Context ctx, std::shared_ptr<Dial> dial) {
        Result<std::unique_ptr<net::Stream>> stream =
            co_await self->connect(ctx.with_timeout(self->options.connect_timeout));
        self->dial.reset();
        if (!stream) {
            dial->error = stream.error();
        } else if ((*stream)->protocol() == kHttp2) {
            self->share(std::move(*stream));
        } else {
            self->speaks = Speaks::kHttp1;
            self->idle.push_back(std::make_unique<Connection>(Connection{.stream = std::move(*stream)}));
        }
        dial->done.set();
    }

    void share(std::unique_ptr<net::Stream> stream) {
        if (scope == nullptr) return;   // the client has gone meanwhile
        speaks = Speaks::kHttp2;
        auto made = std::make_shared<Http2Connection>(std::move(stream),
                                                      Http2Options{.authority = host_of(options),
                                                                   .max_header_bytes = kMaxHeaderBytes,
                                                                   .max_body_bytes = options.max_body_bytes,
                                                                   .request_timeout = options.request_timeout});
        shared.push_back(made);
        scope->spawn(run_shared(scope->context(), made));
    }

    static Task<void> run_shared(Context ctx, std::shared_ptr<Http2Connection> connection) {
        Status const ended = co_await connection->run(ctx);
        ctx.log().debug("an HTTP/2 connection ended", {{"error", ended.error().message()}});
    }

    void close() {
        dials.request_stop();
        for (auto const& each : shared) each->drain();
        if (scope != nullptr) async::Scope::dismiss(std::move(scope));
    }

    void keep(std::unique_ptr<Connection> connection) {
        connection->reused = true;
        if (idle.size() < options.max_idle_connections && connection->buffer.empty())
            idle.push_back(std::move(connection));
    }

    Task<Result<Response>> send_alone(Context ctx, std::unique_ptr<Connection> connection, Request const& request,
                                      bool stream, bool& sendable) {
        bool const reused = connection->reused;
        std::string const text = serialise(request, host_of(options));
        sendable = reused;
        CO_TRY(co_await connection->stream->write(ctx, text));
        bool began = false;
        Result<Response> response =
            co_await receive(ctx, std::move(connection), request.method == "HEAD", stream, began);
        sendable = reused && !began;
        co_return std::move(response);
    }

    // Reads the head, then the body or hands the connection over to a stream. `began` tells whether any byte came.
    Task<Result<Response>> receive(Context ctx, std::unique_ptr<Connection> connection, bool head, bool stream,
                                   bool& began) {
        beast_http::response_parser<beast_http::empty_body> head_parser;
        head_parser.header_limit(kMaxHeaderBytes);
        head_parser.skip(true);
        error_code problem;
        std::size_t head_end = std::string::npos;
        while ((head_end = connection->buffer.find("\r\n\r\n")) == std::string::npos) {
            if (connection->buffer.size() > kMaxHeaderBytes)
                co_return fail(ErrorCode::kTooLarge, "the header of the answer is too large");
            CO_TRY_ASSIGN(bool const more, co_await connection->fill(ctx));
            if (!more) co_return cut();
            began = true;
        }
        std::string const head_text = connection->buffer.substr(0, head_end + 4);
        head_parser.put(boost::asio::const_buffer(head_text.data(), head_text.size()), problem);
        if (problem && problem != beast_http::error::need_more)
            co_return fail(ErrorCode::kUnavailable, "malformed answer: " + problem.message());
        Response response = head_of(head_parser.get());
        if (stream && head_parser.chunked() && response.status < 300) {
            connection->buffer.erase(0, head_end + 4);
            response.stream = std::make_unique<ChunkedBody>(std::move(connection));
            co_return std::move(response);
        }
        beast_http::response_parser<beast_http::string_body> parser;
        parser.eager(true);
        parser.header_limit(kMaxHeaderBytes);
        parser.body_limit(options.max_body_bytes);
        if (head) parser.skip(true);
        while (!parser.is_done()) {
            if (!connection->buffer.empty()) {
                std::size_t const used = parser.put(
                    boost::asio::const_buffer(connection->buffer.data(), connection->buffer.size()), problem);
                connection->buffer.erase(0, used);
                if (problem == beast_http::error::need_more) problem = {};
                if (problem == beast_http::error::body_limit) {
                    co_return fail(ErrorCode::kTooLarge,
                                   fmt::format("the answer is over the limit of {} bytes", options.max_body_bytes));
                }
                if (problem) co_return fail(ErrorCode::kUnavailable, "malformed answer: " + problem.message());
                if (parser.is_done()) break;
                // Of a chunked body, whose lines the parser does not limit.
                if (connection->buffer.size() > kMaxHeaderBytes)
                    co_return fail(ErrorCode::kTooLarge, "a line of the answer is too long");
            }
            CO_TRY_ASSIGN(bool const more, co_await connection->fill(ctx));
            if (more) continue;
            parser.put_eof(problem);
            if (problem) co_return cut();
        }
        bool const keep_alive = parser.get().keep_alive();
        response.body = std::move(parser.get().body());
        if (keep_alive) keep(std::move(connection));
        co_return std::move(response);
    }
};

Client::Client(async::AsioExecutor& executor, ClientOptions options)
    : Client([&executor, host = options.host, port = options.port,
              tls = options.tls](Context ctx) { return net::connect(ctx, executor, host, port, tls); },
             options) {}

Client::Client(Connect connect, ClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(connect), std::move(options))) {}

Client::~Client() { impl_->close(); }

Task<Result<Response>> Client::send(Context ctx, Request request, bool stream) {
    std::shared_ptr<Impl> const impl = impl_;
    if (impl->scope == nullptr) {
        Context const lasting = Context(ctx.executor(), {}, ctx.log()).with_metrics(ctx.metrics());
        impl->scope = std::make_unique<async::Scope>(lasting);
    }
    Context const limited = ctx.with_timeout(impl->options.request_timeout);
    for (bool again = false;; again = true) {
        CO_TRY_ASSIGN(Impl::Way way, co_await impl->way(limited, again));
        bool sendable = false;   // once more
        Result<Response> response = fail(ErrorCode::kInternal, "");
        if (way.shared != nullptr) {
            response = co_await way.shared->send(limited, request, stream, &sendable);
        } else {
            response = co_await impl->send_alone(limited, std::move(way.own), request, stream, sendable);
        }
        if (response || !sendable || again || !response.error().is(ErrorCode::kUnavailable))
            co_return std::move(response);
    }
}

}   // namespace aviary::http
