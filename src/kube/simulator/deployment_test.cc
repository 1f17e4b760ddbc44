// Sizes of ReplicaSets, as kube-controller-manager works them out: rolloutRolling and scale of its deployment
// controller, also where a status is behind.
#include "kube/simulator/internal/deployment.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "kube/meta/pods.h"

namespace aviary::simulator {
namespace {

using json::Doc;
using json::Value;

Value template_of(std::string const& image) {
    Value result = *json::parse_value(R"({"metadata":{"labels":{"app":"web"}}})");
    result.set({"spec", "containers"}, json::Array{json::Object{{"name", "main"}, {"image", image}}});
    return result;
}

// Rolled by maxSurge, without a pod less; its last version is v2.
Doc deployment(std::int64_t replicas, std::int64_t surge, bool paused = false) {
    Value object = *json::parse_value(
        R"({"metadata":{"name":"web","namespace":"demo","uid":"d"},"spec":{"strategy":{"type":"RollingUpdate"}}})");
    object.set({"spec", "replicas"}, replicas);
    object.set({"spec", "strategy", "rollingUpdate"}, json::Object{{"maxSurge", surge}, {"maxUnavailable", 0}});
    object["spec"]["template"] = template_of("v2");
    if (paused) object.set({"spec", "paused"}, true);
    return Doc::freeze(object);
}

// `whole`: spec.replicas and maxSurge when it was scaled last; `available`: as its status says.
struct Set {
    std::string image;
    std::int64_t replicas, available, desired, whole;
};
std::string sizes(Doc const& deployment, std::vector<Set> const& sets) {
    std::vector<Doc> docs;
    for (Set const& each : sets) {
        Value object = *json::parse_value(R"({"metadata":{"namespace":"demo"},"spec":{}})");
        object.set({"metadata", "name"}, each.image);
        object.set({"metadata", "creationTimestamp"}, fmt::format("2026-01-01T00:00:{:02}Z", docs.size()));
        object.set({"metadata", "annotations", meta::kDesiredReplicasAnnotation}, std::to_string(each.desired));
        object.set({"metadata", "annotations", meta::kMaxReplicasAnnotation}, std::to_string(each.whole));
        object.set({"spec", "replicas"}, each.replicas);
        object["spec"]["template"] = template_of(each.image);
        object["status"] = json::Object{{"replicas", each.available}, {"availableReplicas", each.available}};
        docs.push_back(Doc::freeze(object));
    }
    std::string text;
    for (control::Write const& write : decide_deployment(deployment, docs, {}, Time{}).writes) {
        Value const size = write.body.at({"spec", "replicas"});
        if (!size.is_null()) text += fmt::format("{}={} ", write.key.name, size.as_int());
    }
    return text;
}

TEST(DeploymentSizes, NothingGoesWhileAnOldSetCountsPodsThatItWasToldToTakeAway) {
    EXPECT_EQ(sizes(deployment(4, 1), {{"v1", 5, 10, 4, 5}, {"v2", 0, 0, 4, 5}}), "");
    EXPECT_EQ(sizes(deployment(4, 1), {{"v1", 5, 5, 4, 5}, {"v2", 0, 0, 4, 5}}), "v1=4 ");
    // But for what an older one has of pods that serve nobody.
    EXPECT_EQ(sizes(deployment(4, 2), {{"v0", 2, 1, 4, 6}, {"v1", 4, 9, 4, 6}, {"v2", 0, 0, 4, 6}}), "v0=1 ");
}

TEST(DeploymentSizes, WhatASetWithoutReplicasStillCountsServesNobody) {
    EXPECT_EQ(sizes(deployment(4, 1), {{"v0", 0, 3, 4, 5}, {"v1", 5, 4, 4, 5}, {"v2", 0, 0, 4, 5}}), "v1=4 ");
}

TEST(DeploymentSizes, ScaledEachSetKeepsThePartThatItHasNotedAndTheLargestTakesTheRest) {
    EXPECT_EQ(sizes(deployment(10, 1), {{"v1", 13, 13, 13, 17}, {"v2", 2, 0, 13, 15}}), "v1=9 ");
    EXPECT_EQ(sizes(deployment(10, 3, true), {{"v1", 8, 8, 10, 13}, {"v2", 4, 0, 10, 20}}), "v1=10 v2=3 ");
    EXPECT_EQ(sizes(deployment(0, 3, true), {{"v1", 8, 8, 10, 13}, {"v2", 4, 0, 10, 13}}), "v1=0 v2=0 ");
}

}   // namespace
}   // namespace aviary::simulator
