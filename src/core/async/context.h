// Context travels with every operation, by value: the loop, clock and randomness, when to give up, how to log and where
// to count.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/async/executor.h"
#include "core/async/stop.h"
#include "core/base/result.h"
#include "core/observe/log.h"
#include "core/observe/metrics.h"

namespace aviary {

class Context {
public:
    explicit Context(async::Executor& executor, async::StopToken stop = {}, observe::Logger logger = {})
        : executor_(&executor), stop_(std::move(stop)), logger_(std::move(logger)) {}

    async::Executor& executor() const { return *executor_; }
    Clock const& clock() const { return executor_->clock(); }
    Time now() const { return clock().now(); }
    MonotonicTime monotonic() const { return clock().monotonic(); }
    Random& random() const { return executor_->random(); }
    async::StopToken const& stop() const { return stop_; }
    std::optional<MonotonicTime> deadline() const { return deadline_; }
    observe::Logger const& log() const { return logger_; }
    observe::Metrics const& metrics() const { return metrics_; }

    // Cancelled or Timeout when this context is over, ok otherwise.
    Status check() const;

    Context with_stop(async::StopToken stop) const;
    // The earlier of both deadlines holds.
    Context with_deadline(MonotonicTime deadline) const;
    // A deadline that may be put off: over as soon as `reached` says so, which every check asks. What waits already is
    // not woken by it.
    Context with_limit(std::function<bool()> reached) const;
    Context with_timeout(Duration timeout) const { return with_deadline(monotonic() + timeout); }
    // For clean-up that must run although its caller has stopped; give it a timeout.
    Context without_stop() const { return with_stop({}); }
    Context with_log(observe::Logger logger) const;
    Context with_metrics(observe::Metrics metrics) const;

private:
    async::Executor* executor_;
    async::StopToken stop_;
    std::optional<MonotonicTime> deadline_;
    std::shared_ptr<std::function<bool()> const> limit_;
    observe::Logger logger_;
    observe::Metrics metrics_;
};

}   // namespace aviary
