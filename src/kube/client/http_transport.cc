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
    HttpTransport(async::AsioExecutor& executor, http::ClientOptions options, std::string prefix,
                  std::function<std::string()> token)
        : client_(executor, std::move(options)), prefix_(std::move(prefix)), token_(std::move(token)) {}

    Task<Result<Response>> send(Context ctx, Request request) override {
        http::Request message;
        message.method = std::move(request.method);
        message.target = prefix_ + request.path;
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
        if (std::string const token = token_ ? token_() : std::string(); !token.empty())
            message.headers.emplace_back("Authorization", "Bearer " + token);
        message.body = request.body.exists() ? json::write(request.body) : std::move(request.raw_body);
        CO_TRY_ASSIGN(http::Response answer, co_await client_.send(ctx, std::move(message), watch));
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
    http::Client client_;
    std::string prefix_;
    std::function<std::string()> token_;
};

}   // namespace

Result<std::shared_ptr<Transport>> http_transport(async::AsioExecutor& executor, ServerAccess const& access) {
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
    std::size_t const colon = authority.rfind(':');
    http::ClientOptions options;
    options.max_body_bytes = kMaxBodyBytes;
    options.host = authority.substr(0, colon);
    options.port = secure ? 443 : 80;
    if (colon != std::string_view::npos) {
        auto const port = parse_int(authority.substr(colon + 1));
        if (!port || *port < 1 || *port > 65535)
            return fail(ErrorCode::kInvalid, fmt::format("server \"{}\" has no valid port", access.url));
        options.port = static_cast<std::uint16_t>(*port);
    }
    if (secure)
        options.tls = TRY(net::TlsClient::create(access.authority, access.certificate, access.key, access.insecure,
                                                 http::protocols()));
    std::function<std::string()> token = access.token_source;
    if (!token && !access.token.empty()) token = [fixed = access.token] { return fixed; };
    return std::shared_ptr<Transport>(
        std::make_shared<HttpTransport>(executor, std::move(options), std::move(prefix), std::move(token)));
}

}   // namespace aviary::client
