// Clusters that come, come back or begin anew around a release: it is not passed that way.
#include "app/hub/hub.h"
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

CO_TEST(Hub, AClusterThatJoinsDuringAReleaseStartsWithTheStableVersion) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.place(R"({"clusterNames":["beijing"]})"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.place("null"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    STOP_FLEET();
}

CO_TEST(Hub, AWorkloadDeletedDuringAReleaseComesBackAsTheStableVersion) {
    for (bool const restarted : {false, true}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        CO_ASSERT_OK(co_await fleet.release("v2"));
        CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
        if (restarted) co_await fleet.stop_hub();
        CO_ASSERT_OK(co_await fleet.at("beijing").remove(ctx, kDeployments, kWeb));
        if (restarted) {
            CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "0"));
            fleet.start_hub();
        }
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 2min));
        Images const counts = co_await fleet.images("beijing");
        EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}})) << restarted;
        std::string const text = co_await fleet.show("beijing", "state");
        EXPECT_EQ(text, "Progressing/1/StepPaused") << restarted;
        STOP_FLEET();
    }
}

CO_TEST(Hub, AClusterThatJoinsWhileTheReleasingOneIsAwayStartsWithTheStableVersion) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.place(R"({"clusterNames":["beijing"]})"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    co_await fleet.stop_hub();
    fleet.ways.cut = {"beijing"};
    fleet.without_guard = true;
    CO_ASSERT_OK(co_await fleet.place("null"));
    fleet.start_hub();
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    STOP_FLEET();
}

CO_TEST(Hub, AVersionThatWasTakenBackEverywhereDoesNotBeginInAClusterThatJoins) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.place(R"({"clusterNames":["beijing"]})"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    CO_ASSERT_OK(co_await fleet.place("null"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    // The next version is released there too.
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    STOP_FLEET();
}

CO_TEST(Hub, AClusterThatWasAwayDoesNotBeginWhatWasAbortedMeanwhile) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing", "oslo"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    std::string text = co_await fleet.outcome("abort");
    EXPECT_EQ(text, "Applied beijing Applied oslo Applied");
    // The Rollout on the hub says so, and no longer than it is so, be the clusters away.
    Doc rollout = co_await fleet.get("fleet", apis::kRollouts);
    EXPECT_EQ(rollout.at({"status", "message"}).as_string(), "healthy in all 2 clusters; taken back in all of them");
    fleet.ways.cut = {"beijing", "oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    rollout = co_await fleet.get("fleet", apis::kRollouts);
    std::string const away = "healthy in all 2 clusters; taken back in all of them; beijing, oslo do not answer";
    EXPECT_EQ(rollout.at({"status", "message"}).as_string(), away);
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 3s));
    rollout = co_await fleet.get("fleet", apis::kRollouts);
    EXPECT_FALSE(rollout.at({"status", "message"}).as_string().contains("taken back"))
        << rollout.at({"status", "message"}).as_string();
    STOP_FLEET();
}

CO_TEST(Hub, AReleaseOverAWorkloadThatWasTakenOverCanBeTakenBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.place(R"({"clusterNames":["beijing"]})"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    Value theirs =
        *json::parse_value(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo"},
        "spec":{"replicas":10,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
        "spec":{"containers":[{"name":"main","image":"v0"}]}}}})");
    CO_ASSERT_OK(co_await fleet.at("oslo").create(ctx, kDeployments, std::move(theirs)));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v0", "10"));
    CO_ASSERT_OK(
        co_await fleet.patch("fleet", kPolicies, R"({"spec":{"conflictResolution":"Overwrite"}})", "deployment"));
    CO_ASSERT_OK(co_await fleet.place("null"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    Images counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v0", 9}, {"v1", 1}}));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"oslo"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v0", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v0", 10}}));
    std::string const text = co_await fleet.outcome("abort");
    EXPECT_EQ(text, "Applied oslo Applied");
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
