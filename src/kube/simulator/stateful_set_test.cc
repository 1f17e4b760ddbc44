#include <algorithm>

#include "kube/simulator/internal/test_world.h"

namespace aviary::simulator {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;
using Names = std::map<std::string, std::string>;

meta::GroupVersionResource const kStatefulSets{"apps", "v1", "statefulsets"};
meta::GroupVersionResource const kRevisions{"apps", "v1", "controllerrevisions"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};
meta::GroupVersionResource const kClaims{"", "v1", "persistentvolumeclaims"};
meta::ObjectKey const kWeb{"default", "web"};

Value stateful_set(std::int64_t replicas, std::string const& more = "{}") {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"web","namespace":"default"},
      "spec":{"serviceName":"web","selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
    object.set({"spec", "replicas"}, replicas);
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

    Task<Status> begin(Value object, Duration wait) {
        CO_TRY(co_await start());
        CO_TRY(co_await client->create(scope.context(), kStatefulSets, std::move(object)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Status> change(Value patch, Duration wait) {
        CO_TRY(co_await client->patch(scope.context(), kStatefulSets, kWeb, client::PatchType::kStrategicMerge,
                                      std::move(patch)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Doc> status() {
        auto const seen = co_await client->get(scope.context(), kStatefulSets, kWeb);
        co_return seen ? (*seen)["status"] : Doc();
    }
    // Image by pod.
    Task<Names> pods() {
        Names result;
        for (Doc const& pod : co_await listed(*this, kPods))
            result[meta::name(pod)] = pod.at({"spec", "containers"})[0]["image"].string();
        co_return result;
    }
    Task<std::map<std::string, std::int64_t>> revisions() {
        std::map<std::string, std::int64_t> result;
        for (Doc const& revision : co_await listed(*this, kRevisions))
            result[meta::name(revision)] = revision["revision"].as_int();
        co_return result;
    }
};

CO_TEST(StatefulSet, PodsAreMadeInOrderAndSayWhoTheyAre) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(stateful_set(3, R"({"ordinals":{"start":5}})"), 3s));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-5", "v1"}, {"web-6", "v1"}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-5", "v1"}, {"web-6", "v1"}, {"web-7", "v1"}}));
    Doc const status = co_await cluster.status();
    std::string const revision = status["currentRevision"].string();
    EXPECT_TRUE(revision.starts_with("web-"));
    EXPECT_EQ(status["updateRevision"].string(), revision);
    for (char const* field : {"replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"})
        EXPECT_EQ(status[field].as_int(), 3) << field;
    EXPECT_EQ(status["observedGeneration"].as_int(), 1);
    EXPECT_EQ(co_await cluster.revisions(), (std::map<std::string, std::int64_t>{{revision, 1}}));
    Doc const pod = (co_await listed(cluster, kPods)).front();
    EXPECT_EQ(meta::label(pod, "controller-revision-hash"), revision);
    EXPECT_EQ(meta::label(pod, "statefulset.kubernetes.io/pod-name"), "web-5");
    EXPECT_EQ(meta::label(pod, "apps.kubernetes.io/pod-index"), "5");
    EXPECT_EQ(pod.at({"spec", "hostname"}).string(), "web-5");
    EXPECT_EQ(pod.at({"spec", "subdomain"}).string(), "web");
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(StatefulSet, ThePartitionKeepsLowOrdinalsEvenWhenTheyAreMadeAnew) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(stateful_set(4), 15s));
    Value change = image("v2");
    change.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 2);
    CO_ASSERT_OK(co_await cluster.change(change, 20s));
    Names const half{{"web-0", "v1"}, {"web-1", "v1"}, {"web-2", "v2"}, {"web-3", "v2"}};
    EXPECT_EQ(co_await cluster.pods(), half);
    Doc status = co_await cluster.status();
    EXPECT_NE(status["currentRevision"].string(), status["updateRevision"].string());
    EXPECT_EQ(status["currentReplicas"].as_int(), 2);
    EXPECT_EQ(status["updatedReplicas"].as_int(), 2);
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-0"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.pods(), half);
    Value all{json::Object()};
    all.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 0);
    CO_ASSERT_OK(co_await cluster.change(all, 1s));
    Names const three{{"web-0", "v1"}, {"web-1", "v2"}, {"web-2", "v2"}, {"web-3", "v2"}};
    EXPECT_EQ(co_await cluster.pods(), three);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    status = co_await cluster.status();
    EXPECT_EQ(status["currentRevision"].string(), status["updateRevision"].string());
    EXPECT_EQ(status["currentReplicas"].as_int(), 4);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(StatefulSet, AnEarlierTemplateIsItsOwnRevisionWithANewNumber) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(stateful_set(2, R"({"revisionHistoryLimit":1})"), 10s));
    std::string const first = (co_await cluster.status())["updateRevision"].string();
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 15s));
    std::string const second = (co_await cluster.status())["updateRevision"].string();
    EXPECT_EQ(co_await cluster.revisions(), (std::map<std::string, std::int64_t>{{first, 1}, {second, 2}}));
    CO_ASSERT_OK(co_await cluster.change(image("v1"), 15s));
    EXPECT_EQ((co_await cluster.status())["currentRevision"].string(), first);
    EXPECT_EQ(co_await cluster.revisions(), (std::map<std::string, std::int64_t>{{first, 3}, {second, 2}}));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"}, {"web-1", "v1"}}));
    CO_ASSERT_OK(co_await cluster.change(image("v3"), 15s));
    std::string const third = (co_await cluster.status())["updateRevision"].string();
    EXPECT_EQ(co_await cluster.revisions(), (std::map<std::string, std::int64_t>{{first, 3}, {third, 4}}));
    co_await cluster.scope.cancel_and_join();
}

// In order, nothing happens before a broken pod is well; a template that would mend it does not replace it. In
// parallel it does.
CO_TEST(StatefulSet, ABrokenPodHoldsUpTheSetUnlessItIsParallel) {
    for (bool const parallel : {false, true}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(
            co_await cluster.begin(stateful_set(3, parallel ? R"({"podManagementPolicy":"Parallel"})" : "{}"), 15s));
        Value broken = image("v2");
        broken.set({"spec", "template", "metadata", "annotations", "simulator.aviary.dev/behaviour"}, "never-ready");
        CO_ASSERT_OK(co_await cluster.change(broken, 60s));
        Names const stuck{{"web-0", "v1"}, {"web-1", "v1"}, {"web-2", "v2"}};
        EXPECT_EQ(co_await cluster.pods(), stuck) << parallel;
        Value back = image("v1");
        back.set({"spec", "template", "metadata", "annotations"}, nullptr);
        CO_ASSERT_OK(co_await cluster.change(back, 60s));
        Names const mended{{"web-0", "v1"}, {"web-1", "v1"}, {"web-2", "v1"}};
        EXPECT_EQ(co_await cluster.pods(), parallel ? mended : stuck);
        if (!parallel) {
            CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-2"}));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
            EXPECT_EQ(co_await cluster.pods(), mended);
        }
        co_await cluster.scope.cancel_and_join();
    }
}

CO_TEST(StatefulSet, MaxUnavailableIsHowManyGoAtOnce) {
    for (char const* policy : {"OrderedReady", "Parallel"}) {
        Cluster cluster(ctx);
        Value object = stateful_set(6);
        object.set({"spec", "podManagementPolicy"}, policy);
        object.set({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}, "50%");
        CO_ASSERT_OK(co_await cluster.begin(object, 30s));
        CO_ASSERT_OK(co_await cluster.change(image("v2"), 1s));
        Names const now = co_await cluster.pods();
        EXPECT_EQ(std::ranges::count(now, "v1", &Names::value_type::second), 3) << policy;
        EXPECT_EQ(now.at("web-2"), "v1") << policy;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ((co_await cluster.status())["updatedReplicas"].as_int(), 6) << policy;
        co_await cluster.scope.cancel_and_join();
    }
}

CO_TEST(StatefulSet, OnDeleteWaitsForWhoDeletesAndTheHighestAreScaledAway) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(stateful_set(4, R"({"updateStrategy":{"type":"OnDelete"}})"), 15s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 30s));
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-1"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"}, {"web-1", "v2"}, {"web-2", "v1"}, {"web-3", "v1"}}));
    EXPECT_EQ((co_await cluster.status())["updatedReplicas"].as_int(), 1);
    Value fewer{json::Object()};
    fewer.set({"spec", "replicas"}, 2);
    CO_ASSERT_OK(co_await cluster.change(fewer, 10s));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"}, {"web-1", "v2"}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(StatefulSet, APodCountsOnceItHasBeenReadyForLongEnough) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(stateful_set(2, R"({"minReadySeconds":20})"), 10s));
    Doc status = co_await cluster.status();
    EXPECT_EQ(status["readyReplicas"].as_int(), 1);
    EXPECT_EQ(status["availableReplicas"].as_int(), 0);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    status = co_await cluster.status();
    EXPECT_EQ(status["availableReplicas"].as_int(), 2);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(StatefulSet, ClaimsStayOrGoAsItsPolicySays) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(
        stateful_set(3, R"({"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Delete"},
          "volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],
          "resources":{"requests":{"storage":"1Gi"}}}}]})"),
        15s));
    auto const claims = [&]() -> Task<Names> {
        Names result;
        for (Doc const& claim : co_await listed(cluster, kClaims))
            result[meta::name(claim)] = meta::label(claim, "app");
        co_return result;
    };
    EXPECT_EQ(co_await claims(), (Names{{"data-web-0", "web"}, {"data-web-1", "web"}, {"data-web-2", "web"}}));
    Doc const pod = (co_await listed(cluster, kPods)).front();
    EXPECT_EQ(pod.at({"spec", "volumes"})[0].at({"persistentVolumeClaim", "claimName"}).string(), "data-web-0");
    Value fewer{json::Object()};
    fewer.set({"spec", "replicas"}, 2);
    CO_ASSERT_OK(co_await cluster.change(fewer, 30s));
    EXPECT_EQ(co_await claims(), (Names{{"data-web-0", "web"}, {"data-web-1", "web"}}));
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kStatefulSets, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((co_await cluster.pods()).size(), 0U);
    EXPECT_EQ((co_await cluster.revisions()).size(), 0U);
    EXPECT_EQ((co_await claims()).size(), 2U);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(StatefulSet, APodOfItsNameThatIsAnothersIsWaitedFor) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.start());
    CO_ASSERT_OK(co_await cluster.client->create(
        ctx, kPods,
        *json::parse_value(
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-0","namespace":"default"},
        "spec":{"containers":[{"name":"main","image":"other"}]}})")));
    CO_ASSERT_OK(co_await cluster.client->create(ctx, kStatefulSets, stateful_set(1)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ((co_await cluster.status())["replicas"].as_int(-1), 0);
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-0"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"}}));
    co_await cluster.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::simulator
