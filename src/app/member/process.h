// `aviary member`: the rollout controllers and webhooks of one real cluster, as a process.
#pragma once

#include "app/process/process.h"
#include "member/rollout/features.h"

namespace aviary::member {

// Until SIGINT or SIGTERM; the exit code.
int run(process::Options options, rollout::Features features);

}   // namespace aviary::member
