// Releases in one simulated cluster, end to end.
#include "apis/fleet/controller.h"
#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

#define STOP_WORLD() co_await world.stop()

CO_TEST(Member, AReleaseStopsAtEachStepAndLeavesNothingBehind) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await world.release(next));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        Images counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 9}, {next, 1}}));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 9}, {next, 1}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 5}, {next, 5}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{next, 10}}));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        std::string const left = co_await world.leftovers();
        EXPECT_EQ(left, "");
    }
    STOP_WORLD();
}

CO_TEST(Member, SaysWhichVersionItIsWhenThatIsNews) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    meta::GroupVersionResource const maps{"", "v1", "configmaps"};
    meta::ObjectKey const key{"default", std::string(apis::kControllerRecord)};
    CO_ASSERT_OK(co_await announce(ctx, *world.client, key.ns));
    auto const first = co_await world.client->get(ctx, maps, key);
    CO_ASSERT_OK(first);
    EXPECT_EQ(apis::read_controller_record(*first), apis::this_controller());
    CO_ASSERT_OK(co_await announce(ctx, *world.client, key.ns));
    auto again = co_await world.client->get(ctx, maps, key);
    CO_ASSERT_OK(again);
    EXPECT_EQ(meta::resource_version(*again), meta::resource_version(*first));
    // What another version has left.
    CO_ASSERT_OK(co_await world.client->patch(ctx, maps, key, client::PatchType::kMerge,
                                              *json::parse_value(R"({"data":{"version":"0.0.1"}})")));
    CO_ASSERT_OK(co_await announce(ctx, *world.client, key.ns));
    again = co_await world.client->get(ctx, maps, key);
    CO_ASSERT_OK(again);
    EXPECT_EQ(apis::read_controller_record(*again), apis::this_controller());
    STOP_WORLD();
}

CO_TEST(Member, PuttingTheOldVersionBackCancelsTheRelease) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/2/StepPaused/Completed"));
    Images const counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    std::string const left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    STOP_WORLD();
}

CO_TEST(Member, ANewVersionInTheMiddleBeginsAgainFromTheStableOne) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Images const counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v3", 1}}));
    STOP_WORLD();
}

CO_TEST(Member, ScalingInTheMiddleKeepsTheShareOfTheStep) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    for (auto const& [size, half] : std::map<int, int>{{4, 2}, {20, 10}, {1, 1}}) {
        Value const patch = *json::parse_value(R"({"spec":{"replicas":)" + std::to_string(size) + "}}");
        CO_ASSERT_OK(co_await world.client->patch(ctx, kDeployments, kWeb, client::PatchType::kMerge, patch));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        Images const counts = co_await world.images();
        Images expected{{"v2", half}};
        if (size > half) expected["v1"] = size - half;
        EXPECT_EQ(counts, expected);
    }
    STOP_WORLD();
}

CO_TEST(Member, DeletingOrDisablingARolloutFreesTheWorkload) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Value const disable = *json::parse_value(R"({"spec":{"disabled":true}})");
    CO_ASSERT_OK(co_await world.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, disable));
    CO_ASSERT_OK(co_await world.until("Disabled/0//", true));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    Images counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v2", 10}}));
    std::string left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    Value const enable = *json::parse_value(R"({"spec":{"disabled":false}})");
    CO_ASSERT_OK(co_await world.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, enable));
    CO_ASSERT_OK(co_await world.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.client->remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    Doc const gone = co_await world.get(apis::kRollouts);
    EXPECT_FALSE(gone.exists());
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v3", 10}}));
    left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    STOP_WORLD();
}

// What becomes of a change of the status that somebody types.
Task<std::string> patched(World& world, std::string text) {
    auto const result =
        co_await world.client->patch(world.scope.context(), apis::kRollouts, kWeb, client::PatchType::kMerge,
                                     *json::parse_value(text), {.subresource = "status"});
    co_return result ? "taken" : result.error().message();
}

CO_TEST(Member, AMistypedApprovalIsRefused) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    std::string said = co_await patched(world, R"({"status":{"canaryStatus":{"currentStepState":"stepReady"}}})");
    EXPECT_TRUE(said.contains("stepReady is no state of a step: StepReady approves")) << said;
    said = co_await patched(world, R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}}})");
    EXPECT_EQ(said, "taken");
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    STOP_WORLD();
}

// The selector that both Deployments have does not select the pods of the second one.
CO_TEST(Member, WhatTheApiServerRefusesIsSaidInItsWords) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(
        R"([{"replicas":1},{"replicas":"100%"}])", 10,
        R"({"canary":{"enableExtraWorkloadForCanary":true,"patchPodTemplateMetadata":{"labels":{"app":"other"}}}})"));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Doc const rollout = co_await world.get(apis::kRollouts);
    std::string const words = apis::hindrance(rollout, apis::kWriteRefused);
    EXPECT_TRUE(words.contains("selector")) << json::write(rollout["status"]);
    auto const waits = world.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_EQ(waits.front().reason, "WriteRefused");
    EXPECT_EQ(waits.front().message, words);
    auto const events = co_await world.client->list(ctx, {"", "v1", "events"}, {.ns = "default"});
    CO_ASSERT_OK(events);
    int said = 0;
    for (auto const& [index, each] : (*events)["items"].elements())
        said += each["reason"].as_string() == "WriteRefused" ? 1 : 0;
    EXPECT_EQ(said, 1);
    Value const mended = *json::parse_value(
        R"({"spec":{"strategy":{"canary":{"patchPodTemplateMetadata":{"labels":{"app":null,"track":"canary"}}}}}})");
    CO_ASSERT_OK(co_await world.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, mended));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Doc const after = co_await world.get(apis::kRollouts);
    EXPECT_EQ(apis::hindrance(after, apis::kWriteRefused), "");
    STOP_WORLD();
}

CO_TEST(Member, TwoApprovalsAtOnceApproveOneStep) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(R"([{"replicas":1},{"replicas":2},{"replicas":3},{"replicas":"100%"}])"));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepUpgrade/InRolling"));
    Status const second = co_await world.approve();
    EXPECT_FALSE(second);
    if (!second) {
        EXPECT_TRUE(second.error().is(ErrorCode::kConflict));
        EXPECT_TRUE(second.error().message().contains("step 2 is in StepUpgrade")) << second.error().message();
    }
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    std::string const state = co_await world.state();
    EXPECT_EQ(state, "Progressing/2/StepPaused/InRolling");
    // A jump goes from any state, also together with what is as it was; an approval twice is one.
    Value const jump = *json::parse_value(R"({"status":{"canaryStatus":{"nextStepIndex":4}}})");
    CO_ASSERT_OK(co_await world.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, jump,
                                              {.subresource = "status"}));
    CO_ASSERT_OK(co_await world.until("Healthy/4/Completed/Completed"));
    STOP_WORLD();
}

CO_TEST(Member, ControllersCountWhatTheyDo) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    World world(ctx.with_metrics(metrics));
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    std::string const text = metrics.text();
    for (std::string_view line : {
             "\nworkqueue_depth{name=\"rollout-controller\"} 0\n",
             "\ncontroller_runtime_active_workers{controller=\"rollout-controller\"} 0\n",
             "\ncontroller_runtime_reconcile_total{controller=\"rollout-controller\",result=\"error\"} 0\n",
             "\ncontroller_runtime_reconcile_errors_total{controller=\"rollout-controller\"} 0\n",
             "\nworkqueue_depth{name=\"batchrelease-controller\"} 0\n",
         }) {
        EXPECT_TRUE(text.contains(line)) << line << text;
    }
    EXPECT_FALSE(text.contains("workqueue_work_duration_seconds_count{name=\"rollout-controller\"} 0\n")) << text;
    auto const controller = [&](std::string const& result) {
        return metrics
            .counter("controller_runtime_reconcile_total", "",
                     {{"controller", "rollout-controller"}, {"result", result}})
            .value();
    };
    observe::Counter const added = metrics.counter("workqueue_adds_total", "", {{"name", "rollout-controller"}});
    EXPECT_GT(added.value(), 0);
    EXPECT_EQ(controller("success") + controller("requeue_after"), added.value());
    STOP_WORLD();
}

CO_TEST(Member, ControllersAreNamedAsUpstreamsAre) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    World world(ctx.with_metrics(metrics));
    world.features.rollout_history = true;
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    std::string const text = metrics.text();
    for (std::string const name : {"rollout-controller", "batchrelease-controller", "trafficrouting-controller",
                                   "rollouthistory-controller", "advanced-deployment-controller"}) {
        EXPECT_TRUE(text.contains("\nworkqueue_depth{name=\"" + name + "\"} ")) << name << text;
        EXPECT_TRUE(text.contains("\ncontroller_runtime_active_workers{controller=\"" + name + "\"} ")) << name << text;
    }
    STOP_WORLD();
}

CO_TEST(Member, AReleaseTakesFewRequests) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    auto const count = [&world] {
        std::map<std::string, int> counts;
        for (auto const& each : world.server->request_counts()) {
            if (each.user != kController.name || each.verb == "watch" || each.verb == "list") continue;
            counts[each.verb + " " + each.resource + "/" + each.subresource + " " + std::to_string(each.code)] +=
                static_cast<int>(each.count);
        }
        return counts;
    };
    auto const before = count();
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    int total = 0;
    std::string listing;
    for (auto const& [what, number] : count()) {
        auto const found = before.find(what);
        int const more = number - (found == before.end() ? 0 : found->second);
        if (more == 0) continue;
        listing += what + ": " + std::to_string(more) + "\n";
        if (what.find(" pods/") == std::string::npos && what.find(" replicasets/") == std::string::npos) total += more;
    }
    EXPECT_LE(total, 30) << listing;
    STOP_WORLD();
}

}   // namespace
}   // namespace aviary::member
