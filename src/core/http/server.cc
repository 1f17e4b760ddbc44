#include "core/http/server.h"

#include <fmt/format.h>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <array>
#include <vector>

#include "core/base/strings.h"

namespace aviary::http {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::size_t kReadBytes = 4 << 10;   // at a time; every idle connection holds so much

std::string_view reason(int status) {
    auto const text = beast_http::obsolete_reason(static_cast<beast_http::status>(status));
    return {text.data(), text.size()};
}

void append_head(std::string& out, Response const& response, bool keep_alive, bool chunked) {
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (auto const& [key, value] : response.headers) {
        out += key;
        out += ": ";
        // A line break in a value would begin another header.
        for (char letter : value) out += letter == '\r' || letter == '\n' ? ' ' : letter;
        out += "\r\n";
    }
    if (chunked) {
        out += "Transfer-Encoding: chunked\r\n";
    } else if (response.status != 304 && response.status != 204) {
        fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.body.size());
    }
    if (!keep_alive) out += "Connection: close\r\n";
    out += "\r\n";
}

// Why a message could not be read, as an answer.
Response refusal(error_code const& problem, ServerLimits const& limits) {
    if (problem == beast_http::error::body_limit) {
        return plain_text(413, fmt::format("the request body is over the limit of {} bytes (max_body_bytes)\n",
                                           limits.max_body_bytes));
    }
    if (problem == beast_http::error::header_limit) {
        return plain_text(431, fmt::format("the request header is over the limit of {} bytes (max_header_bytes)\n",
                                           limits.max_header_bytes));
    }
    return plain_text(400, fmt::format("malformed HTTP request: {}\n", problem.message()));
}

// A body that takes room as its bytes arrive. Beast's own takes all that Content-Length announces at once, and who
// announces a body need not send it; where pages are huge, each would be held in memory.
struct ArrivingBody {
    using value_type = std::string;

    class reader {
    public:
        template <bool request, class Fields>
        reader(beast_http::header<request, Fields>&, value_type& body) : body_(body) {}

        void init(boost::optional<std::uint64_t> const&, error_code& problem) { problem = {}; }

        template <class Buffers>
        std::size_t put(Buffers const& buffers, error_code& problem) {
            problem = {};
            std::size_t const before = body_.size();
            for (auto piece = boost::asio::buffer_sequence_begin(buffers);
                 piece != boost::asio::buffer_sequence_end(buffers); ++piece) {
                boost::asio::const_buffer const bytes = *piece;
                body_.append(static_cast<char const*>(bytes.data()), bytes.size());
            }
            return body_.size() - before;
        }

        void finish(error_code& problem) { problem = {}; }

    private:
        value_type& body_;
    };
};

class Connection {
public:
    Connection(std::unique_ptr<net::Stream> stream, std::shared_ptr<Handler> handler, ServerLimits const& limits)
        : stream_(std::move(stream)), handler_(std::move(handler)), limits_(limits) {}

    Task<void> run(Context ctx) {
        Status const shaken = co_await stream_->handshake(ctx.with_timeout(limits_.handshake_timeout));
        if (!shaken) {
            stream_->close();
            co_return;
        }
        if (stream_->protocol() == kHttp2) {
            std::string const address = stream_->peer().address;
            Status const ended = co_await serve_http2(ctx, std::move(stream_), handler_, limits_);
            if (!ended) ctx.log().debug("HTTP/2 ended", {{"peer", address}, {"error", ended.error().message()}});
            co_return;
        }
        bool more = true;
        while (more && ctx.check()) more = co_await serve_one(ctx);
        stream_->close();
    }

private:
    // False when the connection is over.
    Task<bool> serve_one(Context ctx) {
        beast_http::request_parser<ArrivingBody> parser;
        parser.eager(true);
        parser.header_limit(static_cast<std::uint32_t>(limits_.max_header_bytes));
        parser.body_limit(limits_.max_body_bytes);
        error_code problem;
        bool continued = false;
        Context waiting = ctx.with_timeout(buffer_.empty() ? limits_.idle_timeout : limits_.header_timeout);
        while (!parser.is_done()) {
            if (!buffer_.empty()) {
                std::size_t const used = parser.put(boost::asio::const_buffer(buffer_.data(), buffer_.size()), problem);
                buffer_.erase(0, used);
                if (problem == beast_http::error::need_more) problem = {};
                if (problem) {
                    co_await refuse(ctx, refusal(problem, limits_));
                    co_return false;
                }
                if (parser.is_done()) break;
                // What is left is a line of a chunked body, whose length the parser does not look at.
                if (buffer_.size() > limits_.max_header_bytes) {
                    co_await refuse(ctx, refusal(beast_http::error::header_limit, limits_));
                    co_return false;
                }
                if (!continued && parser.is_header_done() &&
                    iequals(std::string(parser.get()["Expect"]), "100-continue")) {
                    continued = true;
                    Status const told = co_await stream_->write(ctx.with_timeout(limits_.write_timeout),
                                                                "HTTP/1.1 100 Continue\r\n\r\n");
                    if (!told) co_return false;
                }
            }
            std::array<char, kReadBytes> space;
            Result<std::size_t> const count = co_await stream_->read_some(waiting, space);
            if (!count || *count == 0) co_return false;
            if (buffer_.empty() && !parser.got_some()) waiting = ctx.with_timeout(limits_.header_timeout);
            buffer_.append(space.data(), *count);
        }
        auto message = parser.release();
        Request request;
        request.method = std::string(message.method_string());
        request.target = std::string(message.target());
        bool const keep_alive = message.keep_alive();
        for (auto const& field : message)
            request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
        request.body = std::move(message.body());
        bool const head = request.method == "HEAD";
        Response response = co_await handler_->handle(ctx, std::move(request), stream_->peer());
        if (response.stream) {
            co_await send_stream(ctx, std::move(response));
            co_return false;
        }
        if (head) response.body.clear();
        bool const sent = co_await send(ctx, std::move(response), keep_alive);
        co_return sent&& keep_alive;
    }

    // Closing while bytes are on their way would reset the connection, and the answer with it.
    Task<void> refuse(Context ctx, Response answer) {
        bool const sent = co_await send(ctx, std::move(answer), false);
        if (!sent) co_return;
        Context const lingering = ctx.with_timeout(limits_.linger_timeout);
        std::vector<char> space(64 << 10);
        for (std::size_t heard = 0; heard < limits_.max_linger_bytes;) {
            Result<std::size_t> const count = co_await stream_->read_some(lingering, space);
            if (!count || *count == 0) co_return;
            heard += *count;
        }
    }

    Task<bool> send(Context ctx, Response response, bool keep_alive) {
        std::string out;
        out.reserve(512 + response.body.size());
        append_head(out, response, keep_alive, false);
        out += response.body;
        Status const written = co_await stream_->write(ctx.with_timeout(limits_.write_timeout), out);
        co_return written.has_value();
    }

    // Ends with the connection: whether the client has gone is found by reading, and a read that is given up kills the
    // stream.
    Task<void> send_stream(Context ctx, Response response) {
        async::StopSource gone(ctx.stop());
        async::Scope scope(ctx);
        scope.spawn(watch_for_end(scope.context(), gone));
        co_await send_parts(ctx.with_stop(gone.token()), std::move(response));
        co_await scope.cancel_and_join();
    }

    Task<void> watch_for_end(Context ctx, async::StopSource& gone) {
        std::array<char, 1024> space;
        while (true) {
            Result<std::size_t> const count = co_await stream_->read_some(ctx, space);
            if (!count || *count == 0) break;   // what a client sends meanwhile is of no interest
        }
        gone.request_stop();
    }

    Task<void> send_parts(Context ctx, Response response) {
        std::string out;
        append_head(out, response, false, true);
        std::unique_ptr<BodyStream> const body = std::move(response.stream);
        while (true) {
            if (!out.empty()) {
                Status const written = co_await stream_->write(ctx.with_timeout(limits_.write_timeout), out);
                if (!written) co_return;
            }
            Result<std::optional<std::string>> part = co_await body->next(ctx);
            if (!part) co_return;   // cut: the client must not take it for the end
            out.clear();
            if (!*part) {
                (void)co_await stream_->write(ctx.with_timeout(limits_.write_timeout), "0\r\n\r\n");
                co_return;
            }
            if ((*part)->empty()) continue;
            fmt::format_to(std::back_inserter(out), "{:x}\r\n", (*part)->size());
            out += **part;
            out += "\r\n";
        }
    }

    std::unique_ptr<net::Stream> stream_;
    std::shared_ptr<Handler> handler_;
    ServerLimits const& limits_;
    std::string buffer_;
};

Task<void> serve(Context ctx, std::unique_ptr<net::Stream> stream, std::shared_ptr<Handler> handler,
                 ServerLimits const& limits, std::size_t& open) {
    Connection connection(std::move(stream), std::move(handler), limits);
    co_await connection.run(ctx);
    --open;
}

}   // namespace

struct Server::Impl {
    std::unique_ptr<net::Listener> listener;
    std::shared_ptr<Handler> handler;
    ServerLimits limits;
    std::size_t open = 0;
};

Server::Server(std::unique_ptr<net::Listener> listener, std::shared_ptr<Handler> handler, ServerLimits limits)
    : impl_(std::make_unique<Impl>(Impl{std::move(listener), std::move(handler), limits})) {}

Server::~Server() = default;

std::uint16_t Server::port() const { return impl_->listener->port(); }

Task<void> Server::run(Context ctx) {
    async::Scope scope(ctx);
    while (ctx.check()) {
        Result<std::unique_ptr<net::Stream>> stream = co_await impl_->listener->accept(scope.context());
        if (!stream) {
            if (stream.error().is(ErrorCode::kCancelled)) break;
            ctx.log().warning("accepting a connection failed", {{"error", stream.error().message()}});
            (void)co_await async::sleep_for(scope.context(),
                                            std::chrono::milliseconds(100));   // out of descriptors: let some go
            continue;
        }
        if (impl_->open >= impl_->limits.max_connections) {
            ctx.log().warning("connection refused: max_connections are open",
                              {{"limit", impl_->limits.max_connections}});
            continue;
        }
        ++impl_->open;
        scope.spawn(serve(scope.context(), std::move(*stream), impl_->handler, impl_->limits, impl_->open));
    }
    co_await scope.cancel_and_join();
}

}   // namespace aviary::http
