#include "kube/apiserver/internal/shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/strings.h"

namespace aviary::apiserver {

namespace {

struct Selectable {
    std::string_view group, resource;
    std::string_view fields;   // separated by blanks
};

// As in upstream's field label conversions; metadata.name and metadata.namespace hold for all.
constexpr std::array kSelectable{
    Selectable{"", "pods",
               "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork "
               "status.phase status.podIP status.nominatedNodeName"},
    Selectable{"", "events",
               "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
               "involvedObject.apiVersion involvedObject.resourceVersion "
               "involvedObject.fieldPath reason reportingComponent source type"},
    Selectable{"events.k8s.io", "events",
               "regarding.kind regarding.namespace regarding.name regarding.uid regarding.apiVersion "
               "regarding.resourceVersion regarding.fieldPath reason reportingController type"},
    Selectable{"", "nodes", "spec.unschedulable"},
    Selectable{"", "secrets", "type"},
    Selectable{"", "namespaces", "status.phase"},
    Selectable{"", "replicationcontrollers", "status.replicas"},
    Selectable{"apps", "replicasets", "status.replicas"},
    Selectable{"batch", "jobs", "status.successful"},
};

bool selectable(ResourceInfo const& info, std::string_view field) {
    if (field == "metadata.name") return true;
    if (field == "metadata.namespace") return info.namespaced;
    for (Selectable const& each : kSelectable) {
        if (each.group != info.resource.group || each.resource != info.resource.resource) continue;
        auto const fields = split(each.fields, ' ');
        return std::ranges::find(fields, field) != fields.end();
    }
    return false;
}

}   // namespace

Shape Shape::of(std::string_view accept) {
    Shape shape;
    if (accept.empty()) return shape;
    for (std::string_view part : split(accept, ',')) {
        if (!part.contains("application/json")) continue;
        if (part.contains("as=Table")) shape.form = Form::kTable;
        if (part.contains("as=PartialObjectMetadata")) shape.form = Form::kPartial;
        if (part.contains("v=v1beta1")) shape.api_version = "meta.k8s.io/v1beta1";
        return shape;
    }
    return shape;
}

builtin::TableOptions table_options(client::Request const& request, Shape const& shape) {
    builtin::TableOptions options;
    options.api_version = shape.api_version;
    options.include = builtin::include_object_from(request.query_value("includeObject"));
    return options;
}

Result<Filter> Filter::of(client::Request const& request, ResourceInfo const& info, std::string const& name) {
    Filter filter;
    filter.labels_ = TRY(meta::LabelSelector::parse(request.query_value("labelSelector")));
    std::string text(request.query_value("fieldSelector"));
    if (!name.empty()) text += (text.empty() ? "metadata.name=" : ",metadata.name=") + name;
    filter.fields_ = TRY(meta::FieldSelector::parse(text));
    std::vector<std::string> const fields = filter.fields_.fields();
    for (std::string const& field : fields) {
        if (!selectable(info, field)) {
            return fail(ErrorCode::kBadRequest, fmt::format("field label not supported: {}", field));
        }
    }
    filter.name_ = filter.fields_.required("metadata.name");
    if (!filter.name_.empty() && fields.size() == 1) filter.fields_ = {};
    return filter;
}

bool Filter::matches(json::Doc const& object) const {
    if (!name_.empty() && object["metadata"]["name"].as_string() != name_) return false;
    return (labels_.empty() || labels_.matches(object)) && (fields_.empty() || fields_.matches(object));
}

Result<store::Revision> revision_from(std::string_view text) {
    if (text.empty()) return 0;
    auto const value = parse_int(text);
    if (!value || *value < 0)
        return std::unexpected(
            bad_option("resourceVersion", fmt::format("Invalid value: \"{}\": must be a number", text)));
    return static_cast<store::Revision>(*value);
}

bool is_true(std::string_view text) { return text == "true" || text == "1"; }

Error bad_option(std::string field, std::string message) {
    bool const forbidden = message.starts_with("Forbidden");
    return Error(ErrorCode::kInvalid, fmt::format("ListOptions.meta.k8s.io \"\" is invalid: {}: {}", field, message))
        .with_causes({{forbidden ? "FieldValueForbidden" : "FieldValueInvalid", field, message}})
        .with_object("meta.k8s.io", "ListOptions", "");
}

}   // namespace aviary::apiserver
