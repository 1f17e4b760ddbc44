// Releases by Rollouts of v1alpha1.
#include "app/member/internal/test_world.h"
#include "app/process/conversion.h"
#include "kube/webhook/handler.h"

namespace aviary::member {
namespace {

meta::GroupVersionResource const kOlder{"rollouts.kruise.io", "v1alpha1", "rollouts"};

Value older_rollout() {
    Value object = *json::parse_value(
        R"({"apiVersion":"rollouts.kruise.io/v1alpha1","kind":"Rollout","metadata":{"name":"web","namespace":"default",
        "annotations":{"rollouts.kruise.io/rolling-style":"partition"}},"spec":{"rolloutID":"7",
        "objectRef":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}},
        "strategy":{"canary":{"steps":[{"weight":10},{"replicas":"50%"},{"weight":100}]}}}})");
    return object;
}

Task<Status> patch_older(World& world, std::string text, std::string subresource) {
    CO_TRY(co_await world.client->patch(world.scope.context(), kOlder, kWeb, client::PatchType::kMerge,
                                        *json::parse_value(text), {.subresource = std::move(subresource)}));
    co_return Status{};
}

CO_TEST(Versions, ARolloutOfV1alpha1IsReleasedAndEditedInBoth) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    world.server->add_service("fleet", {std::string(apis::kConverterNamespace), std::string(apis::kConverter)},
                              webhook::make_handler({}, process::converter()));
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, deployment("v1", 10)));
    (void)co_await async::sleep_for(ctx, 5s);
    CO_ASSERT_OK(co_await world.client->create(ctx, kOlder, older_rollout()));
    CO_ASSERT_OK(co_await world.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    EXPECT_EQ((Images{{"v1", 9}, {"v2", 1}}), co_await world.images());

    std::string const approval = R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}}})";
    CO_ASSERT_OK(co_await patch_older(world, approval, "status"));
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    EXPECT_EQ((Images{{"v1", 5}, {"v2", 5}}), co_await world.images());
    CO_ASSERT_OK(co_await patch_older(
        world, R"({"spec":{"strategy":{"canary":{"steps":[{"weight":10},{"replicas":"70%"},{"weight":100}]}}}})", ""));
    co_await world.stop_member();
    world.start_member();
    (void)co_await async::sleep_for(ctx, 5s);
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    EXPECT_EQ((Images{{"v1", 3}, {"v2", 7}}), co_await world.images());
    Doc const read = co_await world.get(kOlder);
    EXPECT_EQ("7", read.at({"spec", "rolloutID"}).as_string());
    EXPECT_EQ(10, read.at({"spec", "strategy", "canary", "steps"})[0]["weight"].as_int());
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Healthy/0//", true));
    EXPECT_EQ((Images{{"v2", 10}}), co_await world.images());
    EXPECT_EQ("", co_await world.leftovers());
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
