// How many pods of the new version a Rollout says there are, whatever its style.
#pragma once

#include <cstdint>

#include "core/json/doc.h"

namespace aviary::apis {

struct ReleasePods {
    std::int64_t updated = 0;
    std::int64_t ready = 0;   // of these
};
ReleasePods release_pods(json::Doc const& rollout);

}   // namespace aviary::apis
