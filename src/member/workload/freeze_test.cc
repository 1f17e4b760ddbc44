#include "member/workload/freeze.h"

#include <gtest/gtest.h>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/test_deployments.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;

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

TEST(Freeze, IsNotAboutSubresources) {
    client::Client const client(nullptr, "test");
    client::Informer rollouts(client, apis::kRollouts);
    client::Informer replica_sets(client, kReplicaSets);
    Freeze const freeze(client, rollouts, replica_sets, "controller");
    control::AdmissionRequest request;
    request.operation = control::Operation::kUpdate;
    request.resource = kDeployments;
    request.kind = "Deployment";
    request.old_object = doc(deployment("v1"));
    request.object = deployment("v2");
    EXPECT_TRUE(freeze.matches(request));
    for (char const* subresource : {"scale", "status"}) {
        request.subresource = subresource;
        EXPECT_FALSE(freeze.matches(request)) << subresource;
    }
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

}   // namespace
}   // namespace aviary::workload
