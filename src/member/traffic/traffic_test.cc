#include "member/traffic/traffic.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/traffic/gateway.h"
#include "member/traffic/services.h"

namespace aviary::traffic {
namespace {

using control::Write;
using json::Doc;
using json::Value;

Time const kNow{std::chrono::seconds(1'790'000'000)};

Doc doc(std::string_view text) { return *json::parse(text); }

struct Demo {
    Demo() {
        setup.routing.service = "web";
        setup.owner = {"demo", "rollout"};
        setup.reference = json::Object{{"kind", "Rollout"}, {"name", "rollout"}, {"uid", "r1"}, {"controller", true}};
        setup.revision_key = "pod-template-hash";
        setup.stable_revision = "old";
        setup.canary_revision = "new";
        seen.stable = doc(R"({"metadata":{"name":"web","namespace":"demo"},"spec":{"selector":{"app":"web"}}})");
        Target http{.kind = "HTTPRoute", .resource = kHttpRoutes, .key = {"demo", "web"}, .unreadable = {}, .live = {}};
        http.live = doc(R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"web",
            "namespace":"demo"},"spec":{"rules":[{"backendRefs":[{"name":"web"}]}]}})");
        seen.targets = {http};
    }
    Traffic traffic(Time now = kNow) const { return {setup, seen, now}; }
    // Carries the writes out.
    bool apply(Outcome const& outcome) {
        EXPECT_EQ(outcome.trouble, "");
        for (Write const& write : outcome.writes) {
            Doc& object = write.key.name == "web-canary" ? seen.canary
                          : write.resource == kServices  ? seen.stable
                                                         : seen.targets.front().live;
            object = write.verb == Write::Verb::kDelete ? Doc() : Doc::freeze(write.body);
        }
        return !outcome.writes.empty();
    }
    Value with_stable_pod() {
        setup.stable_pod =
            doc(R"({"metadata":{"name":"web-0","namespace":"demo","labels":{"pod-template-hash":"old"}}})");
        return setup.stable_pod.thaw();
    }
    Setup setup;
    Seen seen;
};

TEST(Traffic, NothingIsHeldToAVersionThatHasGoneByNow) {
    Demo demo;
    Value pod = demo.with_stable_pod();
    std::vector<Write> const writes = demo.traffic().hold_stable().writes;
    ASSERT_EQ(writes.size(), 2);
    EXPECT_EQ(writes[0].key.to_string(), "demo/web-0");
    EXPECT_FALSE(writes[0].alongside);
    Value const as_seen = pod;
    EXPECT_TRUE(json::apply_json_patch(pod, writes[0].body));
    EXPECT_EQ(pod, as_seen);
    Value going = pod;
    going.set({"metadata", "deletionTimestamp"}, "2026-11-23T14:00:00Z");
    EXPECT_FALSE(json::apply_json_patch(going, writes[0].body));
    pod.set({"metadata", "labels", "pod-template-hash"}, "new");
    EXPECT_FALSE(json::apply_json_patch(pod, writes[0].body));
    EXPECT_EQ(writes[1].resource, kServices);
    // Held once, it is not asked again.
    demo.seen.stable = Doc::freeze(writes[1].body);
    EXPECT_TRUE(demo.traffic().hold_stable().in_force());
}

TEST(Traffic, EachEndIsInForceOnceItIsWritten) {
    Demo demo;
    Demo const before;
    EXPECT_FALSE(demo.traffic().routed());
    EXPECT_TRUE(demo.apply(demo.traffic().hold_stable()));
    EXPECT_TRUE(demo.traffic().hold_stable().in_force());
    EXPECT_FALSE(demo.traffic().routed());
    EXPECT_TRUE(demo.apply(demo.traffic().services()));
    EXPECT_TRUE(demo.traffic().services().in_force());
    EXPECT_TRUE(demo.traffic().routed());
    EXPECT_TRUE(demo.apply(demo.traffic().route(20, {}, {})));
    EXPECT_TRUE(demo.traffic().route(20, {}, {}).in_force());
    EXPECT_FALSE(demo.traffic().route(30, {}, {}).in_force());
    EXPECT_TRUE(demo.apply(demo.traffic().restore_routes()));
    EXPECT_TRUE(demo.apply(demo.traffic().release_stable()));
    EXPECT_TRUE(demo.apply(demo.traffic().remove_canary()));
    for (Outcome const& each :
         {demo.traffic().restore_routes(), demo.traffic().release_stable(), demo.traffic().remove_canary()})
        EXPECT_TRUE(each.in_force());
    EXPECT_EQ(demo.seen.stable.at({"spec"}), before.seen.stable.at({"spec"}));
    EXPECT_EQ(demo.seen.targets[0].live, before.seen.targets[0].live);
    EXPECT_FALSE(demo.seen.canary.exists());
}

TEST(Traffic, AWriteIsOfTheVersionThatWasRead) {
    Demo demo;
    Value read = demo.seen.stable.thaw();
    read.set({"metadata", "resourceVersion"}, "7");
    demo.seen.stable = Doc::freeze(read);
    Outcome const outcome = demo.traffic().services();
    ASSERT_EQ(outcome.writes.size(), 2U);
    EXPECT_EQ(outcome.writes[0].verb, Write::Verb::kUpdate);
    EXPECT_EQ(outcome.writes[0].body.at({"metadata", "resourceVersion"}).as_string(), "7");
    EXPECT_EQ(outcome.writes[0].body["kind"].as_string(), "Service");
    EXPECT_EQ(outcome.writes[1].verb, Write::Verb::kCreate);
    EXPECT_TRUE(outcome.writes[1].body.at({"metadata", "resourceVersion"}).is_null());
}

TEST(Traffic, SaysWhatKeepsItFromBeingInForce) {
    struct Case {
        std::function<void(Demo&)> change;
        std::string services, route;
    };
    for (Case const& each : std::vector<Case>{
             {[](Demo& demo) { demo.seen.stable = {}; }, "Service demo/web does not exist: create it", ""},
             {[](Demo& demo) { demo.seen.unreadable = "no"; }, "Services cannot be read: no", ""},
             {[](Demo& demo) { demo.setup.stable_revision.clear(); },
              "the pods of the stable version are not known yet", ""},
             {[](Demo& demo) { demo.setup.canary_revision.clear(); }, "the pods of the new version are not known yet",
              ""},
             {[](Demo& demo) { demo.seen.targets[0].live = {}; }, "", "HTTPRoute demo/web does not exist: create it"},
             {[](Demo& demo) { demo.seen.targets[0].unreadable = "forbidden"; }, "",
              "HTTPRoute demo/web cannot be read: forbidden"},
             {[](Demo& demo) { demo.seen.targets[0].served = false; }, "",
              "HTTPRoute demo/web cannot be routed: this cluster does not know "
              "httproutes.gateway.networking.k8s.io"}}) {
        Demo demo;
        each.change(demo);
        EXPECT_EQ(demo.traffic().services().trouble, each.services);
        EXPECT_EQ(demo.traffic().route(20, {}, {}).trouble, each.route);
        if (!each.services.empty()) EXPECT_TRUE(demo.traffic().services().writes.empty());
    }
}

// A release must end where what it routed by is gone; not where it could not be read.
TEST(Traffic, WhatIsGoneNeedsNotBePutBack) {
    Demo demo;
    demo.seen.stable = {};
    demo.seen.targets[0].served = false;
    EXPECT_TRUE(demo.traffic().release_stable().in_force());
    EXPECT_TRUE(demo.traffic().restore_routes().in_force());
    demo.seen.targets[0].served = true;
    demo.seen.targets[0].live = {};
    EXPECT_TRUE(demo.traffic().restore_routes().in_force());
    demo.seen.targets[0].unreadable = demo.seen.unreadable = "not read yet";
    EXPECT_FALSE(demo.traffic().restore_routes().in_force());
    EXPECT_FALSE(demo.traffic().release_stable().in_force());
    EXPECT_FALSE(demo.traffic().remove_canary().in_force());
}

TEST(Traffic, OfSeveralTargetsNoneIsWrittenWhileOneCannotBe) {
    Demo demo;
    Target grpc{.kind = "GRPCRoute", .resource = kGrpcRoutes, .key = {"demo", "calls"}, .unreadable = {}, .live = {}};
    demo.seen.targets.push_back(grpc);
    EXPECT_TRUE(demo.traffic().route(20, {}, {}).writes.empty());
    demo.seen.targets[1].live = doc(R"({"kind":"GRPCRoute","metadata":{"name":"calls","namespace":"demo"},
        "spec":{"rules":[{"backendRefs":[{"name":"web"}]}]}})");
    EXPECT_EQ(demo.traffic().route(20, {}, {}).writes.size(), 2U);
}

TEST(Traffic, SomebodyElsesCanaryServiceIsNeitherTakenNorRemoved) {
    Demo demo;
    demo.seen.canary = doc(R"({"metadata":{"name":"web-canary","namespace":"demo","uid":"x"},"spec":{}})");
    EXPECT_EQ(demo.traffic().services().trouble,
              "Service web-canary exists and is not of this Rollout: rename it, or remove it");
    EXPECT_TRUE(demo.traffic().remove_canary().in_force());
}

TEST(Traffic, WithoutACanaryServiceNoServiceIsTouched) {
    Demo demo;
    demo.setup.generates = false;
    demo.seen.stable = {};
    for (Outcome const& each : {demo.traffic().hold_stable(), demo.traffic().services(),
                                demo.traffic().release_stable(), demo.traffic().remove_canary()})
        EXPECT_TRUE(each.in_force());
    EXPECT_EQ(demo.traffic().route(20, {}, {}).trouble,
              "HTTPRoute demo/web cannot tell versions apart that are both behind web: give a requestHeaderModifier");
}

TEST(Traffic, WithoutACanaryServiceTheCanaryIngressLeadsToTheStableOne) {
    Demo demo;
    demo.setup.generates = false;
    demo.setup.routing.ingress.emplace().name = "web";
    demo.seen.targets = targets_of(demo.setup.routing, "demo");
    demo.seen.targets[0].live = doc(R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web",
        "namespace":"demo"},"spec":{"rules":[{"http":{"paths":[{"path":"/","pathType":"Prefix",
        "backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}})");
    Outcome const outcome = demo.traffic().route(20, {}, {});
    EXPECT_EQ(outcome.trouble, "");
    ASSERT_EQ(outcome.writes.size(), 1U);
    Value const& made = outcome.writes[0].body;
    EXPECT_EQ(outcome.writes[0].key.name, "web-canary");
    EXPECT_EQ(made.at({"metadata", "annotations"})["nginx.ingress.kubernetes.io/canary-weight"].as_string(), "20");
    EXPECT_EQ(made.at({"spec", "rules"})[0].at({"http", "paths"})[0].at({"backend", "service", "name"}).as_string(),
              "web");
}

TEST(Traffic, AHeldServiceIsKnownEverywhereAfterTheGracePeriod) {
    using namespace std::chrono_literals;
    Demo demo;
    EXPECT_FALSE(demo.traffic().holds_from());
    demo.apply(demo.traffic().hold_stable());
    EXPECT_EQ(demo.traffic(kNow + 1s).holds_from(), kNow + 3s);
    EXPECT_FALSE(demo.traffic(kNow + 3s).holds_from());
    demo.setup.routing.grace_period_seconds = 0;
    EXPECT_FALSE(demo.traffic(kNow).holds_from());
    demo.setup.routing.grace_period_seconds = 10;
    EXPECT_EQ(demo.traffic(kNow + 3s).holds_from(), kNow + 10s);
}

}   // namespace
}   // namespace aviary::traffic
