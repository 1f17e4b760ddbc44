// What annotations of a Rollout ask of the upgrade of a step: that it gets on in time, and that its pods stay ready for
// a while.
#include <fmt/format.h>

#include <algorithm>

#include "apis/fleet/hold.h"
#include "apis/rollouts/keys.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/conditions.h"
#include "member/rollout/internal/machine.h"

namespace aviary::rollout {

using apis::CanaryStatus;

namespace {

constexpr char kWho[] = "aviary-member";   // holds what it has taken back from the hub

std::string remedy(std::string_view on_deadline, std::int64_t step) {
    if (on_deadline == apis::on_deadline::kReport) return "it goes on once its pods are ready";
    if (on_deadline == apis::on_deadline::kRollback) return "the stable version is put back";
    return fmt::format(
        "it does not go on by itself: take the release back, or pause and resume it to give step {} its time anew",
        step);
}

// What a deadline has taken it back for, to the end and beyond; empty: it has not.
std::string taken_back_for(json::Doc const& rollout) {
    bool const healthy = rollout.at({"status", "phase"}).as_string() == apis::phase::kHealthy;
    if (healthy && apis::taken_back_by_deadline(rollout))
        return meta::condition(rollout, apis::condition::kSucceeded)["message"].string();
    std::string_view const why = meta::condition(rollout, apis::condition::kProgressing)["reason"].as_string();
    json::Doc const stalled = meta::condition(rollout, apis::condition::kStalled);
    bool const going = why == apis::reason::kCancelling && stalled["status"].as_string() == "True" &&
                       apis::read_step_limits(rollout).on_deadline == apis::on_deadline::kRollback;
    return going ? stalled["message"].string() : std::string();
}

}   // namespace

// As of Kubernetes' Deployments: more pods of the new version than before, or more of them ready. One that was whole
// and is so no more has got as far as it could: its time begins then.
bool Machine::progressed() const {
    CanaryStatus const* const before = noted_in(before_);
    if (before == nullptr) return false;
    CanaryStatus const& now = *noted();
    std::int64_t const share = share_of_step(now.current_step_index);
    auto const whole = [share](CanaryStatus const& counts) {
        return counts.canary_replicas >= share && counts.canary_ready_replicas >= share;
    };
    return now.canary_replicas > before->canary_replicas || now.canary_ready_replicas > before->canary_ready_replicas ||
           (whole(*before) && !whole(now));
}

void Machine::note_progress() {
    auto const found =
        std::ranges::find(status_.conditions, apis::condition::kProgressing, &apis::RolloutCondition::type);
    if (found != status_.conditions.end()) found->last_update_time = format_rfc3339(now_);
}

// The step's own beginning counts, too.
Time Machine::progress_since() const {
    Time const began = parse_rfc3339(noted()->last_update_time).value_or(now_);
    auto const* const progressing = apis::find_condition(status_.conditions, apis::condition::kProgressing);
    auto const noted = progressing == nullptr ? std::nullopt : parse_rfc3339(progressing->last_update_time);
    return std::max(began, noted.value_or(began));
}

bool Machine::in_time(bool upgraded) {
    auto const* const stalled = apis::find_condition(status_.conditions, apis::condition::kStalled);
    // Then what its pods do counts no more: somebody begins the time anew, or gives the step more of it.
    bool const stays = stalled != nullptr && limits_.on_deadline != apis::on_deadline::kReport;
    if (!limits_.progress_deadline || (upgraded && !stays)) {
        drop_condition(status_, apis::condition::kStalled);
        return true;
    }
    if (!stays && progressed()) note_progress();
    Time const until = progress_since() + std::chrono::seconds(*limits_.progress_deadline);
    if (until <= now_) {
        stall();
        return false;
    }
    drop_condition(status_, apis::condition::kStalled);
    if (!upgraded) plan_.requeue_at(until, fmt::format("progress deadline of step {}", noted()->current_step_index));
    return true;
}

void Machine::stall() {
    std::int64_t const step = noted()->current_step_index;
    // What is said first stays: a status that follows every restart of a pod would be written without end.
    if (apis::find_condition(status_.conditions, apis::condition::kStalled) == nullptr) {
        std::string message = fmt::format("step {}/{} has made no progress for {} seconds, since {}", step,
                                          step_count(), *limits_.progress_deadline, format_rfc3339(progress_since()));
        if (auto const obstacles = seen_.workload->obstacles(); !obstacles.empty())
            message += fmt::format(" ({}: {})", obstacles.front().reason, obstacles.front().message);
        begin_stall(std::move(message));
    }
    auto const& said = *apis::find_condition(status_.conditions, apis::condition::kStalled);
    // Of what goes back already, in batches, there is no version to put back.
    status_.message = fmt::format("{}; {}", said.message,
                                  remedy(facts().rolled_back ? std::string_view() : limits_.on_deadline, step));
    plan_.waits.insert(plan_.waits.begin(), {std::string(apis::reason::kDeadlineExceeded), status_.message,
                                             parse_rfc3339(said.last_transition_time),
                                             "it gets more time, or is taken back", "release owner"});
    if (limits_.on_deadline == apis::on_deadline::kRollback && !facts().rolled_back) take_back();
}

void Machine::begin_stall(std::string message) {
    begin_condition(status_, apis::condition::kStalled, "True", apis::reason::kDeadlineExceeded, message, now_);
    plan_.events.push_back(control::event_about(seen_.rollout, control::kWarning,
                                                std::string(apis::reason::kDeadlineExceeded), std::move(message)));
}

// What one of a group could not release the others do not keep: they speak to each other in one version.
bool Machine::group_has_failed() {
    std::string_view const state = noted()->current_step_state;
    bool const begun = noted()->current_step_index > 1 || (!state.empty() && state != apis::step::kBeforeUpgrade);
    if (!begun || facts().rolled_back || limits_.on_deadline != apis::on_deadline::kRollback) return false;
    for (Companion const& each : seen_.group) {
        std::string const why = taken_back_for(each.rollout);
        if (why.empty()) continue;
        status_.message = fmt::format("{} of its group has been taken back: {}", meta::name(each.rollout), why);
        if (apis::find_condition(status_.conditions, apis::condition::kStalled) == nullptr)
            begin_stall(status_.message);
        wait(std::string(apis::reason::kDeadlineExceeded), status_.message, "it is taken back, too", "release owner");
        take_back();
        return true;
    }
    return false;
}

void Machine::take_back() {
    bool const of_hub = !meta::label(seen_.workload->object(), apis::kHubLabel).empty();
    auto back = seen_.workload->take_back(
        of_hub ? apis::hold_text(now_ + apis::kHoldLasts, kWho, std::string(apis::reason::kDeadlineExceeded))
               : std::string());
    if (back) {
        after_status_.push_back(std::move(*back));   // on record before
    } else {
        status_.message += ": " + back.error().message();
    }
}

void Machine::note_failure() {
    auto const* const stalled = apis::find_condition(status_.conditions, apis::condition::kStalled);
    if (stalled == nullptr || limits_.on_deadline != apis::on_deadline::kRollback) return;
    change_condition(status_, apis::condition::kSucceeded, "False", apis::reason::kDeadlineExceeded,
                     std::string(stalled->message), now_);
}

bool Machine::holds_healthy() {
    CanaryStatus const& current = *noted();
    std::chrono::seconds const length(limits_.healthy_seconds(current.current_step_index));
    if (length == length.zero()) return false;
    // A controller that does not say since when they are ready: from the beginning of the step, then.
    auto const ready = parse_rfc3339(batch_release_->status.canary_status.batch_ready_time);
    Time const since = ready ? *ready : parse_rfc3339(current.last_update_time).value_or(now_);
    if (since + length <= now_) return false;
    std::string const until = format_rfc3339(since + length);
    status_.message = fmt::format("Rollout is in step({}/{}){}{}", current.current_step_index, step_count(),
                                  apis::kHoldingHealthy, until);
    plan_.waits.push_back({"HoldingHealthy", status_.message, since, until, {}});
    plan_.requeue_at(since + length, fmt::format("healthy seconds of step {}", current.current_step_index));
    return true;
}

}   // namespace aviary::rollout
