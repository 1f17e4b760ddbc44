#include "member/traffic/gateway.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apis/rollouts/original.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::traffic {
namespace {

using json::Doc;
using json::Value;

Doc doc(std::string_view text) { return *json::parse(text); }

Doc http_route(std::string_view rules, std::string_view kind = "HTTPRoute") {
    return doc(fmt::format(R"({{"apiVersion":"gateway.networking.k8s.io/v1","kind":"{}","metadata":{{"name":"web",
        "namespace":"demo","resourceVersion":"5"}},"spec":{{"hostnames":["a.example"],"rules":{}}}}})",
                           kind, rules));
}
Route weight(std::int64_t percent) { return {"web", "web-canary", percent, {}, {}}; }
Route matches(std::string_view list) { return {"web", "web-canary", std::nullopt, doc(list), {}}; }

std::string rules_of(Doc const& route) { return json::write(route.at({"spec", "rules"})); }
// The rules after a step; the problem when it cannot be.
std::string after(Doc const& route, Route const& step) {
    auto const done = routed_gateway(route, step);
    return done ? rules_of(*done) : done.error().message();
}
Doc routed(Doc const& route, Route const& step) {
    auto const done = routed_gateway(route, step);
    EXPECT_TRUE(done) << done.error().message();
    return *done;
}
Doc restored(Doc const& route) { return *restored_gateway(route, "web", "web-canary"); }
Doc with_rules(Doc const& route, std::string_view rules) {
    Value next = route.thaw();
    next.set({"spec", "rules"}, *json::parse_value(rules));
    return Doc::freeze(next);
}
// One text for another in the rules, as an edit.
Doc edited(Doc const& route, std::string_view from, std::string_view to) {
    std::string text = rules_of(route);
    auto const at = text.find(from);
    EXPECT_NE(at, std::string::npos) << text;
    return with_rules(route, text.replace(at, from.size(), to));
}

constexpr char const* kPlain = R"([{"backendRefs":[{"name":"web","port":80}]}])";

TEST(GatewayWeights, SplitTheStableBackendsOwnShare) {
    struct Case {
        std::string_view what, rules;
        std::int64_t percent;
        std::string_view after;
    };
    for (
        Case const& each : std::initializer_list<Case>{
            {"no kind means Service", kPlain, 20,
             R"([{"backendRefs":[{"name":"web","port":80,"weight":80},{"name":"web-canary","port":80,"weight":20}]}])"},
            {"nothing", kPlain, 0,
             R"([{"backendRefs":[{"name":"web","port":80,"weight":100},{"name":"web-canary","port":80,"weight":0}]}])"},
            {"everything", R"([{"backendRefs":[{"group":"","kind":"Service","name":"web","port":80,"weight":7}]}])",
             100,
             R"([{"backendRefs":[{"group":"","kind":"Service","name":"web","port":80,"weight":0},{"group":"","kind":"Service","name":"web-canary","port":80,"weight":100}]}])"},
            {"user weights among other backends are respected",
             R"([{"backendRefs":[{"name":"other","weight":3},{"name":"web","weight":1}]}])", 20,
             R"([{"backendRefs":[{"name":"other","weight":15},{"name":"web","weight":4},{"name":"web-canary","weight":1}]}])"},
            {"a backend that gets nothing", R"([{"backendRefs":[{"name":"other"},{"name":"web","weight":0}]}])", 50,
             R"([{"backendRefs":[{"name":"other","weight":1},{"name":"web","weight":0},{"name":"web-canary","weight":0}]}])"},
            {"as large as weights may be",
             R"([{"backendRefs":[{"name":"other","weight":1000000},{"name":"web","weight":500000}]}])", 25,
             R"([{"backendRefs":[{"name":"other","weight":8},{"name":"web","weight":3},{"name":"web-canary","weight":1}]}])"},
            {"only where the Service is a backend",
             R"([{"filters":[{"type":"RequestRedirect","requestRedirect":{"scheme":"https"}}]},{"backendRefs":[{"name":"web"}]},{"backendRefs":[{"name":"web","namespace":"far"}]},{"backendRefs":[{"kind":"Other","group":"x","name":"web"}]}])",
             10,
             R"([{"filters":[{"type":"RequestRedirect","requestRedirect":{"scheme":"https"}}]},{"backendRefs":[{"name":"web","weight":90},{"name":"web-canary","weight":10}]},{"backendRefs":[{"name":"web","namespace":"far"}]},{"backendRefs":[{"kind":"Other","group":"x","name":"web"}]}])"},
            {"pools",
             R"([{"backendRefs":[{"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web"}]},{"backendRefs":[{"group":"inference.networking.x-k8s.io","kind":"InferencePool","name":"web"}]}])",
             30,
             R"([{"backendRefs":[{"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web","weight":70},{"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web-canary","weight":30}]},{"backendRefs":[{"group":"inference.networking.x-k8s.io","kind":"InferencePool","name":"web","weight":70},{"group":"inference.networking.x-k8s.io","kind":"InferencePool","name":"web-canary","weight":30}]}])"}}) {
        Doc const before = http_route(each.rules);
        Doc const done = routed(before, weight(each.percent));
        EXPECT_EQ(rules_of(done), each.after) << each.what;
        EXPECT_TRUE(routed(done, weight(each.percent)).same(done)) << each.what;
        EXPECT_EQ(json::write(restored(done)), json::write(before)) << each.what;
        EXPECT_TRUE(restored(before).same(before)) << each.what;
    }
}

TEST(GatewayWeights, AStepFollowsAnother) {
    Doc const before = http_route(kPlain);
    Doc const fifth = routed(before, weight(20));
    EXPECT_EQ(after(fifth, weight(60)), after(before, weight(60)));
}

TEST(GatewayWeights, WithoutACanaryServicePoolsAloneAreSplit) {
    Route step = weight(30);
    step.canary_service = "web";
    EXPECT_EQ(after(http_route(kPlain), step),
              "HTTPRoute demo/web cannot tell versions apart that are both behind web: give a requestHeaderModifier");
    EXPECT_EQ(
        after(http_route(
                  R"([{"backendRefs":[{"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web"}]}])"),
              step),
        R"([{"backendRefs":[{"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web","weight":70},{"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web-canary","weight":30}]}])");
}

// Testers that always go to the second pool: nobody's leftover.
TEST(GatewayWeights, AUsersOwnRuleForTheCanaryPoolStays) {
    std::string const pool = R"({"group":"inference.networking.k8s.io","kind":"InferencePool","name":"web)";
    Doc const before = http_route(fmt::format(
        R"([{{"matches":[{{"headers":[{{"name":"tester","value":"1","type":"Exact"}}]}}],"backendRefs":[{0}-canary"}}]}},{{"backendRefs":[{0}"}}]}}])",
        pool));
    Doc const done = routed(before, weight(30));
    EXPECT_EQ(done.at({"spec", "rules"}).size(), 2U);
    EXPECT_EQ(done.at({"spec", "rules"})[0], before.at({"spec", "rules"})[0]);
    EXPECT_EQ(json::write(restored(done)), json::write(before));
    Doc const both = http_route(fmt::format(R"([{{"backendRefs":[{0}"}},{0}-canary"}}]}}])", pool));
    EXPECT_EQ(after(both, weight(30)),
              "HTTPRoute demo/web has a rule of its own with web and its canary: remove one of both");
}

constexpr char const* kHeader = R"([{"headers":[{"name":"user","value":"qa"}]}])";

TEST(GatewayMatches, EveryExistingMatchWithEveryMatchOfTheStep) {
    Doc const before = http_route(
        R"([{"matches":[{"path":{"type":"PathPrefix","value":"/a"}},{"path":{"type":"Exact","value":"/b"},"headers":[{"name":"x","value":"1","type":"Exact"}]}],"timeouts":{"request":"5s"},"backendRefs":[{"name":"web","port":80}]}])");
    Doc const done = routed(
        before, matches(R"([{"headers":[{"name":"user","value":"qa"}]},{"queryParams":[{"name":"v","value":"2"}]}])"));
    EXPECT_EQ(
        rules_of(done),
        R"([{"matches":[{"path":{"type":"PathPrefix","value":"/a"},"headers":[{"name":"user","value":"qa","type":"Exact"}]},{"path":{"type":"Exact","value":"/b"},"headers":[{"name":"x","value":"1","type":"Exact"},{"name":"user","value":"qa","type":"Exact"}]},)"
        R"({"path":{"type":"PathPrefix","value":"/a"},"queryParams":[{"name":"v","value":"2","type":"Exact"}]},{"path":{"type":"Exact","value":"/b"},"headers":[{"name":"x","value":"1","type":"Exact"}],"queryParams":[{"name":"v","value":"2","type":"Exact"}]}],"timeouts":{"request":"5s"},"backendRefs":[{"name":"web-canary","port":80}]},)" +
            rules_of(before).substr(1));
    EXPECT_EQ(json::write(restored(done)), json::write(before));
}

TEST(GatewayMatches, PathAndOtherMatchesMixedKeepTheirOwnContents) {
    Doc const before = http_route(
        R"([{"matches":[{"path":{"type":"PathPrefix","value":"/a"}}],"backendRefs":[{"name":"web"}]},{"matches":[{"path":{"type":"PathPrefix","value":"/b"}}],"backendRefs":[{"name":"web"}]}])");
    Doc const done =
        routed(before, matches(R"([{"path":{"value":"/new"}},{"headers":[{"name":"user","value":"qa"}]}])"));
    Doc const rules = done.at({"spec", "rules"});
    ASSERT_EQ(rules.size(), 4U);
    EXPECT_EQ(
        json::write(rules[0]["matches"]),
        R"([{"path":{"value":"/new","type":"PathPrefix"}},{"path":{"type":"PathPrefix","value":"/a"},"headers":[{"name":"user","value":"qa","type":"Exact"}]}])");
    EXPECT_EQ(
        json::write(rules[2]["matches"]),
        R"([{"path":{"type":"PathPrefix","value":"/b"},"headers":[{"name":"user","value":"qa","type":"Exact"}]}])");
}

TEST(GatewayMatches, ARuleWithoutMatchesDoesNotSendEverything) {
    EXPECT_EQ(
        after(http_route(kPlain), matches(kHeader)),
        R"([{"backendRefs":[{"name":"web-canary","port":80}],"matches":[{"path":{"type":"PathPrefix","value":"/"},"headers":[{"name":"user","value":"qa","type":"Exact"}]}]},{"backendRefs":[{"name":"web","port":80}]}])");
}

TEST(GatewayMatches, AnImpossibleCombinationIsLeftOut) {
    std::string_view const rules =
        R"([{"matches":[{"headers":[{"name":"User","value":"ops","type":"Exact"}]}],"backendRefs":[{"name":"web"}]}])";
    EXPECT_EQ(after(http_route(rules), matches(kHeader)), rules);
}

TEST(GatewayMatches, AWeightStepFollowedByAMatchesStepKeepsTheStableRule) {
    Doc const before = http_route(kPlain);
    Doc const split = routed(before, weight(20));
    EXPECT_EQ(after(split, matches(kHeader)), after(before, matches(kHeader)));
    EXPECT_EQ(json::write(restored(routed(split, matches(kHeader)))), json::write(before));
}

TEST(GatewayMatches, AMatchesStepFollowedByAWeightStepDropsTheHeaderRule) {
    Doc const before = http_route(kPlain);
    Doc const matched = routed(before, matches(kHeader));
    EXPECT_EQ(after(matched, weight(20)), after(before, weight(20)));
    EXPECT_EQ(json::write(restored(routed(matched, weight(20)))), json::write(before));
}

TEST(GatewayMatches, OtherBackendsKeepTheirShareAndNamesStayUnique) {
    Doc const done =
        routed(http_route(R"([{"name":"r","backendRefs":[{"name":"other"},{"name":"web"}]}])"), matches(kHeader));
    Doc const rules = done.at({"spec", "rules"});
    EXPECT_EQ(json::write(rules[0]["backendRefs"]), R"([{"name":"other"},{"name":"web-canary"}])");
    EXPECT_FALSE(rules[0].contains("name"));
    EXPECT_EQ(rules[1]["name"].as_string(), "r");
}

TEST(GatewayMatches, MoreThanARouteCanSayIsAnError) {
    std::string rules = "[";
    for (int count = 0; count < 9; ++count)
        rules += fmt::format(
            R"({}{{"matches":[{{"path":{{"type":"Exact","value":"/{}"}}}}],"backendRefs":[{{"name":"web"}}]}})",
            count > 0 ? "," : "", count);
    EXPECT_EQ(after(http_route(rules + "]"), matches(kHeader)),
              "HTTPRoute demo/web: with the rules for the new version the route has 18: at most 16 are allowed");
}

TEST(GatewayHeaders, AreChangedForTheNewVersionAlone) {
    Route step = weight(20);
    step.request_header_modifier = doc(R"({"set":[{"name":"X-Version","value":"v2"}],"remove":["cookie"]})");
    std::string const filter =
        R"("requestHeaderModifier":{"set":[{"name":"X-Version","value":"v2"}],"remove":["cookie"]}})";
    EXPECT_EQ(
        after(http_route(kPlain), step),
        R"([{"backendRefs":[{"name":"web","port":80,"weight":80},{"name":"web-canary","port":80,"weight":20,"filters":[{"type":"RequestHeaderModifier",)" +
            filter + "]}]}]");
    step.matches = doc(kHeader);
    Doc const before = http_route(
        R"([{"filters":[{"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"x-version","value":"v1"},{"name":"y","value":"1"}]}}],"backendRefs":[{"name":"web"}]}])");
    Doc const done = routed(before, step);
    EXPECT_EQ(
        json::write(done.at({"spec", "rules"})[0]["filters"]),
        R"([{"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"X-Version","value":"v2"},{"name":"y","value":"1"}],"remove":["cookie"]}}])");
    EXPECT_EQ(done.at({"spec", "rules"})[1], before.at({"spec", "rules"})[0]);
    EXPECT_EQ(json::write(restored(done)), json::write(before));
}

TEST(GatewayRestore, KeepsTheUsersWeightAndTheirRedirects) {
    Doc const before =
        http_route(R"([{"filters":[{"type":"RequestRedirect"}]},{"backendRefs":[{"name":"web","weight":42}]}])");
    EXPECT_EQ(rules_of(restored(routed(before, weight(20)))), rules_of(before));
}

TEST(GatewayRestore, WhatSomebodyElseChangesMeanwhileStays) {
    Doc const before = http_route(
        R"([{"matches":[{"path":{"type":"Exact","value":"/a"}}],"backendRefs":[{"name":"web","weight":9}]},{"matches":[{"path":{"type":"Exact","value":"/b"}}],"backendRefs":[{"name":"web"}]}])");
    Doc const split = routed(before, weight(20));
    Doc const timed = edited(split, R"("/a"}}],)", R"("/a"}}],"timeouts":{"request":"5s"},)");
    EXPECT_EQ(rules_of(restored(timed)),
              rules_of(edited(before, R"("/a"}}],)", R"("/a"}}],"timeouts":{"request":"5s"},)")));
    EXPECT_EQ(rules_of(restored(routed(timed, weight(70)))), rules_of(restored(timed)));
    // A rule more, one less, and a path that is another.
    Doc const more = edited(split, "[{", R"([{"backendRefs":[{"name":"new"}]},{)");
    EXPECT_EQ(rules_of(restored(more)), rules_of(edited(before, "[{", R"([{"backendRefs":[{"name":"new"}]},{)")));
    EXPECT_EQ(rules_of(restored(edited(split, "/b", "/c"))), rules_of(edited(before, "/b", "/c")));
    // All of it, as it was at first, or other rules altogether: what a tool brings that applies manifests.
    EXPECT_EQ(rules_of(restored(with_rules(split, rules_of(before)))), rules_of(before));
    EXPECT_EQ(rules_of(restored(with_rules(split, kPlain))), kPlain);
    EXPECT_EQ(after(with_rules(split, kPlain), weight(20)), after(http_route(kPlain), weight(20)));
    // With rules of ours in between.
    Doc const matched = routed(before, matches(kHeader));
    EXPECT_EQ(rules_of(restored(edited(matched, R"("weight":9}]})", R"("weight":8}]})"))), rules_of(before));
    // And beside the rules.
    Value labelled = split.thaw();
    labelled.set({"metadata", "labels", "a"}, "b");
    labelled.set({"spec", "hostnames"}, json::Array{"b.example"});
    Doc const back = restored(Doc::freeze(labelled));
    EXPECT_EQ(json::write(back.at({"spec", "hostnames"})), R"(["b.example"])");
    EXPECT_EQ(meta::label(back, "a"), "b");
    EXPECT_FALSE(back["metadata"].contains("annotations"));
}

// An API server adds defaults to what it stores: nothing that would be written again and again.
TEST(GatewayRestore, WhatAnApiServerAddsIsNoChange) {
    Doc const before = http_route(kPlain);
    Doc const stored = edited(routed(before, matches(kHeader)), R"({"name":"web-canary",)",
                              R"({"group":"","kind":"Service","weight":1,"name":"web-canary",)");
    EXPECT_TRUE(routed(stored, matches(kHeader)).same(stored));
    EXPECT_EQ(json::write(restored(stored)), json::write(before));
}

TEST(GatewayRestore, WhatKruiseRolloutsHasLeftGoes) {
    EXPECT_EQ(
        rules_of(restored(http_route(
            R"([{"matches":[{"headers":[]}],"backendRefs":[{"kind":"Service","name":"web-canary","weight":1}]},{"filters":[{"type":"RequestRedirect"}]},{"backendRefs":[{"kind":"Service","name":"web","weight":80},{"kind":"Service","name":"web-canary","weight":20}]}])"))),
        R"([{"filters":[{"type":"RequestRedirect"}]},{"backendRefs":[{"kind":"Service","name":"web","weight":1}]}])");
}

TEST(GatewayRestore, ASpoiltAnnotationIsNamedAndGoesInTheEnd) {
    Value spoilt = routed(http_route(kPlain), weight(20)).thaw();
    spoilt.set({"metadata", "annotations", apis::kOriginalRulesAnnotation}, "{");
    Doc const live = Doc::freeze(spoilt);
    EXPECT_EQ(
        after(live, weight(50)),
        "annotation rollouts.aviary.dev/original-rules of the route was changed: put its rules back, and remove it");
    EXPECT_EQ(rules_of(restored(live)), R"([{"backendRefs":[{"name":"web","port":80,"weight":1}]}])");
    EXPECT_FALSE(restored(live)["metadata"].contains("annotations"));
}

// Both versions behind one Service, as where a mesh chooses by a header.
TEST(GatewayOneService, RequestsGetTheHeaderThatTellsThem) {
    constexpr std::string_view kGray = R"({"set":[{"name":"x-color","value":"gray"}]})";
    auto const one = [](std::optional<std::int64_t> percent, std::string_view matches, std::string_view modifier) {
        return Route{"web", "web", percent, matches.empty() ? Doc() : doc(matches),
                     modifier.empty() ? Doc() : doc(modifier)};
    };
    auto const back = [](Doc const& route) { return *restored_gateway(route, "web", "web"); };
    Doc const before = http_route(
        R"([{"backendRefs":[{"name":"web","port":80,"weight":3}],"timeouts":{"request":"5s"}},{"backendRefs":[{"name":"other"}]}])");
    Doc const matched = routed(before, one(std::nullopt, kHeader, kGray));
    EXPECT_EQ(
        rules_of(matched),
        R"([{"backendRefs":[{"name":"web","port":80,"weight":3}],"timeouts":{"request":"5s"},"matches":[{"path":{"type":"PathPrefix","value":"/"},"headers":[{"name":"user","value":"qa","type":"Exact"}]}],"filters":[{"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"x-color","value":"gray"}]}}]},{"backendRefs":[{"name":"web","port":80,"weight":3}],"timeouts":{"request":"5s"}},{"backendRefs":[{"name":"other"}]}])");
    Doc const split = routed(before, one(20, "", kGray));
    EXPECT_EQ(
        json::write(split.at({"spec", "rules"})[0]["backendRefs"]),
        R"([{"name":"web","port":80,"weight":80},{"name":"web","port":80,"weight":20,"filters":[{"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"x-color","value":"gray"}]}}]}])");
    for (bool const by_weight : {false, true}) {
        Doc const& each = by_weight ? split : matched;
        EXPECT_EQ(json::write(back(each)), json::write(before));
        Doc const edit = edited(each, R"({"name":"other"})", R"({"name":"another"})");
        EXPECT_EQ(rules_of(back(edit)), rules_of(edited(before, R"({"name":"other"})", R"({"name":"another"})")));
        // Of the rule itself, too.
        Doc const slow =
            edited(each, R"("5s"}},{"backendRefs":[{"name":"other)", R"("9s"}},{"backendRefs":[{"name":"other)");
        EXPECT_EQ(rules_of(back(slow)), rules_of(edited(before, "5s", "9s")));
        EXPECT_TRUE(routed(each, one(20, by_weight ? "" : kHeader, kGray)).same(each));
    }
    // From one to another, and to another header.
    EXPECT_EQ(rules_of(routed(matched, one(20, "", kGray))), rules_of(split));
    constexpr std::string_view kBlue = R"({"set":[{"name":"x-color","value":"blue"}]})";
    EXPECT_EQ(rules_of(routed(split, one(20, "", kBlue))), rules_of(routed(before, one(20, "", kBlue))));
    EXPECT_EQ(json::write(back(routed(split, one(std::nullopt, kHeader, kBlue)))), json::write(before));
    EXPECT_EQ(after(before, one(20, "", "")),
              "HTTPRoute demo/web cannot tell versions apart that are both behind web: give a requestHeaderModifier");
}

TEST(GrpcRoutes, AreSplitAndMatchHeaders) {
    Doc const before = http_route(
        R"([{"matches":[{"method":{"type":"Exact","service":"a.B","method":"C"}}],"backendRefs":[{"name":"web","port":80}]},{"backendRefs":[{"name":"web","port":81}]}])",
        "GRPCRoute");
    Doc const done = routed(before, matches(kHeader));
    Doc const rules = done.at({"spec", "rules"});
    ASSERT_EQ(rules.size(), 4U);
    EXPECT_EQ(
        json::write(rules[0]["matches"]),
        R"([{"method":{"type":"Exact","service":"a.B","method":"C"},"headers":[{"name":"user","value":"qa","type":"Exact"}]}])");
    EXPECT_EQ(json::write(rules[2]["matches"]), R"([{"headers":[{"name":"user","value":"qa","type":"Exact"}]}])");
    EXPECT_EQ(json::write(restored(routed(done, weight(20)))), json::write(before));
    EXPECT_EQ(after(before, matches(R"([{"path":{"value":"/x"}}])")),
              "GRPCRoute demo/web: a GRPCRoute cannot match a path or query parameters: match headers");
}

}   // namespace
}   // namespace aviary::traffic
