#include <algorithm>

#include "kube/simulator/definitions.h"
#include "kube/simulator/internal/leader_worker_set.h"
#include "kube/simulator/internal/test_world.h"

namespace aviary::simulator {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;
using Names = std::map<std::string, std::string>;

meta::GroupVersionResource const kSets{"leaderworkerset.x-k8s.io", "v1", "leaderworkersets"};
meta::GroupVersionResource const kStatefulSets{"apps", "v1", "statefulsets"};
meta::GroupVersionResource const kRevisions{"apps", "v1", "controllerrevisions"};
meta::GroupVersionResource const kServices{"", "v1", "services"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};
meta::GroupVersionResource const kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
meta::ObjectKey const kWeb{"default", "web"};
constexpr char kLabel[] = "leaderworkerset.sigs.k8s.io/";

Value definition() {
    for (Value& each : workload_definitions()) {
        if (each.at({"spec", "names", "kind"}).as_string() == "LeaderWorkerSet") return std::move(each);
    }
    return {};
}

// `rolling` is its rollingUpdateConfiguration, `more` what its template has beside.
Value set_of(std::int64_t groups, std::int64_t size, std::string const& rolling = "{}",
             std::string const& more = "{}") {
    Value object = *json::parse_value(
        R"({"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet","metadata":{"name":"web","namespace":"default"},
      "spec":{"leaderWorkerTemplate":{"workerTemplate":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":"v1","env":[{"name":"MODEL","value":"qwen"}]}]}}}}})");
    object.set({"spec", "replicas"}, groups);
    object.set({"spec", "leaderWorkerTemplate", "size"}, size);
    object.set({"spec", "rolloutStrategy", "rollingUpdateConfiguration"}, *json::parse_value(rolling));
    object.set({"spec", "rolloutStrategy", "type"}, "RollingUpdate");
    Value const extra = *json::parse_value(more);
    for (auto const& [key, value] : extra.object()) object.set({"spec", "leaderWorkerTemplate", key}, value);
    return object;
}

Value image(std::string const& name) {
    return *json::parse_value(R"({"spec":{"leaderWorkerTemplate":{"workerTemplate":{"spec":{"containers":[
        {"name":"main","image":")" +
                              name + R"("}]}}}}})");
}
Value partition(int value) {
    Value patch{json::Object()};
    patch.set({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}, value);
    return patch;
}

struct Cluster : World {
    using World::World;

    Task<Status> begin(Value object, Duration wait = 20s) {
        CO_TRY(co_await start());
        Value crd = definition();
        CO_TRY(co_await client->create(scope.context(), kCrds, std::move(crd)));
        CO_TRY(co_await client->create(scope.context(), kSets, std::move(object)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Status> change(Value patch, Duration wait = 60s) {
        CO_TRY(co_await client->patch(scope.context(), kSets, kWeb, client::PatchType::kMerge, std::move(patch)));
        co_return co_await async::sleep_for(scope.context(), wait);
    }
    Task<Doc> status() {
        auto const seen = co_await client->get(scope.context(), kSets, kWeb);
        co_return seen ? (*seen)["status"] : Doc();
    }
    // Image by pod.
    Task<Names> pods() {
        Names result;
        for (Doc const& pod : co_await listed(*this, kPods))
            result[meta::name(pod)] = pod.at({"spec", "containers"})[0]["image"].string();
        co_return result;
    }
    Task<Doc> pod(std::string name) {
        auto const seen = co_await client->get(scope.context(), kPods, {"default", name});
        co_return seen ? *seen : Doc();
    }
    Task<std::string> condition(std::string type) {
        auto const seen = co_await client->get(scope.context(), kSets, kWeb);
        co_return meta::condition(*seen, type)["status"].string();
    }
};

std::string label(Doc const& object, std::string const& name) { return meta::label(object, kLabel + name); }
std::string variable(Doc const& pod, std::string_view name) {
    for (auto const& [key, each] : pod.at({"spec", "containers"})[0]["env"].elements()) {
        if (each["name"].as_string() == name) return each["value"].string();
    }
    return "";
}

CO_TEST(LeaderWorkerSet, GroupsAreALeaderAndItsWorkersWhoKnowWhoTheyAre) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(set_of(2, 3)));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"},
                                              {"web-0-1", "v1"},
                                              {"web-0-2", "v1"},
                                              {"web-1", "v1"},
                                              {"web-1-1", "v1"},
                                              {"web-1-2", "v1"}}));
    Doc const leader = co_await cluster.pod("web-1");
    Doc const worker = co_await cluster.pod("web-1-2");
    for (Doc const& pod : {leader, worker}) {
        EXPECT_EQ(label(pod, "name"), "web");
        EXPECT_EQ(label(pod, "group-index"), "1");
        EXPECT_EQ(variable(pod, "LWS_LEADER_ADDRESS"), "web-1.web.default");
        EXPECT_EQ(variable(pod, "LWS_GROUP_SIZE"), "3");
        EXPECT_EQ(variable(pod, "MODEL"), "qwen");
    }
    EXPECT_EQ(label(leader, "worker-index"), "0");
    EXPECT_EQ(variable(worker, "LWS_WORKER_INDEX"), "2");
    EXPECT_EQ(label(worker, "worker-index"), "2");
    EXPECT_EQ(label(worker, "group-key"), label(leader, "group-key"));
    EXPECT_NE(label(leader, "group-key"), label(co_await cluster.pod("web-0"), "group-key"));
    Doc const status = co_await cluster.status();
    for (char const* field : {"replicas", "readyReplicas", "updatedReplicas"}) EXPECT_EQ(status[field].as_int(), 2);
    EXPECT_EQ(status["hpaPodSelector"].as_string(),
              "leaderworkerset.sigs.k8s.io/name=web,leaderworkerset.sigs.k8s.io/worker-index=0");
    EXPECT_EQ(co_await cluster.condition("Available"), "True");
    EXPECT_EQ(co_await cluster.condition("Progressing"), "False");
    auto const service = co_await cluster.client->get(ctx, kServices, kWeb);
    CO_ASSERT_OK(service);
    EXPECT_EQ(service->at({"spec", "clusterIP"}).as_string(), "None");
    int own = 0;
    for (Doc const& revision : co_await listed(cluster, kRevisions))
        own += label(revision, "template-revision-hash") == label(leader, "template-revision-hash") &&
                       meta::controller_of(revision)->kind == "LeaderWorkerSet"
                   ? 1
                   : 0;
    EXPECT_EQ(own, 1);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(LeaderWorkerSet, NewRevisionReplacesWholeGroupsFromTheLastDownToThePartition) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(set_of(4, 2, R"({"partition":32767})")));
    std::string const first = label(co_await cluster.pod("web-0"), "template-revision-hash");
    CO_ASSERT_OK(co_await cluster.change(image("v2")));
    EXPECT_EQ(co_await cluster.images(), (std::map<std::string, int>{{"v1", 8}}));
    CO_ASSERT_OK(co_await cluster.change(partition(3)));
    EXPECT_EQ(co_await cluster.pods(), (Names{{"web-0", "v1"},
                                              {"web-0-1", "v1"},
                                              {"web-1", "v1"},
                                              {"web-1-1", "v1"},
                                              {"web-2", "v1"},
                                              {"web-2-1", "v1"},
                                              {"web-3", "v2"},
                                              {"web-3-1", "v2"}}));
    EXPECT_EQ((co_await cluster.status())["updatedReplicas"].as_int(), 1);
    EXPECT_EQ((co_await cluster.status())["readyReplicas"].as_int(), 4);
    // A group below the partition comes back as it was, its workers too.
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-0"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (std::map<std::string, int>{{"v1", 6}, {"v2", 2}}));
    EXPECT_EQ(label(co_await cluster.pod("web-0-1"), "template-revision-hash"), first);
    CO_ASSERT_OK(co_await cluster.change(partition(0), 120s));
    EXPECT_EQ(co_await cluster.images(), (std::map<std::string, int>{{"v2", 8}}));
    EXPECT_EQ((co_await cluster.status())["updatedReplicas"].as_int(), 4);
    EXPECT_EQ(co_await cluster.condition("Available"), "True");
    EXPECT_EQ(co_await cluster.condition("UpdateInProgress"), "False");
    for (Doc const& revision : co_await listed(cluster, kRevisions)) {
        if (meta::controller_of(revision)->kind == "LeaderWorkerSet")
            EXPECT_NE(label(revision, "template-revision-hash"), first) << meta::name(revision);
    }
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(LeaderWorkerSet, GoesBackToTheRevisionItHadUnderTheSameHash) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(set_of(2, 2)));
    std::string const first = label(co_await cluster.pod("web-0"), "template-revision-hash");
    CO_ASSERT_OK(co_await cluster.change(image("v2"), 2s));
    Value const env = *json::parse_value(R"([{"name":"main","image":"v1","env":[{"name":"MODEL","value":"qwen"}]}])");
    Value patch{json::Object()};
    patch.set({"spec", "leaderWorkerTemplate", "workerTemplate", "spec", "containers"}, env);
    CO_ASSERT_OK(co_await cluster.change(patch, 60s));
    EXPECT_EQ(co_await cluster.images(), (std::map<std::string, int>{{"v1", 4}}));
    EXPECT_EQ(label(co_await cluster.pod("web-1-1"), "template-revision-hash"), first);
    co_await cluster.scope.cancel_and_join();
}

// The last of the surge goes when all others are there.
CO_TEST(LeaderWorkerSet, SurgeStaysUntilThePartitionIsZero) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(set_of(4, 2, R"({"maxSurge":1,"maxUnavailable":0,"partition":32767})")));
    CO_ASSERT_OK(co_await cluster.change(image("v2")));
    EXPECT_EQ(co_await cluster.images(), (std::map<std::string, int>{{"v1", 10}}));
    CO_ASSERT_OK(co_await cluster.change(partition(3)));
    EXPECT_EQ((co_await cluster.status())["replicas"].as_int(), 5);
    EXPECT_EQ((co_await cluster.pods())["web-3-1"], "v2");
    EXPECT_EQ((co_await cluster.pods())["web-2-1"], "v1");
    CO_ASSERT_OK(co_await cluster.change(partition(0), 120s));
    EXPECT_EQ(co_await cluster.images(), (std::map<std::string, int>{{"v2", 8}}));
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(LeaderWorkerSet, GroupIsMadeAnewWhenOneOfItsWorkersGoesIfItsPolicySaysSo) {
    for (bool const whole : {true, false}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin(set_of(2, 3, "{}", whole ? "{}" : R"({"restartPolicy":"None"})")));
        std::string const leader = meta::uid(co_await cluster.pod("web-1"));
        std::string const sibling = meta::uid(co_await cluster.pod("web-1-2"));
        std::string const other = meta::uid(co_await cluster.pod("web-0-1"));
        CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-1-1"}));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ((co_await cluster.pods()).size(), 6u);
        EXPECT_EQ(meta::uid(co_await cluster.pod("web-1")) != leader, whole);
        EXPECT_EQ(meta::uid(co_await cluster.pod("web-1-2")) != sibling, whole);
        EXPECT_EQ(meta::uid(co_await cluster.pod("web-0-1")), other);
        EXPECT_EQ((co_await cluster.status())["readyReplicas"].as_int(), 2);
        co_await cluster.scope.cancel_and_join();
    }
}

// What is left of the group before goes while the next leader is there already: else one takes the other along forever.
TEST(LeaderWorkerSet, WorkerOfALeaderBeforeDoesNotTakeTheNextOneAlong) {
    auto const object = [](std::string const& kind, std::string const& name, std::string const& uid,
                           std::string const& owner_kind, std::string const& owner) {
        Value made{json::Object{{"kind", kind}}};
        made["metadata"] = json::Object{{"name", name}, {"namespace", "default"}, {"uid", uid}};
        made["metadata"]["ownerReferences"] = json::Array{json::Object{
            {"apiVersion", "v1"}, {"kind", owner_kind}, {"name", "x"}, {"uid", owner}, {"controller", true}}};
        return made;
    };
    Value worker = object("Pod", "web-0-1", "w1", "StatefulSet", "s1");
    worker["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    GroupPodView view;
    view.pod = Doc::freeze(worker);
    view.set = Doc::freeze(set_of(1, 2));
    view.group = {view.pod};
    view.leader = Doc::freeze(object("Pod", "web-0", "l2", "StatefulSet", "s0"));
    auto const takes_along = [&view] { return !decide_group_pod(view, Time()).writes.empty(); };
    EXPECT_FALSE(takes_along()) << "the StatefulSet of the leader before is gone";
    view.workers = Doc::freeze(object("StatefulSet", "web-0", "s1", "Pod", "l1"));
    EXPECT_FALSE(takes_along()) << "… or is there still";
    view.workers = Doc::freeze(object("StatefulSet", "web-0", "s2", "Pod", "l2"));
    EXPECT_FALSE(takes_along()) << "… or there is the next";
    view.workers = Doc::freeze(object("StatefulSet", "web-0", "s1", "Pod", "l2"));
    EXPECT_TRUE(takes_along()) << "its own";
}

CO_TEST(LeaderWorkerSet, WorkersWaitForTheLeaderWhenTheStartupPolicySaysSo) {
    Cluster cluster(ctx);
    Value object = set_of(1, 2);
    object.set({"spec", "startupPolicy"}, "LeaderReady");
    CO_ASSERT_OK(co_await cluster.begin(std::move(object), 1s));
    EXPECT_EQ((co_await cluster.pods()).size(), 1u);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ((co_await cluster.pods()).size(), 2u);
    co_await cluster.scope.cancel_and_join();
}

CO_TEST(LeaderWorkerSet, IsScaledInGroupsAndTakesThemAlongWhenItGoes) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(set_of(2, 2)));
    CO_ASSERT_OK(co_await cluster.change(*json::parse_value(R"({"spec":{"replicas":3}})")));
    EXPECT_EQ((co_await cluster.pods()).size(), 6u);
    CO_ASSERT_OK(co_await cluster.change(*json::parse_value(R"({"spec":{"replicas":1}})")));
    EXPECT_EQ((co_await cluster.pods()).size(), 2u);
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kSets, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((co_await cluster.pods()).size(), 0u);
    EXPECT_TRUE((co_await listed(cluster, kStatefulSets)).empty());
    co_await cluster.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::simulator
