#include "kube/client/http_transport.h"

#include <fmt/format.h>

#include <functional>

#include "core/base/strings.h"
#include "core/http/client.h"
#include "core/http/http2.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/client/internal/lines.h"

namespace aviary::client {

namespace {

constexpr std::size_t kMaxEventBytes = 64 << 20;
constexpr std::size_t kMaxBodyBytes = 128 << 20;   // lists come in pages

// Lines of JSON, cut out of chunks wherever they end.
class HttpWatch final : public WatchStream {
public:
    explicit HttpWatch(std::unique_ptr<http::BodyStream> body) : body_(std::move(body)) {}
    Task<Result<std::optional<json::Doc>>> next(Context ctx) override {
        while (true) {
            if (auto const line = lines_.next()) {
                CO_TRY_ASSIGN(json::Doc event, json::parse(*line));
                co_return std::optional(std::move(event));
            }
            CO_TRY_ASSIGN(std::optional<std::string> part, co_await body_->next(ctx));
            if (!part) co_return std::optional<json::Doc>();
            if (!lines_.add(*part)) {
                co_return fail(ErrorCode::kTooLarge,
                               fmt::format("an event of the watch is over the limit of {} bytes", kMaxEventBytes));
            }
        }
    }

private:
    std::unique_ptr<http::BodyStream> body_;
    Lines lines_{kMaxEventBytes};
};

class HttpTransport final : public Transport {
public:
    explicit HttpTransport(Exchange exchange) : exchange_(std::move(exchange)) {}

    Task<Result<Response>> send(Context ctx, Request request) override {
        http::Request message;
        message.method = std::move(request.method);
        message.target = std::move(request.path);
        char separator = '?';
        bool watch = false;
        for (auto const& [key, value] : request.query) {
            message.target += std::exchange(separator, '&');
            message.target += percent_encode(key) + "=" + percent_encode(value);
            watch = watch || (key == "watch" && value == "true");
        }
        message.headers = std::move(request.headers);
        message.headers.emplace_back("Accept", request.accept.empty() ? "application/json" : request.accept);
        if (!request.content_type.empty()) message.headers.emplace_back("Content-Type", request.content_type);
        message.body = request.body.exists() ? json::write(request.body) : std::move(request.raw_body);
        CO_TRY_ASSIGN(http::Response answer, co_await exchange_(ctx, std::move(message), watch));
        Response response;
        response.status = answer.status;
        response.content_type = http::find_header(answer.headers, "Content-Type");
        response.headers = std::move(answer.headers);
        if (answer.stream) {
            response.watch = std::make_unique<HttpWatch>(std::move(answer.stream));
        } else if (response.content_type.contains("json") && !answer.body.empty()) {
            CO_TRY_ASSIGN(response.body, json::parse(answer.body, {.max_bytes = kMaxBodyBytes}));
        } else {
            response.raw_body = std::move(answer.body);
        }
        co_return std::move(response);
    }

private:
    Exchange exchange_;
};

}   // namespace

Result<Exchange> http_exchange(async::AsioExecutor& executor, ServerAccess const& access) {
    std::string_view url = access.url;
    bool const secure = url.starts_with("https://");
    if (!secure && !url.starts_with("http://"))
        return fail(ErrorCode::kInvalid,
                    fmt::format("server \"{}\" of context \"{}\" is no http(s) address", access.url, access.context));
    url.remove_prefix(secure ? 8 : 7);
    std::size_t const slash = url.find('/');
    std::string prefix = slash == std::string_view::npos ? "" : std::string(url.substr(slash));
    while (prefix.ends_with('/')) prefix.pop_back();
    std::string_view const authority = url.substr(0, slash);
    auto const where = split_host_port(authority);
    if (!where) return fail(ErrorCode::kInvalid, fmt::format("server \"{}\" has a [ without a ]", access.url));
    http::ClientOptions options;
    options.max_body_bytes = kMaxBodyBytes;
    options.host = where->host;
    options.port = secure ? 443 : 80;
    if (where->port) {
        auto const port = parse_port(*where->port);
        if (!port) return fail(ErrorCode::kInvalid, fmt::format("server \"{}\" has no valid port", access.url));
        options.port = *port;
    }
    if (secure)
        options.tls = TRY(net::TlsClient::create(access.authority, access.certificate, access.key, access.insecure,
                                                 http::protocols()));
    std::function<std::string()> token = access.token_source;
    if (!token && !access.token.empty()) token = [fixed = access.token] { return fixed; };
    auto const client = std::make_shared<http::Client>(executor, std::move(options));
    return [client, prefix, token](Context ctx, http::Request request, bool stream) {
        request.target = prefix + request.target;
        if (std::string const text = token ? token() : std::string(); !text.empty())
            request.headers.emplace_back("Authorization", "Bearer " + text);
        return client->send(std::move(ctx), std::move(request), stream);
    };
}

Result<std::shared_ptr<Transport>> http_transport(async::AsioExecutor& executor, ServerAccess const& access) {
    return transport_over(TRY(http_exchange(executor, access)));
}

std::shared_ptr<Transport> transport_over(Exchange exchange) {
    return std::make_shared<HttpTransport>(std::move(exchange));
}

}   // namespace aviary::client
