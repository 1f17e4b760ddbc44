#include "kube/apiserver/http_frontend.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/http_messages.h"
#include "kube/apiserver/text_stream.h"

namespace aviary::apiserver {

namespace {

using client::Request;
using client::Response;
using control::UserInfo;

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

class Frontend final : public http::Handler {
public:
    Frontend(ApiServer& server, GatherGauges gauges) : server_(server), gauges_(std::move(gauges)) {}

    Task<http::Response> handle(Context ctx, http::Request message, net::Peer peer) override {
        bool const yaml = wants_yaml(message.headers);
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
        read_headers(message.headers, request);
        CO_TRY_ASSIGN(UserInfo user, authenticate(request, peer));
        CO_TRY(check_accept(request));
        Options const& options = server_.options();
        if (message.body.size() > options.max_body_bytes) {
            co_return fail(ErrorCode::kTooLarge, fmt::format("Request entity too large: limit is {} (max_body_bytes)",
                                                             options.max_body_bytes));
        }
        request.raw_body = std::move(message.body);
        if (request.path == "/metrics") {
            Result<Response> page = co_await metrics(ctx, std::move(cluster), std::move(user));
            co_return std::move(page);
        }
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
    Task<Result<Response>> metrics(Context ctx, std::string cluster, UserInfo user) const {
        auto const clusters = server_.clusters();
        if (std::ranges::find(clusters, cluster) == clusters.end())
            co_return fail(ErrorCode::kNotFound, fmt::format("there is no cluster \"{}\" here", cluster));
        control::Attributes const wanted{.verb = "get", .path = "/metrics"};
        if (!server_.authorizer(cluster).allowed(user, wanted))
            co_return std::unexpected(control::forbidden(user, wanted));
        Response response;
        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
        response.raw_body = server_.metrics().text();
        bool const root = cluster == server_.options().root_cluster;
        if (gauges_ && root) response.raw_body += observe::text_of(co_await gauges_(ctx));
        co_return response;
    }

    ApiServer& server_;
    GatherGauges gauges_;
};

}   // namespace

std::shared_ptr<http::Handler> http_handler(ApiServer& server, GatherGauges gauges) {
    return std::make_shared<Frontend>(server, std::move(gauges));
}

}   // namespace aviary::apiserver
