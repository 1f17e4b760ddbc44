#include "member/traffic/ingress.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/traffic/scripts.h"

namespace aviary::traffic {
namespace {

using json::Value;

constexpr std::string_view kStable = R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web",
  "namespace":"demo","uid":"1","labels":{"app":"web","fleet.aviary.dev/hub":"h1"},"annotations":{"a":"b",
  "kubectl.kubernetes.io/last-applied-configuration":"{}"}},"spec":{"ingressClassName":"nginx","tls":[{"hosts":["x.io"]}],
  "defaultBackend":{"service":{"name":"web","port":{"number":80}}},
  "rules":[{"host":"x.io","http":{"paths":[
    {"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}},
    {"path":"/img","pathType":"Prefix","backend":{"resource":{"kind":"Bucket","name":"web"}}},
    {"path":"/api","pathType":"Prefix","backend":{"service":{"name":"api","port":{"number":80}}}}]}},
   {"host":"y.io"},{"host":"z.io","http":{"paths":[
    {"path":"/","pathType":"Prefix","backend":{"service":{"name":"api","port":{"number":80}}}}]}}]}})";
constexpr std::string_view kOwner =
    R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"web","uid":"u1","controller":true})";

struct Asked {
    std::string type = "nginx";
    std::optional<std::int64_t> weight;
    std::string matches = "[]";
    std::string modifier = "null";
    std::string own_script = {};   // instead of the built-in one
};

Result<json::Doc> canary(Asked const& asked, json::Doc const& existing = {}, std::string_view stable = kStable) {
    Value config;
    if (!asked.own_script.empty()) config.set({"data", "lua.traffic.routing.ingress." + asked.type}, asked.own_script);
    auto const script = ingress_script(asked.type, json::Doc::freeze(config));
    if (!script) return std::unexpected(script.error());
    Route const route{"web", "web-canary", asked.weight, *json::parse(asked.matches), *json::parse(asked.modifier)};
    return canary_ingress(*json::parse(stable), existing, route, {asked.type, *script}, *json::parse_value(kOwner));
}

// Without those of the stable Ingress and without what we keep for ourselves.
std::string annotations(Asked const& asked, json::Doc const& existing = {}) {
    auto const made = canary(asked, existing);
    if (!made) return made.error().message();
    Value result = made->at({"metadata", "annotations"}).thaw();
    EXPECT_TRUE(result.erase("a"));
    EXPECT_TRUE(result.erase(kCopiedAnnotations));
    EXPECT_TRUE(result.erase(kRoutedStep));
    return json::write_canonical(result);
}

TEST(Ingress, IsACopyThatLeadsToTheCanaryService) {
    auto const made = canary({.weight = 20});
    ASSERT_TRUE(made) << made.error().message();
    Value shown = made->thaw();
    EXPECT_TRUE(shown.at({"metadata", "annotations"}).contains(kRoutedStep));
    shown["metadata"]["annotations"].erase(kRoutedStep);
    EXPECT_EQ(
        json::write_canonical(shown),
        R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"annotations":{"a":"b",)"
        R"("nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-weight":"20",)"
        R"("rollouts.aviary.dev/copied-annotations":"a"},"labels":{"app":"web"},"name":"web-canary",)"
        R"("namespace":"demo","ownerReferences":[{"apiVersion":"rollouts.kruise.io/v1beta1","controller":true,)"
        R"("kind":"Rollout","name":"web","uid":"u1"}]},"spec":{"ingressClassName":"nginx","rules":[{"host":"x.io",)"
        R"("http":{"paths":[{"backend":{"service":{"name":"web-canary","port":{"number":80}}},"path":"/",)"
        R"("pathType":"Prefix"}]}}],"tls":[{"hosts":["x.io"]}]}})");
    EXPECT_TRUE(canary({.weight = 20}, *made)->same(*made));
}

TEST(Ingress, IsNotMadeForNothing) {
    EXPECT_FALSE(canary({.weight = 0})->exists());
    json::Doc const at_20 = *canary({.weight = 20});
    EXPECT_EQ(annotations({.weight = 0}, at_20),
              R"({"nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-weight":"0"})");
}

TEST(Ingress, NginxByHeaderAndCookie) {
    Asked const both{.matches = R"([{"headers":[{"type":"RegularExpression","name":"user-agent","value":"pc"}]},
                                    {"headers":[{"name":"canary-by-cookie","value":"demo1"}]}])"};
    std::string const expected = R"({"nginx.ingress.kubernetes.io/canary":"true",)"
                                 R"("nginx.ingress.kubernetes.io/canary-by-cookie":"demo1",)"
                                 R"("nginx.ingress.kubernetes.io/canary-by-header":"user-agent",)"
                                 R"("nginx.ingress.kubernetes.io/canary-by-header-pattern":"pc"})";
    EXPECT_EQ(annotations(both), expected);
    EXPECT_EQ(annotations(both, *canary({.weight = 20})), expected);   // the weight of the step before is gone
    EXPECT_EQ(annotations({.weight = 30}, *canary(both)),
              R"({"nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-weight":"30"})");
    EXPECT_EQ(annotations({.type = "higress", .matches = R"([{"headers":[{"type":"Exact","name":"x","value":"1"}]}])"}),
              R"({"nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-by-header":"x",)"
              R"("nginx.ingress.kubernetes.io/canary-by-header-value":"1"})");
}

TEST(Ingress, AliyunAlb) {
    EXPECT_EQ(annotations({.type = "aliyun-alb", .weight = 5}),
              R"({"alb.ingress.kubernetes.io/canary":"true","alb.ingress.kubernetes.io/canary-weight":"5",)"
              R"("alb.ingress.kubernetes.io/order":"1"})");
    EXPECT_EQ(annotations({.type = "aliyun-alb", .matches = R"([{"headers":[{"name":"x","value":"1"}]}])"}),
              R"({"alb.ingress.kubernetes.io/canary":"true","alb.ingress.kubernetes.io/canary-by-header":"x",)"
              R"("alb.ingress.kubernetes.io/canary-by-header-value":"1","alb.ingress.kubernetes.io/order":"1"})");
}

TEST(Ingress, MseByQueryWithHeadersAndSubset) {
    Asked const asked{.type = "mse",
                      .matches = R"([{"queryParams":[{"name":"v","value":"2"}]}])",
                      .modifier = R"({"set":[{"name":"x","value":"1"},{"name":"y","value":"2"}]})"};
    EXPECT_EQ(annotations(asked), R"({"mse.ingress.kubernetes.io/canary-by-query":"v",)"
                                  R"("mse.ingress.kubernetes.io/canary-by-query-value":"2",)"
                                  R"("mse.ingress.kubernetes.io/request-header-control-update":"x 1\ny 2",)"
                                  R"("nginx.ingress.kubernetes.io/canary":"true"})");
    EXPECT_EQ(annotations({.type = "mse", .weight = 1}, *canary(asked)),
              R"({"nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-weight":"1"})");
}

TEST(Ingress, HeadersAreChangedByMseAloneAndOnlyThoseToSet) {
    std::string const rest = R"("add":[{"name":"y","value":"2"}],"remove":["z"]})";
    std::string const all = R"({"set":[{"name":"x","value":"1"}],)" + rest;
    for (char const* type : {"nginx", "higress", "aliyun-alb"}) {
        EXPECT_EQ(annotations({.type = type, .weight = 20, .modifier = all}), annotations({.type = type, .weight = 20}))
            << type;
    }
    EXPECT_EQ(annotations({.type = "mse", .weight = 20, .modifier = all}),
              R"({"mse.ingress.kubernetes.io/request-header-control-update":"x 1",)"
              R"("nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-weight":"20"})");
    EXPECT_EQ(annotations({.type = "mse", .weight = 20, .modifier = "{" + rest}),
              R"({"nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-weight":"20"})");
}

TEST(Ingress, SaysWhatAClassCannotMatch) {
    std::string const head = "Ingress demo/web: Ingress.lua:";
    for (auto const& [matches, what] : std::initializer_list<std::pair<std::string, std::string>>{
             {R"([{"path":{"value":"/x"}}])", "cannot match by path"},
             {R"([{"queryParams":[{"name":"v","value":"2"}]}])", "cannot match by query parameter"},
             {R"([{"headers":[{"name":"a","value":"1"},{"name":"b","value":"1"}]}])",
              "cannot match by other than one header in a match"},
             {R"([{"headers":[{"name":"a","value":"1"}]},{"headers":[{"name":"b","value":"1"}]}])",
              "cannot match by two conditions of canary-by-header at once"}}) {
        std::string const error = annotations({.matches = matches});
        EXPECT_TRUE(error.starts_with(head)) << error;
        EXPECT_TRUE(error.ends_with("Ingress class nginx " + what)) << error;
    }
}

TEST(Ingress, FollowsTheStableOneAndLeavesWhatOthersWrite) {
    Value existing = canary({.weight = 20})->thaw();
    existing.set({"metadata", "annotations", "others"}, "1");
    existing.set({"metadata", "resourceVersion"}, "7");
    json::Doc const seen = json::Doc::freeze(existing);
    EXPECT_TRUE(canary({.weight = 20}, seen)->same(seen));
    Value stable = *json::parse_value(kStable);
    stable.set({"metadata", "annotations"}, json::Object{{"c", "d"}});
    stable["spec"].erase("tls");
    auto const now = canary({.weight = 20}, seen, json::write(stable));
    ASSERT_TRUE(now);
    EXPECT_FALSE(now->at({"spec", "tls"}).exists());
    EXPECT_EQ(meta::annotation(*now, "a"), "b");   // with the next step
    auto const made = canary({.weight = 30}, *now, json::write(stable));
    ASSERT_TRUE(made);
    Value shown = made->at({"metadata", "annotations"}).thaw();
    shown.erase(kRoutedStep);
    EXPECT_EQ(
        json::write_canonical(shown),
        R"({"c":"d","nginx.ingress.kubernetes.io/canary":"true","nginx.ingress.kubernetes.io/canary-weight":"30",)"
        R"("others":"1","rollouts.aviary.dev/copied-annotations":"c"})");
    EXPECT_EQ(meta::resource_version(*made), "7");
}

// As one that notes in each Ingress what it has made for it.
TEST(Ingress, IsNotArguedAboutWithAControllerThatAnnotatesEach) {
    Value stable = *json::parse_value(kStable);
    stable.set({"metadata", "annotations", "controller/status"}, "of web");
    Value written = canary({.weight = 20}, {}, json::write(stable))->thaw();
    EXPECT_EQ(written.at({"metadata", "annotations"})["controller/status"].as_string(), "of web");
    written.set({"metadata", "annotations", "controller/status"}, "of web-canary");
    json::Doc const seen = json::Doc::freeze(written);
    EXPECT_TRUE(canary({.weight = 20}, seen, json::write(stable))->same(seen));
    stable.set({"metadata", "annotations", "controller/status"}, "of web, again");
    EXPECT_TRUE(canary({.weight = 20}, seen, json::write(stable))->same(seen));
    // Another script is another step.
    EXPECT_FALSE(canary({.weight = 20, .own_script = "return obj.annotations"}, seen, json::write(stable))->same(seen));
}

TEST(Ingress, IsRefusedWhereNothingLeadsToTheService) {
    auto const made =
        canary({.weight = 20}, {}, R"({"metadata":{"name":"web","namespace":"demo"},"spec":{"defaultBackend":
        {"service":{"name":"web"}},"rules":[{"host":"x"},{"http":{"paths":[{"backend":{"resource":{"name":"web"}}}]}}]}})");
    ASSERT_FALSE(made);
    EXPECT_EQ(
        made.error().message(),
        "Ingress demo/web: no path of its rules leads to the Service web: it is the default backend, which cannot be "
        "divided; add a rule with the path / for it");
    for (std::string_view odd :
         {R"({"metadata":{"name":"web"}})", R"({"spec":{"rules":7}})", R"({"spec":{"rules":[7]}})"})
        EXPECT_EQ(canary({.weight = 20}, {}, odd).error().code(), ErrorCode::kInvalid);
}

TEST(Ingress, OfSomebodyElseIsLeftAlone) {
    auto const made = canary({.weight = 20}, *json::parse(R"({"metadata":{"name":"web-canary","namespace":"demo"}})"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::kAlreadyExists);
}

// As users have them for Kruise Rollouts: globals, helpers with gsub, json.encode, all of the annotations returned.
constexpr std::string_view kOwnAlb = R"lua(
annotations = {}
if ( obj.annotations )
then
    annotations = obj.annotations
end
annotations["alb.ingress.kubernetes.io/order"] = "1"
annotations["alb.ingress.kubernetes.io/canary"] = "true"
weightKey = "alb.ingress.kubernetes.io/canary-weight"
conditionsKey = string.format("alb.ingress.kubernetes.io/conditions.%s", obj.canaryService)
annotations[weightKey] = nil
annotations[conditionsKey] = nil
function words(text)
    local found = {}
    string.gsub(text, '[^;]+', function(word) table.insert(found, word) end)
    return found
end
if ( obj.weight ~= "-1" )
then
    annotations[weightKey] = obj.weight
end
if ( not obj.matches )
then
    return annotations
end
local conditions = {}
for _, match in ipairs(obj.matches) do
    for _, header in ipairs(match.headers) do
        local condition = {}
        if ( header.name == "Cookie" )
        then
            condition.type = "Cookie"
            condition.cookieConfig = { values = {} }
            for i, pair in ipairs(words(header.value)) do
                local key, value = string.match(pair, "^%s*(.-)%s*=%s*(.-)%s*$")
                condition.cookieConfig.values[i] = { key = key, value = value }
            end
        else
            condition = { type = "Header", headerConfig = { key = header.name, values = words(header.value) } }
        end
        table.insert(conditions, condition)
    end
end
annotations[conditionsKey] = json.encode(conditions)
print("conditions", #conditions)
return annotations
)lua";

TEST(Ingress, ScriptsOfUsersComeFirst) {
    Asked asked{.type = "aliyun-alb", .own_script = std::string(kOwnAlb)};
    asked.matches =
        R"([{"headers":[{"name":"Cookie","value":"a=1; b = 2"}]},{"headers":[{"name":"SourceIp","value":"1;2"}]}])";
    EXPECT_EQ(
        annotations(asked),
        R"({"alb.ingress.kubernetes.io/canary":"true","alb.ingress.kubernetes.io/conditions.web-canary":)"
        R"("[{\"cookieConfig\":{\"values\":[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"b\",\"value\":\"2\"}]},)"
        R"(\"type\":\"Cookie\"},{\"headerConfig\":{\"key\":\"SourceIp\",\"values\":[\"1\",\"2\"]},\"type\":\"Header\"}]",)"
        R"("alb.ingress.kubernetes.io/order":"1"})");
    asked.matches = "[]";
    asked.weight = 40;
    EXPECT_EQ(annotations(asked),
              R"({"alb.ingress.kubernetes.io/canary":"true",)"
              R"("alb.ingress.kubernetes.io/canary-weight":"40","alb.ingress.kubernetes.io/order":"1"})");
}

TEST(Ingress, SaysWhatAScriptDoesWrong) {
    Asked asked{.type = "mine", .weight = 20, .own_script = "\nlocal x = obj.nothing.y"};
    EXPECT_EQ(annotations(asked),
              "Ingress demo/web: lua.traffic.routing.ingress.mine:2: attempt to index field 'nothing' (a "
              "nil value)");
    asked.own_script = "return { weight = 20 }";
    EXPECT_EQ(
        annotations(asked),
        "Ingress demo/web: lua.traffic.routing.ingress.mine: the annotation weight must be a string, not integer");
    asked.own_script.clear();
    EXPECT_EQ(annotations(asked),
              "there is no script for the Ingress class mine: give one as "
              "lua.traffic.routing.ingress.mine in the ConfigMap kruise-rollout-configuration");
}

// Whether it ran again is told by the error: a copy of one shares its text.
TEST(ScriptRunner, DoesNotRunAgainWhatHasFailedBeforeTextOrInputChange) {
    ScriptRunner runner;
    lua::Script const fails{"mine", "error('no')"};
    json::Doc const input = *json::parse(R"({"weight":"5"})");
    auto const text = [&](lua::Script const& script, json::Doc const& given) {
        auto const result = runner.run(script, given);
        return result ? nullptr : result.error().message().data();
    };
    char const* const first = text(fails, input);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(text(fails, *json::parse(R"({"weight":"5"})")), first);
    EXPECT_NE(text(fails, *json::parse(R"({"weight":"6"})")), first);
    EXPECT_NE(text({"mine", "error('still')"}, input), first);
    EXPECT_EQ(text({"mine", "return obj"}, input), nullptr);
    EXPECT_EQ(text(fails, input), first);
    for (int count = 0; count < 100; ++count) text(fails, json::Doc::freeze(json::Object{{"count", count}}));
    EXPECT_NE(text(fails, input), first);   // the oldest are forgotten
}

}   // namespace
}   // namespace aviary::traffic
