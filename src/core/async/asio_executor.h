// AsioExecutor: a loop on real time. asio ends in the .cc and in net/.
#pragma once

#include <memory>
#include <optional>

#include "core/async/executor.h"
#include "core/async/scope.h"
#include "core/async/task.h"

namespace boost::asio {
class io_context;
}

namespace aviary::async {

class AsioExecutor final : public Executor {
public:
    // A seed of 0 takes one from the operating system.
    explicit AsioExecutor(std::uint64_t seed = 0);
    ~AsioExecutor() override;

    void post(Callback callback) override;
    TimerId call_at(MonotonicTime when, Callback callback) override;
    void cancel(TimerId timer) override;
    Clock const& clock() const override;
    Random& random() override;

    // Runs the loop on this thread until stop().
    void run();
    // From any thread.
    void stop();
    // Runs the loop on this thread until the task has ended.
    template <class T>
    T run(Task<T> task);

    // For net/ alone.
    boost::asio::io_context& io_context();

    // Completes when there is something to read from the file (a pipe, a pidfd), or its other end has gone. The file is
    // the caller's, who has to keep it open.
    Task<Status> wait_readable(Context ctx, int file);

    // Completes when one of the signals arrives (SIGINT, SIGTERM …); the number of the signal.
    Task<Result<int>> wait_for_signal(Context ctx, std::vector<int> signals);

private:
    void run_until(bool const& done);
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

template <class T>
T AsioExecutor::run(Task<T> task) {
    Scope scope{Context(*this)};
    bool done = false;
    if constexpr (std::is_void_v<T>) {
        scope.spawn([](Task<void> inner, bool& flag) -> Task<void> {
            co_await std::move(inner);
            flag = true;
        }(std::move(task), done));
        run_until(done);
    } else {
        std::optional<T> out;
        scope.spawn([](Task<T> inner, std::optional<T>& result, bool& flag) -> Task<void> {
            result.emplace(co_await std::move(inner));
            flag = true;
        }(std::move(task), out, done));
        run_until(done);
        return std::move(*out);
    }
}

}   // namespace aviary::async
