// Access reviews, which are answered and never stored, and reading the scale sub-resource.
#include <fmt/format.h>

#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/scale.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using json::Doc;
using json::Value;

control::Attributes attributes_of(Doc const& spec) {
    if (Doc const path = spec["nonResourceAttributes"]; path.exists())
        return {.verb = path["verb"].string(), .path = path["path"].string()};
    Doc const wanted = spec["resourceAttributes"];
    return {.verb = wanted["verb"].string(),
            .group = wanted["group"].string(),
            .resource = wanted["resource"].string(),
            .subresource = wanted["subresource"].string(),
            .ns = wanted["namespace"].string(),
            .name = wanted["name"].string()};
}

control::UserInfo user_of(Doc const& spec) {
    control::UserInfo user{spec["user"].string(), {}, {}};
    for (auto const& [index, group] : spec["groups"].elements()) user.groups.push_back(group.string());
    return user;
}

// Who may ask in one namespace asks about that one alone.
Status check_local(Doc const& spec, std::string const& ns) {
    auto const refuse = [](std::string const& what) {
        return fail(ErrorCode::kInvalid, "LocalSubjectAccessReview.authorization.k8s.io \"\" is invalid: spec." + what);
    };
    if (spec["nonResourceAttributes"].exists())
        return refuse("nonResourceAttributes: Invalid value: disallowed on this kind of request");
    if (ns.empty()) return fail(ErrorCode::kBadRequest, "namespace is required on this type");
    std::string const asked = spec.at({"resourceAttributes", "namespace"}).string();
    if (asked == ns) return {};
    return refuse(
        fmt::format("resourceAttributes.namespace: Invalid value: \"{}\": must match metadata.namespace", asked));
}

}   // namespace

Result<Response> Cluster::review(Call& call) const {
    std::string const& resource = call.resource->resource.resource;
    if (call.info.verb != "create")
        return fail(ErrorCode::kMethodNotAllowed, "the server does not allow this method on the requested resource");
    if (!call.request.body.is_object()) return fail(ErrorCode::kBadRequest, "the body must be a JSON object");
    Value answer = call.request.body.thaw();
    answer["kind"] = call.resource->kind;
    answer["apiVersion"] = call.resource->resource.api_version();
    answer["metadata"].make_object();
    Doc const spec = call.request.body["spec"];
    if (resource == "selfsubjectaccessreviews" || resource == "subjectaccessreviews" ||
        resource == "localsubjectaccessreviews") {
        bool const self = resource == "selfsubjectaccessreviews";
        bool const resource_asked = spec["resourceAttributes"].is_object();
        if (resource_asked == spec["nonResourceAttributes"].is_object()) {
            return fail(ErrorCode::kInvalid,
                        fmt::format("{}.authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: "
                                    "exactly one of nonResourceAttributes or resourceAttributes must be specified",
                                    call.resource->kind));
        }
        if (resource == "localsubjectaccessreviews") TRY(check_local(spec, call.info.ns));
        bool const allowed = rbac_.allowed(self ? call.user : user_of(spec), attributes_of(spec));
        answer["status"] = json::Object{{"allowed", allowed}};
        return json_response(Doc::freeze(answer), 201);
    }
    if (resource == "selfsubjectrulesreviews") {
        json::Array resource_rules;
        json::Array path_rules;
        for (Rule const& rule : rbac_.rules_for(call.user, spec["namespace"].string()))
            (rule.paths.empty() ? resource_rules : path_rules).push_back(rule.to_value());
        answer["status"] = json::Object{{"resourceRules", std::move(resource_rules)},
                                        {"nonResourceRules", std::move(path_rules)},
                                        {"incomplete", false}};
        return json_response(Doc::freeze(answer), 201);
    }
    if (resource == "selfsubjectreviews") {
        json::Array groups;
        for (std::string const& group : call.user.groups) groups.emplace_back(group);
        answer.set({"status", "userInfo"}, json::Object{{"username", call.user.name}, {"groups", std::move(groups)}});
        return json_response(Doc::freeze(answer), 201);
    }
    return fail(ErrorCode::kUnsupported, fmt::format("{} is not supported: this server has no such review", resource));
}

Task<Result<Response>> Cluster::scale_get(Call& call) const {
    Doc const object = store_->get(key_of(call));
    if (!object.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
    CO_TRY_ASSIGN(Doc const shown, co_await in_version(call, object));
    co_return json_response(Doc::freeze(scale_of(*call.resource, shown)));
}

}   // namespace aviary::apiserver
