// Blue-green style: the new version comes in pods above spec.replicas, and the old ones stay until the end.
#include <gtest/gtest.h>

#include "apis/rollouts/hash.h"
#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr char const* kSteps = R"([{"replicas":"50%"},{"replicas":"100%"}])";
constexpr char const* kRefused =
    "new version releasing detected in the progress of blue-green release, please rollback first";

struct BlueGreenCluster : FakeCluster {
    explicit BlueGreenCluster(std::string const& steps = kSteps) : FakeCluster(steps, 10, R"({"blueGreen":{}})") {
        for (char const* name : {"web", "web-too"}) {
            json::Value autoscaler = *json::parse_value(
                R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"namespace":"demo"},
                "spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}})");
            autoscaler.set({"metadata", "name"}, name);
            objects["horizontalpodautoscalers"][name] = autoscaler;
        }
        run();
    }
    void begin(std::string const& image = "v2") {
        release(image);
        run();
    }
    void next() {
        approve();
        run();
    }
    // What the autoscalers scale.
    std::string scaled() const {
        std::string result;
        for (Doc const& each : list("horizontalpodautoscalers"))
            result += each.at({"spec", "scaleTargetRef", "name"}).string() + " ";
        return result;
    }
    Doc spec() const { return get("deployments")["spec"]; }
};

void expect_over(BlueGreenCluster const& cluster, std::string const& show) {
    EXPECT_EQ(cluster.show(), show);
    EXPECT_EQ(cluster.marks(), "");
    EXPECT_FALSE(cluster.get("batchreleases").exists());
    EXPECT_FALSE(cluster.spec()["paused"].as_bool());
    EXPECT_FALSE(cluster.spec()["minReadySeconds"].exists());
    EXPECT_EQ(cluster.spec()["progressDeadlineSeconds"].as_int(), 600);
    EXPECT_EQ(json::write(cluster.spec()["strategy"]),
              R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}})");
    EXPECT_EQ(cluster.scaled(), "web web ");
}

TEST(BlueGreenStyle, TheNewVersionStandsBesideTheOldUntilTheLastStepIsApproved) {
    BlueGreenCluster cluster;
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    EXPECT_EQ(cluster.scaled(), "web-DisableByRollout web-DisableByRollout ");
    EXPECT_EQ(cluster.spec()["minReadySeconds"].as_int(), 2147483646);
    EXPECT_EQ(cluster.spec()["progressDeadlineSeconds"].as_int(), 2147483647);
    EXPECT_EQ(json::write(cluster.spec().at({"strategy", "rollingUpdate"})),
              R"({"maxSurge":"50%","maxUnavailable":0})");
    EXPECT_EQ(meta::annotation(cluster.get("deployments"), apis::kOriginalDeploymentStrategyAnnotation),
              R"({"maxUnavailable":"25%","maxSurge":"25%","minReadySeconds":0,"progressDeadlineSeconds":600})");
    EXPECT_EQ(cluster.get("batchreleases").at({"spec", "releasePlan", "rollingStyle"}).as_string(), "BlueGreen");
    Doc const status = cluster.get("rollouts")["status"];
    EXPECT_FALSE(status["canaryStatus"].exists());
    EXPECT_EQ(status.at({"blueGreenStatus", "updatedReadyReplicas"}).as_int(), 5);
    EXPECT_EQ(status["currentStepState"].as_string(), "StepPaused");
    cluster.next();
    // Of this style the last step waits, too.
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=10");
    EXPECT_EQ(cluster.message(), "Rollout is in step(2/2), and you need manually confirm to enter the next step");
    cluster.next();
    expect_over(cluster, "Healthy/2/Completed v2=10");
}

TEST(BlueGreenStyle, PutBackInTheMiddleTheOldPodsHaveNeverGone) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.begin("v1");
    expect_over(cluster, "Healthy/2/StepPaused v1=10");
}

TEST(BlueGreenStyle, AThirdVersionIsRefusedAndMakesNoPod) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.begin("v3");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    EXPECT_EQ(cluster.message(), kRefused);
    EXPECT_TRUE(apis::new_version_refused(cluster.get("rollouts")));
    EXPECT_TRUE(cluster.decide_rollout_now().events.empty());   // it was said once
    // Back to what was being released: as upstream's suite has it, paused until the next step.
    cluster.begin("v2");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    EXPECT_TRUE(cluster.spec()["paused"].as_bool());
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=10");
    EXPECT_FALSE(cluster.spec()["paused"].as_bool());
    // Or all the way.
    cluster.begin("v3");
    cluster.begin("v1");
    expect_over(cluster, "Healthy/2/StepPaused v1=10");
}

TEST(BlueGreenStyle, ThatAVersionIsRefusedIsOneEvent) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.release("v3");
    std::vector<std::string> told;
    for (int round = 0; round < 5; ++round) {
        control::Plan const plan = cluster.decide_rollout_now();
        for (auto const& each : plan.events)
            told.push_back(fmt::format("{} {}: {}", each.type, each.reason, each.message));
        cluster.apply(plan);
        cluster.apply(cluster.decide_batch_release_now());
        cluster.settle();
    }
    EXPECT_EQ(told, std::vector{std::string("Warning Progressing: ") + kRefused});
}

// Upstream waits in its first pass alone.
TEST(BlueGreenStyle, AtItsEndPodsAreWaitedForOnEveryLookForAMinute) {
    for (bool const come : {true, false}) {
        BlueGreenCluster cluster;
        cluster.begin();
        cluster.next();
        cluster.pods_start = false;
        cluster.next();
        for (int look = 0; look < 3; ++look) {
            EXPECT_EQ(cluster.show(), "Progressing/2/Completed v2=10") << look;
            EXPECT_EQ(cluster.get("batchreleases").at({"status", "phase"}).as_string(), "Finalizing") << look;
            EXPECT_EQ(cluster.scaled(), "web-DisableByRollout web-DisableByRollout ") << look;
            cluster.now += look < 2 ? 29s : 1s;   // the last one is a second before
            cluster.run();
        }
        EXPECT_EQ(cluster.show(), "Progressing/2/Completed v2=10");
        if (come) {
            cluster.pods_start = true;
            cluster.settle();
        } else {
            cluster.now += 1s;
        }
        cluster.run();
        expect_over(cluster, "Healthy/2/Completed v2=10");
    }
}

// The end of a release and the next template, before either knows of the other.
TEST(BlueGreenStyle, AVersionThatComesAtTheEndIsReleasedFromTheOneBefore) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.approve();
    cluster.apply(cluster.decide_rollout_now());
    // As the native controller has it of the version that is the Deployment's.
    for (auto& [name, set] : cluster.objects["replicasets"]) {
        bool const newest = set.at({"spec", "template", "spec", "containers"}).element(0)["image"].as_string() == "v2";
        if (newest) set.set({"spec", "minReadySeconds"}, 2147483646);
    }
    cluster.begin("v3");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v2=10 v3=5");
    for (Doc const& set : cluster.list("replicasets")) EXPECT_EQ(set.at({"spec", "minReadySeconds"}).as_int(), 0);
    EXPECT_EQ(json::write(cluster.spec().at({"strategy", "rollingUpdate", "maxSurge"})), R"("50%")");
    cluster.begin("v2");
    expect_over(cluster, "Healthy/1/StepPaused v2=10");
}

// Put back when the release has ended and its old pods are still there, all of them available: the native controller
// takes the new ones away at once, and there is nothing left to stand beside.
TEST(BlueGreenStyle, PutBackAtTheEndItsStepsGoOnWithoutAPodOfTheOtherVersion) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.approve();
    cluster.apply(cluster.decide_rollout_now());
    cluster.release("v3");
    for (int count = 0; count < 20 && cluster.get("rollouts").at({"status", "phase"}).as_string() != "Healthy";
         ++count) {
        cluster.apply(cluster.decide_rollout_now());
        cluster.apply(cluster.decide_batch_release_now());
    }
    ASSERT_EQ(cluster.show(), "Healthy/2/Completed v1=10 v2=10");
    cluster.release("v1");
    cluster.end_saturated();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10");
    cluster.next();
    expect_over(cluster, "Healthy/2/Completed v1=10");
}

TEST(BlueGreenStyle, ScaledInTheMiddleBothSidesFollow) {
    BlueGreenCluster cluster;
    cluster.begin();
    for (auto const& [replicas, shown] : {std::pair("20", "v1=20 v2=10"), {"4", "v1=4 v2=2"}}) {
        cluster.edit(fmt::format(R"({{"spec":{{"replicas":{}}}}})", replicas));
        cluster.run();
        EXPECT_EQ(cluster.show(), fmt::format("Progressing/1/StepPaused {}", shown));
    }
}

// As a release of the version before finds them that comes while the native controller still takes its pods away.
TEST(BlueGreenStyle, WhatTheOldVersionLacksComesAsFastAsEnoughServe) {
    BlueGreenCluster cluster;
    cluster.begin();
    auto const set = [&](char const* name) -> json::Value& { return cluster.objects["replicasets"][name]; };
    auto const have = [&](char const* name, std::int64_t wanted, std::int64_t ready) {
        set(name).set({"spec", "replicas"}, wanted);
        for (char const* count : {"replicas", "readyReplicas"}) set(name).set({"status", count}, ready);
    };
    auto const sizes = [&] {
        cluster.apply(cluster.decide_batch_release_now());
        return fmt::format("v1={} v2={}", set("web-native-v1").at({"spec", "replicas"}).as_int(),
                           set("web-native-v2").at({"spec", "replicas"}).as_int());
    };
    have("web-native-v1", 3, 3);
    have("web-native-v2", 12, 12);
    EXPECT_EQ(sizes(), "v1=8 v2=7") << "ten of these serve at once";
    have("web-native-v1", 8, 3);
    have("web-native-v2", 7, 7);
    EXPECT_EQ(sizes(), "v1=8 v2=7");
    have("web-native-v1", 8, 8);
    set("web-native-v1").set({"status", "observedGeneration"}, 1);
    EXPECT_EQ(sizes(), "v1=8 v2=7") << "of before its last change";
    set("web-native-v1").set({"status", "observedGeneration"}, 1'000'000);
    EXPECT_EQ(sizes(), "v1=10 v2=5");
    // What does not serve goes at once.
    have("web-native-v1", 3, 3);
    have("web-native-v2", 12, 0);
    EXPECT_EQ(sizes(), "v1=10 v2=5");
}

// A release of the version before, whose pods the native controller takes away: it goes on by what it knows of them.
TEST(BlueGreenStyle, PodsThatAreOnTheirWayOutAreNotCountedOn) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.next();
    ASSERT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
    auto const has = [&](std::int64_t pods, std::int64_t observed) {
        json::Value& set = cluster.objects["replicasets"]["web-native-v1"];
        set.set({"metadata", "generation"}, 7);
        set.set({"spec", "replicas"}, 8);
        set.set({"status", "observedGeneration"}, observed);
        json::Value& deployment = cluster.objects["deployments"]["web"];
        for (char const* count : {"replicas", "readyReplicas", "availableReplicas"}) {
            set.set({"status", count}, pods);
            deployment.set({"status", count}, 10 + pods);
        }
    };
    auto const look = [&] {
        for (int count = 0; count < 6; ++count) {
            cluster.apply(cluster.decide_rollout_now());
            cluster.apply(cluster.decide_batch_release_now());
        }
        return cluster.spec()["paused"].as_bool();
    };
    has(10, 6);
    cluster.release("v1");
    has(10, 6);
    EXPECT_TRUE(look());
    has(8, 7);
    EXPECT_FALSE(look());
}

TEST(BlueGreenStyle, ScaledToNothingItComesBackInTheStableVersion) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.edit(R"({"spec":{"replicas":0}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused");
    cluster.edit(R"({"spec":{"replicas":10}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
}

// With the number of before on its only set with pods, the native controller would take it for a scaling for ever.
TEST(BlueGreenStyle, WhatComesBackFromNothingSaysTheSizeOfTheWorkload) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.release("v3");
    for (auto& [name, set] : cluster.objects["replicasets"]) {
        set.set({"spec", "replicas"}, 0);
        set.set({"metadata", "annotations", meta::kDesiredReplicasAnnotation}, "0");
        set.set({"metadata", "annotations", meta::kMaxReplicasAnnotation}, "0");
    }
    cluster.apply(cluster.decide_batch_release_now());
    bool came_back = false;
    for (Doc const& set : cluster.inputs().replica_sets) {
        if (set.at({"spec", "replicas"}).as_int() == 0) continue;
        came_back = true;
        EXPECT_EQ(meta::annotation(set, meta::kDesiredReplicasAnnotation), "10");
        EXPECT_EQ(meta::annotation(set, meta::kMaxReplicasAnnotation), "15");
    }
    EXPECT_TRUE(came_back);
}

TEST(BlueGreenStyle, AnOldSizeOnTheOnlySetWithPodsIsPutRight) {
    for (auto const& [noted, becomes] : {std::pair("8", "10"), {"", ""}}) {
        BlueGreenCluster cluster;
        cluster.release("v2");
        for (auto& [name, set] : cluster.objects["replicasets"])
            set.set({"metadata", "annotations", meta::kDesiredReplicasAnnotation}, noted);
        cluster.run();
        Doc const set = cluster.named("replicasets", "web-native-v1");
        EXPECT_EQ(meta::annotation(set, meta::kDesiredReplicasAnnotation), becomes);
        EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    }
}

TEST(BlueGreenStyle, DisabledOrDeletedItLetsTheVersionThroughAndLeavesNothing) {
    for (bool const removed : {false, true}) {
        BlueGreenCluster cluster;
        cluster.begin();
        if (removed) {
            cluster.remove("rollouts", "web");
        } else {
            cluster.edit_rollout(R"({"spec":{"disabled":true}})");
        }
        cluster.run();
        expect_over(cluster, removed ? "/0/ v2=10" : "Disabled/1/StepPaused v2=10");
    }
}

TEST(BlueGreenStyle, WithoutItsWorkloadTheAutoscalersAreOnAgain) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.objects["deployments"].erase("web");
    cluster.run();
    EXPECT_EQ(cluster.scaled(), "web web ");
    EXPECT_TRUE(cluster.list("batchreleases").empty());
}

// The role of a member may be from a version that had no use for them.
TEST(BlueGreenStyle, WhileAutoscalersCannotBeReadItWaitsAndSaysWhy) {
    BlueGreenCluster cluster;
    cluster.autoscalers_unread = "not allowed to list";
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=10");
    std::string const why =
        "HorizontalPodAutoscalers, which a blue-green release switches off meanwhile, cannot be "
        "read: not allowed to list";
    control::Plan const plan = cluster.decide_rollout_now();
    ASSERT_FALSE(plan.waits.empty());
    EXPECT_EQ(plan.waits.front().reason, "AutoscalersUnread");
    EXPECT_EQ(plan.waits.front().message, why);
    EXPECT_EQ(plan.waits.front().ends_when,
              "the member may get, list, watch and patch horizontalpodautoscalers.autoscaling");
    EXPECT_EQ(cluster.get("batchreleases").at({"status", "message"}).as_string(), "AutoscalersUnread: " + why);
    // Nothing has been done that were to be undone.
    cluster.begin("v1");
    EXPECT_EQ(cluster.show(), "Healthy/1/StepUpgrade v1=10");
    EXPECT_EQ(cluster.marks(), "");
    EXPECT_EQ(cluster.scaled(), "web web ");
    cluster.begin();
    cluster.autoscalers_unread.clear();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
}

TEST(BlueGreenStyle, ItIsNotOverBeforeAutoscalersAreOnAgain) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.autoscalers_unread = "not allowed to list";
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/Completed v2=10");
    EXPECT_EQ(cluster.scaled(), "web-DisableByRollout web-DisableByRollout ");
    EXPECT_EQ(cluster.decide_rollout_now().waits.front().reason, "AutoscalersUnread");
    cluster.autoscalers_unread.clear();
    cluster.run();
    expect_over(cluster, "Healthy/2/Completed v2=10");
}

// A manifest applied in the middle: what would let the new pods count, and the old ones go, comes at the end.
TEST(BlueGreenStyle, SettingsWrittenInTheMiddleCountAtTheEnd) {
    BlueGreenCluster cluster;
    cluster.begin();
    cluster.edit(R"({"spec":{"paused":true,"minReadySeconds":5,"progressDeadlineSeconds":300,
        "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":2,"maxUnavailable":1}}}})");
    EXPECT_FALSE(cluster.spec()["paused"].as_bool());
    EXPECT_EQ(cluster.spec()["minReadySeconds"].as_int(), 2147483646);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    cluster.next();
    cluster.next();
    EXPECT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
    EXPECT_EQ(cluster.spec()["minReadySeconds"].as_int(), 5);
    EXPECT_EQ(cluster.spec()["progressDeadlineSeconds"].as_int(), 300);
    EXPECT_EQ(json::write(cluster.spec()["strategy"]),
              R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":2,"maxUnavailable":1}})");
}

TEST(BlueGreenStyle, ARecreateDeploymentIsOneAgainAtTheEnd) {
    BlueGreenCluster cluster;
    cluster.objects["deployments"]["web"].set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    cluster.next();
    cluster.next();
    EXPECT_EQ(json::write(cluster.spec()["strategy"]), R"({"type":"Recreate"})");
}

TEST(BlueGreenStyle, PodsThatMayBeUnreadyCount) {
    BlueGreenCluster cluster;
    cluster.edit_rollout(R"({"spec":{"strategy":{"blueGreen":{"failureThreshold":"90%"}}}})");
    cluster.run();
    cluster.pods_start = false;
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=10 v2=5");   // one has to be ready
    for (auto& [name, set] : cluster.objects["replicasets"]) {
        if (set.at({"status", "readyReplicas"}).as_int() == 0) set.set({"status", "readyReplicas"}, 1);
    }
    cluster.apply(cluster.decide_batch_release_now());
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
}

TEST(BlueGreenStyle, AReleaseThatKruisesControllerBeganGoesOn) {
    BlueGreenCluster cluster;
    cluster.begin();
    json::Value& rollout = cluster.objects["rollouts"]["web"];
    rollout.set({"status", "blueGreenStatus", "updatedRevision"}, "kruise7");
    rollout.set({"status", "blueGreenStatus", "observedRolloutID"}, "kruise7");
    json::Value& batch_release = cluster.objects["batchreleases"]["web"];
    batch_release.set({"spec", "releasePlan", "rolloutID"}, "kruise7");
    batch_release.set({"status", "observedRolloutID"}, "kruise7");
    batch_release.set({"status", "updateRevision"}, "kruise7");
    batch_release.set({"status", "observedReleasePlanHash"}, apis::release_plan_hash(Doc::freeze(batch_release)));
    // It has made the stable pods unavailable, too, and has switched off the first autoscaler alone.
    for (auto& [name, set] : cluster.objects["replicasets"]) set.set({"spec", "minReadySeconds"}, 2147483646);
    cluster.objects["horizontalpodautoscalers"]["web-too"].set({"spec", "scaleTargetRef", "name"}, "web");
    for (auto& [key, pod] : cluster.objects["pods"]) {
        if (pod.at({"spec", "image"}).as_string() != "v2") continue;
        pod.set({"metadata", "labels", "controller-revision-hash"}, "kruise7");
        pod.set({"metadata", "labels", apis::kRolloutIdLabel}, "kruise7");
    }
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=10");
    cluster.next();
    expect_over(cluster, "Healthy/2/Completed v2=10");
}

}   // namespace
}   // namespace aviary::rollout
