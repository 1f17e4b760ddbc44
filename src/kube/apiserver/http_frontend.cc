#include "kube/apiserver/http_frontend.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/text_stream.h"

namespace aviary::apiserver {

namespace {

using client::Request;
using client::Response;
using control::UserInfo;

// The events of a watch, a document a line. Watches of this server give text that they share.
class WatchBody final : public http::BodyStream {
public:
    explicit WatchBody(std::unique_ptr<client::WatchStream> watch)
        : watch_(std::move(watch)), text_(dynamic_cast<TextStream*>(watch_.get())) {}
    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        if (text_ != nullptr) {
            Result<std::optional<std::string>> shared = co_await text_->next_text(ctx);
            co_return std::move(shared);
        }
        CO_TRY_ASSIGN(std::optional<json::Doc> event, co_await watch_->next(ctx));
        if (!event) co_return std::optional<std::string>();
        std::string text = json::write(*event);
        text += '\n';
        co_return std::optional(std::move(text));
    }

private:
    std::unique_ptr<client::WatchStream> watch_;
    TextStream* text_;
};

http::Response to_http(Response response, bool yaml) {
    http::Response out;
    out.status = response.status;
    out.headers = std::move(response.headers);
    out.headers.emplace_back("Cache-Control", "no-cache, private");
    if (response.watch) {
        out.headers.emplace_back("Content-Type", "application/json");
        out.stream = std::make_unique<WatchBody>(std::move(response.watch));
        return out;
    }
    if (response.body.exists() && yaml) {
        out.headers.emplace_back("Content-Type", "application/yaml");
        out.body = yaml::write(response.body.thaw());
        return out;
    }
    out.headers.emplace_back("Content-Type", std::move(response.content_type));
    out.body = response.body.exists() ? json::write(response.body) : std::move(response.raw_body);
    if (response.body.exists()) out.body += '\n';
    return out;
}

// "/clusters/beijing/api/v1/pods?watch=1"
Status parse_target(std::string_view target, Request& request, std::string& cluster) {
    std::size_t const mark = target.find('?');
    std::string_view path = target.substr(0, mark);
    constexpr std::string_view kClusters = "/clusters/";
    if (path.starts_with(kClusters)) {
        path.remove_prefix(kClusters.size());
        std::size_t const slash = path.find('/');
        cluster = path.substr(0, slash);
        path = slash == std::string_view::npos ? "/" : path.substr(slash);
    }
    if (path.empty() || path.front() != '/') return fail(ErrorCode::kBadRequest, "the path must begin with '/'");
    request.path = path;
    if (mark == std::string_view::npos) return {};
    for (std::string_view part : split(target.substr(mark + 1), '&')) {
        if (part.empty()) continue;
        std::size_t const sign = part.find('=');
        auto key = percent_decode(part.substr(0, sign), true);
        auto value = percent_decode(sign == std::string_view::npos ? std::string_view() : part.substr(sign + 1), true);
        if (!key || !value) return fail(ErrorCode::kBadRequest, fmt::format("malformed query parameter \"{}\"", part));
        request.query.emplace_back(std::move(*key), std::move(*value));
    }
    return {};
}

// Resources are given as JSON or YAML; other paths say themselves what they can give.
Status check_accept(Request const& request) {
    std::string_view const accept = request.accept;
    if (accept.empty() || !request.path.starts_with("/api")) return {};
    for (std::string_view known : {"json", "yaml", "*/*", "application/*"}) {
        if (accept.contains(known)) return {};
    }
    return fail(ErrorCode::kNotAcceptable,
                "only the following media types are accepted: application/json, application/yaml, "
                "application/json;stream=watch");
}

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
    return text.size() >= start.size() && iequals(text.substr(0, start.size()), start);
}

class Frontend final : public http::Handler {
public:
    explicit Frontend(ApiServer& server) : server_(server) {}

    Task<http::Response> handle(Context ctx, http::Request message, net::Peer peer) override {
        bool const yaml = starts_with_ignoring_case(http::find_header(message.headers, "Accept"), "application/yaml");
        Result<Response> answer = co_await answer_to(ctx, std::move(message), std::move(peer));
        if (answer) co_return to_http(std::move(*answer), yaml);
        co_return to_http(error_response(answer.error()), yaml);
    }

private:
    Task<Result<Response>> answer_to(Context ctx, http::Request message, net::Peer peer) {
        Request request;
        request.method = std::move(message.method);
        std::string cluster = server_.options().root_cluster;
        CO_TRY(parse_target(message.target, request, cluster));
        for (auto& [key, value] : message.headers) {
            if (iequals(key, "Content-Type")) {
                request.content_type = std::move(value);
            } else if (iequals(key, "Accept")) {
                request.accept = std::move(value);
            } else if (iequals(key, "User-Agent") || iequals(key, "If-None-Match") ||
                       starts_with_ignoring_case(key, "impersonate-")) {
                request.headers.emplace_back(std::move(key), std::move(value));
            }
        }
        CO_TRY_ASSIGN(UserInfo user, authenticate(request, peer));
        CO_TRY(check_accept(request));
        Options const& options = server_.options();
        if (message.body.size() > options.max_body_bytes) {
            co_return fail(ErrorCode::kTooLarge, fmt::format("Request entity too large: limit is {} (max_body_bytes)",
                                                             options.max_body_bytes));
        }
        request.raw_body = std::move(message.body);
        if (request.path == "/metrics") co_return metrics(cluster, user);
        Response response = co_await server_.handle(ctx, std::move(cluster), std::move(user), std::move(request));
        co_return std::move(response);
    }

    static Result<UserInfo> authenticate(Request const& request, net::Peer& peer) {
        if (!peer.common_name.empty()) {
            UserInfo user{std::move(peer.common_name), std::move(peer.organisations), {}};
            user.groups.emplace_back("system:authenticated");
            return user;
        }
        // Probes carry no certificate.
        for (std::string_view open : {"/healthz", "/livez", "/readyz"}) {
            if (request.path.starts_with(open)) return UserInfo{"system:anonymous", {"system:unauthenticated"}, {}};
        }
        return fail(ErrorCode::kUnauthorized, "Unauthorized");
    }

    // The text format of Prometheus.
    Result<Response> metrics(std::string const& cluster, UserInfo const& user) const {
        auto const clusters = server_.clusters();
        if (std::ranges::find(clusters, cluster) == clusters.end())
            return fail(ErrorCode::kNotFound, fmt::format("there is no cluster \"{}\" here", cluster));
        control::Attributes const wanted{.verb = "get", .path = "/metrics"};
        if (!server_.authorizer(cluster).allowed(user, wanted))
            return std::unexpected(control::forbidden(user, wanted));
        Response response;
        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
        response.raw_body = server_.metrics().text();
        return response;
    }

    ApiServer& server_;
};

}   // namespace

std::shared_ptr<http::Handler> http_handler(ApiServer& server) { return std::make_shared<Frontend>(server); }

}   // namespace aviary::apiserver
