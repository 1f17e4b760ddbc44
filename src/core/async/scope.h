// Scope: the parent of concurrent tasks. Nothing runs outside one. Lives on one loop.
#pragma once

#include <cstddef>
#include <memory>

#include "core/async/event.h"
#include "core/async/task.h"

namespace aviary::async {

class Scope {
public:
    // Tasks spawned get context(): the parent's, with this scope's stop token.
    explicit Scope(Context const& parent);
    // All tasks must have ended: co_await join() or cancel_and_join() first.
    ~Scope();
    Scope(Scope const&) = delete;
    Scope& operator=(Scope const&) = delete;

    Context const& context() const { return ctx_; }
    std::size_t running() const { return running_; }

    // Starts on the next turn of the loop.
    void spawn(Task<void> task);
    void cancel() { stop_.request_stop(); }
    bool cancelled() const { return stop_.stop_requested(); }
    // Waits until every task has ended; does not cancel.
    Task<void> join();
    Task<void> cancel_and_join();
    // For an owner whose destructor cannot wait: the scope goes when its last task has ended. The tasks must own what
    // they use, and end: cancel() before when they would not do so by themselves.
    static void dismiss(std::unique_ptr<Scope> scope);

private:
    struct Runner;
    Runner run(Task<void> task);

    StopSource stop_;
    Context ctx_;
    std::size_t running_ = 0;
    bool dismissed_ = false;
    Event idle_;
};

}   // namespace aviary::async
