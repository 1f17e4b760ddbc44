// What upstream's suite asks of Rollouts of v1beta1, case by case, by its names: Deployments in their own pods or
// beside a second one, and sets.
#include "app/member/internal/test_story.h"

namespace aviary::member {
namespace {

constexpr char const* kExtra = R"({"canary":{"enableExtraWorkloadForCanary":true}})";
constexpr char const* kNginx = R"("ingress":{"name":"web"})";
constexpr char const* kFive =
    R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%","traffic":"40%"},{"replicas":"60%","traffic":"60%"},
        {"replicas":"80%","traffic":"80%"},{"replicas":"100%","pause":{"duration":0}}])";
constexpr char const* kTwo = R"([{"replicas":"20%"},{"replicas":"60%"}])";

std::string edited(std::string const& steps) {
    return R"(rollout {"spec":{"strategy":{"canary":{"steps":)" + steps + "}}}}";
}

CO_TEST(CasesOfV1beta1, JumpOfADeploymentInCanaryStyle) {
    Story story(ctx, {.steps = kFive, .strategy = kExtra, .routing = kNginx});
    CO_ASSERT_OK(co_await story.begin());
    auto const at = [](int step, int pods, int weight) {
        return fmt::format("Progressing/{}/StepPaused v1=5 v2={} pinned+ [canary-weight={}]", step, pods, weight);
    };
    CO_ASSERT_OK(co_await story.play({{"release v2", at(1, 1, 20)}, {"jump 4", at(4, 4, 80)}}));
    EXPECT_EQ(co_await story.batches("v2"), "1:1 2:1 3:1 4:1");
    CO_ASSERT_OK(co_await story.play(
        {{"jump 3", at(3, 4, 60)},
         {edited(
              R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%","traffic":"40%"},{"replicas":"60%","traffic":"50%"},
                     {"replicas":"80%","traffic":"80%"},{"replicas":"100%","pause":{"duration":0}}])"),
          at(3, 4, 50)},
         {"jump 2", at(2, 4, 40)},
         {"jump 1", at(1, 4, 20)},
         {"jump 5", "Healthy/5/Completed v2=5"}}));
    EXPECT_EQ((co_await story.release_status())["nextStepIndex"].as_int(), -1);
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, JumpOfADeploymentInPartitionStyle) {
    std::string const steps =
        R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%"},{"replicas":"60%"},{"replicas":"80%"},{"replicas":"100%","pause":{"duration":0}}])";
    std::string const other =
        R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%"},{"replicas":3,"traffic":"60%"},{"replicas":"80%"},{"replicas":"100%","pause":{"duration":0}}])";
    Story story(ctx, {.steps = steps, .routing = kNginx});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"},
                                      {"jump 4", "Progressing/4/StepPaused v1=1 v2=4"}}));
    EXPECT_EQ(co_await story.batches("v2"), "1:1 2:1 3:1 4:1");
    CO_ASSERT_OK(co_await story.play({{"jump 3", "Progressing/3/StepPaused v1=1 v2=4"},
                                      {edited(other), "Progressing/3/StepPaused v1=1 v2=4 pinned+ [canary-weight=60]"},
                                      {"jump 2", "Progressing/2/StepPaused v1=1 v2=4"},
                                      {"jump 1", "Progressing/1/StepPaused v1=1 v2=4 pinned+ [canary-weight=20]"}}));
    EXPECT_EQ((co_await story.release_status())["canaryReplicas"].as_int(), 4);
    CO_ASSERT_OK(co_await story.play({{"jump 5", "Healthy/5/Completed v2=5"}}));
    EXPECT_EQ(co_await story.batches("v2"), "1:1 2:1 3:1 4:1 5:1");
    EXPECT_EQ((co_await story.release_status())["nextStepIndex"].as_int(), -1);
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, StepsRemovedOrAddedInARelease) {
    Story story(
        ctx,
        {.steps =
             R"([{"replicas":"20%"},{"replicas":"40%"},{"replicas":"60%"},{"replicas":"80%"},{"replicas":"100%"}])"});
    CO_ASSERT_OK(co_await story.begin());
    story.guard_rollouts();
    std::string const two = edited(R"([{"replicas":"20%"},{"replicas":"100%"}])");
    std::string const six = edited(
        R"([{"replicas":"20%"},{"replicas":"40%"},{"replicas":"60%"},{"replicas":"80%"},{"replicas":"90%"},{"replicas":"100%"}])");
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"}}));
    for (std::string const& edit : {two, six}) {
        Status const refused = co_await story.perform(edit);
        CO_ASSERT_TRUE(!refused);
        EXPECT_TRUE(refused.error().message().contains("Rollout steps number is immutable while it is progressing"))
            << refused.error().message();
    }
    CO_ASSERT_OK(co_await story.play({{"jump 5", "Healthy/5/Completed v2=5"}, {two, "Healthy/5/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, AdvancedDeploymentWithTraffic) {
    Story story(
        ctx, {.steps = R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%","traffic":"40%"},{"replicas":"60%"}])",
              .routing = kNginx});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"}}));
    std::string const strategy = meta::annotation(co_await story.live(), apis::kDeploymentStrategyAnnotation);
    EXPECT_NE(strategy.find(R"("paused":false)"), std::string::npos) << strategy;
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=3 v2=2 pinned+ [canary-weight=40]"},
                                      {"approve", "Progressing/3/StepPaused v1=2 v2=3"},
                                      {"approve", "Healthy/3/Completed v2=5"}}));
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, AdvancedDeploymentContinuousRelease) {
    Story story(ctx, {.steps = kTwo});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"break v2", "Progressing/1/StepUpgrade v1=4 v2=1"},
                                      {"release v3", "Progressing/1/StepPaused v1=4 v3=1"},
                                      {"approve", "Progressing/2/StepPaused v1=2 v3=3"},
                                      {"approve", "Healthy/2/Completed v3=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, AdvancedDeploymentRollback) {
    Story story(ctx, {.steps = kTwo});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"break v2", "Progressing/1/StepUpgrade v1=4 v2=1"}, {"release v1", "Healthy/1/StepUpgrade v1=5"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "False/");
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, AdvancedDeploymentRolloutDeleted) {
    Story story(ctx, {.steps = kTwo});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"}, {"delete", "/0/ v2=5"}}));
    EXPECT_FALSE((co_await story.live()).at({"spec", "paused"}).as_bool());
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, AdvancedDeploymentScaled) {
    Story story(ctx, {.steps = R"([{"replicas":"20%"},{"replicas":"60%"},{"replicas":"100%"}])"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"},
                                      {"scale 10", "Progressing/1/StepPaused v1=8 v2=2"},
                                      {"scale 5", "Progressing/1/StepPaused v1=4 v2=1"},
                                      {"approve", "Progressing/2/StepPaused v1=2 v2=3"},
                                      {"approve", "Healthy/3/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, AdvancedDeploymentPlanChanged) {
    Story story(ctx, {.steps = kTwo});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"release v2", "Progressing/1/StepPaused v1=4 v2=1"},
         {edited(R"([{"replicas":"60%"},{"replicas":"80%"}])"), "Progressing/1/StepPaused v1=2 v2=3"},
         {"approve", "Progressing/2/StepPaused v1=1 v2=4"},
         {"approve", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, IstioAndIngressAtOnce) {
    meta::GroupVersionResource const meshes{"networking.istio.io", "v1alpha3", "virtualservices"};
    Story story(
        ctx,
        {.steps =
             R"([{"replicas":"20%","matches":[{"headers":[{"name":"user","value":"qa"}]}]},{"replicas":"50%","traffic":"50%"}])",
         .strategy = kExtra,
         .routing =
             R"("ingress":{"name":"web"},"customNetworkRefs":[{"apiVersion":"networking.istio.io/v1alpha3","kind":"VirtualService","name":"web"}])"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.define(meshes, "VirtualService"));
    std::string const original = R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"}}]}]})";
    CO_ASSERT_OK(co_await story.bring(meshes, "VirtualService", original));
    CO_ASSERT_OK(co_await story.play(
        {{"release v2",
          "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-by-header=user canary-by-header-value=qa]"}}));
    EXPECT_EQ((co_await story.named(meshes, "web")).at({"spec", "http"})[0].at({"match"})[0],
              *json::parse(R"({"headers":{"user":{"exact":"qa"}}})"));
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=5 v2=3 pinned+ [canary-weight=50]"}}));
    EXPECT_EQ(co_await story.weights(meshes, "http", "route"), "50/50");
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/2/Completed v2=5"}}));
    EXPECT_EQ((co_await story.named(meshes, "web"))["spec"], *json::parse(original));
    co_await story.stop();
}

// ---- sets

CO_TEST(CasesOfV1beta1, NativeStatefulSetWithItsCanaryService) {
    Story story(ctx, {.steps = R"([{"replicas":"20%","traffic":"20%"},{"replicas":"60%"}])",
                      .kind = "StatefulSet",
                      .routing = kNginx});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"}}));
    Doc const service = co_await story.named(story.kServices, "web-canary");
    EXPECT_EQ(meta::label(service, "team"), "a");
    EXPECT_EQ(meta::annotation(service, "note"), "b");
    EXPECT_EQ(service.at({"spec", "selector", "controller-revision-hash"}).string(),
              (co_await story.live()).at({"status", "updateRevision"}).string());
    CO_ASSERT_OK(co_await story.play(
        {{"approve", "Progressing/2/StepPaused v1=2 v2=3"}, {"approve", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, NativeStatefulSetContinuousRelease) {
    Story story(ctx, {.steps = kTwo, .kind = "StatefulSet"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"},
                                      {"release v3", "Progressing/1/StepPaused v1=4 v3=1"},
                                      {"approve", "Progressing/2/StepPaused v1=2 v3=3"},
                                      {"approve", "Healthy/2/Completed v3=5"}}));
    co_await story.stop();
}

// The native controller waits for the broken pod until somebody deletes it.
CO_TEST(CasesOfV1beta1, NativeStatefulSetRollback) {
    Story story(ctx, {.steps = kTwo, .kind = "StatefulSet"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"break v2", "Progressing/1/StepUpgrade v1=4 v2=1"}}));
    CO_ASSERT_OK(co_await story.perform("release v1"));
    CO_ASSERT_OK(co_await story.client->remove(ctx, kPods, {"default", "web-4"}));
    CO_ASSERT_OK(co_await story.play({{"", "Healthy/1/StepUpgrade v1=5"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "False/");
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, NativeStatefulSetWithoutTraffic) {
    Story story(ctx, {.steps = R"([{"replicas":"20%"},{"replicas":"40%","pause":{"duration":10}},{"replicas":"60%"},
                    {"replicas":"80%","pause":{"duration":10}},{"replicas":"100%","pause":{"duration":0}}])",
                      .kind = "StatefulSet"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"},
                                      {"approve", "Progressing/3/StepPaused v1=2 v2=3"},
                                      {"approve", "Healthy/5/Completed v2=5"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ((co_await story.live()).at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int(), 0);
    co_await story.stop();
}

Setup daemons() { return {.steps = R"([{"replicas":1},{"replicas":"100%"}])", .kind = "DaemonSet", .nodes = 3}; }

CO_TEST(CasesOfV1beta1, NativeDaemonSetInTwoSteps) {
    Story story(ctx, daemons());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"release v2", "Progressing/1/StepPaused v1=2 v2=1"}, {"approve", "Healthy/2/Completed v2=3"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    co_await story.stop();
}

CO_TEST(CasesOfV1beta1, NativeDaemonSetContinuousRelease) {
    Story story(ctx, daemons());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=2 v2=1"},
                                      {"release v3", "Progressing/1/StepPaused v1=2 v3=1"},
                                      {"approve", "Healthy/2/Completed v3=3"}}));
    co_await story.stop();
}

// Upstream takes the old template for a version of its own and stops at each step of it.
CO_TEST(CasesOfV1beta1, NativeDaemonSetRollback) {
    Story story(ctx, daemons());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"release v2", "Progressing/1/StepPaused v1=2 v2=1"}, {"release v1", "Healthy/1/StepPaused v1=3"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "False/");
    co_await story.stop();
}

// Upstream's gate keeps it at one pod; without it, as here, the new version goes everywhere.
CO_TEST(CasesOfV1beta1, NativeDaemonSetRolloutDeleted) {
    Story story(ctx, daemons());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=2 v2=1"}, {"delete", "/0/ v2=3"}}));
    co_await story.stop();
}

}   // namespace
}   // namespace aviary::member
