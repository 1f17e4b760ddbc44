#include "core/async/context.h"

#include <utility>

namespace aviary {

Status Context::check() const {
    if (stop_.stop_requested()) return fail(ErrorCode::kCancelled, "cancelled");
    if (deadline_ && *deadline_ <= monotonic()) return fail(ErrorCode::kTimeout, "deadline exceeded");
    if (limit_ && (*limit_)()) return fail(ErrorCode::kTimeout, "deadline exceeded");
    return {};
}

Context Context::with_stop(async::StopToken stop) const {
    Context copy = *this;
    copy.stop_ = std::move(stop);
    return copy;
}

Context Context::with_deadline(MonotonicTime deadline) const {
    Context copy = *this;
    if (!copy.deadline_ || deadline < *copy.deadline_) copy.deadline_ = deadline;
    return copy;
}

Context Context::with_limit(std::function<bool()> reached) const {
    Context copy = *this;
    copy.limit_ = std::make_shared<std::function<bool()> const>(
        [before = limit_, reached = std::move(reached)] { return (before && (*before)()) || reached(); });
    return copy;
}

Context Context::with_log(observe::Logger logger) const {
    Context copy = *this;
    copy.logger_ = std::move(logger);
    return copy;
}

Context Context::with_metrics(observe::Metrics metrics) const {
    Context copy = *this;
    copy.metrics_ = metrics;
    return copy;
}

}   // namespace aviary
