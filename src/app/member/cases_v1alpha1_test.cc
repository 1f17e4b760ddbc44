// What upstream's suite asks of Rollouts of v1alpha1, case by case, by its names.
#include "apis/rollouts/traffic_routing.h"
#include "app/member/internal/test_story.h"

namespace aviary::member {
namespace {

constexpr char const* kExtra = R"({"canary":{"enableExtraWorkloadForCanary":true}})";
constexpr char const* kPatched =
    R"({"canary":{"enableExtraWorkloadForCanary":true,"patchPodTemplateMetadata":{"labels":{"lane":"canary"},"annotations":{"note":"new"}}}})";
constexpr char const* kNginx = R"("ingress":{"classType":"nginx","name":"web"})";
constexpr char const* kFive =
    R"([{"weight":20,"pause":{}},{"weight":40,"pause":{}},{"weight":60,"pause":{}},{"weight":80,"pause":{}},{"weight":90,"pause":{}}])";

Setup by_ingress(std::string steps, std::int64_t replicas = 5, std::string strategy = kExtra) {
    return {.steps = std::move(steps),
            .strategy = std::move(strategy),
            .replicas = replicas,
            .routing = kNginx,
            .older = true};
}

// The second Deployment; absent: there is none.
Task<Doc> second(Story& story) {
    auto const list = co_await story.client->list(story.scope.context(), kDeployments, {.ns = "default"});
    for (auto const& [index, each] : (*list)["items"].elements()) {
        if (meta::name(each) != "web") co_return each;
    }
    co_return Doc();
}

CO_TEST(CasesOfV1alpha1, DeploymentCanaryInFiveStepsOfThreeReplicas) {
    Story story(ctx, by_ingress(kFive, 3, kPatched));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=3 v2=1 pinned+ [canary-weight=20]"}}));
    Doc const metadata = (co_await second(story)).at({"spec", "template", "metadata"});
    EXPECT_EQ(metadata.at({"labels", "lane"}).as_string(), "canary");
    EXPECT_EQ(metadata.at({"annotations", "note"}).as_string(), "new");
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=3 v2=2 pinned+ [canary-weight=40]"},
                                      {"approve", "Progressing/3/StepPaused v1=3 v2=2 pinned+ [canary-weight=60]"},
                                      {"approve", "Progressing/4/StepPaused v1=3 v2=3 pinned+ [canary-weight=80]"},
                                      {"approve", "Progressing/5/StepPaused v1=3 v2=3 pinned+ [canary-weight=90]"},
                                      {"approve", "Healthy/5/Completed v2=3"}}));
    EXPECT_EQ(co_await story.condition("Progressing"), "False/Completed");
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    EXPECT_EQ((co_await story.live()).at({"spec", "template", "metadata", "labels"}).size(), 1U);
    EXPECT_EQ((co_await story.release_status())["observedWorkloadGeneration"].as_int(),
              meta::generation(co_await story.live()));
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, CanaryOf20And60PercentSucceeds) {
    Story story(ctx, by_ingress(R"([{"weight":20,"pause":{}},{"weight":60,"pause":{}}])"));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-weight=20]"}}));
    std::string const hash = (co_await story.release_status())["podTemplateHash"].string();
    Doc const service = co_await story.named(story.kServices, "web-canary");
    EXPECT_FALSE(hash.empty());
    EXPECT_EQ(service.at({"spec", "selector", "pod-template-hash"}).as_string(), hash);
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=5 v2=3 pinned+ [canary-weight=60]"},
                                      {"approve", "Healthy/2/Completed v2=5"},
                                      {"scale 6", "Healthy/2/Completed v2=6"}}));
    EXPECT_EQ((co_await story.release_status())["observedWorkloadGeneration"].as_int(),
              meta::generation(co_await story.live()));
    EXPECT_EQ(co_await story.condition("Succeeded"), "True/");
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, CanaryOf20PercentAndRollback) {
    Story story(ctx, by_ingress(R"([{"weight":20,"pause":{}},{"weight":60,"pause":{}}])"));
    CO_ASSERT_OK(co_await story.begin());
    std::string const stable = (co_await story.release_status())["stableRevision"].string();
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-weight=20]"},
                                      {"release v1", "Healthy/1/StepPaused v1=5"}}));
    EXPECT_EQ((co_await story.release_status())["stableRevision"].string(), stable);
    EXPECT_EQ(co_await story.condition("Succeeded"), "False/");
    EXPECT_FALSE((co_await story.live()).at({"spec", "paused"}).as_bool());
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, CanaryAndContinuousRelease) {
    Story story(
        ctx,
        by_ingress(R"([{"weight":20,"pause":{}},{"weight":40,"pause":{}},{"weight":60,"pause":{"duration":10}}])"));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-weight=20]"},
                                      {"approve", "Progressing/2/StepPaused v1=5 v2=2 pinned+ [canary-weight=40]"}}));
    std::string const before = (co_await story.release_status())["canaryRevision"].string();
    CO_ASSERT_OK(
        co_await story.play({{"release v3", "Progressing/1/StepPaused v1=5 v3=1 pinned+ [canary-weight=20]"}}));
    EXPECT_NE((co_await story.release_status())["canaryRevision"].string(), before);
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=5 v3=2 pinned+ [canary-weight=40]"},
                                      {"approve", "Healthy/3/Completed v3=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, CanaryScaledUp) {
    Story story(ctx, by_ingress(R"([{"weight":20,"pause":{}},{"weight":40,"pause":{}},{"weight":60,"pause":{}}])"));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-weight=20]"},
                                      {"approve", "Progressing/2/StepPaused v1=5 v2=2 pinned+ [canary-weight=40]"},
                                      {"scale 10", "Progressing/2/StepPaused v1=10 v2=4 pinned+ [canary-weight=40]"},
                                      {"approve", "Progressing/3/StepPaused v1=10 v2=6 pinned+ [canary-weight=60]"},
                                      {"approve", "Healthy/3/Completed v2=10"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, CanaryScaledDown) {
    Story story(ctx, by_ingress(R"([{"weight":40,"pause":{}},{"weight":60,"pause":{}},{"weight":80,"pause":{}}])", 10));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=10 v2=4 pinned+ [canary-weight=40]"},
                                      {"approve", "Progressing/2/StepPaused v1=10 v2=6 pinned+ [canary-weight=60]"},
                                      {"scale 5", "Progressing/2/StepPaused v1=5 v2=6 pinned+ [canary-weight=60]"},
                                      {"approve", "Progressing/3/StepPaused v1=5 v2=6 pinned+ [canary-weight=80]"},
                                      {"approve", "Healthy/3/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, PausedAndResumed) {
    Story story(ctx, by_ingress(R"([{"weight":20,"pause":{}},{"weight":60,"pause":{"duration":10}}])"));
    CO_ASSERT_OK(co_await story.begin());
    std::string const first = "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-weight=20]";
    CO_ASSERT_OK(
        co_await story.play({{"release v2", first}, {R"(rollout {"spec":{"strategy":{"paused":true}}})", first}}));
    EXPECT_EQ(co_await story.condition("Progressing"), "True/Paused");
    CO_ASSERT_OK(
        co_await story.play({{"approve", "Progressing/1/StepReady v1=5 v2=1 pinned+ [canary-weight=20]"},
                             {"wait 120", "Progressing/1/StepReady v1=5 v2=1 pinned+ [canary-weight=20]"},
                             {R"(rollout {"spec":{"strategy":{"paused":false}}})", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, RolloutDeletedInTheMiddle) {
    Story story(ctx, by_ingress(R"([{"weight":20,"pause":{}},{"weight":60,"pause":{}}])"));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"release v2", "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-weight=20]"}, {"delete", "/0/ v2=5"}}));
    EXPECT_FALSE((co_await story.live()).at({"spec", "paused"}).as_bool());
    EXPECT_FALSE((co_await second(story)).exists());
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, AFailedImageAndAGoodOne) {
    Story story(ctx, by_ingress(R"([{"weight":20,"pause":{}},{"weight":60,"pause":{"duration":5}}])"));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{"break v2", "Progressing/1/StepUpgrade v1=5 v2=1 pinned"}}));
    Doc const status = co_await story.release_status();
    EXPECT_EQ(status["canaryReplicas"].as_int(), 1);
    EXPECT_EQ(status["canaryReadyReplicas"].as_int(), 0);
    CO_ASSERT_OK(co_await story.play({{"release v3", "Progressing/1/StepPaused v1=5 v3=1 pinned+ [canary-weight=20]"},
                                      {"approve", "Healthy/2/Completed v3=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, StepsChangedWhilePaused) {
    Story story(ctx, by_ingress(R"([{"weight":40,"pause":{}},{"weight":60,"pause":{}}])"));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"release v2", "Progressing/1/StepPaused v1=5 v2=2 pinned+ [canary-weight=40]"},
         {R"(rollout {"spec":{"strategy":{"canary":{"steps":[{"replicas":"20%","traffic":"20%"},{"replicas":"60%","traffic":"60%"}]}}}})",
          "Progressing/2/StepPaused v1=5 v2=3 pinned+ [canary-weight=60]"},
         {"approve", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

constexpr char const* kByHeader =
    R"([{"replicas":1,"pause":{},"matches":[{"headers":[{"type":"RegularExpression","name":"user-agent","value":"pc"}]},
        {"headers":[{"name":"canary-by-cookie","value":"demo"}]}]},{"weight":30,"replicas":2,"pause":{}}])";

CO_TEST(CasesOfV1alpha1, ABTestByHeaderAndCookie) {
    Story story(ctx, by_ingress(kByHeader));
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play(
        {{"release v2",
          "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-by-cookie=demo canary-by-header=user-agent "
          "canary-by-header-pattern=pc]"},
         {"approve", "Progressing/2/StepPaused v1=5 v2=2 pinned+ [canary-weight=30]"},
         {"approve", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

// Upstream's suite brings this script; it is an example of a user's own.
constexpr char const* kScript = R"(
local annotations = obj.annotations
annotations["alb.ingress.kubernetes.io/canary"] = "true"
annotations["alb.ingress.kubernetes.io/canary-weight"] = nil
if obj.weight ~= "-1" then annotations["alb.ingress.kubernetes.io/canary-weight"] = obj.weight end
annotations["alb.ingress.kubernetes.io/conditions.echoserver-canary"] = nil
if obj.matches then
    local list = {}
    for _, match in ipairs(obj.matches) do
        for _, header in ipairs(match.headers) do
            if header.name == "Cookie" then
                list[#list + 1] = {type = "Cookie", cookieConfig = {values = {{key = "demo", value = header.value}}}}
            else
                list[#list + 1] = {type = "Header", headerConfig = {key = header.name, values = {header.value}}}
            end
        end
    end
    annotations["alb.ingress.kubernetes.io/conditions.echoserver-canary"] = json.encode(list)
end
return annotations
)";

// `old`: how many pods of v1 there are at each step.
Task<void> led_by_aliyun_alb(Context ctx, Setup setup, std::vector<int> old) {
    setup.steps =
        R"([{"replicas":1,"pause":{},"matches":[{"headers":[{"name":"Cookie","value":"yes"},{"name":"SourceIp","value":"10.0.0.1"}]}]},
            {"weight":30,"replicas":2,"pause":{}}])";
    setup.routing = R"("ingress":{"classType":"aliyun-alb","name":"web"})";
    setup.older = true;
    Story story(ctx, setup);
    CO_ASSERT_OK(co_await story.begin());
    Value map = *json::parse_value(
        R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kruise-rollout-configuration","namespace":"aviary-system"}})");
    map["data"] = json::Object{{"lua.traffic.routing.ingress.aliyun-alb", kScript}};
    CO_ASSERT_OK(co_await story.client->create(
        ctx, {"", "v1", "namespaces"},
        *json::parse_value(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"aviary-system"}})")));
    CO_ASSERT_OK(co_await story.client->create(ctx, {"", "v1", "configmaps"}, map));
    CO_ASSERT_OK(
        co_await story.play({{"release v2", fmt::format("Progressing/1/StepPaused v1={} v2=1 pinned+ []", old[0])}}));
    Doc const beside = co_await story.named(story.kIngresses, "web-canary");
    Value const conditions =
        *json::parse_value(meta::annotation(beside, "alb.ingress.kubernetes.io/conditions.echoserver-canary"));
    EXPECT_EQ(conditions,
              *json::parse_value(R"([{"type":"Cookie","cookieConfig":{"values":[{"key":"demo","value":"yes"}]}},
                  {"type":"Header","headerConfig":{"key":"SourceIp","values":["10.0.0.1"]}}])"));
    CO_ASSERT_OK(co_await story.play(
        {{"approve", fmt::format("Progressing/2/StepPaused v1={} v2=2 pinned+ [canary-weight=30]", old[1])},
         {"approve", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, AliyunAlbByHeaderAndCookie) { co_await led_by_aliyun_alb(ctx, {.strategy = kExtra}, {5, 5}); }

CO_TEST(CasesOfV1alpha1, AliyunAlbByHeaderAndCookieOfACloneSet) {
    co_await led_by_aliyun_alb(ctx,
                               {.kind = "CloneSet",
                                .more = R"({"updateStrategy":{"maxUnavailable":0,"maxSurge":1}})",
                                .api = "apps.kruise.io/v1alpha1"},
                               {4, 3});
}

CO_TEST(CasesOfV1alpha1, NodePortService) {
    Setup setup = by_ingress(R"([{"weight":20,"pause":{}},{"weight":60,"pause":{}}])");
    setup.service = R"({"type":"NodePort","ports":[{"port":80,"nodePort":30000}]})";
    Story story(ctx, setup);
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(
        co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1 pinned+ [canary-weight=20]"}}));
    Doc const service = co_await story.named(story.kServices, "web-canary");
    EXPECT_NE(service.at({"spec", "ports"})[0]["nodePort"].as_int(), 30000);
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=5 v2=3 pinned+ [canary-weight=60]"},
                                      {"approve", "Healthy/2/Completed v2=5"}}));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, GatewayApiOfThreeReplicas) {
    meta::GroupVersionResource const routes{"gateway.networking.k8s.io", "v1beta1", "httproutes"};
    Setup setup = by_ingress(kFive, 3);
    setup.routing = R"("gateway":{"httpRouteName":"web"})";
    Story story(ctx, setup);
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.define(routes, "HTTPRoute"));
    CO_ASSERT_OK(co_await story.bring(
        routes, "HTTPRoute",
        R"({"rules":[{"matches":[{"path":{"type":"PathPrefix","value":"/"}}],"backendRefs":[{"kind":"Service","name":"web","port":80,"weight":1}]}]})"));
    CO_ASSERT_OK(co_await story.perform("release v2"));
    int step = 0;
    for (auto const& [pods, weights] : std::vector<std::pair<int, std::string>>{
             {1, "80/20"}, {2, "60/40"}, {2, "40/60"}, {3, "20/80"}, {3, "10/90"}}) {
        CO_ASSERT_OK(co_await story.play(
            {{step++ == 0 ? "" : "approve", fmt::format("Progressing/{}/StepPaused v1=3 v2={} pinned+", step, pods)}}));
        EXPECT_EQ(co_await story.weights(routes, "rules", "backendRefs"), weights);
    }
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/5/Completed v2=3"}}));
    EXPECT_EQ(co_await story.weights(routes, "rules", "backendRefs"), "1");
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, VirtualServiceByHeaderQueryAndPathAndByWeight) {
    meta::GroupVersionResource const meshes{"networking.istio.io", "v1alpha3", "virtualservices"};
    Story story(
        ctx,
        {.steps = R"([{"replicas":1,"matches":[{"headers":[{"name":"user","value":"qa"}]},
                           {"queryParams":[{"name":"lane","value":"new"}]},{"path":{"type":"Exact","value":"/new"}}]},
                           {"replicas":"40%","traffic":"40%"}])",
         .strategy = kExtra,
         .routing =
             R"("customNetworkRefs":[{"apiVersion":"networking.istio.io/v1alpha3","kind":"VirtualService","name":"web"}])"});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.define(meshes, "VirtualService"));
    std::string const original = R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"}}]}]})";
    CO_ASSERT_OK(co_await story.bring(meshes, "VirtualService", original));
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1 pinned+"}}));
    Doc routed = co_await story.named(meshes, "web");
    std::string matches;
    for (auto const& [index, rule] : routed.at({"spec", "http"}).elements())
        matches += json::write_canonical(rule["match"].exists() ? rule["match"].thaw() : Value("all")) + " " +
                   rule["route"][0].at({"destination", "host"}).string() + "\n";
    EXPECT_EQ(matches,
              "[{\"uri\":{\"exact\":\"/new\"}}] web-canary\n"
              "[{\"queryParams\":{\"lane\":{\"exact\":\"new\"}}}] web-canary\n"
              "[{\"headers\":{\"user\":{\"exact\":\"qa\"}}}] web-canary\n\"all\" web\n");
    EXPECT_FALSE(meta::annotation(routed, "rollouts.kruise.io/original-spec-configuration").empty());
    CO_ASSERT_OK(co_await story.play({{"approve", "Progressing/2/StepPaused v1=5 v2=2 pinned+"}}));
    EXPECT_EQ(co_await story.weights(meshes, "http", "route"), "60/40");
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/2/Completed v2=5"}}));
    routed = co_await story.named(meshes, "web");
    EXPECT_EQ(routed["spec"], *json::parse(original));
    EXPECT_EQ(routed.at({"metadata", "annotations"}).size(), 0U);
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, VirtualServiceAndDestinationRuleByATrafficRouting) {
    meta::GroupVersionResource const meshes{"networking.istio.io", "v1alpha3", "virtualservices"};
    meta::GroupVersionResource const rules{"networking.istio.io", "v1alpha3", "destinationrules"};
    std::string const mesh = R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"}}]}]})";
    std::string const rule =
        R"({"host":"web","trafficPolicy":{"loadBalancer":{"simple":"ROUND_ROBIN"}},"subsets":[{"name":"web","labels":{"version":"base"}}]})";
    Story story(ctx, {.steps = R"([{"replicas":1,"pause":{}}])", .strategy = kExtra, .older = true});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.bring_service());
    CO_ASSERT_OK(co_await story.define(meshes, "VirtualService"));
    CO_ASSERT_OK(co_await story.define(rules, "DestinationRule"));
    CO_ASSERT_OK(co_await story.bring(meshes, "VirtualService", mesh));
    CO_ASSERT_OK(co_await story.bring(rules, "DestinationRule", rule));
    CO_ASSERT_OK(co_await story.bring(
        apis::kTrafficRoutings, "TrafficRouting",
        R"({"strategy":{"matches":[{"headers":[{"type":"Exact","name":"user-agent","value":"pc"}]}]},
            "objectRef":[{"service":"web","customNetworkRefs":[
              {"apiVersion":"networking.istio.io/v1alpha3","kind":"VirtualService","name":"web"},
              {"apiVersion":"networking.istio.io/v1alpha3","kind":"DestinationRule","name":"web"}]}]})"));
    CO_ASSERT_OK(
        co_await story.perform(R"(rollout {"metadata":{"annotations":{"rollouts.kruise.io/trafficrouting":"web"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    auto const phase = [&]() -> Task<std::string> {
        Doc const routing = co_await story.named(apis::kTrafficRoutings, "web");
        co_return routing.at({"status", "phase"}).string();
    };
    EXPECT_EQ(co_await phase(), "Healthy");
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1"}}));
    EXPECT_EQ(co_await phase(), "Progressing");
    EXPECT_EQ((co_await story.named(meshes, "web"))["spec"],
              *json::parse(R"({"hosts":["*"],"http":[{"match":[{"headers":{"user-agent":{"exact":"pc"}}}],
                  "route":[{"destination":{"host":"web","subset":"canary"}}]},{"route":[{"destination":{"host":"web"}}]}]})"));
    EXPECT_EQ((co_await story.named(rules, "web"))["spec"],
              *json::parse(R"({"host":"web","trafficPolicy":{"loadBalancer":{"simple":"ROUND_ROBIN"}},
                  "subsets":[{"name":"web","labels":{"version":"base"}},{"name":"canary","labels":{"istio.service.tag":"gray"}}]})"));
    CO_ASSERT_OK(co_await story.play({{"approve", "Healthy/1/Completed v2=5"}}));
    EXPECT_EQ(co_await phase(), "Healthy");
    EXPECT_EQ((co_await story.named(meshes, "web"))["spec"], *json::parse(mesh));
    EXPECT_EQ((co_await story.named(rules, "web"))["spec"], *json::parse(rule));
    co_await story.stop();
}

CO_TEST(CasesOfV1alpha1, DisabledRollout) {
    Story story(ctx,
                {.steps = R"([{"weight":20,"pause":{}},{"weight":60,"pause":{}}])", .strategy = kExtra, .older = true});
    CO_ASSERT_OK(co_await story.begin());
    story.guard_rollouts();
    for (bool const disabled : {true, false}) {
        Value second = (co_await story.get(apis::kRollouts)).thaw();
        second["metadata"] = json::Object{{"name", "second"}, {"namespace", "default"}};
        second.set({"spec", "disabled"}, disabled);
        second.erase("status");
        auto const made = co_await story.client->create(ctx, apis::kRollouts, std::move(second));
        CO_ASSERT_TRUE(!made);
        EXPECT_TRUE(made.error().message().contains("This rollout conflict with Rollout(default/web)"))
            << made.error().message();
    }
    CO_ASSERT_OK(co_await story.play({{"release v2", "Progressing/1/StepPaused v1=5 v2=1"},
                                      {R"(rollout {"spec":{"disabled":true}})", "Disabled/1/StepPaused v2=5"}}));
    EXPECT_FALSE((co_await story.live()).at({"spec", "paused"}).as_bool());
    EXPECT_EQ(co_await story.leftovers(), "");
    CO_ASSERT_OK(co_await story.play({{"release v3", "Disabled/1/StepPaused v3=5"},
                                      {R"(rollout {"spec":{"disabled":false}})", "Healthy/1/StepPaused v3=5"}}));
    // Without its workload it waits.
    CO_ASSERT_OK(co_await story.client->remove(ctx, kDeployments, kWeb));
    CO_ASSERT_OK(co_await story.play({{"", "Initial/0/"}}));
    co_await story.stop();
}

}   // namespace
}   // namespace aviary::member
