// Prefill and decode as one release, end to end.
#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

meta::ObjectKey const kPrefill{"default", "prefill"};
meta::ObjectKey const kDecode{"default", "decode"};

struct Pair : World {
    using World::World;

    Task<Status> begin(std::string steps = R"([{"replicas":"20%"},{"replicas":"50%"},{"replicas":"100%"}])",
                       std::string style = kPartitionStyle) {
        CO_TRY(co_await start());
        for (meta::ObjectKey const& key : {kPrefill, kDecode})
            CO_TRY(co_await set_up_beside(key, steps, style, apis::kGroupAnnotation, "qwen"));
        co_return Status{};
    }
    Task<Status> both(std::string state) {
        for (meta::ObjectKey const& key : {kPrefill, kDecode}) {
            of(key);
            CO_TRY(co_await until(state));
        }
        co_return Status{};
    }
};

CO_TEST(Group, MovesFromStepToStepAsOne) {
    Pair world(ctx);
    CO_ASSERT_OK(co_await world.begin());
    world.of(kPrefill);
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/BeforeStepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((Images{{"v1", 20}}), co_await world.images());
    world.of(kDecode);
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.both("Progressing/1/StepPaused/InRolling"));
    EXPECT_EQ((Images{{"v1", 16}, {"v2", 4}}), co_await world.images());

    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/BeforeStepUpgrade/InRolling"));
    co_await world.stop_member();   // a controller that comes anew knows as much
    world.start_member();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((Images{{"v1", 16}, {"v2", 4}}), co_await world.images());
    world.of(kPrefill);
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.both("Progressing/2/StepPaused/InRolling"));
    EXPECT_EQ((Images{{"v1", 10}, {"v2", 10}}), co_await world.images());
    for (meta::ObjectKey const& key : {kPrefill, kDecode}) {
        world.of(key);
        CO_ASSERT_OK(co_await world.approve());
    }
    CO_ASSERT_OK(co_await world.both("Healthy/3/Completed/Completed"));
    EXPECT_EQ((Images{{"v2", 20}}), co_await world.images());
    co_await world.stop();
}

// Each of them has its old pods as long as the other may have to go back to its own.
CO_TEST(Group, SideBySideItEndsAsOne) {
    Pair world(ctx);
    CO_ASSERT_OK(co_await world.begin(R"([{"replicas":"50%"},{"replicas":"100%"}])", R"({"blueGreen":{}})"));
    for (int step = 0; step <= 1; ++step) {
        for (meta::ObjectKey const& key : {kPrefill, kDecode}) {
            world.of(key);
            if (step == 0) CO_ASSERT_OK(co_await world.release("v2"));
            if (step == 1) CO_ASSERT_OK(co_await world.approve());
        }
        CO_ASSERT_OK(co_await world.both(fmt::format("Progressing/{}/StepPaused/InRolling", step + 1)));
    }
    world.of(kPrefill);
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/Completed/InRolling"));
    co_await world.stop_member();
    world.start_member();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((Images{{"v1", 20}, {"v2", 20}}), co_await world.images());
    world.of(kDecode);
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.both("Healthy/2/Completed/Completed"));
    EXPECT_EQ((Images{{"v2", 20}}), co_await world.images());
    co_await world.stop();
}

CO_TEST(Group, OneThatIsTakenBackHoldsTheOtherAndOneThatLeavesDoesNot) {
    Pair world(ctx);
    CO_ASSERT_OK(co_await world.begin());
    for (meta::ObjectKey const& key : {kPrefill, kDecode}) {
        world.of(key);
        CO_ASSERT_OK(co_await world.release("v2"));
    }
    CO_ASSERT_OK(co_await world.both("Progressing/1/StepPaused/InRolling"));
    world.of(kPrefill);
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/1/StepPaused/Completed"));
    world.of(kDecode);
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/BeforeStepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((Images{{"v1", 18}, {"v2", 2}}), co_await world.images());
    CO_ASSERT_OK(co_await world.client->patch(
        ctx, apis::kRollouts, kPrefill, client::PatchType::kMerge,
        *json::parse_value(R"({"metadata":{"annotations":{"rollouts.aviary.dev/group":null}}})")));
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    EXPECT_EQ((Images{{"v1", 15}, {"v2", 5}}), co_await world.images());
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
