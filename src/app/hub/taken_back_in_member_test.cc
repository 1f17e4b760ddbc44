// A version that a member has taken back by itself, at its deadline, is not at rest there, and nothing comes from it.
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

Task<Status> all_back(Fleet& fleet) {
    CO_TRY(co_await async::sleep_for(fleet.scope.context(), 60s));
    CO_TRY(co_await fleet.until_all("v1", "10"));
    co_return co_await fleet.until_all("phase", "Healthy");
}

// v2, whose pods do not start, is taken back in both clusters.
Task<Status> set_up_taken_back(Fleet& fleet) {
    CO_TRY(co_await fleet.set_up({"beijing", "oslo"}));
    CO_TRY(co_await fleet.patch("fleet", apis::kRollouts,
                                R"({"metadata":{"annotations":{"rollouts.aviary.dev/progress-deadline-seconds":"30",
        "rollouts.aviary.dev/on-deadline":"Rollback"}}})"));
    CO_TRY(co_await async::sleep_for(fleet.scope.context(), 2s));
    CO_TRY(co_await fleet.patch("fleet", kDeployments, R"({"spec":{"template":{"metadata":{"annotations":{
        "simulator.aviary.dev/behaviour":"image-pull-error"}},"spec":{"containers":[{"name":"main","image":"v2"}]}}}})"));
    for (std::string const& cluster : fleet.members) CO_TRY(co_await fleet.until(cluster, "v2", "1"));
    co_return co_await all_back(fleet);
}

Task<Status> end_holds(Fleet& fleet) {
    for (std::string const& cluster : fleet.members) {
        CO_TRY(co_await fleet.patch(cluster, kDeployments,
                                    R"({"metadata":{"annotations":{"fleet.aviary.dev/hold":null}}})"));
    }
    co_return Status{};
}

CO_TEST(TakenBackInMember, TheNextVersionGoesBackToWhatServes) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up_taken_back(fleet));
    auto const answer = co_await fleet.explained();
    CO_ASSERT_OK(answer);
    Doc const seen = *answer;
    EXPECT_EQ(seen["onNew"].as_int(), 0) << json::write(seen);
    EXPECT_EQ(seen["clusters"][0]["reason"].as_string(), "Held") << json::write(seen);
    CO_ASSERT_OK(co_await fleet.patch("fleet", kDeployments, R"({"spec":{"template":{"metadata":{"annotations":{
        "simulator.aviary.dev/behaviour":null}},"spec":{"containers":[{"name":"main","image":"v3"}]}}}})"));
    CO_ASSERT_OK(co_await end_holds(fleet));
    CO_ASSERT_OK(co_await fleet.until_all("v3", "1"));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing", "oslo"}, "abort"));
    CO_ASSERT_OK(co_await all_back(fleet));
    EXPECT_EQ(co_await fleet.outcome("abort"), "Applied beijing Applied oslo Applied");
    co_await fleet.stop();
}

CO_TEST(TakenBackInMember, AnAbortMakesItLast) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up_taken_back(fleet));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing", "oslo"}, "abort"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_EQ(co_await fleet.outcome("abort"), "Applied beijing Applied oslo Applied");
    CO_ASSERT_OK(co_await end_holds(fleet));
    CO_ASSERT_OK(co_await all_back(fleet));
    auto const answer = co_await fleet.explained();
    CO_ASSERT_OK(answer);
    Doc const seen = *answer;
    EXPECT_EQ(seen["clusters"][0]["reason"].as_string(), "TakenBack") << json::write(seen);
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
