// What says in a member that a hub has brought an object, and that it is to leave it alone for a while.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"
#include "core/json/doc.h"

namespace aviary::apis {

inline constexpr std::string_view kHubLabel = "fleet.aviary.dev/hub";   // which hub; "" in members: none of ours
inline constexpr std::string_view kHold = "fleet.aviary.dev/hold";      // annotation, hold_text()

// How long what was changed in a member is kept from the hub: until then people have gone on with it there.
inline constexpr Duration kHoldLasts = std::chrono::hours(24);

// "<until>;<who>;<why>"
std::string hold_text(Time until, std::string who, std::string why);
// The same in words: "until … by alice: its p95 doubled"; what is no such text stays as it is.
std::string hold_words(json::Doc const& object);
// Until when the object is held; absent: it is not, or not any more.
std::optional<Time> held_until(json::Doc const& object, Time now);

}   // namespace aviary::apis
