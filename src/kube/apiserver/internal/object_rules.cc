#include "kube/apiserver/internal/object_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/internal/custom.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kMaxAnnotationBytes = 256 << 10;

void check_labels(Value const& labels, std::vector<FieldCause>& causes) {
    for (auto const& [key, value] : labels.object()) {
        if (auto const problem = meta::label_key_problem(key)) {
            causes.push_back(
                {"FieldValueInvalid", "metadata.labels", fmt::format("Invalid value: \"{}\": {}", key, *problem)});
        }
        if (auto const problem = meta::label_value_problem(value.as_string())) {
            causes.push_back({"FieldValueInvalid", "metadata.labels",
                              fmt::format("Invalid value: \"{}\": {}", value.as_string(), *problem)});
        }
    }
}

void check_annotations(Value const& annotations, std::vector<FieldCause>& causes) {
    std::size_t bytes = 0;
    for (auto const& [key, value] : annotations.object()) {
        bytes += key.size() + value.as_string().size();
        if (auto const problem = meta::label_key_problem(to_lower(key))) {
            causes.push_back(
                {"FieldValueInvalid", "metadata.annotations", fmt::format("Invalid value: \"{}\": {}", key, *problem)});
        }
    }
    if (bytes > kMaxAnnotationBytes) {
        causes.push_back({"FieldValueTooLong", "metadata.annotations",
                          fmt::format("Too long: may not be more than {} bytes", kMaxAnnotationBytes)});
    }
}

bool same_entries(Value const& left, Value const& right) {
    if (left.size() != right.size()) return false;
    for (std::size_t index = 0; index < left.size(); ++index) {
        Value const& one = left[index];
        Value const& other = right[index];
        if (one.size() != other.size()) return false;
        for (auto const& [key, value] : one.object()) {
            if (key != "time" && !(value == other[key])) return false;
        }
    }
    return true;
}

template <class Skip>
bool same_members(Value const& left, Value const& right, Skip skip) {
    for (auto const& [key, value] : left.object()) {
        if (!skip(key) && !(value == right[key])) return false;
    }
    return std::ranges::all_of(right.object(),
                               [&](auto const& member) { return skip(member.key) || left.contains(member.key); });
}

}   // namespace

Error invalid(ResourceInfo const& info, std::string const& name, std::vector<FieldCause> causes) {
    std::string const kind = info.resource.group.empty() ? info.kind : info.kind + "." + info.resource.group;
    std::string text;
    for (FieldCause const& cause : causes) text += (text.empty() ? "" : ", ") + cause.field + ": " + cause.message;
    if (causes.size() > 1) text = "[" + text + "]";
    return Error(ErrorCode::kInvalid, fmt::format("{} \"{}\" is invalid: {}", kind, name, text))
        .with_causes(std::move(causes))
        .with_object(info.resource.group, info.kind, name);
}

std::vector<FieldCause> check_metadata(Value const& object, Doc const& old) {
    std::vector<FieldCause> causes;
    Value const& metadata = object["metadata"];
    std::string const name = metadata["name"].string();
    if (name.empty()) {
        causes.push_back({"FieldValueRequired", "metadata.name", "Required value: name or generateName is required"});
    } else if (!old.exists()) {
        auto const problem = meta::dns1123_subdomain_problem(name);
        if (problem)
            causes.push_back(
                {"FieldValueInvalid", "metadata.name", fmt::format("Invalid value: \"{}\": {}", name, *problem)});
    }
    check_labels(metadata["labels"], causes);
    check_annotations(metadata["annotations"], causes);
    return causes;
}

std::vector<FieldCause> check_finalizers(Value const& object, Doc const& old) {
    if (!old.exists() || !meta::is_deleting(old)) return {};
    std::string added;
    for (Value const& finalizer : object.at({"metadata", "finalizers"}).array()) {
        if (!meta::has_finalizer(old, finalizer.as_string()))
            added += fmt::format("{}\"{}\"", added.empty() ? "" : ", ", finalizer.as_string());
    }
    if (added.empty()) return {};
    return {{"FieldValueForbidden", "metadata.finalizers",
             fmt::format("Forbidden: no new finalizers can be added if the object is being deleted, found new "
                         "finalizers []string{{{}}}",
                         added)}};
}

bool same_spec(Value const& left, Value const& right) {
    return same_members(left, right, [](std::string_view key) { return key == "metadata" || key == "status"; });
}

bool same_object(Value const& left, Value const& right) {
    if (!same_members(left, right, [](std::string_view key) { return key == "metadata"; })) return false;
    Value const& one = left["metadata"];
    Value const& other = right["metadata"];
    if (!same_members(one, other,
                      [](std::string_view key) { return key == "managedFields" || key == "resourceVersion"; }))
        return false;
    return same_entries(one["managedFields"], other["managedFields"]);
}

bool is_namespace(store::Key const& key) { return key.group.empty() && key.resource == "namespaces"; }

bool is_definition(store::Key const& key) { return key.group == kDefinitionGroup && key.resource == kDefinitions; }

store::Revision revision_number(Doc const& object) {
    return static_cast<store::Revision>(parse_int(meta::resource_version(object)).value_or(0));
}

}   // namespace aviary::apiserver
