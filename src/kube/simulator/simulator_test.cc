#include "kube/simulator/simulator.h"

#include "kube/simulator/internal/test_world.h"

namespace aviary::simulator {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};

Value deployment(std::string image, std::int64_t replicas) {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":"","resources":{"requests":{"cpu":"4","nvidia.com/gpu":"1"},"limits":{"nvidia.com/gpu":"1"}}}]}}}})");
    object.set({"spec", "replicas"}, replicas);
    Value container = object.at({"spec", "template", "spec", "containers"})[0];
    container["image"] = image;
    object.set({"spec", "template", "spec", "containers"}, json::Array{container});
    return object;
}

CO_TEST(Simulator, ADeploymentRollsAndKeepsItsHistory) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, deployment("v1", 10)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    Result<Doc> seen = co_await world.client->get(ctx, kDeployments, {"default", "web"});
    CO_ASSERT_OK(seen);
    EXPECT_EQ(seen->at({"status", "readyReplicas"}).as_int(), 10);
    EXPECT_EQ(meta::condition(*seen, "Progressing")["reason"].as_string(), "NewReplicaSetAvailable");
    EXPECT_TRUE(meta::condition_is_true(*seen, "Available"));
    EXPECT_EQ(meta::annotation(*seen, "deployment.kubernetes.io/revision"), "1");

    Value patch = *json::parse_value(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v2"}]}}}})");
    CO_ASSERT_OK(
        co_await world.client->patch(ctx, kDeployments, {"default", "web"}, client::PatchType::kStrategicMerge, patch));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    auto const counts = co_await world.images();
    EXPECT_EQ(counts, (std::map<std::string, int>{{"v2", 10}}));
    seen = co_await world.client->get(ctx, kDeployments, {"default", "web"});
    EXPECT_EQ(meta::annotation(*seen, "deployment.kubernetes.io/revision"), "2");
    EXPECT_EQ(seen->at({"status", "updatedReplicas"}).as_int(), 10);

    CO_ASSERT_OK(co_await world.client->remove(ctx, kDeployments, {"default", "web"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    auto const left = co_await world.images();
    EXPECT_TRUE(left.empty());
    co_await world.scope.cancel_and_join();
}

CO_TEST(Simulator, PodsWaitForGpusAndAPausedDeploymentDoesNotRoll) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start({.nodes = 1, .gpus_per_node = 4}));
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, deployment("v1", 5)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    Result<Doc> seen = co_await world.client->get(ctx, kDeployments, {"default", "web"});
    CO_ASSERT_OK(seen);
    EXPECT_EQ(seen->at({"status", "readyReplicas"}).as_int(), 4);
    auto const pods = co_await world.client->list(ctx, kPods, {.ns = "default"});
    std::string message;
    for (auto const& [key, pod] : (*pods)["items"].elements()) {
        if (auto const condition = meta::condition(pod, "PodScheduled"); condition["status"].as_string() == "False")
            message = condition["message"].string();
    }
    EXPECT_EQ(message, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.");

    CO_ASSERT_OK(co_await world.client->patch(
        ctx, kDeployments, {"default", "web"}, client::PatchType::kStrategicMerge,
        *json::parse_value(
            R"({"spec":{"paused":true,"replicas":2,"template":{"spec":{"containers":[{"name":"main","image":"v2"}]}}}})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    auto const counts = co_await world.images();
    EXPECT_EQ(counts, (std::map<std::string, int>{{"v1", 2}}));
    co_await world.scope.cancel_and_join();
}

CO_TEST(Simulator, AReplicaSetThatWasOrphanedIsTakenOnAgain) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, deployment("v1", 3)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(
        co_await world.client->remove(ctx, kDeployments, {"default", "web"}, {.propagation_policy = "Orphan"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::vector<Doc> sets = co_await listed(world, kReplicaSets);
    EXPECT_EQ(sets.size(), 1U);
    EXPECT_FALSE(meta::controller_of(sets.front()));
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, deployment("v1", 4)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    Result<Doc> const seen = co_await world.client->get(ctx, kDeployments, {"default", "web"});
    CO_ASSERT_OK(seen);
    EXPECT_EQ(seen->at({"status", "readyReplicas"}).as_int(), 4);
    sets = co_await listed(world, kReplicaSets);
    EXPECT_EQ(sets.size(), 1U);
    auto const owner = meta::controller_of(sets.front());
    EXPECT_EQ(owner ? owner->uid : "", meta::uid(*seen));
    co_await world.scope.cancel_and_join();
}

CO_TEST(Simulator, APodWhoseLabelsGoIsLetGoAndReplaced) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, deployment("v1", 2)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::vector<Doc> pods = co_await listed(world, kPods);
    EXPECT_EQ(pods.size(), 2U);
    meta::ObjectKey const pod = meta::key_of(pods.front());
    auto const label = [&](Value app) -> Task<Status> {
        Value patch{json::Object()};
        patch.set({"metadata", "labels", "app"}, std::move(app));
        CO_TRY(co_await world.client->patch(ctx, kPods, pod, client::PatchType::kMerge, patch));
        co_return co_await async::sleep_for(ctx, 10s);
    };
    CO_ASSERT_OK(co_await label(nullptr));
    pods = co_await listed(world, kPods);
    EXPECT_EQ(pods.size(), 3U);
    Result<Doc> const released = co_await world.client->get(ctx, kPods, pod);
    CO_ASSERT_OK(released);
    EXPECT_FALSE(meta::controller_of(*released));
    // With its label back it is one too many.
    CO_ASSERT_OK(co_await label("web"));
    pods = co_await listed(world, kPods);
    EXPECT_EQ(pods.size(), 2U);
    for (Doc const& each : pods) EXPECT_TRUE(meta::controller_of(each)) << meta::name(each);
    co_await world.scope.cancel_and_join();
}

CO_TEST(Simulator, RecreateWaitsForPodsThatAreGoing) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Value object = deployment("v1", 2);
    object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, object));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::vector<Doc> const pods = co_await listed(world, kPods);
    EXPECT_EQ(pods.size(), 2U);
    meta::ObjectKey const pod = meta::key_of(pods.front());
    auto const keep = [&](Value finalizers) -> Task<Status> {
        Value patch{json::Object()};
        patch.set({"metadata", "finalizers"}, std::move(finalizers));
        CO_TRY(co_await world.client->patch(ctx, kPods, pod, client::PatchType::kMerge, patch));
        co_return Status{};
    };
    CO_ASSERT_OK(co_await keep(json::Array{"example.com/drain"}));
    Value const next =
        *json::parse_value(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v2"}]}}}})");
    CO_ASSERT_OK(
        co_await world.client->patch(ctx, kDeployments, {"default", "web"}, client::PatchType::kStrategicMerge, next));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    std::map<std::string, int> counts = co_await world.images();
    EXPECT_EQ(counts, (std::map<std::string, int>{{"v1", 1}}));
    CO_ASSERT_OK(co_await keep(nullptr));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (std::map<std::string, int>{{"v2", 2}}));
    co_await world.scope.cancel_and_join();
}

// As one that is evicted: the phase is Failed for good, another takes its place, and old ones are collected.
CO_TEST(Simulator, PodsThatFailAreReplacedAndDoNotPileUp) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start({.pod_start = 0s}));
    Value object = deployment("v1", 2);
    object.set({"spec", "template", "metadata", "annotations", "simulator.aviary.dev/behaviour"}, "fail");
    CO_ASSERT_OK(co_await world.client->create(ctx, kDeployments, object));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::vector<Doc> const early = co_await listed(world, kPods);
    EXPECT_GE(early.size(), 4U);
    EXPECT_LE(early.size(), 20U);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20min));
    std::vector<Doc> const late = co_await listed(world, kPods);
    EXPECT_LE(late.size(), 110U);
    co_await world.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::simulator
