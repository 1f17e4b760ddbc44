// What upstream's suite asks of Kruise's own kinds, case by case, by its names: CloneSets, StatefulSets and DaemonSets
// of apps.kruise.io.
#include <set>

#include "app/member/internal/test_story.h"

namespace aviary::member {
namespace {

constexpr char const* kNginx = R"("ingress":{"classType":"nginx","name":"web"})";
// Upstream's steps of partition style.
constexpr char const* kBase =
    R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%","pause":{"duration":10}},{"replicas":"60%","pause":{"duration":10}},
        {"replicas":"80%","pause":{"duration":10}},{"replicas":"100%","pause":{"duration":0}}])";
constexpr char const* kByHand =
    R"([{"replicas":"20%"},{"replicas":"40%"},{"replicas":"60%"},{"replicas":"80%"},{"replicas":"100%","pause":{"duration":0}}])";
constexpr char const* kTwo = R"([{"replicas":"20%","traffic":"20%"},{"replicas":"60%"}])";

std::string edited(std::string const& steps) {
    return R"(rollout {"spec":{"strategy":{"canary":{"steps":)" + steps + "}}}}";
}

Setup clone_set(std::string steps, std::string routing = "") {
    return {.steps = std::move(steps),
            .kind = "CloneSet",
            .more = R"({"updateStrategy":{"maxUnavailable":0,"maxSurge":1}})",
            .routing = std::move(routing),
            .api = "apps.kruise.io/v1alpha1"};
}

Task<std::set<std::string>> uids(Story& story) {
    std::set<std::string> result;
    auto const list = co_await story.client->list(story.scope.context(), kPods, {.ns = "default"});
    for (auto const& [index, pod] : (*list)["items"].elements()) result.insert(meta::uid(pod));
    co_return result;
}

Task<Doc> strategy(Story& story) { co_return (co_await story.live()).at({"spec", "updateStrategy"}); }

// ---- CloneSets, step by step

CO_TEST(CasesOfCloneSets, JumpInPartitionStyle) {
    std::string const steps =
        R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%"},{"replicas":"60%"},{"replicas":"80%"},{"replicas":"100%","pause":{"duration":0}}])";
    std::string const other =
        R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%"},{"replicas":3,"traffic":"60%"},{"replicas":"80%"},{"replicas":"100%","pause":{"duration":0}}])";
    Story story(ctx, clone_set(steps, kNginx));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"},
                                      {"approve", "Progressing/2/StepPaused v1=3 v2=2"},
                                      {"approve", "Progressing/3/StepPaused v1=2 v2=3"},
                                      {"approve", "Progressing/4/StepPaused v1=1 v2=4"},
                                      {"jump 3", "Progressing/3/StepPaused v1=1 v2=4"},
                                      {edited(other), "Progressing/3/StepPaused v1=1 v2=4 pinned+ [canary-weight=60]"},
                                      {"jump 2", "Progressing/2/StepPaused v1=1 v2=4"},
                                      {"jump 1", "Progressing/1/StepPaused v1=1 v2=4 pinned+ [canary-weight=20]"},
                                      {"jump 5", "Healthy/5/Completed v2=5"}}));
    EXPECT_EQ(co_await story.batches("v2"), "1:1 2:1 3:1 4:1 5:1");
    EXPECT_EQ((co_await story.release_status())["nextStepIndex"].as_int(), -1);
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfCloneSets, TwoSteps) {
    Story story(ctx, clone_set(kTwo, kNginx));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"}}));
    EXPECT_FALSE((co_await strategy(story))["paused"].as_bool());
    std::string const hash = (co_await story.release_status())["podTemplateHash"].string();
    EXPECT_EQ((co_await story.named(story.kServices, "web-canary")).at({"spec", "selector", "pod-template-hash"}),
              *json::parse("\"" + hash + "\""));
    EXPECT_TRUE((co_await story.live()).at({"status", "updateRevision"}).string().ends_with("-" + hash));
    CO_ASSERT_OK(co_await story.play(
        {{"approve", "Progressing/2/StepPaused v1=2 v2=3"}, {"approve", "Healthy/2/Completed v2=5"}}));
    EXPECT_EQ((co_await strategy(story))["partition"], *json::parse("0"));
    EXPECT_EQ(co_await story.condition("Progressing"), "False/Completed");
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    CO_ASSERT_OK(co_await story.play({{"scale 6", "Healthy/2/Completed v2=6"}}));
    EXPECT_EQ((co_await story.release_status())["observedWorkloadGeneration"].as_int(),
              meta::generation(co_await story.live()));
    co_await story.stop();
}

CO_TEST(CasesOfCloneSets, RollbackOfABrokenVersion) {
    Story story(ctx, clone_set(kBase, kNginx));
    CO_ASSERT_OK(co_await story.begin());
    std::string const stable = (co_await story.release_status())["stableRevision"].string();
    CO_ASSERT_OK(co_await story.play({{"break v2", "Progressing/1/StepUpgrade v1=5 v2=1 pinned"},
                                      {"wait 60", "Progressing/1/StepUpgrade v1=5 v2=1 pinned"}}));
    Doc const broken = (co_await story.live())["status"];
    EXPECT_EQ(broken["updatedReplicas"].as_int(), 1);
    EXPECT_EQ(broken["updatedReadyReplicas"].as_int(), 0);
    CO_ASSERT_OK(co_await story.play({{"release v1", "Healthy/1/StepUpgrade v1=5"}}));
    EXPECT_EQ(co_await story.condition("Progressing"), "False/Completed");
    EXPECT_EQ(co_await story.condition("Succeeded"), "False/");
    EXPECT_EQ((co_await story.release_status())["stableRevision"].string(), stable);
    EXPECT_EQ((co_await strategy(story))["partition"], *json::parse("0"));
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfCloneSets, ContinuousRelease) {
    Story story(ctx, clone_set(kBase, kNginx));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"}}));
    Doc const second = co_await story.release_status();
    CO_ASSERT_OK(
        co_await story.play({{"release v3", "Progressing/1/StepPaused v1=4 v3=1 pinned+ [canary-weight=20]"}}));
    Doc const third = co_await story.release_status();
    EXPECT_EQ(third["stableRevision"].string(), second["stableRevision"].string());
    EXPECT_NE(third["podTemplateHash"].string(), second["podTemplateHash"].string());
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/5/Completed v3=5"}}));
    EXPECT_EQ((co_await strategy(story))["partition"], *json::parse("0"));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

constexpr char const* kInBatches =
    R"(rollout {"metadata":{"annotations":{"rollouts.kruise.io/rollback-in-batch":"true"}}})";

CO_TEST(CasesOfCloneSets, RollbackInBatches) {
    Story story(ctx, clone_set(kBase));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.perform(kInBatches));
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"}}));
    CO_ASSERT_OK(co_await story.perform("approve"));
    CO_ASSERT_OK(co_await story.until("Progressing/3/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await story.play(
        {{"release v1", "Progressing/1/StepPaused v1=3 v2=2"}, {"approve", "Healthy/5/Completed v1=5"}}));
    EXPECT_EQ((co_await strategy(story))["partition"], *json::parse("0"));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfCloneSets, InPlaceWithoutTraffic) {
    Setup setup = clone_set(kBase);
    setup.more = R"({"updateStrategy":{"type":"InPlaceOnly","maxUnavailable":1}})";
    Story story(ctx, setup);
    CO_ASSERT_OK(co_await story.begin());
    std::set<std::string> const pods = co_await uids(story);
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"}}));
    EXPECT_EQ((co_await story.live()).at({"status", "updatedReadyReplicas"}).as_int(), 1);
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/5/Completed v2=5"}}));
    EXPECT_EQ(co_await uids(story), pods);
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    CO_ASSERT_OK(co_await story.play({{"scale 6", "Healthy/5/Completed v2=6"}}));
    co_await story.stop();
}

// ---- CloneSets: which batch a pod is of

CO_TEST(CasesOfCloneSets, BatchLabelsScaled) {
    Setup setup = clone_set(
        R"([{"replicas":"20%","traffic":"20%","pause":{"duration":10}},{"replicas":"40%"},{"replicas":"60%","pause":{"duration":10}},
            {"replicas":"100%","pause":{"duration":10}}])",
        kNginx);
    setup.id = "1";
    Story story(ctx, setup);
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/2/StepPaused v1=3 v2=2"}}));
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1 2:1");
    CO_ASSERT_OK(co_await story.play({{"scale 10", "Progressing/2/StepPaused v1=6 v2=4"}}));
    EXPECT_EQ((co_await story.release_status())["canaryReadyReplicas"].as_int(), 4);
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:2 2:2");
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/4/Completed v2=10"}}));
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:2 2:2 3:2 4:4");
    co_await story.stop();
}

CO_TEST(CasesOfCloneSets, BatchLabelsOfARollbackInBatches) {
    Setup setup = clone_set(kByHand);
    setup.id = "1";
    Story story(ctx, setup);
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.perform(kInBatches));
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"},
                                      {"approve", "Progressing/2/StepPaused v1=3 v2=2"},
                                      {"approve", "Progressing/3/StepPaused v1=2 v2=3"}}));
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1 2:1 3:1");
    CO_ASSERT_OK(co_await story.perform(
        R"(workload {"metadata":{"labels":{"rollouts.kruise.io/rollout-id":"2"}},"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v1"}]}}}})"));
    std::string labels;
    for (int step = 1; step <= 4; ++step) {
        CO_ASSERT_OK(co_await story.until(fmt::format("Progressing/{}/StepPaused/InRolling", step)));
        labels += fmt::format("{}{}:1", step == 1 ? "" : " ", step);
        EXPECT_EQ(co_await story.batches_of_release("2"), labels);
        CO_ASSERT_OK(co_await story.perform("approve"));
    }
    CO_ASSERT_OK(co_await story.play({{"", "Healthy/5/Completed v1=5"}}));
    EXPECT_EQ(co_await story.batches_of_release("2"), "1:1 2:1 3:1 4:1 5:1");
    co_await story.stop();
}

constexpr char const* kMarkedByHand =
    R"(workload {"metadata":{"labels":{"rollouts.kruise.io/rollout-id":"1"},"annotations":{"rollouts.kruise.io/in-progressing":"true"}}})";
constexpr char const* kSecondId = R"(workload {"metadata":{"labels":{"rollouts.kruise.io/rollout-id":"2"}}})";

// The id changes in the middle: the step stays, and its pods are labelled anew.
CO_TEST(CasesOfCloneSets, AnotherRolloutIdAlone) {
    for (int const turn : {3, 1}) {
        Setup setup = clone_set(kByHand);
        Story story(ctx, setup);
        CO_ASSERT_OK(co_await story.begin());
        std::set<std::string> const pods = co_await uids(story);
        CO_ASSERT_OK(co_await story.perform(kInBatches));
        CO_ASSERT_OK(co_await story.perform(kMarkedByHand));
        std::string labels;
        for (int step = 1; step <= 4; ++step) {
            std::string const paused = fmt::format("Progressing/{}/StepPaused v1=5", step);
            CO_ASSERT_OK(co_await story.play({{"", paused}}));
            labels += fmt::format("{}{}:1", step == 1 ? "" : " ", step);
            EXPECT_EQ(co_await story.batches_of_release(step <= turn ? "1" : "2"), labels) << turn;
            if (step == turn) {
                CO_ASSERT_OK(co_await story.perform(kSecondId));
                CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
                CO_ASSERT_OK(co_await story.play({{"", paused}}));
                EXPECT_EQ(co_await story.batches_of_release("2"), labels) << turn;
                EXPECT_EQ(co_await story.batches_of_release("1"), "") << turn;
            }
            CO_ASSERT_OK(co_await story.perform("approve"));
        }
        CO_ASSERT_OK(co_await story.play({{"", "Healthy/5/Completed v1=5"}}));
        EXPECT_EQ(co_await story.batches_of_release("2"), "1:1 2:1 3:1 4:1 5:1") << turn;
        EXPECT_EQ(co_await uids(story), pods) << "no pod was replaced";
        co_await story.stop();
    }
}

// ---- CloneSets: pods that may be unready

// So many pods of v2 that come next never get ready.
Task<Status> spoil(Story& story, int count) {
    std::set<std::string> const known = co_await uids(story);
    for (int look = 0; look < 200 && count > 0; ++look) {
        CO_TRY(co_await async::sleep_for(story.scope.context(), 50ms));
        auto const list = co_await story.client->list(story.scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            bool const spoiled = !meta::annotation(pod, "simulator.aviary.dev/behaviour").empty();
            if (known.contains(meta::uid(pod)) || spoiled || count == 0) continue;
            CO_TRY(co_await story.client->patch(
                story.scope.context(), kPods, meta::key_of(pod), client::PatchType::kMerge,
                *json::parse_value(
                    R"({"metadata":{"annotations":{"simulator.aviary.dev/behaviour":"never-ready"}}})")));
            --count;
        }
    }
    co_return count == 0 ? Status{} : fail(ErrorCode::kTimeout, "no pods came");
}

Setup with_threshold() {
    Setup setup = clone_set(R"([{"replicas":"10%"},{"replicas":"30%"},{"replicas":"60%"},{"replicas":"100%"}])");
    setup.strategy = R"({"canary":{"failureThreshold":"20%"}})";
    setup.replicas = 10;
    setup.more = R"({"updateStrategy":{"maxUnavailable":"100%","maxSurge":1}})";
    setup.id = "1";
    return setup;
}
Task<std::int64_t> ready(Story& story) {
    co_return (co_await story.live()).at({"status", "updatedReadyReplicas"}).as_int();
}

CO_TEST(CasesOfCloneSets, FailureThreshold) {
    Story story(ctx, with_threshold());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=9 v2=1"}}));
    EXPECT_EQ(co_await ready(story), 1);
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1");
    CO_ASSERT_OK(co_await story.perform("approve"));
    CO_ASSERT_OK(co_await spoil(story, 1));
    CO_ASSERT_OK(co_await story.play({{"", "Progressing/2/StepPaused v1=7 v2=3"}}));
    EXPECT_EQ(co_await ready(story), 2);
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1 2:2");
    CO_ASSERT_OK(co_await story.perform("approve"));
    CO_ASSERT_OK(co_await spoil(story, 1));
    CO_ASSERT_OK(co_await story.play({{"", "Progressing/3/StepPaused v1=4 v2=6"}}));
    EXPECT_EQ(co_await ready(story), 4);
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1 2:2 3:3");
    co_await story.stop();
}

CO_TEST(CasesOfCloneSets, AboveTheFailureThreshold) {
    // Of one pod none may be unready.
    Story first(ctx, with_threshold());
    CO_ASSERT_OK(co_await first.begin());
    CO_ASSERT_OK(co_await first.play(
        {{"break v2", "Progressing/1/StepUpgrade v1=9 v2=1"}, {"wait 600", "Progressing/1/StepUpgrade v1=9 v2=1"}}));
    co_await first.stop();

    Story second(ctx, with_threshold());
    CO_ASSERT_OK(co_await second.begin());
    CO_ASSERT_OK(co_await second.play({{"release v2", "Progressing/1/StepPaused v1=9 v2=1"}}));
    CO_ASSERT_OK(co_await second.perform("approve"));
    CO_ASSERT_OK(co_await spoil(second, 2));
    CO_ASSERT_OK(co_await second.play(
        {{"", "Progressing/2/StepUpgrade v1=7 v2=3"}, {"wait 600", "Progressing/2/StepUpgrade v1=7 v2=3"}}));
    co_await second.stop();
}

// ---- CloneSets, side by side

Setup side_by_side() {
    Setup setup = clone_set(
        R"([{"replicas":"100%","traffic":"0%"},{"replicas":"100%","traffic":"50%"},{"replicas":"100%","traffic":"100%"}])",
        kNginx);
    setup.strategy = R"({"blueGreen":{}})";
    return setup;
}

// What makes the new pods stand beside the old ones.
Task<std::string> held(Story& story) {
    Doc const spec = (co_await story.live())["spec"];
    Doc const update = spec["updateStrategy"];
    co_return fmt::format("surge {} unavailable {} ready {} partition {}{}", json::write(update["maxSurge"]),
                          json::write(update["maxUnavailable"]), spec["minReadySeconds"].as_int(),
                          json::write(update["partition"]), update["paused"].as_bool() ? " paused" : "");
}
constexpr char const* kHeld = "surge \"100%\" unavailable 0 ready 2147483646 partition 0";
constexpr char const* kOwn = "surge 1 unavailable 0 ready 0 partition 0";

std::string beside(int step, std::string const& requests) {
    return fmt::format("Progressing/{}/StepPaused v1=5 v2=5 pinned+{}", step, requests);
}

CO_TEST(CasesOfBlueGreenCloneSets, WithTraffic) {
    Story story(ctx, side_by_side());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", beside(1, "")}}));
    EXPECT_EQ(co_await held(story), kHeld);
    EXPECT_EQ(co_await story.batches("v2"), "1:5");
    CO_ASSERT_OK(co_await story.play({{"approve", beside(2, " [canary-weight=50]")},
                                      {"approve", beside(3, " [canary-weight=100]")},
                                      {"wait 120", beside(3, " [canary-weight=100]")}}));
    EXPECT_EQ(co_await held(story), kHeld);
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/3/Completed v2=5"}}));
    EXPECT_EQ(co_await held(story), kOwn);
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfBlueGreenCloneSets, JumpsAndRollsBack) {
    Story story(ctx, side_by_side());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", beside(1, "")},
                                      {"approve", beside(2, " [canary-weight=50]")},
                                      {"approve", beside(3, " [canary-weight=100]")},
                                      {"jump 2", beside(2, " [canary-weight=50]")},
                                      {"jump 1", beside(1, " [canary-weight=0]")}}));
    EXPECT_EQ(co_await story.batches("v2"), "1:5");
    CO_ASSERT_OK(co_await story.play({{"release v1", "Healthy/1/StepPaused v1=5"}}));
    EXPECT_EQ(co_await held(story), kOwn);
    EXPECT_EQ(co_await story.batches("v1"), ":5");
    EXPECT_EQ(co_await story.condition("Progressing"), "False/Completed");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfBlueGreenCloneSets, ContinuousRelease) {
    Story story(ctx, side_by_side());
    CO_ASSERT_OK(co_await story.begin());
    std::string const second = beside(2, " [canary-weight=50]");
    CO_ASSERT_OK(co_await story.play({{"release v2", beside(1, "")}, {"approve", second}}));
    Doc const before = co_await story.release_status();
    CO_ASSERT_OK(co_await story.play({{"release v3", second}, {"wait 60", second}}));
    EXPECT_FALSE((co_await strategy(story))["paused"].as_bool());
    EXPECT_EQ((co_await story.live()).at({"status", "updatedReplicas"}).as_int(), 0);
    Doc const after = co_await story.release_status();
    for (char const* same : {"stableRevision", "updatedRevision", "podTemplateHash"})
        EXPECT_EQ(after[same], before[same]);
    CO_ASSERT_OK(co_await story.play({{"release v2", second}, {"release v1", "Healthy/2/StepPaused v1=5"}}));
    EXPECT_EQ(co_await held(story), kOwn);
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

Task<void> given_back(Context ctx, std::string does, std::string seen) {
    Story story(ctx, side_by_side());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", beside(1, "")}, {"approve", beside(2, " [canary-weight=50]")}}));
    CO_ASSERT_OK(co_await story.play({{does, seen}}));
    EXPECT_EQ(co_await held(story), kOwn);
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfBlueGreenCloneSets, RolloutDeleted) { co_await given_back(ctx, "delete", "/0/ v2=5"); }
CO_TEST(CasesOfBlueGreenCloneSets, RolloutDisabled) {
    co_await given_back(ctx, R"(rollout {"spec":{"disabled":true}})", "Disabled/2/StepPaused v2=5");
}

// ---- StatefulSets of apps.kruise.io

Setup stateful_set(std::string steps, std::string routing = "") {
    return {.steps = std::move(steps),
            .kind = "StatefulSet",
            .more = R"({"serviceName":"web"})",
            .routing = std::move(routing),
            .api = "apps.kruise.io/v1beta1"};
}
Task<std::int64_t> partition(Story& story) {
    co_return (co_await story.live()).at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int();
}

CO_TEST(CasesOfAdvancedStatefulSets, BatchLabels) {
    Setup setup = stateful_set(kBase);
    setup.id = "1";
    Story story(ctx, setup);
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1"}}));
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1");
    CO_ASSERT_OK(co_await story.perform("approve"));
    CO_ASSERT_OK(co_await story.until("Progressing/2/StepPaused/InRolling"));
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1 2:1");
    CO_ASSERT_OK(co_await story.play({{"", "Healthy/5/Completed v2=5"}}));
    EXPECT_EQ(co_await story.batches_of_release("1"), "1:1 2:1 3:1 4:1 5:1");
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedStatefulSets, TwoStepsWithItsCanaryService) {
    Story story(ctx, stateful_set(kTwo, kNginx));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"}}));
    Doc const service = co_await story.named(story.kServices, "web-canary");
    EXPECT_EQ(meta::label(service, "team"), "a");
    EXPECT_EQ(meta::annotation(service, "note"), "b");
    Doc const status = (co_await story.live())["status"];
    EXPECT_EQ(service.at({"spec", "selector", "controller-revision-hash"}).string(), status["updateRevision"].string());
    EXPECT_EQ(
        (co_await story.named(story.kServices, "web")).at({"spec", "selector", "controller-revision-hash"}).string(),
        status["currentRevision"].string());
    EXPECT_EQ(co_await partition(story), 4);
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=2 v2=3"}}));
    EXPECT_EQ(co_await partition(story), 2);
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/2/Completed v2=5"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    CO_ASSERT_OK(co_await story.play({{"scale 6", "Healthy/2/Completed v2=6"}}));
    EXPECT_EQ((co_await story.release_status())["observedWorkloadGeneration"].as_int(),
              meta::generation(co_await story.live()));
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedStatefulSets, ContinuousRelease) {
    Story story(ctx, stateful_set(kBase, kNginx));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=4 v2=1 pinned+ [canary-weight=20]"}}));
    Doc const second = co_await story.release_status();
    CO_ASSERT_OK(
        co_await story.play({{"release v3", "Progressing/1/StepPaused v1=4 v3=1 pinned+ [canary-weight=20]"}}));
    Doc const third = co_await story.release_status();
    EXPECT_EQ(third["canaryReplicas"].as_int(), 1);
    EXPECT_EQ(third["stableRevision"], second["stableRevision"]);
    EXPECT_NE(third["podTemplateHash"].string(), second["podTemplateHash"].string());
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/5/Completed v3=5"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

// In order it waits for the broken pod until somebody deletes it.
CO_TEST(CasesOfAdvancedStatefulSets, RollbackOfABrokenVersion) {
    Story story(ctx, stateful_set(kBase, kNginx));
    CO_ASSERT_OK(co_await story.begin());
    std::string const stable = (co_await story.release_status())["stableRevision"].string();
    CO_ASSERT_OK(co_await story.play({{"break v2", "Progressing/1/StepUpgrade v1=4 v2=1 pinned"},
                                      {"wait 120", "Progressing/1/StepUpgrade v1=4 v2=1 pinned"}}));
    CO_ASSERT_OK(co_await story.perform("release v1"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    CO_ASSERT_OK(co_await story.client->remove(ctx, kPods, {"default", "web-4"}));
    CO_ASSERT_OK(co_await story.play({{"", "Healthy/1/StepUpgrade v1=5"}}));
    EXPECT_EQ(co_await story.condition("Progressing"), "False/Completed");
    EXPECT_EQ(co_await story.condition("Succeeded"), "False/");
    EXPECT_EQ((co_await story.release_status())["stableRevision"].string(), stable);
    EXPECT_EQ(co_await partition(story), 0);
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedStatefulSets, WithoutTraffic) {
    for (bool const in_place : {false, true}) {
        Setup setup = stateful_set(kBase);
        if (in_place)
            setup.more =
                R"({"serviceName":"web","updateStrategy":{"rollingUpdate":{"podUpdatePolicy":"InPlaceIfPossible"}},
                    "template":{"metadata":{"labels":{"app":"web"}},"spec":{"readinessGates":[{"conditionType":"InPlaceUpdateReady"}],
                    "containers":[{"name":"main","image":"v1"}]}}})";
        Story story(ctx, setup);
        CO_ASSERT_OK(co_await story.begin());
        std::set<std::string> const pods = co_await uids(story);
        CO_ASSERT_OK(co_await story.play(
            {{"release v2", "Progressing/1/StepPaused v1=4 v2=1"}, {"approve", "Healthy/5/Completed v2=5"}}));
        EXPECT_EQ(co_await uids(story) == pods, in_place);
        EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
        EXPECT_EQ(co_await story.marks(), "");
        CO_ASSERT_OK(co_await story.play({{"scale 6", "Healthy/5/Completed v2=6"}}));
        EXPECT_EQ((co_await story.release_status())["observedWorkloadGeneration"].as_int(),
                  meta::generation(co_await story.live()));
        co_await story.stop();
    }
}

// ---- DaemonSets of apps.kruise.io, whose Rollouts are of v1alpha1

Setup daemon_set() {
    return {.steps = R"([{"replicas":1,"pause":{}},{"replicas":"100%","pause":{}}])",
            .kind = "DaemonSet",
            .older = true,
            .nodes = 3,
            .api = "apps.kruise.io/v1alpha1"};
}

CO_TEST(CasesOfAdvancedDaemonSets, TwoSteps) {
    Story story(ctx, daemon_set());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"release v2", "Progressing/1/StepPaused v1=2 v2=1"}, {"approve", "Healthy/2/Completed v2=3"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedDaemonSets, ContinuousRelease) {
    Story story(ctx, daemon_set());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=2 v2=1"},
                                      {"release v3", "Progressing/1/StepPaused v1=2 v3=1"},
                                      {"approve", "Healthy/2/Completed v3=3"}}));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

CO_TEST(CasesOfAdvancedDaemonSets, RolloutDeleted) {
    Story story(ctx, daemon_set());
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=2 v2=1"}, {"delete", "/0/ v2=3"}}));
    EXPECT_EQ(co_await story.marks(), "");
    co_await story.stop();
}

}   // namespace
}   // namespace aviary::member
