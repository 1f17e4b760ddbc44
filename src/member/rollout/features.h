// What is off unless it is asked for, by upstream's names.
#pragma once

#include <string_view>

#include "core/base/result.h"

namespace aviary::rollout {

struct Features {
    bool rollout_history = false;   // RolloutHistory: one is kept of each release
    bool labelled_kinds = false;    // --filter-workload-type=false: kinds that are like StatefulSets, by their label
};

// Gates: "RolloutHistory=true", several by commas; the last one of a name counts. An Error names those that there are.
Result<Features> parse_features(std::string_view text);

}   // namespace aviary::rollout
