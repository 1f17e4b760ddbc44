// The edges of a release: its end, changes of mind while it ends, and what people take away by hand.
#include <gtest/gtest.h>

#include "member/rollout/decide.h"
#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr char const* kArticle = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";

Doc condition(FakeCluster const& cluster, std::string_view type) {
    return meta::condition(cluster.get("rollouts"), type);
}

// The pods that the ReplicaSet of this image is to have.
void resize(FakeCluster& cluster, std::string const& image, std::int64_t replicas) {
    for (auto& [name, set] : cluster.objects["replicasets"]) {
        if (set.at({"spec", "template", "spec", "containers"})[0]["image"].as_string() == image)
            set.set({"spec", "replicas"}, replicas);
    }
}

// In the words of who refuses it, before the write is tried again, and once.
TEST(Edge, ARefusedWriteOfABatchIsSaidForAsLongAsItIs) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.apply(cluster.decide_rollout_now());
    cluster.apply(cluster.decide_rollout_now());
    cluster.batch_release_refused = "no room for it";
    control::Plan const refused = cluster.decide_batch_release_now();
    ASSERT_GT(refused.writes.size(), 1u);
    EXPECT_EQ(refused.waits.front().reason, "WriteRefused");
    ASSERT_FALSE(refused.events.empty());
    EXPECT_TRUE(refused.events.back().regardless);
    cluster.apply(refused, 1);
    Doc const status = cluster.get("batchreleases")["status"];
    EXPECT_EQ(status["message"].as_string(), "WriteRefused: no room for it");
    EXPECT_FALSE(status["phase"].exists());   // what the rest of the plan brings about is not said before it
    EXPECT_TRUE(cluster.decide_batch_release_now().events.empty());
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.decide_rollout_now().waits.front().reason, "WriteRefused");
    EXPECT_EQ(cluster.decide_rollout_now().waits.front().message, "no room for it");
    EXPECT_EQ(apis::hindrance(cluster.get("rollouts"), apis::kWriteRefused), "no room for it");
    cluster.batch_release_refused.clear();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_EQ(apis::hindrance(cluster.get("rollouts"), apis::kWriteRefused), "");
}

TEST(Edge, ARefusedWriteOfARolloutIsSaidForAsLongAsItIs) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.rollout_refused = "not by you";
    control::Plan const refused = cluster.decide_rollout_now();
    ASSERT_GT(refused.writes.size(), 1u);
    EXPECT_EQ(refused.waits.front().reason, "WriteRefused");
    EXPECT_TRUE(refused.events.back().regardless);
    cluster.apply(refused, 1);
    EXPECT_EQ(condition(cluster, "WriteRefused")["message"].as_string(), "not by you");
    std::string const since = condition(cluster, "WriteRefused")["lastTransitionTime"].string();
    EXPECT_EQ(cluster.get("rollouts").at({"status", "phase"}).as_string(), "Healthy");
    cluster.now += 60s;
    control::Plan const again = cluster.decide_rollout_now();
    EXPECT_EQ(format_rfc3339(*again.waits.front().since), since);
    EXPECT_TRUE(std::ranges::none_of(again.events, [](auto const& each) { return each.reason == "WriteRefused"; }));
    cluster.rollout_refused.clear();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_FALSE(condition(cluster, "WriteRefused").exists());
    // Also at rest, and on the way out.
    for (bool const deleted : {false, true}) {
        if (deleted) cluster.remove("rollouts", "web");
        cluster.rollout_refused = "not by you";
        cluster.apply(cluster.decide_rollout_now(), 1);
        EXPECT_TRUE(condition(cluster, "WriteRefused").exists()) << deleted;
        cluster.rollout_refused.clear();
        cluster.run();
        EXPECT_FALSE(condition(cluster, "WriteRefused").exists()) << deleted;
    }
}

// Upstream's definition asks for it.
TEST(Edge, TheFirstBatchHasItsNumber) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    Doc const batch = cluster.get("batchreleases").at({"status", "canaryStatus", "currentBatch"});
    EXPECT_TRUE(batch.is_int());
    EXPECT_EQ(batch.as_int(), 0);
}

// Past the webhook, that is: what the step has done is looked at again, and approved as any.
TEST(Edge, AStateThatIsNoneIsPutRight) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"currentStepState":"stepReady"}}})", true);
    EXPECT_EQ(cluster.decide_rollout_now().events.front().reason, "NoSuchState");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
}

TEST(Edge, AVersionPutBackWhileItsRollbackClosesBeginsAtStepOne) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.release("v1");
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(condition(cluster, "Progressing")["reason"].as_string(), "Cancelling");
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
}

// The controller stops after whichever write: the workload is free, and nothing may have been said of that.
TEST(Edge, ARollbackThatIsCutOffIsNoReleaseOfTheStableVersion) {
    for (std::size_t writes : {0u, 1u, 2u, 3u}) {
        FakeCluster cluster(kArticle);
        cluster.run();
        cluster.release("v2");
        cluster.run();
        cluster.release("v3");
        // Between the two: the BatchRelease of the one before has just gone.
        cluster.apply(cluster.decide_rollout_now());
        for (int count = 0; count < 20; ++count) cluster.apply(cluster.decide_batch_release_now());
        EXPECT_FALSE(cluster.get("batchreleases").exists());
        cluster.release("v1");
        for (int count = 0; count < 3; ++count) cluster.apply(cluster.decide_rollout_now(), writes);
        cluster.run();
        cluster.now += std::chrono::hours(1);   // pods that have just come count as settled
        cluster.run();
        EXPECT_TRUE(cluster.show().ends_with(" v1=10")) << writes << cluster.show();
        EXPECT_TRUE(cluster.show().starts_with("Healthy/")) << writes << cluster.show();
    }
}

TEST(Edge, ADisabledRolloutFreesWhatWasFrozenBesideIt) {
    FakeCluster cluster(kArticle);
    cluster.run();
    // The freeze has not seen yet that the Rollout is disabled.
    cluster.edit_rollout(R"({"spec":{"disabled":true}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Disabled/3/Completed v1=10");
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Disabled/3/Completed v2=10");
    EXPECT_EQ(cluster.marks(), "");
}

TEST(Edge, EnabledWhileItIsBeingDisabledItHoldsTheNextVersion) {
    for (int writes = 1; writes <= 6; ++writes) {
        FakeCluster cluster(kArticle);
        cluster.run();
        cluster.release("v2");
        cluster.run();
        cluster.edit_rollout(R"({"spec":{"disabled":true}})");
        for (int count = 0; count < writes; ++count) {
            if (!cluster.apply(cluster.decide_rollout_now(), 1)) cluster.apply(cluster.decide_batch_release_now(), 1);
        }
        cluster.edit_rollout(R"({"spec":{"disabled":false}})");
        cluster.release("v3");
        cluster.run();
        EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v3=1") << writes;
    }
}

TEST(Edge, ThatItIsEnabledAgainMayBeSeenAfterTheNextVersion) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.edit_rollout(R"({"spec":{"disabled":true}})");
    cluster.apply(cluster.decide_rollout_now());
    while (cluster.get("batchreleases").exists()) {
        cluster.apply(cluster.decide_rollout_now());
        cluster.apply(cluster.decide_batch_release_now());
    }
    cluster.release("v3");
    control::Plan const late = cluster.decide_rollout_now();   // from a copy of the Rollout that is older
    cluster.edit_rollout(R"({"spec":{"disabled":false}})");
    cluster.apply(late);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v3=1");
}

TEST(Edge, ADeletedRolloutFreesWhatWasFrozenMeanwhile) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.remove("rollouts", "web");
    control::Plan const last = cluster.decide_rollout_now();
    cluster.release("v2");
    cluster.apply(last);
    cluster.run();
    EXPECT_FALSE(cluster.get("rollouts").exists());
    EXPECT_EQ(cluster.show(), "/0/ v2=10");
    EXPECT_EQ(cluster.marks(), "");
}

TEST(Edge, DeletionIsShown) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.edit_rollout(R"({"metadata":{"finalizers":["rollouts.kruise.io/rollout","example.com/mine"]}})");
    cluster.remove("rollouts", "web");
    cluster.run();
    Doc const rollout = cluster.get("rollouts");
    EXPECT_EQ(json::write(rollout.at({"metadata", "finalizers"})), R"(["example.com/mine"])");
    EXPECT_EQ(rollout.at({"status", "phase"}).as_string(), "Terminating");
    EXPECT_EQ(condition(cluster, "Terminating")["status"].as_string(), "False");
    EXPECT_EQ(condition(cluster, "Terminating")["reason"].as_string(), "Completed");
}

TEST(Edge, TheVersionThatMostPodsRunIsPutBackWithoutSteps) {
    FakeCluster cluster(kArticle);
    cluster.run();
    // A native roll that does not get on, from before there was a Rollout.
    json::Value const rollout = cluster.objects["rollouts"]["web"];
    cluster.objects["rollouts"].clear();
    cluster.release("v2");
    cluster.settle();
    resize(cluster, "v1", 8);
    resize(cluster, "v2", 5);
    cluster.objects["rollouts"]["web"] = rollout;
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/BeforeStepUpgrade v1=10");
    EXPECT_EQ(condition(cluster, "Progressing")["message"].as_string(), "Rollout progressing has been canceled");
    EXPECT_EQ(cluster.marks(), "");
}

TEST(Edge, AReleaseThatIsOverDoesNotWaitForItsPodsForEver) {
    FakeCluster cluster(R"([{"replicas":"20%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.pods_start = false;
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/Completed v2=10");
    ASSERT_TRUE(cluster.decide_rollout_now().requeue);
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 60s);
    cluster.now += 2min;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/Completed v2=10");
    EXPECT_FALSE(cluster.get("batchreleases").exists());
    EXPECT_EQ(cluster.marks(), "");
}

TEST(Edge, ABatchReleaseThatIsTakenAwayTakesNoPodsBack) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.approve();
    cluster.run();
    cluster.remove("batchreleases", "web");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    cluster.approve();
    for (int round = 0; round < 4; ++round) {
        cluster.apply(cluster.decide_rollout_now());
        cluster.apply(cluster.decide_batch_release_now());
        cluster.apply(cluster.decide_roll_now());
        cluster.settle();
        int updated = 0;
        for (Doc const& pod : cluster.list("pods")) updated += pod.at({"spec", "image"}).as_string() == "v2" ? 1 : 0;
        EXPECT_GE(updated, 5);
    }
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
}

TEST(Edge, AnEditedStepIsInForceAtOnce) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.edit_rollout(
        R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":1},{"replicas":"50%"},{"replicas":"100%"}]}}}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    cluster.edit(R"({"spec":{"replicas":30}})");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=29 v2=1");
}

TEST(Edge, ScaledUpWhenAllPodsAreUpdatedTheStepWaitsForTheNewOnes) {
    FakeCluster cluster(R"([{"replicas":"100%"},{"replicas":"100%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    ASSERT_EQ(cluster.show(), "Progressing/1/StepPaused v2=10");
    cluster.most_ready = 10;
    cluster.edit(R"({"spec":{"replicas":12}})");
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true);
    // The BatchRelease still says that it is ready, with ten.
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v2=10");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v2=12");
    cluster.most_ready = 12;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v2=12");
}

TEST(Edge, APauseIsNotPassedByALengthThatOverflows) {
    FakeCluster cluster(R"([{"replicas":"10%","pause":{"duration":9999999999}},{"replicas":"100%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
}

TEST(Edge, AConditionThatTurnsSaysWhen) {
    FakeCluster cluster(kArticle);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.now += 1h;
    cluster.approve();
    cluster.run();
    // Still True: since the release began.
    EXPECT_EQ(condition(cluster, "Progressing")["lastTransitionTime"].as_string(), format_rfc3339(cluster.now - 1h));
    cluster.approve();
    cluster.run();
    EXPECT_EQ(condition(cluster, "Progressing")["status"].as_string(), "False");
    EXPECT_EQ(condition(cluster, "Progressing")["lastTransitionTime"].as_string(), format_rfc3339(cluster.now));
    EXPECT_EQ(condition(cluster, "Progressing")["lastUpdateTime"].as_string(), format_rfc3339(cluster.now));
}

}   // namespace
}   // namespace aviary::rollout
