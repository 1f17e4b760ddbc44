// The state machine of one Rollout: collects in one pass what is to be written. See decide.h.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/step_limits.h"
#include "member/rollout/decide.h"

namespace aviary::rollout {

// What the Rollouts of a group do together: begin a step, lead requests to its pods, end the release.
enum class Together { kBegin, kReady, kEnd };

class Machine {
public:
    Machine(RolloutSeen const& seen, Time now) : seen_(seen), now_(now) {}
    control::Plan run();

private:
    // Why a release is being closed; decides what is waited for.
    enum class Closing { kSuccess, kRollback, kDisabled, kDeleting };

    // machine.cc: phases. Those that answer tell whether another transition may follow at once; a state that waits for
    // somebody answers false.
    void mark_objects();
    bool transition();
    bool disabled();
    bool workload_missing();
    bool healthy();
    bool progressing();
    bool initializing();
    bool in_rolling();
    bool cancel();   // begins to
    bool taken_back_at_the_end() const;
    bool is_adopted() const;
    bool new_version();
    bool closing(Closing why);
    void terminate();
    void describe_finished();
    bool catch_up();
    void begin_steps();
    void note_refusal();
    void persist();
    control::Write of_status(apis::RolloutStatus const& next) const;
    bool only_counts_differ() const;

    // steps.cc: the step machine.
    bool plan_changed();
    bool step();
    bool jump();
    bool paused_step();
    bool upgraded() const;
    void note_hindrance();
    void follow_batch_release();
    void drive_batch_release();
    void pass_rollout_id_on();
    json::Value wanted_spec() const;
    std::string batch_release_hash() const;

    // rollback.cc: the way back in batches.
    bool goes_back_in_batches() const;
    bool turn_back();           // begins that
    void note_way(bool back);   // whether that is so, in the status: it stays when the way is over

    // deadline.cc: what annotations ask of a step's upgrade (apis/rollouts/step_limits.h).
    bool in_time(bool upgraded);   // false: the step stays, whatever its pods do
    bool progressed() const;
    void note_progress();
    Time progress_since() const;
    void stall();
    void begin_stall(std::string message);
    bool group_has_failed();   // true: this one is taken back, too
    void take_back();
    void note_failure();   // of a release that was taken back for it
    bool holds_healthy();

    // routing.cc: true when what is asked is in force, and has had its grace period.
    bool prepare_services();
    bool route_traffic();
    bool clear_traffic();   // a step without traffic has none
    bool undo(std::string_view step, traffic::Outcome outcome, std::string_view doing);
    json::Doc step_asked(std::int64_t index) const;   // as the document has it
    bool finish_traffic(std::string_view step);
    bool has_trouble(traffic::Outcome const& outcome);
    void write_traffic(traffic::Outcome outcome, std::string_view doing);
    bool grace_over(Time until, std::string_view doing);
    Time seen_since();
    bool abandon_traffic();
    apis::TrafficRoutingRef const* routing() const;   // null: requests are nobody's concern
    bool generates_canary_service() const;
    traffic::Traffic traffic() const;                   // where there is a routing
    bool counts_stable() const;                         // the facts, of the version that the status has for stable
    bool may_narrow() const;                            // the stable Service, to the stable version
    bool lacks_stable_pods() const;                     // partition style: there are none, or the step leaves none
    bool lacks_stable_pods(std::int64_t asked) const;   // where so many are to be of the new version
    void follow_stable_pods_at_rest();                  // where nothing moves
    bool stable_pods_serve() const;
    void follow_stable_pods();   // with the stable Service, in the middle of a step
    bool narrowed() const;
    bool has_share(traffic::Traffic const& traffic);
    bool goes_on_unshared() const;
    traffic::Outcome step_route(traffic::Traffic const& traffic, std::int64_t index) const;
    void mark_unrouted(std::string_view reason, std::string_view text);
    void note_unrouted(std::string_view reason, std::string_view text);

    // shared_routing.cc: true when it is held, or not any more; also where none is named.
    bool take_shared_routing();
    bool leave_shared_routing();
    void keep_shared_routing();                                  // while the release is on
    std::optional<control::Write> shared_routing_left() const;   // absent: it is not held
    bool may_take(json::Doc const& routing) const;
    std::string holder() const;

    // group.cc: true when every other Rollout of the group has come as far.
    bool group_follows(Together together);

    // finalise.cc: true when nothing of the release is left to be undone.
    bool finalise(Closing why);
    bool finish(std::string_view step, Closing why);
    bool resume_workload(Closing why);
    bool release_workload(Closing why);
    bool free_workload(Closing why);
    bool begun_elsewhere() const;
    control::Write still_disabled() const;
    void remove_batch_release();
    Time patience();   // when a release that is over waits no longer

    // The part of the status that the strategy has; begun when it is not there.
    apis::CanaryStatus& release();
    apis::CanaryStatus const* noted() const { return noted_in(status_); }   // null when it is not there
    apis::CanaryStatus const* noted_in(apis::RolloutStatus const& status) const;
    bool blue_green() const { return rollout_.spec.strategy.blue_green.has_value(); }
    std::vector<apis::CanaryStep> const& steps() const {
        return blue_green() ? rollout_.spec.strategy.blue_green->steps : rollout_.spec.strategy.canary->steps;
    }
    // The nearest one: anybody may write the status.
    apis::CanaryStep const& step_at(std::int64_t index) const {
        return steps()[static_cast<std::size_t>(std::clamp<std::int64_t>(index, 1, step_count()) - 1)];
    }
    apis::CanaryStep const& current_step() const { return step_at(noted()->current_step_index); }
    std::int64_t step_count() const { return std::ssize(steps()); }
    std::int64_t next_of(std::int64_t index) const { return index < step_count() ? index + 1 : -1; }
    std::int64_t share_of_step(std::int64_t index) const;
    std::int64_t share_of(meta::IntOrPercent const& step) const;
    std::string rollout_id() const;
    workload::Facts const& facts() const { return seen_.workload->facts(); }
    void look_ahead();                 // at what the BatchRelease is about to say
    std::string unsupported() const;   // what of it is; empty: nothing
    bool held() const;
    void enter(std::string_view state);
    void reason(std::string_view status, std::string_view reason, std::string_view message);
    void event(std::string reason, std::string message);
    void wait(std::string reason, std::string message, std::string ends_when, std::string who = {});
    void write(std::optional<control::Write> write);

    RolloutSeen const& seen_;
    Time now_;
    apis::Rollout rollout_;
    apis::StepLimits limits_;
    std::optional<apis::BatchRelease> batch_release_;
    apis::RolloutStatus before_;
    apis::RolloutStatus status_;
    control::Plan plan_;
    std::vector<control::Write> after_status_;   // what follows from the new status
};

}   // namespace aviary::rollout
