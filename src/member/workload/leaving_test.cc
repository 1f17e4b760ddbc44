#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apis/rollouts/keys.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/test_deployments.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;

// Held at half of v2, of ten, with maxSurge 3.
Value half_released() {
    Value object = deployment("v2");
    object.set(
        {"metadata", "annotations"},
        json::Object{
            {apis::kInProgressingAnnotation, R"({"rolloutName":"rollout"})"},
            {apis::kControlInfoAnnotation, R"({"uid":"b1"})"},
            {apis::kDeploymentStrategyAnnotation,
             R"({"rollingStyle":"Partition","rollingUpdate":{"maxSurge":3,"maxUnavailable":2},"partition":"50%"})"}});
    object.set({"metadata", "labels"}, json::Object{{apis::kStableRevisionLabel, "hv1"}, {"app", "web"}});
    object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    object.set({"spec", "paused"}, true);
    return object;
}

struct Left {
    Value deployment;
    std::string sets;   // "web-v1=8"
};
Left leave(Value object, Leaving how, std::vector<Value> const& sets) {
    DeploymentInputs inputs{
        .deployment = doc(object), .replica_sets = {}, .pods = {}, .canaries = {}, .autoscalers = {}};
    for (Value const& each : sets) inputs.replica_sets.push_back(doc(each));
    auto const writes = observe_deployment(std::move(inputs), {}, Time{})->leave(how);
    if (!writes) return {{}, writes.error().message()};
    Left left{object, {}};
    for (control::Write const& each : *writes) {
        if (each.resource == kReplicaSets) {
            EXPECT_EQ(left.deployment, object) << "the Deployment is still held";
            for (Value const& step : each.body.array()) {
                if (step["op"].as_string() != "test")
                    left.sets += fmt::format("{}={}", each.key.name, step["value"].as_int());
            }
            continue;
        }
        Status const patched = json::apply_json_patch(left.deployment, each.body);
        EXPECT_TRUE(patched) << patched.error().message();
    }
    return left;
}

// Nothing else changes: the release's own controller does the rest.
TEST(TakingBack, PutsTheStableTemplateInAndTellsTheHub) {
    Value const object = half_released();
    auto const observed = [&object](std::vector<Value> const& sets) {
        DeploymentInputs inputs{
            .deployment = doc(object), .replica_sets = {}, .pods = {}, .canaries = {}, .autoscalers = {}};
        for (Value const& each : sets) inputs.replica_sets.push_back(doc(each));
        return observe_deployment(std::move(inputs), {}, Time{});
    };
    auto const workload = observed({replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)});
    for (std::string const hold : {"", "2026-11-24T14:00:00Z;who;why"}) {
        auto const back = workload->take_back(hold);
        ASSERT_TRUE(back);
        Value next = object;
        ASSERT_TRUE(json::apply_json_patch(next, back->body));
        EXPECT_EQ(next.at({"spec", "template", "spec", "containers"})[0]["image"].string(), "v1");
        EXPECT_TRUE(next.at({"spec", "template", "metadata", "labels"})["pod-template-hash"].is_null());
        EXPECT_TRUE(next.at({"spec", "paused"}).as_bool());
        EXPECT_EQ(next.at({"spec", "strategy"}), object.at({"spec", "strategy"}));
        EXPECT_EQ(next.at({"metadata", "annotations"})["fleet.aviary.dev/hold"].as_string(), hold);
        EXPECT_EQ(next.at({"metadata", "labels"}), object.at({"metadata", "labels"}));
        // Another version came meanwhile.
        Value newer = object;
        newer.set({"metadata", "generation"}, object.at({"metadata", "generation"}).as_int() + 1);
        EXPECT_FALSE(json::apply_json_patch(newer, back->body));
    }
    auto const lost = observed({replica_set("v2", 5, 5, 2)})->take_back("");
    ASSERT_FALSE(lost);
    EXPECT_TRUE(lost.error().message().contains("no ReplicaSet of the version before")) << lost.error().message();
}

TEST(Leaving, GivesTheStrategyBackAndTakesEveryMark) {
    std::vector<Value> const sets{replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)};
    for (Leaving how : {Leaving::kHold, Leaving::kRollback, Leaving::kRelease}) {
        Left const left = leave(half_released(), how, sets);
        EXPECT_EQ(left.deployment.at({"spec", "strategy", "type"}).as_string(), "RollingUpdate");
        EXPECT_EQ(left.deployment.at({"spec", "strategy", "rollingUpdate", "maxUnavailable"}).as_int(), 2);
        EXPECT_EQ(left.deployment.at({"metadata", "annotations"}).size(), 0U);
        EXPECT_EQ(json::write(left.deployment.at({"metadata", "labels"})), R"({"app":"web"})");
        EXPECT_EQ(left.deployment.at({"spec", "paused"}).as_bool(), how == Leaving::kHold);
        std::string const image = left.deployment.at({"spec", "template", "spec", "containers"})[0]["image"].string();
        EXPECT_EQ(image, how == Leaving::kRollback ? "v1" : "v2");
        Left const again = leave(left.deployment, how, sets);
        EXPECT_EQ(again.deployment, left.deployment);
        EXPECT_EQ(again.sets, "");
    }
}

// What the native controller would fill with pods nobody has approved.
TEST(Leaving, HeldItHasItsSurgeInPodsOfTheStableVersion) {
    auto const sets = [](std::vector<Value> given, Leaving how = Leaving::kHold) {
        return leave(half_released(), how, given).sets;
    };
    EXPECT_EQ(sets({replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}), "web-v1=8");
    EXPECT_EQ(sets({replica_set("v1", 3, 3, 1), replica_set("v2", 5, 5, 2)}), "web-v1=8");
    EXPECT_EQ(sets({replica_set("v1", 8, 8, 1), replica_set("v2", 5, 5, 2)}), "");
    // A version that is alone is scaled to what is wanted.
    EXPECT_EQ(sets({replica_set("v1", 10, 10, 1), replica_set("v2", 0, 0, 2)}), "");
    EXPECT_EQ(sets({replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}, Leaving::kRelease), "");
    EXPECT_EQ(sets({replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}, Leaving::kRollback), "");
}

// Its two versions have more pods than its own strategy allows: the native controller would take of both at once.
TEST(Leaving, ABlueGreenReleaseIsNotHeldAsItStands) {
    Value object = half_released();
    object.set({"spec"}, deployment("v2")["spec"]);
    object.set({"spec", "minReadySeconds"}, 2147483646);
    object["metadata"]["annotations"].erase(apis::kDeploymentStrategyAnnotation);
    object.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation},
               R"({"maxUnavailable":2,"maxSurge":3,"minReadySeconds":0,"progressDeadlineSeconds":600})");
    std::vector<Value> const sets{replica_set("v1", 10, 10, 1), replica_set("v2", 5, 5, 2)};
    EXPECT_NE(leave(object, Leaving::kHold, sets).sets.find("cannot be held as it stands"), std::string::npos);
    Left const left = leave(object, Leaving::kRollback, sets);
    EXPECT_EQ(left.sets, "");
    EXPECT_EQ(left.deployment.at({"spec", "strategy", "rollingUpdate", "maxSurge"}).as_int(), 3);
    EXPECT_FALSE(left.deployment["spec"].contains("minReadySeconds"));
    EXPECT_EQ(left.deployment.at({"metadata", "annotations"}).size(), 0U);
}

TEST(Leaving, WhatItsOwnerHasPutBackIsNotHeld) {
    Value object = half_released();
    object.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", "v1"}}});
    Left const left = leave(object, Leaving::kHold, {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)});
    EXPECT_FALSE(left.deployment.at({"spec", "paused"}).as_bool());
    EXPECT_EQ(left.sets, "");
}

TEST(Leaving, ThereIsNoWayBackToAVersionThatIsGone) {
    EXPECT_EQ(leave(half_released(), Leaving::kRollback, {replica_set("v0", 5, 5, 1), replica_set("v2", 5, 5, 2)}).sets,
              "demo/web has no ReplicaSet of the version before: it cannot go back by itself");
}

}   // namespace
}   // namespace aviary::workload
