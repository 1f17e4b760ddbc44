#include "kube/apiserver/internal/cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/builtin.h"
#include "kube/apiserver/builtin/discovery.h"
#include "kube/apiserver/builtin/roles.h"
#include "kube/apiserver/internal/custom.h"
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

constexpr char kCrdGroup[] = "apiextensions.k8s.io";
constexpr char kCrds[] = "customresourcedefinitions";

std::string path_key(std::string_view group, std::string_view version, std::string_view resource) {
    return fmt::format("{}/{}/{}", group, version, resource);
}

Response text_response(std::string text, std::string content_type = "text/plain; charset=utf-8") {
    Response response;
    response.content_type = std::move(content_type);
    response.raw_body = std::move(text);
    return response;
}

bool is_open_path(std::string_view path) {
    return path == "/healthz" || path == "/livez" || path == "/readyz" || path.starts_with("/readyz/") || path.starts_with("/livez/");
}

// Reviews are created, never stored.
bool is_review(ResourceInfo const& info) { return info.resource.group == "authorization.k8s.io" || info.resource.group == "authentication.k8s.io"; }

}  // namespace

Response json_response(Doc body, int status) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

Response error_response(Error const& error) {
    Response response = json_response(Doc::freeze(meta::to_status(error)), http_status(error.code()));
    if (auto const after = error.retry_after()) {
        response.headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(*after).count())));
    }
    return response;
}

Cluster::Cluster(std::string name, Options const& options, std::unique_ptr<store::Store> store)
    : name_(std::move(name)), options_(options), store_(std::move(store)), rbac_(*store_) {}

Result<std::unique_ptr<Cluster>> Cluster::open(storage::Engine& engine, std::string name, Options const& options) {
    auto store = TRY(store::Store::open(engine, name, {.ring = options.max_log_events}));
    auto cluster = std::unique_ptr<Cluster>(new Cluster(std::move(name), options, std::move(store)));
    Cluster* const self = cluster.get();
    self->relearn();
    for (Info const& info : builtin::builtin_resources()) {
        self->store_->visit(info->resource.group, info->resource.resource, "", std::nullopt, [&](store::Key const& key, Doc const& object) {
            self->note_for_collection({0, store::EventType::kAdded, key, object, {}});
            return true;
        });
    }
    for (auto const& [path, info] : self->custom_) {
        self->store_->visit(info->resource.group, info->resource.resource, "", std::nullopt, [&](store::Key const& key, Doc const& object) {
            self->note_for_collection({0, store::EventType::kAdded, key, object, {}});
            return true;
        });
    }
    self->store_->on_event([self](store::Event const& event) { self->learn(event); });
    return cluster;
}

void Cluster::learn(store::Event const& event) {
    note_for_collection(event);
    if (event.key.group == kCrdGroup && event.key.resource == kCrds) {
        bool const same_spec = event.object["spec"] == event.previous["spec"] && event.type == store::EventType::kModified;
        if (!same_spec) relearn();
    }
}

void Cluster::relearn() {
    custom_.clear();
    resources_ = builtin::builtin_resources();
    store_->visit(kCrdGroup, kCrds, "", std::nullopt, [this](store::Key const&, Doc const& definition) {
        auto served = custom_resources(definition);
        if (!served) return true;   // refused when it was written; one of an older format serves nothing
        for (Info& info : *served) {
            custom_.emplace(path_key(info->resource.group, info->resource.version, info->resource.resource), info);
            resources_.push_back(std::move(info));
        }
        return true;
    });
    by_path_.clear();
    for (Info const& info : resources_) by_path_.emplace(path_key(info->resource.group, info->resource.version, info->resource.resource), info);
    openapi_.reset();
}

Info Cluster::find(std::string_view group, std::string_view version, std::string_view resource) const {
    auto const found = by_path_.find(path_key(group, version, resource));
    return found == by_path_.end() ? nullptr : found->second;
}

Task<Status> Cluster::bootstrap(Context ctx) {
    UserInfo const system{"system:apiserver", {"system:masters"}, {}};
    for (char const* ns : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
        if (store_->get({"", "namespaces", "", ns}).exists()) continue;
        Request request;
        request.method = "POST";
        request.path = "/api/v1/namespaces";
        request.content_type = "application/json";
        request.body = Doc::freeze(json::Object{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", json::Object{{"name", ns}}}});
        Response const response = co_await handle(ctx, system, std::move(request));
        if (!response.ok() && response.status != 409) co_return std::unexpected(meta::from_status(response.body, response.status));
    }
    for (Doc const& role : builtin::default_roles()) {
        auto const kind = meta::kind_of(role);
        std::string const plural = to_lower(kind.kind) + "s";
        if (store_->get({kind.group, plural, meta::ns(role), meta::name(role)}).exists()) continue;
        Request request;
        request.method = "POST";
        request.path = client::resource_path({kind.group, kind.version, plural}, meta::ns(role));
        request.content_type = "application/json";
        request.body = role;
        Response const response = co_await handle(ctx, system, std::move(request));
        if (!response.ok() && response.status != 409) co_return std::unexpected(meta::from_status(response.body, response.status));
    }
    co_return Status{};
}

Task<Response> Cluster::handle(Context ctx, UserInfo user, Request request) {
    Result<Response> result = co_await dispatch(ctx, std::move(user), std::move(request));
    if (!result) co_return error_response(result.error());
    co_return std::move(*result);
}

Result<UserInfo> Cluster::impersonate(UserInfo user, Request const& request) const {
    std::string_view const name = request.header("Impersonate-User");
    UserInfo other;
    other.name = name;
    for (auto const& [key, value] : request.headers) {
        if (iequals(key, "Impersonate-Group")) other.groups.push_back(value);
        constexpr std::string_view kExtra = "impersonate-extra-";
        std::string const lower = to_lower(key);
        if (lower.starts_with(kExtra)) other.extra.emplace_back(lower.substr(kExtra.size()), value);
    }
    if (name.empty()) {
        if (!other.groups.empty() || !other.extra.empty()) return fail(ErrorCode::kBadRequest, "requested impersonation without impersonating a user");
        return user;
    }
    auto const ask = [&](std::string group, std::string resource, std::string value) -> Status {
        Attributes wanted{.verb = "impersonate", .group = std::move(group), .resource = std::move(resource), .name = std::move(value)};
        if (!rbac_.allowed(user, wanted)) return std::unexpected(control::forbidden(user, wanted));
        return {};
    };
    TRY(ask("", "users", other.name));
    for (std::string const& group : other.groups) TRY(ask("", "groups", group));
    for (auto const& [key, value] : other.extra) TRY(ask("authentication.k8s.io", "userextras", value));
    if (other.groups.empty() || std::ranges::find(other.groups, "system:authenticated") == other.groups.end()) {
        if (other.name != "system:anonymous") other.groups.push_back("system:authenticated");
    }
    return other;
}

Task<Result<Response>> Cluster::dispatch(Context ctx, UserInfo user, Request request) {
    CO_TRY_ASSIGN(UserInfo actual, impersonate(std::move(user), request));
    RequestInfo info = parse_request(request);
    Call call{ctx, std::move(actual), std::move(request), std::move(info), nullptr, {}, false, ""};
    Result<Response> result = fail(ErrorCode::kInternal, "unreachable");
    if (call.info.is_resource) {
        result = co_await resource_verb(call);
    } else {
        result = co_await non_resource(call);
    }
    if (result) {
        for (std::string const& warning : call.warnings) {
            std::string quoted;
            for (char letter : warning) {
                if (letter == '"' || letter == '\\') quoted += '\\';
                quoted += letter == '\n' ? ' ' : letter;
            }
            result->headers.emplace_back("Warning", "299 - \"" + quoted + "\"");
        }
    }
    co_return std::move(result);
}

Task<Result<Response>> Cluster::non_resource(Call& call) {
    std::string const& path = call.info.path;
    for (auto const& [prefix, route] : routes_) {
        if (!path.starts_with(prefix)) continue;
        Response response = co_await route->handle(call.ctx, call.user, std::move(call.request));
        co_return std::move(response);
    }
    if (is_open_path(path)) co_return text_response("ok");
    Attributes const wanted{.verb = call.info.verb, .path = path};
    if (!rbac_.allowed(call.user, wanted)) co_return std::unexpected(control::forbidden(call.user, wanted));
    if (call.request.method != "GET" && call.request.method != "HEAD") co_return fail(ErrorCode::kMethodNotAllowed, "the server does not allow this method on the requested resource");

    if (path == "/version" || path == "/version/") {
        std::string const& version = options_.version;
        auto const parts = split(std::string_view(version).substr(1), '.');
        co_return json_response(Doc::freeze(json::Object{{"major", std::string(parts[0])}, {"minor", std::string(parts[1])}, {"gitVersion", version},
                                                         {"gitCommit", ""}, {"gitTreeState", "clean"}, {"buildDate", "1970-01-01T00:00:00Z"},
                                                         {"goVersion", ""}, {"compiler", ""}, {"platform", "linux/amd64"}}));
    }
    builtin::DiscoveryForm const form = builtin::discovery_form(call.request.accept);
    if (path == "/api" || path == "/api/" || path == "/apis" || path == "/apis/") {
        bool const core = path.starts_with("/api") && !path.starts_with("/apis");
        if (form != builtin::DiscoveryForm::kPlain) {
            Response response = json_response(Doc::freeze(builtin::aggregated_discovery(resources_, core, form)));
            response.content_type = builtin::content_type(form);
            co_return std::move(response);
        }
        co_return json_response(Doc::freeze(core ? builtin::api_versions("127.0.0.1") : builtin::api_group_list(resources_)));
    }
    auto const parts = split(std::string_view(path).substr(1), '/');
    Value document;
    if (parts.size() == 2 && parts[0] == "api") document = builtin::api_resource_list(resources_, "", parts[1]);
    if (parts.size() == 2 && parts[0] == "apis") document = builtin::api_group(resources_, parts[1]);
    if (parts.size() == 3 && parts[0] == "apis") document = builtin::api_resource_list(resources_, parts[1], parts[2]);
    if (!document.is_null()) co_return json_response(Doc::freeze(document));
    if (path.starts_with("/openapi/")) {
        if (!openapi_) openapi_ = builtin::OpenApi::shared(resources_);
        std::shared_ptr<builtin::OpenApiDocument const> answer;
        if (path == "/openapi/v2") answer = openapi_->v2(call.request.accept);
        if (path == "/openapi/v3" || path == "/openapi/v3/") answer = openapi_->v3_index();
        if (!answer && path.starts_with("/openapi/v3/")) answer = openapi_->v3(std::string_view(path).substr(12));
        if (answer) {
            Response response = text_response(answer->body, answer->content_type);
            response.headers.emplace_back("Etag", answer->etag);
            if (call.request.header("If-None-Match") == answer->etag) {
                response.status = 304;
                response.raw_body.clear();
            }
            co_return std::move(response);
        }
    }
    co_return fail(ErrorCode::kNotFound, "the server could not find the requested resource");
}

Task<Result<Response>> Cluster::resource_verb(Call& call) {
    RequestInfo const& info = call.info;
    Attributes const wanted{.verb = info.verb, .group = info.group, .resource = info.resource, .subresource = info.subresource, .ns = info.ns, .name = info.name};
    bool const self_review = info.resource.starts_with("selfsubject");
    if (!self_review && !rbac_.allowed(call.user, wanted)) co_return std::unexpected(control::forbidden(call.user, wanted));
    call.resource = find(info.group, info.version, info.resource);
    if (!call.resource) co_return fail(ErrorCode::kNotFound, "the server could not find the requested resource");
    if (is_review(*call.resource)) {
        Result<Response> reviewed = co_await review(call);
        co_return std::move(reviewed);
    }
    if (!call.resource->namespaced && !info.ns.empty()) co_return fail(ErrorCode::kNotFound, "the server could not find the requested resource");
    std::string_view const dry_run = call.request.query_value("dryRun");
    if (!dry_run.empty() && dry_run != "All") co_return fail(ErrorCode::kBadRequest, fmt::format("invalid dryRun value \"{}\": must be All", dry_run));
    call.dry_run = dry_run == "All";
    call.manager = call.request.query_value("fieldManager");
    if (call.manager.empty()) {
        std::string_view const agent = call.request.header("User-Agent");
        call.manager = agent.substr(0, agent.find_first_of("/ "));
        if (call.manager.empty()) call.manager = "unknown";
    }
    std::string const& subresource = info.subresource;
    bool const known = subresource.empty() || (subresource == "status" && call.resource->has_status) || (subresource == "scale" && call.resource->scale) ||
                       (info.resource == "pods" && info.group.empty() && (subresource == "binding" || subresource == "eviction")) ||
                       (info.resource == "namespaces" && subresource == "finalize");
    if (!known) {
        if (info.resource == "pods" || subresource == "token") {
            co_return fail(ErrorCode::kUnsupported, fmt::format("{}/{} is not supported: nothing runs behind this API", info.resource, subresource));
        }
        co_return fail(ErrorCode::kNotFound, "the server could not find the requested resource");
    }
    Result<Response> result = fail(ErrorCode::kMethodNotAllowed, "the server does not allow this method on the requested resource");
    if (info.verb == "get") {
        result = subresource == "scale" ? scale_get(call) : get(call);
    } else if (info.verb == "list") {
        result = list(call);
    } else if (info.verb == "watch") {
        result = co_await watch(call);
    } else if (info.verb == "create" && subresource == "binding") {
        result = co_await bind(call);
    } else if (info.verb == "create" && subresource == "eviction") {
        result = co_await evict(call);
    } else if (info.verb == "create" && subresource.empty()) {
        result = co_await create(call);
    } else if (info.verb == "update") {
        result = co_await update(call);
    } else if (info.verb == "patch") {
        result = co_await patch(call);
    } else if (info.verb == "delete" && subresource.empty()) {
        result = co_await remove(call);
    } else if (info.verb == "deletecollection") {
        result = co_await remove_collection(call);
    }
    co_return std::move(result);
}

store::Key Cluster::key_of(Call const& call) const {
    return {call.resource->resource.group, call.resource->resource.resource, call.resource->namespaced ? call.info.ns : "", call.info.name};
}

Error Cluster::worded(Call const& call, Error const& error, std::string const& name) const {
    std::string const subject = call.resource->resource.group_resource();
    auto const about = [&](ErrorCode code, std::string message) {
        return Error(code, std::move(message)).with_object(call.resource->resource.group, call.resource->resource.resource, name);
    };
    switch (error.code()) {
        case ErrorCode::kNotFound: return about(ErrorCode::kNotFound, fmt::format("{} \"{}\" not found", subject, name));
        case ErrorCode::kAlreadyExists: return about(ErrorCode::kAlreadyExists, fmt::format("{} \"{}\" already exists", subject, name));
        case ErrorCode::kConflict:
            if (!error.causes().empty()) return error;
            return about(ErrorCode::kConflict, fmt::format("Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your "
                                                           "changes to the latest version and try again",
                                                           subject, name));
        default: return error;
    }
}

}  // namespace aviary::apiserver
