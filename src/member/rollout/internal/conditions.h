// The conditions of a Rollout, with upstream's way with their timestamps.
#pragma once

#include <string>
#include <string_view>

#include "apis/rollouts/rollout.h"
#include "core/base/time.h"

namespace aviary::rollout {

// Not upstream's: False while what a step asks of the requests cannot be written, with who says so and why: of a Lua
// script its name and line; or while a step goes on without, as no pod of the stable version is ready. Else it is not
// there.
inline constexpr std::string_view kTrafficRouted = "TrafficRouted";

// Afresh: both timestamps are now.
void begin_condition(apis::RolloutStatus& status, std::string_view type, std::string_view value,
                     std::string_view reason, std::string_view message, Time now);
// Changes an existing condition, or begins it; the timestamps follow changes of status alone. An empty message leaves
// the old one.
void change_condition(apis::RolloutStatus& status, std::string_view type, std::string_view value,
                      std::string_view reason, std::string_view message, Time now);
// The timestamps that it had when it was read.
void keep_times(apis::RolloutStatus& status, apis::RolloutCondition const& before);
void drop_condition(apis::RolloutStatus& status, std::string_view type);
// Of the condition; empty when there is none.
std::string reason_of(apis::RolloutStatus const& status, std::string_view type);

}   // namespace aviary::rollout
