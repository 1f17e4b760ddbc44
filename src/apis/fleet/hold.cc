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

std::string hold_words(json::Doc const& object) {
    std::string const text = meta::annotation(object, kHold);
    std::size_t const who = text.find(';');
    std::size_t const why = who == std::string::npos ? who : text.find(';', who + 1);
    if (why == std::string::npos) return text;
    return fmt::format("until {} by {}: {}", text.substr(0, who), text.substr(who + 1, why - who - 1),
                       text.substr(why + 1));
}

std::optional<Time> held_until(json::Doc const& object, Time now) {
    std::string const text = meta::annotation(object, kHold);
    auto const until = parse_rfc3339(std::string_view(text).substr(0, text.find(';')));
    return until && *until > now ? until : std::nullopt;
}

}   // namespace aviary::apis
