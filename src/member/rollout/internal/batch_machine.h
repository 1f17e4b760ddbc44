// What a BatchRelease is about to say of itself and to write of its workload. Its Rollout and the roller see the same
// things at the same moment and go on by it: nobody waits for one to be stored and read back.
#pragma once

#include <optional>

#include "apis/rollouts/batch_release.h"
#include "member/rollout/decide.h"

namespace aviary::rollout {

// Absent when its status stays as it is, or when something else is to be written with it.
std::optional<apis::BatchReleaseStatus> status_to_come(BatchReleaseSeen const& seen, Time now);

// The Deployment with that in it; absent when nothing of it is to be written.
std::optional<json::Doc> deployment_to_come(BatchReleaseSeen const& seen, Time now);

}   // namespace aviary::rollout
