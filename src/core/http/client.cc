#include "core/http/client.h"

#include <fmt/format.h>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <deque>

#include "core/base/strings.h"

namespace aviary::http {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::size_t kMaxHeaderBytes = 256 << 10;
constexpr std::size_t kMaxChunkBytes = 64 << 20;
constexpr std::size_t kMaxChunkLine = 4 << 10;   // its size and extensions

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

struct Client::Impl {
    Connect connect;
    ClientOptions options;
    std::deque<std::unique_ptr<Connection>> idle;

    Task<Result<std::unique_ptr<Connection>>> connection(Context ctx, bool fresh) {
        if (!fresh && !idle.empty()) {
            auto kept = std::move(idle.back());
            idle.pop_back();
            kept->reused = true;
            co_return std::move(kept);
        }
        auto made = std::make_unique<Connection>();
        CO_TRY_ASSIGN(made->stream, co_await connect(ctx.with_timeout(options.connect_timeout)));
        co_return std::move(made);
    }

    void keep(std::unique_ptr<Connection> connection) {
        if (idle.size() < options.max_idle_connections && connection->buffer.empty())
            idle.push_back(std::move(connection));
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
    : impl_(std::make_shared<Impl>(Impl{std::move(connect), std::move(options), {}})) {}

Client::~Client() = default;

Task<Result<Response>> Client::send(Context ctx, Request request, bool stream) {
    std::shared_ptr<Impl> const impl = impl_;
    std::string const text = serialise(request, fmt::format("{}:{}", impl->options.host, impl->options.port));
    Context const limited = ctx.with_timeout(impl->options.request_timeout);
    for (bool fresh = false;; fresh = true) {
        CO_TRY_ASSIGN(auto connection, co_await impl->connection(limited, fresh));
        bool const reused = connection->reused;
        net::Stream& wire = *connection->stream;
        Status const written = co_await wire.write(limited, text);
        bool began = false;
        Result<Response> response = std::unexpected(written ? Error(ErrorCode::kInternal, "") : written.error());
        if (written)
            response = co_await impl->receive(limited, std::move(connection), request.method == "HEAD", stream, began);
        if (response || !reused || began || !response.error().is(ErrorCode::kUnavailable) || fresh)
            co_return std::move(response);
    }
}

}   // namespace aviary::http
