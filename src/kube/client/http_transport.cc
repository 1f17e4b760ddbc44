#include "kube/client/http_transport.h"

#include <fmt/format.h>

#include <functional>
#include <map>

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

// "host:port" of an address.
std::string_view authority_of(std::string_view url) {
    std::size_t const scheme = url.find("://");
    if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
    return url.substr(0, url.find('/'));
}

// What a person asks for through the hub's proxy is any word.
std::string_view counted_method(std::string_view method) {
    for (std::string_view known : {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}) {
        if (method == known) return known;
    }
    return "other";
}

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
    HttpTransport(Exchange exchange, std::string host) : exchange_(std::move(exchange)), host_(std::move(host)) {}

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
        std::string const method(counted_method(message.method));
        Result<http::Response> answered = co_await exchange_(ctx, std::move(message), watch);
        count(ctx, method, answered ? answered->status : 0);
        CO_TRY_ASSIGN(http::Response answer, std::move(answered));
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
    // As client-go names it; 0: no answer came.
    void count(Context const& ctx, std::string const& method, int code) {
        auto const [counter, fresh] = counted_.try_emplace({method, code});
        if (fresh) {
            counter->second = ctx.metrics().counter(
                "rest_client_requests_total", "Requests to API servers, by their answer.",
                {{"code", code == 0 ? "<error>" : std::to_string(code)}, {"host", host_}, {"method", method}});
        }
        counter->second.add();
    }

    Exchange exchange_;
    std::string host_;
    std::map<std::pair<std::string, int>, observe::Counter> counted_;   // by method and code
};

}   // namespace

Result<Exchange> http_exchange(async::AsioExecutor& executor, ServerAccess const& access) {
    std::string_view url = access.url;
    bool const secure = url.starts_with("https://");
    if (!secure && !url.starts_with("http://"))
        return fail(ErrorCode::kInvalid,
                    fmt::format("server \"{}\" of context \"{}\" is no http(s) address", access.url, access.context));
    std::string_view const authority = authority_of(url);
    std::string prefix(authority.end(), url.end());
    while (prefix.ends_with('/')) prefix.pop_back();
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
    return transport_over(TRY(http_exchange(executor, access)), host_of(access));
}

std::string host_of(ServerAccess const& access) { return std::string(authority_of(access.url)); }

std::shared_ptr<Transport> transport_over(Exchange exchange, std::string host) {
    return std::make_shared<HttpTransport>(std::move(exchange), std::move(host));
}

}   // namespace aviary::client
