#include "core/async/virtual_executor.h"

namespace aviary::async {

VirtualExecutor::VirtualExecutor(std::uint64_t seed, Time start) : random_(seed) { clock_.wall = start; }

VirtualExecutor::~VirtualExecutor() = default;

void VirtualExecutor::post(Callback callback) { ready_.push_back(std::move(callback)); }

Executor::TimerId VirtualExecutor::call_at(MonotonicTime when, Callback callback) {
    TimerId const id = ++last_timer_;
    timers_.emplace(std::pair(when, id), std::move(callback));
    timer_times_.emplace(id, when);
    return id;
}

void VirtualExecutor::cancel(TimerId timer) {
    auto const found = timer_times_.find(timer);
    if (found == timer_times_.end()) return;
    timers_.erase({found->second, timer});
    timer_times_.erase(found);
}

void VirtualExecutor::advance_to(MonotonicTime when) {
    if (when <= clock_.mono) return;
    clock_.wall += when - clock_.mono;
    clock_.mono = when;
}

bool VirtualExecutor::step_ready() {
    if (ready_.empty()) return false;
    Callback callback = std::move(ready_.front());
    ready_.pop_front();
    ++steps_;
    callback();
    return true;
}

bool VirtualExecutor::step() {
    if (step_ready()) return true;
    if (timers_.empty()) return false;
    auto first = timers_.begin();
    advance_to(first->first.first);
    Callback callback = std::move(first->second);
    timer_times_.erase(first->first.second);
    timers_.erase(first);
    ++steps_;
    callback();
    return true;
}

void VirtualExecutor::run() {
    while (step()) {
    }
}

void VirtualExecutor::run_for(Duration duration) {
    MonotonicTime const end = clock_.mono + duration;
    while (step_ready() || (!timers_.empty() && timers_.begin()->first.first <= end && step())) {
    }
    advance_to(end);
}

}   // namespace aviary::async
