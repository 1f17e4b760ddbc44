// Releases in the styles that have both versions side by side, end to end.
#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

constexpr char const* kCanaryStyle = R"({"canary":{"enableExtraWorkloadForCanary":true}})";

// Fewest pods that are ready, from now on.
Task<void> watch_ready(Context ctx, World& world, std::int64_t& least) {
    while (co_await async::sleep_for(ctx, 50ms)) {
        auto const list = co_await world.client->list(ctx, kPods, {.ns = world.workload.ns});
        if (!list) continue;
        std::int64_t ready = 0;
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            bool const goes = meta::is_deleting(pod);
            if (!goes && meta::condition(pod, "Ready")["status"].as_string() == "True") ++ready;
        }
        least = std::min(least, ready);
    }
}

Task<std::vector<std::string>> others(World& world) {
    std::vector<std::string> names;
    auto const list = co_await world.client->list(world.scope.context(), kDeployments, {.ns = world.workload.ns});
    for (auto const& [index, each] : (*list)["items"].elements()) {
        if (meta::name(each) != world.workload.name) names.push_back(meta::name(each));
    }
    co_return names;
}

CO_TEST(Styles, ACanaryReleaseRunsBesideTheWorkloadUntilTheEnd) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kArticle, 10, kCanaryStyle));
    std::int64_t least = 10;
    world.scope.spawn(watch_ready(world.scope.context(), world, least));
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await world.release(next));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        Images counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 10}, {next, 1}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
        co_await world.stop_member();   // a controller that comes anew goes on
        world.start_member();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 10}, {next, 5}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{next, 10}}));
        std::string const left = co_await world.leftovers();
        EXPECT_EQ(left, "");
        auto const beside = co_await others(world);
        EXPECT_TRUE(beside.empty());
    }
    EXPECT_GE(least, 8);   // maxUnavailable is 25 % of ten
    co_await world.stop();
}

CO_TEST(Styles, ACanaryReleaseBeginsAgainWithANewerVersionAndGoesBack) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kArticle, 10, kCanaryStyle));
    std::int64_t least = 10;
    world.scope.spawn(watch_ready(world.scope.context(), world, least));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    Images counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}, {"v3", 1}}));
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/1/StepPaused/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    std::string const left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    auto const beside = co_await others(world);
    EXPECT_TRUE(beside.empty());
    EXPECT_EQ(least, 10);
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
