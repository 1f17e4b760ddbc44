// Rollbacks in batches that Kruise Rollouts' manager 0.6 has left at any moment are finished by the member, step by
// step.
#include "app/member/internal/test_hand_over.h"

namespace aviary::member {
namespace {

std::vector<Kind> in_batches() {
    std::vector<Kind> all = kinds();
    std::erase_if(all, [](Kind const& kind) {
        static std::set<std::string> const kThese{"CloneSet", "StatefulSet", "Advanced StatefulSet"};
        return !kThese.contains(kind.name);
    });
    return all;
}

Task<Status> goes_back(HandOver& it, Moment moment) {
    it.ends = "v1";
    CO_TRY(co_await it.take_over());
    it.world.batch_phase = "Progressing";
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from(moment));
    Doc const rollout = co_await it.world.get(apis::kRollouts);
    EXPECT_TRUE(meta::condition_is_true(rollout, apis::condition::kSucceeded));
    co_return Status{};
}

CO_TEST(HandOverOfRollbacks, GoOnInBatchesWhereKruiseHasLeftThem) {
    co_await each_of(ctx, in_batches(), {nullptr}, [&](Kind const& kind, KruiseWorld& led) -> Task<Status> {
        CO_TRY(co_await led.ask_for_batches());
        CO_TRY(co_await led.lead(2, Point::kPaused));
        CO_TRY(co_await led.put_back());
        CO_TRY(co_await led.turn_back());
        std::vector<Moment> moments = rolling();
        std::erase_if(moments, [](Moment const& moment) { return moment.point == Point::kInitializing; });
        co_return co_await at_each(ctx, kind, led, std::move(moments), goes_back);
    });
}

// Kruise's controllers are gone before they have seen that the version before is back.
CO_TEST(HandOverOfRollbacks, BeginWhereKruiseHasNotSeenThem) {
    co_await each_of(ctx, in_batches(), {nullptr}, [&](Kind const& kind, KruiseWorld& led) -> Task<Status> {
        CO_TRY(co_await led.ask_for_batches());
        for (Point const point : {Point::kPaused, Point::kApproved}) {
            CO_TRY(co_await led.lead(2, point));
            co_await play(ctx, kind, led, show({2, point}), [](HandOver& it) -> Task<Status> {
                CO_TRY(co_await it.world.put_back());
                CO_TRY(co_await it.take_over());
                CO_TRY(co_await async::sleep_for(it.ctx, 1s));
                it.ends = "v1";
                it.world.back = true;
                it.world.spared = kReplicas - it.world.share(2);
                CO_TRY(co_await it.drive());
                EXPECT_EQ(it.approved, "1 2 ");
                co_return Status{};
            });
        }
        co_return Status{};
    });
}

}   // namespace
}   // namespace aviary::member
