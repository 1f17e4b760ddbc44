// Versions of programs, and this program's own.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace aviary {

struct Version {
    std::int64_t major = 0, minor = 0, patch = 0;
    bool early = false;   // alpha, beta or rc: comes before the version itself

    bool operator==(Version const&) const = default;
    std::strong_ordering operator<=>(Version const& other) const;
};

// "0.6.2", "v1.4", "v0.6.2-rc.1", "1.31.4+k3s1". What stands behind a plus, or behind a dash and is none of the words
// above, counts for nothing. Nothing when it does not begin with two numbers.
std::optional<Version> parse_version(std::string_view text);

// Of this program.
std::string_view program_version();

}   // namespace aviary
