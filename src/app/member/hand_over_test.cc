// Releases that Kruise Rollouts' manager 0.6 has left at any moment are finished by the member: of each kind of
// workload and style, at each state.
#include "app/member/internal/test_hand_over.h"

namespace aviary::member {
namespace {

CO_TEST(HandOver, AReleaseGoesOnWhereKruiseHasLeftIt) {
    co_await each_kind(ctx,
                       [&](Kind const& kind, KruiseWorld& led) { return at_each(ctx, kind, led, rolling(), goes_on); });
}

Task<void> each_end_of_each_kind(Context ctx, Why why) {
    co_await each_kind(ctx, [&](Kind const& kind, KruiseWorld& led) { return each_end(ctx, kind, led, why); });
}

CO_TEST(HandOver, ACompletedReleaseIsClosedFromAnyStepOfTheEnd) { co_await each_end_of_each_kind(ctx, Why::kSuccess); }
CO_TEST(HandOver, ACancelledReleaseIsClosedFromAnyStepOfTheEnd) { co_await each_end_of_each_kind(ctx, Why::kRollback); }
CO_TEST(HandOver, ADisabledRolloutGivesItsWorkloadBackFromAnyStepOfTheEnd) {
    co_await each_end_of_each_kind(ctx, Why::kDisabled);
}
CO_TEST(HandOver, ADeletedRolloutGivesItsWorkloadBackFromAnyStepOfTheEnd) {
    co_await each_end_of_each_kind(ctx, Why::kDeleted);
}

// Before there was a BatchRelease, which alone frees a workload there.
Task<Status> is_ended_early(HandOver& it, Why why) {
    CO_TRY(co_await it.world.end(why));
    CO_TRY(co_await it.world.close("ResumeWorkload", Progress::kDone));
    co_return co_await is_ended(it, why);
}

Task<Status> each_early_end(Context ctx, Kind const& kind, KruiseWorld& led) {
    for (Why const why : {Why::kDisabled, Why::kDeleted, Why::kRollback}) {
        if (why == Why::kRollback && !kind.taken_back) continue;
        CO_TRY(co_await led.lead(1, why == Why::kRollback ? Point::kBefore : Point::kInitializing));
        co_await play(ctx, kind, led, fmt::format("end {}", static_cast<int>(why)),
                      [why](HandOver& it) { return is_ended_early(it, why); });
    }
    co_return Status{};
}

CO_TEST(HandOver, AReleaseThatHasNotBegunIsClosed) {
    co_await each_kind(ctx, [&](Kind const& kind, KruiseWorld& led) { return each_early_end(ctx, kind, led); });
}

// Before a release, and after one.
Task<Status> goes_on_from_rest(HandOver& it, std::string phase) {
    it.world.phase = std::move(phase);
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await async::sleep_for(it.ctx, 10s));
    std::string const state = co_await it.world.state();
    EXPECT_TRUE(state.starts_with("Healthy/")) << state;
    CO_TRY(co_await it.world.led->merge(pod_template_of("v2")));
    CO_TRY(co_await async::sleep_for(it.ctx, 2s));
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from({1, Point::kBefore}));
    co_return Status{};
}

// A version that comes when Kruise's webhooks are gone, and ours are not there yet.
Task<Status> holds_what_came_between(HandOver& it) {
    it.world.phase = "Healthy";
    it.world.canary = co_await it.world.led->canary_revision("v1");
    it.world.pod_hash = co_await it.world.led->pod_hash("v1");
    it.world.guarded = false;
    CO_TRY(co_await it.world.led->merge(pod_template_of("v2")));
    CO_TRY(co_await it.take_over());
    it.world.guarded = true;
    CO_TRY(co_await async::sleep_for(it.ctx, 30s));
    for (int step = 1; step <= it.last_pause(); ++step) {
        std::string const state = co_await it.world.state();
        EXPECT_EQ(state, fmt::format("Progressing/{}/StepPaused/InRolling", step));
        Images images = co_await it.world.images();
        if (step < it.last_pause()) EXPECT_GT(images["v1"], 0) << step;
        CO_TRY(co_await it.world.approve());
        CO_TRY(co_await async::sleep_for(it.ctx, 30s));
    }
    co_return Status{};
}

Task<Status> at_rest(Context ctx, Kind const& kind, KruiseWorld& led) {
    for (std::string const& phase : {std::string("Initial"), std::string("Healthy")})
        co_await play(ctx, kind, led, phase, [&](HandOver& it) { return goes_on_from_rest(it, phase); });
    if (!kind.side_by_side) co_await play(ctx, kind, led, "a version between", holds_what_came_between);
    co_return Status{};
}

CO_TEST(HandOver, ARolloutAtRestReleasesTheNextVersion) {
    co_await each_kind(ctx, [&](Kind const& kind, KruiseWorld& led) { return at_rest(ctx, kind, led); });
}

Task<Status> set_paused(KruiseWorld& world, Value paused) {
    Value patch{json::Object()};
    patch.set({"spec", "strategy", "paused"}, std::move(paused));
    return world.led->merge_into(apis::kRollouts, "web", std::move(patch));
}

Task<Status> is_resumed(HandOver& it, Moment moment) {
    CO_TRY(co_await set_paused(it.world, true));
    it.world.reason = "Paused";
    std::string const state = fmt::format("Progressing/{}/{}/Paused", moment.step, it.world.step_state);
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await async::sleep_for(it.ctx, 60s));
    std::string const later = co_await it.world.state();
    EXPECT_EQ(later, state);
    CO_TRY(co_await set_paused(it.world, nullptr));
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from(moment));
    co_return Status{};
}

CO_TEST(HandOver, APausedRolloutWaitsToBeResumed) {
    std::vector<Moment> const moments{{1, Point::kPaused}, {2, Point::kHeld}, {2, Point::kApproved}};
    co_await each_kind(
        ctx, [&](Kind const& kind, KruiseWorld& led) { return at_each(ctx, kind, led, moments, is_resumed); });
}

// What people do once the member is there.
enum class Turn { kTakeBack, kDelete };

Task<Status> turns(HandOver& it, Turn turn) {
    CO_TRY(co_await it.take_over());
    it.taken_over.clear();   // some of the old ones go before it turns
    CO_TRY(co_await async::sleep_for(it.ctx, 1s));
    if (turn == Turn::kTakeBack) {
        it.ends = "v1";
        CO_TRY(co_await it.world.led->merge(pod_template_of("v1")));
        CO_TRY(co_await async::sleep_for(it.ctx, 1s));
        CO_TRY(co_await it.drive());
    } else {
        CO_TRY(co_await it.world.client->remove(it.ctx, apis::kRollouts, kWeb));
        CO_TRY(co_await it.drive(""));
    }
    EXPECT_EQ(it.approved, "");
    co_return Status{};
}

Task<Status> turns_at_each_moment(Context ctx, Kind const& kind, KruiseWorld& led, Turn turn) {
    std::vector<Moment> moments = rolling();
    std::erase_if(moments, [&](Moment const& moment) {
        bool const thorough = moment.point == Point::kPaused || moment.point == Point::kMoved;
        // What is approved is over before anybody turns: the last step, unless it waits for an approval.
        bool const waits = kind.side_by_side && moment.point < Point::kApproved;
        bool const turns_late = moment.step == 3 || (moment.step == 2 && moment.point == Point::kApproved);
        return (led.routed() && !thorough) || (turn == Turn::kTakeBack && turns_late && !waits);
    });
    return at_each(ctx, kind, led, std::move(moments), [turn](HandOver& it, Moment) { return turns(it, turn); });
}

CO_TEST(HandOver, TheOldVersionPutBackEndsTheRelease) {
    co_await each_kind(
        ctx, [&](Kind const& kind, KruiseWorld& led) { return turns_at_each_moment(ctx, kind, led, Turn::kTakeBack); });
}
CO_TEST(HandOver, ARolloutThatIsDeletedLeavesNothing) {
    co_await each_kind(
        ctx, [&](Kind const& kind, KruiseWorld& led) { return turns_at_each_moment(ctx, kind, led, Turn::kDelete); });
}

}   // namespace
}   // namespace aviary::member
