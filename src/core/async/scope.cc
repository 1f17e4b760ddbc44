#include "core/async/scope.h"

#include <utility>

namespace aviary::async {

// A self-destroying coroutine; the scope's count is its owner.
struct Scope::Runner {
    struct promise_type {
        Runner get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

Scope::Scope(Context const& parent) : stop_(parent.stop()), ctx_(parent.with_stop(stop_.token())) {}

Scope::~Scope() { AVIARY_CHECK(running_ == 0); }

Scope::Runner Scope::run(Task<void> task) {
    {
        Task<void> body = std::move(task);
        co_await std::move(body);
    }
    if (--running_ > 0) co_return;
    idle_.notify();
    if (dismissed_) delete this;
}

void Scope::spawn(Task<void> task) {
    ++running_;
    Runner runner = run(std::move(task));
    ctx_.executor().post([handle = runner.handle] { handle.resume(); });
}

Task<void> Scope::join() {
    while (running_ > 0) {
        // Without the stop token: the wait ends with the tasks, not with the request to stop.
        (void)co_await idle_.wait(Context(ctx_.executor()));
    }
}

Task<void> Scope::cancel_and_join() {
    cancel();
    co_await join();
}

void Scope::dismiss(std::unique_ptr<Scope> scope) {
    if (scope->running_ > 0) scope.release()->dismissed_ = true;
}

}   // namespace aviary::async
