#include "kube/client/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "kube/meta/status.h"

namespace aviary::client {

namespace {

constexpr std::string_view content_type(PatchType type) {
    switch (type) {
        case PatchType::kJson: return "application/json-patch+json";
        case PatchType::kMerge: return "application/merge-patch+json";
        case PatchType::kStrategicMerge: return "application/strategic-merge-patch+json";
        case PatchType::kApply: break;
    }
    return "application/apply-patch+yaml";
}

constexpr std::size_t kLongestText = 200;

// Who stands before a server (an aggregator, a proxy) answers in plain text.
Error refusal(Response const& response) {
    if (response.body.exists() || response.raw_body.empty()) return meta::from_status(response.body, response.status);
    std::string text(trim(std::string_view(response.raw_body).substr(0, kLongestText)));
    std::ranges::replace(text, '\n', ' ');
    return meta::from_status(
        json::Doc::freeze(
            json::Object{{"message", fmt::format("the server answered with status {}: {}", response.status, text)}}),
        response.status);
}

// Of the checks that a server lists, "[-]etcd failed: reason withheld", those that fail.
std::string failed_checks(std::string_view listed) {
    std::vector<std::string> names;
    for (std::string_view line : split(listed, '\n')) {
        if (!line.starts_with("[-]")) continue;
        line.remove_prefix(3);
        names.emplace_back(line.substr(0, line.find(' ')));
    }
    return shortened(join(names, ", "), kLongestText);
}

// Says who asks.
void sign(Request& request, NameValues const& headers, std::string const& name) {
    for (auto const& header : headers) request.headers.push_back(header);
    request.headers.emplace_back("User-Agent", name);
}

void add(NameValues& query, std::string_view name, std::string const& value) {
    if (!value.empty()) query.emplace_back(name, value);
}

meta::ObjectKey key_of(json::Value const& object) {
    return {object.at({"metadata", "namespace"}).string(), object.at({"metadata", "name"}).string()};
}

std::string_view value_of(NameValues const& headers, std::string_view name) {
    for (auto const& [key, value] : headers) {
        if (iequals(key, name)) return value;
    }
    return {};
}

}   // namespace

std::string_view Request::query_value(std::string_view name) const {
    for (auto const& [key, value] : query) {
        if (key == name) return value;
    }
    return {};
}

bool Request::has_query(std::string_view name) const {
    for (auto const& [key, value] : query) {
        if (key == name) return true;
    }
    return false;
}

std::string_view Request::header(std::string_view name) const { return value_of(headers, name); }
std::string_view Response::header(std::string_view name) const { return value_of(headers, name); }

std::string resource_path(meta::GroupVersionResource const& resource, std::string_view ns, std::string_view name,
                          std::string_view subresource) {
    std::string path = resource.group.empty() ? "/api" : "/apis/" + percent_encode(resource.group);
    path += "/" + percent_encode(resource.version);
    if (!ns.empty()) path += "/namespaces/" + percent_encode(ns);
    path += "/" + percent_encode(resource.resource);
    if (!name.empty()) path += "/" + percent_encode(name);
    if (!subresource.empty()) path += "/" + std::string(subresource);
    return path;
}

Client::Client(std::shared_ptr<Transport> transport, std::string name)
    : transport_(std::move(transport)), name_(std::move(name)) {}

Client Client::named(std::string name) const {
    Client copy = *this;
    copy.name_ = std::move(name);
    return copy;
}

Client Client::over(std::shared_ptr<Transport> transport) const {
    Client copy = *this;
    copy.transport_ = std::move(transport);
    return copy;
}

Client Client::impersonating(std::string user, std::vector<std::string> groups, NameValues extra) const {
    Client copy = *this;
    copy.headers_.emplace_back("Impersonate-User", std::move(user));
    for (std::string& group : groups) copy.headers_.emplace_back("Impersonate-Group", std::move(group));
    for (auto& [key, value] : extra) copy.headers_.emplace_back("Impersonate-Extra-" + key, std::move(value));
    return copy;
}

Task<Result<Response>> Client::raw(Context ctx, Request request) const {
    sign(request, headers_, name_);
    CO_TRY_ASSIGN(Response response, co_await transport_->send(ctx, std::move(request)));
    if (!response.ok()) co_return std::unexpected(refusal(response));
    co_return std::move(response);
}

Task<Result<json::Doc>> Client::get(Context ctx, Resource resource, Key key, std::string subresource) const {
    Request request;
    request.path = resource_path(resource, key.ns, key.name, subresource);
    CO_TRY_ASSIGN(Response response, co_await raw(ctx, std::move(request)));
    co_return response.body;
}

Task<Result<json::Doc>> Client::find(Context ctx, Resource resource, Key key) const {
    auto found = co_await get(ctx, std::move(resource), std::move(key));
    if (!found && found.error().is(ErrorCode::kNotFound)) co_return json::Doc();
    co_return found;
}

Task<Result<json::Doc>> Client::list(Context ctx, Resource resource, ListOptions options) const {
    Request request;
    request.path = resource_path(resource, options.ns);
    add(request.query, "labelSelector", options.label_selector);
    add(request.query, "fieldSelector", options.field_selector);
    add(request.query, "resourceVersion", options.resource_version);
    add(request.query, "resourceVersionMatch", options.resource_version_match);
    add(request.query, "continue", options.continue_token);
    if (options.limit > 0) request.query.emplace_back("limit", std::to_string(options.limit));
    CO_TRY_ASSIGN(Response response, co_await raw(ctx, std::move(request)));
    co_return response.body;
}

Task<Result<std::unique_ptr<WatchStream>>> Client::watch(Context ctx, Resource resource, WatchOptions options) const {
    Request request;
    request.path = resource_path(resource, options.ns);
    request.query.emplace_back("watch", "true");
    add(request.query, "labelSelector", options.label_selector);
    add(request.query, "fieldSelector", options.field_selector);
    add(request.query, "resourceVersion", options.resource_version);
    if (options.bookmarks) request.query.emplace_back("allowWatchBookmarks", "true");
    if (options.timeout_seconds > 0)
        request.query.emplace_back("timeoutSeconds", std::to_string(options.timeout_seconds));
    CO_TRY_ASSIGN(Response response, co_await raw(ctx, std::move(request)));
    if (!response.watch) co_return fail(ErrorCode::kInvalid, "the server answered a watch without a stream");
    co_return std::move(response.watch);
}

namespace {

Request write_request(std::string method, std::string path, std::string_view type, json::Value const& body,
                      WriteOptions const& options, std::string const& manager) {
    Request request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.content_type = type;
    request.body = json::Doc::freeze(body);
    request.query.emplace_back("fieldManager", options.field_manager.empty() ? manager : options.field_manager);
    if (options.dry_run) request.query.emplace_back("dryRun", "All");
    if (options.force) request.query.emplace_back("force", "true");
    return request;
}

}   // namespace

Task<Result<json::Doc>> Client::create(Context ctx, Resource resource, json::Value object, WriteOptions options) const {
    Key const key = key_of(object);
    // A sub-resource is created on its object; an object in its collection.
    std::string const path = options.subresource.empty()
                                 ? resource_path(resource, key.ns)
                                 : resource_path(resource, key.ns, key.name, options.subresource);
    CO_TRY_ASSIGN(Response response,
                  co_await raw(ctx, write_request("POST", path, "application/json", object, options, name_)));
    co_return response.body;
}

Task<Result<json::Doc>> Client::update(Context ctx, Resource resource, json::Value object, WriteOptions options) const {
    Key const key = key_of(object);
    std::string const path = resource_path(resource, key.ns, key.name, options.subresource);
    CO_TRY_ASSIGN(Response response,
                  co_await raw(ctx, write_request("PUT", path, "application/json", object, options, name_)));
    co_return response.body;
}

Task<Result<json::Doc>> Client::patch(Context ctx, Resource resource, Key key, PatchType type, json::Value body,
                                      WriteOptions options) const {
    std::string const path = resource_path(resource, key.ns, key.name, options.subresource);
    CO_TRY_ASSIGN(Response response,
                  co_await raw(ctx, write_request("PATCH", path, content_type(type), body, options, name_)));
    co_return response.body;
}

Task<Result<json::Doc>> Client::apply(Context ctx, Resource resource, json::Value object, WriteOptions options) const {
    Key const key = key_of(object);
    Result<json::Doc> result =
        co_await patch(ctx, std::move(resource), key, PatchType::kApply, std::move(object), std::move(options));
    co_return result;
}

Task<Status> Client::remove(Context ctx, Resource resource, Key key, DeleteOptions options) const {
    json::Value body{json::Object{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}}};
    if (!options.uid.empty()) body.set({"preconditions", "uid"}, options.uid);
    if (!options.resource_version.empty()) body.set({"preconditions", "resourceVersion"}, options.resource_version);
    if (!options.propagation_policy.empty()) body["propagationPolicy"] = options.propagation_policy;
    if (options.grace_period_seconds) body["gracePeriodSeconds"] = *options.grace_period_seconds;
    if (options.dry_run) body["dryRun"] = json::Array{"All"};
    Request request;
    request.method = "DELETE";
    request.path = resource_path(resource, key.ns, key.name);
    request.content_type = "application/json";
    request.body = json::Doc::freeze(body);
    CO_TRY(co_await raw(ctx, std::move(request)));
    co_return Status{};
}

Task<Result<json::Doc>> Client::who_am_i(Context ctx) const {
    json::Value review{json::Object{{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "SelfSubjectReview"}}};
    CO_TRY_ASSIGN(json::Doc const answer,
                  co_await create(ctx, {"authentication.k8s.io", "v1", "selfsubjectreviews"}, std::move(review)));
    co_return answer.at({"status", "userInfo"});
}

Task<Result<std::string>> Client::server_version(Context ctx) const {
    Request request;
    request.path = "/version";
    CO_TRY_ASSIGN(Response const answer, co_await raw(ctx, std::move(request)));
    co_return answer.body["gitVersion"].string();
}

Task<Status> Client::ready(Context ctx) const {
    Request request;
    request.path = "/readyz";
    sign(request, headers_, name_);
    auto const response = co_await transport_->send(ctx, std::move(request));
    if (response && response->ok()) co_return Status{};
    Error error = response ? refusal(*response) : response.error();
    // It answers, and who may see how it does is its own affair.
    if (error.is(ErrorCode::kForbidden) || error.is(ErrorCode::kNotFound)) co_return Status{};
    std::string const checks = response ? failed_checks(response->raw_body) : std::string();
    if (!checks.empty()) co_return fail(ErrorCode::kUnavailable, "its API server is not ready: " + checks);
    co_return std::unexpected(std::move(error));
}

}   // namespace aviary::client
