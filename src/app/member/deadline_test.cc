// Releases whose steps have to get on in time, and pods that have to stay ready, end to end.
#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

constexpr char const* kBlueGreenStyle = R"({"blueGreen":{}})";
constexpr char const* kWithoutImage =
    R"({"spec":{"template":{"metadata":{"annotations":{"simulator.aviary.dev/behaviour":"image-pull-error"}},
        "spec":{"containers":[{"name":"main","image":"v2"}]}}}})";

Task<Status> annotate(World& world, std::string annotations) {
    CO_TRY(co_await world.client->patch(world.scope.context(), apis::kRollouts, world.rollout_key,
                                        client::PatchType::kMerge,
                                        *json::parse_value(R"({"metadata":{"annotations":)" + annotations + "}}")));
    co_return Status{};
}

std::string limits(std::string const& on_deadline) {
    return R"({"rollouts.aviary.dev/progress-deadline-seconds":"30","rollouts.aviary.dev/on-deadline":")" +
           on_deadline + R"("})";
}

Task<Status> release_without_image(World& world, meta::GroupVersionResource resource) {
    CO_TRY(co_await world.client->patch(world.scope.context(), resource, world.workload,
                                        client::PatchType::kStrategicMerge, *json::parse_value(kWithoutImage)));
    co_return Status{};
}

Task<std::string> stalled(World& world) {
    Doc const found = meta::condition(co_await world.get(apis::kRollouts), "Stalled");
    co_return found["reason"].string();
}

CO_TEST(Deadlines, AStepWithoutImageStaysUntilSomebodyActs) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await annotate(world, limits("Pause")));
    CO_ASSERT_OK(co_await release_without_image(world, kDeployments));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 25s));
    EXPECT_EQ(co_await stalled(world), "");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await stalled(world), "ProgressDeadlineExceeded");
    auto const waits = world.member->waits(world.rollout_key);
    if (waits.empty()) {
        ADD_FAILURE() << "it waits for nothing";
    } else {
        EXPECT_EQ(waits.front().reason, "ProgressDeadlineExceeded");
    }
    co_await world.stop_member();   // a controller that comes anew knows it
    world.start_member();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 600s));
    EXPECT_EQ(co_await world.state(), "Progressing/1/StepUpgrade/InRolling");
    EXPECT_EQ(co_await world.said("ProgressDeadlineExceeded"), 1);
    std::string const written = meta::resource_version(co_await world.get(apis::kRollouts));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 600s));
    EXPECT_EQ(meta::resource_version(co_await world.get(apis::kRollouts)), written);
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await annotate(world, limits("Report")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await stalled(world), "ProgressDeadlineExceeded");   // the annotation is there still
    co_await world.stop();
}

CO_TEST(Deadlines, RollbackPutsTheStableVersionBackInEveryStyle) {
    for (char const* style : {kPartitionStyle, kCanaryStyle, kBlueGreenStyle}) {
        World world(ctx);
        CO_ASSERT_OK(co_await world.set_up(kArticle, 10, style));
        CO_ASSERT_OK(co_await annotate(world, limits("Rollback")));
        CO_ASSERT_OK(co_await release_without_image(world, kDeployments));
        CO_ASSERT_OK(co_await world.until("Healthy/1/StepUpgrade/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await world.images(), (Images{{"v1", 10}})) << style;
        EXPECT_EQ(co_await world.leftovers(), "") << style;
        Doc const succeeded = meta::condition(co_await world.get(apis::kRollouts), "Succeeded");
        EXPECT_EQ(succeeded["status"].string() + "/" + succeeded["reason"].string(), "False/ProgressDeadlineExceeded");
        EXPECT_EQ(co_await world.said("ProgressDeadlineExceeded"), 1) << style;
        co_await world.stop();
    }
}

CO_TEST(Deadlines, RollbackPutsSetsBack) {
    for (char const* kind : {"StatefulSet", "DaemonSet"}) {
        NativeSetWorld world(ctx, kind);
        world.nodes = 10;
        CO_ASSERT_OK(co_await world.start());
        Value set = deployment("v1", 10);
        if (world.kind == "DaemonSet") set["spec"].erase("replicas");
        CO_ASSERT_OK(co_await world.create(std::move(set), "{}", kArticle, 20s));
        CO_ASSERT_OK(co_await annotate(world, limits("Rollback")));
        CO_ASSERT_OK(co_await release_without_image(world, world.resource));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 240s));
        EXPECT_EQ(co_await world.state(), "Healthy/1/StepUpgrade/Completed") << kind;
        EXPECT_EQ(co_await world.marks(), "") << kind;
        Doc const live = co_await world.live();
        EXPECT_EQ(live.at({"spec", "template", "spec", "containers"})[0]["image"].string(), "v1");
        co_await world.stop();
    }
}

CO_TEST(Deadlines, PodsHaveToStayReady) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await annotate(world, R"({"rollouts.aviary.dev/healthy-seconds":"0,120,60"})"));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Time const approved = ctx.now();
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await world.state(), "Progressing/2/StepUpgrade/InRolling");
    co_await world.stop_member();   // it counts on from what was written
    world.start_member();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await world.state(), "Progressing/2/StepUpgrade/InRolling");
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    EXPECT_GE(ctx.now() - approved, 119s);
    EXPECT_LE(ctx.now() - approved, 135s);
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
