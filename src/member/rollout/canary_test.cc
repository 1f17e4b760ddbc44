// Canary style: the new version's pods are in a second Deployment until the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "apis/rollouts/hash.h"
#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {
namespace {

using json::Doc;

constexpr char const* kSteps = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";
constexpr char const* kStyle = R"({"canary":{"enableExtraWorkloadForCanary":true}})";

struct CanaryCluster : FakeCluster {
    explicit CanaryCluster(std::string const& style = kStyle, std::string const& steps = kSteps)
        : FakeCluster(steps, 10, style) {
        run();
    }

    // The Deployments beside the workload.
    std::vector<Doc> seconds() const {
        std::vector<Doc> result;
        for (Doc const& each : list("deployments")) {
            if (meta::name(each) != "web") result.push_back(each);
        }
        return result;
    }
    void begin(std::string const& image = "v2") {
        release(image);
        run();
    }
    void next() {
        approve();
        run();
    }
    // Pods of a version, by name.
    std::set<std::string> pods(std::string const& image) const {
        std::set<std::string> names;
        for (Doc const& pod : list("pods")) {
            if (pod.at({"spec", "image"}).as_string() == image) names.insert(meta::name(pod));
        }
        return names;
    }
    // Until it rests, one write of each plan at a time.
    void run_in_small_steps(std::function<void()> const& between) {
        for (int round = 0; round < 300; ++round) {
            bool quiet = true;
            for (auto const& plan : {decide_rollout_now(), decide_batch_release_now()}) {
                if (plan.writes.empty()) continue;
                quiet = false;
                apply(plan, 1);
                settle();
                between();
            }
            if (quiet) return;
        }
    }
};

constexpr char const* kPatchedStyle =
    R"({"canary":{"enableExtraWorkloadForCanary":true,"patchPodTemplateMetadata":{"labels":{"track":"canary"},"annotations":{"a/b":"1"}}}})";

bool includes(std::set<std::string> const& all, std::set<std::string> const& some) {
    return std::ranges::includes(all, some);
}

void expect_over(CanaryCluster const& cluster, std::string const& show) {
    EXPECT_EQ(cluster.show(), show);
    EXPECT_EQ(cluster.marks(), "");
    EXPECT_TRUE(cluster.seconds().empty());
    EXPECT_FALSE(cluster.get("batchreleases").exists());
    Doc const workload = cluster.get("deployments");
    EXPECT_FALSE(workload.at({"spec", "paused"}).as_bool());
    EXPECT_EQ(json::write(workload.at({"spec", "strategy"})),
              R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}})");
}

TEST(CanaryStyle, TheNewVersionRunsBesideTheWorkloadUntilTheEnd) {
    CanaryCluster cluster;
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
    ASSERT_EQ(cluster.seconds().size(), 1U);
    Doc const second = cluster.seconds().front();
    EXPECT_TRUE(meta::name(second).starts_with("web-"));
    EXPECT_EQ(json::write(second.at({"metadata", "labels"})), R"({"rollouts.kruise.io/canary-deployment":"web"})");
    EXPECT_EQ(meta::controller_of(second)->uid, meta::uid(cluster.get("batchreleases")));
    EXPECT_EQ(second.at({"spec", "selector"}), cluster.get("deployments").at({"spec", "selector"}));
    EXPECT_TRUE(cluster.get("deployments").at({"spec", "paused"}).as_bool());
    Doc const plan = cluster.get("batchreleases").at({"spec", "releasePlan"});
    EXPECT_EQ(plan["rollingStyle"].as_string(), "Canary");
    EXPECT_TRUE(plan["enableExtraWorkloadForCanary"].as_bool());
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=5");
    EXPECT_EQ(cluster.get("rollouts").at({"status", "canaryStatus", "canaryReadyReplicas"}).as_int(), 5);
    cluster.next();
    expect_over(cluster, "Healthy/3/Completed v2=10");
}

TEST(CanaryStyle, ThePodsOfTheSecondDeploymentAreLabelledWithTheirBatch) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    std::map<std::string, int> batches;
    for (Doc const& pod : cluster.list("pods"))
        ++batches[pod.at({"spec", "image"}).string() + "/" + meta::label(pod, apis::kRolloutBatchIdLabel)];
    EXPECT_EQ(batches, (std::map<std::string, int>{{"v1/", 10}, {"v2/1", 1}, {"v2/2", 4}}));
}

// What was tested is what stays: nothing is loaded twice, and nobody is without the stable version meanwhile.
TEST(CanaryStyle, AtTheEndTheWorkloadTakesItsPodsOver) {
    for (bool const all : {false, true}) {
        CanaryCluster cluster(kStyle, all ? kSteps : R"([{"replicas":"10%"},{"replicas":"50%"}])");
        cluster.begin();
        cluster.next();
        cluster.approve();
        while (all && cluster.pods("v2").size() < 10) {
            cluster.apply(cluster.decide_rollout_now());
            cluster.apply(cluster.decide_batch_release_now());
            cluster.settle();
        }
        std::set<std::string> const tested = cluster.pods("v2");
        cluster.run_in_small_steps([&] {
            EXPECT_TRUE(includes(cluster.pods("v2"), tested)) << cluster.show();
            EXPECT_GE(cluster.pods("v1").size() + cluster.pods("v2").size(), 10U) << cluster.show();
        });
        EXPECT_TRUE(includes(cluster.pods("v2"), tested));
        expect_over(cluster, fmt::format("Healthy/{}/Completed v2=10", all ? 3 : 2));
        EXPECT_EQ(cluster.list("replicasets").size(), 2U) << "one for each version";
    }
}

// The native controller is as late as it likes.
TEST(CanaryStyle, ItsPodsAreNobodysUntilTheWorkloadHasThem) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    std::set<std::string> const tested = cluster.pods("v2");
    cluster.adopts = false;
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/3/Completed v1=10 v2=10");
    EXPECT_TRUE(cluster.seconds().empty());
    EXPECT_TRUE(cluster.get("deployments").at({"spec", "paused"}).as_bool()) << "it would make pods of its own";
    cluster.adopts = true;
    cluster.settle();
    cluster.run();
    EXPECT_TRUE(includes(cluster.pods("v2"), tested));
    expect_over(cluster, "Healthy/3/Completed v2=10");
}

TEST(CanaryStyle, ASetThatIsGoneBeforeTheWorkloadHasItIsMadeAnew) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.adopts = false;
    cluster.next();
    for (Doc const& set : cluster.list("replicasets")) {
        if (!meta::controller_of(set)) cluster.remove("replicasets", meta::name(set));
    }
    cluster.adopts = true;
    cluster.settle();
    cluster.run();
    expect_over(cluster, "Healthy/3/Completed v2=10");
}

// Whatever has been written by then, another version holds as ever, and nothing is lost.
TEST(CanaryStyle, AnotherVersionWhileItTakesThemOverBeginsAsEver) {
    for (char const* image : {"v3", "v1"}) {
        for (int writes = 0; writes < 12; ++writes) {
            CanaryCluster cluster;
            cluster.begin();
            cluster.next();
            cluster.approve();
            int left = writes;
            for (int round = 0; round < 100 && left >= 0; ++round) {
                for (auto const& plan : {cluster.decide_rollout_now(), cluster.decide_batch_release_now()}) {
                    bool const ends =
                        !cluster.get("batchreleases").at({"spec", "releasePlan", "batchPartition"}).exists();
                    if (ends && left-- <= 0) break;
                    cluster.apply(plan, 1);
                    cluster.settle();
                }
            }
            bool const over = !cluster.get("deployments").at({"spec", "paused"}).as_bool();
            cluster.begin(image);
            std::string const shown = cluster.show();
            if (std::string_view(image) == "v1") {
                EXPECT_TRUE(shown.ends_with(over ? " v1=1 v2=10" : " v1=10")) << writes << shown;
                continue;
            }
            EXPECT_TRUE(shown.starts_with("Progressing/1/StepPaused ") && shown.ends_with(" v3=1")) << writes << shown;
            cluster.next();
            cluster.next();
            expect_over(cluster, "Healthy/3/Completed v3=10");
        }
    }
}

struct TakenOver : CanaryCluster {
    // v2 is released, the workload has its ReplicaSet, and is not freed yet.
    explicit TakenOver(std::string const& steps = kSteps) : CanaryCluster(kStyle, steps) {
        salt = "native";
        begin();
        next();
        approve();
        for (int round = 0; round < 100 && !has("v2"); ++round) {
            for (auto const& plan : {decide_rollout_now(), decide_batch_release_now()}) {
                if (!has("v2")) apply(plan, 1);
                settle();
            }
        }
        EXPECT_TRUE(has("v2") && get("deployments").at({"spec", "paused"}).as_bool());
    }
    // Whether the workload controls a set of this version with pods.
    bool has(std::string const& image) const { return !set_of(image).empty(); }
    std::string set_of(std::string const& image) const {
        for (Doc const& set : inputs().replica_sets) {
            bool const its = set.at({"spec", "template", "spec", "containers"})[0]["image"].as_string() == image;
            if (its && set.at({"spec", "replicas"}).as_int() > 0) return meta::label(set, "pod-template-hash");
        }
        return {};
    }
    std::string type() const { return get("deployments").at({"spec", "strategy", "type"}).string(); }
};

TEST(CanaryStyle, OnceTheyAreTakenOverTheNextVersionComesFromThem) {
    TakenOver cluster;
    cluster.end_saturated();
    EXPECT_EQ(cluster.type(), "Recreate");
    cluster.begin("v3");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v2=10 v3=1");
    EXPECT_EQ(meta::label(cluster.get("deployments"), apis::kStableRevisionLabel), cluster.set_of("v2"));
    EXPECT_EQ(cluster.type(), "RollingUpdate") << "as any that waits: it is scaled by the native controller";
    cluster.edit(R"({"spec":{"replicas":20}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v2=20 v3=2");
    cluster.begin("v2");
    expect_over(cluster, "Healthy/1/StepPaused v2=20");
}

TEST(CanaryStyle, OnceSomeAreTakenOverTheNextVersionComesFromTheLargerOne) {
    TakenOver cluster(R"([{"replicas":"10%"},{"replicas":"50%"}])");
    std::string const stable = cluster.set_of("v1");
    cluster.begin("v3");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5 v3=1");
    EXPECT_EQ(meta::label(cluster.get("deployments"), apis::kStableRevisionLabel), stable);
    EXPECT_EQ(cluster.type(), "RollingUpdate");
    cluster.begin("v1");
    expect_over(cluster, "Healthy/1/StepPaused v1=10");
}

TEST(CanaryStyle, EachVersionThatTheWorkloadHasSaysItsSizeBeforeItIsFreed) {
    for (std::string const& end : {std::string("approved"), std::string("disabled"), std::string("scaled")}) {
        TakenOver cluster(R"([{"replicas":"10%"},{"replicas":"50%"}])");
        for (auto& [name, set] : cluster.objects["replicasets"])
            set.set({"metadata", "annotations", "deployment.kubernetes.io/desired-replicas"},
                    name == "web-native-v1" ? "10" : "5");
        std::int64_t const replicas = end == "scaled" ? 20 : 10;
        if (end == "scaled") cluster.edit(R"({"spec":{"replicas":20}})");
        if (end == "disabled") cluster.edit_rollout(R"({"spec":{"disabled":true}})");
        cluster.run_in_small_steps([&] {
            if (cluster.get("deployments").at({"spec", "paused"}).as_bool()) return;
            for (Doc const& set : cluster.inputs().replica_sets)
                EXPECT_EQ(meta::annotation(set, "deployment.kubernetes.io/desired-replicas"), std::to_string(replicas))
                    << end;
        });
        EXPECT_TRUE(cluster.show().ends_with(fmt::format(" v2={}", replicas))) << cluster.show();
        EXPECT_FALSE(cluster.get("deployments").at({"spec", "paused"}).as_bool());
    }
}

TEST(CanaryStyle, AStrategyThatIsAskedForMeanwhileIsWhatTheWorkloadGets) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.adopts = false;
    cluster.next();
    cluster.edit(R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})");
    EXPECT_EQ(cluster.get("deployments").at({"spec", "strategy", "type"}).as_string(), "Recreate");
    cluster.adopts = true;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_EQ(json::write(cluster.get("deployments").at({"spec", "strategy"})),
              R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}})");
}

TEST(CanaryStyle, AWorkloadThatRecreatesItsPodsKeepsThoseThatWereTested) {
    CanaryCluster cluster;
    cluster.edit(R"({"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}})");
    cluster.begin();
    cluster.next();
    std::set<std::string> const tested = cluster.pods("v2");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_TRUE(includes(cluster.pods("v2"), tested));
    EXPECT_EQ(json::write(cluster.get("deployments").at({"spec", "strategy"})), R"({"type":"Recreate"})");
    EXPECT_EQ(cluster.marks(), "");
}

TEST(CanaryStyle, WhereAnotherDeploymentTakesThemTheWorkloadMakesItsOwn) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.adopts = false;
    cluster.next();
    for (auto& [name, set] : cluster.objects["replicasets"]) {
        if (meta::controller_of(Doc::freeze(set))) continue;
        json::Value other{json::Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}};
        other.set({"metadata", "name"}, "other");
        other.set({"metadata", "namespace"}, "demo");
        other.set({"spec", "paused"}, true);
        other.set({"spec", "template"}, set.at({"spec", "template"}));
        cluster.create("deployments", "other", other);
        set.set({"metadata", "ownerReferences"},
                json::Array{meta::controller_reference(cluster.named("deployments", "other"))});
        break;
    }
    cluster.run();
    EXPECT_TRUE(cluster.show().starts_with("Healthy/3/Completed v2=")) << cluster.show();
    EXPECT_FALSE(cluster.get("deployments").at({"spec", "paused"}).as_bool());
    EXPECT_EQ(cluster.marks(), "");
}

// Of two sets with one template the native controller keeps the older, which has no pods.
TEST(CanaryStyle, AVersionThatWasThereBeforeKeepsTheNewPods) {
    CanaryCluster cluster;
    for (char const* image : {"v2", "v1"}) {
        cluster.begin(image);
        cluster.next();
        std::set<std::string> const tested = cluster.pods(image);
        cluster.next();
        EXPECT_TRUE(includes(cluster.pods(image), tested)) << image;
        expect_over(cluster, fmt::format("Healthy/3/Completed {}=10", image));
    }
}

TEST(CanaryStyle, PodsThatAreNoneOfTheWorkloadsGoOnlyWhenItHasTheNewVersion) {
    CanaryCluster cluster(kPatchedStyle);
    cluster.begin();
    cluster.next();
    cluster.approve();
    for (int count = 0; count < 50; ++count) {
        cluster.apply(cluster.decide_rollout_now());
        bool const ends = !cluster.get("batchreleases").at({"spec", "releasePlan", "batchPartition"}).exists();
        if (ends) cluster.pods_start = false;   // the workload's own new pods do not become ready
        cluster.apply(cluster.decide_batch_release_now());
        cluster.settle();
    }
    EXPECT_EQ(cluster.marks(), "");
    EXPECT_EQ(cluster.seconds().size(), 1U);
    cluster.pods_start = true;
    cluster.settle();
    cluster.run();
    expect_over(cluster, "Healthy/3/Completed v2=10");
}

TEST(CanaryStyle, PutBackInTheMiddleTheWorkloadHasLostNothing) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.begin("v1");
    expect_over(cluster, "Healthy/2/StepPaused v1=10");
}

TEST(CanaryStyle, ANewerVersionBeginsAgainInADeploymentOfItsOwn) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    std::string const before = meta::name(cluster.seconds().front());
    cluster.begin("v3");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v3=1");
    ASSERT_EQ(cluster.seconds().size(), 1U);
    EXPECT_NE(meta::name(cluster.seconds().front()), before);
    cluster.next();
    cluster.next();
    expect_over(cluster, "Healthy/3/Completed v3=10");
}

// The one in between had begun, and had no ReplicaSet by which its revision could be told from another controller's.
TEST(CanaryStyle, OfThreeVersionsInQuickSuccessionTheNewestIsReleased) {
    CanaryCluster cluster;
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
    cluster.edit_rollout(
        R"({"status":{"canaryStatus":{"canaryRevision":"5d41402abc","currentStepState":"StepUpgrade"}}})", true);
    cluster.begin("v4");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v4=1");
}

// All of it is in the second Deployment until the workload has rolled: that is what the next one does not come from.
TEST(CanaryStyle, ANewerVersionWhileTheReleaseEndsComesFromWhatTheWorkloadRuns) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.approve();
    auto const ending = [&] {
        return meta::condition(cluster.get("rollouts"), "Progressing")["reason"].as_string() == "Finalising";
    };
    for (int round = 0; round < 100 && !ending(); ++round) {
        for (auto const& plan : {cluster.decide_batch_release_now(), cluster.decide_rollout_now()}) cluster.apply(plan);
        if (!ending()) cluster.settle();
    }
    ASSERT_TRUE(ending());
    EXPECT_EQ(cluster.show(), "Progressing/3/Completed v1=10 v2=10");
    cluster.begin("v3");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v3=1");
    cluster.begin("v1");
    expect_over(cluster, "Healthy/1/StepPaused v1=10");
}

// As upstream's suite has it: more pods raise the canary's share, fewer do not shrink it.
TEST(CanaryStyle, ScaledInTheMiddleTheShareGrowsAndNeverShrinks) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    for (auto const& [replicas, shown] : {std::pair("20", "v1=20 v2=10"), {"4", "v1=4 v2=10"}}) {
        cluster.edit(fmt::format(R"({{"spec":{{"replicas":{}}}}})", replicas));
        cluster.run();
        EXPECT_EQ(cluster.show(), fmt::format("Progressing/2/StepPaused {}", shown));
    }
}

// Upstream's controller takes such a workload for inconsistent, for ever.
TEST(CanaryStyle, ScaledToNothingNothingRunsAndItComesBackAtItsShare) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.edit(R"({"spec":{"replicas":0}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused");
    cluster.edit(R"({"spec":{"replicas":10}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=5");
}

// The native controller would bring it back in a ReplicaSet that an earlier release has left.
TEST(CanaryStyle, AVersionThatWasThereBeforeDoesNotComeBackFromNothing) {
    CanaryCluster cluster;
    for (char const* image : {"v2", "v1"}) {
        cluster.begin(image);
        cluster.next();
        cluster.next();
        ASSERT_TRUE(cluster.show().starts_with("Healthy/3/")) << cluster.show();
    }
    cluster.begin();
    cluster.edit(R"({"spec":{"replicas":0}})");
    cluster.run();
    cluster.edit(R"({"spec":{"replicas":10}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
}

TEST(CanaryStyle, TakenAwayByHandTheSecondDeploymentIsMadeAgain) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    std::string const name = meta::name(cluster.seconds().front());
    cluster.remove("deployments", name);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=5");
    ASSERT_EQ(cluster.seconds().size(), 1U);
    EXPECT_EQ(meta::name(cluster.seconds().front()), name);
}

TEST(CanaryStyle, AJumpBackTakesNoPodsAway) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.next();
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
}

TEST(CanaryStyle, DisabledOrDeletedItLetsTheVersionThroughAndLeavesNothing) {
    for (bool const removed : {false, true}) {
        CanaryCluster cluster;
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

TEST(CanaryStyle, WithoutItsWorkloadTheSecondDeploymentGoesToo) {
    CanaryCluster cluster;
    cluster.begin();
    cluster.objects["deployments"].erase("web");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Initial/0/");
    EXPECT_TRUE(cluster.list("deployments").empty());
    EXPECT_TRUE(cluster.list("batchreleases").empty());
}

TEST(CanaryStyle, ABatchReleaseMadeByHandMovesAndEnds) {
    CanaryCluster cluster;
    cluster.objects.erase("rollouts");
    cluster.edit(R"({"spec":{"paused":true}})");
    cluster.begin();
    json::Value batch_release = *json::parse_value(R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"BatchRelease",
        "metadata":{"name":"web","namespace":"demo","uid":"by-hand","generation":1},
        "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
        "releasePlan":{"batches":[{"canaryReplicas":2},{"canaryReplicas":"100%"}],"batchPartition":0,"rollingStyle":"Canary",
        "enableExtraWorkloadForCanary":true}}})");
    cluster.objects["batchreleases"]["web"] = batch_release;
    cluster.run();
    EXPECT_EQ(cluster.show(), "/0/ v1=10 v2=2");
    EXPECT_EQ(cluster.get("batchreleases").at({"status", "canaryStatus", "batchState"}).as_string(), "Ready");
    json::Value& plan = cluster.objects["batchreleases"]["web"];
    plan.set({"spec", "releasePlan", "batchPartition"}, 1);
    cluster.run();
    EXPECT_EQ(cluster.show(), "/0/ v1=10 v2=10");
    plan["spec"]["releasePlan"].erase("batchPartition");
    plan.set({"spec", "releasePlan", "finalizingPolicy"}, "WaitResume");
    cluster.run();
    EXPECT_EQ(cluster.get("batchreleases").at({"status", "phase"}).as_string(), "Completed");
    EXPECT_EQ(cluster.show(), "/0/ v2=10");
    EXPECT_TRUE(cluster.seconds().empty());
    EXPECT_EQ(cluster.marks(), "");
}

// What the second Deployment's pods have beside makes it no other version.
TEST(CanaryStyle, ThePatchOfThePodTemplateIsTheSecondDeploymentsAlone) {
    CanaryCluster cluster(kPatchedStyle);
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
    Doc const pod_template = cluster.seconds().front().at({"spec", "template", "metadata"});
    EXPECT_EQ(json::write(pod_template), R"({"labels":{"app":"web","track":"canary"},"annotations":{"a/b":"1"}})");
    cluster.next();
    cluster.next();
    expect_over(cluster, "Healthy/3/Completed v2=10");
    EXPECT_EQ(json::write(cluster.get("deployments").at({"spec", "template", "metadata"})),
              R"({"labels":{"app":"web"}})");
}

TEST(CanaryStyle, AReleaseThatKruisesControllerBeganGoesOn) {
    CanaryCluster cluster;
    cluster.begin();
    // The name that the API server made up, the finalizer, and its own hash of the template everywhere.
    auto& deployments = cluster.objects["deployments"];
    std::string const name = meta::name(cluster.seconds().front());
    json::Value second = deployments[name];
    deployments.erase(name);
    second.set({"metadata", "name"}, "web-x7k2p");
    second.set({"metadata", "finalizers"}, json::Array{apis::kCanaryDeploymentFinalizer});
    deployments["web-x7k2p"] = second;
    json::Value& rollout = cluster.objects["rollouts"]["web"];
    rollout.set({"status", "canaryStatus", "canaryRevision"}, "kruise7");
    rollout.set({"status", "canaryStatus", "observedRolloutID"}, "kruise7");
    json::Value& batch_release = cluster.objects["batchreleases"]["web"];
    batch_release.set({"spec", "releasePlan", "rolloutID"}, "kruise7");
    batch_release.set({"status", "observedRolloutID"}, "kruise7");
    batch_release.set({"status", "updateRevision"}, "kruise7");
    batch_release.set({"status", "observedReleasePlanHash"}, apis::release_plan_hash(Doc::freeze(batch_release)));
    for (auto& [key, pod] : cluster.objects["pods"]) {
        if (pod.at({"spec", "image"}).as_string() != "v2") continue;
        pod.set({"metadata", "labels", "controller-revision-hash"}, "kruise7");
        pod.set({"metadata", "labels", apis::kRolloutIdLabel}, "kruise7");
    }
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=1");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=10 v2=5");
    ASSERT_EQ(cluster.seconds().size(), 1U);
    EXPECT_EQ(meta::name(cluster.seconds().front()), "web-x7k2p");
    std::set<std::string> const tested = cluster.pods("v2");
    cluster.adopts = false;
    cluster.next();
    EXPECT_EQ(cluster.show(), "Progressing/3/Completed v1=10 v2=10");
    cluster.adopts = true;
    cluster.settle();
    cluster.run();
    EXPECT_TRUE(includes(cluster.pods("v2"), tested));
    expect_over(cluster, "Healthy/3/Completed v2=10");
}

}   // namespace
}   // namespace aviary::rollout
