// What upstream's suite asks of a Deployment that is released in its own pods, case by case, by its names. Upstream
// moves the annotation of its controller by hand; here a Rollout does, whose steps are those numbers.
#include "app/member/internal/test_story.h"

namespace aviary::member {
namespace {

constexpr char const* kNothingMissing = R"({"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}})";

// Pods that are available, by the Deployment's own account.
Task<std::int64_t> available(Story& story) {
    Doc const live = co_await story.live();
    co_return live.at({"status", "availableReplicas"}).as_int();
}

CO_TEST(CasesOfAdvancedDeployment, UpdateWithPartition) {
    Story story(ctx, {.steps = R"([{"replicas":1},{"replicas":2},{"replicas":3},{"replicas":5}])"});
    CO_ASSERT_OK(co_await story.begin());
    for (auto const& [does, seen] : std::vector<Line>{{"release v2", "Progressing/1/StepPaused v1=4 v2=1"},
                                                      {"approve", "Progressing/2/StepPaused v1=3 v2=2"},
                                                      {"approve", "Progressing/3/StepPaused v1=2 v2=3"},
                                                      {"approve", "Progressing/4/StepPaused v2=5"}}) {
        CO_ASSERT_OK(co_await story.play({{does, seen}}));
        EXPECT_EQ(co_await available(story), 5);
    }
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/4/Completed v2=5"}}));
    co_await story.stop();
}

// Upstream gives the new version its part of the pods that come, 4 of 10; here it keeps to its step.
CO_TEST(CasesOfAdvancedDeployment, UpdateWithScaleUp) {
    Story story(ctx, {.steps = R"([{"replicas":2},{"replicas":7},{"replicas":10}])"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=3 v2=2"},
                                      {"scale 10", "Progressing/1/StepPaused v1=8 v2=2"},
                                      {"approve", "Progressing/2/StepPaused v1=3 v2=7"},
                                      {"approve", "Progressing/3/StepPaused v2=10"},
                                      {"approve", "Healthy/3/Completed v2=10"}}));
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedDeployment, UpdateWithScaleDown) {
    Story story(ctx, {.steps = R"([{"replicas":"40%"},{"replicas":"60%"},{"replicas":"100%"}])", .replicas = 10});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=6 v2=4"},
                                      {"scale 5", "Progressing/1/StepPaused v1=3 v2=2"},
                                      {"approve", "Progressing/2/StepPaused v1=2 v2=3"},
                                      {"approve", "Healthy/3/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedDeployment, UpdateWithMaxSurge1AndMaxUnavailable0) {
    Story story(ctx, {.steps = R"([{"replicas":3},{"replicas":5}])", .more = kNothingMissing});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"break v2", "Progressing/1/StepUpgrade v1=5 v2=1"}, {"wait 600", "Progressing/1/StepUpgrade v1=5 v2=1"}}));
    EXPECT_EQ(co_await available(story), 5);
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedDeployment, UpdateWithMaxSurge0AndMaxUnavailable1) {
    Story story(ctx,
                {.steps = R"([{"replicas":3},{"replicas":5}])",
                 .more = R"({"minReadySeconds":10,"strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":1}}})"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.perform("release v2"));
    std::int64_t least = 5;
    for (int count = 0; count < 600; ++count) {
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 100ms));
        least = std::min(least, co_await available(story));
    }
    EXPECT_EQ(least, 4);
    CO_ASSERT_OK(co_await story.play({{"", "Progressing/1/StepPaused v1=2 v2=3"},
                                      {"approve", "Progressing/2/StepPaused v2=5"},
                                      {"approve", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedDeployment, ContinuousUpdate) {
    Story story(ctx, {.steps = R"([{"replicas":2},{"replicas":3},{"replicas":5}])"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=3 v2=2"},
                                      {"release v3", "Progressing/1/StepPaused v1=3 v3=2"},
                                      {"approve", "Progressing/2/StepPaused v1=2 v3=3"},
                                      {"approve", "Progressing/3/StepPaused v3=5"},
                                      {"approve", "Healthy/3/Completed v3=5"}}));
    co_await story.stop();
}

// Upstream keeps the pods of v2 while v3 comes and goes; here they went for those of the stable version.
CO_TEST(CasesOfAdvancedDeployment, Rollback) {
    Story story(ctx, {.steps = R"([{"replicas":2},{"replicas":3},{"replicas":5}])"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=3 v2=2"},
                                      {"release v3", "Progressing/1/StepPaused v1=3 v3=2"},
                                      {"release v2", "Progressing/1/StepPaused v1=3 v2=2"},
                                      {"approve", "Progressing/2/StepPaused v1=2 v2=3"},
                                      {"approve", "Progressing/3/StepPaused v2=5"},
                                      {"approve", "Healthy/3/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedDeployment, ScaleDownOldUnhealthyFirst) {
    Story story(ctx, {.steps = R"([{"replicas":1},{"replicas":5}])", .more = kNothingMissing});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"break v2", "Progressing/1/StepUpgrade v1=5 v2=1"}, {"release v3", "Progressing/1/StepPaused v1=4 v3=1"}}));
    EXPECT_EQ(co_await available(story), 5);
    co_await story.stop();
}

}   // namespace
}   // namespace aviary::member
