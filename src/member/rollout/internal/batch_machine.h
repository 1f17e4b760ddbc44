// What a BatchRelease is about to say of itself. Its Rollout sees the same things at the same moment and goes on by it:
// the two statuses are written beside each other, and nobody waits for one to be stored and read back.
#pragma once

#include <optional>

#include "apis/rollouts/batch_release.h"
#include "member/rollout/decide.h"

namespace aviary::rollout {

// Absent when its status stays as it is, or when something else is to be written with it.
std::optional<apis::BatchReleaseStatus> status_to_come(BatchReleaseSeen const& seen, Time now);

}   // namespace aviary::rollout
