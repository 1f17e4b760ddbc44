// on-delete: what a deletion leaves behind where a version was only held back, and what ends the wait.
#include "app/hub/hub.h"
#include "app/hub/internal/test_on_delete.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

// Hold waits for nobody; a version that has not begun somewhere does not begin there because the guard is gone.
CO_TEST(OnDelete, HoldKeepsAwayWhatHasNotBegun) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}, {"oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kHold));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    CO_ASSERT_OK(co_await held_back(fleet));
    Images counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}})) << "the member's own holds it there";
    STOP_FLEET();
}

// oslo is away, nobody knows what it has, and people do not wait for it: it stays as it is.
CO_TEST(OnDelete, HoldKeepsAClusterThatIsAwayAsItIs) {
    for (bool const begun : {false, true}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
        CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kRollback));
        if (!begun) fleet.ways.cut = {"oslo"};
        if (!begun) CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        CO_ASSERT_OK(co_await fleet.release("v2"));
        CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
        if (begun) CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
        fleet.ways.cut = {"oslo"};
        co_await fleet.stop_hub();
        fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
        CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kHold));
        CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
        fleet.ways.cut = {};
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        Images const counts = co_await fleet.images("oslo");
        EXPECT_EQ(counts, (begun ? Images{{"v1", 9}, {"v2", 1}} : Images{{"v1", 10}})) << begun;
        CO_ASSERT_OK(co_await fleet.release("v3"));
        if (!begun) CO_ASSERT_OK(co_await fleet.until("oslo", "v3", "10"));
        STOP_FLEET();
    }
}

// Until there is no Rollout, whatever goes through meanwhile.
Task<Status> until_gone(Fleet& fleet, std::string cluster) {
    for (int count = 0; count < 60000; ++count) {
        Doc const there = co_await fleet.get(cluster, apis::kRollouts);
        if (!there.exists()) co_return Status{};
        CO_TRY(co_await async::sleep_for(fleet.scope.context(), 1ms));
    }
    co_return fail(ErrorCode::kTimeout, "the Rollout does not go from " + cluster);
}

// The Rollout as it is on the hub, deleted with this word and created anew at once.
Task<Status> create_anew(Fleet& fleet, std::string word, std::string annotations = "{}") {
    Context const ctx = fleet.scope.context();
    Doc const before = co_await fleet.get("fleet", apis::kRollouts);
    CO_TRY(co_await fleet.patch("fleet", apis::kRollouts, std::move(word)));
    CO_TRY(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_TRY(co_await until_gone(fleet, "fleet"));
    Value again = before.thaw();
    again["metadata"] = json::Object{{"name", "web"}, {"namespace", "demo"}};
    again["metadata"]["annotations"] = *json::parse_value(annotations);
    again.make_object().erase("status");
    CO_TRY(co_await fleet.at("fleet").create(ctx, apis::kRollouts, std::move(again)));
    co_return Status{};
}

// oslo hears nothing for a moment, and what was said of the one that went is said of it there, too.
CO_TEST(OnDelete, TheWordStandsWhereTheNextOfItsNameIsThere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await create_anew(fleet, kRelease));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await fleet.until_all("v2", "10"));
    CO_ASSERT_OK(co_await fleet.until_all("phase", "Healthy"));
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    STOP_FLEET();
}

// The hub dies before it has brought the word, or the deletion, anywhere.
CO_TEST(OnDelete, TheWordStandsForWhoeverLeadsNext) {
    for (auto const& [word, version] : {std::pair(kRelease, "v2"), {kRollback, "v1"}}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
        if (word == kRelease) fleet.ways.cut = {"beijing", "oslo"};
        CO_ASSERT_OK(co_await create_anew(fleet, word));
        co_await fleet.stop_hub();
        fleet.ways.cut = {};
        fleet.start_hub();
        CO_ASSERT_OK(co_await fleet.until_all(version, "10"));
        CO_ASSERT_OK(co_await fleet.until_all("phase", "Healthy"));
        CO_ASSERT_OK(co_await fleet.release("v3"));
        CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
        STOP_FLEET();
    }
}

// oslo is away when the Rollout goes, and the next one of its name is not kept from beijing for that. What oslo has
// when it is back, in the middle of its release, is the next one's.
CO_TEST(OnDelete, TheNextOfItsNameWaitsForNoClusterThatIsAway) {
    for (bool const restarted : {false, true}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
        fleet.ways.cut = {"oslo"};
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        CO_ASSERT_OK(co_await create_anew(fleet, kRelease));
        CO_ASSERT_OK(co_await fleet.until("beijing", "v2", "10"));
        if (restarted) co_await fleet.stop_hub();
        if (restarted) fleet.start_hub();
        CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        fleet.ways.cut = {};
        CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "approve"));
        CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
        CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "approve-again"));
        CO_ASSERT_OK(co_await fleet.until_all("phase", "Healthy"));
        CO_ASSERT_OK(co_await fleet.release("v3"));
        CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
        STOP_FLEET();
    }
}

// Nobody brings the next one anywhere, so that oslo is cleaned when it is back.
CO_TEST(OnDelete, WhereTheNextOfItsNameIsPlacedNowhereTheLastOneGoesEverywhere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kPolicies, {"demo", "rollout"}));
    CO_ASSERT_OK(co_await create_anew(fleet, kRelease));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v2", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await message_of(fleet);
    EXPECT_EQ(text, "waits until the last one of its name is gone from oslo");
    fleet.ways.cut = {};
    for (std::string const& cluster : fleet.members) CO_ASSERT_OK(co_await until_gone(fleet, cluster));
    CO_ASSERT_OK(co_await fleet.until_all("v2", "10"));
    STOP_FLEET();
}

// What the next one says is of the next one: the release that Hold has left goes on, under it.
CO_TEST(OnDelete, TheNextOfItsNameDoesNotLetThroughWhatWasHeld) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await create_anew(fleet, kHold, R"({"fleet.aviary.dev/on-delete":"Release"})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    CO_ASSERT_OK(co_await held_back(fleet));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "approve"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    STOP_FLEET();
}

// Disabled and back, no cluster releases any more: what holds the new version back is the Rollout alone.
CO_TEST(OnDelete, WhatOnlyTheGuardHoldsBackIsNotLetThroughWithoutAWord) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await release_with_rollback(fleet, {"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, R"({"spec":{"disabled":true}})"));
    CO_ASSERT_OK(co_await until_back(fleet));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kNoWord));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    auto const refused = co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb);
    EXPECT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("\"web\" holds a new version back in beijing, oslo and cannot be deleted"),
              std::string::npos)
        << refused.error().message();
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kHold));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    CO_ASSERT_OK(co_await until_back(fleet));
    STOP_FLEET();
}

// A hub that has not read a cluster cannot say that nothing is held back there.
CO_TEST(OnDelete, AClusterThatWasNotReadNeedsAWord) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    auto const refused = co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb);
    EXPECT_FALSE(refused);
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    STOP_FLEET();
}

// The finalizer is all that keeps a Rollout that goes back; only the hub takes it off.
CO_TEST(OnDelete, TheFinalizerIsNotTakenOffByHandMeanwhile) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await delete_without(fleet, {"oslo"}, "oslo"));
    EXPECT_FALSE(co_await fleet.patch("fleet", apis::kRollouts, R"({"metadata":{"finalizers":null}})"));
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    CO_ASSERT_OK(co_await until_back(fleet));
    STOP_FLEET();
}

Task<Status> without_policies(Fleet& fleet) {
    for (std::string const& name : {"deployment", "rollout"})
        CO_TRY(co_await fleet.at("fleet").remove(fleet.scope.context(), kPolicies, {"demo", name}));
    co_return Status{};
}

// No policy names the kinds any more; a hub that starts then goes on with what is bound.
CO_TEST(OnDelete, WithoutPoliciesAHubThatStartsGoesOn) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await delete_without(fleet, {"beijing", "oslo"}, "oslo"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await without_policies(fleet));
    co_await fleet.stop_hub();
    fleet.ways.cut = {};
    fleet.start_hub();
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    CO_ASSERT_OK(co_await until_back(fleet));
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until_all("v3", "10"));
    // And what is deleted while no hub looks is taken away.
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kDeployments, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    for (std::string const& cluster : fleet.members) {
        Doc const left = co_await fleet.get(cluster, kDeployments);
        EXPECT_FALSE(left.exists()) << cluster;
    }
    EXPECT_FALSE(co_await fleet.at("fleet").get(ctx, apis::kFleetBindings, {"demo", "deployment-web"}));
    STOP_FLEET();
}

// What it waits for may end by what happens to others than its clusters' objects.
CO_TEST(OnDelete, ItIsLookedAtAgainWhateverEndsTheWait) {
    for (std::string const& what : {"workload", "cluster"}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await delete_without(fleet, {"beijing", "oslo"}, "oslo"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
        Doc const rollout = co_await fleet.get("fleet", apis::kRollouts);
        EXPECT_TRUE(rollout.exists()) << what;
        if (what == "workload") CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kDeployments, kWeb));
        if (what == "cluster")
            CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kManagedClusters, {"", "oslo"}));
        CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
        STOP_FLEET();
    }
}

// The second one selects the same workload, and is not the one by which the hub guards.
CO_TEST(OnDelete, OfTwoRolloutsEachIsLookedAt) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.create(
        apis::kRollouts,
        R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"xenon","namespace":"demo",
        "annotations":{"fleet.aviary.dev/on-delete":"Rollback"}},
        "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"strategy":{"canary":{
        "steps":[{"replicas":"10%"}]}}}})"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    fleet.ways.cut = {"beijing"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, {"demo", "xenon"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_TRUE(co_await fleet.at("fleet").get(ctx, apis::kRollouts, {"demo", "xenon"}));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kDeployments, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_FALSE(co_await fleet.at("fleet").get(ctx, apis::kRollouts, {"demo", "xenon"}));
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
