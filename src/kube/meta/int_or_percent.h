// IntOrPercent: a count, or a share of one (intstr.IntOrString where only percentages make sense as strings).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::meta {

struct IntOrPercent {
    std::int64_t value = 0;
    bool percent = false;

    static IntOrPercent count(std::int64_t value) { return {value, false}; }
    // "10%", or nothing.
    static std::optional<IntOrPercent> parse(std::string_view text);
    // A number or a percentage in text; nothing otherwise.
    static std::optional<IntOrPercent> from(json::Doc const& doc);
    json::Value to_value() const;
    std::string to_string() const;

    // The count, or the share of `total` (GetScaledValueFromIntOrPercent).
    std::int64_t scaled(std::int64_t total, bool round_up) const;
    bool operator==(IntOrPercent const&) const = default;
};

// The scaled value of a field, or of `fallback` when it is absent or neither.
std::int64_t scaled(json::Doc const& field, std::int64_t total, bool round_up, std::string_view fallback);

}   // namespace aviary::meta
