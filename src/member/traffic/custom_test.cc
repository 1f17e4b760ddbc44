#include "member/traffic/custom.h"

#include <gtest/gtest.h>

#include "apis/rollouts/original.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/traffic/internal/three_way.h"
#include "member/traffic/scripts.h"

namespace aviary::traffic {
namespace {

using json::Value;

lua::Script script_for(std::string_view kind) { return *custom_script("networking.istio.io", kind, {}); }

Route weighted(std::int64_t weight) { return {"web", "web-canary", weight, {}, {}}; }

Route matching(std::string_view matches, std::string_view modifier = "null") {
    return {"web", "web-canary", std::nullopt, *json::parse(matches), *json::parse(modifier)};
}

json::Doc service_with(std::string_view spec) {
    std::string const text =
        R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"web","namespace":"demo",)"
        R"("labels":{"app":"web"}},"spec":)" +
        std::string(spec) + "}";
    return *json::parse(text);
}

std::string spec_of(Result<json::Doc> const& object) {
    return object ? json::write_canonical((*object)["spec"].thaw()) : object.error().message();
}

std::string routed_spec(std::string_view spec, Route const& route) {
    return spec_of(routed_custom(service_with(spec), route, script_for("VirtualService")));
}

constexpr std::string_view kPlain = R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"}}]}]})";

TEST(Custom, VirtualServiceByWeight) {
    EXPECT_EQ(routed_spec(kPlain, weighted(20)),
              R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"},"weight":80},)"
              R"({"destination":{"host":"web-canary"},"weight":20}]}]})");
    EXPECT_EQ(routed_spec(kPlain, {"web", "web-canary", std::nullopt, {}, {}}),
              R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"},"weight":0},)"
              R"({"destination":{"host":"web-canary"},"weight":100}]}]})");
    // Weights of others are scaled too, and all of them make 100.
    EXPECT_EQ(
        routed_spec(R"({"http":[{"route":[{"destination":{"host":"web.demo.svc","port":{"number":80}},"weight":33},
                              {"destination":{"host":"a"},"weight":33},{"destination":{"host":"b"},"weight":34}]}],
                              "tcp":[{"route":[{"destination":{"host":"web"}}]},{"route":[{"destination":{"host":"a"}}]}]})",
                    weighted(20)),
        R"({"http":[{"route":[{"destination":{"host":"web.demo.svc","port":{"number":80}},"weight":27},)"
        R"({"destination":{"host":"a"},"weight":26},{"destination":{"host":"b"},"weight":27},)"
        R"({"destination":{"host":"web-canary.demo.svc","port":{"number":80}},"weight":20}]}],)"
        R"("tcp":[{"route":[{"destination":{"host":"web"},"weight":80},)"
        R"({"destination":{"host":"web-canary"},"weight":20}]},{"route":[{"destination":{"host":"a"}}]}]})");
    // A rule with a match of its own counts where there is no other.
    EXPECT_EQ(routed_spec(R"({"tls":[{"match":[{"sniHosts":["x"]}],"route":[{"destination":{"host":"web"}}]}]})",
                          weighted(5)),
              R"({"tls":[{"match":[{"sniHosts":["x"]}],"route":[{"destination":{"host":"web"},"weight":95},)"
              R"({"destination":{"host":"web-canary"},"weight":5}]}]})");
    std::string const none = routed_spec(R"({"http":[{"route":[{"destination":{"host":"api"}}]}]})", weighted(5));
    EXPECT_TRUE(none.starts_with("VirtualService demo/web: VirtualService.networking.istio.io.lua:")) << none;
    EXPECT_TRUE(none.ends_with("no rule of it leads to the Service web")) << none;
}

// TCP has no headers.
TEST(Custom, VirtualServiceByWeightChangesHeadersForTheNewVersionAlone) {
    Route route = weighted(20);
    route.request_header_modifier =
        *json::parse(R"({"set":[{"name":"a","value":"1"}],"add":[{"name":"b","value":"2"}],"remove":["c"]})");
    EXPECT_EQ(routed_spec(R"({"http":[{"route":[{"destination":{"host":"web"}}]}],
                              "tcp":[{"route":[{"destination":{"host":"web"}}]}]})",
                          route),
              R"({"http":[{"route":[{"destination":{"host":"web"},"weight":80},{"destination":{"host":"web-canary"},)"
              R"("headers":{"request":{"add":{"b":"2"},"remove":["c"],"set":{"a":"1"}}},"weight":20}]}],)"
              R"("tcp":[{"route":[{"destination":{"host":"web"},"weight":80},)"
              R"({"destination":{"host":"web-canary"},"weight":20}]}]})");
}

TEST(Custom, VirtualServiceByHeaderQueryAndPath) {
    EXPECT_EQ(
        routed_spec(kPlain, matching(R"([{"headers":[{"name":"user-agent","value":"pc"}],
        "queryParams":[{"type":"RegularExpression","name":"v","value":"2.*"}],"path":{"type":"PathPrefix","value":"/pc"}},
        {"path":{"type":"Exact","value":"/x"}}])",
                                     R"({"set":[{"name":"a","value":"1"}],"add":[{"name":"b","value":"2"}],
        "remove":["c"]})")),
        R"({"hosts":["*"],"http":[)"
        R"({"headers":{"request":{"add":{"b":"2"},"remove":["c"],"set":{"a":"1"}}},"match":[{"uri":{"exact":"/x"}}],)"
        R"("route":[{"destination":{"host":"web-canary"}}]},)"
        R"({"headers":{"request":{"add":{"b":"2"},"remove":["c"],"set":{"a":"1"}}},)"
        R"("match":[{"headers":{"user-agent":{"exact":"pc"}},"queryParams":{"v":{"regex":"2.*"}},)"
        R"("uri":{"prefix":"/pc"}}],"route":[{"destination":{"host":"web-canary"}}]},)"
        R"({"route":[{"destination":{"host":"web"}}]}]})");
}

// Of the requests of each rule those that match: what the rule does beside leading them somewhere is done to them, too.
TEST(Custom, VirtualServiceKeepsWhatTheRulesOfTheServiceDo) {
    EXPECT_EQ(routed_spec(R"({"http":[
            {"name":"api","match":[{"uri":{"prefix":"/api"}}],"route":[{"destination":{"host":"api"}}]},
            {"name":"old","match":[{"uri":{"prefix":"/old"},"headers":{"x":{"exact":"0"}}}],"timeout":"1s",
             "route":[{"destination":{"host":"web"}}]},
            {"name":"web","match":[{"uri":{"prefix":"/web"},"headers":{"y":{"exact":"2"}}},{"uri":{"exact":"/"}}],
             "rewrite":{"uri":"/"},"headers":{"request":{"set":{"a":"1"},"remove":["r"]},"response":{"remove":["s"]}},
             "route":[{"destination":{"host":"web"},"weight":90},{"destination":{"host":"b"},"weight":10}]}]})",
                          matching(R"([{"headers":[{"name":"x","value":"1"}]},{"path":{"type":"Exact","value":"/p"}}])",
                                   R"({"set":[{"name":"b","value":"2"}],"remove":["q"]})")),
              R"({"http":[)"
              R"({"headers":{"request":{"remove":["q"],"set":{"b":"2"}}},"match":[{"uri":{"exact":"/p"}}],)"
              R"("route":[{"destination":{"host":"web-canary"}}]},)"
              R"({"match":[{"uri":{"prefix":"/api"}}],"name":"api","route":[{"destination":{"host":"api"}}]},)"
              R"({"match":[{"headers":{"x":{"exact":"0"}},"uri":{"prefix":"/old"}}],"name":"old",)"
              R"("route":[{"destination":{"host":"web"}}],"timeout":"1s"},)"
              R"({"headers":{"request":{"remove":["r","q"],"set":{"a":"1","b":"2"}},"response":{"remove":["s"]}},)"
              R"("match":[{"headers":{"x":{"exact":"1"},"y":{"exact":"2"}},"uri":{"prefix":"/web"}},)"
              R"({"headers":{"x":{"exact":"1"}},"uri":{"exact":"/"}}],"rewrite":{"uri":"/"},)"
              R"("route":[{"destination":{"host":"web-canary"}}]},)"
              R"({"headers":{"request":{"remove":["r"],"set":{"a":"1"}},"response":{"remove":["s"]}},)"
              R"("match":[{"headers":{"y":{"exact":"2"}},"uri":{"prefix":"/web"}},{"uri":{"exact":"/"}}],"name":"web",)"
              R"("rewrite":{"uri":"/"},"route":[{"destination":{"host":"web"},"weight":90},)"
              R"({"destination":{"host":"b"},"weight":10}]}]})");
}

// Of a header that a rule asks for, too.
TEST(Custom, VirtualServiceWhereARuleAsksForTheSameHeader) {
    Route const route = matching(R"([{"headers":[{"name":"user","value":"qa"}]}])");
    auto const routed = [&](std::string const& own) {
        return routed_spec(
            R"({"http":[{"match":[{"headers":{"user":)" + own + R"(}}],"route":[{"destination":{"host":"web"}}]}]})",
            route);
    };
    for (char const* own : {R"({"exact":"qa"})", R"({"prefix":"q"})", R"({"regex":".*"})"}) {
        EXPECT_EQ(routed(own), R"({"http":[{"match":[{"headers":{"user":{"exact":"qa"}}}],)"
                               R"("route":[{"destination":{"host":"web-canary"}}]},{"match":[{"headers":{"user":)" +
                                   std::string(own) + R"(}}],"route":[{"destination":{"host":"web"}}]}]})")
            << own;
    }
    for (char const* own : {R"({"exact":"prod"})", R"({"prefix":"p"})"}) {
        EXPECT_TRUE(routed(own).ends_with("no request to the Service web can match: its rules ask for other values"))
            << routed(own);
    }
}

TEST(Custom, VirtualServiceWithDestinationRule) {
    Route const route{
        "web", "web", std::nullopt, *json::parse(R"([{"headers":[{"name":"version","value":"canary"}]}])"), {}};
    EXPECT_EQ(
        routed_spec(kPlain, route),
        R"({"hosts":["*"],"http":[{"match":[{"headers":{"version":{"exact":"canary"}}}],)"
        R"("route":[{"destination":{"host":"web","subset":"canary"}}]},{"route":[{"destination":{"host":"web"}}]}]})");
    json::Doc const rule = *json::parse(
        R"({"kind":"DestinationRule","metadata":{"name":"web"},"spec":{"host":"web","subsets":[{"name":"base"}]}})");
    auto const made = routed_custom(rule, route, script_for("DestinationRule"));
    EXPECT_EQ(spec_of(made), R"({"host":"web","subsets":[{"name":"base"},)"
                             R"({"labels":{"istio.service.tag":"gray"},"name":"canary"}]})");
    EXPECT_EQ(json::write(*restored_custom(*made)), json::write(rule));
}

TEST(Custom, DestinationRuleGetsItsFirstSubsetAndKeepsItsOwnCanary) {
    Route const route{"web", "web", std::nullopt, {}, {}};
    auto const rule = [](std::string const& spec) {
        return *json::parse(R"({"kind":"DestinationRule","metadata":{"name":"web"},"spec":)" + spec + "}");
    };
    json::Doc const bare = rule(R"({"host":"web"})");
    auto const made = routed_custom(bare, route, script_for("DestinationRule"));
    EXPECT_EQ(spec_of(made), R"({"host":"web","subsets":[{"labels":{"istio.service.tag":"gray"},"name":"canary"}]})");
    EXPECT_EQ(json::write(*restored_custom(*made)), json::write(bare));
    std::string const own = R"({"host":"web","subsets":[{"labels":{"track":"canary"},"name":"canary"}]})";
    auto const kept = routed_custom(rule(own), route, script_for("DestinationRule"));
    EXPECT_EQ(spec_of(kept), own);
    EXPECT_EQ(spec_of(restored_custom(*kept)), own);
}

TEST(Custom, ApisixRouteByWeight) {
    json::Doc const live = *json::parse(R"({"kind":"ApisixRoute","metadata":{"name":"web"},"spec":{"http":[{"name":"r",
        "backends":[{"serviceName":"web","servicePort":80},{"serviceName":"api","servicePort":80,"weight":50}]}]}})");
    EXPECT_EQ(spec_of(routed_custom(live, weighted(20), *custom_script("apisix.apache.org", "ApisixRoute", {}))),
              R"({"http":[{"backends":[{"serviceName":"web","servicePort":80,"weight":8000},)"
              R"({"serviceName":"api","servicePort":80,"weight":4000},)"
              R"({"serviceName":"web-canary","servicePort":80,"weight":3000}],"name":"r"}]})");
}

TEST(Custom, RestoresByteForByte) {
    for (
        std::string_view text :
        {R"({"kind":"VirtualService","metadata":{"name":"w","annotations":{"z":"1","a":"2"},"uid":"u"},"spec":{"http":[{"timeout":"5s","route":[{"weight":100,"destination":{"host":"web"}}],"match":[]}],"empty":{},"n":null},"status":{}})",
         R"({"metadata":{"name":"w"},"spec":{"tcp":[{"route":[{"destination":{"host":"web"}}]}]}})",
         R"({"spec":{"tcp":[{"route":[{"destination":{"host":"web"}}]}]},"metadata":{"labels":{"b":"","a":"x"},"name":"w"}})"}) {
        json::Doc const live = *json::parse(text);
        json::Doc at = live;
        for (std::int64_t weight : {0, 20, 20, 100}) {
            auto const next = routed_custom(at, weighted(weight), script_for("VirtualService"));
            ASSERT_TRUE(next) << next.error().message();
            at = *next;
            auto const again = routed_custom(at, weighted(weight), script_for("VirtualService"));
            EXPECT_TRUE(again->same(at));   // nothing more to write
            EXPECT_EQ(json::write(*restored_custom(at)), text);
        }
        EXPECT_TRUE(restored_custom(live)->same(live));
    }
}

TEST(Custom, TakesOverWhatUpstreamHasBegunAndLeavesItSo) {
    json::Doc const before = service_with(kPlain);
    Value begun = service_with(R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"},"weight":80},
                                   {"destination":{"host":"web-canary"},"weight":20}]}]})")
                      .thaw();
    std::string const original = R"({"spec":)" + std::string(kPlain) + R"(,"labels":{"app":"web"},"annotations":null})";
    begun.set({"metadata", "annotations", apis::kOriginalConfiguration}, original);
    EXPECT_EQ(json::write(*restored_custom(json::Doc::freeze(begun))), json::write(before));
    auto const made = routed_custom(json::Doc::freeze(begun), weighted(50), script_for("VirtualService"));
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(meta::annotation(*made, apis::kOriginalConfiguration), original);
    EXPECT_EQ(spec_of(made), R"({"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"},"weight":50},)"
                             R"({"destination":{"host":"web-canary"},"weight":50}]}]})");
    EXPECT_EQ(json::write(*restored_custom(*made)), json::write(before));
}

// What is left of a change that somebody makes at 20 percent: in the object at 50 percent, and when all is over.
void expect_kept(std::string_view before, void (*change)(Value&), std::string const& routed,
                 std::string const& restored) {
    Value live = routed_custom(service_with(before), weighted(20), script_for("VirtualService"))->thaw();
    change(live);
    json::Doc const changed = json::Doc::freeze(live);
    EXPECT_EQ(spec_of(restored_custom(changed)), restored);
    auto const next = routed_custom(changed, weighted(50), script_for("VirtualService"));
    EXPECT_EQ(spec_of(next), routed);
    EXPECT_EQ(spec_of(restored_custom(*next)), restored);
    EXPECT_TRUE(routed_custom(*next, weighted(50), script_for("VirtualService"))->same(*next));
}

TEST(Custom, KeepsWhatOthersChangeMeanwhile) {
    std::string const halves =
        R"("route":[{"destination":{"host":"web"},"weight":50},{"destination":{"host":"web-canary"},"weight":50}])";
    std::string const plain = R"("route":[{"destination":{"host":"web"}}])";
    // Inside a rule that the release has changed, and beside it.
    expect_kept(
        kPlain,
        [](Value& live) {
            live["spec"]["http"].make_array()[0]["timeout"] = "5s";
            live["spec"]["hosts"].push_back("x.io");
        },
        R"({"hosts":["*","x.io"],"http":[{)" + halves + R"(,"timeout":"5s"}]})",
        R"({"hosts":["*","x.io"],"http":[{)" + plain + R"(,"timeout":"5s"}]})");
    // A rule more in front, with nothing of the release in it.
    expect_kept(
        kPlain,
        [](Value& live) {
            auto& rules = live["spec"]["http"].make_array();
            rules.insert(rules.begin(),
                         *json::parse_value(R"({"redirect":{"uri":"/y"},"match":[{"uri":{"exact":"/x"}}]})"));
        },
        R"({"hosts":["*"],"http":[{"match":[{"uri":{"exact":"/x"}}],"redirect":{"uri":"/y"}},{)" + halves + "}]}",
        R"({"hosts":["*"],"http":[{"match":[{"uri":{"exact":"/x"}}],"redirect":{"uri":"/y"}},{)" + plain + "}]}");
    // Weights are the release's.
    expect_kept(
        kPlain, [](Value& live) { live["spec"]["http"].make_array()[0]["route"].make_array()[0]["weight"] = 1; },
        R"({"hosts":["*"],"http":[{)" + halves + "}]}", R"({"hosts":["*"],"http":[{)" + plain + "}]}");
    // Applied as it was, with another host: what the release had put in is gone, and comes back.
    expect_kept(
        kPlain,
        [](Value& live) {
            live["spec"] = *json::parse_value(R"({"hosts":["y"],"http":[{"route":[{"destination":{"host":"web"}}]}]})");
        },
        R"({"hosts":["y"],"http":[{)" + halves + "}]}", R"({"hosts":["y"],"http":[{)" + plain + "}]}");
}

TEST(Custom, KeepsLabelsAndAnnotationsOfOthers) {
    Value live = routed_custom(service_with(kPlain), weighted(20), script_for("VirtualService"))->thaw();
    live.set({"metadata", "labels"}, json::Object{{"team", "a"}});
    live.set({"metadata", "annotations", "note"}, "b");
    auto const next = routed_custom(json::Doc::freeze(live), weighted(50), script_for("VirtualService"));
    EXPECT_EQ(meta::label(*next, "team"), "a");
    EXPECT_EQ(meta::annotation(*next, "note"), "b");
    EXPECT_EQ(json::write((*restored_custom(*next))["metadata"]),
              R"({"name":"web","namespace":"demo","labels":{"team":"a"},"annotations":{"note":"b"}})");
}

TEST(Custom, DefaultsOfTheServerAreNotFought) {
    Value live = routed_custom(service_with(kPlain), weighted(20), script_for("VirtualService"))->thaw();
    for (Value& route : live["spec"]["http"].make_array()[0]["route"].make_array()) route["destination"]["retries"] = 2;
    auto const next = routed_custom(json::Doc::freeze(live), weighted(20), script_for("VirtualService"));
    Value stored = next->thaw();   // the canary's default is the server's to put in
    stored["spec"]["http"].make_array()[0]["route"].make_array()[1]["destination"]["retries"] = 2;
    json::Doc const seen = json::Doc::freeze(stored);
    EXPECT_TRUE(routed_custom(seen, weighted(20), script_for("VirtualService"))->same(seen));
}

// As users have them for Kruise Rollouts.
constexpr std::string_view kOwn = R"lua(
local spec = obj.data.spec
for i, rule in ipairs(spec.routes) do
    if rule.service == obj.stableService then
        rule.weight = obj.stableWeight
        local canary = {}
        for k, v in pairs(rule) do canary[k] = v end
        canary.service = obj.canaryService
        canary.weight = obj.canaryWeight
        table.insert(spec.routes, canary)
        break
    end
end
if obj.data.annotations == nil then obj.data.annotations = {} end
obj.data.annotations["share"] = tostring(obj.canaryWeight / 2)
return obj.data
)lua";

TEST(Custom, RunsScriptsOfUsers) {
    Value config;
    config.set({"data", "lua.traffic.routing.Mesh.example.com"}, kOwn);
    auto const script = custom_script("example.com", "Mesh", json::Doc::freeze(config));
    ASSERT_TRUE(script);
    json::Doc const live =
        *json::parse(R"({"kind":"Mesh","metadata":{"name":"m"},"spec":{"routes":[{"service":"web"}]}})");
    auto const made = routed_custom(live, weighted(20), *script);
    EXPECT_EQ(spec_of(made), R"({"routes":[{"service":"web","weight":80},{"service":"web-canary","weight":20}]})");
    EXPECT_EQ(meta::annotation(*made, "share"), "10");
    EXPECT_EQ(meta::annotation(*made, apis::kOriginalConfiguration), R"({"spec":{"routes":[{"service":"web"}]}})");
    EXPECT_EQ(json::write(*restored_custom(*made)), json::write(live));
}

TEST(Custom, AScriptOfAStepWithoutTrafficIsGivenUpstreamsWeights) {
    lua::Script const script{"mine", "return { spec = { canary = obj.canaryWeight, stable = obj.stableWeight } }"};
    auto const given = [&](Route const& route) { return spec_of(routed_custom(service_with(kPlain), route, script)); };
    EXPECT_EQ(given(matching(R"([{"headers":[{"name":"user","value":"qa"}]}])")), R"({"canary":-1,"stable":101})");
    EXPECT_EQ(given(weighted(20)), R"({"canary":20,"stable":80})");
    EXPECT_EQ(given(weighted(0)), R"({"canary":0,"stable":100})");
}

TEST(Custom, SaysWhatIsWrong) {
    json::Doc const live = service_with(kPlain);
    auto const error = [&](std::string text) {
        return routed_custom(live, weighted(20), {"mine", std::move(text)}).error().message();
    };
    EXPECT_EQ(error("return {}"),
              "VirtualService demo/web: mine: it must return a table with the member spec, an object");
    EXPECT_EQ(error("return { spec = { a = 1 }, labels = { b = 2 } }"),
              "VirtualService demo/web: mine: labels[b] must be a string, not integer");
    EXPECT_EQ(error("\nwhile true do end"),
              "VirtualService demo/web: mine:2: stopped: it took more than 20000000 instructions");
    Value odd = live.thaw();
    odd.set({"metadata", "annotations", apis::kOriginalConfiguration}, "{");
    EXPECT_EQ(restored_custom(json::Doc::freeze(odd)).error().code(), ErrorCode::kInvalid);
}

TEST(Scripts, BuiltInOnesComeFirstWhereUpstreamHasThem) {
    Value config;
    config.set({"data", "lua.traffic.routing.VirtualService.networking.istio.io"}, "return 1");
    EXPECT_EQ(custom_script("networking.istio.io", "VirtualService", json::Doc::freeze(config))->name,
              "VirtualService.networking.istio.io.lua");
    // Kruise Rollouts has none of this kind: the user's own has run there.
    config.set({"data", "lua.traffic.routing.ApisixRoute.apisix.apache.org"}, "return 1");
    EXPECT_EQ(custom_script("apisix.apache.org", "ApisixRoute", json::Doc::freeze(config))->text, "return 1");
    EXPECT_EQ(custom_script("apisix.apache.org", "ApisixRoute", {})->name, "ApisixRoute.apisix.apache.org.lua");
    EXPECT_EQ(
        custom_script("example.com", "Mesh", {}).error().message(),
        "there is no script for Mesh of example.com: give one as lua.traffic.routing.Mesh.example.com in the ConfigMap "
        "kruise-rollout-configuration");
}

TEST(ThreeWay, CarriesOver) {
    auto const carried = [](std::string_view original, std::string_view written, std::string_view live) {
        return json::write(
            carried_over(*json::parse_value(original), *json::parse_value(written), *json::parse_value(live)));
    };
    EXPECT_EQ(carried(R"({"a":1,"b":2})", R"({"a":9,"b":2})", R"({"a":9,"b":2})"), R"({"a":1,"b":2})");
    EXPECT_EQ(carried(R"({"a":1,"b":2})", R"({"a":9,"b":2,"c":1})", R"({"a":9,"c":2,"d":1})"), R"({"a":1,"d":1})");
    EXPECT_EQ(carried(R"({"a":1,"gone":2})", R"({"a":1})", R"({"a":5})"), R"({"a":5,"gone":2})");
    // Moved, with the release's own between them; one went.
    EXPECT_EQ(
        carried(R"([{"n":"a"},{"n":"b"},{"n":"c"}])", R"([{"x":1},{"n":"a","w":1},{"n":"b","w":2},{"n":"c","w":3}])",
                R"([{"n":"c","w":3},{"x":1},{"n":"a","w":1}])"),
        R"([{"n":"c"},{"n":"a"}])");
    EXPECT_EQ(carried(R"(["a","b"])", R"(["a","b","ours"])", R"(["b","theirs","ours"])"), R"(["b","theirs"])");
}

}   // namespace
}   // namespace aviary::traffic
