// Traffic in releases: who is asked for what, and in which order against the pods. Whom the stable Service leads to
// where its version has no ready pods: stable_service_test.cc.
#include <gtest/gtest.h>

#include "member/rollout/internal/routed_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;

TEST(Routing, PodsComeBeforeTheirShareOfTheRequests) {
    for (std::string const& style : kStyles) {
        RoutedCluster cluster(style);
        cluster.begin();
        EXPECT_TRUE(cluster.show().starts_with("Progressing/1/StepPaused")) << cluster.show() << style;
        EXPECT_TRUE(cluster.look().ends_with("pinned canary 95/5")) << cluster.look();
        EXPECT_LT(cluster.first("pinned"), cluster.first("v2=1")) << style;
        EXPECT_LT(cluster.first("v2=1"), cluster.first("95/5")) << style;
        cluster.next();
        EXPECT_TRUE(cluster.look().contains("v2=5 pinned canary 50/50")) << cluster.look() << style;
        EXPECT_LT(cluster.first("v2=5"), cluster.first("50/50")) << style;
        cluster.next();
        if (style == blue_green()) cluster.next();
        EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10") << style;
        cluster.expect_restored();
    }
}

TEST(Routing, OnTheWayBackRequestsLeaveBeforePodsDo) {
    for (std::string const& style : kStyles) {
        RoutedCluster cluster(style);
        cluster.begin();
        cluster.next();
        ASSERT_TRUE(cluster.look().contains("v2=5 pinned canary 50/50")) << cluster.look();
        cluster.begin("v1");
        std::string const there = cluster.history.at(cluster.first(" 7"));
        EXPECT_TRUE(there.contains("v2=") && there.contains("pinned canary")) << there << style;
        EXPECT_TRUE(cluster.show().starts_with("Healthy/2/StepPaused v1=10")) << cluster.show();
        cluster.expect_restored();
    }
}

TEST(Routing, WhatANewerVersionTakesBackIsNotApprovedMeanwhileAndIsRoutedAgainForTheOneBefore) {
    RoutedCluster cluster(canary(kPartition));
    cluster.begin();
    ASSERT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    cluster.release("v3");
    ASSERT_TRUE(cluster.apply(cluster.decide_rollout_now()));
    EXPECT_EQ(cluster.show(), "Progressing/1/BeforeStepUpgrade v1=9 v2=1");
    EXPECT_EQ(cluster.look(), "v1=9 v2=1 pinned canary 7");
    cluster.begin("v2");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_EQ(cluster.look(), "v1=9 v2=1 pinned canary 95/5");
}

TEST(Routing, ANewerVersionBeginsAgainWithAllRequestsAtTheStableOne) {
    for (std::string const& style : {canary(kPartition), canary(kExtra)}) {
        RoutedCluster cluster(style);
        cluster.begin();
        cluster.next();
        cluster.begin("v3");
        EXPECT_TRUE(cluster.look().ends_with("pinned canary 95/5")) << cluster.look();
        EXPECT_LT(cluster.first("pinned canary 7"), cluster.first("v3=1"));
        EXPECT_EQ(cluster.first("open"), cluster.history.size());   // never: it keeps to the stable version
        EXPECT_NE(cluster.named("services", "web-canary").at({"spec", "selector", "pod-template-hash"}).as_string(),
                  "native-v2");
        cluster.next();
        cluster.next();
        EXPECT_EQ(cluster.show(), "Healthy/3/Completed v3=10");
        cluster.expect_restored();
    }
}

TEST(Routing, EndsWhereverTheRolloutIsDisabledOrDeleted) {
    for (std::string const& style : kStyles) {
        for (bool const disabled : {true, false}) {
            RoutedCluster cluster(style);
            cluster.begin();
            if (disabled) {
                cluster.edit_rollout(R"({"spec":{"disabled":true}})");
            } else {
                cluster.remove("rollouts", "web");
            }
            cluster.settle_all();
            if (disabled) EXPECT_TRUE(cluster.show().starts_with("Disabled")) << cluster.show();
            if (!disabled) EXPECT_FALSE(cluster.get("rollouts").exists());
            cluster.expect_restored();
        }
    }
}

TEST(Routing, OfAWorkloadThatIsGoneNothingStays) {
    RoutedCluster cluster(canary(kPartition));
    cluster.begin();
    cluster.remove("deployments", "web");
    cluster.settle_all();
    EXPECT_TRUE(cluster.show().starts_with("Initial")) << cluster.show();
    cluster.expect_restored();
}

TEST(Routing, OfAWorkloadThatIsGoneWhatCannotBeReadIsWaitedFor) {
    RoutedCluster cluster(canary(kPartition));
    cluster.begin();
    cluster.remove("deployments", "web");
    cluster.services_unread = "forbidden";
    cluster.settle_all();
    EXPECT_EQ(cluster.message(), "traffic is not routed: Services cannot be read: forbidden");
    EXPECT_TRUE(cluster.decide_rollout_now().empty());
    cluster.services_unread.clear();
    cluster.settle_all();
    EXPECT_TRUE(cluster.show().starts_with("Initial")) << cluster.show();
    cluster.expect_restored();
}

TEST(Routing, AGracePeriodIsWaitedForOnceAndEndsInTime) {
    RoutedCluster cluster(canary(kPartition, "10"));
    cluster.release("v2");
    cluster.run();   // the stable Service was narrowed
    EXPECT_EQ(cluster.look(), "v1=10 pinned 7");
    Time const began = cluster.now;
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, began + 10s);
    EXPECT_EQ(cluster.decide_rollout_now().waits.front().reason, "TrafficRouting");
    cluster.now = began + 9s;
    cluster.run();
    EXPECT_EQ(cluster.look(), "v1=10 pinned 7");
    cluster.now = began + 10s;
    cluster.run();   // pods, and the canary Service
    EXPECT_EQ(cluster.look(), "v1=9 v2=1 pinned canary 7");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepTrafficRouting v1=9 v2=1");
    EXPECT_EQ(cluster.message(), "Rollout is in step(1/3), and route traffic to new version");
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, began + 20s);
    cluster.now = began + 20s;
    cluster.run();
    EXPECT_EQ(cluster.look(), "v1=9 v2=1 pinned canary 95/5");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
}

TEST(Routing, WithoutAGracePeriodNothingIsWaitedFor) {
    for (std::string const& style : {canary(kPartition, "0"), canary(kExtra, "0"), blue_green("0")}) {
        RoutedCluster cluster(style);
        cluster.release("v2");
        cluster.run();
        EXPECT_TRUE(cluster.look().ends_with("pinned canary 95/5")) << cluster.look();
        while (cluster.paused()) {
            cluster.approve();
            cluster.run();
        }
        EXPECT_TRUE(cluster.show().starts_with("Healthy/3/Completed v2=10")) << cluster.show();
        cluster.expect_restored();
    }
}

TEST(Routing, AStepWithoutTrafficHasNone) {
    RoutedCluster cluster(canary(kExtra),
                          R"([{"replicas":1,"traffic":"5%"},{"replicas":2},{"replicas":3,"traffic":"10%"}])");
    cluster.begin();
    cluster.next();
    EXPECT_EQ(cluster.look(), "v1=10 v2=2 open 7");
    EXPECT_EQ(cluster.get("rollouts").at({"status", "canaryStatus", "finalisingStep"}).as_string(), "");
    cluster.next();
    EXPECT_EQ(cluster.look(), "v1=10 v2=3 pinned canary 90/10");
}

TEST(Routing, AMatchesStepHasARuleOfItsOwn) {
    RoutedCluster cluster(
        canary(kExtra),
        R"([{"replicas":1,"traffic":"5%"},{"replicas":2,"matches":[{"headers":[{"name":"user","value":"qa"}]}]},{"replicas":3,"traffic":"10%"}])");
    cluster.begin();
    cluster.next();
    EXPECT_EQ(cluster.look(), "v1=10 v2=2 pinned canary 7 7");
    cluster.next();
    EXPECT_EQ(cluster.look(), "v1=10 v2=3 pinned canary 90/10");
    cluster.next();
    cluster.expect_restored();
}

// No old pod is left that a pinned Service could lead to.
TEST(Routing, AFullStepOfTheWorkloadsOwnPodsOpensTheService) {
    RoutedCluster cluster(canary(kPartition), R"([{"replicas":5,"traffic":"50%"},{"replicas":10,"traffic":"100%"}])");
    cluster.begin();
    cluster.next();
    EXPECT_LT(cluster.first("open"), cluster.first("v2=10"));
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v2=10");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
    cluster.expect_restored();
}

// Upstream goes on at StepTrafficRouting.
TEST(Routing, JumpedForwardItsBatchIsWaitedForThoughItsPodsAreThere) {
    RoutedCluster cluster(
        canary(kPartition),
        R"([{"replicas":1,"traffic":"5%"},{"replicas":5,"traffic":"20%"},{"replicas":5,"traffic":"30%"},{"replicas":5,"traffic":"50%"},{"replicas":"100%"}])");
    cluster.begin();
    cluster.next();
    ASSERT_EQ(cluster.look(), "v1=5 v2=5 pinned canary 80/20");
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":4}}})", true);
    ASSERT_TRUE(cluster.apply(cluster.decide_rollout_now()));
    EXPECT_EQ(cluster.show(), "Progressing/4/StepUpgrade v1=5 v2=5");
    EXPECT_EQ(cluster.look(), "v1=5 v2=5 pinned canary 80/20");
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/4/StepPaused v1=5 v2=5");
    EXPECT_EQ(cluster.look(), "v1=5 v2=5 pinned canary 50/50");
}

TEST(Routing, JumpedBackRequestsMoveThoughPodsAreNotReady) {
    RoutedCluster cluster(canary(kExtra));
    cluster.begin();
    cluster.next();
    cluster.pods_start = false;
    cluster.settle();
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    EXPECT_TRUE(cluster.look().ends_with("95/5")) << cluster.look();
}

TEST(Routing, JumpedBackNoRequestsAreLedToPodsThatNeverServed) {
    RoutedCluster cluster(canary(kExtra));
    cluster.pods_start = false;
    cluster.begin();
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":3}}})", true);
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/3/StepUpgrade v1=10 v2=10");
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=10 v2=10");
    EXPECT_FALSE(cluster.look().contains("/5")) << cluster.look();
    cluster.pods_start = true;
    cluster.settle();
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=10");
    EXPECT_TRUE(cluster.look().ends_with("95/5")) << cluster.look();
}

// What the step before the jump has asked for goes on: soon there is no old pod.
TEST(Routing, JumpedBackWhileTheLastOldPodsGoRequestsReachPods) {
    RoutedCluster cluster(canary(kPartition));
    cluster.begin();
    cluster.next();
    cluster.pods_start = false;
    cluster.next();
    ASSERT_TRUE(cluster.show().starts_with("Progressing/3/StepUpgrade v1=")) << cluster.show();
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":2}}})", true);
    cluster.settle_all();
    EXPECT_TRUE(cluster.look().contains("v1=") && cluster.look().contains(" open")) << cluster.look();
    cluster.pods_start = true;
    cluster.settle();
    cluster.settle_all();
    EXPECT_TRUE(cluster.look().starts_with("v2=10 open")) << cluster.look();
    for (std::string const& each : cluster.history) EXPECT_FALSE(each.starts_with("v2=10 pinned")) << each;
}

TEST(Routing, ABlueGreenReleaseEndsWithAllRequestsAtTheNewVersion) {
    RoutedCluster cluster(blue_green());
    cluster.begin();
    cluster.next();
    cluster.next();
    ASSERT_EQ(cluster.show(), "Progressing/3/StepPaused v1=10 v2=10");
    EXPECT_EQ(cluster.look(), "v1=10 v2=10 open 7");   // a step without traffic
    RoutedCluster routed(blue_green(), R"([{"replicas":"50%","traffic":"0%"},{"replicas":"100%","traffic":"30%"}])");
    routed.begin();
    EXPECT_EQ(routed.look(), "v1=10 v2=5 pinned canary 100/0");
    routed.next();
    routed.next();
    EXPECT_LT(routed.first("v1=10 v2=10 pinned canary 0/100"), routed.first("v1=10 v2=10 open canary 0/100"));
    EXPECT_LT(routed.first("open canary 0/100"), routed.first("open canary 7"));
    EXPECT_EQ(routed.history[routed.first("open canary 7")], "v2=10 open canary 7");
    EXPECT_EQ(routed.show(), "Healthy/2/Completed v2=10");
    routed.expect_restored();
}

// The last approval, and the old version put back before the workload is let go.
TEST(Routing, PutBackAtTheEndRequestsLeaveBeforePodsDo) {
    for (int looks = 1; looks < 12; ++looks) {
        RoutedCluster cluster(blue_green(),
                              R"([{"replicas":"50%","traffic":"0%"},{"replicas":"100%","traffic":"100%"}])");
        cluster.begin();
        cluster.next();
        ASSERT_EQ(cluster.look(), "v1=10 v2=10 pinned canary 0/100");
        cluster.approve();
        for (int look = 0; look < looks; ++look) {
            auto const plan = look % 2 == 0 ? cluster.decide_rollout_now() : cluster.decide_batch_release_now();
            cluster.apply(plan, 1);
            if (plan.requeue && plan.writes.empty()) cluster.now = plan.requeue->at;
        }
        bool const held = !meta::annotation(cluster.get("deployments"), apis::kControlInfoAnnotation).empty();
        cluster.history.clear();
        cluster.release("v1");
        cluster.settle_all();
        if (!held) continue;
        for (std::string const& each : cluster.history)
            if (!each.contains("v2=")) EXPECT_FALSE(each.contains("0/100")) << looks << " " << each;
        EXPECT_EQ(cluster.show(), "Healthy/2/Completed v1=10") << looks;
        EXPECT_EQ(cluster.message(), "Rollout progressing has been canceled") << looks;
        cluster.expect_restored();
    }
}

TEST(Routing, WhatIsMissingIsSaidAndWaitedFor) {
    RoutedCluster cluster(canary(kExtra), kSteps, false);
    cluster.begin();
    // No pod of the new version is there before requests can be led to it, and none loses those that it has.
    EXPECT_EQ(cluster.show(), "Progressing/1/BeforeStepUpgrade v1=10");
    EXPECT_EQ(cluster.look(), "v1=10 open");
    EXPECT_EQ(cluster.message(),
              "traffic is not routed: HTTPRoute demo/web cannot be routed: this cluster does not know "
              "httproutes.gateway.networking.k8s.io");
    EXPECT_EQ(cluster.decide_rollout_now().waits.front().reason, "TrafficNotRouted");
    EXPECT_TRUE(cluster.decide_rollout_now().empty());
    cluster.objects["httproutes"];
    cluster.settle_all();
    EXPECT_EQ(cluster.message(), "traffic is not routed: HTTPRoute demo/web does not exist: create it");
    cluster.create("httproutes", "web",
                   *json::parse_value(R"({"kind":"HTTPRoute","spec":{"rules":[{"backendRefs":[{"name":"web"}]}]}})"));
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=1 pinned canary 95/5");
}

// The Services are in force, and the route is not: since when is not forgotten with each look.
TEST(Routing, WhatCannotBeRoutedIsSaidSinceItIsSo) {
    RoutedCluster cluster(canary(kExtra), kSteps, false);
    cluster.create("httproutes", "web",
                   *json::parse_value(R"({"kind":"HTTPRoute","spec":{"rules":[{"backendRefs":[{"name":"other"}]}]}})"));
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepTrafficRouting v1=10 v2=1");
    EXPECT_EQ(cluster.message(), "traffic is not routed: HTTPRoute demo/web has no rule with backend web");
    std::string const since = meta::condition(cluster.get("rollouts"), "TrafficRouted")["lastTransitionTime"].string();
    cluster.now += std::chrono::minutes(5);
    EXPECT_TRUE(cluster.decide_rollout_now().writes.empty());
    EXPECT_EQ(format_rfc3339(*cluster.decide_rollout_now().waits.front().since), since);
}

// Without the pool its share of the requests would end nowhere.
TEST(Routing, APoolForTheNewVersionIsWaitedFor) {
    RoutedCluster cluster(canary(kExtra), kSteps, false);
    cluster.create("httproutes", "web", *json::parse_value(R"({"kind":"HTTPRoute","spec":{"rules":[{"backendRefs":[
        {"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web"}]}]}})"));
    cluster.begin();
    EXPECT_EQ(cluster.message(),
              "traffic is not routed: InferencePool demo/web-canary cannot be routed: this cluster does not know a "
              "namespaced kind InferencePool in inference.networking.k8s.io/v1");
    cluster.objects["inferencepools"];
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/1/BeforeStepUpgrade v1=10");
    EXPECT_EQ(cluster.message(), "traffic is not routed: InferencePool demo/web-canary does not exist: create it");
    cluster.create("inferencepools", "web-canary", *json::parse_value(R"({"kind":"InferencePool","spec":{}})"));
    cluster.settle_all();
    EXPECT_EQ(cluster.look(), "v1=10 v2=1 pinned canary 95/5");
    Doc const pool = cluster.named("inferencepools", "web-canary");
    while (cluster.paused()) cluster.next();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_EQ(cluster.named("inferencepools", "web-canary"), pool);
}

// A controller that ends between two writes, at any of them.
TEST(Routing, BrokenOffAnywhereItIsFinished) {
    for (std::string const& style : kStyles) {
        for (std::size_t limit = 1; limit <= 3; ++limit) {
            RoutedCluster cluster(style);
            auto const limited = [&] {
                for (int count = 0; count < 120; ++count) {
                    for (auto const& plan : {cluster.decide_rollout_now(), cluster.decide_batch_release_now(),
                                             cluster.decide_roll_now()}) {
                        cluster.apply(plan, count % 2 == 0 ? limit : 1000);
                        cluster.settle();
                    }
                    cluster.now += 1s;
                }
            };
            cluster.release("v2");
            limited();
            EXPECT_TRUE(cluster.look().ends_with("pinned canary 95/5")) << cluster.look();
            while (cluster.paused()) {
                cluster.approve();
                limited();
            }
            EXPECT_TRUE(cluster.show().starts_with("Healthy/3/Completed v2=10")) << cluster.show();
            cluster.expect_restored();
        }
    }
}

// As where the right to write routes was taken away.
TEST(Routing, AWriteThatFailsAgainAndAgainChangesNoStatus) {
    for (bool const back : {true, false}) {
        RoutedCluster cluster(canary(kExtra),
                              R"([{"replicas":"20%","traffic":"20%"},{"replicas":"50%","traffic":"50%"}])");
        if (back) cluster.begin();
        cluster.release(back ? "v1" : "v2");
        int rewritten = 0;
        for (int count = 0; count < 60; ++count) {
            control::Plan plan = cluster.decide_rollout_now();
            bool const fails = std::ranges::any_of(plan.writes, [](control::Write const& write) {
                return write.resource.resource == "services" || write.resource.resource == "httproutes";
            });
            std::erase_if(plan.writes, [](control::Write const& write) {
                return write.resource.resource == "services" || write.resource.resource == "httproutes";
            });
            if (fails && count > 30) rewritten += static_cast<int>(plan.writes.size());
            cluster.apply(plan);
            cluster.apply(cluster.decide_batch_release_now());
            cluster.settle();
            cluster.now += 1s;
        }
        EXPECT_EQ(rewritten, 0) << cluster.show();
        // The wait is counted from when it is done.
        Time const mended = cluster.now;
        cluster.run();
        ASSERT_TRUE(cluster.decide_rollout_now().requeue) << cluster.show();
        EXPECT_EQ(cluster.decide_rollout_now().requeue->at, mended + 3s);
        cluster.settle_all();
        if (back) cluster.expect_restored();
        if (!back) EXPECT_TRUE(cluster.paused()) << cluster.show();
    }
}

TEST(Routing, AJumpOutOfAGracePeriodLeavesNoFinalisingStep) {
    RoutedCluster cluster(
        canary(kExtra, "100"),
        R"([{"replicas":"20%","traffic":"20%"},{"replicas":"40%"},{"replicas":"50%","traffic":"50%"}])");
    cluster.begin();
    ASSERT_TRUE(cluster.paused());
    cluster.approve();
    cluster.run();   // the stable Service is put back, which takes its time to be known
    auto const step = [&] { return cluster.get("rollouts").at({"status", "canaryStatus", "finalisingStep"}).string(); };
    ASSERT_EQ(step(), "RestoreStableService");
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    cluster.run();
    EXPECT_EQ(step(), "");
    EXPECT_TRUE(cluster.show().starts_with("Progressing/1/")) << cluster.show();
}

}   // namespace
}   // namespace aviary::rollout
