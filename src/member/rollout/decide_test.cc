#include "member/rollout/decide.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "apis/rollouts/hash.h"
#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr char const* kArticle = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";
constexpr char const* kPartition = R"({"canary":{}})";
constexpr char const* kBlueGreen = R"({"blueGreen":{}})";
constexpr char const* kCanary = R"({"canary":{"enableExtraWorkloadForCanary":true}})";

std::string condition(FakeCluster const& cluster, std::string_view type) {
    for (auto const& [key, each] : cluster.get("rollouts").at({"status", "conditions"}).elements()) {
        if (each["type"].as_string() == type)
            return fmt::format("{}/{}/{}", each["status"].as_string(), each["reason"].as_string(),
                               each["message"].as_string());
    }
    return "none";
}

std::string waits(FakeCluster const& cluster) {
    std::string text;
    for (control::Wait const& wait : cluster.decide_rollout_now().waits) text += wait.reason + " ";
    return text;
}

std::string events(FakeCluster const& cluster) {
    std::string text;
    for (auto const& each : cluster.decide_rollout_now().events)
        text += fmt::format("{} {} {}", each.type, each.reason, each.message);
    return text;
}

TEST(Rollout, WithoutAReleaseIsHealthyAndCompleted) {
    FakeCluster cluster(kArticle);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v1=10");
    EXPECT_EQ(cluster.message(), "workload deployment is completed");
    Doc const rollout = cluster.get("rollouts");
    EXPECT_TRUE(meta::has_finalizer(rollout, apis::kRolloutFinalizer));
    EXPECT_EQ(meta::annotation(rollout, apis::kRolloutHashAnnotation).size(), 64u);
    EXPECT_EQ(rollout.at({"status", "canaryStatus", "nextStepIndex"}).as_int(), -1);
    EXPECT_EQ(meta::label(cluster.get("deployments"), apis::kWorkloadTypeLabel), "deployment");
}

TEST(Rollout, AReleaseWaitsForAnApprovalAtEachStep) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_EQ(cluster.message(), "Rollout is in step(1/3), and you need manually confirm to enter the next step");
    EXPECT_EQ(condition(cluster, "Progressing"), "True/InRolling/Rollout is in Progressing");
    EXPECT_EQ(waits(cluster), "AwaitingApproval ");
    Doc const batch_release = cluster.get("batchreleases");
    EXPECT_EQ(batch_release.at({"status", "phase"}).as_string(), "Progressing");
    EXPECT_EQ(batch_release.at({"status", "canaryStatus", "batchState"}).as_string(), "Ready");
    EXPECT_EQ(batch_release.at({"spec", "releasePlan", "batchPartition"}).as_int(), 0);
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_EQ(condition(cluster, "Progressing"), "False/Completed/Rollout progressing has been completed");
    EXPECT_EQ(condition(cluster, "Succeeded"), "True//");
    EXPECT_EQ(cluster.marks(), "");
    EXPECT_FALSE(cluster.get("batchreleases").exists());
    EXPECT_EQ(json::write(cluster.get("deployments").at({"spec", "strategy"})),
              R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}})");
    EXPECT_FALSE(cluster.get("deployments").at({"spec", "paused"}).as_bool());
}

TEST(Rollout, PodsAreLabelledWithTheirBatch) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.run();
    std::map<std::string, int> batches;
    for (Doc const& pod : cluster.list("pods")) ++batches[meta::label(pod, apis::kRolloutBatchIdLabel)];
    EXPECT_EQ(batches, (std::map<std::string, int>{{"", 5}, {"1", 1}, {"2", 4}}));
}

// A node writes the status of a pod that it takes; a label that comes in between makes it try again.
TEST(Rollout, PodsAreLabelledOnceTheirNodeHasTakenThem) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    std::string const pod = meta::name(cluster.list("pods")[0]);
    json::Value& object = cluster.objects["pods"][pod];
    ASSERT_EQ(object.at({"metadata", "labels", apis::kRolloutBatchIdLabel}).as_string(), "1");
    object.set({"metadata", "labels"}, json::Object());
    object["status"] = json::Object();
    object.set({"metadata", "creationTimestamp"}, format_rfc3339(cluster.now));
    control::Plan const plan = cluster.decide_batch_release_now();
    for (control::Write const& write : plan.writes) EXPECT_NE(write.resource.resource, "pods");
    ASSERT_TRUE(plan.requeue);
    EXPECT_EQ(plan.requeue->at, cluster.now + 2s);
    cluster.now += 2s;
    cluster.run();
    EXPECT_EQ(object.at({"metadata", "labels", apis::kRolloutBatchIdLabel}).as_string(), "1");
}

// The Rollout says so; a batch that is soon ready costs no write of its own.
TEST(BatchRelease, SaysThatABatchHasBegunWhenItTakesLonger) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    auto const says_so = [&] {
        for (control::Write const& write : cluster.decide_batch_release_now().writes) {
            if (write.resource.resource == "batchreleases") return true;
        }
        return false;
    };
    cluster.approve();
    ASSERT_TRUE(cluster.apply(cluster.decide_rollout_now()));
    EXPECT_FALSE(says_so());
    ASSERT_TRUE(cluster.decide_batch_release_now().requeue);
    EXPECT_EQ(cluster.decide_batch_release_now().requeue->at, cluster.now + 2s);
    cluster.now += 2s;
    EXPECT_TRUE(says_so());
}

// What its Rollout ends is no other version, and on the way to the end there is nothing to say.
TEST(BatchRelease, OfAReleaseThatEndsSaysOnlyThatItIsCompleted) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.run();
    cluster.approve();
    std::string said;
    for (int round = 0; round < 50 && cluster.get("rollouts").at({"status", "phase"}).as_string() != "Healthy";
         ++round) {
        cluster.apply(cluster.decide_rollout_now(), 1);
        control::Plan const plan = cluster.decide_batch_release_now();
        bool const writes_status = std::ranges::any_of(plan.writes, [](control::Write const& write) {
            return write.resource.resource == "batchreleases" && write.subresource == "status";
        });
        cluster.apply(plan);
        cluster.apply(cluster.decide_roll_now());
        cluster.settle();
        Doc const status = cluster.get("batchreleases")["status"];
        EXPECT_EQ(status["message"].as_string(), "");
        if (writes_status && condition(cluster, "Progressing").starts_with("True/Finalising"))
            said += status["phase"].string() + " ";
    }
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_EQ(said, "Completed ");
}

// Both see the same pods: the pause does not wait for the BatchRelease's word to be stored and read back.
TEST(Rollout, PausesWhenItsBatchIsReadyAlsoBeforeThatIsStored) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.pods_start = false;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=9 v2=1");
    cluster.pods_start = true;
    cluster.settle();
    control::Plan const batch = cluster.decide_batch_release_now();
    ASSERT_EQ(batch.writes.size(), 1U);
    EXPECT_EQ(batch.writes.front().subresource, "status");
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_EQ(cluster.get("batchreleases").at({"status", "canaryStatus", "batchState"}).as_string(), "Upgrading");
    cluster.run();
    EXPECT_EQ(cluster.get("batchreleases").at({"status", "canaryStatus", "batchState"}).as_string(), "Ready");
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    // A batch that has yet to begin is not ready.
    cluster.approve();
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.show(), "Progressing/2/StepUpgrade v1=9 v2=1");
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.show(), "Progressing/2/StepUpgrade v1=9 v2=1");
    // One that is ready within moments was never said to have begun: what is stored is the batch before.
    ASSERT_TRUE(cluster.apply(cluster.decide_batch_release_now()));
    for (int round = 0; round < 9 && cluster.show() != "Progressing/2/StepUpgrade v1=5 v2=5"; ++round) {
        cluster.apply(cluster.decide_roll_now());
        cluster.settle();
    }
    control::Plan const end = cluster.decide_batch_release_now();
    ASSERT_EQ(end.writes.back().subresource, "status");
    cluster.apply(end, end.writes.size() - 1);   // the labels
    Doc const stored = cluster.get("batchreleases")["status"];
    ASSERT_EQ(stored.at({"canaryStatus", "currentBatch"}).as_int(), 0);
    ASSERT_EQ(stored.at({"canaryStatus", "batchState"}).as_string(), "Ready");
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
}

// Steps of one pod each in a workload of two: the cursor goes from batch to batch though no pod moves.
TEST(BatchRelease, GoesThroughBatchesThatAreReadyAlready) {
    FakeCluster cluster(kArticle, 2);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.apply(cluster.decide_rollout_now());
    json::Value& batch_release = cluster.objects["batchreleases"]["web"];
    batch_release.set({"status", "observedReleasePlanHash"}, apis::release_plan_hash(Doc::freeze(batch_release)));
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=1 v2=1");
}

TEST(Rollout, PausesEndAsTheyAreMeant) {
    FakeCluster cluster(
        R"([{"replicas":"10%","pause":{"duration":0}},{"replicas":2,"pause":{"duration":30}},{"replicas":"80%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=8 v2=2");
    EXPECT_EQ(cluster.message(), "Rollout is in step(2/3), and wait duration(30 seconds) to enter the next step");
    ASSERT_TRUE(cluster.decide_rollout_now().requeue);
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 30s);
    cluster.now += 29s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=8 v2=2");
    cluster.now += 1s;
    cluster.run();
    // The last step is not "100%": it waits, and its approval promotes everything.
    EXPECT_EQ(cluster.show(), "Progressing/3/StepPaused v1=2 v2=8");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
}

TEST(Rollout, ALastStepWhoseNumberIsAllOfThemWaits) {
    FakeCluster cluster(R"([{"replicas":5},{"replicas":10}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v2=10");
    EXPECT_EQ(waits(cluster), "AwaitingApproval ");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
}

TEST(Rollout, TheOldVersionPutBackCancels) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.run();
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/2/StepPaused v1=10");
    EXPECT_EQ(condition(cluster, "Progressing"), "False/Completed/Rollout progressing has been canceled");
    EXPECT_EQ(condition(cluster, "Succeeded"), "False//");
    EXPECT_EQ(cluster.marks(), "");
}

// The share of the version before was granted to that one.
TEST(Rollout, ANewerVersionThatComesPastTheWebhookBeginsAtItsOwnShare) {
    struct Case {
        bool last, paused;
        char const* before;
        char const* meanwhile;
    };
    for (Case const& each : {Case{false, false, "Progressing/2/StepPaused v1=5 v2=5", ""},
                             Case{true, false, "Progressing/3/StepPaused v2=10", ""},
                             Case{false, true, "Progressing/2/StepPaused v1=5 v2=5", "v1=5 v2=5"},
                             Case{true, true, "Progressing/3/StepPaused v2=10", "v2=10"}}) {
        FakeCluster cluster(
            R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%","pause":{}},{"replicas":"100%"}])");
        cluster.run();
        cluster.release("v2");
        cluster.run();
        for (int step = 1; step < (each.last ? 3 : 2); ++step) {
            cluster.approve();
            cluster.run();
        }
        ASSERT_EQ(cluster.show(), each.before);
        if (each.paused) cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
        json::Value& workload = cluster.objects["deployments"]["web"];
        workload.set({"spec", "template", "spec", "containers"},
                     *json::parse_value(R"([{"name":"main","image":"v3"}])"));
        workload.set({"metadata", "generation"}, workload.at({"metadata", "generation"}).as_int() + 1);
        cluster.run();
        EXPECT_TRUE(!each.paused || cluster.show().ends_with(each.meanwhile)) << cluster.show();
        if (each.paused) cluster.edit_rollout(R"({"spec":{"strategy":{"paused":false}}})");
        cluster.run();
        EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v3=1");
    }
}

// As an earlier version of this controller, or another one, has begun it.
TEST(Rollout, AReleaseThatDoesNotSayToWhatItsShareIsGrantedSaysSoAndGoesOn) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    json::Value& annotation =
        cluster
            .objects["deployments"]["web"]["metadata"]["annotations"][std::string(apis::kDeploymentStrategyAnnotation)];
    std::string const said = annotation.string();
    annotation = said.substr(0, said.find(R"(,"grantedTo")")) + "}";
    ASSERT_NE(annotation.string(), said);
    cluster.run();
    EXPECT_EQ(meta::annotation(cluster.get("deployments"), apis::kDeploymentStrategyAnnotation), said);
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
}

TEST(Rollout, ANewerVersionBeginsAgainFromTheStableOne) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.run();
    cluster.release("v3");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v3=1");
    EXPECT_EQ(condition(cluster, "Progressing"), "True/InRolling/Rollout is in Progressing");
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/StepPaused v1=10");
}

TEST(Rollout, PodsMoveForTheVersionThatItsStepsAreAbout) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.run();
    // The BatchRelease is made anew at step 2, and finds a version that the Rollout has not seen yet.
    cluster.release("v3");
    cluster.objects["batchreleases"]["web"].erase("status");
    EXPECT_EQ(cluster.decide_batch_release_now().writes.size(), 1U);   // its own status
    EXPECT_TRUE(cluster.decide_roll_now().writes.empty());
    // Or the old version put back, while the Rollout still takes the release back.
    cluster.release("v1");
    cluster.edit_rollout(R"({"status":{"conditions":[{"type":"Progressing","status":"True","reason":"Cancelling"}]}})",
                         true);
    for (control::Write const& write : cluster.decide_batch_release_now().writes)
        EXPECT_NE(write.resource.resource, "deployments") << write.why;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/BeforeStepUpgrade v1=10");
}

// A Deployment that rolls is scaled by the native controller, paused or not: versions in between would grow.
TEST(Rollout, BetweenTwoReleasesTheWorkloadKeepsTheStrategyThatHoldsItStill) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.release("v1");
    cluster.release("v3");
    cluster.edit_rollout(R"({"status":{"conditions":[{"type":"Progressing","status":"True","reason":"Cancelling"}]}})",
                         true);
    for (int round = 0; round < 4 && cluster.get("batchreleases").exists(); ++round) {
        cluster.apply(cluster.decide_rollout_now());
        cluster.apply(cluster.decide_batch_release_now());
        Doc const workload = cluster.get("deployments");
        EXPECT_EQ(workload.at({"spec", "strategy", "type"}).as_string(), "Recreate");
        EXPECT_TRUE(workload.at({"spec", "paused"}).as_bool());
    }
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v3=1");
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.get("deployments").at({"spec", "strategy", "type"}).as_string(), "RollingUpdate");
}

TEST(Rollout, AJumpGoesWhereItIsTold) {
    FakeCluster cluster(R"([{"replicas":1},{"replicas":3},{"replicas":5},{"replicas":"100%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":3}}})", true);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/3/StepPaused v1=5 v2=5");
    // Back: pods stay.
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=5 v2=5");
}

TEST(Rollout, AJumpToTheStepItselfRunsItAgain) {
    FakeCluster cluster(R"([{"replicas":"10%","pause":{"duration":30}},{"replicas":"100%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.now += 20s;
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    EXPECT_EQ(events(cluster), "Normal Progressing upgrade step(1) canary pods with new versions done");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_EQ(cluster.get("rollouts").at({"status", "canaryStatus", "nextStepIndex"}).as_int(), 2);
    ASSERT_TRUE(cluster.decide_rollout_now().requeue);
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 30s);
}

TEST(Rollout, AJumpToAStepThatThereIsNotIsSaidAndTakenBack) {
    FakeCluster cluster(R"([{"replicas":1},{"replicas":3},{"replicas":"100%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    auto const next = [&] { return cluster.get("rollouts").at({"status", "canaryStatus", "nextStepIndex"}).as_int(); };
    for (int const step : {9, 4, -1, -7}) {
        cluster.edit_rollout(fmt::format(R"({{"status":{{"canaryStatus":{{"nextStepIndex":{}}}}}}})", step), true);
        EXPECT_EQ(events(cluster),
                  fmt::format("Warning NoSuchStep nextStepIndex {} is ignored: there are steps 1 to 3", step));
        cluster.run();
        EXPECT_EQ(next(), 2);
        EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    }
    // Nobody has said anything.
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":0}}})", true);
    EXPECT_EQ(events(cluster), "");
    cluster.run();
    EXPECT_EQ(next(), 2);
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":3}}})", true);
    cluster.run();
    EXPECT_EQ(next(), -1);
}

TEST(Rollout, AChangedPlanGoesOnFromWhatIsReached) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.edit_rollout(
        R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"30%"},{"replicas":"60%"},{"replicas":"100%"}]}}}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=7 v2=3");
    // A pause is no change of the plan.
    cluster.edit_rollout(
        R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"30%","pause":{"duration":5}},{"replicas":"60%"},{"replicas":"100%"}]}}}})");
    cluster.now += 5s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=4 v2=6");
}

TEST(Rollout, PausedItStaysWhereItIs) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
    cluster.run();
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepReady v1=9 v2=1");
    EXPECT_EQ(condition(cluster, "Progressing"), "True/Paused/Rollout has been paused, you can resume it by kube-cli");
    EXPECT_EQ(waits(cluster), "Paused ");
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":false}}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
}

TEST(Rollout, DisabledOrDeletedItLetsTheVersionThroughAndLeavesNothing) {
    FakeCluster disabled(kArticle);
    disabled.run();
    disabled.release("v2");
    disabled.run();
    disabled.edit_rollout(R"({"spec":{"disabled":true}})");
    disabled.run();
    EXPECT_EQ(disabled.show(), "Disabled/1/StepPaused v2=10");
    EXPECT_EQ(disabled.message(), "Rollout is disabled");
    EXPECT_EQ(disabled.marks(), "");
    FakeCluster deleted(kArticle);
    deleted.run();
    deleted.release("v2");
    deleted.run();
    deleted.remove("rollouts", "web");
    deleted.run();
    EXPECT_FALSE(deleted.get("rollouts").exists());
    EXPECT_FALSE(deleted.get("batchreleases").exists());
    EXPECT_EQ(deleted.marks(), "");
    EXPECT_EQ(deleted.show(), "/0/ v2=10");
}

TEST(Rollout, WithoutItsWorkloadItStartsAfresh) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.objects["deployments"].clear();
    cluster.objects["replicasets"].clear();
    cluster.objects["pods"].clear();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Initial/0/");
    EXPECT_EQ(cluster.message(), "Workload Not Found");
    EXPECT_FALSE(cluster.get("batchreleases").exists());
}

TEST(Rollout, SomebodysLeftoversDoNotOpenTheGate) {
    FakeCluster cluster(kArticle);
    cluster.run();
    // What Kruise's controller leaves when another manager un-pauses before it has finalised.
    cluster.edit(
        R"({"metadata":{"annotations":{"rollouts.kruise.io/deployment-strategy":"{\"rollingStyle\":\"Partition\",\"partition\":\"100%\"}",
        "batchrelease.rollouts.kruise.io/control-info":"{\"name\":\"web\",\"uid\":\"gone\"}","rollouts.kruise.io/deployment-extra-status":"{}"}}})");
    cluster.release("v2");
    EXPECT_EQ(cluster.marks(), "rollouts.kruise.io/stable-revision rollouts.kruise.io/in-progressing ");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    FakeCluster idle(kArticle);
    idle.run();
    idle.edit(
        R"({"metadata":{"annotations":{"rollouts.kruise.io/deployment-strategy":"{\"rollingStyle\":\"Partition\",\"partition\":\"100%\"}"}}})");
    idle.run();
    EXPECT_EQ(idle.marks(), "");
}

TEST(Rollout, AnApprovalThatCameInBetweenIsNotOverwritten) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.pods_start = false;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=9 v2=1");
    cluster.pods_start = true;
    cluster.settle();
    cluster.apply(cluster.decide_batch_release_now());
    control::Plan const late = cluster.decide_rollout_now();
    ASSERT_FALSE(late.writes.empty());
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}}})", true);
    EXPECT_FALSE(cluster.apply(late));
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
}

TEST(Rollout, SaysWhatItWaitsFor) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.pods_start = false;
    cluster.run();
    for (auto& [name, pod] : cluster.objects["pods"]) {
        if (pod.at({"spec", "image"}).as_string() != "v2") continue;
        pod["status"] = *json::parse_value(
            R"({"phase":"Running","containerStatuses":[{"name":"main","ready":false,"state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s"}}}]})");
    }
    EXPECT_EQ(waits(cluster), "CrashLooping ");
    auto const events = cluster.decide_batch_release_now().events;
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].type + " " + events[0].reason, "Warning CrashLooping");
    EXPECT_EQ(events[0].regarding["name"].as_string(), "web");
    cluster.run();
    EXPECT_TRUE(cluster.decide_batch_release_now().events.empty()) << "told once";
    std::string const message = cluster.get("batchreleases").at({"status", "message"}).string();
    EXPECT_TRUE(message.starts_with("CrashLooping: pod web-")) << message;
    EXPECT_NE(cluster.get("rollouts").at({"status", "canaryStatus", "message"}).string().find("CrashLooping"),
              std::string::npos);
}

TEST(Rollout, AWorkloadHeldForARolloutThatIsGoneIsTakenOver) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.objects["deployments"]["web"].set({"metadata", "annotations", apis::kInProgressingAnnotation},
                                              R"({"rolloutName":"gone"})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/StepPaused v1=10");
    EXPECT_EQ(cluster.marks(), "");
}

TEST(Rollout, AReleaseThatKruisesControllerBeganGoesOn) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    // As its own hash of the template would have been noted everywhere.
    json::Value& rollout = cluster.objects["rollouts"]["web"];
    rollout.set({"status", "canaryStatus", "canaryRevision"}, "kruise7");
    rollout.set({"status", "canaryStatus", "observedRolloutID"}, "kruise7");
    json::Value& batch_release = cluster.objects["batchreleases"]["web"];
    batch_release.set({"spec", "releasePlan", "rolloutID"}, "kruise7");
    batch_release.set({"status", "observedRolloutID"}, "kruise7");
    batch_release.set({"status", "updateRevision"}, "kruise7");
    batch_release.set({"status", "observedReleasePlanHash"}, apis::release_plan_hash(Doc::freeze(batch_release)));
    for (auto& [name, pod] : cluster.objects["pods"]) {
        if (pod.at({"spec", "image"}).as_string() != "v2") continue;
        pod.set({"metadata", "labels", "controller-revision-hash"}, "kruise7");
        pod.set({"metadata", "labels", apis::kRolloutIdLabel}, "kruise7");
    }
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_EQ(cluster.marks(), "");
}

// Something that may happen to a release between two looks at it.
void disturb(FakeCluster& cluster, int what, int& version, int& approvals) {
    Doc const status = cluster.get("rollouts")["status"];
    bool const paused = status["phase"].as_string() == "Progressing" &&
                        status.at({cluster.status_part(), "currentStepState"}).as_string() == "StepPaused";
    switch (what) {
        case 0:
        case 1:
        case 2:
            if (paused) {
                ++approvals;
                cluster.approve();
            }
            break;
        case 3: cluster.release(fmt::format("v{}", ++version)); break;
        case 4:
            cluster.edit(
                R"({"spec":{"paused":false,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}})");
            break;
        case 5: cluster.edit(R"({"metadata":{"labels":{"team":"llm"}}})"); break;
        case 6: cluster.release("v1"); break;
        default: break;
    }
}

// A third version in the middle of a blue-green release waits for this.
void put_stable_back(FakeCluster& cluster) {
    std::string const stable = meta::label(cluster.get("deployments"), apis::kStableRevisionLabel);
    for (Doc const& set : cluster.list("replicasets")) {
        if (meta::label(set, "pod-template-hash") == stable)
            cluster.release(set.at({"spec", "template", "spec", "containers"})[0]["image"].string());
    }
}

// With nothing changed outside, deciding again is empty.
void check_rest(FakeCluster const& cluster) {
    RC_ASSERT(cluster.problem.empty());
    RC_ASSERT(cluster.decide_rollout_now().empty());
    RC_ASSERT(cluster.decide_batch_release_now().empty());
    RC_ASSERT(cluster.decide_roll_now().empty());
}

TEST(RolloutLaw, ItComesToRestAfterAnyPrefixOfItsWrites) {
    rc::check([] {
        FakeCluster cluster(kArticle, *rc::gen::inRange(1, 14), *rc::gen::element(kPartition, kCanary, kBlueGreen));
        cluster.run();
        int version = 1, approvals = 0;
        auto const story = *rc::gen::container<std::vector<std::pair<int, int>>>(
            rc::gen::pair(rc::gen::inRange(0, 8), rc::gen::inRange(0, 6)));
        for (auto const& [what, cut] : story) {
            disturb(cluster, what, version, approvals);
            // A crash after some writes of one of the controllers.
            cluster.apply(cluster.decide_rollout_now(), static_cast<std::size_t>(cut % 3));
            cluster.apply(cluster.decide_batch_release_now(), static_cast<std::size_t>(cut % 4));
            cluster.apply(cluster.decide_roll_now(), static_cast<std::size_t>(cut % 2));
            cluster.settle();
            if (cut > 3) cluster.run();
        }
        cluster.run();
        check_rest(cluster);
        if (cluster.message().starts_with("new version releasing detected")) put_stable_back(cluster);
        cluster.run();
        for (int round = 0; round < 8; ++round) {   // people approve what is asked of them: it ends
            disturb(cluster, 0, version, approvals);
            cluster.run();
        }
        RC_ASSERT(cluster.get("rollouts").at({"status", "phase"}).as_string() == "Healthy");
        RC_ASSERT(cluster.marks() == "");
        RC_ASSERT(cluster.list("deployments").size() == 1U);
        check_rest(cluster);
    });
}

TEST(RolloutLaw, NoPauseIsPassedWithoutAnApproval) {
    rc::check([] {
        std::int64_t const replicas = *rc::gen::inRange<std::int64_t>(2, 14);
        std::string const style = *rc::gen::element(kPartition, kCanary, kBlueGreen);
        FakeCluster cluster(kArticle, replicas, style);
        cluster.run();
        cluster.release("v2");
        int version = 2, approvals = 0;
        auto const story = *rc::gen::container<std::vector<int>>(rc::gen::element(0, 4, 5, 7));
        for (int const what : story) {
            disturb(cluster, what, version, approvals);
            cluster.run();
            std::int64_t updated = 0;
            for (Doc const& pod : cluster.list("pods"))
                updated += pod.at({"spec", "image"}).as_string() == "v2" ? 1 : 0;
            std::int64_t const tenth = (replicas + 9) / 10, half = std::min(replicas - 1, (replicas + 1) / 2);
            RC_ASSERT(updated == (approvals == 0 ? tenth : approvals == 1 ? half : replicas));
        }
    });
}

}   // namespace
}   // namespace aviary::rollout
