#include "kube/apiserver/internal/scale.h"

#include <fmt/format.h>

#include "core/base/strings.h"
#include "kube/meta/selector.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Value;

// ".spec.replicas" → {"spec", "replicas"}
std::vector<std::string_view> steps(std::string_view path) {
    return split(path.starts_with('.') ? path.substr(1) : path, '.');
}

Doc at_path(Doc const& object, std::string_view path) {
    Doc value = object;
    for (std::string_view step : steps(path)) value = value[step];
    return value;
}

}   // namespace

Value scale_of(ResourceInfo const& info, Doc const& object) {
    Value scale{json::Object{{"kind", "Scale"}, {"apiVersion", "autoscaling/v1"}}};
    for (char const* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
        if (Doc const value = object.at({"metadata", field}); value.exists()) scale["metadata"][field] = value.thaw();
    }
    scale["spec"] = json::Object{{"replicas", at_path(object, info.scale->spec_replicas).as_int()}};
    scale["status"] = json::Object{{"replicas", at_path(object, info.scale->status_replicas).as_int()}};
    if (info.scale->label_selector.empty()) return scale;
    Doc const selector = at_path(object, info.scale->label_selector);
    if (selector.is_string()) {
        scale["status"]["selector"] = selector.string();
    } else if (auto const labels = meta::LabelSelector::from_object(selector); selector.exists() && labels) {
        scale["status"]["selector"] = labels->to_string();
    }
    return scale;
}

Status set_scale(ResourceInfo const& info, Value& object, Value const& scale) {
    Value const& replicas = scale.at({"spec", "replicas"});
    if (!replicas.is_null() && !replicas.is_int())
        return fail(ErrorCode::kBadRequest,
                    "Scale in version \"v1\" cannot be handled as a Scale: spec.replicas must be a number");
    std::string const name = object.at({"metadata", "name"}).string();
    if (replicas.as_int() < 0) {
        FieldCause cause{"FieldValueInvalid", "spec.replicas",
                         fmt::format("Invalid value: {}: must be greater than or equal to 0", replicas.as_int())};
        return std::unexpected(Error(ErrorCode::kInvalid, fmt::format("Scale.autoscaling \"{}\" is invalid: {}: {}",
                                                                      name, cause.field, cause.message))
                                   .with_causes({cause})
                                   .with_object("autoscaling", "Scale", name));
    }
    Value* place = &object;
    for (std::string_view step : steps(info.scale->spec_replicas)) place = &(*place)[step];
    *place = replicas.as_int();
    for (char const* field : {"resourceVersion", "uid"}) {
        Value const& wanted = scale.at({"metadata", field});
        if (!wanted.as_string().empty()) object.set({"metadata", field}, wanted);
    }
    return {};
}

}   // namespace aviary::apiserver
