// resource.Quantity: "500m", "32Gi", "1e3", "0.5".
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/json/doc.h"

namespace aviary::meta {

// Exact to nano-units, as upstream; larger fractions round up.
class Quantity {
public:
    enum class Format { kDecimal, kBinary, kExponent };

    Quantity() = default;
    static std::optional<Quantity> parse(std::string_view text);
    // Text or a number.
    static std::optional<Quantity> from(json::Doc const& doc);

    // The canonical form, as the API server prints it.
    std::string to_string() const;
    std::int64_t value() const;         // rounded up
    std::int64_t milli_value() const;   // rounded up
    Quantity& operator+=(Quantity const& other);
    Quantity& operator-=(Quantity const& other);
    std::strong_ordering operator<=>(Quantity const& other) const { return nano_ <=> other.nano_; }
    bool operator==(Quantity const& other) const { return nano_ == other.nano_; }

private:
    __int128 nano_ = 0;
    Format format_ = Format::kDecimal;
};

// 0 when it is no quantity.
std::int64_t milli_value(json::Doc const& quantity);

}   // namespace aviary::meta
