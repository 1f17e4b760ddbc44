#include "core/json/fields.h"

#include <fmt/format.h>

namespace aviary::json::detail {

namespace {

std::unexpected<Error> invalid(std::string const& path, std::string_view reason, std::string const& message) {
    return fail(Error(ErrorCode::kInvalid, fmt::format("{}: {}", path.empty() ? "the object" : path, message))
                    .with_causes({{std::string(reason), path, message}}));
}

}   // namespace

std::unexpected<Error> wrong_type(FieldPath const& path, std::string_view wanted, Doc const& found) {
    return invalid(path.text(), "FieldValueTypeInvalid",
                   fmt::format("Invalid value: must be {}, not {}", wanted, to_string(found.type())));
}

std::unexpected<Error> out_of_range(FieldPath const& path, std::int64_t found) {
    return invalid(path.text(), "FieldValueInvalid", fmt::format("Invalid value: {}: is out of range", found));
}

void add_options(Value& schema, FieldOptions const& options) {
    if (options.minimum) schema["minimum"] = *options.minimum;
    if (options.maximum) schema["maximum"] = *options.maximum;
    if (options.max_items) schema["maxItems"] = *options.max_items;
    if (options.min_length) schema["minLength"] = *options.min_length;
    if (options.max_length) schema["maxLength"] = *options.max_length;
    if (!options.pattern.empty()) schema["pattern"] = options.pattern;
    if (!options.format.empty()) schema["format"] = options.format;
    for (std::string_view each : options.one_of) {
        if (!each.empty()) schema["enum"].push_back(each);
    }
    if (!options.default_json.empty()) {
        if (auto value = parse_value(options.default_json)) schema["default"] = std::move(*value);
    }
    if (!options.list_type.empty()) schema["x-kubernetes-list-type"] = options.list_type;
    for (std::string_view each : options.list_keys) {
        if (!each.empty()) schema["x-kubernetes-list-map-keys"].push_back(each);
    }
    if (options.preserve_unknown) schema["x-kubernetes-preserve-unknown-fields"] = true;
}

}   // namespace aviary::json::detail
