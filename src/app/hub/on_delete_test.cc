// on-delete: Rollback. A Rollout that goes in the middle of a release leaves the stable version behind.
#include "app/hub/hub.h"
#include "app/hub/internal/test_on_delete.h"
#include "hub/placement/bindings.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

CO_TEST(OnDelete, ADeletedRolloutGoesOnceTheStableVersionIsBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await release_with_rollback(fleet, {"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    Doc const rollout = co_await fleet.get("fleet", apis::kRollouts);
    EXPECT_TRUE(meta::is_deleting(rollout));
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    for (std::string const& cluster : fleet.members) {
        Images const counts = co_await fleet.images(cluster);
        EXPECT_EQ(counts, (Images{{"v1", 10}})) << cluster << ": first back, then gone";
        CO_ASSERT_OK(co_await until_rollout(fleet, cluster, "gone"));
    }
    CO_ASSERT_OK(co_await until_back(fleet));
    // What was taken back stays away until the hub has another version; nothing holds that one.
    CO_ASSERT_OK(co_await fleet.patch("fleet", kDeployments, R"({"metadata":{"labels":{"touched":"yes"}}})"));
    CO_ASSERT_OK(co_await until_back(fleet));
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until_all("v3", "10"));
    STOP_FLEET();
}

// At whichever moment, the hub stops and another one goes on.
CO_TEST(OnDelete, AHubThatStartsGoesOnWhereItWas) {
    for (int moment = 0; moment < 20; ++moment) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await release_with_rollback(fleet, {"beijing", "oslo"}));
        CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, moment * 15ms));
        co_await fleet.stop_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        fleet.start_hub();
        CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
        for (std::string const& cluster : fleet.members) CO_ASSERT_OK(co_await until_rollout(fleet, cluster, "gone"));
        CO_ASSERT_OK(co_await until_back(fleet));
        STOP_FLEET();
    }
}

CO_TEST(OnDelete, AMemberThatIsAwayGoesBackOnReturn) {
    for (bool const restarted : {false, true}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await delete_without(fleet, {"beijing", "oslo"}, "oslo"));
        CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
        if (restarted) co_await fleet.stop_hub();
        if (restarted) fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        std::string const text = co_await message_of(fleet);
        EXPECT_TRUE(text.starts_with("to be deleted once the stable version is back; waits for oslo (does not answer)"))
            << text;
        Images counts = co_await fleet.images("oslo");
        EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
        fleet.ways.cut = {};
        CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
        counts = co_await fleet.images("oslo");
        EXPECT_EQ(counts, (Images{{"v1", 10}}));
        CO_ASSERT_OK(co_await until_rollout(fleet, "oslo", "gone"));
        CO_ASSERT_OK(co_await until_back(fleet));
        STOP_FLEET();
    }
}

// The version has not come to oslo, which is guarded: it does not come because the guard is gone.
CO_TEST(OnDelete, AVersionThatHasNotComeDoesNotComeThen) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}, {"oslo"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kRollback));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    CO_ASSERT_OK(co_await until_back(fleet));
    STOP_FLEET();
}

// A template that comes while the Rollout goes is not what was approved either.
CO_TEST(OnDelete, NoReleaseBeginsUnderARolloutThatGoes) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await delete_without(fleet, {"beijing", "oslo"}, "oslo"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    auto const before = co_await fleet.get("beijing", kDeployments);
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    auto const after = co_await fleet.get("beijing", kDeployments);
    EXPECT_EQ(meta::generation(after), meta::generation(before)) << "not even frozen for it";
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    CO_ASSERT_OK(co_await until_back(fleet));
    STOP_FLEET();
}

CO_TEST(OnDelete, ADisabledRolloutIsDisabledInMembersOnceTheStableVersionIsBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await release_with_rollback(fleet, {"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, R"({"spec":{"disabled":true}})"));
    for (std::string const& cluster : fleet.members) {
        CO_ASSERT_OK(co_await until_rollout(fleet, cluster, "disabled"));
        Images const counts = co_await fleet.images(cluster);
        EXPECT_EQ(counts, (Images{{"v1", 10}})) << cluster;
    }
    CO_ASSERT_OK(co_await until_back(fleet));
    // Enabled again, the release begins anew.
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, R"({"spec":{"disabled":false}})"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    CO_ASSERT_OK(co_await held_back(fleet));
    STOP_FLEET();
}

CO_TEST(OnDelete, WhereItIsUnplacedTheStableVersionComesBackAndElsewhereItGoesOn) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await release_with_rollback(fleet, {"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.patch(
        "fleet", kPolicies, R"({"spec":{"placement":{"clusterAffinity":{"clusterNames":["beijing"]}}}})", "rollout"));
    CO_ASSERT_OK(co_await until_rollout(fleet, "oslo", "gone"));
    Images counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    std::string const text = co_await fleet.show("beijing", "state");
    EXPECT_EQ(text, "Progressing/1/StepPaused");
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "approve"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    // Placed there again, the release begins anew.
    CO_ASSERT_OK(co_await fleet.place("null"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    STOP_FLEET();
}

// One that is away when it is un-placed goes back when it returns, whoever is the hub then.
CO_TEST(OnDelete, WhereItIsUnplacedWhileAwayItGoesBackOnReturn) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await release_with_rollback(fleet, {"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.patch(
        "fleet", kPolicies, R"({"spec":{"placement":{"clusterAffinity":{"clusterNames":["beijing"]}}}})", "rollout"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    co_await fleet.stop_hub();
    fleet.ways.cut = {};
    fleet.start_hub();
    CO_ASSERT_OK(co_await until_rollout(fleet, "oslo", "gone"));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    STOP_FLEET();
}

CO_TEST(OnDelete, TheFinalizerComesAndGoesWithTheWord) {
    for (bool const guarded : {true, false}) {   // without its admission the hub puts it on a moment later
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
        fleet.without_guard = !guarded;
        CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kRollback));
        if (!guarded) CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        Doc rollout = co_await fleet.get("fleet", apis::kRollouts);
        EXPECT_TRUE(meta::has_finalizer(rollout, placement::kOnDeleteFinalizer)) << guarded;
        CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kNoWord));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        rollout = co_await fleet.get("fleet", apis::kRollouts);
        EXPECT_FALSE(meta::has_finalizer(rollout, placement::kOnDeleteFinalizer)) << guarded;
        Doc const member = co_await fleet.get("beijing", apis::kRollouts);
        EXPECT_FALSE(meta::has_finalizer(member, placement::kOnDeleteFinalizer)) << "the hub's alone";
        STOP_FLEET();
    }
}

CO_TEST(OnDelete, WithoutAReleaseItGoesAtOnce) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kRollback));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    for (std::string const& cluster : {"fleet", "beijing"}) {
        Doc const rollout = co_await fleet.get(cluster, apis::kRollouts);
        EXPECT_FALSE(rollout.exists()) << cluster;
    }
    Doc const binding = *co_await fleet.at("fleet").get(ctx, apis::kFleetBindings, {"demo", "deployment-web"});
    EXPECT_FALSE(binding.at({"spec", "clusters"})[0]["revision"].exists()) << "nothing is pinned";
    STOP_FLEET();
}

// The template comes to the hub, and the Rollout is deleted before any member has heard of it.
CO_TEST(OnDelete, ATemplateOfTheLastMomentDoesNotGoThrough) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kRollback));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    CO_ASSERT_OK(co_await until_back(fleet));
    STOP_FLEET();
}

// Once it is going back, only another word lets the new version through.
CO_TEST(OnDelete, TheWordIsNotTakenBackMeanwhile) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await delete_without(fleet, {"oslo"}, "oslo"));
    Status const retracted = co_await fleet.patch("fleet", apis::kRollouts, kNoWord);
    EXPECT_FALSE(retracted);
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, kHold));
    CO_ASSERT_OK(co_await until_rollout(fleet, "fleet", "gone"));
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    STOP_FLEET();
}

Task<Doc> condition_of(Fleet& fleet, std::string type) {
    auto const found = co_await fleet.at("fleet").get(fleet.scope.context(), kNamespaces, {"", "demo"});
    co_return found ? meta::condition(*found, type).detach() : Doc();
}

// A namespace that is deleted waits with its Rollout, and says for what.
CO_TEST(OnDelete, ANamespaceWaitsForItsRolloutAndSaysSo) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    fleet.ways.cut = {"beijing"};   // its workload goes with the namespace, as soon as it hears of that
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kNamespaces, {"", "demo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    Doc const failure = co_await condition_of(fleet, "NamespaceDeletionContentFailure");
    EXPECT_EQ(failure["status"].as_string(), "True");
    EXPECT_NE(failure["message"].as_string().find("\"web\" is releasing in beijing and cannot be deleted"),
              std::string_view::npos)
        << failure["message"].as_string();
    fleet.ways.cut = {};
    for (int count = 0; count < 600; ++count) {
        auto const left = co_await fleet.at("fleet").get(ctx, kNamespaces, {"", "demo"});
        if (!left) break;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    }
    EXPECT_FALSE(co_await fleet.at("fleet").get(ctx, kNamespaces, {"", "demo"}));
    STOP_FLEET();
}

CO_TEST(OnDelete, ANamespaceWithARolloutThatGoesBackIsNotRefused) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await release_with_rollback(fleet, {"beijing"}));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kNamespaces, {"", "demo"}));
    for (int count = 0; count < 600; ++count) {
        auto const left = co_await fleet.at("fleet").get(ctx, kNamespaces, {"", "demo"});
        if (!left) break;
        Images const counts = co_await fleet.images("beijing");
        auto const found = counts.find("v2");
        EXPECT_LE(found == counts.end() ? 0 : found->second, 1);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 100ms));
    }
    EXPECT_FALSE(co_await fleet.at("fleet").get(ctx, kNamespaces, {"", "demo"}));
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
