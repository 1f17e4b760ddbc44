#include "kube/apiserver/http_frontend.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/apiserver/builtin/protobuf.h"
#include "kube/apiserver/internal/cluster.h"

namespace aviary::apiserver {

namespace {

using client::Request;
using client::Response;

// The events of a watch, a document a line.
class WatchBody final : public http::BodyStream {
public:
    explicit WatchBody(std::unique_ptr<client::WatchStream> watch) : watch_(std::move(watch)) {}
    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        CO_TRY_ASSIGN(std::optional<json::Doc> event, co_await watch_->next(ctx));
        if (!event) co_return std::optional<std::string>();
        std::string text = json::write(*event);
        text += '\n';
        co_return std::optional(std::move(text));
    }

private:
    std::unique_ptr<client::WatchStream> watch_;
};

http::Response to_http(Response response) {
    http::Response out;
    out.status = response.status;
    out.headers = std::move(response.headers);
    if (response.watch) {
        out.headers.emplace_back("Content-Type", "application/json");
        out.stream = std::make_unique<WatchBody>(std::move(response.watch));
        return out;
    }
    out.headers.emplace_back("Content-Type", response.content_type);
    out.body = response.body.exists() ? json::write(response.body) : std::move(response.raw_body);
    if (response.body.exists()) out.body += '\n';
    return out;
}

Result<json::Doc> parse_body(std::string const& body, std::string_view type) {
    if (builtin::is_protobuf(type)) {
        json::Value const value = TRY(builtin::decode_protobuf(body));
        return json::Doc::freeze(value);
    }
    if (type.contains("cbor")) return fail(ErrorCode::kUnsupportedMediaType, "CBOR bodies are not supported: send application/json");
    bool const yaml = type.contains("yaml");
    std::size_t const start = body.find_first_not_of(" \t\r\n");
    if (yaml && (start == std::string::npos || (body[start] != '{' && body[start] != '['))) {
        json::Value const value = TRY(yaml::parse(body));
        return json::Doc::freeze(value);
    }
    return json::parse(body);
}

class Frontend final : public http::Handler {
public:
    explicit Frontend(ApiServer& server) : server_(server) {}

    Task<http::Response> handle(Context ctx, http::Request message, net::Peer peer) override {
        Result<http::Response> answer = co_await answer_to(ctx, std::move(message), std::move(peer));
        if (answer) co_return std::move(*answer);
        co_return to_http(error_response(answer.error()));
    }

private:
    Task<Result<http::Response>> answer_to(Context ctx, http::Request message, net::Peer peer) {
        Request request;
        request.method = std::move(message.method);
        std::string cluster = server_.options().root_cluster;
        CO_TRY(parse_target(message.target, request, cluster));
        for (auto& [key, value] : message.headers) {
            if (iequals(key, "Content-Type")) request.content_type = value;
            if (iequals(key, "Accept")) request.accept = value;
            bool const wanted = iequals(key, "User-Agent") || iequals(key, "If-None-Match") || to_lower(key).starts_with("impersonate-");
            if (wanted) request.headers.emplace_back(std::move(key), std::move(value));
        }
        control::UserInfo user{peer.common_name, std::move(peer.organisations), {}};
        bool const open = request.path == "/healthz" || request.path == "/livez" || request.path == "/readyz";
        if (user.name.empty()) {
            if (!open) co_return fail(ErrorCode::kUnauthorized, "Unauthorized: show a client certificate of this server's authority");
            user = {"system:anonymous", {"system:unauthenticated"}, {}};
        } else {
            user.groups.emplace_back("system:authenticated");
        }
        if (message.body.size() > server_.options().max_body_bytes) {
            co_return fail(ErrorCode::kTooLarge, fmt::format("Request entity too large: limit is {} (max_body_bytes)", server_.options().max_body_bytes));
        }
        if (!message.body.empty()) {
            CO_TRY_ASSIGN(request.body, parse_body(message.body, request.content_type));
        }
        Response response = co_await server_.handle(ctx, std::move(cluster), std::move(user), std::move(request));
        co_return to_http(std::move(response));
    }

    // "/clusters/beijing/api/v1/pods?watch=1"
    static Status parse_target(std::string_view target, Request& request, std::string& cluster) {
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
            auto const key = percent_decode(part.substr(0, sign), true);
            auto const value = percent_decode(sign == std::string_view::npos ? std::string_view() : part.substr(sign + 1), true);
            if (!key || !value) return fail(ErrorCode::kBadRequest, fmt::format("malformed query parameter \"{}\"", part));
            request.query.emplace_back(*key, *value);
        }
        return {};
    }

    ApiServer& server_;
};

}  // namespace

std::shared_ptr<http::Handler> http_handler(ApiServer& server) { return std::make_shared<Frontend>(server); }

}  // namespace aviary::apiserver
