// From a request to its verb: impersonation, authorisation, what is no resource.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/discovery.h"
#include "kube/apiserver/internal/body.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/meta/object.h"
#include "kube/meta/status.h"

namespace aviary::apiserver {

namespace {

using client::Request;
using client::Response;
using control::Attributes;
using control::UserInfo;
using json::Doc;
using json::Value;

constexpr char kNoSuchResource[] = "the server could not find the requested resource";
constexpr char kNoSuchMethod[] = "the server does not allow this method on the requested resource";

bool is_open_path(std::string_view path) {
    return path == "/healthz" || path == "/livez" || path == "/readyz" || path.starts_with("/healthz/") ||
           path.starts_with("/readyz/") || path.starts_with("/livez/");
}

// Reviews are created, never stored.
bool is_review(ResourceInfo const& info) {
    return info.resource.group == "authorization.k8s.io" || info.resource.group == "authentication.k8s.io";
}

Response version_response(std::string const& version) {
    auto const parts = split(std::string_view(version).substr(version.starts_with('v') ? 1 : 0), '.');
    std::string const minor(parts.size() > 1 ? parts[1] : "");
    return json_response(Doc::freeze(json::Object{{"major", std::string(parts.empty() ? "" : parts[0])},
                                                  {"minor", minor},
                                                  {"gitVersion", version},
                                                  {"gitCommit", ""},
                                                  {"gitTreeState", "clean"},
                                                  {"buildDate", "1970-01-01T00:00:00Z"},
                                                  {"goVersion", ""},
                                                  {"compiler", ""},
                                                  {"platform", "linux/amd64"}}));
}

bool has_subresource(ResourceInfo const& info, std::string_view subresource) {
    if (subresource.empty()) return true;
    if (subresource == "status") return info.has_status;
    if (subresource == "scale") return info.scale != nullptr;
    if (!info.resource.group.empty()) return false;
    if (info.resource.resource == "pods") return subresource == "binding" || subresource == "eviction";
    return info.resource.resource == "namespaces" && subresource == "finalize";
}

// What the sub-resource is asked for, it has to have itself: nothing falls through to the object.
bool has_verb(std::string_view subresource, std::string_view verb) {
    if (subresource.empty()) return true;
    if (subresource == "status" || subresource == "scale") return verb == "get" || verb == "update" || verb == "patch";
    return verb == (subresource == "finalize" ? "update" : "create");
}

std::string_view default_manager(std::string_view agent) {
    std::string_view const manager = agent.substr(0, agent.find_first_of("/ "));
    return manager.empty() ? "unknown" : manager;
}

}   // namespace

Response json_response(Doc body, int status) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

Response success_response(json::Object details, int status) {
    json::Object body{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::Object()}, {"status", "Success"}};
    if (!details.empty()) body["details"] = std::move(details);
    if (status != 200) body["code"] = status;
    return json_response(Doc::freeze(body), status);
}

Response error_response(Error const& error) {
    Response response = json_response(Doc::freeze(meta::to_status(error)), http_status(error.code()));
    if (auto const after = error.retry_after()) {
        response.headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(
                                                         1, std::chrono::ceil<std::chrono::seconds>(*after).count())));
    }
    return response;
}

Task<Response> Cluster::handle(Context ctx, UserInfo user, Request request) {
    MonotonicTime const began = ctx.monotonic();
    std::string const identity = user.name;
    std::string const agent(request.header("User-Agent"));
    RequestInfo info = parse_request(request);
    Call call{ctx, std::move(user), std::move(request), std::move(info), nullptr, {}, false, ""};
    Result<Response> result = co_await dispatch(call);
    Response response = result ? std::move(*result) : error_response(result.error());
    for (std::string& warning : call.warnings.headers()) response.headers.emplace_back("Warning", std::move(warning));
    shared_.counts.add({.cluster = name_,
                        .user = identity,
                        .agent = agent,
                        .info = call.info,
                        .known = call.resource != nullptr,
                        .known_subresource = call.resource && has_subresource(*call.resource, call.info.subresource),
                        .route = call.route,
                        .code = response.status,
                        .took = ctx.monotonic() - began});
    co_return std::move(response);
}

Status Cluster::impersonate(Call& call) const {
    UserInfo other;
    other.name = call.request.header("Impersonate-User");
    constexpr std::string_view kExtra = "impersonate-extra-";
    for (auto const& [key, value] : call.request.headers) {
        if (key.size() < 12 || !iequals(std::string_view(key).substr(0, 12), "impersonate-")) continue;
        if (iequals(key, "Impersonate-Group")) other.groups.push_back(value);
        std::string const lower = to_lower(key);
        if (lower.starts_with(kExtra))
            other.extra.emplace_back(
                percent_decode(lower.substr(kExtra.size()), false).value_or(lower.substr(kExtra.size())), value);
    }
    if (other.name.empty()) {
        if (other.groups.empty() && other.extra.empty()) return {};
        return fail(ErrorCode::kBadRequest, "requested impersonation without impersonating a user");
    }
    auto const ask = [&](Attributes wanted) -> Status {
        wanted.verb = "impersonate";
        if (!rbac_.allowed(call.user, wanted)) return std::unexpected(control::forbidden(call.user, wanted));
        return {};
    };
    constexpr std::string_view kAccount = "system:serviceaccount:";
    if (std::size_t const colon = other.name.find(':', kAccount.size());
        other.name.starts_with(kAccount) && colon != std::string::npos) {
        TRY(ask({.resource = "serviceaccounts",
                 .ns = other.name.substr(kAccount.size(), colon - kAccount.size()),
                 .name = other.name.substr(colon + 1)}));
    } else {
        TRY(ask({.resource = "users", .name = other.name}));
    }
    for (std::string const& group : other.groups) TRY(ask({.resource = "groups", .name = group}));
    for (auto const& [key, value] : other.extra)
        TRY(ask({.group = "authentication.k8s.io", .resource = "userextras", .subresource = key, .name = value}));
    bool const anonymous = other.name == "system:anonymous";
    std::string const implied = anonymous ? "system:unauthenticated" : "system:authenticated";
    if (std::ranges::find(other.groups, implied) == other.groups.end()) other.groups.push_back(implied);
    call.user = std::move(other);
    return {};
}

Task<Result<Response>> Cluster::dispatch(Call& call) {
    CO_TRY(impersonate(call));
    for (auto const& [prefix, route] : routes_) {
        if (!call.info.path.starts_with(prefix)) continue;
        call.route = prefix;
        Response response = co_await route->handle(call.ctx, call.user, std::move(call.request));
        co_return std::move(response);
    }
    Result<Response> result = fail(ErrorCode::kInternal, "unreachable");
    if (call.info.is_resource) {
        result = co_await resource_verb(call);
    } else {
        result = co_await non_resource(call);
    }
    co_return std::move(result);
}

Task<Result<Response>> Cluster::non_resource(Call& call) {
    std::string const& path = call.info.path;
    if (is_open_path(path)) {
        Response response;
        response.content_type = "text/plain; charset=utf-8";
        response.raw_body = "ok";
        co_return std::move(response);
    }
    Attributes const wanted{.verb = call.info.verb, .path = path};
    if (!rbac_.allowed(call.user, wanted)) co_return std::unexpected(control::forbidden(call.user, wanted));
    if (call.request.method != "GET" && call.request.method != "HEAD")
        co_return fail(ErrorCode::kMethodNotAllowed, kNoSuchMethod);
    Result<Response> found = discovery(call);
    co_return std::move(found);
}

Result<Response> Cluster::discovery(Call& call) const {
    std::string_view path = call.info.path;
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    std::vector<Info> const& resources = served_->resources();
    if (path == "/version") return version_response(shared_.options.version);
    if (path == "/api" || path == "/apis") {
        bool const core = path == "/api";
        builtin::DiscoveryForm const form = builtin::discovery_form(call.request.accept);
        if (form == builtin::DiscoveryForm::kPlain)
            return json_response(
                Doc::freeze(core ? builtin::api_versions("127.0.0.1") : builtin::api_group_list(resources)));
        Response response = json_response(Doc::freeze(builtin::aggregated_discovery(resources, core, form)));
        response.content_type = builtin::content_type(form);
        return response;
    }
    auto const parts = path.size() > 1 ? split(path.substr(1), '/') : std::vector<std::string_view>();
    Value document;
    if (parts.empty()) {
        json::Array paths;
        for (char const* each :
             {"/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"})
            paths.emplace_back(each);
        document = json::Object{{"paths", paths}};
    }
    if (parts.size() == 2 && parts[0] == "api") document = builtin::api_resource_list(resources, "", parts[1]);
    if (parts.size() == 2 && parts[0] == "apis") document = builtin::api_group(resources, parts[1]);
    if (parts.size() == 3 && parts[0] == "apis") document = builtin::api_resource_list(resources, parts[1], parts[2]);
    if (!document.is_null()) return json_response(Doc::freeze(document));
    if (path.starts_with("/openapi/")) {
        std::shared_ptr<builtin::OpenApiDocument const> answer;
        if (path == "/openapi/v2") answer = served_->openapi()->v2(call.request.accept);
        if (path == "/openapi/v3") answer = served_->openapi()->v3_index();
        if (path.starts_with("/openapi/v3/")) answer = served_->openapi()->v3(path.substr(12));
        if (answer) {
            Response response;
            response.content_type = answer->content_type;
            response.headers.emplace_back("Etag", answer->etag);
            response.headers.emplace_back("Vary", "Accept");
            bool const known = call.request.header("If-None-Match") == answer->etag;
            response.status = known ? 304 : 200;
            if (!known) response.raw_body = answer->body;
            return response;
        }
    }
    return fail(ErrorCode::kNotFound, kNoSuchResource);
}

// Only once the caller may do what is asked, and there is something that does it.
Status Cluster::read_body(Call& call) const {
    if (call.request.body.exists() || call.request.raw_body.empty()) return {};
    std::string const raw = std::move(call.request.raw_body);
    call.request.body = TRY(parse_body(raw, call.request.content_type, shared_.options));
    return {};
}

Task<Result<Response>> Cluster::resource_verb(Call& call) {
    RequestInfo const& info = call.info;
    Attributes const wanted{.verb = info.verb,
                            .group = info.group,
                            .resource = info.resource,
                            .subresource = info.subresource,
                            .ns = info.ns,
                            .name = info.name.empty() ? info.selected_name : info.name};
    bool const self_review = info.resource.starts_with("selfsubject") &&
                             (info.group == "authorization.k8s.io" || info.group == "authentication.k8s.io");
    if (!self_review && !rbac_.allowed(call.user, wanted))
        co_return std::unexpected(control::forbidden(call.user, wanted));
    call.resource = served_->find(info.group, info.version, info.resource);
    if (!call.resource || info.malformed) co_return fail(ErrorCode::kNotFound, kNoSuchResource);
    if (is_review(*call.resource)) {
        CO_TRY(read_body(call));
        co_return review(call);
    }
    // A path inside a namespace was authorised there: all that it reaches outside is the namespace itself.
    bool const is_itself = info.resource == "namespaces" && info.group.empty() && info.ns == info.name;
    if (!call.resource->namespaced && !info.ns.empty() && !is_itself)
        co_return fail(ErrorCode::kNotFound, kNoSuchResource);
    if (!has_subresource(*call.resource, info.subresource)) {
        if (info.resource == "pods" || info.subresource == "token") {
            co_return fail(ErrorCode::kUnsupported, fmt::format("{}/{} is not supported: nothing runs behind this API",
                                                                info.resource, info.subresource));
        }
        co_return fail(ErrorCode::kNotFound, kNoSuchResource);
    }
    if (!has_verb(info.subresource, info.verb)) co_return fail(ErrorCode::kMethodNotAllowed, kNoSuchMethod);
    CO_TRY(read_body(call));
    std::string_view const dry_run = call.request.query_value("dryRun");
    if (!dry_run.empty() && dry_run != "All")
        co_return fail(ErrorCode::kBadRequest,
                       fmt::format("dryRun: Unsupported value: \"{}\": supported values: \"All\"", dry_run));
    call.dry_run = dry_run == "All";
    call.manager = call.request.query_value("fieldManager");
    if (call.manager.empty()) call.manager = default_manager(call.request.header("User-Agent"));
    if (call.manager.size() > 128)
        co_return fail(ErrorCode::kInvalid, "fieldManager: Too long: may not be longer than 128");

    Result<Response> result = co_await carry_out(call);
    co_return std::move(result);
}

// The verb itself, of what was found and may be done.
Task<Result<Response>> Cluster::carry_out(Call& call) {
    RequestInfo const& info = call.info;
    std::string const& subresource = info.subresource;
    bool const named = !info.name.empty();
    Result<Response> result = fail(ErrorCode::kMethodNotAllowed, kNoSuchMethod);
    if (info.verb == "get") {
        if (subresource == "scale") {
            result = co_await scale_get(call);
        } else {
            result = co_await get(call);
        }
    } else if (info.verb == "list") {
        result = co_await list(call);
    } else if (info.verb == "watch") {
        result = co_await watch(call);
    } else if (info.verb == "create" && subresource == "binding") {
        result = co_await bind(call);
    } else if (info.verb == "create" && subresource == "eviction") {
        result = co_await evict(call);
    } else if (info.verb == "create" && subresource.empty() && !named) {
        result = co_await create(call);
    } else if (info.verb == "update" && named) {
        result = co_await update(call);
    } else if (info.verb == "patch" && named) {
        result = co_await patch(call);
    } else if (info.verb == "delete") {
        result = co_await remove(call);
    } else if (info.verb == "deletecollection") {
        result = co_await remove_collection(call);
    }
    co_return std::move(result);
}

store::Key Cluster::key_of(Call const& call) const {
    return {call.resource->resource.group, call.resource->resource.resource,
            call.resource->namespaced ? call.info.ns : "", call.info.name};
}

Error Cluster::worded(Call const& call, Error const& error, std::string const& name) const {
    std::string const subject = call.resource->resource.group_resource();
    auto const about = [&](ErrorCode code, std::string message) {
        return Error(code, std::move(message))
            .with_object(call.resource->resource.group, call.resource->resource.resource, name);
    };
    switch (error.code()) {
        case ErrorCode::kNotFound:
            return about(ErrorCode::kNotFound, fmt::format("{} \"{}\" not found", subject, name));
        case ErrorCode::kAlreadyExists:
            return about(ErrorCode::kAlreadyExists, fmt::format("{} \"{}\" already exists", subject, name));
        case ErrorCode::kConflict:
            if (!error.causes().empty()) return error;
            return about(
                ErrorCode::kConflict,
                fmt::format(
                    "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your "
                    "changes to the latest version and try again",
                    subject, name));
        default: return error;
    }
}

}   // namespace aviary::apiserver
