#include "core/async/event.h"

#include <algorithm>
#include <utility>

namespace aviary::async {

void Event::set() {
    set_ = true;
    notify();
}

void Event::notify() {
    for (Waiter* waiter : std::exchange(waiters_, {})) waiter->wake();
}

Task<Status> Event::wait(Context ctx) {
    if (set_) co_return ctx.check();
    Waiter waiter(ctx);
    waiters_.push_back(&waiter);
    Status outcome = co_await waiter;
    std::erase(waiters_, &waiter);
    co_return outcome;
}

Task<Status> sleep_until(Context ctx, MonotonicTime when) {
    CO_TRY(ctx.check());
    if (when <= ctx.monotonic()) co_return Status{};
    bool const ours = !ctx.deadline() || when <= *ctx.deadline();
    Waiter waiter(ctx.with_deadline(when));
    Status outcome = co_await waiter;
    if (ours && !outcome && outcome.error().is(ErrorCode::kTimeout)) co_return Status{};
    co_return outcome;
}

Task<Status> sleep_for(Context ctx, Duration duration) {
    Status outcome = co_await sleep_until(ctx, ctx.monotonic() + duration);
    co_return outcome;
}

Task<Status> yield(Context ctx) {
    CO_TRY(ctx.check());
    // The posted callback borrows the waiter, so neither a deadline nor a cancellation may end this wait before it.
    Waiter waiter{Context(ctx.executor())};
    ctx.executor().post([&waiter] { waiter.wake(); });
    (void)co_await waiter;
    co_return ctx.check();
}

}   // namespace aviary::async
