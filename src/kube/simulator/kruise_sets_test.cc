// Kruise's StatefulSets and DaemonSets: what they do differently from those of Kubernetes.
#include <set>

#include "kube/control/definitions.h"
#include "kube/simulator/definitions.h"
#include "kube/simulator/internal/test_world.h"

namespace aviary::simulator {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;
using Counts = std::map<std::string, int>;
using Names = std::map<std::string, std::string>;

meta::GroupVersionResource const kStatefulSets{"apps.kruise.io", "v1beta1", "statefulsets"};
meta::GroupVersionResource const kOlderStatefulSets{"apps.kruise.io", "v1alpha1", "statefulsets"};
meta::GroupVersionResource const kDaemonSets{"apps.kruise.io", "v1alpha1", "daemonsets"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};
meta::ObjectKey const kWeb{"default", "web"};

Value workload(std::string const& api_version, std::string const& kind, std::string const& rolling) {
    Value object = *json::parse_value(
        R"({"metadata":{"name":"web","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
    object["apiVersion"] = api_version;
    object["kind"] = kind;
    object.set({"spec", "updateStrategy", "rollingUpdate"}, *json::parse_value(rolling));
    return object;
}

Value stateful_set(std::int64_t replicas, std::string const& rolling = "{}") {
    Value object = workload("apps.kruise.io/v1beta1", "StatefulSet", rolling);
    object.set({"spec", "replicas"}, replicas);
    return object;
}

Value daemon_set(std::string const& rolling = "{}") {
    return workload("apps.kruise.io/v1alpha1", "DaemonSet", rolling);
}

Value image(std::string const& name) {
    return *json::parse_value(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":")" + name +
                              R"("}]}}}})");
}

Value rolling(std::string const& fields) {
    Value patch{json::Object()};
    patch.set({"spec", "updateStrategy", "rollingUpdate"}, *json::parse_value(fields));
    return patch;
}

void need_gate(Value& object) {
    object.set({"spec", "template", "spec", "readinessGates"},
               json::Array{json::Object{{"conditionType", "InPlaceUpdateReady"}}});
}

struct Cluster : World {
    using World::World;

    Task<Status> begin(meta::GroupVersionResource of, Value object, Duration wait) {
        resource = std::move(of);
        CO_TRY(co_await start({.nodes = 4}));
        CO_TRY(co_await control::install_definitions(scope.context(), *client, workload_definitions()));
        CO_TRY(co_await client->create(scope.context(), resource, std::move(object)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Status> change(Value patch, Duration wait) {
        CO_TRY(co_await client->patch(scope.context(), resource, kWeb, client::PatchType::kMerge, std::move(patch)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Doc> status() {
        auto const seen = co_await client->get(scope.context(), resource, kWeb);
        co_return seen ? (*seen)["status"] : Doc();
    }
    // Image by pod, or by node.
    Task<Names> pods(bool by_node = false) {
        Names result;
        for (Doc const& pod : co_await listed(*this, kPods))
            result[by_node ? pod.at({"spec", "nodeName"}).string() : meta::name(pod)] =
                pod.at({"spec", "containers"})[0]["image"].string();
        co_return result;
    }
    Task<std::set<std::string>> uids() {
        std::set<std::string> result;
        for (Doc const& pod : co_await listed(*this, kPods)) result.insert(meta::uid(pod));
        co_return result;
    }
    meta::GroupVersionResource resource;
};

CO_TEST(KruiseStatefulSet, ThePartitionKeepsLowOrdinalsAndReservedOnesAreLeftOut) {
    Cluster cluster(ctx);
    Value object = stateful_set(4);
    object.set({"spec", "reserveOrdinals"}, json::Array{1});
    CO_ASSERT_OK(co_await cluster.begin(kStatefulSets, object, 20s));
    Value change = image("v2");
    change.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 2);
    CO_ASSERT_OK(co_await cluster.change(change, 20s));
    Names const half{{"web-0", "v1"}, {"web-2", "v1"}, {"web-3", "v2"}, {"web-4", "v2"}};
    EXPECT_EQ(co_await cluster.pods(), half);
    Doc status = co_await cluster.status();
    EXPECT_EQ(status["updatedReadyReplicas"].as_int(), 2);
    EXPECT_EQ(status["updatedAvailableReplicas"].as_int(), 2);
    EXPECT_EQ(status["currentReplicas"].as_int(), 2);
    EXPECT_EQ(status["labelSelector"].string(), "app=web");
    EXPECT_NE(status["currentRevision"].string(), status["updateRevision"].string());
    for (char const* name : {"web-2", "web-3"})
        CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", name}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_EQ(co_await cluster.pods(), half);
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"partition":null})"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 4}}));
    status = co_await cluster.status();
    EXPECT_EQ(status["currentRevision"].string(), status["updateRevision"].string());
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(KruiseStatefulSet, BothVersionsAreOneKind) {
    Cluster cluster(ctx);
    Value object = stateful_set(2);
    object["apiVersion"] = "apps.kruise.io/v1alpha1";
    CO_ASSERT_OK(co_await cluster.begin(kOlderStatefulSets, object, 10s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 2}}));
    EXPECT_EQ((co_await cluster.status())["updatedReplicas"].as_int(), 2);
    auto const owner = meta::controller_of((co_await listed(cluster, kPods)).front());
    EXPECT_EQ(owner->api_version, "apps.kruise.io/v1beta1");
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(KruiseStatefulSet, WhilePausedNothingIsUpdated) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(kStatefulSets, stateful_set(2, R"({"paused":true})"), 10s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 2}}));
    EXPECT_EQ((co_await cluster.status())["observedGeneration"].as_int(), 2);
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"paused":false})"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 2}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(KruiseStatefulSet, MaxUnavailableIsHowManyGoAtOnceAndMinReadyHoldsThemUp) {
    Cluster cluster(ctx);
    Value object = stateful_set(6, R"({"maxUnavailable":"50%","minReadySeconds":20})");
    object.set({"spec", "podManagementPolicy"}, "Parallel");
    CO_ASSERT_OK(co_await cluster.begin(kStatefulSets, object, 30s));
    EXPECT_EQ((co_await cluster.status())["availableReplicas"].as_int(), 6);
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 15s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 3}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((co_await cluster.status())["updatedAvailableReplicas"].as_int(), 6);
    co_await cluster.scope.cancel_and_join();
}

// So many are new, wherever they are.
CO_TEST(KruiseStatefulSet, AnUnorderedUpdateCountsPodsInsteadOfOrdinals) {
    Cluster cluster(ctx);
    Value object = stateful_set(4, R"({"partition":4,"unorderedUpdate":{}})");
    object.set({"spec", "podManagementPolicy"}, "Parallel");
    CO_ASSERT_OK(co_await cluster.begin(kStatefulSets, object, 10s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 10s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 4}}));
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"partition":3})"), 0s));
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-0"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 1}}));
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"partition":1})"), 30s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 1}, {"v2", 3}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(KruiseStatefulSet, InPlacePodsStay) {
    Cluster cluster(ctx);
    Value object = stateful_set(3, R"({"podUpdatePolicy":"InPlaceIfPossible","partition":1})");
    need_gate(object);
    CO_ASSERT_OK(co_await cluster.begin(kStatefulSets, object, 15s));
    EXPECT_EQ((co_await cluster.status())["readyReplicas"].as_int(), 3);
    auto const before = co_await cluster.uids();
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 500ms));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"}, {"web-1", "v1"}, {"web-2", "v2"}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"}, {"web-1", "v2"}, {"web-2", "v2"}}));
    EXPECT_EQ(co_await cluster.uids(), before);
    EXPECT_EQ((co_await cluster.status())["updatedAvailableReplicas"].as_int(), 2);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(KruiseDaemonSet, ThePartitionIsHowManyStayOldAndThePauseIsForAll) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(kDaemonSets, daemon_set(R"({"partition":4})"), 5s));
    Doc status = co_await cluster.status();
    EXPECT_EQ(status["updatedNumberScheduled"].as_int(), 4);
    EXPECT_EQ(status["observedGeneration"].as_int(), 1);
    std::string const first = status["daemonSetHash"].string();
    EXPECT_EQ(meta::label((co_await listed(cluster, kPods)).front(), "controller-revision-hash"), first);
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 20s));
    status = co_await cluster.status();
    EXPECT_NE(status["daemonSetHash"].string(), first);
    EXPECT_EQ(status["updatedNumberScheduled"].as_int(-1), 0);
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 4}}));
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"partition":3})"), 20s));
    EXPECT_EQ((co_await cluster.pods(true))["gpu-node-4"], "v2");
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 1}}));
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"partition":1,"paused":true})"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 1}}));
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"paused":null})"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 1}, {"v2", 3}}));
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"partition":null})"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 4}}));
    EXPECT_EQ((co_await cluster.status())["numberAvailable"].as_int(), 4);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(KruiseDaemonSet, NodesAreSelectedAndASurgeKeepsThePartition) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(
        kDaemonSets,
        daemon_set(
            R"({"maxSurge":2,"maxUnavailable":0,"selector":{"matchLabels":{"kubernetes.io/hostname":"gpu-node-2"}}})"),
        5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 20s));
    EXPECT_EQ(co_await cluster.pods(true),
              (Names{{"gpu-node-1", "v1"}, {"gpu-node-2", "v2"}, {"gpu-node-3", "v1"}, {"gpu-node-4", "v1"}}));
    CO_ASSERT_OK(co_await cluster.change(rolling(R"({"selector":null,"partition":1})"), 1s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 3}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 1}, {"v2", 3}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(KruiseDaemonSet, InPlacePodsStay) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(kDaemonSets,
                                        daemon_set(R"({"rollingUpdateType":"InPlaceIfPossible","partition":2})"), 5s));
    EXPECT_EQ((co_await cluster.status())["numberReady"].as_int(), 4);
    auto const before = co_await cluster.uids();
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 2}, {"v2", 2}}));
    EXPECT_EQ(co_await cluster.uids(), before);
    EXPECT_EQ((co_await cluster.status())["numberAvailable"].as_int(), 4);
    EXPECT_EQ((co_await cluster.status())["updatedNumberScheduled"].as_int(), 2);
    co_await cluster.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::simulator
