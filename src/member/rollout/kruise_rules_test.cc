// Rules of Kruise Rollouts that no story tells by itself: what a release writes on the workload and into its
// BatchRelease, whose id pods carry, and how many pods may be unready.
#include <gtest/gtest.h>

#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr char const* kThree = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";
constexpr char const* kPlain = R"({"canary":{}})";
constexpr char const* kExtra = R"({"canary":{"enableExtraWorkloadForCanary":true}})";
constexpr char const* kBlueGreen = R"({"blueGreen":{}})";

FakeCluster released(std::string const& style, std::string const& steps = kThree) {
    FakeCluster cluster(steps, 10, style);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    return cluster;
}

std::string mark(FakeCluster const& cluster, std::string_view key) {
    std::string const annotation = meta::annotation(cluster.get("deployments"), key);
    return annotation.empty() ? meta::label(cluster.get("deployments"), key) : annotation;
}

TEST(KruiseRules, AReleaseIsMarkedOnItsWorkload) {
    FakeCluster const cluster = released(kPlain);
    std::string const uid = meta::uid(cluster.get("batchreleases"));
    EXPECT_EQ(mark(cluster, apis::kInProgressingAnnotation), R"({"rolloutName":"web"})");
    EXPECT_EQ(mark(cluster, apis::kControlInfoAnnotation),
              R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"BatchRelease","name":"web","uid":")" + uid +
                  R"(","controller":true,"blockOwnerDeletion":true})");
    EXPECT_EQ(
        mark(cluster, apis::kDeploymentStrategyAnnotation),
        R"({"rollingStyle":"Partition","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"paused":false,"partition":"10%","grantedTo":")" +
            meta::template_hash(cluster.get("deployments").at({"spec", "template"})) + R"("})");
    EXPECT_EQ(mark(cluster, apis::kAdvancedDeploymentLabel), "true");
    EXPECT_EQ(mark(cluster, apis::kDeploymentExtraStatusAnnotation),
              R"({"updatedReadyReplicas":0,"expectedUpdatedReplicas":1})");
    EXPECT_EQ(mark(cluster, apis::kStableRevisionLabel),
              cluster.get("rollouts").at({"status", "canaryStatus", "stableRevision"}).string());
    EXPECT_EQ(cluster.get("deployments").at({"spec", "strategy", "type"}).as_string(), "Recreate");
    EXPECT_TRUE(cluster.get("deployments").at({"spec", "paused"}).as_bool());
}

TEST(KruiseRules, ABatchReleaseHasEveryStepAndACursor) {
    FakeCluster cluster = released(
        R"({"canary":{"enableExtraWorkloadForCanary":true,"failureThreshold":"20%","patchPodTemplateMetadata":{"labels":{"a":"b"}}}})");
    Doc const object = cluster.get("batchreleases");
    Doc const rollout = cluster.get("rollouts");
    Doc const plan = object.at({"spec", "releasePlan"});
    EXPECT_EQ(meta::controller_of(object)->uid, meta::uid(rollout));
    EXPECT_TRUE(meta::has_finalizer(object, apis::kBatchReleaseFinalizer));
    EXPECT_EQ(object.at({"spec", "workloadRef"}), rollout.at({"spec", "workloadRef"}));
    EXPECT_EQ(json::write(plan["batches"]),
              R"([{"canaryReplicas":"10%"},{"canaryReplicas":"50%"},{"canaryReplicas":"100%"}])");
    EXPECT_EQ(plan["batchPartition"].as_int(-1), 0);
    EXPECT_EQ(plan["failureThreshold"].as_string(), "20%");
    EXPECT_EQ(json::write(plan["patchPodTemplateMetadata"]), R"({"labels":{"a":"b"}})");
    EXPECT_EQ(plan["rolloutID"].string(), rollout.at({"status", "canaryStatus", "observedRolloutID"}).string());
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.get("batchreleases").at({"spec", "releasePlan", "batchPartition"}).as_int(), 1);
    for (auto const& [style, name] :
         std::map<std::string, std::string>{{kPlain, "Partition"}, {kExtra, "Canary"}, {kBlueGreen, "BlueGreen"}}) {
        EXPECT_EQ(released(style).get("batchreleases").at({"spec", "releasePlan", "rollingStyle"}).string(), name);
    }
}

TEST(KruiseRules, ABatchReleaseSaysWhereItStands) {
    FakeCluster const cluster = released(kPlain);
    Doc const status = cluster.get("batchreleases")["status"];
    Doc const rollout = cluster.get("rollouts").at({"status", "canaryStatus"});
    EXPECT_EQ(status["phase"].as_string(), "Progressing");
    EXPECT_EQ(status["stableRevision"].string(), rollout["stableRevision"].string());
    EXPECT_EQ(status["updateRevision"].string(), rollout["canaryRevision"].string());
    EXPECT_EQ(status["observedRolloutID"].string(), rollout["observedRolloutID"].string());
    EXPECT_EQ(status["observedWorkloadReplicas"].as_int(), 10);
    EXPECT_EQ(status["observedReleasePlanHash"].string().size(), 64U);
    EXPECT_EQ(status["observedGeneration"].as_int(), meta::generation(cluster.get("batchreleases")));
    Doc const batch = status["canaryStatus"];
    EXPECT_EQ(batch["currentBatch"].as_int(), 0);
    EXPECT_EQ(batch["batchState"].as_string(), "Ready");
    EXPECT_FALSE(batch["batchReadyTime"].string().empty());
    EXPECT_EQ(batch["updatedReplicas"].as_int(), 1);
    EXPECT_EQ(batch["updatedReadyReplicas"].as_int(), 1);
}

TEST(KruiseRules, ABatchReleaseHasNoConditions) {
    FakeCluster cluster = released(kPlain);
    auto const status = [&cluster] { return cluster.get("batchreleases")["status"]; };
    EXPECT_EQ(status().at({"canaryStatus", "batchState"}).as_string(), "Ready");
    EXPECT_FALSE(status()["conditions"].exists());
    cluster.batch_release_refused = "no room for it";
    cluster.apply(cluster.decide_batch_release_now(), 1);
    EXPECT_EQ(status()["message"].as_string(), "WriteRefused: no room for it");
    EXPECT_FALSE(status()["conditions"].exists());
}

TEST(KruiseRules, ACompletedBatchReleaseTakesNoEditOfItsPlan) {
    FakeCluster cluster = released(kPlain);
    json::Value& batch_release = cluster.objects["batchreleases"]["web"];
    batch_release.set({"spec", "releasePlan", "batchPartition"}, 1);
    EXPECT_FALSE(cluster.decide_batch_release_now().writes.empty());
    batch_release.set({"status", "phase"}, "Completed");
    EXPECT_TRUE(cluster.decide_batch_release_now().writes.empty());
}

TEST(KruiseRules, ABatchThatThePlanDoesNotHaveBeginsWithTheFirst) {
    FakeCluster cluster = released(kPlain);
    cluster.approve();
    cluster.run();
    auto const at = [&cluster] {
        Doc const status = cluster.get("batchreleases")["status"];
        return fmt::format("{}/{}/{}", status["phase"].as_string(),
                           status.at({"canaryStatus", "currentBatch"}).as_int(-1),
                           status.at({"canaryStatus", "batchState"}).as_string());
    };
    ASSERT_EQ(at(), "Progressing/1/Ready");
    cluster.pods_start = false;   // nor are those of before ready any more
    cluster.settle();
    cluster.objects["batchreleases"]["web"].set({"status", "canaryStatus", "currentBatch"}, 7);
    cluster.run();
    EXPECT_EQ(at(), "Progressing/0/Upgrading");
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    cluster.pods_start = true;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(at(), "Progressing/1/Ready");
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    // With a plan that is shorter by now it is in the last one.
    cluster.objects["batchreleases"]["web"].set({"spec", "releasePlan", "batches"},
                                                *json::parse_value(R"([{"canaryReplicas":"50%"}])"));
    cluster.apply(cluster.decide_batch_release_now());
    EXPECT_EQ(at(), "Progressing/0/Ready");
}

TEST(KruiseRules, ARolloutSaysWhichVersionsAndWhichPlan) {
    FakeCluster const cluster = released(kPlain);
    Doc const rollout = cluster.get("rollouts");
    Doc const status = rollout.at({"status", "canaryStatus"});
    EXPECT_EQ(status["rolloutHash"].string(), meta::annotation(rollout, apis::kRolloutHashAnnotation));
    EXPECT_EQ(status["observedWorkloadGeneration"].as_int(), meta::generation(cluster.get("deployments")));
    EXPECT_EQ(rollout.at({"status", "observedGeneration"}).as_int(), meta::generation(rollout));
    std::set<std::string> hashes;
    for (Doc const& set : cluster.list("replicasets")) hashes.insert(meta::label(set, "pod-template-hash"));
    EXPECT_EQ(hashes, (std::set{status["stableRevision"].string(), status["podTemplateHash"].string()}));
    EXPECT_EQ(status["canaryReplicas"].as_int(), 1);
    EXPECT_EQ(status["canaryReadyReplicas"].as_int(), 1);
    EXPECT_EQ(status["nextStepIndex"].as_int(), 2);
    EXPECT_EQ(rollout.at({"status", "currentStepIndex"}).as_int(), 1);
    EXPECT_EQ(rollout.at({"status", "currentStepState"}).as_string(), "StepPaused");
}

// Also of one whose pods never get ready: by it people tell them from the others.
TEST(KruiseRules, ARolloutSaysWhichPodsAreNewWhileTheyComeUp) {
    for (std::string const& style : {kPlain, kExtra, kBlueGreen}) {
        FakeCluster cluster(kThree, 10, style);
        cluster.run();
        cluster.pods_start = false;
        cluster.release("v2");
        cluster.run();
        Doc const rollout = cluster.get("rollouts");
        EXPECT_EQ(rollout.at({"status", "currentStepState"}).as_string(), "StepUpgrade") << style;
        Doc const status = apis::release_status(rollout);
        std::set<std::string> hashes;
        for (Doc const& set : cluster.list("replicasets")) hashes.insert(meta::label(set, "pod-template-hash"));
        EXPECT_EQ(hashes, (std::set{status["stableRevision"].string(), status["podTemplateHash"].string()})) << style;
    }
}

// A template of its own has a hash of its own, also of a version that the workload has had before.
TEST(KruiseRules, ARolloutSaysWhichPodsOfTheSecondDeploymentAreNew) {
    FakeCluster cluster(
        kThree, 10,
        R"({"canary":{"enableExtraWorkloadForCanary":true,"patchPodTemplateMetadata":{"labels":{"track":"canary"}}}})");
    cluster.run();
    for (char const* version : {"v2", "v1"}) {
        cluster.release(version);
        for (int step = 1; step <= 2; ++step) {
            cluster.run();
            cluster.approve();
        }
        cluster.run();
    }
    ASSERT_EQ(cluster.show(), "Healthy/3/Completed v1=10");
    cluster.pods_start = false;
    cluster.release("v2");
    cluster.run();
    ASSERT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=10 v2=1");
    std::string hash;
    for (Doc const& set : cluster.list("replicasets")) {
        Doc const owner = cluster.named("deployments", meta::controller_of(set)->name);
        if (!meta::label(owner, apis::kCanaryDeploymentLabel).empty()) hash = meta::label(set, "pod-template-hash");
    }
    EXPECT_EQ(apis::release_status(cluster.get("rollouts"))["podTemplateHash"].string(), hash);
}

// A release of this style that has an id of its own, in its first step.
struct NamedRelease : FakeCluster {
    explicit NamedRelease(std::string const& style) : FakeCluster(kThree, 10, style) {
        run();
        edit(R"({"metadata":{"labels":{"rollouts.kruise.io/rollout-id":"r7"}}})");
        release("v2");
        run();
    }
};

// A success waits until all pods are there; whatever else ends a release does not.
TEST(KruiseRules, TheEndSaysWhetherItWaits) {
    for (bool const back : {false, true}) {
        FakeCluster cluster(R"([{"replicas":"10%"}])");
        cluster.run();
        cluster.release("v2");
        cluster.run();
        if (back) cluster.release("v1");
        if (!back) cluster.approve();
        std::string policy;
        for (int round = 0; round < 20 && policy.empty(); ++round) {
            cluster.apply(cluster.decide_rollout_now());
            cluster.settle();
            policy = cluster.get("batchreleases").at({"spec", "releasePlan", "finalizingPolicy"}).string();
        }
        EXPECT_EQ(policy, back ? "Immediate" : "WaitResume");
    }
}

TEST(KruiseRules, PodsCarryTheIdThatTheWorkloadHas) {
    for (std::string const& style : {kPlain, kExtra, kBlueGreen}) {
        NamedRelease cluster(style);
        EXPECT_EQ(cluster.get("batchreleases").at({"spec", "releasePlan", "rolloutID"}).string(), "r7") << style;
        EXPECT_EQ(cluster.get("batchreleases").at({"status", "observedRolloutID"}).string(), "r7") << style;
        std::map<std::string, int> ids;
        for (Doc const& pod : cluster.list("pods")) {
            if (pod.at({"spec", "image"}).as_string() == "v2")
                ++ids[meta::label(pod, apis::kRolloutIdLabel) + "/" + meta::label(pod, apis::kRolloutBatchIdLabel)];
        }
        EXPECT_EQ(ids, (std::map<std::string, int>{{"r7/1", 1}})) << style;
    }
}

// Its pod is ready, and not labelled before its node has taken it. In canary style upstream does not wait for that.
TEST(KruiseRules, ABatchIsNotReadyBeforeItsPodsCarryTheId) {
    for (auto const& [style, pods] : std::vector<std::pair<std::string, std::string>>{
             {kPlain, "v1=9 v2=1"}, {kExtra, "v1=10 v2=1"}, {kBlueGreen, "v1=10 v2=1"}}) {
        FakeCluster cluster(kThree, 10, style);
        cluster.run();
        cluster.release("v2");
        for (int round = 0; round < 20; ++round) {
            for (auto const& plan :
                 {cluster.decide_rollout_now(), cluster.decide_batch_release_now(), cluster.decide_roll_now()}) {
                cluster.apply(plan);
                cluster.settle();
                for (auto& [name, pod] : cluster.objects["pods"]) {
                    if (pod.at({"spec", "image"}).as_string() != "v2") continue;
                    pod["status"] = json::Object();
                    pod.set({"metadata", "creationTimestamp"}, format_rfc3339(cluster.now));
                }
            }
        }
        Doc const batch = cluster.get("batchreleases").at({"status", "canaryStatus"});
        EXPECT_EQ(batch["updatedReadyReplicas"].as_int(), 1) << style;
        EXPECT_EQ(batch["batchState"].as_string(), "Upgrading") << style;
        EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade " + pods) << style;
        cluster.now += 2s;   // a node has had its time by then
        cluster.run();
        EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused " + pods) << style;
    }
}

// It relabels what is there, from the batch that is reached.
TEST(KruiseRules, AnotherIdInALaterStepTakesNoPodBack) {
    for (std::string const& style : {kPlain, kExtra, kBlueGreen}) {
        NamedRelease cluster(style);
        cluster.approve();
        cluster.run();
        auto const new_pods = [&] {
            return std::ranges::count(cluster.list("pods"), "v2",
                                      [](Doc const& pod) { return pod.at({"spec", "image"}).string(); });
        };
        auto const batch = [&] {
            return cluster.get("batchreleases").at({"status", "canaryStatus", "currentBatch"}).as_int();
        };
        auto const reached = new_pods();
        ASSERT_EQ(batch(), 1) << cluster.show() << style;
        cluster.edit(R"({"metadata":{"labels":{"rollouts.kruise.io/rollout-id":"r8"}}})");
        for (int round = 0; round < 20; ++round) {
            for (auto const& plan :
                 {cluster.decide_rollout_now(), cluster.decide_batch_release_now(), cluster.decide_roll_now()}) {
                cluster.apply(plan);
                cluster.settle();
                EXPECT_EQ(batch(), 1) << cluster.show() << style;
                EXPECT_EQ(new_pods(), reached) << cluster.show() << style;
            }
        }
        EXPECT_EQ(cluster.get("batchreleases").at({"status", "observedRolloutID"}).string(), "r8") << style;
    }
}

// Upstream reads the label alone, of a release that the annotation began.
TEST(KruiseRules, TheIdIsTheLabelOrElseTheAnnotation) {
    auto const id_of = [](char const* metadata) {
        FakeCluster cluster(kThree, 10, kPlain);
        cluster.run();
        cluster.edit(std::string(R"({"metadata":)") + metadata + "}");
        cluster.release("v2");
        cluster.run();
        return cluster.get("batchreleases").at({"spec", "releasePlan", "rolloutID"}).string();
    };
    std::string const revision = id_of("{}");
    EXPECT_EQ(id_of(R"({"annotations":{"rollouts.kruise.io/rollout-id":"r7"}})"), "r7");
    EXPECT_EQ(id_of(R"({"annotations":{"rollouts.kruise.io/rollout-id":"r7"},
                        "labels":{"rollouts.kruise.io/rollout-id":"r8"}})"),
              "r8");
    EXPECT_EQ(id_of(R"({"annotations":{"rollouts.kruise.io/rollout-id":"no label: 7"}})"), revision);
}

// Of three new pods one is ready: with two that may be unready that is enough, with one it is not.
TEST(KruiseRules, AsManyPodsAsTheThresholdMayBeUnready) {
    for (std::string const& strategy : {std::string(R"("enableExtraWorkloadForCanary":false)"),
                                        std::string(R"("enableExtraWorkloadForCanary":true)")}) {
        for (auto const& [threshold, state] : std::vector<std::pair<std::string, std::string>>{
                 {"2", "StepPaused"}, {R"("60%")", "StepPaused"}, {"1", "StepUpgrade"}, {R"("30%")", "StepUpgrade"}}) {
            FakeCluster cluster(R"([{"replicas":3},{"replicas":"100%"}])", 10,
                                R"({"canary":{"failureThreshold":)" + threshold + "," + strategy + "}}");
            cluster.run();
            cluster.pods_start = false;
            cluster.release("v2");
            for (int count = 0; count < 20; ++count) {
                cluster.apply(cluster.decide_rollout_now());
                cluster.apply(cluster.decide_batch_release_now());
                cluster.apply(cluster.decide_roll_now());
                cluster.settle();
                for (auto& [name, set] : cluster.objects["replicasets"]) {
                    bool const fresh = set.at({"spec", "template", "spec", "containers"})[0]["image"] == "v2";
                    if (!fresh || set.at({"spec", "replicas"}).as_int() == 0) continue;
                    set.set({"status", "readyReplicas"}, 1);
                    set.set({"status", "availableReplicas"}, 1);
                }
            }
            EXPECT_EQ(cluster.get("rollouts").at({"status", "currentStepState"}).string(), state)
                << threshold << strategy << cluster.show();
        }
    }
}

// Of the workload's own pods those that are ready count; of a second Deployment those that are available.
TEST(KruiseRules, ReadyPodsCountAndBesideTheWorkloadAvailableOnes) {
    for (auto const& [style, state] :
         std::vector<std::pair<std::string, std::string>>{{kPlain, "StepPaused"}, {kExtra, "StepUpgrade"}}) {
        FakeCluster cluster(kThree, 10, style);
        cluster.run();
        cluster.release("v2");
        for (int count = 0; count < 20; ++count) {
            cluster.apply(cluster.decide_rollout_now());
            cluster.apply(cluster.decide_batch_release_now());
            cluster.apply(cluster.decide_roll_now());
            cluster.settle();
            for (auto& [name, set] : cluster.objects["replicasets"]) {
                if (set.at({"spec", "template", "spec", "containers"})[0]["image"] == "v2")
                    set.set({"status", "availableReplicas"}, 0);
            }
        }
        EXPECT_EQ(cluster.get("rollouts").at({"status", "currentStepState"}).string(), state) << style;
    }
}

TEST(KruiseRules, ANoteToRollBackInBatchesReachesTheBatchRelease) {
    FakeCluster cluster(kThree);
    cluster.edit_rollout(R"({"metadata":{"annotations":{"rollouts.kruise.io/rollback-in-batch":"true"}}})");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(meta::annotation(cluster.get("batchreleases"), apis::kRollbackInBatchAnnotation), "true");
    // Of a Deployment it changes nothing, as upstream.
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/StepPaused v1=10");
}

TEST(KruiseRules, AnApprovalEndsATimedPause) {
    FakeCluster cluster = released(kPlain, R"([{"replicas":"10%","pause":{"duration":3600}},{"replicas":"50%"}])");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
}

TEST(KruiseRules, WhatIsPausedIsTakenBackAtOnce) {
    FakeCluster cluster = released(kPlain);
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
    cluster.run();
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/StepPaused v1=10");
}

TEST(KruiseRules, WhatComesWhilePausedIsTakenUpOnceResumed) {
    auto const pause = [](FakeCluster& cluster, bool paused) {
        cluster.edit_rollout(fmt::format(R"({{"spec":{{"strategy":{{"paused":{}}}}}}})", paused));
        cluster.run();
    };
    FakeCluster cluster = released(kPlain);
    pause(cluster, true);
    cluster.release("v3");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_FALSE(cluster.get("batchreleases").at({"metadata", "deletionTimestamp"}).exists());
    pause(cluster, false);
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v3=1");
    FakeCluster edited = released(kPlain);
    pause(edited, true);
    edited.edit_rollout(
        R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"30%"},{"replicas":"60%"},{"replicas":"100%"}]}}}})");
    edited.run();
    EXPECT_EQ(edited.show(), "Progressing/1/StepPaused v1=9 v2=1");
    pause(edited, false);
    EXPECT_EQ(edited.show(), "Progressing/1/StepPaused v1=7 v2=3");
}

TEST(KruiseRules, ABatchThatIsUnderWayWhenItIsPausedGoesOnToItsShare) {
    FakeCluster cluster(R"([{"replicas":"50%"},{"replicas":"100%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.apply(cluster.decide_rollout_now());
    ASSERT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=10");
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=5 v2=5");
    EXPECT_EQ(cluster.get("batchreleases").at({"status", "canaryStatus", "batchState"}).as_string(), "Ready");
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":false}}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=5 v2=5");
}

TEST(KruiseRules, StepsOfNumbersAndOfSharesGoOn) {
    FakeCluster cluster = released(kPlain, R"([{"replicas":"20%"},{"replicas":5},{"replicas":"80%"}])");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v2=2");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/3/StepPaused v1=2 v2=8");
}

TEST(KruiseRules, AWorkloadOfNoPodsIsReleasedAtOnce) {
    FakeCluster cluster = released(kPlain);
    cluster.edit(R"({"spec":{"replicas":0}})");
    cluster.run();
    for (int step = 1; step < 3; ++step) {
        EXPECT_EQ(cluster.show(), fmt::format("Progressing/{}/StepPaused", step));
        cluster.approve();
        cluster.run();
    }
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed");
    EXPECT_EQ(cluster.marks(), "");
}

TEST(KruiseRules, WhatNobodyKnowsIsSaid) {
    FakeCluster cluster = released(kPlain);
    json::Value& batch_release = cluster.objects["batchreleases"]["web"];
    batch_release.set({"spec", "releasePlan", "rollingStyle"}, "Sideways");
    cluster.apply(cluster.decide_batch_release_now());
    EXPECT_EQ(cluster.get("batchreleases").at({"status", "message"}).as_string(), "rollingStyle Sideways is not known");
    Doc const rollout = *json::parse(R"({"metadata":{"name":"web","namespace":"demo"},"spec":{
        "workloadRef":{"apiVersion":"batch/v1","kind":"Job","name":"web"},"strategy":{"canary":{"steps":[{"replicas":1}]}}}})");
    RolloutSeen seen{.rollout = rollout, .batch_release = {}, .workload = nullptr};
    seen.kind_supported = false;
    control::Plan const plan = decide_rollout(seen, cluster.now);
    ASSERT_EQ(plan.waits.size(), 1U);
    EXPECT_EQ(plan.waits.front().reason, "Unsupported");
    EXPECT_EQ(plan.waits.front().message, "batch/v1 Job is not supported");
}

TEST(KruiseRules, ASecondReleaseSaysNothingOfTheFirst) {
    FakeCluster cluster = released(kPlain);
    auto const succeeded = [&cluster] {
        return meta::condition(cluster.get("rollouts"), apis::condition::kSucceeded)["status"].string();
    };
    for (int step = 1; step < 3; ++step) {
        cluster.approve();
        cluster.run();
    }
    EXPECT_EQ(succeeded(), "True");
    cluster.release("v3");
    cluster.run();
    EXPECT_EQ(succeeded(), "");
}

}   // namespace
}   // namespace aviary::rollout
