// What is kept of releases where the feature is on, and that nothing is where it is off.
#include "apis/rollouts/rollout_history.h"
#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

CO_TEST(History, IsKeptWhereTheFeatureIsOn) {
    for (bool const on : {true, false}) {
        World world(ctx);
        world.features.rollout_history = on;
        CO_ASSERT_OK(co_await world.set_up());
        CO_ASSERT_OK(co_await world.release("v2"));
        for (char const* const state : {"Progressing/1/StepPaused/InRolling", "Progressing/2/StepPaused/InRolling"}) {
            CO_ASSERT_OK(co_await world.until(state));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
            CO_ASSERT_OK(co_await world.approve());
        }
        CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        auto const list = co_await world.client->list(ctx, apis::kRolloutHistories, {.ns = "default"});
        CO_ASSERT_OK(list);
        CO_ASSERT_TRUE((*list)["items"].size() == (on ? 1U : 0U));
        if (on) {
            auto const history = apis::read_rollout_history((*list)["items"][0]);
            CO_ASSERT_OK(history);
            EXPECT_EQ(history->status.phase, "completed");
            std::vector<apis::StepNote> const notes = apis::read_step_notes((*list)["items"][0]);
            CO_ASSERT_TRUE(notes.size() == 3);
            for (apis::StepNote const& each : notes) {
                EXPECT_NE(each.began, "") << each.step;
                EXPECT_LE(each.began, each.passed) << each.step;
                EXPECT_EQ(each.by.empty(), each.step == 3) << each.by;   // the last one waits for nobody
            }
            EXPECT_EQ(notes[0].passed, notes[1].began);
            EXPECT_GT(notes[1].passed, notes[1].paused);
            CO_ASSERT_TRUE(history->status.canary_steps.size() >= 2);
            EXPECT_EQ(history->status.canary_steps[0].pods.size(), 1U);
            EXPECT_EQ(history->status.canary_steps[1].pods.size(), 4U);
            EXPECT_NE(history->status.canary_steps[0].pods[0].node_name, "");
            CO_ASSERT_OK(co_await world.client->remove(ctx, apis::kRollouts, kWeb));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
            auto const after = co_await world.client->list(ctx, apis::kRolloutHistories, {.ns = "default"});
            CO_ASSERT_OK(after);
            EXPECT_EQ((*after)["items"].size(), 0U) << "it goes with its Rollout";
        }
        co_await world.stop();
    }
}

}   // namespace
}   // namespace aviary::member
