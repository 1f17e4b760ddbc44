#include "apis/fleet/hold.h"

#include <fmt/format.h>

#include <algorithm>

namespace aviary::apis {

std::string hold_text(Time until, std::string who, std::string why) {
    // Semicolons end the parts.
    std::ranges::replace(who, ';', ',');
    std::ranges::replace(why, ';', ',');
    return fmt::format("{};{};{}", format_rfc3339(until), who, why);
}

}   // namespace aviary::apis
