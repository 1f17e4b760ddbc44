// A TrafficRouting that releases share: when it is in force, and in which order against their pods.
#include <gtest/gtest.h>

#include <functional>

#include "apis/rollouts/traffic_routing.h"
#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

constexpr char const* kSteps = R"([{"replicas":"20%"},{"replicas":"100%","pause":{}}])";
constexpr char const* kExtra = R"({"canary":{"enableExtraWorkloadForCanary":true,"trafficRoutingRef":"mesh"}})";
constexpr char const* kPartition = R"({"canary":{"trafficRoutingRef":"mesh"}})";
constexpr char const* kHeld = "progressing.rollouts.kruise.io/";

struct SharedCluster : FakeCluster {
    explicit SharedCluster(std::string const& style = kExtra, bool with_routing = true)
        : FakeCluster(kSteps, 10, style) {
        create("httproutes", "mesh",
               *json::parse_value(
                   R"({"kind":"HTTPRoute","spec":{"rules":[{"backendRefs":[{"name":"mesh","port":80}]}]}})"));
        original = named("httproutes", "mesh");
        objects["trafficroutings"];
        if (with_routing) create_routing();
        settle_all();
    }
    void create_routing() {
        create("trafficroutings", "mesh", *json::parse_value(R"({"spec":{
            "objectRef":[{"service":"mesh","gracePeriodSeconds":5,"gateway":{"httpRouteName":"mesh"}}],
            "strategy":{"matches":[{"headers":[{"name":"user","value":"qa"}]}],
            "requestHeaderModifier":{"set":[{"name":"x-color","value":"gray"}]}}}})"));
    }
    Doc routing() const { return named("trafficroutings", "mesh"); }
    void edit(std::string const& resource, std::string const& merge_patch) {
        json::apply_merge_patch(objects[resource]["mesh"], *json::parse_value(merge_patch));
    }
    // "Progressing web,other": its phase, and who holds it.
    std::string shown() const {
        std::string text = routing().at({"status", "phase"}).string();
        for (std::string const& each : apis::holders_of(routing())) text += " " + each;
        return text;
    }
    std::string message() const { return routing().at({"status", "message"}).string(); }
    bool routed() const { return named("httproutes", "mesh").at({"spec", "rules"}).size() == 2; }
    bool has_pods_of(std::string const& image) const {
        return std::ranges::any_of(list("pods"),
                                   [&](Doc const& pod) { return pod.at({"spec", "image"}).as_string() == image; });
    }
    control::Plan look() {
        TrafficRoutingSeen seen;
        seen.traffic_routing = routing();
        seen.strays = strays;
        seen.rests_since = rests_since;
        auto const read = apis::read_traffic_routing(routing());
        if (routing().exists() && !read->spec.object_ref.empty())
            seen.traffic = seen_traffic(read->spec.object_ref.front());
        for (traffic::Target& each : seen.traffic.targets) each.unreadable = unreadable;
        TrafficRoutingDecision decision = decide_traffic_routing(seen, now);
        rests_since = decision.rests_since;
        return std::move(decision.plan);
    }
    // Until nobody has anything to write; `note` is called after each write.
    void rest(std::function<void()> const& note = [] {}) {
        for (int round = 0; round < 500; ++round) {
            bool quiet = true;
            for (auto const& plan : {look(), decide_rollout_now(), decide_batch_release_now(), decide_roll_now()}) {
                for (control::Write const& write : plan.writes) {
                    quiet = false;
                    control::Plan one;
                    one.writes.push_back(write);
                    if (!apply(one)) break;
                    settle();
                    note();
                }
            }
            if (quiet) return;
        }
        problem = "does not come to rest";
    }
    // And lets its grace periods pass.
    void settle_all(std::function<void()> const& note = [] {}) {
        for (int count = 0; count < 20; ++count) {
            rest(note);
            auto const plan = look();
            if (!plan.requeue) return;
            now = plan.requeue->at;
        }
    }
    void begin(std::string const& image = "v2") {
        release(image);
        settle_all();
    }
    void expect_restored() {
        EXPECT_EQ(json::write(named("httproutes", "mesh")["spec"]), json::write(original["spec"]));
        EXPECT_FALSE(named("httproutes", "mesh")["metadata"].contains("annotations"));
    }

    Doc original;
    std::vector<std::string> strays;
    std::string unreadable;
    std::optional<Time> rests_since;
};

TEST(SharedRouting, AReleaseHoldsItFromItsBeginningToItsEnd) {
    for (char const* style : {kExtra, kPartition}) {
        SharedCluster cluster(style);
        EXPECT_EQ(cluster.shown(), "Healthy");
        EXPECT_EQ(cluster.message(), "TrafficRouting is Healthy");
        cluster.begin();
        EXPECT_TRUE(cluster.show().starts_with("Progressing/1/StepPaused")) << cluster.show();
        EXPECT_EQ(cluster.shown(), "Progressing web");
        EXPECT_EQ(cluster.message(), "TrafficRouting is Progressing");
        EXPECT_TRUE(cluster.routed());
        cluster.approve();
        cluster.settle_all();
        EXPECT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
        EXPECT_EQ(cluster.shown(), "Healthy");
        cluster.expect_restored();
    }
}

TEST(SharedRouting, RequestsLeaveBeforePodsDoAndItIsKnownEverywhere) {
    SharedCluster cluster;
    cluster.begin();
    cluster.release("v1");
    std::optional<Time> restored, left;
    cluster.settle_all([&] {
        if (!cluster.routed() && !restored) restored = cluster.now;
        if (!cluster.has_pods_of("v2") && !left) left = cluster.now;
    });
    ASSERT_TRUE(restored && left) << cluster.show() << cluster.shown();
    EXPECT_GE(*left, *restored + 5s);
    EXPECT_TRUE(cluster.show().starts_with("Healthy/1/StepPaused v1=10")) << cluster.show();
    cluster.expect_restored();
}

TEST(SharedRouting, TheLastOneToLeavePutsItBack) {
    SharedCluster cluster;
    cluster.edit("trafficroutings", fmt::format(R"({{"metadata":{{"finalizers":["{}other"]}}}})", kHeld));
    cluster.begin();
    EXPECT_EQ(cluster.shown(), "Progressing other web");
    cluster.release("v1");
    cluster.settle_all();
    EXPECT_TRUE(cluster.show().starts_with("Healthy/1/StepPaused v1=10")) << cluster.show();
    EXPECT_EQ(cluster.shown(), "Progressing other");
    EXPECT_TRUE(cluster.routed());
    cluster.edit("trafficroutings", R"({"metadata":{"finalizers":["rollouts.kruise.io/trafficrouting"]}})");
    cluster.rest();
    EXPECT_EQ(cluster.shown(), "Finalizing");
    EXPECT_EQ(cluster.message(), "TrafficRouting is Finalizing");
    cluster.expect_restored();
    // A release that begins now waits until it is over.
    cluster.release("v2");
    cluster.rest();
    EXPECT_EQ(cluster.shown(), "Finalizing");
    EXPECT_FALSE(cluster.has_pods_of("v2"));
    cluster.settle_all();
    EXPECT_EQ(cluster.shown(), "Progressing web");
    EXPECT_TRUE(cluster.routed());
}

TEST(SharedRouting, EveryEndOfAReleaseLeavesIt) {
    for (std::string const end : {"deleted", "disabled", "workload gone"}) {
        SharedCluster cluster;
        cluster.begin();
        if (end == "deleted") cluster.remove("rollouts", "web");
        if (end == "disabled") cluster.edit_rollout(R"({"spec":{"disabled":true}})");
        if (end == "workload gone") cluster.remove("deployments", "web");
        cluster.settle_all();
        EXPECT_EQ(cluster.shown(), "Healthy") << end;
        EXPECT_EQ(cluster.problem, "") << end;
        cluster.expect_restored();
    }
}

TEST(SharedRouting, AReleaseWaitsForOneThatIsMissingAndSaysSo) {
    SharedCluster cluster(kExtra, false);
    cluster.begin();
    EXPECT_EQ(cluster.get("rollouts").at({"status", "message"}).as_string(),
              "traffic is not routed: TrafficRouting demo/mesh does not exist: create it");
    EXPECT_TRUE(cluster.decide_rollout_now().empty());   // once, and no event more
    EXPECT_FALSE(cluster.has_pods_of("v2"));
    // The status is of this release, and the wait of it, however long it takes.
    EXPECT_TRUE(cluster.show().starts_with("Progressing/1/BeforeStepUpgrade")) << cluster.show();
    std::string const since = format_rfc3339(cluster.now);
    cluster.now += 1h;
    EXPECT_TRUE(cluster.decide_rollout_now().empty());
    EXPECT_EQ(format_rfc3339(*cluster.decide_rollout_now().waits.front().since), since);
    cluster.create_routing();
    cluster.settle_all();
    EXPECT_TRUE(cluster.show().starts_with("Progressing/1/StepPaused")) << cluster.show();
    EXPECT_EQ(cluster.shown(), "Progressing web");
    // Made anew in the middle, it is held again.
    cluster.objects["trafficroutings"].erase("mesh");
    cluster.rest();
    cluster.create_routing();
    cluster.settle_all();
    EXPECT_EQ(cluster.shown(), "Progressing web");
    // Going, it is not taken.
    SharedCluster going;
    going.remove("trafficroutings", "mesh");
    going.edit("trafficroutings", R"({"metadata":{"finalizers":["somebody/else"]}})");
    going.begin();
    EXPECT_EQ(going.get("rollouts").at({"status", "message"}).as_string(),
              "traffic is not routed: TrafficRouting demo/mesh is being deleted: create it again");
    EXPECT_EQ(going.shown(), "Terminating");
}

TEST(SharedRouting, TheOldVersionPutBackEndsAWaitForOneThatIsMissing) {
    SharedCluster cluster(kExtra, false);
    cluster.begin();
    cluster.release("v1");
    cluster.settle_all();
    EXPECT_TRUE(cluster.show().starts_with("Healthy")) << cluster.show();
}

TEST(SharedRouting, AThirdVersionThatWaitsForItSaysThatItIsOne) {
    SharedCluster cluster(kPartition);
    cluster.begin();
    cluster.objects["trafficroutings"].erase("mesh");
    cluster.begin("v3");
    auto const progressing = [&] { return meta::condition(cluster.get("rollouts"), apis::condition::kProgressing); };
    EXPECT_EQ(progressing()["status"].as_string(), "True");
    EXPECT_EQ(progressing()["reason"].as_string(), "Initializing");
    EXPECT_EQ(progressing()["message"].as_string(), "Workload is continuous release");
    cluster.create_routing();
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v3=2");
    EXPECT_EQ(progressing()["reason"].as_string(), "InRolling");
}

TEST(SharedRouting, TheFirstObjectRefAloneCounts) {
    SharedCluster cluster;
    cluster.create(
        "httproutes", "other",
        *json::parse_value(R"({"kind":"HTTPRoute","spec":{"rules":[{"backendRefs":[{"name":"other","port":80}]}]}})"));
    Doc const other = cluster.named("httproutes", "other");
    cluster.edit("trafficroutings", R"({"spec":{"objectRef":[
        {"service":"mesh","gracePeriodSeconds":5,"gateway":{"httpRouteName":"mesh"}},
        {"service":"other","gracePeriodSeconds":5,"gateway":{"httpRouteName":"other"}}]}})");
    cluster.begin();
    EXPECT_EQ(cluster.shown(), "Progressing web") << cluster.message();
    EXPECT_TRUE(cluster.routed());
    EXPECT_EQ(cluster.named("httproutes", "other"), other);
}

TEST(SharedRouting, HoldersThatAreGoneDoNotCount) {
    SharedCluster cluster;
    cluster.edit("trafficroutings", fmt::format(R"({{"metadata":{{"finalizers":["{}gone"]}}}})", kHeld));
    cluster.rest();
    EXPECT_EQ(cluster.shown(), "Progressing gone");
    cluster.strays = {"gone"};
    cluster.settle_all();
    EXPECT_EQ(cluster.shown(), "Healthy");
    EXPECT_EQ(json::write(cluster.routing().at({"metadata", "finalizers"})),
              R"(["rollouts.kruise.io/trafficrouting"])");
    cluster.expect_restored();
}

TEST(SharedRouting, DeletedItGoesWhenAllIsPutBack) {
    SharedCluster cluster;
    cluster.begin();
    cluster.unreadable = "forbidden";
    cluster.remove("trafficroutings", "mesh");
    cluster.settle_all();
    EXPECT_EQ(cluster.shown(), "Terminating web");
    EXPECT_EQ(cluster.message(), "traffic is not routed: HTTPRoute demo/mesh cannot be read: forbidden");
    EXPECT_TRUE(cluster.look().empty());
    EXPECT_TRUE(cluster.routed());
    EXPECT_TRUE(meta::has_finalizer(cluster.routing(), apis::kTrafficRoutingFinalizer));
    cluster.unreadable.clear();
    cluster.rest();
    cluster.expect_restored();
    EXPECT_TRUE(meta::has_finalizer(cluster.routing(), apis::kTrafficRoutingFinalizer));
    cluster.settle_all();   // the grace period
    EXPECT_EQ(json::write(cluster.routing().at({"metadata", "finalizers"})),
              R"(["progressing.rollouts.kruise.io/web"])");
    cluster.approve();
    cluster.settle_all();
    EXPECT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
    EXPECT_FALSE(cluster.routing().exists());
}

TEST(SharedRouting, WhatSomebodyChangesBackIsRepairedWithoutHaste) {
    SharedCluster cluster;
    cluster.begin();
    ASSERT_TRUE(cluster.rests_since);
    Time const began = *cluster.rests_since;
    cluster.edit("httproutes", R"({"spec":{"rules":[{"backendRefs":[{"name":"mesh","port":80}]}]}})");
    auto const plan = cluster.look();
    EXPECT_TRUE(plan.empty());
    ASSERT_TRUE(plan.requeue);
    EXPECT_EQ(plan.requeue->at, began + 10s);
    cluster.now = began + 10s;
    cluster.rest();
    EXPECT_TRUE(cluster.routed());
    // Another strategy counts at once.
    cluster.edit("trafficroutings", R"({"spec":{"strategy":{"matches":null,"weight":20}}})");
    cluster.now += 11s;
    cluster.rest();
    EXPECT_EQ(cluster.named("httproutes", "mesh").at({"spec", "rules"})[0]["backendRefs"].size(), 2U);
}

TEST(SharedRouting, WhatCannotBeRoutedIsSaidOnceAndMended) {
    SharedCluster cluster;
    cluster.edit("trafficroutings", R"({"spec":{"strategy":{"requestHeaderModifier":null}},"status":null})");
    cluster.rest();
    EXPECT_EQ(cluster.shown(), "Initial");
    EXPECT_EQ(cluster.message(),
              "traffic is not routed: HTTPRoute demo/mesh cannot tell versions apart that are both "
              "behind mesh: give a requestHeaderModifier");
    EXPECT_TRUE(cluster.look().empty());
    cluster.edit("trafficroutings", R"({"spec":{"strategy":{"matches":null,"weight":120}}})");
    cluster.rest();
    EXPECT_EQ(cluster.message(),
              "traffic is not routed: spec.strategy.weight: Invalid value: 120: must be from 0 to 100");
    cluster.edit("trafficroutings", R"({"spec":{"strategy":{"weight":null}}})");
    cluster.rest();
    EXPECT_EQ(cluster.shown(), "Healthy");
    EXPECT_EQ(cluster.message(), "TrafficRouting is Healthy");
}

// Upstream's case of a VirtualService and a DestinationRule: the subset is made, and led to.
TEST(SharedRouting, AMeshLeadsToTheSubset) {
    SharedCluster cluster;
    cluster.create("virtualservices", "mesh", *json::parse_value(R"({"apiVersion":"networking.istio.io/v1beta1",
        "kind":"VirtualService","spec":{"hosts":["*"],"http":[{"route":[{"destination":{"host":"mesh"}}]}]}})"));
    cluster.create("destinationrules", "mesh", *json::parse_value(R"({"apiVersion":"networking.istio.io/v1beta1",
        "kind":"DestinationRule","spec":{"host":"mesh","subsets":[{"name":"base","labels":{"app":"mesh"}}]}})"));
    auto const specs = [&] {
        return json::write(cluster.named("virtualservices", "mesh")["spec"]) +
               json::write(cluster.named("destinationrules", "mesh")["spec"]);
    };
    std::string const before = specs();
    cluster.edit("trafficroutings", R"({"spec":{"objectRef":[{"service":"mesh","customNetworkRefs":[
        {"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","name":"mesh"},
        {"apiVersion":"networking.istio.io/v1beta1","kind":"DestinationRule","name":"mesh"}]}]}})");
    cluster.settle_all();
    EXPECT_EQ(cluster.shown(), "Healthy");
    cluster.begin();
    EXPECT_EQ(cluster.shown(), "Progressing web") << cluster.message();
    Doc const rules = cluster.named("virtualservices", "mesh").at({"spec", "http"});
    ASSERT_EQ(rules.size(), 2U) << json::write(rules);
    EXPECT_EQ(json::write(rules[0].at({"match"})[0].at({"headers", "user"})), R"({"exact":"qa"})");
    EXPECT_EQ(json::write(rules[0]["route"][0]["destination"]), R"({"host":"mesh","subset":"canary"})");
    Doc const subsets = cluster.named("destinationrules", "mesh").at({"spec", "subsets"});
    ASSERT_EQ(subsets.size(), 2U);
    EXPECT_EQ(subsets[1]["name"].as_string(), "canary");
    cluster.release("v1");
    cluster.settle_all();
    EXPECT_EQ(cluster.shown(), "Healthy");
    EXPECT_EQ(specs(), before);
}

}   // namespace
}   // namespace aviary::rollout
