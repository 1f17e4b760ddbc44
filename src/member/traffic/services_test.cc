#include "member/traffic/services.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::traffic {
namespace {

using json::Doc;
using json::Value;

constexpr char const* kKey = "pod-template-hash";
Time const kNow{std::chrono::seconds(1'790'000'000)};

Doc service(std::string_view spec = R"({"selector":{"app":"web"},"ports":[{"port":80,"targetPort":8080}]})") {
    Value object = *json::parse_value(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web",
        "namespace":"demo","uid":"s1","resourceVersion":"7","labels":{"team":"a"}}})");
    object["spec"] = *json::parse_value(spec);
    return Doc::freeze(object);
}

CanaryService wanted(std::map<std::string, std::string> pod_labels = {}) {
    return {json::Object{{"apiVersion", "rollouts.kruise.io/v1beta1"},
                         {"kind", "Rollout"},
                         {"name", "web"},
                         {"uid", "r1"},
                         {"controller", true},
                         {"blockOwnerDeletion", true}},
            {kKey, "new"},
            std::move(pod_labels)};
}

Doc edited(Doc const& object, std::string_view merge_patch) {
    Value next = object.thaw();
    json::apply_merge_patch(next, *json::parse_value(merge_patch));
    return Doc::freeze(next);
}

TEST(StableService, LeadsToOneVersionAndComesBackByteForByte) {
    for (char const* spec : {R"({"selector":{"app":"web"},"ports":[{"port":80}]})",
                             R"({"selector":{"app":"web","pod-template-hash":"mine"},"ports":[]})"}) {
        Doc const before = service(spec);
        auto const held = pinned(before, {kKey, "old"}, kNow);
        ASSERT_TRUE(held);
        EXPECT_EQ(held->at({"spec", "selector", kKey}).as_string(), "old");
        EXPECT_EQ(pinned_since(*held), kNow);
        auto const again = pinned(*held, {kKey, "old"}, kNow + std::chrono::seconds(9));
        ASSERT_TRUE(again);
        EXPECT_TRUE(again->same(*held));
        auto const moved = pinned(*held, {kKey, "other"}, kNow);   // the next release's
        ASSERT_TRUE(moved);
        EXPECT_EQ(json::write(released(*moved, {kKey, "other"})), json::write(before));
        EXPECT_TRUE(released(before, {kKey, "old"}).same(before));
    }
}

TEST(StableService, WhatSomebodyElseChangesMeanwhileStays) {
    Doc const held = *pinned(service(), {kKey, "old"}, kNow);
    Doc const live = edited(
        held, R"({"metadata":{"annotations":{"a":"b"}},"spec":{"selector":{"tier":"x"},"ports":[{"port":81}]}})");
    Doc const back = released(live, {kKey, "old"});
    EXPECT_EQ(json::write(back["spec"]), R"({"selector":{"app":"web","tier":"x"},"ports":[{"port":81}]})");
    EXPECT_EQ(json::write(back.at({"metadata", "annotations"})), R"({"a":"b"})");
}

// The key is in the Service: a workload that is gone has none to say.
TEST(StableService, IsReleasedWithoutItsWorkload) {
    Doc const held = *pinned(service(), {"some.io/revision", "old"}, kNow);
    EXPECT_EQ(json::write(released(held, {kKey, ""})), json::write(service()));
}

TEST(StableService, OneThatKruiseRolloutsHasPinnedIsReleased) {
    Doc const live = service(R"({"selector":{"app":"web","pod-template-hash":"old"}})");
    EXPECT_EQ(json::write(released(live, {kKey, "old"})["spec"]), R"({"selector":{"app":"web"}})");
    EXPECT_TRUE(released(live, {kKey, "mine"}).same(live));   // somebody's own
    EXPECT_FALSE(pinned_since(live).has_value());
    EXPECT_TRUE(pinned(live, {kKey, "old"}, kNow)->same(live));
}

TEST(Services, WithoutASelectorThereIsNothingToNarrow) {
    for (Doc const& each : {service(R"({"type":"ExternalName","externalName":"example.org"})"), service("{}")}) {
        auto const held = pinned(each, {kKey, "old"}, kNow);
        ASSERT_FALSE(held);
        EXPECT_EQ(held.error().message(),
                  "Service demo/web has no selector: give it one that selects the pods of the workload");
        EXPECT_FALSE(canary_of(each, {}, wanted()));
    }
}

TEST(CanaryService, IsMadeFromTheStableOne) {
    Doc const stable = *pinned(
        edited(service(
                   R"({"type":"LoadBalancer","clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"externalIPs":["1.2.3.4"],
            "ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4"],"loadBalancerIP":"5.6.7.8","healthCheckNodePort":3,
            "externalTrafficPolicy":"Local","allocateLoadBalancerNodePorts":true,"loadBalancerClass":"x",
            "loadBalancerSourceRanges":["1.0.0.0/8"],"sessionAffinity":"ClientIP","internalTrafficPolicy":"Cluster",
            "selector":{"app":"web"},"ports":[{"name":"http","port":80,"targetPort":8080,"nodePort":30080}]})"),
               R"({"metadata":{"annotations":{"note":"x","kubectl.kubernetes.io/last-applied-configuration":"{}"}},
                   "status":{"loadBalancer":{"ingress":[{"ip":"5.6.7.8"}]}}})"),
        {kKey, "old"}, kNow);
    auto const made = canary_of(stable, {}, wanted());
    ASSERT_TRUE(made);
    EXPECT_EQ(meta::key_of(*made).to_string(), "demo/web-canary");
    EXPECT_EQ(json::write(made->at({"metadata", "labels"})), R"({"team":"a"})");
    EXPECT_EQ(json::write(made->at({"metadata", "annotations"})), R"({"note":"x"})");
    EXPECT_EQ(meta::controller_of(*made)->uid, "r1");
    EXPECT_EQ(json::write((*made)["spec"]),
              R"({"sessionAffinity":"ClientIP","internalTrafficPolicy":"Cluster",)"
              R"("selector":{"app":"web","pod-template-hash":"new"},)"
              R"("ports":[{"name":"http","port":80,"targetPort":8080}],"type":"ClusterIP"})");
    EXPECT_FALSE(made->contains("status"));
}

TEST(CanaryService, AHeadlessOneStaysHeadless) {
    auto const made = canary_of(service(R"({"clusterIP":"None","selector":{"app":"web"}})"), {}, wanted());
    EXPECT_EQ(made->at({"spec", "clusterIP"}).as_string(), "None");
}

TEST(CanaryService, SelectsByTheLabelsThatTheNewPodsHave) {
    auto const made = canary_of(service(R"({"selector":{"app":"web","track":"stable"}})"), {},
                                wanted({{"track", "canary"}, {"beside", "x"}}));
    EXPECT_EQ(json::write(made->at({"spec", "selector"})),
              R"({"app":"web","track":"canary","beside":"x","pod-template-hash":"new"})");
}

// The pods that are there are not made anew for labels that come later.
TEST(CanaryService, KeepsTheLabelsThatItWasMadeWith) {
    Doc const stable = service(R"({"selector":{"app":"web","track":"stable"}})");
    Doc const live = *canary_of(stable, {}, wanted({{"track", "canary"}, {"beside", "x"}}));
    EXPECT_EQ(*canary_of(stable, live, wanted({{"track", "other"}, {"beside", "y"}, {"late", "z"}})), live);
}

TEST(CanaryService, FollowsTheStableOneAndTheRevision) {
    Doc const live =
        edited(*canary_of(service(), {}, wanted()), R"({"metadata":{"uid":"c1"},"spec":{"clusterIP":"10.0.0.2"}})");
    EXPECT_EQ(*canary_of(service(), live, wanted()), live);
    CanaryService next = wanted();
    next.revision.value = "newer";
    Doc const stable = edited(service(), R"({"spec":{"ports":[{"port":81}]}})");
    Doc const followed = *canary_of(stable, live, next);
    EXPECT_EQ(
        json::write(followed["spec"]),
        R"({"selector":{"app":"web","pod-template-hash":"newer"},"ports":[{"port":81}],"type":"ClusterIP","clusterIP":"10.0.0.2"})");
}

// A hub that is recovered from its members would take it for one of its own.
TEST(CanaryService, IsNotTheHubs) {
    Doc const stable = edited(
        service(),
        R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"h1"},"annotations":{"fleet.aviary.dev/hold":"x;y;z"}}})");
    Doc const made = *canary_of(stable, {}, wanted());
    EXPECT_EQ(json::write(made.at({"metadata", "labels"})), R"({"team":"a"})");
    EXPECT_FALSE(made.at({"metadata", "annotations"}).exists());
}

// Another controller gives each Service its own value: neither writes over the other.
TEST(CanaryService, AnnotationsOfItsOwnStay) {
    auto const with = [](Doc const& object, std::string const& value) {
        return edited(object, R"({"metadata":{"annotations":{"cloud.google.com/neg-status":")" + value + R"("}}})");
    };
    Doc const stable = with(service(), "of web");
    Doc const live = with(*canary_of(stable, {}, wanted()), "of web-canary");
    EXPECT_EQ(*canary_of(stable, live, wanted()), live);
}

TEST(CanaryService, SomebodyElsesIsLeftAlone) {
    Doc const live = edited(service(), R"({"metadata":{"name":"web-canary"}})");
    auto const made = canary_of(service(), live, wanted());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message(), "Service web-canary exists and is not of this Rollout: rename it, or remove it");
    EXPECT_FALSE(made_by(live, wanted().owner));
}

}   // namespace
}   // namespace aviary::traffic
