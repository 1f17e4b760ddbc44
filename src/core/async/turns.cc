#include "core/async/turns.h"

#include <algorithm>

namespace aviary::async {

Task<Result<Turns::Turn>> Turns::take(Context ctx) {
    if (free_ > 0) {
        --free_;
        co_return Turn(*this);
    }
    Waiter waiter(ctx);
    waiting_.push_back(&waiter);
    Status const come = co_await waiter;
    // One that was woken is in the queue no more, and has the turn.
    if (come) co_return Turn(*this);
    std::erase(waiting_, &waiter);
    co_return std::unexpected(come.error());
}

void Turns::give() {
    while (!waiting_.empty()) {
        Waiter& next = *waiting_.front();
        waiting_.pop_front();
        if (next.finished()) continue;   // it has given up
        next.wake();
        return;
    }
    ++free_;
}

}   // namespace aviary::async
