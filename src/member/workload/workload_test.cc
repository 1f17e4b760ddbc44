#include <gtest/gtest.h>

#include <map>

#include "apis/rollouts/keys.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/replica_sets.h"
#include "member/workload/internal/test_deployments.h"
#include "member/workload/json_patch.h"
#include "member/workload/kinds.h"
#include "member/workload/workload.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;
using meta::IntOrPercent;

TEST(RevisionLabel, IsOfTheKind) {
    auto const of = [](char const* reference) { return revision_label(*json::parse(reference)); };
    EXPECT_EQ(of(R"({"apiVersion":"apps/v1","kind":"Deployment"})"), "pod-template-hash");
    EXPECT_EQ(of(R"({"apiVersion":"apps/v1","kind":"StatefulSet"})"), "controller-revision-hash");
    EXPECT_EQ(of(R"({"apiVersion":"apps/v1","kind":"DaemonSet"})"), "controller-revision-hash");
    EXPECT_EQ(of(R"({"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet"})"), "pod-template-hash");
    EXPECT_EQ(of(R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"StatefulSet"})"), "controller-revision-hash");
    EXPECT_EQ(of(R"({"apiVersion":"apps.kruise.io/v1alpha1","kind":"DaemonSet"})"), "controller-revision-hash");
}

TEST(TypeLabel, IsUpstreamsWordForTheKind) {
    Doc const object = doc(deployment("v1"));
    std::map<std::string, std::string> words;
    words["Deployment.apps"] = observe_deployment({object, {}, {}}, {}, Time{})->type_label();
    for (SetKind const& each : set_kinds())
        words[each.kind + "." + each.group] = each.observe({object, {}, {}}, "", Time{})->type_label();
    words["labelled"] = labelled_kind().observe({object, {}, {}}, "", Time{})->type_label();
    EXPECT_EQ(words,
              (std::map<std::string, std::string>{{"Deployment.apps", "deployment"},
                                                  {"StatefulSet.apps", "statefulset"},
                                                  {"DaemonSet.apps", "daemonset"},
                                                  {"CloneSet.apps.kruise.io", "cloneset"},
                                                  {"StatefulSet.apps.kruise.io", "statefulset"},
                                                  {"DaemonSet.apps.kruise.io", "daemonset"},
                                                  {"LeaderWorkerSet.leaderworkerset.x-k8s.io", "leaderworkerset"},
                                                  {"labelled", "statefulset"}}));
}

// Upstream panics.
TEST(ScaledWorkload, IsNoneOfAnAutoscalerThatNamesNone) {
    for (char const* spec : {"{}", R"({"scaleTargetRef":{}})", R"({"scaleTargetRef":{"kind":"Deployment"}})"}) {
        Value autoscaler = value(R"({"metadata":{"name":"web","namespace":"demo"}})");
        autoscaler["spec"] = value(spec);
        EXPECT_EQ(scaled_workload(doc(autoscaler)), "") << spec;
    }
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

TEST(Counting, OnlyBesideASecondDeploymentAPercentageBelow100MayBeAllOfIt) {
    auto const share = [](std::string_view style) {
        Style const with{std::string(style), {}};
        return observe_deployment({doc(deployment("v2")), {}, {}}, with, Time{})->share_of({99, true});
    };
    EXPECT_EQ(share(apis::batch::kCanaryStyle), 10);
    EXPECT_EQ(share(apis::batch::kPartitionStyle), 9);
    EXPECT_EQ(share(apis::batch::kBlueGreenStyle), 9);
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

}   // namespace
}   // namespace aviary::workload
