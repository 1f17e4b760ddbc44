#include "hub/propagation/render.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::propagation {
namespace {

using json::Doc;
using json::Value;

Doc doc(std::string_view text) { return *json::parse(text); }

Value rendered(std::string_view source, std::string_view live = "") {
    RenderInput input;
    input.source = doc(source);
    input.hub_id = "fleet";
    if (!live.empty()) input.live = doc(live);
    return render(input);
}

// ---- what travels ----

TEST(Render, WhatTheHubKeepsForItselfDoesNotTravel) {
    Value const object = rendered(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"demo",
        "uid":"u","resourceVersion":"7","generation":3,"creationTimestamp":"2026-01-01T00:00:00Z",
        "finalizers":["x/y"],"ownerReferences":[{"kind":"ReplicaSet"}],"managedFields":[{}],
        "labels":{"app":"web","fleet.aviary.dev/stable":"old","fleet.aviary.dev/template":"t","fleet.aviary.dev/hub":"other"},
        "annotations":{"team":"llm","kubectl.kubernetes.io/last-applied-configuration":"{}",
        "deployment.kubernetes.io/revision":"4","fleet.aviary.dev/hold":"x","rollouts.kruise.io/hash":"h",
        "rollouts.kruise.io/in-progressing":"{}"}},"data":{"a":"1"},"status":{"x":1}})");
    EXPECT_EQ(json::write_canonical(object),
              R"({"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"annotations":{"team":"llm"},)"
              R"("labels":{"app":"web","fleet.aviary.dev/hub":"fleet"},"name":"c","namespace":"demo"}})");
}

// The word that lets a Rollout be taken away must be readable where it is taken away.
TEST(Render, OnDeleteTravels) {
    Value const object = rendered(R"({"apiVersion":"v1","kind":"Rollout","metadata":{"name":"r","annotations":{
        "fleet.aviary.dev/on-delete":"Release","fleet.aviary.dev/unguarded":"allow"}}})");
    EXPECT_EQ(json::write(object.at({"metadata", "annotations"})), R"({"fleet.aviary.dev/on-delete":"Release"})");
}

TEST(Render, WhatEachClusterAllocatesStaysBehind) {
    struct Case {
        char const* source;
        char const* spec;
    };
    for (Case const& each : std::vector<Case>{
             {R"({"kind":"Namespace","metadata":{"name":"n"},"spec":{"finalizers":["kubernetes"]}})", "null"},
             {R"({"kind":"Service","spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ipFamilies":["IPv4"],
                 "ipFamilyPolicy":"SingleStack","ports":[{"port":80,"nodePort":30000}]}})",
              R"({"ports":[{"port":80}]})"},
             {R"({"kind":"Service","spec":{"clusterIP":"None"}})", R"({"clusterIP":"None"})"}}) {
        EXPECT_EQ(json::write(rendered(each.source)["spec"]), each.spec) << each.source;
    }
    EXPECT_FALSE(rendered(R"({"kind":"ServiceAccount","secrets":[{"name":"token"}]})").contains("secrets"));
}

TEST(Render, ABindingSaysReplicasAndPauses) {
    RenderInput input;
    input.source = doc(R"({"kind":"Deployment","spec":{"replicas":10,"template":{}}})");
    EXPECT_EQ(render(input).at({"spec", "replicas"}).as_int(), 10);
    input.assignment.replicas = 3;
    EXPECT_EQ(render(input).at({"spec", "replicas"}).as_int(), 3);

    input.source = doc(R"({"kind":"Rollout","spec":{"strategy":{"canary":{}}}})");
    EXPECT_FALSE(render(input).at({"spec", "strategy"}).contains("paused"));
    input.assignment.paused = true;
    EXPECT_TRUE(render(input).at({"spec", "strategy", "paused"}).as_bool());
}

TEST(Render, AnotherTemplateTakesTheHubsPlaceAndNamesItself) {
    RenderInput input;
    input.source =
        doc(R"({"kind":"Deployment","spec":{"template":{"metadata":{"creationTimestamp":null},"spec":{"a":2}}}})");
    EXPECT_EQ(json::write(render(input).at({"spec", "template"})), R"({"metadata":{},"spec":{"a":2}})");
    input.pod_template = *json::parse_value(R"({"spec":{"a":1}})");
    Value const object = render(input);
    EXPECT_EQ(json::write(object.at({"spec", "template"})), R"({"spec":{"a":1}})");
    EXPECT_EQ(object.at({"metadata", "labels", kTemplateLabel}).as_string(), template_hash(*input.pod_template));
}

// ---- who owns what ----

std::string managed(std::string_view fields, std::string_view more = R"("operation":"Update")",
                    std::string_view manager = "other") {
    return std::string(R"({"manager":")") + std::string(manager) + R"(",)" + std::string(more) +
           R"(,"fieldsV1":{"f:spec":{)" + std::string(fields) + "}}}";
}

std::string live(std::string_view entries, std::string_view spec = R"("replicas":7)") {
    return R"({"metadata":{"managedFields":[)" + std::string(entries) + R"(]},"spec":{)" + std::string(spec) + "}}";
}

TEST(Render, InAReleaseFieldsThatItSteersByAreLeftOutOnceSomebodyElseOwnsThem) {
    RenderInput input;
    input.source = doc(R"({"kind":"Deployment","spec":{"paused":false,"strategy":{"type":"RollingUpdate"},
        "minReadySeconds":5,"progressDeadlineSeconds":600,"template":{}}})");
    auto const fields = [&](bool releasing, std::string const& entries) {
        input.releasing = releasing;
        input.live = doc(live(entries));
        std::string names;
        Value const object = render(input);
        for (auto const& [key, value] : object["spec"].object()) names += key + " ";
        return names;
    };
    std::string const all = "paused strategy minReadySeconds progressDeadlineSeconds template ";
    std::string const owned = managed(R"("f:paused":{},"f:strategy":{"f:type":{}})");
    EXPECT_EQ(fields(false, owned), all);
    EXPECT_EQ(fields(true, ""), all);
    EXPECT_EQ(fields(true, managed(R"("f:paused":{},"f:strategy":{})", R"("operation":"Apply")", "aviary-hub")), all);
    EXPECT_EQ(fields(true, owned), "minReadySeconds progressDeadlineSeconds template ");
    EXPECT_EQ(fields(true, managed(R"("f:minReadySeconds":{},"f:progressDeadlineSeconds":{})")),
              "paused strategy template ");
}

// What a member's release routes by is the member's from its first change on, until the release ends.
TEST(Render, WhatAReleaseRoutesByIsLeftOutOnceItIsTheMembersAlone) {
    struct Case {
        char const* annotations;
        char const* fields;   // of aviary-member
        bool left_out;
    };
    char const* const mark = R"({"rollouts.aviary.dev/original-rules":"x"})";
    for (Case const& each : std::vector<Case>{{mark, R"({"f:spec":{"f:rules":{}}})", true},
                                              {mark, R"({"f:metadata":{}})", false},
                                              {"{}", R"({"f:spec":{"f:rules":{}}})", false}}) {
        Value live{json::Object{{"kind", "HTTPRoute"}}};
        live.set({"metadata", "annotations"}, *json::parse_value(each.annotations));
        live.set(
            {"metadata", "managedFields"},
            json::Array{json::Object{
                {"manager", "aviary-member"}, {"operation", "Update"}, {"fieldsV1", *json::parse_value(each.fields)}}});
        Value const object =
            rendered(R"({"kind":"HTTPRoute","spec":{"hostnames":["a"],"rules":[{"name":"r"}]}})", json::write(live));
        EXPECT_EQ(object["spec"].contains("rules"), !each.left_out) << each.annotations << each.fields;
        EXPECT_TRUE(object["spec"].contains("hostnames"));
    }
}

// And what a script there has changed in a custom object, no more.
TEST(Render, WhatAScriptHasChangedIsLeftOutOnceItIsTheMembersAlone) {
    Value live = *json::parse_value(R"({"kind":"VirtualService","metadata":{"annotations":{
        "rollouts.aviary.dev/routed-changes":"{\"labels\":{\"track\":\"canary\"},\"spec\":{\"http\":[],\"tcp\":[]}}"},
        "managedFields":[{"manager":"aviary-member","operation":"Update",
        "fieldsV1":{"f:metadata":{"f:labels":{"f:track":{}}},"f:spec":{"f:http":{}}}}]}})");
    Value const object = rendered(
        R"({"kind":"VirtualService","metadata":{"labels":{"team":"a","track":"b"}},"spec":{"hosts":["a"],"http":[1],"tcp":[2]}})",
        json::write(live));
    EXPECT_FALSE(object["spec"].contains("http"));
    EXPECT_TRUE(object["spec"].contains("tcp"));   // nobody there has it yet
    EXPECT_TRUE(object["spec"].contains("hosts"));
    EXPECT_FALSE(object.at({"metadata", "labels"}).contains("track"));
    EXPECT_TRUE(object.at({"metadata", "labels"}).contains("team"));
}

// kube-apiserver gives a map that comes back to who wrote it, beside the fields in it. Left there it would outlive
// them, and a Deployment with `rollingUpdate: {}` cannot become one that recreates.
TEST(Render, NoClaimOfAReleaseIsLeftOnAMap) {
    std::string const hub =
        managed(R"("f:strategy":{"f:type":{},"f:rollingUpdate":{"f:maxSurge":{},"f:maxUnavailable":{}}})",
                R"("operation":"Apply")", "aviary-hub");
    auto const left = [&](std::string const& entries) {
        std::string text = live(hub + "," + entries);
        text.insert(1, R"("kind":"Deployment",)");
        auto const entries_left = without_claims_of_releases(doc(text), "aviary-hub");
        return entries_left ? json::write((*entries_left)[1]["fieldsV1"]) : "all";
    };
    EXPECT_EQ(left(managed(R"("f:replicas":{},"f:strategy":{"f:rollingUpdate":{}})")),
              R"({"f:spec":{"f:replicas":{}}})");
    EXPECT_EQ(left(managed(
                  R"("f:replicas":{},"f:strategy":{".":{},"f:type":{},"f:rollingUpdate":{".":{},"f:maxSurge":{}}})")),
              R"({"f:spec":{"f:replicas":{}}})");
    EXPECT_EQ(left(managed(R"("f:replicas":{},"f:minReadySeconds":{})")), "all");
}

// An apply that leaves out a field that nobody else owns removes it, and the server sets replicas to 1.
TEST(Render, ReplicasOfAnAutoscalerAreLeftOutOnceItOwnsThem) {
    RenderInput input;
    input.source = doc(R"({"kind":"Deployment","spec":{"replicas":10,"template":{}}})");
    input.assignment.replicas = 4;
    auto const replicas = [&](std::string const& entries) {
        input.live = entries.empty() ? Doc() : doc(live(entries));
        return json::write(render(input)["spec"]["replicas"]);
    };
    std::string const hub = managed(R"("f:replicas":{})", R"("operation":"Apply")", "aviary-hub");
    std::string const scaled = managed(R"("f:replicas":{})", R"("operation":"Update","subresource":"scale")");
    EXPECT_EQ(replicas(hub), "4");
    input.replicas_belong_to_member = true;
    EXPECT_EQ(replicas(""), "4") << "a creation has to say something";
    EXPECT_EQ(replicas(hub), "7") << "what it has there";
    EXPECT_EQ(replicas(scaled), "null");
    EXPECT_EQ(replicas(hub + "," + managed(R"("f:replicas":{})")), "null");
    EXPECT_EQ(replicas(managed(R"("f:replicas":{})", R"("operation":"Update","subresource":"status")")), "7");
}

// A blue-green release in the member has put something behind the name; at its end the hub's word counts again.
TEST(Render, AnAutoscalerThatIsSwitchedOffStaysSo) {
    RenderInput input;
    input.source = doc(R"({"kind":"HorizontalPodAutoscaler","spec":{"scaleTargetRef":{"name":"web"}}})");
    auto const name = [&](std::string const& there, std::string const& entries) {
        json::Value object = doc(live(entries)).thaw();
        object.set({"spec", "scaleTargetRef", "name"}, there);
        input.live = Doc::freeze(object);
        return json::write(render(input).at({"spec", "scaleTargetRef", "name"}));
    };
    std::string const fields = R"("f:scaleTargetRef":{"f:name":{}})";
    std::string const hub = managed(fields, R"("operation":"Apply")", "aviary-hub");
    std::string const member = managed(fields, R"("operation":"Update")", "aviary-member");
    EXPECT_EQ(name("web-DisableByRollout", hub + "," + member), "null");
    EXPECT_EQ(name("web-DisableByRollout", hub), R"("web-DisableByRollout")");
    EXPECT_EQ(name("web", member), R"("web")");
    EXPECT_EQ(name("other-DisableByRollout", member), R"("web")");
}

// An update claims maps and elements themselves too, which an apply never does.
TEST(Render, ClaimsOfOthersEndWithTheMapsAroundThem) {
    std::string const hub = managed(R"("f:replicas":{},"f:ports":{"k:{\"port\":80}":{"f:port":{}}})",
                                    R"("operation":"Apply")", "aviary-hub");
    std::string const others =
        managed(R"("f:replicas":{},"f:ports":{".":{},"k:{\"port\":80}":{".":{},"f:port":{},"f:nodePort":{}}})",
                R"("operation":"Update")", "kubectl");
    std::string const rest = managed(R"("f:replicas":{})", R"("operation":"Update")", "kubectl");
    auto const ends = [](std::string_view name) { return name == "kubectl"; };
    auto const left = without_claims_of(doc(live(hub + "," + others)), "aviary-hub", ends);
    ASSERT_TRUE(left);
    EXPECT_EQ(json::write((*left)[1]["fieldsV1"]), R"({"f:spec":{"f:ports":{"k:{\"port\":80}":{"f:nodePort":{}}}}})");
    EXPECT_EQ(without_claims_of(doc(live(hub + "," + rest)), "aviary-hub", ends)->size(), 1u) << "nothing is left";
    EXPECT_FALSE(without_claims_of(doc(live(hub)), "aviary-hub", ends));
    EXPECT_FALSE(without_claims_of(doc(live(hub + "," + rest)), "aviary-hub", [](std::string_view) { return false; }));
}

TEST(Render, OwnersNamesEveryManagerOfAField) {
    Doc const object = doc(live(managed(R"("f:paused":{})", R"("operation":"Apply")", "a") + "," +
                                managed(R"("f:paused":{},"f:replicas":{})", R"("operation":"Update")", "b")));
    EXPECT_EQ(owners(object, {"spec", "paused"}), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(owners(object, {"spec", "replicas"}), (std::vector<std::string>{"b"}));
    EXPECT_TRUE(owned_by_other(object, "a", {"spec", "paused"}));
    EXPECT_TRUE(owned_by_other(object, "b", {"spec", "replicas"})) << "an admission wrote it in a request of b";
    EXPECT_FALSE(owned_by_other(doc(live(managed(R"("f:replicas":{})", R"("operation":"Apply")", "b"))), "b",
                                {"spec", "replicas"}));
    EXPECT_TRUE(owners(object, {"spec", "strategy"}).empty());
}

TEST(Render, FirstLostNamesTheFieldAndWhoHasIt) {
    constexpr char kFields[] =
        R"({"manager":"aviary-hub","operation":"Apply","fieldsV1":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{
        "f:replicas":{},"f:strategy":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:name":{}}},
        "f:tolerations":{}}},"f:finalizers":{"v:\"a\"":{}}}}},
        {"manager":"kubectl-edit","operation":"Update","fieldsV1":{"f:metadata":{"f:labels":{"f:tier":{}}},"f:spec":{"f:minReadySeconds":{},
        "f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{"f:args":{}}}}}}}},
        {"manager":"scaler","operation":"Update","subresource":"scale","fieldsV1":{"f:spec":{"f:minReadySeconds":{}}}})";
    Doc const object = doc(R"({"metadata":{"managedFields":[)" + std::string(kFields) + "]}}");
    struct Case {
        char const* rendered;
        char const* lost;
    };
    for (
        Case const& each : std::vector<Case>{
            {R"({"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1}})", "-"},
            {R"({"metadata":{"name":"x","labels":{"app":"web"},"annotations":{}},"spec":{}})", "-"},
            {R"({"metadata":{"labels":{"app":"web","tier":"a"}}})", "metadata.labels.tier kubectl-edit"},
            {R"({"metadata":{"annotations":{"a":"b"}}})", "metadata.annotations"},
            {R"({"spec":{"strategy":{"type":"Recreate"}}})", "-"},   // owned as a whole
            {R"({"spec":{"minReadySeconds":3}})", "spec.minReadySeconds kubectl-edit scaler"},
            {R"({"spec":{"minReadySeconds":null}})", "-"},
            {R"({"spec":{"finalizers":["a"]}})", "-"},
            {R"({"spec":{"finalizers":["b"]}})", "spec.finalizers"},
            {R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v1"}],"tolerations":[{"key":"x"}]}}}})",
             "-"},
            {R"({"spec":{"template":{"spec":{"containers":[{"name":"main","args":["a"]}]}}}})",
             R"(spec.template.spec.containers[{"name":"main"}].args kubectl-edit)"},
            {R"({"spec":{"template":{"spec":{"containers":[{"name":"side","image":"v1"}]}}}})",
             "spec.template.spec.containers kubectl-edit"},
            {R"({"data":{"a":"b"}})", "data"},
        }) {
        auto const lost = first_lost(object, kManager, *json::parse_value(each.rendered));
        std::string shown = lost ? lost->field : "-";
        for (std::string const& owner : lost ? lost->owners : std::vector<std::string>()) shown += " " + owner;
        EXPECT_EQ(shown, each.lost) << each.rendered;
    }
    EXPECT_TRUE(first_lost(doc("{}"), kManager, *json::parse_value(R"({"spec":{"replicas":1}})")));
    EXPECT_TRUE(first_lost(doc("{}"), kManager, *json::parse_value("{}"))) << "never applied";
}

// ---- hashes ----

TEST(Seal, TheOrderOfKeysDoesNotMatterTheOrderOfElementsDoes) {
    auto const hash = [](std::string_view text) {
        Value object = *json::parse_value(text);
        return seal(object, {1, 1});
    };
    EXPECT_EQ(hash(R"({"a":{"x":1,"y":[1,2]},"b":2})"), hash(R"({"b":2,"a":{"y":[1,2],"x":1}})"));
    EXPECT_NE(hash(R"({"a":[1,2]})"), hash(R"({"a":[2,1]})"));
    EXPECT_NE(hash(R"({"a":1})"), hash(R"({"a":2})"));
    EXPECT_EQ(template_hash(*json::parse_value(R"({"x":1,"y":2})")),
              template_hash(*json::parse_value(R"({"y":2,"x":1})")));
}

TEST(Seal, SaysTheHashAndHowFarTheHubWas) {
    Value object = *json::parse_value(R"({"spec":{"a":1}})");
    Value later = object;
    std::string const hash = seal(object, {1, 12});
    EXPECT_EQ(object.at({"metadata", "labels", kRenderLabel}).as_string(), hash);
    EXPECT_EQ(object.at({"metadata", "labels", kGenerationLabel}).as_string(), "1.12");
    EXPECT_EQ(seal(later, {1, 13}), hash) << "a hub object that was only touched is the same render";
}

TEST(PodTemplate, IsWithoutWhatServersAdd) {
    EXPECT_EQ(
        json::write(pod_template(doc(R"({"spec":{"template":{"metadata":{"creationTimestamp":null,"labels":{}}}}})"))),
        R"({"metadata":{"labels":{}}})");
}

TEST(Says, DefaultsDoNotCountEverythingElseDoes) {
    auto const says_it = [](std::string_view live, std::string_view wanted) {
        return says(*json::parse_value(live), *json::parse_value(wanted));
    };
    EXPECT_TRUE(says_it(R"({"a":1,"b":{"c":[{"d":1,"e":2}]}})", R"({"b":{"c":[{"d":1}]},"z":null})"));
    EXPECT_FALSE(says_it(R"({"a":[1,2]})", R"({"a":[1]})"));
    EXPECT_FALSE(says_it(R"({"a":1})", R"({"a":1,"b":2})"));
    EXPECT_FALSE(says_it(R"({"a":"v1"})", R"({"a":"v2"})"));
}

}   // namespace
}   // namespace aviary::propagation
