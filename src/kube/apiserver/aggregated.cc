#include "kube/apiserver/aggregated.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/strings.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/http_messages.h"

namespace aviary::apiserver {

namespace {

using client::Request;
using client::Response;
using control::UserInfo;
using json::Array;
using json::Object;
using json::Value;

class Aggregated final : public http::Handler {
public:
    Aggregated(AggregatedApi api, std::shared_ptr<http::Handler> others)
        : api_(std::move(api)), others_(std::move(others)), root_(fmt::format("/apis/{}", api_.group)) {}

    Task<http::Response> handle(Context ctx, http::Request message, net::Peer peer) override {
        std::string_view const below =
            std::string_view(message.target).substr(std::min(root_.size(), message.target.size()));
        bool const ours = message.target.starts_with(root_) && (below.empty() || below[0] == '/' || below[0] == '?');
        if (!ours) {
            http::Response other = co_await others_->handle(ctx, std::move(message), std::move(peer));
            co_return other;
        }
        bool const yaml = wants_yaml(message.headers);
        Result<Response> answer = co_await answer_to(ctx, std::move(message), std::move(peer));
        if (answer) co_return to_http(std::move(*answer), yaml);
        co_return to_http(error_response(answer.error()), yaml);
    }

private:
    Task<Result<Response>> answer_to(Context ctx, http::Request message, net::Peer peer) {
        CO_TRY_ASSIGN(UserInfo user, authenticate(message.headers, peer));
        Request request;
        request.method = std::move(message.method);
        std::string nobody;
        CO_TRY(parse_target(message.target, request, nobody));
        read_headers(message.headers, request);
        request.raw_body = std::move(message.body);
        if (auto document = discovery(request)) co_return std::move(*document);
        std::shared_ptr<Route> const route = api_.route();
        if (route == nullptr) {
            std::string const why = api_.why_nobody ? api_.why_nobody() : std::string();
            co_return fail(ErrorCode::kUnavailable,
                           fmt::format("no hub leads at the moment{}: try again in some seconds",
                                       why.empty() ? why : " (" + why + ")"));
        }
        Response response = co_await route->handle(ctx, std::move(user), std::move(request));
        co_return std::move(response);
    }

    // Nobody but the front proxy can say who somebody is.
    Result<UserInfo> authenticate(http::Headers const& headers, net::Peer const& peer) const {
        FrontProxy const proxy = api_.front_proxy();
        bool const known = !peer.common_name.empty() &&
                           (proxy.allowed_names.empty() ||
                            std::ranges::find(proxy.allowed_names, peer.common_name) != proxy.allowed_names.end());
        if (!known) return fail(ErrorCode::kUnauthorized, "Unauthorized");
        UserInfo user;
        for (auto const& [key, value] : headers) {
            if (user.name.empty() && named(proxy.username_headers, key)) user.name = value;
            if (named(proxy.group_headers, key)) user.groups.push_back(value);
            for (std::string const& prefix : proxy.extra_header_prefixes) {
                if (!starts_with_ignoring_case(key, prefix)) continue;
                auto const extra = percent_decode(to_lower(std::string_view(key).substr(prefix.size())), false);
                if (extra) user.extra.emplace_back(*extra, value);
            }
        }
        if (user.name.empty()) return fail(ErrorCode::kUnauthorized, "Unauthorized");
        return user;
    }

    static bool named(std::vector<std::string> const& names, std::string_view key) {
        return std::ranges::any_of(names, [key](std::string const& name) { return iequals(name, key); });
    }

    // What an API server asks to find out whether this is there, and kubectl to find out what it has.
    std::optional<Response> discovery(Request const& request) const {
        if (request.method != "GET") return std::nullopt;
        std::string const version = fmt::format("{}/{}", api_.group, api_.version);
        Value body{Object{{"apiVersion", "v1"}}};
        if (request.path == root_) {
            Value const served{Object{{"groupVersion", version}, {"version", api_.version}}};
            body["kind"] = "APIGroup";
            body["name"] = api_.group;
            body["versions"] = Array{served};
            body["preferredVersion"] = served;
        } else if (request.path == fmt::format("/apis/{}", version)) {
            body["kind"] = "APIResourceList";
            body["groupVersion"] = version;
            body["resources"] = Array();
            for (std::string const& resource : api_.resources) {
                body["resources"].push_back(Object{{"name", resource},
                                                   {"singularName", ""},
                                                   {"namespaced", false},
                                                   {"kind", "Read"},
                                                   {"verbs", Array{"get"}}});
            }
        } else {
            return std::nullopt;
        }
        Response response;
        response.status = 200;
        response.body = json::Doc::freeze(body);
        return response;
    }

    AggregatedApi api_;
    std::shared_ptr<http::Handler> others_;
    std::string root_;
};

}   // namespace

std::shared_ptr<http::Handler> make_aggregated_handler(AggregatedApi api, std::shared_ptr<http::Handler> others) {
    return std::make_shared<Aggregated>(std::move(api), std::move(others));
}

}   // namespace aviary::apiserver
