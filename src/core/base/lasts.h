// How long something goes on by a wall clock, which may be put back or forward meanwhile.
#pragma once

#include "core/base/time.h"

namespace aviary {

// Whether a span that began at `since` goes on. Not when it seems not to have begun: then the clock has been put back,
// and nobody is to wait until it is there again.
constexpr bool lasts(Time since, Duration span, Time now) { return since <= now && now < since + span; }

}   // namespace aviary
