// Releases that route by an Ingress, by a custom object, and by several things at once.
#include <gtest/gtest.h>

#include "member/rollout/internal/routed_cluster.h"

namespace aviary::rollout {
namespace {

constexpr char const* kIngress =
    R"({"kind":"Ingress","spec":{"ingressClassName":"nginx","rules":[{"host":"web.example.com",
    "http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}})";
constexpr char const* kMesh =
    R"({"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","metadata":{"labels":{"team":"a"}},
    "spec":{"hosts":["web"],"http":[{"route":[{"destination":{"host":"web"}}]}]}})";
constexpr char const* kByIngress = R"("ingress":{"name":"web"})";
constexpr char const* kByMesh =
    R"("customNetworkRefs":[{"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","name":"web"}])";
constexpr char const* kByRoute = R"("gateway":{"httpRouteName":"web"})";

std::string by(std::string const& routing, std::string const& style = kExtra) {
    return fmt::format(R"({{"canary":{{{},"trafficRoutings":[{{"service":"web","gracePeriodSeconds":0,{}}}]}}}})",
                       style, routing);
}
std::string blue_green_by(std::string const& routing) {
    return fmt::format(R"({{"blueGreen":{{"trafficRoutings":[{{"service":"web","gracePeriodSeconds":0,{}}}]}}}})",
                       routing);
}

struct ManyWays : RoutedCluster {
    explicit ManyWays(std::string const& strategy, std::string const& steps = kSteps) : RoutedCluster(strategy, steps) {
        create("ingresses", "web", *json::parse_value(kIngress));
        create("virtualservices", "web", *json::parse_value(kMesh));
        run();
        keep();
    }
    void script(std::string const& key, std::string const& text) {
        create("configmaps", std::string(traffic::kScriptsConfigMap),
               json::Object{{"data", json::Object{{key, text}}}});
    }
    void finish() {
        for (int count = 0; count < 10 && paused(); ++count) next();
        EXPECT_TRUE(show().starts_with("Healthy/3/Completed")) << show();
        expect_restored();
    }
};

struct Way {
    std::string routing;
    char const *first, *second;   // what a look ends with in the first two steps
};
std::vector<Way> const kWays{
    {kByIngress, "ingress=5% mesh=100 7", "ingress=50% mesh=100 7"},
    {kByMesh, "mesh=95/5 7", "mesh=50/50 7"},
    {fmt::format("{},{},{}", kByMesh, kByIngress, kByRoute), "ingress=5% mesh=95/5 95/5",
     "ingress=50% mesh=50/50 50/50"},
};

TEST(Providers, PodsComeBeforeTheirShareAndAtTheEndAllIsAsBefore) {
    for (Way const& way : kWays) {
        for (std::string const& strategy : {by(way.routing), by(way.routing, kPartition), blue_green_by(way.routing)}) {
            ManyWays cluster(strategy);
            cluster.begin();
            EXPECT_TRUE(cluster.paused()) << cluster.show() << cluster.message();
            EXPECT_TRUE(cluster.look().ends_with(way.first)) << cluster.look();
            EXPECT_LT(cluster.first("v2=1"), cluster.first(way.first)) << strategy;
            cluster.next();
            EXPECT_TRUE(cluster.look().ends_with(way.second)) << cluster.look();
            EXPECT_LT(cluster.first("v2=5"), cluster.first(way.second)) << strategy;
            cluster.finish();
        }
    }
}

TEST(Providers, OnTheWayBackRequestsLeaveBeforePodsDo) {
    for (Way const& way : kWays) {
        for (std::string const& strategy : {by(way.routing), by(way.routing, kPartition), blue_green_by(way.routing)}) {
            ManyWays cluster(strategy);
            cluster.begin();
            cluster.next();
            cluster.begin("v1");
            std::string const there = cluster.history.at(cluster.first("canary mesh=100 7"));
            EXPECT_TRUE(there.contains("v2=")) << there << strategy;
            EXPECT_TRUE(cluster.show().starts_with("Healthy/2/StepPaused v1=10")) << cluster.show();
            cluster.expect_restored();
        }
    }
}

TEST(Providers, EndWithTheRolloutAndWithTheWorkload) {
    for (Way const& way : kWays) {
        for (char const* resource : {"rollouts", "deployments"}) {
            ManyWays cluster(by(way.routing));
            cluster.begin();
            cluster.remove(resource, "web");
            cluster.settle_all();
            EXPECT_FALSE(cluster.get(resource).exists());
            cluster.expect_restored();
        }
    }
}

TEST(Providers, AMatchesStepTakesRequestsByTheirHeader) {
    ManyWays cluster(
        by(fmt::format("{},{}", kByMesh, kByIngress)),
        R"([{"replicas":1,"matches":[{"headers":[{"name":"user","value":"qa"}]}]},{"replicas":"50%","traffic":"50%"},{"replicas":"100%"}])");
    cluster.begin();
    EXPECT_TRUE(cluster.look().ends_with("canary ingress=user mesh=100 mesh=100 7")) << cluster.look();
    EXPECT_EQ(cluster.named("virtualservices", "web").at({"spec", "http"})[0]["match"][0].at({"headers", "user"}),
              *json::parse(R"({"exact":"qa"})"));
    cluster.next();
    EXPECT_TRUE(cluster.look().ends_with("ingress=50% mesh=50/50 7")) << cluster.look();
    cluster.finish();
}

TEST(Providers, NothingIsWrittenWhileOneOfThemHasTrouble) {
    ManyWays cluster(by(fmt::format("{},{},{}", kByMesh, kByIngress, kByRoute)));
    cluster.objects["ingresses"].clear();
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/BeforeStepUpgrade v1=10");
    EXPECT_EQ(cluster.message(), "traffic is not routed: Ingress demo/web does not exist: create it");
    EXPECT_TRUE(cluster.look().ends_with("open mesh=100 7")) << cluster.look();
    cluster.create("ingresses", "web", *json::parse_value(kIngress));
    cluster.settle_all();
    EXPECT_TRUE(cluster.look().ends_with("ingress=5% mesh=95/5 95/5")) << cluster.look();
    // In the middle, too.
    cluster.objects["ingresses"].clear();
    cluster.next();
    EXPECT_EQ(cluster.message(), "traffic is not routed: Ingress demo/web does not exist: create it");
    EXPECT_TRUE(cluster.look().ends_with("mesh=95/5 95/5")) << cluster.look();
    // Since then, however often it is looked at.
    Doc const before = cluster.get("rollouts");
    cluster.now += std::chrono::minutes(5);
    EXPECT_TRUE(cluster.decide_rollout_now().writes.empty());
    EXPECT_EQ(format_rfc3339(*cluster.decide_rollout_now().waits.front().since),
              meta::condition(before, "TrafficRouted")["lastTransitionTime"].as_string());
}

TEST(Providers, AKindThatIsNotServedIsNamed) {
    ManyWays cluster(by(kByMesh));
    cluster.objects.erase("virtualservices");
    cluster.begin();
    EXPECT_EQ(
        cluster.message(),
        "traffic is not routed: VirtualService demo/web cannot be routed: this cluster does not know a namespaced "
        "kind VirtualService in networking.istio.io/v1beta1");
    EXPECT_EQ(cluster.decide_rollout_now().waits.front().reason, "TrafficNotRouted");
    cluster.remove("rollouts", "web");   // where nothing is, nothing need be put back
    cluster.settle_all();
    EXPECT_FALSE(cluster.get("rollouts").exists());
}

TEST(Providers, AScriptThatFailsIsNamedWithItsLineAndWaitsForABetterOne) {
    ManyWays cluster(by(kByIngress));
    cluster.script("lua.traffic.routing.ingress.nginx", "local a = obj.annotations\nlocal b = a.x.y\nreturn a");
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepTrafficRouting v1=10 v2=1");
    EXPECT_EQ(cluster.message(),
              "traffic is not routed: Ingress demo/web: lua.traffic.routing.ingress.nginx:2: attempt to index field "
              "'x' (a nil value)");
    EXPECT_TRUE(cluster.decide_rollout_now().empty());
    EXPECT_FALSE(cluster.decide_rollout_now().requeue);
    cluster.objects["configmaps"].clear();
    cluster.settle_all();
    EXPECT_TRUE(cluster.look().ends_with("ingress=5% mesh=100 7")) << cluster.look();
    EXPECT_FALSE(cluster.message().starts_with("traffic is not routed")) << cluster.message();
}

TEST(Providers, AKindOfOnesOwnHasAScriptOfOnesOwn) {
    ManyWays cluster(by(R"("customNetworkRefs":[{"apiVersion":"example.com/v1","kind":"Mesh","name":"web"}])"));
    cluster.create("meshs", "web",
                   *json::parse_value(R"({"apiVersion":"example.com/v1","kind":"Mesh","spec":{"share":0}})"));
    cluster.begin();
    EXPECT_EQ(cluster.message(),
              "traffic is not routed: Mesh demo/web: there is no script for Mesh of example.com: give one as "
              "lua.traffic.routing.Mesh.example.com in the ConfigMap kruise-rollout-configuration");
    cluster.script("lua.traffic.routing.Mesh.example.com", "obj.data.spec.share = obj.canaryWeight\nreturn obj.data");
    cluster.settle_all();
    EXPECT_EQ(cluster.named("meshs", "web").at({"spec", "share"}).as_int(), 5);
    cluster.finish();
    EXPECT_EQ(cluster.named("meshs", "web").at({"spec"}), *json::parse(R"({"share":0})"));
    EXPECT_EQ(cluster.named("meshs", "web").at({"metadata", "annotations"}).size(), 0U);
}

// A controller that ends between two writes.
TEST(Providers, BrokenOffAnywhereTheyAreFinished) {
    for (std::size_t limit = 1; limit <= 2; ++limit) {
        ManyWays cluster(by(kWays.back().routing));
        auto const limited = [&] {
            for (int count = 0; count < 60; ++count) {
                for (auto const& plan :
                     {cluster.decide_rollout_now(), cluster.decide_batch_release_now(), cluster.decide_roll_now()}) {
                    cluster.apply(plan, count % 2 == 0 ? limit : 1000);
                    cluster.settle();
                }
            }
        };
        cluster.release("v2");
        limited();
        EXPECT_TRUE(cluster.look().ends_with(kWays.back().first)) << cluster.look();
        while (cluster.paused()) {
            cluster.approve();
            limited();
        }
        EXPECT_TRUE(cluster.show().starts_with("Healthy/3/Completed")) << cluster.show();
        cluster.expect_restored();
    }
}

}   // namespace
}   // namespace aviary::rollout
