#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>

#include "core/json/write.h"
#include "kube/schema/internal/node.h"

namespace aviary::schema::internal {

namespace {

using json::FieldPath;
using json::Value;

constexpr std::size_t kMaxCauses = 100;
constexpr std::size_t kMaxShown = 1'000;

// How Kubernetes prints the offending value in its messages; long ones are cut.
std::string shown(Value const& value) {
    std::string text = value.is_string() ? fmt::format("\"{}\"", value.as_string()) : json::write(value);
    if (value.is_null()) text = "\"null\"";
    if (text.size() <= kMaxShown) return text;
    std::size_t end = kMaxShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end) + "...";
}

FieldCause invalid(FieldPath const& path, Value const& value, std::string_view detail) {
    return {"FieldValueInvalid", path.text(), fmt::format("Invalid value: {}: {}", shown(value), detail)};
}

FieldCause wrong_type(FieldPath const& path, Value const& value, std::string_view type) {
    std::string const where = path.text();
    std::string_view const found = json::to_string(value.type());
    return {"FieldValueTypeInvalid", where,
            fmt::format("Invalid value: \"{}\": {} in body must be of type {}: \"{}\"", found, where, type, found)};
}

FieldCause too_many(FieldPath const& path, std::int64_t size, std::int64_t most) {
    return {"FieldValueTooMany", path.text(), fmt::format("Too many: {}: must have at most {} items", size, most)};
}

bool type_matches(std::string_view type, Value const& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_bool();
    if (type == "integer")
        return value.is_int() || (value.is_number() && value.as_double() == std::floor(value.as_double()));
    if (type == "number") return value.is_number();
    return true;
}

std::int64_t characters(std::string_view text) {
    return std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; });
}

void check_string(Node const& node, Value const& value, FieldPath const& path, std::vector<FieldCause>& causes) {
    std::string_view const text = value.as_string();
    if (node.max_length && characters(text) > *node.max_length) {
        causes.push_back({"FieldValueTooLong", path.text(),
                          fmt::format("Too long: may not be more than {} bytes", *node.max_length)});
    }
    if (node.min_length && characters(text) < *node.min_length) {
        causes.push_back(invalid(
            path, value, fmt::format("{} in body should be at least {} chars long", path.text(), *node.min_length)));
    }
    if (node.pattern && !re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *node.pattern)) {
        causes.push_back(
            invalid(path, value, fmt::format("{} in body should match '{}'", path.text(), node.pattern->pattern())));
    }
    if (!node.format.empty() && !has_format(text, node.format)) {
        std::string const what = fmt::format("Invalid value: {0}: {1} in body must be of type {2}: {0}", shown(value),
                                             path.text(), node.format);
        causes.push_back({"FieldValueTypeInvalid", path.text(), what});
    }
}

// Whether the integer fits its format; without one, or with another, 64 bits.
bool in_range(std::string_view format, Value const& value) {
    if (!value.is_int() && std::abs(value.as_double()) >= 0x1p63) return false;
    if (format != "int32") return true;
    double const number = value.as_double();
    return number >= std::numeric_limits<std::int32_t>::min() && number <= std::numeric_limits<std::int32_t>::max();
}

void check_number(Node const& node, Value const& value, FieldPath const& path, std::vector<FieldCause>& causes) {
    double const number = value.as_double();
    if (node.type == "integer" && !in_range(node.format, value)) {
        std::string const format = node.format.empty() ? "(default format)" : "with format " + node.format;
        causes.push_back(
            {"FieldValueInvalid", path.text(),
             fmt::format("Invalid value: \"\": Checked value must be of type integer {} in {}", format, path.text())});
    }
    if (node.minimum && (number < *node.minimum || (node.exclusive_minimum && number == *node.minimum))) {
        causes.push_back(invalid(path, value,
                                 fmt::format("{} in body should be greater than {}{}", path.text(),
                                             node.exclusive_minimum ? "" : "or equal to ", *node.minimum)));
    }
    if (node.maximum && (number > *node.maximum || (node.exclusive_maximum && number == *node.maximum))) {
        causes.push_back(invalid(path, value,
                                 fmt::format("{} in body should be less than {}{}", path.text(),
                                             node.exclusive_maximum ? "" : "or equal to ", *node.maximum)));
    }
    if (node.multiple_of && *node.multiple_of > 0 &&
        number / *node.multiple_of != std::round(number / *node.multiple_of)) {
        causes.push_back(
            invalid(path, value, fmt::format("{} in body should be a multiple of {}", path.text(), *node.multiple_of)));
    }
}

// The keys that name an element of a list-map, or the element of a set.
Value key_of(Node const& node, Value const& element) {
    if (node.list_type == "set") return element;
    Value keys{json::Object()};
    for (std::string const& key : node.list_keys) {
        if (Value const* value = element.find(key)) keys.make_object().append(key, *value);
    }
    return keys;
}

void check_list(Node const& node, Value const& value, FieldPath const& path, std::vector<FieldCause>& causes) {
    auto const size = static_cast<std::int64_t>(value.size());
    if (node.max_items && size > *node.max_items) causes.push_back(too_many(path, size, *node.max_items));
    if (node.min_items && size < *node.min_items) {
        causes.push_back(invalid(
            path, value, fmt::format("{} in body should have at least {} items", path.text(), *node.min_items)));
    }
    bool const unique = node.list_type == "map" || node.list_type == "set";
    std::set<std::string> seen;
    for (std::size_t index = 0; index < value.size() && causes.size() < kMaxCauses; ++index) {
        FieldPath const place = path.element(index);
        if (node.items != nullptr) validate(*node.items, value[index], place, causes);
        if (!unique) continue;
        Value const key = key_of(node, value[index]);
        if (!seen.insert(json::write_canonical(key)).second)
            causes.push_back({"FieldValueDuplicate", place.text(), fmt::format("Duplicate value: {}", shown(key))});
    }
}

void check_object(Node const& node, Value const& value, FieldPath const& path, std::vector<FieldCause>& causes) {
    for (std::string const& name : node.required) {
        if (!value.contains(name)) causes.push_back({"FieldValueRequired", path.member(name).text(), "Required value"});
    }
    if (node.embedded) {
        for (char const* name : {"apiVersion", "kind"}) {
            if (value[name].as_string().empty())
                causes.push_back({"FieldValueRequired", path.member(name).text(), "Required value: must not be empty"});
        }
    }
    auto const size = static_cast<std::int64_t>(value.size());
    if (node.max_properties && size > *node.max_properties)
        causes.push_back(too_many(path, size, *node.max_properties));
    if (node.min_properties && size < *node.min_properties) {
        causes.push_back(
            invalid(path, value,
                    fmt::format("{} in body should have at least {} properties", path.text(), *node.min_properties)));
    }
    for (auto const& [name, child] : value.object()) {
        if (causes.size() >= kMaxCauses) return;
        if (auto const* property = node.property(name)) validate(*property, child, path.member(name), causes);
    }
}

bool fits(Node const& node, Value const& value, FieldPath const& path) {
    std::vector<FieldCause> causes;
    validate(node, value, path, causes);
    return causes.empty();
}

void check_combinations(Node const& node, Value const& value, FieldPath const& path, std::vector<FieldCause>& causes) {
    auto const fit = [&](Node const* each) { return fits(*each, value, path); };
    auto const refuse = [&](std::string_view what) {
        std::string const where = path.text();
        causes.push_back({"FieldValueInvalid", where, fmt::format("Invalid value: \"\": \"{}\" {}", where, what)});
    };
    for (Node const* each : node.all_of) validate(*each, value, path, causes);
    if (!node.any_of.empty() && std::ranges::none_of(node.any_of, fit))
        refuse("must validate at least one schema (anyOf)");
    if (!node.one_of.empty()) {
        auto const count = std::ranges::count_if(node.one_of, fit);
        if (count == 0) refuse("must validate one and only one schema (oneOf). Found none valid");
        if (count > 1)
            refuse(fmt::format("must validate one and only one schema (oneOf). Found {} valid alternatives", count));
    }
    if (node.never != nullptr && fit(node.never)) refuse("must not validate the schema (not)");
}

}   // namespace

void validate(Node const& node, Value const& value, FieldPath const& path, std::vector<FieldCause>& causes) {
    if (causes.size() >= kMaxCauses) return;
    if (value.is_null() && node.nullable) return;
    if (node.int_or_string && !type_matches("integer", value) && !value.is_string()) {
        causes.push_back(wrong_type(path, value, "integer,string"));
        return;
    }
    if (!node.type.empty() && !type_matches(node.type, value)) {
        causes.push_back(wrong_type(path, value, node.type));
        return;
    }
    if (!node.enumeration.empty() && std::ranges::find(node.enumeration, value) == node.enumeration.end()) {
        std::string supported;
        for (Value const& each : node.enumeration) supported += (supported.empty() ? "" : ", ") + shown(each);
        causes.push_back({"FieldValueNotSupported", path.text(),
                          fmt::format("Unsupported value: {}: supported values: {}", shown(value), supported)});
    }
    if (value.is_object()) {
        check_object(node, value, path, causes);
    } else if (value.is_array()) {
        check_list(node, value, path, causes);
    } else if (value.is_string()) {
        check_string(node, value, path, causes);
    } else if (value.is_number()) {
        check_number(node, value, path, causes);
    }
    check_combinations(node, value, path, causes);
}

}   // namespace aviary::schema::internal
