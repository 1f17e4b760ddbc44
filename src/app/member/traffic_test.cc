// Releases that route requests, end to end: on an API server with the Gateway API, and on one without.
#include "app/member/internal/test_routes.h"

namespace aviary::member {
namespace {

constexpr char const* kSteps = R"([{"replicas":"20%","traffic":"20%"},{"replicas":"50%","traffic":"50%"}])";
std::string style(std::string const& strategy, std::string const& route = "httpRouteName") {
    return R"({")" + strategy + R"(":{"trafficRoutings":[{"service":"web","gracePeriodSeconds":1,"gateway":{")" +
           route + R"(":"web"}}]}})";
}
std::string canary_style() {
    Value value = *json::parse_value(style("canary"));
    value.set({"canary", "enableExtraWorkloadForCanary"}, true);
    return json::write(value);
}

struct TrafficWorld : World {
    using World::World;

    Task<Status> begin(std::string strategy, std::string version = "v1", std::string steps = kSteps) {
        routes.version = version;
        CO_TRY(co_await start());
        Context const ctx = scope.context();
        if (!version.empty()) CO_TRY(co_await client->create(ctx, kCrds, routes_definition(version, kind())));
        Value service =
            *json::parse_value(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},
            "spec":{"type":"LoadBalancer","selector":{"app":"web"},"ports":[{"name":"http","port":80,"targetPort":8080}]}})");
        CO_TRY(co_await client->create(ctx, kServices, service));
        if (!version.empty())
            CO_TRY(co_await bring_route(R"([{"backendRefs":[{"name":"web","port":80,"weight":3}]}])"));
        CO_TRY(co_await client->create(ctx, kDeployments, deployment("v1", 10)));
        CO_TRY(co_await async::sleep_for(ctx, 5s));
        CO_TRY(co_await client->create(ctx, apis::kRollouts, rollout(steps, strategy)));
        co_return co_await until("Healthy/0//", true);
    }
    Task<Status> bring_route(std::string rules) {
        for (int count = 0; count < 100; ++count) {
            Value route = *json::parse_value(R"({"metadata":{"name":"web","namespace":"default"}})");
            route["kind"] = kind();
            route["apiVersion"] = routes.api_version();
            route.set({"spec", "rules"}, *json::parse_value(rules));
            auto const made = co_await client->create(scope.context(), routes, route);
            if (made) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 100ms));
        }
        co_return fail(ErrorCode::kTimeout, "routes are not served");
    }
    // Without what a server changes with every write.
    Task<std::string> stored(meta::GroupVersionResource resource, std::string name) {
        auto const found = co_await client->find(scope.context(), resource, {"default", name});
        if (!found || !found->exists()) co_return "none";
        Value value = found->thaw();
        for (char const* each : {"resourceVersion", "generation", "managedFields"}) value["metadata"].erase(each);
        co_return json::write_canonical(value);
    }
    // The Service, the route and the Service of the new version.
    Task<std::vector<std::string>> routed() {
        std::vector<std::string> all;
        all.push_back(co_await stored(kServices, "web"));
        all.push_back(co_await stored(routes, "web"));
        all.push_back(co_await stored(kServices, "web-canary"));
        co_return all;
    }
    // "80/20"
    Task<std::string> weights() {
        auto const found = co_await client->find(scope.context(), routes, {"default", "web"});
        std::string text;
        if (!found) co_return text;
        for (auto const& [index, each] : found->at({"spec", "rules"})[0]["backendRefs"].elements())
            text += (text.empty() ? "" : "/") + std::to_string(each["weight"].as_int());
        co_return text;
    }
    std::string kind() const { return routes.resource == kCalls.resource ? "GRPCRoute" : "HTTPRoute"; }
    meta::GroupVersionResource routes = kRoutes;
};

CO_TEST(Traffic, AReleaseRoutesItsShareAndLeavesNothing) {
    struct Case {
        std::string strategy;
        meta::GroupVersionResource routes;
    };
    meta::GroupVersionResource const older{kRoutes.group, "v1beta1", kRoutes.resource};
    for (Case const& each : std::vector<Case>{{style("canary"), kRoutes},
                                              {style("canary"), older},
                                              {canary_style(), kRoutes},
                                              {canary_style(), older},
                                              {style("blueGreen"), kRoutes},
                                              {style("blueGreen"), older},
                                              {style("canary", "grpcRouteName"), kCalls},
                                              {style("blueGreen", "grpcRouteName"), kCalls}}) {
        TrafficWorld world(ctx);
        world.routes = each.routes;
        CO_ASSERT_OK(co_await world.begin(each.strategy, each.routes.version));
        std::vector<std::string> const before = co_await world.routed();
        EXPECT_EQ(before.back(), "none");
        CO_ASSERT_OK(co_await world.release("v2"));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        std::string weights = co_await world.weights();
        EXPECT_EQ(weights, "80/20");
        auto const canary = co_await world.client->get(ctx, kServices, {"default", "web-canary"});
        CO_ASSERT_OK(canary);
        EXPECT_EQ(canary->at({"spec", "type"}).as_string(), "ClusterIP");
        // As many pods as the step has are behind it, none of the others.
        auto const pods = co_await world.client->list(
            ctx, kPods,
            {.ns = "default",
             .label_selector = "pod-template-hash=" + canary->at({"spec", "selector", "pod-template-hash"}).string()});
        CO_ASSERT_OK(pods);
        EXPECT_EQ((*pods)["items"].size(), 2U);
        co_await world.stop_member();   // a controller that comes anew goes on
        world.start_member();
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
        weights = co_await world.weights();
        EXPECT_EQ(weights, "50/50");
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Healthy/2/Completed/Completed"));
        std::vector<std::string> const after = co_await world.routed();
        EXPECT_EQ(after, before);
        co_await world.stop();
    }
}

CO_TEST(Traffic, GoneBackOrDeletedItLeavesNothing) {
    for (bool const deleted : {true, false}) {
        TrafficWorld world(ctx);
        CO_ASSERT_OK(co_await world.begin(canary_style()));
        std::vector<std::string> const before = co_await world.routed();
        EXPECT_EQ(before.back(), "none");
        CO_ASSERT_OK(co_await world.release("v2"));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        if (deleted) {
            CO_ASSERT_OK(co_await world.client->remove(ctx, apis::kRollouts, kWeb));
        } else {
            CO_ASSERT_OK(co_await world.release("v1"));
            CO_ASSERT_OK(co_await world.until("Healthy/1/StepPaused/Completed"));
        }
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        if (deleted) {
            Doc const rollout = co_await world.get(apis::kRollouts);
            EXPECT_FALSE(rollout.exists());
        }
        std::vector<std::string> const after = co_await world.routed();
        EXPECT_EQ(after, before);
        co_await world.stop();
    }
}

CO_TEST(Traffic, AClusterWithoutTheGatewayApiSaysSoAndGoesOnOnceItHasIt) {
    for (meta::GroupVersionResource const& routes : {kRoutes, kCalls}) {
        bool const http = routes == kRoutes;
        TrafficWorld world(ctx);
        world.routes = routes;
        CO_ASSERT_OK(co_await world.begin(http ? canary_style() : style("canary", "grpcRouteName"), ""));
        CO_ASSERT_OK(co_await world.release("v2"));
        CO_ASSERT_OK(co_await world.until("Progressing/1/BeforeStepUpgrade/InRolling"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        Doc const rollout = co_await world.get(apis::kRollouts);
        EXPECT_EQ(rollout.at({"status", "message"}).as_string(),
                  fmt::format("traffic is not routed: {} default/web cannot be routed: this cluster does not know {}",
                              world.kind(), routes.group_resource()));
        auto const waits = world.member->waits(kWeb);
        CO_ASSERT_TRUE(!waits.empty());
        EXPECT_EQ(waits.front().reason, "TrafficNotRouted");
        world.routes.version = "v1";
        CO_ASSERT_OK(co_await world.client->create(ctx, kCrds, routes_definition("v1", world.kind())));
        CO_ASSERT_OK(co_await world.bring_route(R"([{"backendRefs":[{"name":"web","port":80}]}])"));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        std::string const weights = co_await world.weights();
        EXPECT_EQ(weights, "80/20");
        co_await world.stop();
    }
}

// Whether the kind is there is asked of discovery, once a route leads to any.
CO_TEST(Traffic, APoolForTheNewVersionIsWaitedFor) {
    TrafficWorld world(ctx);
    CO_ASSERT_OK(co_await world.begin(canary_style(), ""));
    world.routes.version = "v1";
    CO_ASSERT_OK(co_await world.client->create(ctx, kCrds, routes_definition("v1")));
    CO_ASSERT_OK(co_await world.bring_route(
        R"([{"backendRefs":[{"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web"}]}])"));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/BeforeStepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Doc rollout = co_await world.get(apis::kRollouts);
    EXPECT_EQ(rollout.at({"status", "message"}).as_string(),
              "traffic is not routed: InferencePool default/web-canary cannot be routed: this cluster does not know a "
              "namespaced kind InferencePool in inference.networking.k8s.io/v1");
    CO_ASSERT_OK(co_await world.client->create(ctx, kCrds, pools_definition()));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    rollout = co_await world.get(apis::kRollouts);
    EXPECT_EQ(rollout.at({"status", "message"}).as_string(),
              "traffic is not routed: InferencePool default/web-canary does not exist: create it");
    CO_ASSERT_OK(co_await world.client->create(
        ctx, {"inference.networking.k8s.io", "v1", "inferencepools"},
        *json::parse_value(R"({"apiVersion":"inference.networking.k8s.io/v1","kind":"InferencePool",
        "metadata":{"name":"web-canary","namespace":"default"},"spec":{}})")));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    std::string const weights = co_await world.weights();
    EXPECT_EQ(weights, "80/20");
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
