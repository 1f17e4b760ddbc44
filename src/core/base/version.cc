#include "core/base/version.h"

#include <array>

#include "core/base/strings.h"

namespace aviary {

namespace {

constexpr std::array<std::string_view, 3> kEarly{"alpha", "beta", "rc"};

// The number that the text begins with, which is taken off it.
std::optional<std::int64_t> take_number(std::string_view& text) {
    std::size_t const end = text.find_first_not_of("0123456789");
    auto const number = parse_int(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end);
    return number;
}

bool take(std::string_view& text, char letter) {
    if (!text.starts_with(letter)) return false;
    text.remove_prefix(1);
    return true;
}

}   // namespace

std::strong_ordering Version::operator<=>(Version const& other) const {
    if (auto const order = major <=> other.major; order != 0) return order;
    if (auto const order = minor <=> other.minor; order != 0) return order;
    if (auto const order = patch <=> other.patch; order != 0) return order;
    return other.early <=> early;
}

std::optional<Version> parse_version(std::string_view text) {
    (void)take(text, 'v');
    auto const major = take_number(text);
    if (!major || !take(text, '.')) return std::nullopt;
    auto const minor = take_number(text);
    if (!minor) return std::nullopt;
    Version version{*major, *minor};
    if (take(text, '.')) {
        auto const patch = take_number(text);
        if (!patch) return std::nullopt;
        version.patch = *patch;
    }
    if (text.empty() || text.starts_with('+')) return version;
    if (!take(text, '-')) return std::nullopt;
    for (std::string_view const word : kEarly) version.early = version.early || text.starts_with(word);
    return version;
}

std::string_view program_version() { return AVIARY_VERSION; }

}   // namespace aviary
