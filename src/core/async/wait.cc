#include "core/async/wait.h"

#include <utility>

namespace aviary::async {

bool Waiter::await_ready() {
    if (!outcome_) {
        if (Status over = ctx_.check(); !over) outcome_ = std::move(over);
    }
    return outcome_.has_value();
}

void Waiter::await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    if (auto const deadline = ctx_.deadline()) {
        timer_ = ctx_.executor().call_at(*deadline, [this] {
            timer_ = 0;
            fail(Error(ErrorCode::kTimeout, "deadline exceeded"));
        });
    }
    if (ctx_.stop().can_stop()) {
        stop_.emplace(ctx_.stop(), [this] { fail(Error(ErrorCode::kCancelled, "cancelled")); });
    }
}

Status Waiter::await_resume() { return std::move(*outcome_); }

void Waiter::finish(Status outcome) {
    if (outcome_) return;
    outcome_ = std::move(outcome);
    if (!handle_) return;
    ctx_.executor().cancel(std::exchange(timer_, 0));
    // Resumed by post: whoever wakes never runs the woken code inside its own stack. The stop callback may be the
    // caller of this very function, so it is dropped on the resumed side.
    ctx_.executor().post([this] {
        stop_.reset();
        handle_.resume();
    });
}

}   // namespace aviary::async
