#include <algorithm>
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

meta::GroupVersionResource const kCloneSets{"apps.kruise.io", "v1alpha1", "clonesets"};
meta::GroupVersionResource const kRevisions{"apps", "v1", "controllerrevisions"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};
meta::GroupVersionResource const kClaims{"", "v1", "persistentvolumeclaims"};
meta::ObjectKey const kWeb{"default", "web"};

Value clone_set(std::int64_t replicas, std::string const& strategy = "{}") {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet","metadata":{"name":"web","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
    object.set({"spec", "replicas"}, replicas);
    object.set({"spec", "updateStrategy"}, *json::parse_value(strategy));
    return object;
}

Value image(std::string const& name) {
    return *json::parse_value(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":")" + name +
                              R"("}]}}}})");
}

Value strategy(std::string const& fields) {
    Value patch{json::Object()};
    patch.set({"spec", "updateStrategy"}, *json::parse_value(fields));
    return patch;
}

struct Cluster : World {
    using World::World;

    Task<Status> begin(Value object, Duration wait) {
        CO_TRY(co_await start());
        CO_TRY(co_await control::install_definitions(scope.context(), *client, workload_definitions()));
        CO_TRY(co_await client->create(scope.context(), kCloneSets, std::move(object)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Status> change(Value patch, Duration wait) {
        CO_TRY(co_await client->patch(scope.context(), kCloneSets, kWeb, client::PatchType::kMerge, std::move(patch)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Doc> status() {
        auto const seen = co_await client->get(scope.context(), kCloneSets, kWeb);
        co_return seen ? (*seen)["status"] : Doc();
    }
    Task<std::set<std::string>> uids() {
        std::set<std::string> result;
        for (Doc const& pod : co_await listed(*this, kPods)) result.insert(meta::uid(pod));
        co_return result;
    }
    // The fewest pods that were ready while this long passed.
    Task<int> fewest_ready(Duration length) {
        int fewest = 1000;
        for (Duration passed{}; passed < length; passed += 250ms) {
            int ready = 0;
            for (Doc const& pod : co_await listed(*this, kPods))
                ready += meta::condition_is_true(pod, "Ready") && !meta::is_deleting(pod) ? 1 : 0;
            fewest = std::min(fewest, ready);
            (void)co_await async::sleep_for(scope.context(), 250ms);
        }
        co_return fewest;
    }
};

CO_TEST(CloneSet, PodsSayWhichRevisionAndInstanceTheyAre) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(3), 5s));
    Doc const status = co_await cluster.status();
    std::string const revision = status["updateRevision"].string();
    EXPECT_TRUE(revision.starts_with("web-"));
    EXPECT_EQ(status["currentRevision"].string(), revision);
    for (char const* field : {"replicas", "readyReplicas", "availableReplicas", "updatedReplicas",
                              "updatedReadyReplicas", "updatedAvailableReplicas", "expectedUpdatedReplicas"})
        EXPECT_EQ(status[field].as_int(), 3) << field;
    EXPECT_EQ(status["observedGeneration"].as_int(), 1);
    EXPECT_EQ(status["labelSelector"].string(), "app=web");
    auto const pods = co_await listed(cluster, kPods);
    EXPECT_EQ(pods.size(), 3U);
    for (Doc const& pod : pods) {
        EXPECT_EQ(meta::label(pod, "controller-revision-hash"), revision);
        EXPECT_EQ("web-" + meta::label(pod, "pod-template-hash"), revision);
        EXPECT_EQ("web-" + meta::label(pod, "apps.kruise.io/cloneset-instance-id"), meta::name(pod));
        EXPECT_EQ(meta::label(pod, "lifecycle.apps.kruise.io/state"), "Normal");
        EXPECT_TRUE(meta::condition_is_true(pod, "InPlaceUpdateReady"));
    }
    EXPECT_EQ(meta::name((co_await listed(cluster, kRevisions)).front()), revision);
    Value fewer{json::Object()};
    fewer.set({"spec", "replicas"}, 1);
    CO_ASSERT_OK(co_await cluster.change(fewer, 5s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 1}}));
    EXPECT_EQ((co_await cluster.status())["replicas"].as_int(), 1);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, ThePartitionIsHowManyStayOld) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(10, R"({"partition":"100%"})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 10s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 10}}));
    EXPECT_EQ((co_await cluster.status())["expectedUpdatedReplicas"].as_int(), 0);
    CO_ASSERT_OK(co_await cluster.change(strategy(R"({"partition":"99%"})"), 10s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 9}, {"v2", 1}})) << "below 100% one is new";
    CO_ASSERT_OK(co_await cluster.change(strategy(R"({"partition":7})"), 30s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 7}, {"v2", 3}}));
    Doc status = co_await cluster.status();
    EXPECT_EQ(status["updatedReadyReplicas"].as_int(), 3);
    EXPECT_EQ(status["expectedUpdatedReplicas"].as_int(), 3);
    EXPECT_NE(status["currentRevision"].string(), status["updateRevision"].string());
    CO_ASSERT_OK(co_await cluster.change(strategy(R"({"partition":9})"), 30s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 7}, {"v2", 3}})) << "new pods are not taken back";
    CO_ASSERT_OK(co_await cluster.change(strategy(R"({"partition":null})"), 60s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 10}}));
    status = co_await cluster.status();
    EXPECT_EQ(status["currentRevision"].string(), status["updateRevision"].string());
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, OldPodsAreMadeAnewAsOldOnesWhileThePartitionKeepsThem) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(4, R"({"partition":2})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 2}, {"v2", 2}}));
    for (Doc const& pod : co_await listed(cluster, kPods))
        CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, meta::key_of(pod)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 2}, {"v2", 2}}));
    Value more{json::Object()};
    more.set({"spec", "replicas"}, 6);
    CO_ASSERT_OK(co_await cluster.change(more, 10s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 2}, {"v2", 4}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, WhilePausedNothingIsUpdatedAndPodsAreStillCounted) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(3, R"({"paused":true,"maxSurge":2})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 20s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}}));
    EXPECT_EQ((co_await cluster.status())["observedGeneration"].as_int(), 2);
    Value more{json::Object()};
    more.set({"spec", "replicas"}, 4);
    CO_ASSERT_OK(co_await cluster.change(more, 10s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 1}})) << "the partition keeps none";
    CO_ASSERT_OK(co_await cluster.change(strategy(R"({"paused":false})"), 30s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 4}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, ASurgeMakesNewPodsFirstAndNobodyMisses) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(4, R"({"maxSurge":2,"maxUnavailable":0})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 1s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 4}, {"v2", 2}}));
    EXPECT_EQ(co_await cluster.fewest_ready(30s), 4);
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 4}}));
    co_await cluster.scope.cancel_and_join();
}

// As blue-green has it: a whole second set beside one that is never taken down.
CO_TEST(CloneSet, ASurgeThatIsNeverAvailableStaysBesideTheOldPods) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(3, R"({"partition":"100%"})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 5s));
    Value surge = strategy(R"({"partition":null,"maxSurge":"100%","maxUnavailable":0})");
    surge.set({"spec", "minReadySeconds"}, 2147483646);
    CO_ASSERT_OK(co_await cluster.change(surge, 60s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 3}}));
    Doc const status = co_await cluster.status();
    EXPECT_EQ(status["updatedReadyReplicas"].as_int(), 3);
    EXPECT_EQ(status["availableReplicas"].as_int(), 0);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, MaxUnavailableHoldsAndBrokenPodsStopTheUpdate) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(5), 5s));
    Value broken = image("v2");
    broken.set({"spec", "template", "metadata", "annotations", "simulator.aviary.dev/behaviour"}, "never-ready");
    CO_ASSERT_OK(co_await cluster.change(broken, 1ms));
    EXPECT_EQ(co_await cluster.fewest_ready(60s), 4) << "20% of five";
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 4}, {"v2", 1}}));
    Value back = image("v1");
    back.set({"spec", "template", "metadata", "annotations"}, nullptr);
    CO_ASSERT_OK(co_await cluster.change(back, 60s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 5}}));
    EXPECT_EQ((co_await listed(cluster, kRevisions)).size(), 2U);
    EXPECT_EQ((co_await cluster.status())["updatedReadyReplicas"].as_int(), 5);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, APodThatGoesBackInPlaceBeforeItBeganServesAgain) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(4, R"({"type":"InPlaceIfPossible","maxUnavailable":1})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 50ms));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 1}}));
    CO_ASSERT_OK(co_await cluster.change(image("v1"), 30s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 4}}));
    EXPECT_EQ((co_await cluster.status())["updatedReadyReplicas"].as_int(), 4);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, InPlacePodsStayAndAreOutOfServiceMeanwhile) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(4, R"({"type":"InPlaceIfPossible","maxUnavailable":1})"), 5s));
    auto const before = co_await cluster.uids();
    Value change = image("v2");
    change.set({"spec", "template", "metadata", "annotations", "note"}, "second");
    CO_ASSERT_OK(co_await cluster.change(change, 500ms));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 3}, {"v2", 1}}));
    for (Doc const& pod : co_await listed(cluster, kPods)) {
        if (pod.at({"spec", "containers"})[0]["image"].as_string() != "v2") continue;
        EXPECT_FALSE(meta::condition_is_true(pod, "InPlaceUpdateReady"));
        EXPECT_FALSE(meta::condition_is_true(pod, "Ready"));
        EXPECT_EQ(meta::label(pod, "lifecycle.apps.kruise.io/state"), "Updating");
    }
    EXPECT_EQ(co_await cluster.fewest_ready(30s), 3);
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 4}}));
    EXPECT_EQ(co_await cluster.uids(), before);
    Doc const status = co_await cluster.status();
    EXPECT_EQ(status["updatedAvailableReplicas"].as_int(), 4);
    for (Doc const& pod : co_await listed(cluster, kPods)) {
        EXPECT_EQ(meta::label(pod, "controller-revision-hash"), status["updateRevision"].string());
        EXPECT_EQ("web-" + meta::label(pod, "pod-template-hash"), status["updateRevision"].string());
        EXPECT_EQ(meta::annotation(pod, "note"), "second");
        EXPECT_EQ(pod.at({"status", "containerStatuses"})[0]["restartCount"].as_int(), 1);
        EXPECT_TRUE(meta::condition_is_true(pod, "Ready"));
    }
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, WhatCannotBeDoneInPlaceIsANewPodUnlessInPlaceOnly) {
    for (bool const only : {false, true}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin(
            clone_set(2, only ? R"({"type":"InPlaceOnly"})" : R"({"type":"InPlaceIfPossible"})"), 5s));
        auto const before = co_await cluster.uids();
        Value change{json::Object()};
        change.set({"spec", "template", "spec", "terminationGracePeriodSeconds"}, 5);
        CO_ASSERT_OK(co_await cluster.change(change, 30s));
        EXPECT_EQ(co_await cluster.uids() == before, only);
        EXPECT_EQ((co_await cluster.status())["updatedReplicas"].as_int(), only ? 0 : 2);
        co_await cluster.scope.cancel_and_join();
    }
}

CO_TEST(CloneSet, TheGracePeriodIsBeforeTheImage) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(
        clone_set(1, R"({"type":"InPlaceOnly","inPlaceUpdateStrategy":{"gracePeriodSeconds":10}})"), 5s));
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 9s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v1", 1}}));
    EXPECT_EQ(co_await cluster.fewest_ready(0s + 250ms), 0);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.images(), (Counts{{"v2", 1}}));
    EXPECT_EQ((co_await cluster.status())["updatedAvailableReplicas"].as_int(), 1);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, PodsThatAreNamedGoAndAreForgotten) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(clone_set(3), 5s));
    std::string const named = meta::name((co_await listed(cluster, kPods))[1]);
    Value change{json::Object()};
    change.set({"spec", "replicas"}, 2);
    change.set({"spec", "scaleStrategy", "podsToDelete"}, json::Array{named});
    CO_ASSERT_OK(co_await cluster.change(change, 10s));
    auto const pods = co_await listed(cluster, kPods);
    EXPECT_EQ(pods.size(), 2U);
    for (Doc const& pod : pods) EXPECT_NE(meta::name(pod), named);
    auto const set = co_await cluster.client->get(ctx, kCloneSets, kWeb);
    EXPECT_EQ(set->at({"spec", "scaleStrategy", "podsToDelete"}).size(), 0U);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(CloneSet, ClaimsGoWithTheirPodsAndAreTakenUpOfThoseThatVanish) {
    Cluster cluster(ctx);
    Value object = clone_set(2);
    object.set({"spec", "volumeClaimTemplates"},
               *json::parse_value(R"([{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],
          "resources":{"requests":{"storage":"1Gi"}}}}])"));
    CO_ASSERT_OK(co_await cluster.begin(object, 5s));
    auto const names = [&](meta::GroupVersionResource resource) -> Task<std::set<std::string>> {
        std::set<std::string> result;
        for (Doc const& each : co_await listed(cluster, resource)) result.insert(meta::name(each));
        co_return result;
    };
    auto const claims = co_await names(kClaims);
    auto const pods = co_await names(kPods);
    EXPECT_EQ(claims.size(), 2U);
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", *pods.begin()}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_EQ(co_await names(kClaims), claims);
    EXPECT_EQ(co_await names(kPods), pods) << "the instance is the same";
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 30s));
    EXPECT_EQ((co_await names(kClaims)).size(), 2U);
    EXPECT_NE(co_await names(kClaims), claims);
    co_await cluster.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::simulator
