// The labels by which a hub knows what it has brought a workload in a member, and what they say of its versions. Part
// of the API.
#pragma once

#include <string>
#include <string_view>

#include "core/json/doc.h"

namespace aviary::apis {

inline constexpr std::string_view kTemplateLabel = "fleet.aviary.dev/template";   // hash of the pod template it has
inline constexpr std::string_view kStableLabel =
    "fleet.aviary.dev/stable";   // the template before the release in progress
// "<template>.<hash of the member's stable revision>": what a new version in the middle of a release replaced, and what
// that release came from. Where the member says another stable revision, the one replaced had just been completed.
inline constexpr std::string_view kReplacedLabel = "fleet.aviary.dev/replaced";

// Short enough for labels.
std::string short_hash(std::string_view text);

struct Replaced {
    std::string hash, from;   // both empty: nothing was
};
Replaced replaced(json::Doc const& workload);
// What the member's controller says that its release comes from, by its hash; empty: nothing.
std::string comes_from(json::Doc const& workload);
// The template, by its hash, that the release in a member comes from, or the last one came from. Empty: not known.
std::string stable_template(json::Doc const& workload);

}   // namespace aviary::apis
