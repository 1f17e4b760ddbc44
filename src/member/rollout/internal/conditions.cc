#include "member/rollout/internal/conditions.h"

#include <algorithm>

namespace aviary::rollout {

namespace {

apis::RolloutCondition* find(apis::RolloutStatus& status, std::string_view type) {
    auto const found = std::ranges::find(status.conditions, type, &apis::RolloutCondition::type);
    return found == status.conditions.end() ? nullptr : &*found;
}

}   // namespace

void begin_condition(apis::RolloutStatus& status, std::string_view type, std::string_view value,
                     std::string_view reason, std::string_view message, Time now) {
    std::string const stamp = format_rfc3339(now);
    apis::RolloutCondition fresh{
        std::string(type), std::string(value), std::string(reason), std::string(message), stamp, stamp};
    if (apis::RolloutCondition* old = find(status, type)) {
        *old = std::move(fresh);
    } else {
        status.conditions.push_back(std::move(fresh));
    }
}

void change_condition(apis::RolloutStatus& status, std::string_view type, std::string_view value,
                      std::string_view reason, std::string_view message, Time now) {
    apis::RolloutCondition* const old = find(status, type);
    if (old == nullptr) return begin_condition(status, type, value, reason, message, now);
    if (old->status != value) old->last_transition_time = old->last_update_time = format_rfc3339(now);
    old->status = value;
    old->reason = reason;
    if (!message.empty()) old->message = message;
}

void keep_times(apis::RolloutStatus& status, apis::RolloutCondition const& before) {
    apis::RolloutCondition* const now = find(status, before.type);
    if (now == nullptr || now->status != before.status) return;
    now->last_transition_time = before.last_transition_time;
    now->last_update_time = before.last_update_time;
}

void drop_condition(apis::RolloutStatus& status, std::string_view type) {
    std::erase_if(status.conditions, [type](apis::RolloutCondition const& each) { return each.type == type; });
}

std::string reason_of(apis::RolloutStatus const& status, std::string_view type) {
    auto const* const found = apis::find_condition(status.conditions, type);
    return found == nullptr ? std::string() : found->reason;
}

}   // namespace aviary::rollout
