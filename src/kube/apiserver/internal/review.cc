// Access reviews, which are answered and never stored, and the scale sub-resource.
#include <fmt/format.h>

#include "kube/apiserver/internal/cluster.h"
#include "kube/meta/object.h"
#include "kube/meta/selector.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using json::Doc;
using json::Value;

Doc at_path(Doc const& object, std::string_view path) {
    Doc value = object;
    while (path.starts_with('.')) {
        path.remove_prefix(1);
        std::size_t const end = path.find('.');
        value = value[path.substr(0, end)];
        path = end == std::string_view::npos ? std::string_view() : path.substr(end);
    }
    return value;
}

control::Attributes attributes_of(Doc const& spec) {
    if (Doc const path = spec["nonResourceAttributes"]; path.exists()) return {.verb = path["verb"].string(), .path = path["path"].string()};
    Doc const wanted = spec["resourceAttributes"];
    return {.verb = wanted["verb"].string(), .group = wanted["group"].string(), .resource = wanted["resource"].string(),
            .subresource = wanted["subresource"].string(), .ns = wanted["namespace"].string(), .name = wanted["name"].string()};
}

}  // namespace

Task<Result<Response>> Cluster::review(Call& call) {
    std::string const& resource = call.resource->resource.resource;
    if (call.info.verb != "create") co_return fail(ErrorCode::kMethodNotAllowed, "the server does not allow this method on the requested resource");
    Value answer = call.request.body.thaw();
    answer["kind"] = call.resource->kind;
    answer["apiVersion"] = call.resource->resource.api_version();
    Doc const spec = call.request.body["spec"];
    if (resource == "selfsubjectaccessreviews" || resource == "subjectaccessreviews" || resource == "localsubjectaccessreviews") {
        control::UserInfo user = call.user;
        if (resource != "selfsubjectaccessreviews") {
            user = {spec["user"].string(), {}, {}};
            for (auto const& [key, group] : spec["groups"].elements()) user.groups.push_back(group.string());
        }
        bool const allowed = rbac_.allowed(user, attributes_of(spec));
        answer["status"] = json::Object{{"allowed", allowed}};
        co_return json_response(Doc::freeze(answer), 201);
    }
    if (resource == "selfsubjectrulesreviews") {
        json::Array resource_rules;
        json::Array path_rules;
        for (Doc const& rule : rbac_.rules_for(call.user, spec["namespace"].string())) {
            (rule["nonResourceURLs"].size() > 0 ? path_rules : resource_rules).push_back(rule.thaw());
        }
        answer["status"] = json::Object{{"resourceRules", resource_rules}, {"nonResourceRules", path_rules}, {"incomplete", false}};
        co_return json_response(Doc::freeze(answer), 201);
    }
    if (resource == "selfsubjectreviews") {
        json::Array groups;
        for (std::string const& group : call.user.groups) groups.push_back(group);
        answer.set({"status", "userInfo"}, json::Object{{"username", call.user.name}, {"groups", groups}});
        co_return json_response(Doc::freeze(answer), 201);
    }
    co_return fail(ErrorCode::kUnsupported, fmt::format("{} is not supported yet", resource));
}

Value Cluster::scale_of(ResourceInfo const& info, Doc const& object) const {
    Value scale{json::Object{{"kind", "Scale"}, {"apiVersion", "autoscaling/v1"}}};
    for (char const* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
        if (Doc const value = object.at({"metadata", field}); value.exists()) scale["metadata"][field] = value.thaw();
    }
    scale["spec"] = json::Object{{"replicas", at_path(object, info.scale->spec_replicas).as_int()}};
    scale["status"] = json::Object{{"replicas", at_path(object, info.scale->status_replicas).as_int()}};
    Doc const selector = at_path(object, info.scale->label_selector.empty() ? ".spec.selector" : info.scale->label_selector);
    if (selector.is_string()) {
        scale["status"]["selector"] = selector.string();
    } else if (auto const labels = meta::LabelSelector::from_object(selector); selector.exists() && labels) {
        scale["status"]["selector"] = labels->to_string();
    }
    return scale;
}

Result<Response> Cluster::scale_get(Call& call) {
    Doc const object = store_->get(key_of(call));
    if (!object.exists()) return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
    return json_response(Doc::freeze(scale_of(*call.resource, object)));
}

}  // namespace aviary::apiserver
