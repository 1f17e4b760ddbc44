// Rules of Kruise Rollouts for what is admitted to a workload, and for how its pods move.
#include <gtest/gtest.h>

#include "apis/rollouts/keys.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/freeze.h"
#include "member/workload/roller.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;

Value deployment(std::string const& image, std::string const& more) {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"d1","generation":4},
        "spec":{"replicas":4,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}}}},
        "status":{"replicas":4}})");
    Value const parts = *json::parse_value(more);
    for (auto const& [key, each] : parts.object()) object.set({"spec", key}, each);
    object.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", image}}});
    return object;
}

constexpr char const* kRolling = R"({"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}})";

TEST(KruiseAdmission, WhatHoldsACanaryReleaseStays) {
    Value held = deployment("v2", kRolling);
    held.set({"spec", "paused"}, true);
    held.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    Value next = held;
    next["spec"].erase("paused");
    next.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    freeze_deployment(next, {Doc::freeze(held), "web", {}, {}, false});
    EXPECT_EQ(next, held);
}

TEST(KruiseAdmission, AnObjectWithoutUidIsTheStoredOne) {
    Value const old = deployment("v1", kRolling);
    Value next = deployment("v2", kRolling);
    next["metadata"].erase("uid");
    freeze_deployment(next, {Doc::freeze(old), "web", {}, {}, false});
    EXPECT_TRUE(next.at({"spec", "paused"}).as_bool());
    EXPECT_EQ(next.at({"metadata", "annotations", apis::kInProgressingAnnotation}).as_string(),
              R"({"rolloutName":"web"})");
}

TEST(KruiseAdmission, ADeploymentThatMayNeitherSurgeNorMissAPodMoves) {
    Value object = deployment("v2", R"({"paused":true,"strategy":{"type":"Recreate"}})");
    object.set(
        {"metadata", "annotations", apis::kDeploymentStrategyAnnotation},
        R"({"rollingStyle":"Partition","rollingUpdate":{"maxSurge":0,"maxUnavailable":"10%"},"paused":false,"partition":2})");
    object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"b1"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "hv1");
    auto const set = [](std::string const& image, int replicas) {
        Value each = *json::parse_value(
            R"({"metadata":{"namespace":"demo"},"spec":{"template":{"metadata":{"labels":{"app":"web"}}}}})");
        each.set({"metadata", "name"}, "web-" + image);
        each.set({"metadata", "uid"}, "uid-" + image);
        each.set({"metadata", "labels", "pod-template-hash"}, "h" + image);
        each.set({"spec", "replicas"}, replicas);
        each.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", image}}});
        each["status"] =
            json::Object{{"replicas", replicas}, {"readyReplicas", replicas}, {"availableReplicas", replicas}};
        return Doc::freeze(each);
    };
    // One pod of the new version is ready beside four of the old: of these one goes, and another new one may come.
    DeploymentInputs const inputs{Doc::freeze(object), {set("v1", 4), set("v2", 1)}, {}};
    std::string moved;
    for (control::Write const& write :
         decide_roll(inputs, *json::parse(R"({"metadata":{"name":"web","uid":"b1"}})")).writes) {
        for (Value const& operation : write.body.array()) {
            if (operation["op"].as_string() == "add" && operation["path"].as_string() == "/spec/replicas")
                moved += write.key.name + "=" + std::to_string(operation["value"].as_int()) + " ";
        }
    }
    EXPECT_EQ(moved, "web-v1=2 web-v2=2 ");
}

}   // namespace
}   // namespace aviary::workload
