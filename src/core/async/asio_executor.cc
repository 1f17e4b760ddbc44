#include "core/async/asio_executor.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <map>
#include <random>
#include <unordered_map>

#include "core/async/wait.h"

namespace aviary::async {

namespace asio = boost::asio;

namespace {

class RealClock final : public Clock {
public:
    Time now() const override { return std::chrono::system_clock::now(); }
    MonotonicTime monotonic() const override {
        return MonotonicTime(std::chrono::steady_clock::now().time_since_epoch());
    }
};

std::uint64_t seed_or_random(std::uint64_t seed) {
    if (seed != 0) return seed;
    std::random_device device;
    return static_cast<std::uint64_t>(device()) << 32 | device();
}

}   // namespace

struct AsioExecutor::Impl {
    explicit Impl(std::uint64_t seed) : random(seed_or_random(seed)) {}

    asio::io_context io{1};
    RealClock clock;
    Random random;
    // One asio timer for all of ours: arming and cancelling is a map operation.
    std::map<std::pair<MonotonicTime, TimerId>, Callback> timers;
    std::unordered_map<TimerId, MonotonicTime> timer_times;
    TimerId last_timer = 0;
    asio::steady_timer wakeup{io};
    std::optional<MonotonicTime> armed;

    void arm() {
        if (timers.empty()) return;
        MonotonicTime const next = timers.begin()->first.first;
        if (armed && *armed <= next) return;
        armed = next;
        wakeup.expires_at(std::chrono::steady_clock::time_point(
            std::chrono::duration_cast<std::chrono::steady_clock::duration>(next.time_since_epoch())));
        wakeup.async_wait([this](boost::system::error_code const& problem) {
            if (problem) return;   // re-armed for an earlier time
            armed.reset();
            fire();
            arm();
        });
    }

    void fire() {
        MonotonicTime const now = clock.monotonic();
        while (!timers.empty() && timers.begin()->first.first <= now) {
            auto first = timers.begin();
            Callback callback = std::move(first->second);
            timer_times.erase(first->first.second);
            timers.erase(first);
            callback();
        }
    }
};

AsioExecutor::AsioExecutor(std::uint64_t seed) : impl_(std::make_unique<Impl>(seed)) {}

AsioExecutor::~AsioExecutor() = default;

void AsioExecutor::post(Callback callback) {
    asio::post(impl_->io, [callback = std::move(callback)]() mutable { callback(); });
}

Executor::TimerId AsioExecutor::call_at(MonotonicTime when, Callback callback) {
    TimerId const id = ++impl_->last_timer;
    impl_->timers.emplace(std::pair(when, id), std::move(callback));
    impl_->timer_times.emplace(id, when);
    impl_->arm();
    return id;
}

void AsioExecutor::cancel(TimerId timer) {
    auto const found = impl_->timer_times.find(timer);
    if (found == impl_->timer_times.end()) return;
    impl_->timers.erase({found->second, timer});
    impl_->timer_times.erase(found);
}

Clock const& AsioExecutor::clock() const { return impl_->clock; }

Random& AsioExecutor::random() { return impl_->random; }

void AsioExecutor::run() {
    auto const work = asio::make_work_guard(impl_->io);
    impl_->io.run();
}

void AsioExecutor::stop() { impl_->io.stop(); }

void AsioExecutor::run_until(bool const& done) {
    auto const work = asio::make_work_guard(impl_->io);
    if (impl_->io.stopped()) impl_->io.restart();
    while (!done) impl_->io.run_one();
    // The runner that set the flag still has to leave its scope.
    impl_->io.poll();
}

asio::io_context& AsioExecutor::io_context() { return impl_->io; }

Task<Status> AsioExecutor::wait_readable(Context ctx, int file) {
    asio::posix::stream_descriptor watched(impl_->io, file);
    Waiter waiter(ctx);
    auto const waiting = std::make_shared<Waiter*>(&waiter);   // may be called when nobody waits any more
    watched.async_wait(asio::posix::stream_descriptor::wait_read, [waiting](boost::system::error_code const& problem) {
        if (!problem && *waiting != nullptr) (*waiting)->wake();
    });
    Status const waited = co_await waiter;
    *waiting = nullptr;
    watched.release();
    co_return waited;
}

Task<Result<int>> AsioExecutor::wait_for_signal(Context ctx, std::vector<int> signals) {
    asio::signal_set set(impl_->io);
    for (int signal : signals) set.add(signal);
    Waiter waiter(ctx);
    auto received = std::make_shared<int>(0);
    set.async_wait([received, &waiter](boost::system::error_code const& problem, int signal) {
        if (problem) return;
        *received = signal;
        waiter.wake();
    });
    CO_TRY(co_await waiter);
    co_return *received;
}

}   // namespace aviary::async
