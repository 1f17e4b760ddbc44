#include "core/yaml/internal/scalar.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace aviary::yaml::internal {

namespace {

using json::Value;

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_letter(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           static_cast<unsigned char>(letter) >= 0x80;
}

bool is_null(std::string_view text) {
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

std::optional<bool> boolean(std::string_view text) {
    for (std::string_view each : {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}) {
        if (text == each) return true;
    }
    for (std::string_view each : {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}) {
        if (text == each) return false;
    }
    return std::nullopt;
}

// Digits with a prefix for their base: 0x1f, 0o17, 017, 0b11.
std::optional<Value> integer(std::string_view digits, bool negative) {
    int base = 10;
    if (digits.size() > 1 && digits[0] == '0') {
        char const letter = static_cast<char>(digits[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        digits.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
    }
    std::uint64_t value = 0;
    auto const parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (value <= kMost) return Value(negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value));
    if (negative && value == kMost + 1) return Value(std::numeric_limits<std::int64_t>::min());
    return Value(negative ? -static_cast<double>(value) : static_cast<double>(value));
}

std::optional<Value> real(std::string_view digits, bool negative) {
    if (digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
    if (digits.find_first_of("0123456789") == std::string_view::npos) return std::nullopt;
    double value = 0;
    auto const parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
    return Value(negative ? -value : value);
}

std::optional<Value> number(std::string_view text) {
    if (text.empty() || !(is_digit(text[0]) || std::string_view("+-.").contains(text[0]))) return std::nullopt;
    std::string plain(text);
    if (text[0] != '.') std::erase(plain, '_');
    std::string_view digits = plain;
    bool const negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    if (digits.empty() || !(is_digit(digits[0]) || digits[0] == '.')) return std::nullopt;
    if (auto value = integer(digits, negative)) return value;
    return real(digits, negative);
}

// Takes up to `most` digits from the front; false when there is none.
bool take_digits(std::string_view& text, std::size_t most) {
    std::size_t count = 0;
    while (count < text.size() && count < most && is_digit(text[count])) ++count;
    text.remove_prefix(count);
    return count > 0;
}

bool take(std::string_view& text, char letter) {
    if (!text.starts_with(letter)) return false;
    text.remove_prefix(1);
    return true;
}

// 2024-1-2, 2024-01-02T03:04:05.6Z, 2024-01-02 03:04:05: what other readers take for a time.
bool is_timestamp(std::string_view text) {
    if (text.size() < 5 || !std::ranges::all_of(text.substr(0, 4), is_digit)) return false;
    text.remove_prefix(4);
    if (!take(text, '-') || !take_digits(text, 2) || !take(text, '-') || !take_digits(text, 2)) return false;
    if (text.empty()) return true;
    bool const zoned = text[0] == 'T' || text[0] == 't';
    if (!zoned && text[0] != ' ') return false;
    text.remove_prefix(1);
    if (!take_digits(text, 2) || !take(text, ':') || !take_digits(text, 2) || !take(text, ':') || !take_digits(text, 2))
        return false;
    if (take(text, '.') && !take_digits(text, text.size())) return false;
    if (!zoned) return text.empty();
    if (take(text, 'Z')) return text.empty();
    if (!take(text, '+') && !take(text, '-')) return false;
    return take_digits(text, 2) && take(text, ':') && take_digits(text, 2) && text.empty();
}

// 12:30:45, which some readers take for 45045.
bool is_base_60(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (text.empty() || !is_digit(text[0]) || !text.contains(':')) return false;
    text.remove_prefix(std::min(text.find_first_not_of("0123456789_"), text.size()));
    while (take(text, ':')) {
        if (!take_digits(text, 2)) return false;
    }
    if (take(text, '.')) text.remove_prefix(std::min(text.find_first_not_of("0123456789_"), text.size()));
    return text.empty();
}

std::string_view digits_at(std::string_view text, std::size_t from) {
    std::size_t end = from;
    while (end < text.size() && is_digit(text[end])) ++end;
    return text.substr(from, end - from);
}

// By value, then the one with fewer leading zeros.
bool number_less(std::string_view left, std::string_view right) {
    auto const value = [](std::string_view digits) {
        return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
    };
    std::string_view const one = value(left);
    std::string_view const two = value(right);
    if (one.size() != two.size()) return one.size() < two.size();
    if (one != two) return one < two;
    return left.size() < right.size();
}

}   // namespace

Value plain_scalar(std::string_view text) {
    if (is_null(text)) return {};
    if (auto const truth = boolean(text)) return *truth;
    if (auto value = number(text)) return *value;
    return text;
}

bool is_not_finite(std::string_view text) {
    std::string_view rest = text;
    for (std::string_view each : {".nan", ".NaN", ".NAN"}) {
        if (rest == each) return true;
    }
    if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
    return rest == ".inf" || rest == ".Inf" || rest == ".INF";
}

bool means_more_than_text(std::string_view text) {
    return is_null(text) || boolean(text) || number(text) || is_not_finite(text) || is_timestamp(text) ||
           is_base_60(text) || text == "<<";
}

bool key_less(std::string_view left, std::string_view right) {
    auto const [one, two] = std::ranges::mismatch(left, right);
    if (two == right.end()) return false;
    if (one == left.end()) return true;
    auto const at = static_cast<std::size_t>(one - left.begin());
    bool const after_digit = at > 0 && is_digit(left[at - 1]);
    if (is_digit(*one) || is_digit(*two)) {
        std::size_t start = at;
        while (start > 0 && is_digit(left[start - 1])) --start;
        std::string_view const first = digits_at(left, start);
        std::string_view const second = digits_at(right, start);
        if (!first.empty() && !second.empty()) return number_less(first, second);
    }
    auto const rank = [&](char letter) { return is_letter(letter) ? (after_digit ? 0 : 3) : is_digit(letter) ? 2 : 1; };
    if (rank(*one) != rank(*two)) return rank(*one) < rank(*two);
    return static_cast<unsigned char>(*one) < static_cast<unsigned char>(*two);
}

}   // namespace aviary::yaml::internal
