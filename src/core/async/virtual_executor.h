// VirtualExecutor: a loop in virtual time, single-threaded and deterministic: the same seed gives the same run.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "core/async/executor.h"
#include "core/async/scope.h"
#include "core/async/task.h"

namespace aviary::async {

class VirtualExecutor final : public Executor {
public:
    // Virtual time starts at `start`.
    explicit VirtualExecutor(std::uint64_t seed = 1, Time start = Time(std::chrono::seconds(1'790'000'000)));
    ~VirtualExecutor() override;

    void post(Callback callback) override;
    TimerId call_at(MonotonicTime when, Callback callback) override;
    void cancel(TimerId timer) override;
    Clock const& clock() const override { return clock_; }
    Random& random() override { return random_; }

    // Runs one callback, moving time on to the next timer when nothing is ready. False when nothing is left.
    bool step();
    // Runs callbacks that are ready now, without moving time. False when there was none.
    bool step_ready();
    // Runs until nothing is left.
    void run();
    // Runs everything due until then and leaves the clock there.
    void run_for(Duration duration);
    std::uint64_t steps() const { return steps_; }
    // Somebody sets the wall clock, forward or back; timers do not know it.
    void put_clock(Duration by) { clock_.wall += by; }

    // Runs the task to its end; checks that it does end (a task that waits for ever is a broken test).
    template <class T>
    T run(Task<T> task);

private:
    class VirtualClock final : public Clock {
    public:
        Time now() const override { return wall; }
        MonotonicTime monotonic() const override { return mono; }
        Time wall;
        MonotonicTime mono{};
    };
    void advance_to(MonotonicTime when);

    VirtualClock clock_;
    Random random_;
    std::deque<Callback> ready_;
    std::map<std::pair<MonotonicTime, TimerId>, Callback> timers_;
    std::map<TimerId, MonotonicTime> timer_times_;
    TimerId last_timer_ = 0;
    std::uint64_t steps_ = 0;
};

namespace detail {
template <class T>
Task<void> store(Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
}
inline Task<void> store_void(Task<void> task, bool& done) {
    co_await std::move(task);
    done = true;
}
}   // namespace detail

template <class T>
T VirtualExecutor::run(Task<T> task) {
    Scope scope{Context(*this)};
    if constexpr (std::is_void_v<T>) {
        bool done = false;
        scope.spawn(detail::store_void(std::move(task), done));
        while (!done) AVIARY_CHECK(step());
        while (scope.running() > 0) AVIARY_CHECK(step());
    } else {
        std::optional<T> out;
        scope.spawn(detail::store<T>(std::move(task), out));
        while (!out || scope.running() > 0) AVIARY_CHECK(step());
        return std::move(*out);
    }
}

}   // namespace aviary::async
