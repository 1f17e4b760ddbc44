#include "kube/client/http_transport.h"

#include <fmt/format.h>

#include <functional>
#include <map>

#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/http/client.h"
#include "core/http/http2.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/client/internal/credential_plugin.h"
#include "kube/client/internal/lines.h"
#include "kube/meta/status.h"

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

// A refusal says what is wrong with who we are, where that can be told.
void explain_refusal(http::Response& response, std::string message) {
    response.stream.reset();
    std::erase_if(response.headers, [](auto const& header) { return iequals(header.first, "Content-Type"); });
    response.headers.emplace_back("Content-Type", "application/json");
    response.body = json::write(meta::to_status(Error(ErrorCode::kUnauthorized, std::move(message))));
}

// One API server, asked with the credentials as they are by now.
class Server : public std::enable_shared_from_this<Server> {
public:
    static Result<std::shared_ptr<Server>> create(async::AsioExecutor& executor, ServerAccess const& access) {
        std::shared_ptr<Server> made(new Server(executor, access));
        TRY(made->read_url());
        made->tls_ = std::make_shared<TlsParts const>(access.authority, access.certificate, access.key);
        TRY(made->connect());
        return made;
    }

    Task<Result<http::Response>> send(Context ctx, http::Request request, bool stream) {
        std::shared_ptr<Server> const self = shared_from_this();   // whoever asked may drop us meanwhile
        request.target = prefix_ + request.target;
        if (!access_.plugin) {
            if (access_.tls_source) CO_TRY(follow(access_.tls_source()));
            co_return co_await send_once(std::move(ctx), std::move(request), stream, "");
        }
        for (bool again = false;; again = true) {
            CO_TRY_ASSIGN(PluginCredential const credential, co_await access_.plugin->current(ctx, executor_));
            CO_TRY(follow(with(credential)));
            CO_TRY_ASSIGN(http::Response response,
                          co_await send_once(ctx, http::Request(request), stream, credential.token));
            if (response.status != kUnauthorized) co_return std::move(response);
            access_.plugin->refused(credential);
            if (again) co_return std::move(response);
        }
    }

private:
    static constexpr int kUnauthorized = 401;

    Server(async::AsioExecutor& executor, ServerAccess access) : executor_(executor), access_(std::move(access)) {}

    Status read_url() {
        std::string_view const url = access_.url;
        secure_ = url.starts_with("https://");
        if (!secure_ && !url.starts_with("http://"))
            return fail(ErrorCode::kInvalid,
                        fmt::format("server \"{}\" of context \"{}\" is no http(s) address", url, access_.context));
        std::string_view const authority = authority_of(url);
        prefix_.assign(authority.end(), url.end());
        while (prefix_.ends_with('/')) prefix_.pop_back();
        auto const where = split_host_port(authority);
        if (!where) return fail(ErrorCode::kInvalid, fmt::format("server \"{}\" has a [ without a ]", url));
        host_ = where->host;
        port_ = secure_ ? 443 : 80;
        if (!where->port) return {};
        auto const port = parse_port(*where->port);
        if (!port) return fail(ErrorCode::kInvalid, fmt::format("server \"{}\" has no valid port", url));
        port_ = *port;
        return {};
    }

    // Connections from now on are as `tls_` says; what is under way over others goes on.
    Status connect() {
        http::ClientOptions options;
        options.max_body_bytes = kMaxBodyBytes;
        options.host = host_;
        options.port = port_;
        if (secure_)
            options.tls = TRY(net::TlsClient::create(tls_->authority, tls_->certificate, tls_->key, access_.insecure,
                                                     http::protocols()));
        client_ = std::make_shared<http::Client>(executor_, std::move(options));
        return {};
    }

    Task<Result<http::Response>> send_once(Context ctx, http::Request request, bool stream, std::string token) {
        std::string own = access_.token_source ? access_.token_source() : access_.token;
        if (!own.empty()) token = std::move(own);
        if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
        std::shared_ptr<http::Client> const client = client_;
        std::shared_ptr<TlsParts const> const shown = tls_;
        CO_TRY_ASSIGN(http::Response response, co_await client->send(ctx, std::move(request), stream));
        std::string const lapse = response.status == kUnauthorized ? crypto::lapse(shown->certificate, ctx.now()) : "";
        if (!lapse.empty())
            explain_refusal(response,
                            fmt::format("the client certificate of context \"{}\" {}: another is to take its place, in "
                                        "the files or the kubeconfig it is from",
                                        access_.context, lapse));
        co_return std::move(response);
    }

    // The plugin's certificate in place of ours.
    TlsParts with(PluginCredential const& credential) const {
        TlsParts parts =
            access_.tls_source ? access_.tls_source() : TlsParts{access_.authority, access_.certificate, access_.key};
        if (credential.certificate.empty()) return parts;
        parts.certificate = credential.certificate;
        parts.key = credential.key;
        return parts;
    }

    Status follow(TlsParts now) {
        if (now == *tls_) return {};
        tls_ = std::make_shared<TlsParts const>(std::move(now));
        return connect();
    }

    async::AsioExecutor& executor_;
    ServerAccess access_;
    bool secure_ = false;
    std::string prefix_, host_;
    std::uint16_t port_ = 0;
    std::shared_ptr<TlsParts const> tls_;   // of the client
    std::shared_ptr<http::Client> client_;
};

}   // namespace

Result<Exchange> http_exchange(async::AsioExecutor& executor, ServerAccess const& access) {
    auto const server = TRY(Server::create(executor, access));
    return [server](Context ctx, http::Request request, bool stream) {
        return server->send(std::move(ctx), std::move(request), stream);
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
