// What upstream's suite asks of blue-green releases of a Deployment, case by case, by its names.
#include "app/member/internal/test_story.h"

namespace aviary::member {
namespace {

constexpr char const* kStyle = R"({"blueGreen":{}})";
constexpr char const* kNginx = R"("ingress":{"name":"web"})";
constexpr char const* kRouted =
    R"([{"replicas":"50%","traffic":"0%"},{"replicas":"50%","traffic":"40%"},{"replicas":"100%","traffic":"80%"},{"replicas":"100%","traffic":"100%"}])";
constexpr char const* kHalves = R"([{"replicas":"50%"},{"replicas":"100%"}])";

Setup routed() { return {.steps = kRouted, .strategy = kStyle, .routing = kNginx}; }
Setup bare() { return {.steps = kHalves, .strategy = kStyle}; }

// "surge 50% ready 2147483646": what makes the new pods stand beside the old ones.
Task<std::string> held(Story& story) {
    Doc const spec = (co_await story.live())["spec"];
    co_return fmt::format("surge {} ready {} deadline {}",
                          json::write(spec.at({"strategy", "rollingUpdate", "maxSurge"})),
                          spec["minReadySeconds"].as_int(), spec["progressDeadlineSeconds"].as_int());
}
constexpr char const* kOwn = "surge \"25%\" ready 0 deadline 600";

CO_TEST(CasesOfBlueGreen, DeploymentWithTraffic) {
    Story story(ctx, routed());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=3 pinned+"}}));
    EXPECT_EQ(co_await held(story), "surge \"50%\" ready 2147483646 deadline 2147483647");
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=5 v2=3 pinned+ [canary-weight=40]"},
                                      {"approve", "Progressing/3/StepPaused v1=5 v2=5 pinned+ [canary-weight=80]"}}));
    EXPECT_EQ(co_await held(story), "surge \"100%\" ready 2147483646 deadline 2147483647");
    EXPECT_EQ(co_await story.batches("v2"), "1:3 3:2");
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/4/StepPaused v1=5 v2=5 pinned+ [canary-weight=100]"},
                                      {"wait 120", "Progressing/4/StepPaused v1=5 v2=5 pinned+ [canary-weight=100]"},
                                      {"approve", "Healthy/4/Completed v2=5"}}));
    EXPECT_EQ(co_await held(story), kOwn);
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfBlueGreen, DeploymentJumpsAndRollsBack) {
    Story story(ctx, routed());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=3 pinned+"},
                                      {"jump 4", "Progressing/4/StepPaused v1=5 v2=5 pinned+ [canary-weight=100]"},
                                      {"jump 3", "Progressing/3/StepPaused v1=5 v2=5 pinned+ [canary-weight=80]"},
                                      {"jump 2", "Progressing/2/StepPaused v1=5 v2=5 pinned+ [canary-weight=40]"},
                                      {"release v1", "Healthy/2/StepPaused v1=5"}}));
    EXPECT_EQ(co_await story.batches("v1"), ":5");
    EXPECT_EQ(co_await held(story), kOwn);
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfBlueGreen, DeploymentContinuousRelease) {
    Story story(ctx, bare());
    CO_ASSERT_OK(co_await story.begin());
    std::string const first = "Progressing/1/StepPaused v1=5 v2=3";
    CO_ASSERT_OK(co_await story.play({{"release v2", first}, {"release v3", first}}));
    EXPECT_TRUE((co_await story.live()).at({"spec", "paused"}).as_bool());
    EXPECT_EQ((co_await story.get(apis::kRollouts)).at({"status", "message"}).as_string(), apis::kNewVersionRefused);
    CO_ASSERT_OK(co_await story.play({{"release v2", first}}));
    EXPECT_TRUE((co_await story.live()).at({"spec", "paused"}).as_bool());
    CO_ASSERT_OK(co_await story.play({{"release v1", "Healthy/1/StepPaused v1=5"}}));
    EXPECT_FALSE((co_await story.live()).at({"spec", "paused"}).as_bool());
    co_await story.stop();
}

// However it is scaled while a third version is refused, nothing serves alone that was not approved to its end.
CO_TEST(CasesOfBlueGreen, DeploymentScaledWhileAThirdVersionIsRefused) {
    for (char const* smaller : {"scale 0", "scale 1"}) {
        Story story(ctx, bare());
        CO_ASSERT_OK(co_await story.begin());
        std::string const first = "Progressing/1/StepPaused v1=5 v2=3";
        CO_ASSERT_OK(co_await story.play({{"release v2", first}, {"release v3", first}}));
        CO_ASSERT_OK(co_await story.perform(smaller));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        CO_ASSERT_OK(co_await story.play(
            {{"scale 5", first}, {"release v2", first}, {"release v1", "Healthy/1/StepPaused v1=5"}}));
        co_await story.stop();
    }
}

CO_TEST(CasesOfBlueGreen, DeploymentScaled) {
    Story story(ctx, bare());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=3"},
                                      {"scale 6", "Progressing/1/StepPaused v1=6 v2=3"},
                                      {"scale 7", "Progressing/1/StepPaused v1=7 v2=4"},
                                      {"scale 8", "Progressing/1/StepPaused v1=8 v2=4"}}));
    EXPECT_EQ(co_await story.batches("v2"), "1:4");
    CO_ASSERT_OK(co_await story.play({{"scale 4", "Progressing/1/StepPaused v1=4 v2=2"},
                                      {"approve", "Progressing/2/StepPaused v1=4 v2=4"},
                                      {"scale 7", "Progressing/2/StepPaused v1=7 v2=7"},
                                      {"scale 8", "Progressing/2/StepPaused v1=8 v2=8"},
                                      {"scale 4", "Progressing/2/StepPaused v1=4 v2=4"},
                                      {"approve", "Healthy/2/Completed v2=4"}}));
    co_await story.stop();
}

CO_TEST(CasesOfBlueGreen, DeploymentRolloutDeletedOrDisabled) {
    for (auto const& [does, seen] : std::vector<Line>{
             {"delete", "/0/ v2=5"}, {R"(rollout {"spec":{"disabled":true}})", "Disabled/1/StepPaused v2=5"}}) {
        Story story(ctx, routed());
        CO_ASSERT_OK(co_await story.begin());
        CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=3 pinned+"}, {does, seen}}));
        EXPECT_EQ(co_await held(story), kOwn);
        EXPECT_EQ(co_await story.leftovers(), "");
        co_await story.stop();
    }
}

CO_TEST(CasesOfBlueGreen, DeploymentWithAnAutoscaler) {
    for (std::string const& version : {std::string("v1"), std::string("v2")}) {
        Story story(ctx, bare());
        CO_ASSERT_OK(co_await story.begin());
        meta::GroupVersionResource const autoscalers{"autoscaling", version, "horizontalpodautoscalers"};
        CO_ASSERT_OK(co_await story.bring(
            autoscalers, "HorizontalPodAutoscaler",
            R"({"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"maxReplicas":20})"));
        CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=3"}}));
        auto const target = [&]() -> Task<std::string> {
            Doc const found = co_await story.named(autoscalers, "web");
            co_return found.at({"spec", "scaleTargetRef", "name"}).string();
        };
        EXPECT_EQ(co_await target(), "web-DisableByRollout");
        CO_ASSERT_OK(co_await story.play({{"release v1", "Healthy/1/StepPaused v1=5"}}));
        EXPECT_EQ(co_await target(), "web");
        co_await story.stop();
    }
}

}   // namespace
}   // namespace aviary::member
