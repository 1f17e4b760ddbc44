// Clusters in a message, of which there may be a thousand.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "core/base/strings.h"

namespace aviary::propagation {

// "beijing, oslo", or the first ten " and 12 more".
inline std::string named(std::span<std::string const> clusters) {
    constexpr std::size_t kMost = 10;
    std::string text = join(clusters.first(std::min(clusters.size(), kMost)), ", ");
    if (clusters.size() > kMost) text += fmt::format(" and {} more", clusters.size() - kMost);
    return text;
}

}   // namespace aviary::propagation
