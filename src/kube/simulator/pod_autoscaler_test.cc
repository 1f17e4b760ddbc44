#include "kube/simulator/internal/pod_autoscaler.h"

#include "kube/control/definitions.h"
#include "kube/simulator/definitions.h"
#include "kube/simulator/internal/test_world.h"

namespace aviary::simulator {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
meta::GroupVersionResource const kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};
meta::ObjectKey const kWeb{"default", "web"};

struct Cluster : World {
    using World::World;

    Task<Status> begin(std::int64_t replicas, std::int64_t least, std::int64_t most) {
        CO_TRY(co_await start());
        Value deployment = *json::parse_value(
            R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},
          "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
          "spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
        deployment.set({"spec", "replicas"}, replicas);
        CO_TRY(co_await client->create(scope.context(), kDeployments, std::move(deployment)));
        Value autoscaler = *json::parse_value(
            R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web","namespace":"default"},
          "spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}})");
        autoscaler.set({"spec", "minReplicas"}, least);
        autoscaler.set({"spec", "maxReplicas"}, most);
        CO_TRY(co_await client->create(scope.context(), kAutoscalers, std::move(autoscaler)));
        co_return Status{};
    }
    Task<Doc> get(meta::GroupVersionResource resource) {
        auto const seen = co_await client->get(scope.context(), resource, kWeb);
        co_return seen ? *seen : Doc();
    }
    Task<std::int64_t> replicas() {
        Doc const deployment = co_await get(kDeployments);
        co_return deployment.at({"spec", "replicas"}).as_int();
    }
    // "AbleToScale=True/SucceededGetScale ScalingActive=…"
    Task<std::string> conditions() {
        Doc const autoscaler = co_await get(kAutoscalers);
        std::string text;
        for (auto const& [key, each] : autoscaler.at({"status", "conditions"}).elements())
            text += (text.empty() ? "" : " ") + each["type"].string() + "=" + each["status"].string() + "/" +
                    each["reason"].string();
        co_return text;
    }
    Task<Status> change(std::string patch) {
        CO_TRY(co_await client->patch(scope.context(), kAutoscalers, kWeb, client::PatchType::kMerge,
                                      *json::parse_value(patch)));
        co_return Status{};
    }
    Task<void> wait(Duration time) { (void)co_await async::sleep_for(scope.context(), time); }
};

CO_TEST(PodAutoscaler, KeepsItsTargetWithinItsBoundsAndLooksEveryFifteenSeconds) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(2, 4, 6));
    co_await cluster.wait(14s);
    EXPECT_EQ(co_await cluster.replicas(), 2);
    co_await cluster.wait(2s);
    EXPECT_EQ(co_await cluster.replicas(), 4);
    EXPECT_EQ(co_await cluster.conditions(), "AbleToScale=True/SucceededRescale");
    CO_ASSERT_OK(co_await cluster.change(R"({"spec":{"minReplicas":1,"maxReplicas":3}})"));
    co_await cluster.wait(16s);
    EXPECT_EQ(co_await cluster.replicas(), 3);
    co_await cluster.wait(16s);
    EXPECT_EQ(co_await cluster.conditions(),
              "AbleToScale=True/SucceededGetScale ScalingActive=False/FailedGetResourceMetric");
    Doc const autoscaler = co_await cluster.get(kAutoscalers);
    EXPECT_EQ(autoscaler.at({"status", "currentReplicas"}).as_int(), 3);
    std::string const version = meta::resource_version(autoscaler);
    co_await cluster.wait(60s);
    EXPECT_EQ(meta::resource_version(co_await cluster.get(kAutoscalers)), version) << "nothing changed";
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(PodAutoscaler, LeavesWhatIsScaledToNothingAndSaysWhatIsNotThere) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(0, 4, 6));
    co_await cluster.wait(16s);
    EXPECT_EQ(co_await cluster.replicas(), 0);
    EXPECT_EQ(co_await cluster.conditions(), "AbleToScale=True/SucceededGetScale ScalingActive=False/ScalingDisabled");
    CO_ASSERT_OK(co_await cluster.change(R"({"spec":{"scaleTargetRef":{"name":"other"}}})"));
    co_await cluster.wait(16s);
    Doc const autoscaler = co_await cluster.get(kAutoscalers);
    EXPECT_EQ(meta::condition(autoscaler, "AbleToScale")["message"].as_string(),
              "the HPA controller was unable to get the target's current scale: deployments/scale.apps \"other\" not "
              "found");
    co_await cluster.scope.cancel_and_join();
}

// What counts is that its kind has a size, whose ever it is.
CO_TEST(PodAutoscaler, ScalesAnyKindThatCanBeScaled) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(4, 4, 6));
    CO_ASSERT_OK(co_await control::install_definitions(ctx, *cluster.client, workload_definitions()));
    meta::GroupVersionResource const clone_sets{"apps.kruise.io", "v1alpha1", "clonesets"};
    CO_ASSERT_OK(co_await cluster.client->create(
        ctx, clone_sets, *json::parse_value(R"({"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet",
        "metadata":{"name":"web","namespace":"default"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"set"}},
        "template":{"metadata":{"labels":{"app":"set"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})")));
    CO_ASSERT_OK(co_await cluster.change(
        R"({"spec":{"scaleTargetRef":{"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet"}}})"));
    co_await cluster.wait(31s);
    Doc const set = co_await cluster.get(clone_sets);
    EXPECT_EQ(set.at({"spec", "replicas"}).as_int(), 4);
    CO_ASSERT_OK(co_await cluster.change(R"({"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"DaemonSet"}}})"));
    co_await cluster.wait(31s);
    std::string const conditions = co_await cluster.conditions();
    EXPECT_TRUE(conditions.starts_with("AbleToScale=False/FailedGetScale")) << conditions;
    co_await cluster.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::simulator
