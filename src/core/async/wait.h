// The one way a coroutine of ours suspends: a Waiter is parked, and exactly one of wake, stop and deadline resumes it,
// on a later turn of its loop. Building block for events, channels, timers and the I/O of net/.
#pragma once

#include <coroutine>
#include <optional>

#include "core/async/context.h"

namespace aviary::async {

class Waiter {
public:
    explicit Waiter(Context const& ctx) : ctx_(ctx) {}
    Waiter(Waiter const&) = delete;
    Waiter& operator=(Waiter const&) = delete;

    // `co_await waiter`: ok after wake(), Cancelled after a stop, Timeout after the deadline. A wake that came before
    // the await counts. Awaited at most once.
    bool await_ready();
    void await_suspend(std::coroutine_handle<> handle);
    Status await_resume();

    // On the waiter's loop. Later calls have no effect.
    void wake() { finish({}); }
    void fail(Error error) { finish(std::unexpected(std::move(error))); }
    bool finished() const { return outcome_.has_value(); }

    Context const& context() const { return ctx_; }

private:
    void finish(Status outcome);

    Context ctx_;
    std::optional<Status> outcome_;
    std::coroutine_handle<> handle_ = nullptr;
    Executor::TimerId timer_ = 0;
    std::optional<StopCallback> stop_;
};

}   // namespace aviary::async
