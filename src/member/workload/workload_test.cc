#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/deployment.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/replica_sets.h"
#include "member/workload/json_patch.h"
#include "member/workload/roller.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;
using meta::IntOrPercent;

Value value(std::string_view text) { return *json::parse_value(text); }
Doc doc(Value const& object) { return Doc::freeze(object); }

TEST(RevisionLabel, IsOfTheKind) {
    auto const of = [](char const* reference) { return revision_label(*json::parse(reference)); };
    EXPECT_EQ(of(R"({"apiVersion":"apps/v1","kind":"Deployment"})"), "pod-template-hash");
    EXPECT_EQ(of(R"({"apiVersion":"apps/v1","kind":"StatefulSet"})"), "controller-revision-hash");
    EXPECT_EQ(of(R"({"apiVersion":"apps/v1","kind":"DaemonSet"})"), "controller-revision-hash");
}

TEST(Counting, SharesRoundUpAndKeepOneOldPodOfADeployment) {
    struct Case {
        IntOrPercent step;
        std::int64_t replicas, share, deployment;
    };
    for (Case const& each : std::initializer_list<Case>{{{10, true}, 10, 1, 1},
                                                        {{10, true}, 11, 2, 2},
                                                        {{50, true}, 5, 3, 3},
                                                        {{99, true}, 10, 10, 9},
                                                        {{100, true}, 10, 10, 10},
                                                        {{50, true}, 1, 1, 1},
                                                        {{10, false}, 10, 10, 10},
                                                        {{20, false}, 10, 10, 10},
                                                        {{10, true}, 0, 0, 0}}) {
        EXPECT_EQ(share_of(each.step, each.replicas), each.share) << each.step.to_string() << " of " << each.replicas;
        EXPECT_EQ(deployment_share_of(each.step, each.replicas), each.deployment)
            << each.step.to_string() << " of " << each.replicas;
    }
}

TEST(JsonPatch, CreatesParentsOnceAndLeavesOutWhatIsThere) {
    JsonPatch patch(*json::parse(R"({"spec":{"replicas":3},"metadata":{"labels":{"a":"b"}}})"));
    patch.test({"spec", "replicas"});
    patch.test({"status", "phase"});
    patch.set({"metadata", "labels", "a"}, "b");
    EXPECT_FALSE(patch.changes());
    patch.set({"metadata", "annotations", "x/y"}, "1");
    patch.set({"metadata", "annotations", "z"}, "2");
    patch.remove({"metadata", "labels", "none"});
    EXPECT_EQ(
        json::write(patch.take()),
        R"([{"op":"test","path":"/spec/replicas","value":3},{"op":"add","path":"/metadata/annotations","value":{}},)"
        R"({"op":"add","path":"/metadata/annotations/x~1y","value":"1"},{"op":"add","path":"/metadata/annotations/z","value":"2"}])");
}

TEST(Templates, AreEqualButForTheHash) {
    Doc const plain = doc(value(R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":"v1"}]}})"));
    Doc const hashed = doc(value(
        R"({"metadata":{"creationTimestamp":null,"labels":{"pod-template-hash":"x","app":"web"}},"spec":{"containers":[{"image":"v1"}]}})"));
    Doc const other =
        doc(value(R"({"metadata":{"labels":{"app":"web","tier":"1"}},"spec":{"containers":[{"image":"v1"}]}})"));
    EXPECT_TRUE(same_template(plain, hashed));
    EXPECT_TRUE(same_template(hashed, plain));
    EXPECT_FALSE(same_template(plain, other));
    EXPECT_FALSE(same_template(other, hashed));
    EXPECT_EQ(template_hash(plain), template_hash(hashed));
    EXPECT_NE(template_hash(plain), template_hash(other));
}

// ---- the freeze

Value deployment(std::string const& image) {
    Value object = value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"d1","generation":4},
      "spec":{"replicas":10,"selector":{"matchLabels":{"app":"web"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
      "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":""}]}}}})");
    object.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", image}}});
    return object;
}

Value replica_set(std::string const& image, std::int64_t replicas, std::int64_t available, int age) {
    Value object =
        value(R"({"metadata":{"namespace":"demo"},"spec":{"template":{"metadata":{"labels":{"app":"web"}}}}})");
    object.set({"metadata", "name"}, "web-" + image);
    object.set({"metadata", "uid"}, "uid-" + image);
    object.set({"metadata", "labels", "pod-template-hash"}, "h" + image);
    object.set({"metadata", "annotations", "deployment.kubernetes.io/revision"}, std::to_string(age));
    object.set({"metadata", "creationTimestamp"}, fmt::format("2026-01-01T00:00:{:02}Z", age));
    object.set({"spec", "replicas"}, replicas);
    object.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", image}}});
    object["status"] =
        json::Object{{"replicas", replicas}, {"readyReplicas", available}, {"availableReplicas", available}};
    return object;
}

Value admit(Value object, Value const& old, bool from_controller = false) {
    freeze_deployment(object, {doc(old), "rollout", {}, {doc(replica_set("v1", 10, 10, 1))}, from_controller});
    return object;
}

TEST(Freeze, ANewTemplateIsStoredFrozen) {
    Value const frozen = admit(deployment("v2"), deployment("v1"));
    EXPECT_TRUE(frozen.at({"spec", "paused"}).as_bool());
    EXPECT_EQ(frozen.at({"metadata", "annotations", apis::kInProgressingAnnotation}).as_string(),
              R"({"rolloutName":"rollout"})");
    EXPECT_EQ(frozen.at({"metadata", "labels", apis::kStableRevisionLabel}).as_string(), "hv1");
    EXPECT_EQ(frozen.at({"spec", "strategy", "type"}).as_string(), "RollingUpdate");
}

// Copies of ReplicaSets may be old; what the Deployment says of itself is not.
TEST(Freeze, AReleaseComesFromWhatMostPodsRun) {
    auto const stable = [](Value old, std::vector<Doc> sets) {
        Value next = deployment("v3");
        freeze_deployment(next, {doc(old), "rollout", {}, std::move(sets), false});
        return next.at({"metadata", "labels", apis::kStableRevisionLabel}).string();
    };
    Value old = deployment("v1");
    old.set({"metadata", "generation"}, 4);
    old["status"] = json::Object{{"observedGeneration", 4}, {"replicas", 10}, {"updatedReplicas", 10}};
    // v2 was taken back: v1 is the newer revision, and the copy of v2 still has pods.
    std::vector<Doc> const rolled_back{doc(replica_set("v2", 3, 3, 2)), doc(replica_set("v1", 10, 10, 3))};
    EXPECT_EQ(stable(old, rolled_back), "hv1");
    // Nobody has looked at the Deployment since its last change: the larger one.
    old.set({"metadata", "generation"}, 5);
    EXPECT_EQ(stable(old, rolled_back), "hv1");
    EXPECT_EQ(stable(old, {doc(replica_set("v2", 7, 7, 2)), doc(replica_set("v1", 3, 3, 3))}), "hv2");
}

// A roll that did not get on, and its old version put back: that is where the release comes from, and where it ends.
TEST(Freeze, TheVersionThatMostPodsRunIsTheStableOneAlsoWhenItIsTheNewTemplate) {
    std::string came_from;
    auto const stable = [&came_from](Value old, std::string const& next, std::vector<Doc> sets) {
        Value object = deployment(next);
        if (next == meta::annotation(doc(old), "same")) {
            object = old;
            object.set({"metadata", "annotations", apis::kRolloutIdLabel}, "2");
        }
        freeze_deployment(object, {doc(old), "rollout", came_from, std::move(sets), false});
        return object.at({"metadata", "labels", apis::kStableRevisionLabel}).string();
    };
    Value old = deployment("v2");
    old["status"] = json::Object{{"observedGeneration", 4}, {"replicas", 13}, {"updatedReplicas", 5}};
    EXPECT_EQ(stable(old, "v1", {doc(replica_set("v1", 8, 8, 1)), doc(replica_set("v2", 5, 0, 2))}), "hv1");
    // But where v2 is what a release goes back to, v1 is what was rejected.
    came_from = "hv2";
    EXPECT_EQ(stable(old, "v1", {doc(replica_set("v1", 8, 8, 1)), doc(replica_set("v2", 5, 0, 2))}), "hv2");
    came_from = "hv1";
    // Of equals the other one: a release is what was asked for.
    EXPECT_EQ(stable(old, "v1", {doc(replica_set("v1", 5, 5, 1)), doc(replica_set("v2", 5, 0, 2))}), "hv2");
    // … and not the one before, which a blue-green release leaves as many pods of at its end.
    EXPECT_EQ(stable(old, "v3", {doc(replica_set("v1", 10, 10, 1)), doc(replica_set("v2", 10, 10, 2))}), "hv2");
    // The Deployment says that most run what it has: a copy that shows else is old.
    old["status"] = json::Object{{"observedGeneration", 4}, {"replicas", 10}, {"updatedReplicas", 10}};
    EXPECT_EQ(stable(old, "v1", {doc(replica_set("v1", 10, 10, 1)), doc(replica_set("v2", 5, 0, 2))}), "hv2");
    // The same template under another rollout-id is a release all the same.
    old.set({"metadata", "annotations", "same"}, "v2");
    EXPECT_EQ(stable(old, "v2", {doc(replica_set("v1", 3, 3, 1)), doc(replica_set("v2", 7, 7, 2))}), "hv1");
}

TEST(Freeze, ADeploymentWithPodsIsFrozenBeforeItsReplicaSetsAreKnown) {
    Value old = deployment("v1");
    old["status"] = json::Object{{"replicas", 10}};
    Value next = deployment("v2");
    freeze_deployment(next, {doc(old), "rollout", {}, {}, false});
    EXPECT_TRUE(next.at({"spec", "paused"}).as_bool());
}

TEST(Freeze, OtherWritesPass) {
    Value labelled = deployment("v1");
    labelled.set({"metadata", "labels", "team"}, "llm");
    EXPECT_EQ(admit(labelled, deployment("v1")), labelled);
    Value empty = deployment("v2");
    empty.set({"spec", "replicas"}, 0);
    EXPECT_EQ(admit(empty, deployment("v1")), empty);
    Value fresh = deployment("v2");
    freeze_deployment(fresh, {doc(deployment("v1")), "rollout", {}, {}, false});
    EXPECT_EQ(fresh, deployment("v2"));
}

TEST(Freeze, ARolloutIsInForceUntilItIsDisabled) {
    auto const holds = [](bool disabled, std::string const& phase) {
        Value rollout = value(R"({"spec":{"strategy":{"canary":{}}}})");
        rollout.set({"spec", "disabled"}, disabled);
        rollout.set({"status", "phase"}, phase);
        return in_force(doc(rollout));
    };
    EXPECT_TRUE(holds(false, ""));
    EXPECT_TRUE(holds(false, "Healthy"));
    EXPECT_TRUE(holds(true, "Disabling"));
    EXPECT_FALSE(holds(true, "Disabled"));
    EXPECT_TRUE(holds(false, "Disabled"));   // enabled, and nobody has looked yet
    EXPECT_FALSE(in_force(doc(value(R"({"spec":{"strategy":{}}})"))));
    EXPECT_FALSE(in_force(
        doc(value(R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"strategy":{"a":1}}})"))));
}

// An API server asks about those with the label alone.
TEST(Freeze, TheLabelStaysWhileARolloutPointsThere) {
    Value old = deployment("v1");
    old.set({"metadata", "labels", apis::kWorkloadTypeLabel}, "deployment");
    EXPECT_EQ(admit(deployment("v1"), old), old);
    EXPECT_EQ(admit(deployment("v1"), old, true), deployment("v1"));
    Value const released = admit(deployment("v2"), old);
    EXPECT_EQ(released.at({"metadata", "labels", apis::kWorkloadTypeLabel}).as_string(), "deployment");
    EXPECT_TRUE(released.at({"spec", "paused"}).as_bool());
}

TEST(Freeze, ANewRolloutIdAloneStartsARelease) {
    Value next = deployment("v1");
    next.set({"metadata", "annotations", apis::kRolloutIdLabel}, "2");
    EXPECT_TRUE(admit(next, deployment("v1")).at({"spec", "paused"}).as_bool());
    EXPECT_EQ(admit(next, next), next);
}

TEST(Freeze, ATemplateAfterANewRolloutIdNotesWhatAllPodsHad) {
    Value old = deployment("v1");
    old.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"rollout"})");
    old.set({"metadata", "generation"}, 4);
    old["status"] = json::Object{{"observedGeneration", 4}, {"replicas", 10}, {"updatedReplicas", 10}};
    auto const stable = [&old](std::string const& next) {
        Value object = old;
        object.set({"spec", "template"}, deployment(next).at({"spec", "template"}));
        freeze_deployment(object, {doc(old), "rollout", {}, {doc(replica_set("v1", 10, 10, 1))}, false});
        return object.at({"metadata", "labels"})[apis::kStableRevisionLabel].string();
    };
    EXPECT_EQ(stable("v2"), "hv1");
    EXPECT_EQ(stable("v1"), "");
    // Hardly a pod runs it: it is not where the release began.
    old.set({"status", "updatedReplicas"}, 1);
    EXPECT_EQ(stable("v2"), "");
}

TEST(Freeze, NobodyLiftsItButTheController) {
    Value const held = [] {
        Value object = deployment("v2");
        object.set({"spec", "paused"}, true);
        object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
        object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"rollout"})");
        object.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation},
                   R"({"rollingStyle":"Partition","rollingUpdate":{"maxSurge":1},"paused":false,"partition":"10%"})");
        return object;
    }();
    // A replace that knows nothing of the release: everything it would lift stays, its rolling update is kept for the
    // end.
    Value const replaced = admit(deployment("v2"), held);
    EXPECT_TRUE(replaced.at({"spec", "paused"}).as_bool());
    EXPECT_EQ(json::write(replaced.at({"spec", "strategy"})), R"({"type":"Recreate"})");
    EXPECT_EQ(
        replaced.at({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}).as_string(),
        R"({"rollingStyle":"Partition","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"paused":false,"partition":"10%"})");
    // A newer template stops the roller.
    Value const newer = admit(deployment("v3"), held);
    EXPECT_NE(
        newer.at({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}).string().find(R"("paused":true)"),
        std::string::npos);
    // The controller ends a release.
    EXPECT_EQ(admit(deployment("v2"), held, true), deployment("v2"));
}

TEST(Freeze, ANewerVersionInABlueGreenReleaseStopsItAndItsSettingsStay) {
    Value held = deployment("v2");
    held.set({"spec", "minReadySeconds"}, 2147483646);
    held.set({"spec", "strategy"},
             *json::parse_value(R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"50%"}})"));
    held.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"rollout"})");
    held.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation},
             R"({"maxUnavailable":"25%","maxSurge":"25%","minReadySeconds":0,"progressDeadlineSeconds":600})");
    Value next = held;
    next.set({"spec", "template"}, deployment("v3")["spec"]["template"]);
    next["spec"].erase("minReadySeconds");
    Value const newer = admit(next, held);
    EXPECT_TRUE(newer.at({"spec", "paused"}).as_bool());
    EXPECT_EQ(newer.at({"spec", "minReadySeconds"}).as_int(), 2147483646);
    EXPECT_EQ(newer.at({"spec", "strategy"}), held.at({"spec", "strategy"}));
    // Pausing is the release's alone.
    Value paused = held;
    paused.set({"spec", "paused"}, true);
    EXPECT_EQ(admit(paused, held), held);
    // The controller's own write passes as it is.
    EXPECT_EQ(admit(deployment("v2"), held, true), deployment("v2"));
}

// ---- leaving

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

// ---- the roller

struct Roll {
    std::string partition;
    Value rolling_update = value(R"({"maxSurge":"25%","maxUnavailable":"25%"})");
    std::int64_t replicas = 10;
    bool paused = false;
    std::vector<Value> sets;
};

Value rolling(Roll const& roll, std::string const& image = "v2") {
    Value object = deployment(image);
    object.set({"spec", "replicas"}, roll.replicas);
    object.set({"spec", "paused"}, true);
    object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    Value strategy{
        json::Object{{"rollingStyle", "Partition"}, {"rollingUpdate", roll.rolling_update}, {"paused", roll.paused}}};
    strategy["partition"] = roll.partition.ends_with('%') ? Value(roll.partition) : Value(std::stoll(roll.partition));
    object.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, json::write(strategy));
    object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"b1"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "hv1");
    return object;
}

control::Plan plan_of(Roll const& roll, std::string const& image = "v2", Doc const& next = {}) {
    DeploymentInputs inputs{doc(rolling(roll, image)), {}, {}};
    for (Value const& set : roll.sets) inputs.replica_sets.push_back(doc(set));
    return decide_roll(inputs, doc(value(R"({"metadata":{"name":"web","uid":"b1"}})")), next);
}

std::string rolled(Roll const& roll, std::string const& image = "v2", Doc const& next = {}) {
    std::string text;
    for (control::Write const& write : plan_of(roll, image, next).writes) {
        if (write.verb == control::Write::Verb::kCreate) {
            text += fmt::format("create {} ", write.body.at({"spec", "replicas"}).as_int());
        } else if (write.verb == control::Write::Verb::kDelete) {
            text += "delete " + write.key.name + " ";
        } else {
            for (Value const& operation : write.body.array()) {
                if (operation["op"].as_string() == "add" && operation["path"].as_string() == "/spec/replicas")
                    text += fmt::format("{}={} ", write.key.name, operation["value"].as_int());
            }
        }
    }
    return text;
}

TEST(Roller, MovesWithinSurgeAndAvailability) {
    EXPECT_EQ(rolled({.partition = "10%", .sets = {replica_set("v1", 10, 10, 1)}}), "create 1 ");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 10, 10, 1)}}), "create 3 ");
    // Three are starting: two of ten may be missing, so two old ones may go. They make room for the last two.
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 10, 10, 1), replica_set("v2", 3, 0, 2)}}),
              "web-v1=8 web-v2=5 ");
    // With room for some all wait for what makes room, and start together.
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}),
              "web-v1=7 web-v2=5 ");
    // Where there is room for all, nothing that serves goes before they are wanted.
    EXPECT_EQ(rolled({.partition = "30%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}),
              "web-v2=3 web-v1=7 ");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 8, 8, 1), replica_set("v2", 3, 0, 2)}}),
              "web-v2=5 ");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 8, 8, 1), replica_set("v2", 5, 0, 2)}}), "");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 8, 8, 1), replica_set("v2", 5, 5, 2)}}),
              "web-v1=5 ");
    EXPECT_EQ(rolled({.partition = "100%", .sets = {replica_set("v1", 1, 1, 1), replica_set("v2", 10, 10, 2)}}),
              "web-v1=0 ");
}

// Of each write "web-v1 tests 9 of 9".
std::string tests(control::Plan const& plan) {
    std::string text;
    for (control::Write const& write : plan.writes) {
        text += write.key.name;
        for (Value const& operation : write.body.array()) {
            if (operation["op"].as_string() == "test")
                text += fmt::format(" {}", json::write(operation["value"]));
            else if (operation["path"].as_string() == "/spec/replicas")
                text += fmt::format("->{}", operation["value"].as_int());
        }
        text += "; ";
    }
    return text;
}

TEST(Roller, TestsWhatServesBeforePodsGo) {
    Roll roll{.partition = "30%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}};
    EXPECT_EQ(tests(plan_of(roll)), "web-v2 1 1->3; web-v1 9 9->7; ");
    roll.partition = "50%";
    EXPECT_EQ(tests(plan_of(roll)), "web-v2 1 1; web-v1 9 9->7; web-v2 1->5; ");
    // An empty set serves nobody; of what only grows nothing is counted on.
    roll.sets.push_back(replica_set("v0", 0, 0, 0));
    EXPECT_EQ(tests(plan_of(roll)), "web-v2 1 1; web-v1 9 9->7; web-v2 1->5; ");
    roll = {.partition = "30%", .sets = {replica_set("v1", 7, 7, 1), replica_set("v2", 1, 1, 2)}};
    EXPECT_EQ(tests(plan_of(roll)), "web-v1 7; web-v2 1->3; ");
}

TEST(Roller, GoesByWhatIsAboutToBeWrittenOfAWorkloadThatIsHeld) {
    std::vector<Value> const sets{replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)};
    Roll const now{.partition = "10%", .sets = sets};
    Doc const next = doc(rolling({.partition = "30%", .sets = {}}));
    EXPECT_EQ(rolled(now), "");
    EXPECT_EQ(rolled(now, "v2", next), "web-v2=3 web-v1=7 ");
    // A template that waits for its first step goes by what is stored alone, and what is let go by nothing to come.
    Roll const waiting{.partition = "10%", .paused = true, .sets = sets};
    EXPECT_EQ(rolled(waiting, "v3", doc(rolling({.partition = "30%", .sets = {}}, "v3"))), "");
    EXPECT_EQ(rolled(now, "v2", doc(rolling({.partition = "30%", .paused = true, .sets = {}}))), "");
    EXPECT_EQ(rolled(now, "v2", doc(deployment("v2"))), "");
}

TEST(Partition, IsSettledOnceTheOldPodsHaveGone) {
    auto const settled = [](int old_pods, std::int64_t old_status, int new_pods, std::int64_t new_status) {
        DeploymentInputs inputs{doc(deployment("v2")), {}, {}};
        auto const add = [&inputs](std::string const& image, int pods, std::int64_t status, int age) {
            Value set = replica_set(image, 5, 5, age);
            set["status"]["replicas"] = status;
            inputs.replica_sets.push_back(doc(set));
            for (int index = 0; index < pods; ++index) {
                Value pod = value(R"({"metadata":{"namespace":"demo"}})");
                pod.set({"metadata", "name"}, fmt::format("{}-{}", image, index));
                pod.set(
                    {"metadata", "ownerReferences"},
                    json::Array{json::Object{{"kind", "ReplicaSet"}, {"uid", "uid-" + image}, {"controller", true}}});
                inputs.pods.push_back(doc(pod));
            }
        };
        add("v1", old_pods, old_status, 1);
        add("v2", new_pods, new_status, 2);
        return observe_deployment(std::move(inputs), {}, Time{})->facts().settled;
    };
    EXPECT_TRUE(settled(5, 5, 5, 5));
    EXPECT_TRUE(settled(5, 7, 5, 5)) << "their ReplicaSet has yet to say so";
    EXPECT_FALSE(settled(7, 5, 5, 5));
    EXPECT_FALSE(settled(5, 5, 5, 4)) << "what is new is counted by its ReplicaSet";
}

// Its count of available pods holds some that are about to go.
TEST(Roller, DoesNotGrowWhatIsStillShrinking) {
    Value shrinking = replica_set("v1", 3, 5, 1);
    shrinking.set({"status", "replicas"}, 5);
    EXPECT_EQ(
        rolled({.partition = "10%", .sets = {shrinking, replica_set("v2", 5, 5, 2), replica_set("v3", 1, 1, 3)}}, "v3"),
        "web-v2=4 ");
    EXPECT_EQ(rolled({.partition = "10%",
                      .sets = {replica_set("v1", 3, 3, 1), replica_set("v2", 5, 5, 2), replica_set("v3", 1, 1, 3)}},
                     "v3"),
              "web-v2=4 web-v1=8 ");
}

// The native controller compares them with the Deployment's replicas, and takes a difference for a scaling.
TEST(Roller, NotesTheReplicasOnSetsThatStayAsTheyAre) {
    auto const notes = [](std::int64_t replicas) {
        Value object = deployment("v2");
        object.set({"spec", "replicas"}, replicas);
        object.set({"spec", "paused"}, true);
        object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
        object.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation},
                   R"({"rollingStyle":"Partition","partition":"100%","paused":false})");
        object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"b1"})");
        Value set = replica_set("v2", 1, 1, 1);
        set.set({"metadata", "annotations", "deployment.kubernetes.io/desired-replicas"}, "1");
        set.set({"metadata", "annotations", "deployment.kubernetes.io/max-replicas"}, "2");
        DeploymentInputs const inputs{doc(object), {doc(set)}, {}};
        return decide_roll(inputs, doc(value(R"({"metadata":{"name":"web","uid":"b1"}})"))).writes.size();
    };
    EXPECT_EQ(notes(1), 0U);
    EXPECT_EQ(notes(2), 1U);
}

TEST(Roller, AlwaysStartsWithOneSoThatTheOldSetIsNotAlone) {
    EXPECT_EQ(rolled({.partition = "10%",
                      .rolling_update = value(R"({"maxSurge":0,"maxUnavailable":1})"),
                      .sets = {replica_set("v1", 10, 10, 1)}}),
              "create 1 ");
}

TEST(Roller, DoesNotGoFurtherThanTheShare) {
    EXPECT_EQ(rolled({.partition = "10%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}), "");
    // Scaling keeps the share, up and down.
    EXPECT_EQ(
        rolled({.partition = "50%", .replicas = 20, .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}}),
        "web-v1=10 web-v2=10 ");
    EXPECT_EQ(
        rolled({.partition = "50%", .replicas = 4, .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}}),
        "web-v1=2 web-v2=2 ");
    // A template that no step has asked for yet stays out.
    EXPECT_EQ(
        rolled({.partition = "50%", .paused = true, .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}},
               "v3"),
        "");
}

TEST(Roller, ReplacesVersionsInBetweenByTheStableOne) {
    EXPECT_EQ(rolled({.partition = "10%",
                      .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2), replica_set("v3", 1, 1, 3)}},
                     "v3"),
              "web-v2=2 web-v1=9 ");
    EXPECT_EQ(rolled({.partition = "10%",
                      .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 0, 2), replica_set("v3", 1, 1, 3)}},
                     "v3"),
              "web-v2=0 ");
}

// One in between that were alone would get every pod that the workload is scaled up by.
TEST(Roller, LeavesAPodOfTheStableVersionBesideOnesInBetween) {
    std::vector<Value> const sets{replica_set("v1", 7, 7, 1), replica_set("v2", 5, 5, 2)};
    EXPECT_EQ(rolled({.partition = "50%", .replicas = 5, .paused = true, .sets = sets}, "v3"), "web-v1=1 web-v2=4 ");
    EXPECT_EQ(rolled({.partition = "50%", .replicas = 1, .paused = true, .sets = sets}, "v3"), "web-v1=1 web-v2=0 ");
}

TEST(Roller, LetsNothingComeBackFromZeroInTheNewVersion) {
    EXPECT_EQ(
        rolled({.partition = "10%", .replicas = 0, .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}),
        "web-v1=0 web-v2=0 ");
    EXPECT_EQ(
        rolled({.partition = "10%", .replicas = 0, .sets = {replica_set("v1", 0, 0, 1), replica_set("v2", 0, 0, 2)}}),
        "delete web-v2 ");
    // The native controller would give them to the newest empty one: rejected versions go too, older ones stay.
    std::vector<Value> const empty{replica_set("v0", 0, 0, 1), replica_set("v1", 0, 0, 2), replica_set("v2", 0, 0, 3),
                                   replica_set("v3", 0, 0, 4)};
    EXPECT_EQ(rolled({.partition = "10%", .replicas = 0, .sets = empty}, "v3"), "delete web-v2 delete web-v3 ");
    // Also while the newest waits for its first step.
    EXPECT_EQ(rolled({.partition = "50%", .replicas = 0, .paused = true, .sets = empty}, "v4"),
              "delete web-v2 delete web-v3 ");
    EXPECT_EQ(rolled({.partition = "100%", .replicas = 0, .sets = empty}, "v3"), "");
}

// Beside an empty stable set the new one would be alone, and the native controller would give it everything.
TEST(Roller, ComesBackFromZeroWithTheStableVersionFirst) {
    EXPECT_EQ(rolled({.partition = "10%", .sets = {replica_set("v1", 0, 0, 1)}}), "web-v1=9 create 1 ");
    EXPECT_EQ(rolled({.partition = "100%", .sets = {replica_set("v1", 0, 0, 1)}}), "create 10 ");
    // A version in between serves: nothing beyond the surge, nor what still reports pods that are about to go.
    Value leaving = replica_set("v1", 0, 4, 1);
    leaving.set({"status", "replicas"}, 4);
    EXPECT_EQ(rolled({.partition = "10%", .sets = {leaving, replica_set("v2", 10, 10, 2)}}, "v3"), "create 1 ");
}

TEST(RollerLaw, EndsAtTheShareAndKeepsEnoughAvailable) {
    rc::check([] {
        std::int64_t const replicas = *rc::gen::inRange<std::int64_t>(1, 20);
        std::int64_t const surge = *rc::gen::inRange<std::int64_t>(0, 5);
        std::int64_t const unavailable = *rc::gen::inRange<std::int64_t>(surge == 0 ? 1 : 0, 5);
        IntOrPercent const partition{*rc::gen::inRange<std::int64_t>(1, 101), true};
        std::int64_t sizes[3] = {*rc::gen::inRange<std::int64_t>(0, replicas + 1), 0,
                                 0};   // v1 stable, v2 in between, v3 new
        sizes[1] = *rc::gen::inRange<std::int64_t>(0, replicas - sizes[0] + 1);
        if (sizes[0] + sizes[1] < replicas) sizes[0] = replicas - sizes[1];
        std::int64_t const limit = deployment_share_of(partition, replicas);
        std::int64_t const minimum = replicas - std::min(unavailable, replicas);
        std::int64_t ready[3] = {sizes[0], sizes[1], 0};
        for (int round = 0; round < 200; ++round) {
            Roll roll{.partition = partition.to_string(), .replicas = replicas};
            roll.rolling_update = json::Object{{"maxSurge", surge}, {"maxUnavailable", unavailable}};
            for (int index = 0; index < 3; ++index) {
                if (index < 2 || sizes[2] > 0)
                    roll.sets.push_back(
                        replica_set(fmt::format("v{}", index + 1), sizes[index], ready[index], index + 1));
            }
            std::string const plan = rolled(roll, "v3");
            for (std::string_view const each : split(plan, ' ')) {
                if (each.empty()) continue;
                if (each.starts_with("web-v")) sizes[each[5] - '1'] = *parse_int(each.substr(7));
                if (plan.starts_with("create ") && each != "create") sizes[2] = *parse_int(each);
                for (int index = 0; index < 3; ++index) ready[index] = std::min(ready[index], sizes[index]);
                RC_ASSERT(sizes[2] <= limit);
                RC_ASSERT(ready[0] + ready[1] + ready[2] >= minimum);
                RC_ASSERT(sizes[0] + sizes[1] + sizes[2] <=
                          std::max(replicas + std::max<std::int64_t>(surge, 1), replicas));
            }
            bool quiet = plan.empty();
            int const lucky = *rc::gen::inRange(0, 3);   // one set's next pod becomes ready
            for (int index = 0; index < 3; ++index) {
                if (ready[index] == sizes[index]) continue;
                quiet = false;
                if (index == lucky || round % 3 == 0) ++ready[index];
            }
            if (quiet) break;
        }
        RC_ASSERT(sizes[2] == limit);
        RC_ASSERT(sizes[1] == 0);
        RC_ASSERT(sizes[0] == replicas - limit);
    });
}

}   // namespace
}   // namespace aviary::workload
