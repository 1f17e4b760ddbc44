#include "apis/fleet/hold.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/meta/object.h"

namespace aviary::apis {

std::string hold_text(Time until, std::string who, std::string why) {
    // Semicolons end the parts.
    std::ranges::replace(who, ';', ',');
    std::ranges::replace(why, ';', ',');
    return fmt::format("{};{};{}", format_rfc3339(until), who, why);
}

std::optional<Time> held_until(json::Doc const& object, Time now) {
    std::string const text = meta::annotation(object, kHold);
    auto const until = parse_rfc3339(std::string_view(text).substr(0, text.find(';')));
    return until && *until > now ? until : std::nullopt;
}

}   // namespace aviary::apis
