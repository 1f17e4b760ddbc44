#include "kube/apiserver/builtin/internal/causes.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json/write.h"

namespace aviary::builtin::internal {

namespace {

std::string with_detail(std::string text, std::string_view detail) {
    return detail.empty() ? text : fmt::format("{}: {}", text, detail);
}

// Maps are printed with sorted keys; selectors are structs whose matchLabels come first.
std::string shown(json::Value const& value) {
    return value.contains("matchExpressions") ? json::write(value) : json::write_canonical(value);
}

}   // namespace

std::string child(std::string_view path, std::string_view member) {
    return path.empty() ? std::string(member) : fmt::format("{}.{}", path, member);
}

std::string indexed(std::string_view path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

void Causes::add(std::string_view reason, std::string path, std::string message) {
    causes_.push_back(FieldCause{std::string(reason), std::move(path), std::move(message)});
}

void Causes::required(std::string path, std::string_view detail) {
    add("FieldValueRequired", std::move(path), with_detail("Required value", detail));
}

void Causes::invalid(std::string path, json::Value const& value, std::string_view detail) {
    add("FieldValueInvalid", std::move(path), with_detail("Invalid value: " + shown(value), detail));
}

void Causes::duplicate(std::string path, json::Value const& value) {
    add("FieldValueDuplicate", std::move(path), "Duplicate value: " + shown(value));
}

void Causes::not_found(std::string path, json::Value const& value) {
    add("FieldValueNotFound", std::move(path), "Not found: " + shown(value));
}

void Causes::not_supported(std::string path, json::Value const& value,
                           std::initializer_list<std::string_view> supported) {
    std::string list;
    for (std::string_view entry : supported) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", entry);
    add("FieldValueNotSupported", std::move(path),
        fmt::format("Unsupported value: {}: supported values: {}", shown(value), list));
}

void Causes::forbidden(std::string path, std::string_view detail) {
    add("FieldValueForbidden", std::move(path), with_detail("Forbidden", detail));
}

void Causes::too_long(std::string path, std::string_view detail) {
    add("FieldValueTooLong", std::move(path), with_detail("Too long", detail));
}

void Causes::expect_one_of(std::string path, json::Value const& value,
                           std::initializer_list<std::string_view> supported) {
    if (value.is_null() || std::ranges::find(supported, value.as_string()) != supported.end()) return;
    not_supported(std::move(path), value, supported);
}

void Causes::expect_not_negative(std::string path, json::Value const& value) {
    if (value.as_int() < 0) invalid(std::move(path), value, "must be greater than or equal to 0");
}

void Causes::expect_port(std::string path, json::Value const& value) {
    if (value.as_int() < 1 || value.as_int() > 65535) {
        invalid(std::move(path), value.is_null() ? json::Value(0) : value, "must be between 1 and 65535, inclusive");
    }
}

void Causes::expect_unchanged(std::string path, json::Value const& value, json::Value const& old) {
    if (!(value == old)) invalid(std::move(path), value, "field is immutable");
}

}   // namespace aviary::builtin::internal
