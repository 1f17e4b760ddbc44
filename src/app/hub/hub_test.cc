// Hub and members together, end to end, in virtual time.
#include "app/hub/hub.h"

#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

std::string text_of(std::map<std::string, std::uint64_t> const& before,
                    std::map<std::string, std::uint64_t> const& after) {
    std::string text;
    for (auto const& [what, count] : after) {
        auto const found = before.find(what);
        std::uint64_t const more = count - (found == before.end() ? 0 : found->second);
        if (more > 0) text += fmt::format("{} x{}; ", what, more);
    }
    return text;
}

Task<Doc> binding_of(Fleet& fleet) {
    auto const found =
        co_await fleet.at("fleet").get(fleet.scope.context(), apis::kFleetBindings, {"demo", "deployment-web"});
    co_return found ? *found : Doc();
}

CO_TEST(Hub, AReleaseIsApprovedByDecisions) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    for (std::string const& cluster : fleet.members) {
        Images const counts = co_await fleet.images(cluster);
        EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}})) << cluster;
    }
    // One cluster alone.
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    std::string text = co_await fleet.outcome("first");
    EXPECT_EQ(text, "Applied beijing Applied");
    text = co_await fleet.show("oslo", "state");
    EXPECT_EQ(text, "Progressing/1/StepPaused");
    Doc const on_hub = co_await fleet.get("fleet", apis::kRollouts);
    EXPECT_EQ(on_hub.at({"status", "currentStepIndex"}).as_int(), 1) << "who is furthest behind speaks for the fleet";
    // The same word again is no approval of the next step.
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "second"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    text = co_await fleet.show("oslo", "state");
    EXPECT_EQ(text, "Progressing/2/StepPaused");
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "third"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await fleet.until_all("v2", "10"));
    CO_ASSERT_OK(co_await fleet.until("fleet", "phase", "Healthy"));
    text = co_await fleet.outcome("third");
    EXPECT_EQ(text, "Applied beijing Applied oslo Applied");
    STOP_FLEET();
}

// A leader is gone between sending an approval and writing that down, and the member is away when its time ends.
CO_TEST(Hub, WhatTheLeaderBeforeSentIsNotSaidToHaveExpired) {
    for (bool const sent : {true, false}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        fleet.ways.cut = {sent ? "" : "beijing"};
        CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first", 60s));
        CO_ASSERT_OK(
            co_await fleet.until("beijing", "state", sent ? "Progressing/2/StepPaused" : "Progressing/1/StepPaused"));
        std::string text = co_await fleet.outcome("first");
        if (sent) EXPECT_EQ(text, "");
        co_await fleet.stop_hub();
        fleet.ways.cut = {"beijing"};
        fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
        text = co_await fleet.outcome("first");
        EXPECT_EQ(text, "Pending beijing Unreachable") << sent;
        fleet.ways.cut = {};
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        text = co_await fleet.outcome("first");
        EXPECT_EQ(text, sent ? "Applied beijing Applied" : "Expired beijing Expired");
        text = co_await fleet.show("beijing", "state");
        EXPECT_EQ(text, sent ? "Progressing/2/StepPaused" : "Progressing/1/StepPaused");
        STOP_FLEET();
    }
}

CO_TEST(Hub, AnUndoStaysUntilTheHubHasAnotherVersion) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.decide("Undo", {"beijing"}, "undo"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    std::string text = co_await fleet.outcome("undo");
    EXPECT_EQ(text, "Applied beijing Applied");
    // Not brought back by another change, nor by a restart.
    CO_ASSERT_OK(co_await fleet.patch("fleet", kDeployments, R"({"spec":{"replicas":12}})"));
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "12"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 12}}));
    text = co_await fleet.show("oslo", "state");
    EXPECT_EQ(text, "Progressing/1/StepPaused");
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until_all("v3", "2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}, {"v3", 2}}));
    STOP_FLEET();
}

// The pin and the binding's status meet on one object: what loses is found out and written anew.
CO_TEST(Hub, AnUndoSurvivesAStatusThatComesInBetween) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    bool met = false;
    fleet.before_binding = [&]() -> Task<void> {
        client::WriteOptions status;
        status.subresource = "status";
        auto const written = co_await fleet.at("fleet").patch(
            ctx, apis::kFleetBindings, {"demo", "deployment-web"}, client::PatchType::kMerge,
            *json::parse_value(R"({"status":{"observedGeneration":77}})"), status);
        met = written.has_value();
    };
    CO_ASSERT_OK(co_await fleet.decide("Undo", {"beijing"}, "undo"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 500ms));
    EXPECT_TRUE(met);
    Doc const binding = co_await binding_of(fleet);
    EXPECT_NE(binding.at({"spec", "clusters"})[0]["revision"].as_string(), "") << "at once, not with the next news";
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    std::string const text = co_await fleet.outcome("undo");
    EXPECT_EQ(text, "Applied beijing Applied");
    STOP_FLEET();
}

CO_TEST(Hub, ARestartedHubWritesNothingToMembersThatAreRight) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "edge", "oslo"}, {"edge"}));
    std::vector<std::string> const situations{"at rest", "paused", "approved", "done"};
    for (std::string const& situation : situations) {
        if (situation == "paused") {
            CO_ASSERT_OK(co_await fleet.release("v2"));
            for (std::string const& cluster : {"beijing", "oslo"})
                CO_ASSERT_OK(co_await fleet.until(cluster, "state", "Progressing/1/StepPaused"));
        } else if (situation == "approved") {
            CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "a1"));
            CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
        } else if (situation == "done") {
            CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "a2"));
            CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
            CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "a3"));
            for (std::string const& cluster : {"beijing", "oslo"})
                CO_ASSERT_OK(co_await fleet.until(cluster, "state", "Healthy/3/Completed"));
        }
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        auto const before = fleet.hub_writes();
        Doc const binding = co_await binding_of(fleet);
        co_await fleet.stop_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 90s));
        fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(text_of(before, fleet.hub_writes()), "") << situation;
        EXPECT_TRUE(fleet.hub->ready());
        Doc const again = co_await binding_of(fleet);
        EXPECT_EQ(json::write(binding), json::write(again)) << situation;
    }
    STOP_FLEET();
}

// What is not read yet is no news: neither to write down, nor to let something through for.
CO_TEST(Hub, AHubThatStartsWaitsForASlowMember) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    co_await fleet.stop_hub();
    auto const before = fleet.hub_writes();
    fleet.ways.slow = {{"oslo", 8s}};
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 9s));
    Status const refused = co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb);
    EXPECT_FALSE(refused) << "beijing holds a version back, whatever oslo says";
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(text_of(before, fleet.hub_writes()), "");
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    STOP_FLEET();
}

CO_TEST(Hub, AnApprovalOfAMemberThatIsAwayIsCarriedOutOnReturn) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "both"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    std::string text = co_await fleet.outcome("both");
    EXPECT_EQ(text, "Pending beijing Applied oslo Waiting");
    // The hub that comes next knows nothing of the member until it is back.
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5min));
    text = co_await fleet.outcome("both");
    EXPECT_EQ(text, "Pending beijing Applied oslo Waiting");
    auto const before = fleet.hub_writes();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5min));
    EXPECT_EQ(text_of(before, fleet.hub_writes()), "") << "a member that is away is no reason to write";
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    text = co_await fleet.outcome("both");
    EXPECT_EQ(text, "Applied beijing Applied oslo Applied");
    text = co_await fleet.show("oslo", "state");
    EXPECT_EQ(text, "Progressing/2/StepPaused") << "once";
    STOP_FLEET();
}

CO_TEST(Hub, PauseAndResumeOfAMemberThatIsAwayEndInTheLastWord) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    meta::ObjectKey const bound{"demo", "rollout-web"};
    CO_ASSERT_OK(co_await fleet.decide("Pause", {"oslo"}, "pause"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    auto binding = co_await fleet.at("fleet").get(ctx, apis::kFleetBindings, bound);
    CO_ASSERT_OK(binding);
    EXPECT_FALSE(binding->at({"spec", "clusters"})[0]["pausedBy"].exists());
    std::string const whose = binding->at({"spec", "clusters"})[1]["pausedBy"].string();
    auto const pause = co_await fleet.at("fleet").get(ctx, apis::kDecisions, {"demo", "pause"});
    CO_ASSERT_OK(pause);
    EXPECT_EQ(whose, pause->at({"spec", "requester", "username"}).string() + " at " +
                         pause->at({"metadata", "creationTimestamp"}).string());
    CO_ASSERT_OK(co_await fleet.decide("Resume", {"oslo"}, "resume"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    binding = co_await fleet.at("fleet").get(ctx, apis::kFleetBindings, bound);
    CO_ASSERT_OK(binding);
    EXPECT_FALSE(binding->at({"spec", "clusters"})[1]["pausedBy"].exists());
    auto const before = fleet.hub_writes();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(text_of(before, fleet.hub_writes()), "");
    std::string text = co_await fleet.outcome("pause");
    EXPECT_EQ(text, "Failed oslo Stale");
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    text = co_await fleet.outcome("resume");
    EXPECT_EQ(text, "Applied oslo Applied");
    Doc const rollout = co_await fleet.get("oslo", apis::kRollouts);
    EXPECT_FALSE(rollout.at({"spec", "strategy", "paused"}).as_bool());
    STOP_FLEET();
}

CO_TEST(Hub, AMemberThatLeavesKeepsWhatItHasAndIsTakenUpAgain) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kManagedClusters, {"", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    Doc const status = co_await fleet.get("fleet", kDeployments);
    EXPECT_EQ(status.at({"status", "replicas"}).as_int(), 10) << "of one cluster";
    CO_ASSERT_OK(co_await register_cluster(ctx, fleet.at("fleet"), "oslo", ""));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    STOP_FLEET();
}

// Whatever is created anew in the middle of a release is not a way around it.
// What the hub never had is kept before its own version takes its place.
CO_TEST(Hub, ReplicasThatAnAutoscalerOwnsStay) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.at("oslo").create(
        ctx, {"autoscaling", "v2", "horizontalpodautoscalers"},
        *json::parse_value(R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler",
        "metadata":{"name":"web","namespace":"demo"},"spec":{"minReplicas":10,"maxReplicas":20,
        "scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    Images counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}})) << "an autoscaler that has not scaled yet changes nothing";
    client::WriteOptions scale;
    scale.subresource = "scale";
    CO_ASSERT_OK(co_await fleet.at("oslo").patch(ctx, kDeployments, kWeb, client::PatchType::kMerge,
                                                 *json::parse_value(R"({"spec":{"replicas":15}})"), scale));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "15"));
    CO_ASSERT_OK(co_await fleet.patch("fleet", kDeployments, R"({"spec":{"replicas":12}})"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "12"));
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 15}}));
    // Nobody scales it any more: the hub's count again.
    CO_ASSERT_OK(co_await fleet.at("oslo").remove(ctx, {"autoscaling", "v2", "horizontalpodautoscalers"}, kWeb));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "12"));
    STOP_FLEET();
}

// What scales it there, an autoscaler for one, undoes no approval.
CO_TEST(Hub, AClusterThatHasFinishedKeepsItsVersionWhenItIsScaledToNothing) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", kDeployments,
                                      R"({"metadata":{"labels":{"fleet.aviary.dev/retain-replicas":"true"}}})"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    for (int step = 1; step <= 2; ++step) {
        CO_ASSERT_OK(co_await fleet.until("beijing", "state", fmt::format("Progressing/{}/StepPaused", step)));
        CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, fmt::format("a{}", step)));
    }
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await fleet.patch("beijing", kDeployments, R"({"spec":{"replicas":0}})"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v2", "0"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await fleet.patch("beijing", kDeployments, R"({"spec":{"replicas":4}})"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v2", "4"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await fleet.images("beijing"), (Images{{"v2", 4}}));
    EXPECT_EQ(co_await fleet.show("oslo", "state"), "Progressing/1/StepPaused");
    STOP_FLEET();
}

CO_TEST(Hub, ARolloutThatHoldsAVersionBackIsNotTakenAway) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    Status const removed = co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb);
    EXPECT_FALSE(removed);
    if (!removed) {
        EXPECT_TRUE(removed.error().is(ErrorCode::kForbidden)) << removed.error().message();
    }
    // A policy that puts it elsewhere is no way around: not when the admission is asked, nor when it is not. Another
    // one that comes beside it claims nothing.
    std::string const oslo = R"({"spec":{"placement":{"clusterAffinity":{"clusterNames":["oslo"]}}}})";
    Status const elsewhere = co_await fleet.patch("fleet", kPolicies, oslo, "rollout");
    EXPECT_FALSE(elsewhere);
    Status const stronger = co_await fleet.create(
        kPolicies,
        R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy","metadata":{"name":"a","namespace":"demo"},
        "spec":{"priority":5,"resourceSelectors":[{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"web"}],
        "placement":{"clusterAffinity":{"clusterNames":["oslo"]}}}})");
    CO_ASSERT_OK(stronger);
    fleet.without_guard = true;
    CO_ASSERT_OK(co_await fleet.patch("fleet", kPolicies, oslo, "rollout"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string text = co_await fleet.show("beijing", "state");
    EXPECT_EQ(text, "Progressing/1/StepPaused");
    Images counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    // Taken back, it may go; and the version that was rejected does not come because it is gone.
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    for (int count = 0; count < 60; ++count) {
        Doc const rollout = co_await fleet.get("beijing", apis::kRollouts);
        if (!rollout.exists()) break;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    }
    Doc const gone = co_await fleet.get("beijing", apis::kRollouts);
    EXPECT_FALSE(gone.exists());
    counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    STOP_FLEET();
}

// One that comes beside it, moves nothing that serves, whatever its priority.
CO_TEST(Hub, APolicyThatComesBesideAnotherMovesNothing) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.create(
        kPolicies, R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy",
        "metadata":{"name":"another","namespace":"demo"},"spec":{"priority":10,
        "placement":{"clusterAffinity":{"clusterNames":["oslo"]}},
        "resourceSelectors":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}]}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await fleet.images("beijing"), (Images{{"v1", 9}, {"v2", 1}}));
    EXPECT_EQ(co_await fleet.show("beijing", "state"), "Progressing/1/StepPaused");
    co_await fleet.stop();
}

// Karmada: what is placed stays without its policy, and goes with its object alone.
CO_TEST(Hub, APolicyThatIsTakenAwayEndsNothing) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    for (char const* policy : {"deployment", "rollout"})
        CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kPolicies, {"demo", policy}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images const counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "approve"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v3", "1"));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kDeployments, kWeb));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v3", "0"));
    STOP_FLEET();
}

CO_TEST(Hub, WhatDoesNotAnswerIsNotDrawnAsFine) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.until("fleet", "phase", "Healthy"));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    Doc rollout = co_await fleet.get("fleet", apis::kRollouts);
    EXPECT_EQ(rollout.at({"status", "phase"}).as_string(), "Healthy") << "as far as is known";
    CO_ASSERT_OK(co_await fleet.release("v2"));
    for (int step = 1; step <= 2; ++step) {
        CO_ASSERT_OK(co_await fleet.until("beijing", "state", fmt::format("Progressing/{}/StepPaused", step)));
        CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, fmt::format("a{}", step)));
    }
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    rollout = co_await fleet.get("fleet", apis::kRollouts);
    EXPECT_EQ(rollout.at({"status", "phase"}).as_string(), "Initial");
    EXPECT_EQ(rollout.at({"status", "message"}).as_string(), "1 of 2 clusters healthy; oslo does not answer");
    Doc const workload = co_await fleet.get("fleet", kDeployments);
    EXPECT_LT(workload.at({"status", "observedGeneration"}).as_int(), meta::generation(workload));
    STOP_FLEET();
}

// Held: the member's Rollout stays as long as it holds a version back, and people see that and can end it. So it is too
// when the admission could not know of the release.
CO_TEST(Hub, ARolloutThatIsGoneFromTheHubStaysWhereItHoldsAVersionBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts,
                                      R"({"metadata":{"annotations":{"fleet.aviary.dev/on-delete":"Hold"}}})"));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    auto const seen = co_await fleet.explained();
    CO_ASSERT_OK(seen);
    EXPECT_EQ((*seen)["clusters"][0]["reason"].as_string(), "AwaitingApproval");
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await fleet.outcome("abort");
    EXPECT_EQ(text, "Applied beijing Applied");
    Doc const rollout = co_await fleet.get("beijing", apis::kRollouts);
    EXPECT_FALSE(rollout.exists());
    counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    STOP_FLEET();
}

// What clusters answer within a moment of each other is one record; what takes longer is not waited for.
CO_TEST(Hub, RecordsWhatIsFoundOutOfClustersTogether) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    std::uint64_t written = fleet.hub_writes()["fleet patch decisions/status"];
    int step = 1;
    for (auto const& [behind, records] : std::vector<std::pair<Duration, std::uint64_t>>{{100ms, 1}, {1s, 2}}) {
        for (char const* cluster : {"beijing", "oslo"})
            CO_ASSERT_OK(co_await fleet.until(cluster, "state", fmt::format("Progressing/{}/StepPaused", step)));
        fleet.ways.slow = {{"oslo", behind}};
        std::string const name = fmt::format("a{}", step++);
        CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, name));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        std::string const outcome = co_await fleet.outcome(name);
        EXPECT_EQ(outcome, "Applied beijing Applied oslo Applied");
        std::uint64_t const now = fleet.hub_writes()["fleet patch decisions/status"];
        EXPECT_EQ(now - std::exchange(written, now), records);
        fleet.ways.slow = {};
    }
    STOP_FLEET();
}

// Into each member: the freeze, the template, the fields that the release steers by left out and taken back, and what
// it still claims of them. Status of workload, Rollout and their bindings at most twice a second.
CO_TEST(Hub, AReleaseTakesFewWrites) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    auto const before = fleet.hub_writes();
    CO_ASSERT_OK(co_await fleet.release("v2"));
    for (int step = 1; step <= 2; ++step) {
        CO_ASSERT_OK(co_await fleet.until("beijing", "state", fmt::format("Progressing/{}/StepPaused", step)));
        CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, fmt::format("a{}", step)));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    }
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::map<std::string, std::uint64_t> const at_most{
        {"beijing patch deployments", 7},   // five, and two that came too late: the status had changed meanwhile
        {"beijing patch configmaps", 1},    // the record of what the release comes from
        {"beijing patch rollouts/status", 2},
        {"fleet create controllerrevisions", 1},
        {"fleet patch decisions/status", 2},
        {"fleet patch deployments/status", 4},
        {"fleet patch rollouts/status", 4},
        {"fleet patch fleetbindings/status", 2},   // status.contentVersion, then status.stableRevision
        {"fleet create events", 2},                // one of each Decision
    };
    for (auto const& [what, count] : fleet.hub_writes()) {
        auto const old = before.find(what);
        auto const limit = at_most.find(what);
        EXPECT_LE(count - (old == before.end() ? 0 : old->second), limit == at_most.end() ? 0 : limit->second) << what;
    }
    STOP_FLEET();
}

// A hub that has just begun finds the kinds that it brings one after the other: without its workload a release would
// seem to be another.
CO_TEST(Hub, AnAbortThatCameWhileNobodyLedIsCarriedOut) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    fleet.ways.late = "v1";   // apps/v1
    fleet.start_hub();
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    EXPECT_EQ(co_await fleet.outcome("abort"), "Applied beijing Applied");
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
