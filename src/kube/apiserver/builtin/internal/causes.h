// Collects what is wrong with an object, in Kubernetes' words.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/json/value.h"

namespace aviary::builtin::internal {

// "spec.containers" + "[2]" + ".name".
std::string child(std::string_view path, std::string_view member);
std::string indexed(std::string_view path, std::size_t index);

class Causes {
public:
    void required(std::string path, std::string_view detail = {});
    // Texts are quoted, numbers plain, anything else as JSON.
    void invalid(std::string path, json::Value const& value, std::string_view detail);
    void duplicate(std::string path, json::Value const& value);
    void not_found(std::string path, json::Value const& value);
    void not_supported(std::string path, json::Value const& value, std::initializer_list<std::string_view> supported);
    void forbidden(std::string path, std::string_view detail);
    void too_long(std::string path, std::string_view detail);

    // Unless the value is one of those supported; an absent value is fine.
    void expect_one_of(std::string path, json::Value const& value, std::initializer_list<std::string_view> supported);
    void expect_not_negative(std::string path, json::Value const& value);
    void expect_port(std::string path, json::Value const& value);
    void expect_unchanged(std::string path, json::Value const& value, json::Value const& old);

    std::vector<FieldCause> take() { return std::move(causes_); }

private:
    void add(std::string_view reason, std::string path, std::string message);
    std::vector<FieldCause> causes_;
};

}   // namespace aviary::builtin::internal
