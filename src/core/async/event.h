// Event, sleep and yield: waiting for something on one loop.
#pragma once

#include <vector>

#include "core/async/task.h"
#include "core/async/wait.h"

namespace aviary::async {

// Level-triggered: once set, every wait passes until reset. Lives on one loop.
class Event {
public:
    bool is_set() const { return set_; }
    void set();
    void reset() { set_ = false; }
    // Wakes who waits now without setting.
    void notify();
    Task<Status> wait(Context ctx);

private:
    bool set_ = false;
    std::vector<Waiter*> waiters_;
};

// Ok when the time has come; Cancelled when the context stops first.
Task<Status> sleep_until(Context ctx, MonotonicTime when);
Task<Status> sleep_for(Context ctx, Duration duration);
// Continues on the next turn of the loop.
Task<Status> yield(Context ctx);

}   // namespace aviary::async
