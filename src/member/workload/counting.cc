#include "member/workload/counting.h"

#include <algorithm>

namespace aviary::workload {

std::int64_t share_of(meta::IntOrPercent const& step, std::int64_t replicas) {
    return std::clamp<std::int64_t>(step.scaled(replicas, true), 0, std::max<std::int64_t>(replicas, 0));
}

std::int64_t deployment_share_of(meta::IntOrPercent const& step, std::int64_t replicas) {
    std::int64_t const share = share_of(step, replicas);
    bool const partial = step.percent && step.value != 100;
    return replicas > 1 && partial ? std::min(share, replicas - 1) : share;
}

bool most_updated(json::Doc const& status, std::string_view units, std::string_view updated) {
    std::int64_t const there = status[units].as_int();
    return there > 0 && status[updated].as_int() * 2 >= there;
}

}   // namespace aviary::workload
