// patch: JSON, merge, strategic merge and server-side apply.
#include <fmt/format.h>

#include "core/json/patch.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/scale.h"
#include "kube/meta/object.h"
#include "kube/patch/strategic_merge.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using json::Doc;
using json::Value;

constexpr int kRetries = 5;
constexpr char kJsonPatch[] = "application/json-patch+json";
constexpr char kMergePatch[] = "application/merge-patch+json";
constexpr char kStrategicPatch[] = "application/strategic-merge-patch+json";

Error unknown_patch(ResourceInfo const& info) {
    return Error(ErrorCode::kUnsupportedMediaType,
                 fmt::format("the body of the request was in an unknown format - accepted media types include: {}, {}, "
                             "{}application/apply-patch+yaml",
                             kJsonPatch, kMergePatch, info.custom ? "" : std::string(kStrategicPatch) + ", "));
}

}   // namespace

Result<Value> Cluster::patched(Call& call, Doc const& shown) const {
    ResourceInfo const& info = *call.resource;
    std::string_view const type =
        std::string_view(call.request.content_type).substr(0, call.request.content_type.find(';'));
    Value const body = call.request.body.thaw();
    bool const scale = call.info.subresource == "scale";
    Value next = scale ? scale_of(info, shown) : shown.thaw();
    if (type == kJsonPatch) {
        TRY(json::apply_json_patch(next, body));
    } else if (type == kMergePatch || (type == kStrategicPatch && scale)) {
        if (!body.is_object()) return fail(ErrorCode::kBadRequest, "a merge patch must be an object");
        json::apply_merge_patch(next, body);
    } else if (type == kStrategicPatch && !info.custom) {
        if (!body.is_object()) return fail(ErrorCode::kBadRequest, "a strategic merge patch must be an object");
        TRY(patch::apply_strategic_merge(next, body, *info.type_tree));
    } else {
        return std::unexpected(unknown_patch(info));
    }
    if (!scale) return next;
    Value object = shown.thaw();
    TRY(set_scale(info, object, next));
    return object;
}

// `current` is absent when there is no object yet. `retry` tells whether a conflict may be tried anew.
Task<Result<Doc>> Cluster::apply(Call& call, Doc current, bool& retry) {
    ResourceInfo const& info = *call.resource;
    Value applied = call.request.body.thaw();
    CO_TRY(check_fields(call, applied));
    Value const& read = applied;
    if (read.at({"metadata", "managedFields"}).size() > 0)
        co_return fail(ErrorCode::kBadRequest, "metadata.managedFields must be nil");
    if (read.at({"metadata", "name"}).as_string().empty()) applied.set({"metadata", "name"}, call.info.name);
    if (read.at({"metadata", "name"}).as_string() != call.info.name) {
        co_return fail(ErrorCode::kBadRequest,
                       fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                   read.at({"metadata", "name"}).as_string(), call.info.name));
    }
    std::string const wanted_version = read.at({"metadata", "resourceVersion"}).string();
    std::string const wanted_uid = read.at({"metadata", "uid"}).string();
    retry = wanted_version.empty();
    Doc old;
    if (current.exists()) {
        CO_TRY_ASSIGN(old, co_await in_version(call, current));
    }
    Value const live = old.exists() ? old.thaw() : Value();
    patch::Manager const manager{call.manager, info.resource.api_version(), call.info.subresource, call.ctx.now()};
    bool const force = call.request.query_value("force") == "true";
    CO_TRY_ASSIGN(Value merged, patch::apply(live, std::move(applied), manager, force, *info.type_tree));
    Result<Doc> stored = fail(ErrorCode::kInternal, "unreachable");
    if (!current.exists()) {
        if (!wanted_version.empty() || !wanted_uid.empty())
            co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
        // The request was authorised as a patch.
        control::Attributes const creation{.verb = "create",
                                           .group = info.resource.group,
                                           .resource = info.resource.resource,
                                           .ns = call.info.ns,
                                           .name = call.info.name};
        if (!rbac_.allowed(call.user, creation)) co_return std::unexpected(control::forbidden(call.user, creation));
        stored = co_await create_object(call, std::move(merged), true);
    } else {
        if (!wanted_version.empty()) merged.set({"metadata", "resourceVersion"}, wanted_version);
        if (!wanted_uid.empty()) merged.set({"metadata", "uid"}, wanted_uid);
        stored = co_await update_object(call, current, old, std::move(merged), true);
    }
    co_return std::move(stored);
}

Task<Result<Response>> Cluster::patch(Call& call) {
    ResourceInfo const& info = *call.resource;
    bool const is_apply = call.request.content_type.starts_with("application/apply-patch+");
    if (is_apply && call.request.query_value("fieldManager").empty()) {
        co_return fail(
            ErrorCode::kInvalid,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
    }
    if (is_apply && call.info.subresource == "scale")
        co_return fail(ErrorCode::kUnsupported, "server-side apply of the scale sub-resource is not supported");
    if (!is_apply && call.request.has_query("force")) {
        co_return fail(
            ErrorCode::kInvalid,
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch");
    }
    for (int attempt = 0;; ++attempt) {
        Doc const current = store_->latest(key_of(call));
        if (!current.exists() && !(is_apply && call.info.subresource.empty()))
            co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
        Result<Doc> stored = fail(ErrorCode::kInternal, "unreachable");
        bool retry = false;
        if (is_apply) {
            stored = co_await apply(call, current, retry);
        } else {
            CO_TRY_ASSIGN(Doc const old, co_await in_version(call, current));
            CO_TRY_ASSIGN(Value next, patched(call, old));
            // A version that the patch did not ask for is that of the object it was applied to.
            Value const& version = std::as_const(next).at({"metadata", "resourceVersion"});
            retry = version.as_string() == meta::resource_version(current) &&
                    !call.request.body.at({"metadata", "resourceVersion"}).exists();
            stored = co_await update_object(call, current, old, std::move(next), false);
        }
        bool const lost =
            !stored && stored.error().causes().empty() &&
            (stored.error().is(ErrorCode::kConflict) || (stored.error().is(ErrorCode::kAlreadyExists) && is_apply));
        if (lost && retry && attempt < kRetries) continue;
        if (!stored) co_return std::unexpected(stored.error());
        if (call.info.subresource == "scale") {
            CO_TRY_ASSIGN(Doc const shown, co_await in_version(call, *stored));
            co_return json_response(Doc::freeze(scale_of(info, shown)));
        }
        co_return co_await object_response(call, *stored, current.exists() ? 200 : 201);
    }
}

}   // namespace aviary::apiserver
