// The Events that a hub records of its own objects: each once, in the words of explain.
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

// "Warning ControllerAbsent Deployment/web 1" of each with this reason.
Task<std::string> events(Fleet& fleet, std::string ns, std::string reason) {
    auto const list = co_await fleet.at("fleet").list(fleet.scope.context(), {"", "v1", "events"}, {.ns = ns});
    if (!list) co_return list.error().message();
    std::string text;
    for (auto const& [index, event] : (*list)["items"].elements()) {
        if (event["reason"].as_string() != reason) continue;
        Doc const about = event["involvedObject"];
        text += fmt::format("{} {}/{} {};", event["type"].as_string(), about["kind"].as_string(),
                            about["name"].as_string(), event["count"].as_int());
    }
    co_return text;
}

Task<std::string> messages(Fleet& fleet, std::string reason) {
    auto const list = co_await fleet.at("fleet").list(fleet.scope.context(), {"", "v1", "events"}, {.ns = "demo"});
    if (!list) co_return list.error().message();
    std::string text;
    for (auto const& [index, event] : (*list)["items"].elements()) {
        if (event["reason"].as_string() == reason) text += event["message"].string() + ";";
    }
    co_return text;
}

CO_TEST(Events, TellOnceWhatTheHubHasDoneOrNot) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"bare", "beijing"}, {"bare"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await events(fleet, "demo", "ControllerAbsent"), "Warning Deployment/web 1;");
    EXPECT_EQ(co_await events(fleet, "demo", "Applied"), "Normal Rollout/web 1;");
    EXPECT_EQ(co_await events(fleet, "default", "ClusterUnreachable"), "");

    fleet.ways.cut.insert("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    fleet.ways.cut.clear();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await events(fleet, "default", "ClusterUnreachable"), "Warning ManagedCluster/beijing 1;");
    // A hub that comes next has no news.
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await events(fleet, "demo", "ControllerAbsent"), "Warning Deployment/web 1;");
    EXPECT_EQ(co_await events(fleet, "demo", "Applied"), "Normal Rollout/web 1;");
    EXPECT_EQ(co_await events(fleet, "default", "ClusterUnreachable"), "Warning ManagedCluster/beijing 1;");
    fleet.ways.cut.insert("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "second", 30s));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await events(fleet, "demo", "Expired"), "Warning Rollout/web 1;");
    co_await fleet.stop();
}

CO_TEST(Events, TellOnceWhatKeepsTheHubFromWriting) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo", "paris"}));
    CO_ASSERT_OK(
        co_await fleet.patch("beijing", kDeployments, R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"another"}}})"));
    CO_ASSERT_OK(
        co_await fleet.patch("oslo", kDeployments, R"({"metadata":{"labels":{"fleet.aviary.dev/generation":"9.1"}}})"));
    fleet.ways.read_only = {"paris"};
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    auto const told = [&]() -> Task<std::string> {
        std::string text;
        for (char const* reason : {"OtherHub", "BehindMembers", "ApplyFailed"})
            text += fmt::format("{}: {} ", reason, co_await events(fleet, "demo", reason));
        co_return text;
    };
    std::string const once =
        "OtherHub: Warning Deployment/web 1; BehindMembers: Warning Deployment/web 1; "
        "ApplyFailed: Warning Deployment/web 1; ";
    EXPECT_EQ(co_await told(), once);
    std::string const belongs =
        "beijing: belongs to hub another: `aviary hub recover --from-members` where this one takes its place, else one "
        "of the two leaves this cluster by `aviary unjoin`;";
    EXPECT_EQ(co_await messages(fleet, "OtherHub"), belongs);

    // A cluster that was away says nothing new when it is back.
    fleet.ways.cut = {"beijing", "oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    fleet.ways.cut.clear();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await told(), once);
    // Nor does a hub that comes next.
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    EXPECT_EQ(co_await told(), once);

    // What has ended and comes again is told again.
    CO_ASSERT_OK(
        co_await fleet.patch("beijing", kDeployments, R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"fleet"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await told(), once);
    CO_ASSERT_OK(
        co_await fleet.patch("beijing", kDeployments, R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"another"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await messages(fleet, "OtherHub"), belongs + belongs);
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
