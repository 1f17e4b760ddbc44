#include "kube/meta/quantity.h"

#include <fmt/format.h>

#include <array>

#include "core/base/strings.h"

namespace aviary::meta {

namespace {

constexpr __int128 kNano = 1'000'000'000;
// Beyond this upstream caps as well.
constexpr __int128 kMost = static_cast<__int128>(INT64_MAX) * kNano;

struct Suffix {
    std::string_view text;
    int exponent;   // of 10, or of 2 for binary ones
};
constexpr std::array<Suffix, 10> kDecimal{
    {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0}, {"k", 3}, {"M", 6}, {"G", 9}, {"T", 12}, {"P", 15}, {"E", 18}}};
constexpr std::array<Suffix, 6> kBinary{{{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}}};

std::int64_t round_up(__int128 nano, __int128 unit) {
    __int128 result = nano / unit;
    if (nano % unit > 0) ++result;
    return static_cast<std::int64_t>(result);
}

std::string digits(__int128 value) {
    if (value == 0) return "0";
    bool const negative = value < 0;
    std::string text;
    for (__int128 rest = negative ? -value : value; rest > 0; rest /= 10)
        text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    return negative ? "-" + text : text;
}

}   // namespace

std::optional<Quantity> Quantity::parse(std::string_view text) {
    std::string_view rest = text;
    bool const negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    __int128 mantissa = 0;
    int scale = 0;
    bool any = false;
    bool point = false;
    bool inexact = false;
    while (!rest.empty() && ((rest.front() >= '0' && rest.front() <= '9') || (rest.front() == '.' && !point))) {
        if (rest.front() == '.') {
            point = true;
        } else {
            any = true;
            if (mantissa < kMost) {
                mantissa = mantissa * 10 + (rest.front() - '0');
                if (point) ++scale;
            } else if (!point) {
                return std::nullopt;
            } else if (rest.front() != '0') {
                inexact = true;
            }
        }
        rest.remove_prefix(1);
    }
    if (!any) return std::nullopt;

    Quantity result;
    int exponent = 0;
    int binary = 0;
    bool known = false;
    for (Suffix const& suffix : kDecimal) {
        if (rest == suffix.text) {
            exponent = suffix.exponent;
            known = true;
        }
    }
    for (Suffix const& suffix : kBinary) {
        if (rest == suffix.text) {
            binary = suffix.exponent;
            result.format_ = Format::kBinary;
            known = true;
        }
    }
    if (!known && (rest.starts_with('e') || rest.starts_with('E'))) {
        std::string_view number = rest.substr(1);
        if (number.starts_with('+')) number.remove_prefix(1);
        auto const value = parse_int(number);
        if (!value || *value > 36 || *value < -36) return std::nullopt;
        exponent = static_cast<int>(*value);
        result.format_ = Format::kExponent;
        known = true;
    }
    if (!known) return std::nullopt;

    exponent += 9 - scale;   // into nano-units
    __int128 nano = mantissa;
    if (binary > 0) {
        if (mantissa > (kMost >> binary)) {
            nano = kMost;
            exponent = 0;
        } else {
            nano <<= binary;
        }
    }
    for (; exponent > 0 && nano < kMost; --exponent) nano *= 10;
    for (; exponent < 0; ++exponent) {
        inexact = inexact || nano % 10 != 0;
        nano /= 10;
    }
    if (inexact) ++nano;
    if (nano > kMost) nano = kMost;
    result.nano_ = negative ? -nano : nano;
    return result;
}

std::optional<Quantity> Quantity::from(json::Doc const& doc) {
    if (doc.is_int()) return parse(std::to_string(doc.as_int()));
    if (doc.is_number()) return parse(fmt::format("{}", doc.as_double()));
    return doc.is_string() ? parse(doc.as_string()) : std::nullopt;
}

std::string Quantity::to_string() const {
    if (nano_ == 0) return "0";
    if (format_ == Format::kBinary && nano_ % kNano == 0 && (nano_ >= 1024 * kNano || nano_ <= -1024 * kNano)) {
        __int128 value = nano_ / kNano;
        std::size_t suffix = 0;
        while (suffix < kBinary.size() && value % 1024 == 0) {
            value /= 1024;
            ++suffix;
        }
        return digits(value) + std::string(suffix == 0 ? "" : kBinary[suffix - 1].text);
    }
    __int128 value = nano_;
    std::size_t suffix = 0;
    while (suffix + 1 < kDecimal.size() && value % 1000 == 0) {
        value /= 1000;
        ++suffix;
    }
    int const exponent = kDecimal[suffix].exponent;
    if (format_ == Format::kExponent) return digits(value) + (exponent == 0 ? "" : fmt::format("e{}", exponent));
    return digits(value) + std::string(kDecimal[suffix].text);
}

std::int64_t Quantity::value() const { return round_up(nano_, kNano); }

std::int64_t Quantity::milli_value() const {
    __int128 const milli = nano_ / 1'000'000;
    if (milli > INT64_MAX) return INT64_MAX;
    return round_up(nano_, 1'000'000);
}

Quantity& Quantity::operator+=(Quantity const& other) {
    if (nano_ == 0) format_ = other.format_;
    nano_ += other.nano_;
    return *this;
}

Quantity& Quantity::operator-=(Quantity const& other) {
    if (nano_ == 0) format_ = other.format_;
    nano_ -= other.nano_;
    return *this;
}

std::int64_t milli_value(json::Doc const& quantity) {
    auto const parsed = Quantity::from(quantity);
    return parsed ? parsed->milli_value() : 0;
}

}   // namespace aviary::meta
