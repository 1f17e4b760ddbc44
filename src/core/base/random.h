// Seeded randomness: uids, name suffixes, jitter. One per process; a seed replays a run.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/time.h"

namespace aviary {

// xoshiro256**; not for keys (crypto/ has its own source). Lives on one loop.
class Random {
public:
    explicit Random(std::uint64_t seed);
    std::uint64_t next();
    // In [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound);
    // In [0, 1).
    double unit();
    // From half to one and a half times as long, so that what waits together does not go on together.
    Duration around(Duration duration);
    // A version 4 UUID in text form.
    std::string uuid();
    // Lower-case letters and digits that cannot spell words, as Kubernetes' generateName uses.
    std::string suffix(int length = 5);

private:
    std::uint64_t state_[4];
};

}   // namespace aviary
