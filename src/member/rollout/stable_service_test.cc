// The Service of the stable version: whom it leads to while none of that version is ready, or left, and what the new
// version has meanwhile.
#include <gtest/gtest.h>

#include "member/rollout/internal/routed_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;

// A release that comes from a version of which no pod is ready.
void begin_unready(RoutedCluster& cluster) {
    cluster.broken = "v1";
    cluster.settle();
    cluster.begin();
}

// Whatever is ready serves, until the stable version does.
TEST(StableService, TheServiceIsNotNarrowedToAVersionThatIsNotReady) {
    RoutedCluster cluster(canary(kExtra));
    begin_unready(cluster);
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
    EXPECT_EQ(cluster.look(), "v1=10 v2=1 open 7");
    std::string const since = apis::release_status(cluster.get("rollouts"))["lastUpdateTime"].string();
    Doc const unshared = meta::condition(cluster.get("rollouts"), "TrafficRouted");
    EXPECT_EQ(unshared["status"].as_string(), "False");
    EXPECT_EQ(unshared["message"].as_string(),
              "no pod of the stable version was ready: its Service leads to all pods that are, until it is");
    // The share first: narrowed to a stable version that fails again, nothing would be left to the new one.
    cluster.broken.clear();
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=1 open canary 7") << "gracePeriodSeconds";
    cluster.now = cluster.decide_rollout_now().requeue->at;
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=1 pinned canary 95/5");
    EXPECT_LT(cluster.first("v1=10 v2=1 open canary 7"), cluster.first("v1=10 v2=1 open canary 95/5"));
    EXPECT_EQ(apis::release_status(cluster.get("rollouts"))["lastUpdateTime"].string(), since)
        << "the pause is the same";
    EXPECT_FALSE(meta::condition(cluster.get("rollouts"), "TrafficRouted").exists());
    cluster.next();
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 pinned canary 50/50");
}

// What the release came from was let go natively since, and a newer one comes from another version: pods of that one
// are not those that the Service would be narrowed to.
TEST(StableService, ItIsNotNarrowedToAVersionThatAnotherHasFollowed) {
    RoutedCluster cluster(canary(kPartition));
    begin_unready(cluster);
    ASSERT_EQ(cluster.look(), "v1=9 v2=1 open 7");
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"stableRevision":"gone"}}})", true);
    cluster.broken.clear();
    cluster.settle();
    cluster.approve();
    cluster.release("v3");
    for (int count = 0; count < 4; ++count) {
        cluster.apply(cluster.decide_rollout_now());
        EXPECT_EQ(cluster.look(), "v1=9 v2=1 open 7");
    }
}

TEST(StableService, WhatServesKeepsItsRequestsUntilItsShareIsInForce) {
    RoutedCluster cluster(canary(kExtra));
    begin_unready(cluster);
    ASSERT_EQ(cluster.look(), "v1=10 v2=1 open 7");
    auto const since = [&] {
        return meta::condition(cluster.get("rollouts"), "TrafficRouted")["lastTransitionTime"].string();
    };
    std::string const began = since();
    cluster.now += 5min;
    cluster.most_ready = 1;
    cluster.history.clear();
    cluster.approve();
    cluster.broken.clear();   // from the step's beginning on
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepUpgrade v1=10 v2=5");
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 open 7");
    EXPECT_EQ(since(), began);
    cluster.most_ready = 5;
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 pinned canary 50/50");
    EXPECT_EQ(cluster.first("pinned 7"), cluster.history.size());
    EXPECT_EQ(cluster.first("pinned canary 7"), cluster.history.size());
    EXPECT_EQ(since(), "");
}

// Of one that was approved, and is taken back for a newer version: no request is led to that meanwhile.
TEST(StableService, WhatIsTakenBackForANewerVersionGetsNoShare) {
    RoutedCluster cluster(canary(kPartition));
    cluster.begin();
    cluster.next();
    // As a set is once it is frozen anew: pods of the stable version alone, all ready; its Service is open, and the
    // route is what it was, and not known everywhere yet.
    cluster.release("v3");
    for (auto& [name, set] : cluster.objects["replicasets"]) {
        Doc const containers = Doc::freeze(set).at({"spec", "template", "spec", "containers"});
        set.set({"spec", "replicas"}, containers[0]["image"].as_string() == "v1" ? 10 : 0);
    }
    for (char const* resource : {"services", "httproutes"})
        cluster.objects[resource]["web"] = cluster.originals[resource].thaw();
    cluster.settle();
    cluster.now += 5min;
    cluster.edit_rollout(
        fmt::format(R"({{"status":{{"canaryStatus":{{"currentStepState":"StepReady","finalisingStep":"{}",
                                        "lastUpdateTime":"{}"}}}}}})",
                    apis::finalising::kRouteTrafficToStable, format_rfc3339(cluster.now)),
        true);
    for (int look = 0; look < 3; ++look) {
        control::Plan const plan = cluster.decide_rollout_now();
        for (control::Write const& each : plan.writes) EXPECT_NE(each.resource.resource, "httproutes") << each.why;
        cluster.apply(plan);
    }
}

// By what applies it from Git, say: the share of the step before is in force, and nothing was missed.
TEST(StableService, AServiceThatOthersPutBackIsNarrowedAgainAtOnce) {
    RoutedCluster cluster(canary(kExtra));
    cluster.begin();
    cluster.most_ready = 1;
    cluster.next();
    ASSERT_EQ(cluster.show(), "Progressing/2/StepUpgrade v1=10 v2=5");
    cluster.objects["services"]["web"] = cluster.originals["services"].thaw();
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepUpgrade v1=10 v2=5");
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 pinned canary 95/5");
}

// Of the step before the share is in force still: it is this step's that is asked for by now.
TEST(StableService, AStepWhoseShareIsMissedGetsItInItsPause) {
    RoutedCluster cluster(canary(kExtra));
    cluster.begin();
    cluster.scale(0);
    cluster.broken = "v1";
    cluster.scale(10);
    ASSERT_EQ(cluster.look(), "v1=10 v2=1 open canary 95/5");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=5");
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 open canary 95/5");
    cluster.broken.clear();
    cluster.settle();
    cluster.settle_all();
    cluster.now = cluster.decide_rollout_now().requeue->at;
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 pinned canary 50/50");
    EXPECT_EQ(cluster.first("pinned canary 95/5"), cluster.history.size());
}

TEST(StableService, WhatKeepsAStepFromItsShareIsSaid) {
    RoutedCluster cluster(canary(kExtra), kSteps, false);
    cluster.create("httproutes", "web",
                   *json::parse_value(R"({"kind":"HTTPRoute","spec":{"rules":[{"backendRefs":[{"name":"other"}]}]}})"));
    begin_unready(cluster);
    ASSERT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
    cluster.broken.clear();
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
    EXPECT_TRUE(cluster.look().starts_with("v1=10 v2=1 open canary")) << cluster.look();
    EXPECT_EQ(meta::condition(cluster.get("rollouts"), "TrafficRouted")["message"].as_string(),
              "HTTPRoute demo/web has no rule with backend web");
    // Those that serve do so until the next step has its share, too.
    cluster.most_ready = 1;
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepUpgrade v1=10 v2=5");
    EXPECT_TRUE(cluster.look().starts_with("v1=10 v2=5 open canary")) << cluster.look();
    cluster.objects["httproutes"].erase("web");
    cluster.create("httproutes", "web",
                   *json::parse_value(R"({"kind":"HTTPRoute","spec":{"rules":[{"backendRefs":[{"name":"web"}]}]}})"));
    cluster.most_ready = 5;
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 pinned canary 50/50");
}

// In its first step nobody has been served by the new version: the Service is narrowed, and that is no trouble any
// more.
TEST(StableService, ReadyInTheFirstStepsUpgradeTheStableVersionServes) {
    RoutedCluster cluster(canary(kExtra));
    cluster.broken = "v1";
    cluster.pods_start = false;
    cluster.settle();
    cluster.begin();
    ASSERT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=10 v2=1");
    EXPECT_EQ(cluster.look(), "v1=10 v2=1 open 7");
    EXPECT_TRUE(meta::condition(cluster.get("rollouts"), "TrafficRouted").exists());
    cluster.broken.clear();
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=1 pinned 7");
    EXPECT_FALSE(meta::condition(cluster.get("rollouts"), "TrafficRouted").exists());
}

// Pods do not come back by a jump: the old version has none that requests could go to.
TEST(StableService, JumpedBackToNoOldPodsAllRequestsReachPods) {
    RoutedCluster cluster(canary(kPartition),
                          R"([{"replicas":"20%","traffic":"20%"},{"replicas":"100%"},{"replicas":"100%"}])");
    cluster.begin();
    cluster.next();
    ASSERT_EQ(cluster.look(), "v2=10 open 7");
    cluster.history.clear();
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v2=10");
    EXPECT_EQ(cluster.first("pinned"), cluster.history.size());
}

TEST(StableService, ScaledDownToItsShareTheServiceIsOpened) {
    RoutedCluster cluster(canary(kPartition), R"([{"replicas":5,"traffic":"20%"},{"replicas":"100%"}])");
    cluster.begin();
    ASSERT_EQ(cluster.look(), "v1=5 v2=5 pinned canary 80/20");
    cluster.scale(5);
    EXPECT_EQ(cluster.look(), "v2=5 open canary 80/20");
}

TEST(StableService, ScaledDownWhileNothingMovesTheServiceIsOpened) {
    constexpr char kShare[] =
        R"([{"replicas":5,"traffic":"20%"},{"replicas":"80%","traffic":"80%"},{"replicas":"100%"}])";
    RoutedCluster paused(canary(kPartition), kShare);
    paused.begin();
    ASSERT_EQ(paused.look(), "v1=5 v2=5 pinned canary 80/20");
    paused.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
    paused.scale(5);
    EXPECT_EQ(paused.look(), "v2=5 open canary 80/20");
    paused.scale(10);
    EXPECT_EQ(paused.look(), "v1=5 v2=5 pinned canary 80/20") << "they are back";

    RoutedCluster grouped(canary(kPartition), kShare);
    grouped.begin();
    Value other = *json::parse_value(R"({"metadata":{"name":"decode","namespace":"demo"},"status":{"phase":"Healthy",
        "canaryStatus":{"currentStepIndex":2,"currentStepState":"Completed"}}})");
    other.set({"spec"}, grouped.get("rollouts")["spec"].thaw());
    grouped.group = {Companion{Doc::freeze(other), {}}};
    grouped.approve();
    grouped.settle_all();
    ASSERT_EQ(grouped.show(), "Progressing/2/BeforeStepUpgrade v1=5 v2=5");
    ASSERT_EQ(grouped.look(), "v1=5 v2=5 pinned canary 80/20");
    grouped.scale(5);
    EXPECT_EQ(grouped.look(), "v2=5 open canary 80/20");
    grouped.scale(10);
    EXPECT_EQ(grouped.look(), "v1=5 v2=5 pinned canary 80/20");
}

// What the step has opened for the pods that it is about to take away stays open while it is paused.
TEST(StableService, WhatAStepHasOpenedStaysOpenWhileItIsPaused) {
    RoutedCluster cluster(
        canary(kPartition),
        R"([{"replicas":"20%","traffic":"20%"},{"replicas":"100%","traffic":"90%"},{"replicas":"100%"}])");
    cluster.begin();
    ASSERT_EQ(cluster.look(), "v1=8 v2=2 pinned canary 80/20");
    cluster.approve();
    for (int count = 0; count < 20 && !cluster.show().contains("2/StepUpgrade"); ++count) {
        ASSERT_TRUE(cluster.apply(cluster.decide_rollout_now()));
        auto const plan = cluster.decide_rollout_now();
        if (plan.requeue) cluster.now = std::max(cluster.now, plan.requeue->at);
    }
    ASSERT_EQ(cluster.show(), "Progressing/2/StepUpgrade v1=8 v2=2");
    ASSERT_EQ(cluster.look(), "v1=8 v2=2 open canary 80/20");
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
    for (int count = 0; count < 3; ++count) ASSERT_TRUE(cluster.apply(cluster.decide_rollout_now()));
    EXPECT_TRUE(cluster.look().contains(" open ")) << cluster.look();
}

TEST(StableService, ANewerVersionOfAWorkloadWithoutStablePodsLeavesNoRequestAlone) {
    RoutedCluster cluster(canary(kPartition),
                          R"([{"replicas":"20%","traffic":"20%"},{"replicas":"100%"},{"replicas":"100%"}])");
    cluster.begin();
    cluster.next();
    ASSERT_EQ(cluster.look(), "v2=10 open 7");
    cluster.begin("v3");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v3=2");
    EXPECT_LT(cluster.first("v1=8"), cluster.first("pinned"));
    EXPECT_TRUE(cluster.look().ends_with("pinned canary 80/20")) << cluster.look();
}

TEST(StableService, WhatWasNarrowedIsOpenedAlsoWithoutACanaryService) {
    RoutedCluster cluster(canary(kExtra));
    cluster.begin();
    cluster.edit_rollout(R"({"spec":{"strategy":{"canary":{"disableGenerateCanaryService":true}}}})");
    cluster.settle_all();
    cluster.release("v1");
    cluster.settle_all();
    cluster.expect_restored();
}

// Open, the Service would also lead to the pods of the new version, and nobody narrows it again in the middle of a
// step.
TEST(StableService, ScaledToNothingAndBackTheNewVersionHasNoMoreThanItsShare) {
    for (std::string const& style : {canary(kExtra), blue_green()}) {
        RoutedCluster cluster(style);
        cluster.begin();
        std::string const paused = cluster.look();
        ASSERT_TRUE(paused.ends_with("pinned canary 95/5")) << paused << style;
        for (int const replicas : {0, 10}) cluster.scale(replicas);
        EXPECT_EQ(cluster.look(), paused) << style;
    }
}

// As where the Rollout was disabled, the workload let go, and the Rollout enabled again before it said so.
TEST(StableService, NoServiceKeepsToAVersionThatIsGone) {
    for (std::string const& style : kStyles) {
        RoutedCluster cluster(style);
        cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
        cluster.begin();
        ASSERT_EQ(cluster.look(), "v1=10 open 7") << style;
        Value& workload = cluster.objects["deployments"]["web"];
        workload["metadata"].erase("annotations");
        workload["metadata"]["labels"].erase(apis::kStableRevisionLabel);
        workload["spec"].erase("paused");
        cluster.settle();
        ASSERT_EQ(cluster.look(), "v2=10 open 7") << style;
        cluster.edit_rollout(R"({"spec":{"strategy":{"paused":false}}})");
        cluster.settle_all();
        for (std::string const& each : cluster.history) {
            if (!each.contains("v1=")) EXPECT_TRUE(each.contains("open")) << each << style;
        }
    }
}

// Put back when its own pods are all there: those of the other version go at once, and no Service may keep to them.
TEST(StableService, ABlueGreenReleaseWithoutPodsOfTheOtherVersionKeepsTheServiceOpen) {
    RoutedCluster cluster(blue_green("0"));
    cluster.begin();
    cluster.next();
    cluster.next();
    cluster.next();
    ASSERT_EQ(cluster.look(), "v2=10 open 7");
    cluster.release("v1");
    for (auto& [name, set] : cluster.objects["replicasets"])
        set.set({"spec", "replicas"}, name.ends_with("v1") ? 10 : 0);
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 open 7");
    for (std::string const& each : cluster.history) {
        if (!each.contains("v2=")) EXPECT_TRUE(each.contains("open")) << each;
    }
}

}   // namespace
}   // namespace aviary::rollout
