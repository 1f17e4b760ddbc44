// Executor: one event loop. AsioExecutor runs on real time, VirtualExecutor on virtual time.
#pragma once

#include <cstdint>
#include <functional>

#include "core/base/random.h"
#include "core/base/time.h"

namespace aviary::async {

// Everything but post() is for the loop's own thread.
class Executor {
public:
    using Callback = std::move_only_function<void()>;
    using TimerId = std::uint64_t;   // 0 is no timer

    virtual ~Executor() = default;

    // Runs the callback on a later turn of the loop, in the order posted. From any thread.
    virtual void post(Callback callback) = 0;
    virtual TimerId call_at(MonotonicTime when, Callback callback) = 0;
    // No effect when the timer has fired or is 0.
    virtual void cancel(TimerId timer) = 0;

    virtual Clock const& clock() const = 0;
    virtual Random& random() = 0;
};

}   // namespace aviary::async
