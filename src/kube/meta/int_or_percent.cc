#include "kube/meta/int_or_percent.h"

#include "core/base/strings.h"

namespace aviary::meta {

std::optional<IntOrPercent> IntOrPercent::parse(std::string_view text) {
    if (!text.ends_with('%')) return std::nullopt;
    text.remove_suffix(1);
    auto const value = parse_int(text);
    if (!value) return std::nullopt;
    return IntOrPercent{*value, true};
}

std::optional<IntOrPercent> IntOrPercent::from(json::Doc const& doc) {
    if (doc.is_int()) return IntOrPercent{doc.as_int(), false};
    return doc.is_string() ? parse(doc.as_string()) : std::nullopt;
}

std::string IntOrPercent::to_string() const { return std::to_string(value) + (percent ? "%" : ""); }

json::Value IntOrPercent::to_value() const { return percent ? json::Value(to_string()) : json::Value(value); }

std::int64_t IntOrPercent::scaled(std::int64_t total, bool round_up) const {
    if (!percent) return value;
    auto const product = static_cast<__int128>(value) * total;
    auto share = static_cast<std::int64_t>(product / 100);
    if (round_up && product % 100 > 0) ++share;
    return share;
}

std::int64_t scaled(json::Doc const& field, std::int64_t total, bool round_up, std::string_view fallback) {
    auto const own = IntOrPercent::from(field);
    if (own) return own->scaled(total, round_up);
    auto const other = IntOrPercent::parse(fallback);
    return other ? other->scaled(total, round_up) : parse_int(fallback).value_or(0);
}

}   // namespace aviary::meta
