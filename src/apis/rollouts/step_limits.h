// What annotations of a Rollout ask of the upgrade of its steps, beyond Kruise's fields: how long it may take without
// progress, what happens then, and how long its pods have to be ready before it counts as done.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/json/doc.h"

namespace aviary::apis {

struct StepLimits {
    std::optional<std::int64_t> progress_deadline;   // seconds; absent: as long as it takes
    std::string on_deadline;                         // one of on_deadline::
    std::vector<std::int64_t> healthy;               // seconds: none, one for all steps, or one for each
    // Annotations that say nothing that can be followed; they count as absent.
    std::vector<FieldCause> problems;

    std::int64_t healthy_seconds(std::int64_t step) const;   // 1-based
};
StepLimits read_step_limits(json::Doc const& rollout);

}   // namespace aviary::apis
