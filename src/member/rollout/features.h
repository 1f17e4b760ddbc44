// What is off unless it is asked for, by upstream's names; and what upstream's manager may be asked for, but not we.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace aviary::rollout {

struct Features {
    bool rollout_history = false;   // RolloutHistory: one is kept of each release
    bool labelled_kinds = false;    // --filter-workload-type=false: kinds that are like StatefulSets, by their label
    std::vector<std::string> notes = {};   // what was asked for and is so anyway, for the log
};

// Gates: "RolloutHistory=true", several by commas; the last one of a name counts. Those of upstream that are always on
// or off here are taken in that value. An Error names the gates that there are, or says why the value is none.
Result<Features> parse_features(std::string_view text);

// A flag of upstream's manager that nothing here depends on.
struct ManagerFlag {
    std::string_view name;
    std::string_view only;   // the one value that is so here; empty: whatever is given has no effect
    std::string_view why;
    bool alone = false;     // it may stand without a value, for true
    bool refused = false;   // there is another flag in its place
};
std::span<ManagerFlag const> manager_flags();
// What to say of it in the log; an Error where it asks for what is never so.
Result<std::string> note_manager_flag(ManagerFlag const& flag, std::string_view value);

}   // namespace aviary::rollout
