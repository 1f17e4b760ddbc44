// Releases that route by Ingresses and custom objects, end to end: on an API server with and without their kinds.
#include "app/member/internal/test_world.h"
#include "member/traffic/scripts.h"

namespace aviary::member {
namespace {

using Resource = meta::GroupVersionResource;
Resource const kServices{"", "v1", "services"};
Resource const kConfigMaps{"", "v1", "configmaps"};
Resource const kNamespaces{"", "v1", "namespaces"};
Resource const kIngresses{"networking.k8s.io", "v1", "ingresses"};
Resource const kMeshes{"networking.istio.io", "v1beta1", "virtualservices"};
Resource const kRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};
Resource const kBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};

constexpr char const* kByIngress = R"("ingress":{"name":"web"})";
constexpr char const* kByMesh =
    R"("customNetworkRefs":[{"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","name":"web"}])";
constexpr char const* kByBoth =
    R"("ingress":{"classType":"nginx","name":"web"},"customNetworkRefs":[{"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","name":"web"}])";
constexpr char const* kSteps = R"([{"replicas":"20%","traffic":"20%"},
    {"replicas":"30%","matches":[{"headers":[{"name":"user","value":"qa"}]}]},{"replicas":"50%","traffic":"50%"}])";

std::string canary(std::string const& routing) {
    return R"({"canary":{"enableExtraWorkloadForCanary":true,"trafficRoutings":[{"service":"web","gracePeriodSeconds":1,)" +
           routing + "}]}}";
}
std::string blue_green(std::string const& routing) {
    return R"({"blueGreen":{"trafficRoutings":[{"service":"web","gracePeriodSeconds":1,)" + routing + "}]}}";
}

Value object(Resource const& resource, std::string const& kind, std::string const& spec) {
    Value value{json::Object{{"apiVersion", resource.api_version()}, {"kind", kind}}};
    value["metadata"] =
        json::Object{{"name", "web"}, {"namespace", "default"}, {"labels", json::Object{{"team", "a"}}}};
    value["spec"] = *json::parse_value(spec);
    return value;
}
Value ingress() {
    return object(
        kIngresses, "Ingress",
        R"({"ingressClassName":"nginx","rules":[{"host":"web.example.com","http":{"paths":[{"path":"/","pathType":"Prefix",
            "backend":{"service":{"name":"web","port":{"number":80}}}}]}}]})");
}
Value mesh() {
    return object(kMeshes, "VirtualService",
                  R"({"hosts":["web"],"http":[{"timeout":"3s","route":[{"destination":{"host":"web"}}]}]})");
}
Value definition() {
    return *json::parse_value(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"virtualservices.networking.istio.io"},"spec":{"group":"networking.istio.io",
        "scope":"Namespaced","names":{"kind":"VirtualService","listKind":"VirtualServiceList","plural":"virtualservices","singular":"virtualservice"},
        "versions":[{"name":"v1beta1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object",
        "properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}})");
}

struct ProvidersWorld : World {
    using World::World;

    Task<Status> begin(std::string strategy, std::string steps = kSteps, bool with_mesh = true) {
        CO_TRY(co_await start());
        Context const ctx = scope.context();
        CO_TRY(co_await client->create(
            ctx, kNamespaces,
            *json::parse_value(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"aviary-system"}})")));
        CO_TRY(co_await client->create(
            ctx, kServices, object(kServices, "Service", R"({"selector":{"app":"web"},"ports":[{"port":80}]})")));
        CO_TRY(co_await client->create(ctx, kIngresses, ingress()));
        if (with_mesh) CO_TRY(co_await bring_mesh());
        CO_TRY(co_await client->create(ctx, kDeployments, deployment("v1", 10)));
        CO_TRY(co_await async::sleep_for(ctx, 5s));
        CO_TRY(co_await client->create(ctx, apis::kRollouts, rollout(steps, strategy)));
        CO_TRY(co_await until("Healthy/0//", true));
        for (Resource const& each : {kServices, kIngresses, kMeshes}) originals[each] = co_await stored(each, "web");
        co_return Status{};
    }
    Task<Status> bring_mesh() {
        CO_TRY(co_await client->create(scope.context(), kCrds, definition()));
        for (int count = 0; count < 100; ++count) {
            auto const made = co_await client->create(scope.context(), kMeshes, mesh());
            if (made) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 100ms));
        }
        co_return fail(ErrorCode::kTimeout, "VirtualServices are not served");
    }
    Task<Status> script(std::string key, std::string text) {
        Value map = object(kConfigMaps, "ConfigMap", "{}");
        map.erase("spec");
        map["metadata"] = json::Object{{"name", traffic::kScriptsConfigMap}, {"namespace", "aviary-system"}};
        map["data"] = json::Object{{key, text}};
        auto const found = co_await client->find(scope.context(), kConfigMaps, meta::key_of(Doc::freeze(map)));
        if (found && found->exists()) {
            CO_TRY(co_await client->update(scope.context(), kConfigMaps, map));
        } else {
            CO_TRY(co_await client->create(scope.context(), kConfigMaps, map));
        }
        co_return Status{};
    }
    // Without what a server changes with every write.
    Task<std::string> stored(Resource resource, std::string name) {
        auto const found = co_await client->find(scope.context(), resource, {"default", name});
        if (!found || !found->exists()) co_return "none";
        Value value = found->thaw();
        for (char const* each : {"resourceVersion", "generation", "managedFields"}) value["metadata"].erase(each);
        co_return json::write_canonical(value);
    }
    // What the canary Ingress takes requests by: "20", "user=qa"; "-" when there is none.
    Task<std::string> by_ingress() {
        auto const found = co_await client->find(scope.context(), kIngresses, {"default", "web-canary"});
        if (!found || !found->exists()) co_return "-";
        auto const said = [&](std::string const& what) {
            return meta::annotation(*found, "nginx.ingress.kubernetes.io/" + what);
        };
        EXPECT_EQ(said("canary"), "true");
        EXPECT_EQ(
            found->at({"spec", "rules"})[0].at({"http", "paths"})[0].at({"backend", "service", "name"}).as_string(),
            "web-canary");
        std::string const weight = said("canary-weight");
        co_return weight.empty() ? said("canary-by-header") + "=" + said("canary-by-header-value") : weight;
    }
    // The weights of each rule, and the header that it is for: "user:100 100", "80/20".
    Task<std::string> by_mesh() {
        auto const found = co_await client->find(scope.context(), kMeshes, {"default", "web"});
        std::string text;
        if (!found) co_return text;
        for (auto const& [key, rule] : found->at({"spec", "http"}).elements()) {
            if (!text.empty()) text += " ";
            for (auto const& [name, header] : rule["match"][0]["headers"].members()) text += std::string(name) + ":";
            std::string weights;
            for (auto const& [index, each] : rule["route"].elements())
                weights += (weights.empty() ? "" : "/") + std::to_string(each["weight"].as_int(100));
            text += weights;
        }
        co_return text;
    }
    Task<std::string> message() {
        Doc const object = co_await get(apis::kRollouts);
        co_return object.at({"status", "message"}).string();
    }
    // What the condition of the requests says; empty: there is none.
    Task<std::string> unrouted() {
        Doc const found = meta::condition(co_await get(apis::kRollouts), "TrafficRouted");
        co_return found["status"].as_string() == "True" ? "True" : found["message"].string();
    }
    Task<void> expect_restored() {
        for (auto const& [resource, original] : originals) {
            std::string const now = co_await stored(resource, "web");
            EXPECT_EQ(now, original);
        }
        for (Resource const& each : {kServices, kIngresses}) {
            std::string const made = co_await stored(each, "web-canary");
            EXPECT_EQ(made, "none");
        }
    }
    std::map<Resource, std::string> originals;
};

struct Step {
    char const *ingress, *mesh;
};

CO_TEST(Providers, AReleaseRoutesByWeightsAndHeadersAndLeavesNothing) {
    struct Case {
        char const* routing;
        std::vector<Step> steps;
    };
    for (Case const& each :
         std::vector<Case>{{kByIngress, {{"20", "100"}, {"user=qa", "100"}, {"50", "100"}}},
                           {kByMesh, {{"-", "80/20"}, {"-", "user:100 100"}, {"-", "50/50"}}},
                           {kByBoth, {{"20", "80/20"}, {"user=qa", "user:100 100"}, {"50", "50/50"}}}}) {
        for (std::string const& strategy : {canary(each.routing), blue_green(each.routing)}) {
            ProvidersWorld world(ctx);
            CO_ASSERT_OK(co_await world.begin(strategy));
            CO_ASSERT_OK(co_await world.release("v2"));
            for (std::size_t index = 0; index < each.steps.size(); ++index) {
                CO_ASSERT_OK(co_await world.until(fmt::format("Progressing/{}/StepPaused/InRolling", index + 1)));
                std::string const ingress = co_await world.by_ingress();
                std::string const mesh = co_await world.by_mesh();
                EXPECT_EQ(ingress, each.steps[index].ingress) << strategy;
                EXPECT_EQ(mesh, each.steps[index].mesh) << strategy;
                if (index == 0) {   // a controller that comes anew goes on
                    co_await world.stop_member();
                    world.start_member();
                    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
                }
                CO_ASSERT_OK(co_await world.approve());
            }
            CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
            co_await world.expect_restored();
            co_await world.stop();
        }
    }
}

CO_TEST(Providers, GoneBackOrDeletedTheyAreAsBefore) {
    for (bool const deleted : {true, false}) {
        ProvidersWorld world(ctx);
        CO_ASSERT_OK(co_await world.begin(canary(kByBoth)));
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
        co_await world.expect_restored();
        co_await world.stop();
    }
}

// What a script does comes from the ConfigMap, and a better one is taken at once.
CO_TEST(Providers, AScriptThatFailsLoopsOrFillsMemoryIsNamedAndABetterOneGoesOn) {
    ProvidersWorld world(ctx);
    CO_ASSERT_OK(co_await world.begin(canary(kByIngress)));
    CO_ASSERT_OK(
        co_await world.script("lua.traffic.routing.ingress.nginx", "local a = 1\nwhile true do a = a + 1 end"));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepTrafficRouting/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string message = co_await world.message();
    EXPECT_EQ(message,
              "traffic is not routed: Ingress default/web: lua.traffic.routing.ingress.nginx:2: stopped: it took more "
              "than 20000000 instructions");
    std::string unrouted = co_await world.unrouted();
    EXPECT_EQ("traffic is not routed: " + unrouted, message);
    auto const waits = world.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_EQ(waits.front().reason, "TrafficNotRouted");
    EXPECT_TRUE(waits.front().message.contains("nginx:2: stopped")) << waits.front().message;
    Doc const before = co_await world.get(apis::kRollouts);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 600s));
    Doc const after = co_await world.get(apis::kRollouts);
    EXPECT_EQ(meta::resource_version(before), meta::resource_version(after));   // nothing is written again and again
    CO_ASSERT_OK(co_await world.script("lua.traffic.routing.ingress.nginx",
                                       "local t = {}\nwhile true do\n  t[#t + 1] = ('x'):rep(1000000) .. #t\nend"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    message = co_await world.message();
    EXPECT_TRUE(message.contains("nginx:3: stopped: it wanted more than 32 MiB of memory")) << message;
    unrouted = co_await world.unrouted();
    EXPECT_EQ("traffic is not routed: " + unrouted, message);
    CO_ASSERT_OK(co_await world.script("lua.traffic.routing.ingress.nginx", "obj.annotations.a.b = 1"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    message = co_await world.message();
    EXPECT_TRUE(message.contains("nginx:1: attempt to index field 'a'")) << message;
    unrouted = co_await world.unrouted();
    EXPECT_EQ("traffic is not routed: " + unrouted, message);
    CO_ASSERT_OK(co_await world.script("lua.traffic.routing.ingress.nginx",
                                       "obj.annotations.mine = obj.weight\nreturn obj.annotations"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    unrouted = co_await world.unrouted();
    EXPECT_EQ(unrouted, "");
    auto const made = co_await world.client->find(ctx, kIngresses, {"default", "web-canary"});
    CO_ASSERT_OK(made);
    EXPECT_EQ(meta::annotation(*made, "mine"), "20");
    co_await world.stop();
}

CO_TEST(Providers, AKindThatComesLaterIsRoutedThen) {
    ProvidersWorld world(ctx);
    CO_ASSERT_OK(co_await world.begin(canary(kByMesh), kSteps, false));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/BeforeStepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    std::string const message = co_await world.message();
    EXPECT_EQ(message,
              "traffic is not routed: VirtualService default/web cannot be routed: this cluster does not know a "
              "namespaced kind VirtualService in networking.istio.io/v1beta1");
    CO_ASSERT_OK(co_await world.bring_mesh());
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    std::string const mesh = co_await world.by_mesh();
    EXPECT_EQ(mesh, "80/20");
    co_await world.stop();
}

// Everything that a member needs but a right on VirtualServices, which is granted later.
CO_TEST(Providers, AKindThatIsForbiddenIsAWaitInTheServersWords) {
    ProvidersWorld world(ctx);
    world.controller = {"aviary-member", {"system:authenticated"}, {}};
    auto const grant = [&world](std::string name, std::string groups) -> Task<Status> {
        Value role = *json::parse_value(fmt::format(
            R"({{"metadata":{{"name":"{}"}},"rules":[{{"apiGroups":{},"resources":["*"],"verbs":["*"]}}]}})", name,
            groups));
        CO_TRY(co_await world.client->create(world.scope.context(), kRoles, role));
        Value binding = *json::parse_value(fmt::format(
            R"({{"metadata":{{"name":"{0}"}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{0}"}},
                "subjects":[{{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"aviary-member"}}]}})",
            name));
        CO_TRY(co_await world.client->create(world.scope.context(), kBindings, binding));
        co_return Status{};
    };
    auto const early = [&]() -> Task<Status> {
        CO_TRY(co_await async::sleep_for(ctx, 10ms));
        co_return co_await grant(
            "member",
            R"(["","apps","autoscaling","rollouts.kruise.io","networking.k8s.io","gateway.networking.k8s.io"])");
    };
    world.scope.spawn([](auto early) -> Task<void> { EXPECT_TRUE(co_await early()); }(early));
    CO_ASSERT_OK(co_await world.begin(canary(kByBoth)));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/BeforeStepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    std::string const message = co_await world.message();
    EXPECT_TRUE(message.starts_with("traffic is not routed: VirtualService default/web cannot be read: ")) << message;
    EXPECT_TRUE(message.contains("forbidden")) << message;
    std::string const nothing = co_await world.by_ingress();
    EXPECT_EQ(nothing, "-");
    CO_ASSERT_OK(co_await grant("meshes", R"(["networking.istio.io"])"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    std::string const mesh = co_await world.by_mesh();
    EXPECT_EQ(mesh, "80/20");
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
