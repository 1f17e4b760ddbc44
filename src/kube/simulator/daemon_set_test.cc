#include "kube/simulator/internal/daemon_set.h"

#include <set>

#include "kube/simulator/internal/test_world.h"

namespace aviary::simulator {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;
using Images = std::map<std::string, int>;

meta::GroupVersionResource const kDaemonSets{"apps", "v1", "daemonsets"};
meta::GroupVersionResource const kRevisions{"apps", "v1", "controllerrevisions"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};
meta::GroupVersionResource const kNodes{"", "v1", "nodes"};
meta::ObjectKey const kWeb{"default", "web"};

Value daemon_set(std::string const& more = "{}") {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"web","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
    Value const extra = *json::parse_value(more);
    for (auto const& [key, value] : extra.object()) object.set({"spec", key}, value);
    return object;
}

Value image(std::string const& name) {
    return *json::parse_value(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":")" + name +
                              R"("}]}}}})");
}

struct Cluster : World {
    using World::World;

    Task<Status> begin(Value object, Duration wait, int nodes = 4) {
        CO_TRY(co_await start({.nodes = nodes}));
        CO_TRY(co_await client->create(scope.context(), kDaemonSets, std::move(object)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Status> change(meta::GroupVersionResource resource, meta::ObjectKey key, Value patch, Duration wait) {
        CO_TRY(co_await client->patch(scope.context(), resource, key, client::PatchType::kStrategicMerge,
                                      std::move(patch)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Doc> status() {
        auto const seen = co_await client->get(scope.context(), kDaemonSets, kWeb);
        co_return seen ? (*seen)["status"] : Doc();
    }
    Task<std::set<std::string>> nodes_used() {
        std::set<std::string> result;
        for (Doc const& pod : co_await listed(*this, kPods)) result.insert(pod.at({"spec", "nodeName"}).string());
        co_return result;
    }
};

// Its name is made of the pods that are there, and may be that of one of them.
TEST(DaemonSetDecision, ANewPodHasANameOfItsOwn) {
    Value set = daemon_set();
    set.set({"metadata", "uid"}, "set");
    DaemonSetView view;
    view.set = Doc::freeze(set);
    view.find = [](auto const&...) { return Doc(); };
    for (char const* node : {"a", "b"})
        view.nodes.push_back(*json::parse(fmt::format(R"({{"metadata":{{"name":"{}"}}}})", node)));
    auto const with = [&](std::string const& name) {
        Value pod = *json::parse_value(R"({"metadata":{"namespace":"default","uid":"one","labels":{"app":"web"},
            "ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","name":"web","uid":"set","controller":true}]},
            "spec":{"nodeName":"a"},"status":{"phase":"Running"}})");
        pod.set({"metadata", "name"}, name);
        view.pods = {Doc::freeze(pod)};
        FailedPods failed;
        std::string made;
        for (auto const& write : decide_daemon_set(view, failed, Time()).writes)
            if (write.resource == kPods)
                made = write.key.name.empty() ? write.body.at({"metadata", "name"}).string() : write.key.name;
        return made;
    };
    std::string const name = with("web-x");
    EXPECT_FALSE(name.empty());
    EXPECT_EQ(with("web-y"), name);
    std::string const other = with(name);
    EXPECT_FALSE(other.empty());
    EXPECT_NE(other, name);
}

CO_TEST(DaemonSet, EveryNodeThatFitsHasOnePod) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(daemon_set(), 5s));
    EXPECT_EQ((co_await listed(cluster, kPods)).size(), 4U);
    EXPECT_EQ((co_await cluster.nodes_used()).size(), 4U);
    Doc status = co_await cluster.status();
    for (char const* field : {"desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable",
                              "updatedNumberScheduled"})
        EXPECT_EQ(status[field].as_int(), 4) << field;
    EXPECT_EQ(status["observedGeneration"].as_int(), 1);
    EXPECT_FALSE(status.contains("numberUnavailable"));
    Doc const pod = (co_await listed(cluster, kPods)).front();
    Doc const revision = (co_await listed(cluster, kRevisions)).front();
    EXPECT_EQ(meta::name(revision), "web-" + meta::label(pod, "controller-revision-hash"));
    EXPECT_EQ(meta::label(pod, "pod-template-generation"), "1");

    // A cordoned node keeps its pod and would get one; a taint keeps new pods off and old ones on; one that evicts
    // drives them away.
    CO_ASSERT_OK(co_await cluster.change(kNodes, {"", "gpu-node-1"},
                                         *json::parse_value(R"({"spec":{"unschedulable":true}})"), 0s));
    CO_ASSERT_OK(co_await cluster.change(
        kNodes, {"", "gpu-node-2"},
        *json::parse_value(R"({"spec":{"taints":[{"key":"a","value":"b","effect":"NoSchedule"}]}})"), 0s));
    CO_ASSERT_OK(co_await cluster.change(
        kNodes, {"", "gpu-node-3"},
        *json::parse_value(R"({"spec":{"taints":[{"key":"a","value":"b","effect":"NoExecute"}]}})"), 10s));
    EXPECT_EQ(co_await cluster.nodes_used(), (std::set<std::string>{"gpu-node-1", "gpu-node-2", "gpu-node-4"}));
    status = co_await cluster.status();
    EXPECT_EQ(status["desiredNumberScheduled"].as_int(), 2);
    EXPECT_EQ(status["numberMisscheduled"].as_int(), 1);
    for (Doc const& each : co_await listed(cluster, kPods))
        CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, meta::key_of(each)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.nodes_used(), (std::set<std::string>{"gpu-node-1", "gpu-node-4"}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(DaemonSet, ASelectorOfNodesIsFollowedAsLabelsChange) {
    Cluster cluster(ctx);
    Value object = daemon_set();
    object.set({"spec", "template", "spec", "nodeSelector", "gpu"}, "h100");
    CO_ASSERT_OK(co_await cluster.begin(object, 5s));
    EXPECT_EQ((co_await listed(cluster, kPods)).size(), 0U);
    CO_ASSERT_OK(co_await cluster.change(kNodes, {"", "gpu-node-3"},
                                         *json::parse_value(R"({"metadata":{"labels":{"gpu":"h100"}}})"), 5s));
    EXPECT_EQ(co_await cluster.nodes_used(), (std::set<std::string>{"gpu-node-3"}));
    CO_ASSERT_OK(co_await cluster.change(kNodes, {"", "gpu-node-3"},
                                         *json::parse_value(R"({"metadata":{"labels":{"gpu":"l4"}}})"), 5s));
    EXPECT_EQ((co_await listed(cluster, kPods)).size(), 0U);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(DaemonSet, ItRollsWithinWhatMayBeMissing) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(daemon_set(), 5s));
    CO_ASSERT_OK(co_await cluster.change(kDaemonSets, kWeb, image("v2"), 0s));
    for (int look = 0; look < 200; ++look) {
        int ready = 0;
        for (Doc const& pod : co_await listed(cluster, kPods)) ready += meta::condition_is_true(pod, "Ready") ? 1 : 0;
        EXPECT_GE(ready, 3);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 100ms));
    }
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 4}}));
    EXPECT_EQ((co_await cluster.status())["updatedNumberScheduled"].as_int(), 4);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(DaemonSet, ASurgingOneNeverMissesAPod) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(
        daemon_set(R"({"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":2,"maxUnavailable":0}}})"),
        5s));
    CO_ASSERT_OK(co_await cluster.change(kDaemonSets, kWeb, image("v2"), 0s));
    std::size_t most = 0;
    for (int look = 0; look < 200; ++look) {
        int ready = 0;
        std::vector<Doc> const pods = co_await listed(cluster, kPods);
        most = std::max(most, pods.size());
        for (Doc const& pod : pods) ready += meta::condition_is_true(pod, "Ready") ? 1 : 0;
        EXPECT_GE(ready, 4);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 100ms));
    }
    EXPECT_EQ(most, 6U);
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 4}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(DaemonSet, OnDeleteWaitsForWhoDeletesAndAnEarlierTemplateIsItsOwnRevision) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(daemon_set(R"({"updateStrategy":{"type":"OnDelete"}})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(kDaemonSets, kWeb, image("v2"), 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 4}}));
    Doc const first = (co_await listed(cluster, kPods)).front();
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, meta::key_of(first)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 3}, {"v2", 1}}));
    EXPECT_EQ((co_await cluster.status())["updatedNumberScheduled"].as_int(), 1);
    CO_ASSERT_OK(co_await cluster.change(kDaemonSets, kWeb, image("v1"), 10s));
    EXPECT_EQ((co_await cluster.status())["updatedNumberScheduled"].as_int(), 3);
    std::map<std::string, std::int64_t> numbers;
    for (Doc const& revision : co_await listed(cluster, kRevisions))
        numbers[meta::label(revision, "controller-revision-hash")] = revision["revision"].as_int();
    EXPECT_EQ(numbers.size(), 2U);
    EXPECT_EQ(numbers[meta::label(first, "controller-revision-hash")], 3);
    co_await cluster.scope.cancel_and_join();
}

TEST(FailedPods, DelaysDoubleAndAreForgotten) {
    FailedPods failed;
    Time now = Time() + 1h;
    EXPECT_EQ(failed.replaced_at("node", now), now);
    EXPECT_EQ(failed.replaced_at("node", now), now + 1s);
    now += 1s;
    EXPECT_EQ(failed.replaced_at("node", now), now);
    EXPECT_EQ(failed.replaced_at("node", now), now + 2s);
    EXPECT_EQ(failed.replaced_at("other", now), now);
    now += 1h;
    EXPECT_EQ(failed.replaced_at("node", now), now);
    EXPECT_EQ(failed.replaced_at("node", now), now + 1s);
}

}   // namespace
}   // namespace aviary::simulator
