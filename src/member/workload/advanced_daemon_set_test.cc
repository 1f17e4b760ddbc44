#include "member/workload/advanced_daemon_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "apis/rollouts/keys.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "kube/meta/object.h"
#include "member/workload/freeze.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;

Time const kNow = *parse_rfc3339("2026-01-01T01:00:00Z");

Value with_template(Value object, std::string const& image) {
    object.set({"spec", "template", "spec", "containers"},
               json::Array{json::Object{{"name", "main"}, {"image", image}}});
    object.set({"status", "daemonSetHash"}, image);
    return object;
}

// All of its pods have its template.
Value daemon_set(std::string const& image) {
    return with_template(*json::parse_value(R"({"metadata":{"name":"web","namespace":"demo","uid":"set","generation":3},
            "spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}}},
            "status":{"observedGeneration":3,"desiredNumberScheduled":2,"currentNumberScheduled":2,"updatedNumberScheduled":2}})"),
                         image);
}

Doc revision(std::string const& image, std::int64_t number) {
    Value object{json::Object{{"revision", number}}};
    object.set({"metadata", "name"}, "web-" + image);
    object.set({"metadata", "labels", "controller-revision-hash"}, image);
    object.set({"data"}, with_template(Value{json::Object()}, image));
    return Doc::freeze(object);
}

Value pod(std::string const& node, std::string const& image) {
    Value object = *json::parse_value(R"({"status":{"phase":"Running","startTime":"2026-01-01T00:00:00Z",
        "conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})");
    object.set({"metadata", "name"}, "web-" + node);
    object.set({"metadata", "labels", "controller-revision-hash"}, image);
    object.set({"spec", "nodeName"}, node);
    return object;
}

std::unique_ptr<Workload> observe(Value const& object, std::string const& pods_have) {
    NativeSetInputs inputs{Doc::freeze(object), {revision("v0", 1), revision("v1", 2), revision("v2", 3)}, {}};
    for (char const* node : {"a", "b"}) inputs.pods.push_back(Doc::freeze(pod(node, pods_have)));
    return observe_advanced_daemon_set(std::move(inputs), kNow);
}

Value frozen(Value const& old, Value next) {
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    inputs.rollout = "web";
    freeze_advanced_daemon_set(next, inputs);
    return next;
}

Value held(Value object, std::string const& pods_have) {
    Doc const release = *json::parse(R"({"metadata":{"name":"web","namespace":"demo","uid":"br"}})");
    for (control::Write const& write : observe(object, pods_have)->hold(release, meta::IntOrPercent{50, true}))
        EXPECT_TRUE(json::apply_json_patch(object, write.body));
    return object;
}

std::string stable_label(Value const& object) { return meta::label(Doc::freeze(object), apis::kStableRevisionLabel); }

// Kruise's controller goes by the names of nodes, from the last on, whatever the version.
TEST(AdvancedDaemonSet, TellsHowManyOfTheStableVersionAStepLeaves) {
    Value set = daemon_set("v2");
    set.set({"status", "desiredNumberScheduled"}, 4);
    set.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    set.set({"metadata", "labels", apis::kStableRevisionLabel}, "v1");
    NativeSetInputs inputs{Doc::freeze(set), {revision("v0", 1), revision("v1", 2), revision("v2", 3)}, {}};
    for (auto const& [node, image] :
         std::map<std::string, std::string>{{"a", "v0"}, {"b", "v1"}, {"c", "v0"}, {"d", "v1"}})
        inputs.pods.push_back(Doc::freeze(pod(node, image)));
    auto const workload = observe_advanced_daemon_set(std::move(inputs), kNow);
    EXPECT_EQ(workload->stable_left(0), 2);
    EXPECT_EQ(workload->stable_left(1), 1);
    EXPECT_EQ(workload->stable_left(2), 1);
    EXPECT_EQ(workload->stable_left(3), 0);
}

// Whatever ran once, before the release.
TEST(AdvancedDaemonSet, AReleaseThatANewRolloutIdAloneBeganCameFromNoOlderVersion) {
    Value const old = daemon_set("v1");
    Value next = old;
    next.set({"metadata", "annotations", apis::kRolloutIdLabel}, "2");
    Value const object = held(frozen(old, next), "v1");
    EXPECT_EQ(stable_label(object), "");
    auto const workload = observe(object, "v1");
    EXPECT_FALSE(workload->facts().rolled_back);
    EXPECT_EQ(workload->facts().stable_revision, "");
    EXPECT_FALSE(workload->take_back("")) << "to what?";
    Value const newer = held(frozen(object, with_template(object, "v2")), "v1");
    EXPECT_EQ(stable_label(newer), "v1");
    EXPECT_TRUE(observe(frozen(newer, with_template(newer, "v1")), "v1")->facts().rolled_back);
    auto const end = workload->restore({});
    ASSERT_TRUE(end);
    Value restored = object;
    EXPECT_TRUE(json::apply_json_patch(restored, end->body));
    EXPECT_FALSE(restored.at({"metadata", "labels"}).contains(apis::kStableRevisionLabel));
}

// Of one that Kruise's manager began nobody has noted it.
TEST(AdvancedDaemonSet, AReleaseOfAnotherControllerCameFromTheVersionBefore) {
    Value object = daemon_set("v2");
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    EXPECT_EQ(stable_label(held(object, "v1")), "v1");
    EXPECT_EQ(stable_label(held(object, "v2")), "v1") << "also where all pods have the new one";
}

// Upstream's webhook panics.
TEST(AdvancedDaemonSet, IsHeldAlsoWithoutRollingUpdate) {
    for (char const* update : {R"({"type":"RollingUpdate"})", "{}"}) {
        Value old = daemon_set("v1");
        old.set({"spec", "updateStrategy"}, *json::parse_value(update));
        Value const stored = frozen(old, with_template(old, "v2"));
        EXPECT_EQ(stored.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int(), apis::kFrozenPartition);
        EXPECT_EQ(stored.at({"metadata", "annotations"})[apis::kInProgressingAnnotation].as_string(),
                  R"({"rolloutName":"web"})");
    }
}

// Its pods change as people delete them: there is nothing to hold.
TEST(AdvancedDaemonSet, ThatUpdatesOnDeleteIsLeftAlone) {
    Value old = daemon_set("v1");
    old.set({"spec", "updateStrategy"}, json::Object{{"type", "OnDelete"}});
    Value const next = with_template(old, "v2");
    EXPECT_EQ(frozen(old, next), next);
}

// The status is of the version that has come meanwhile.
TEST(AdvancedDaemonSet, WhatCameBeforeALateVersionIsTheOneThatItsPodsHad) {
    Value old = daemon_set("v1");
    old.set({"status", "daemonSetHash"}, "v2");
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    inputs.rollout = "web";
    inputs.revisions = {revision("v1", 1), revision("v2", 2)};
    Value next = daemon_set("v2");
    freeze_advanced_daemon_set(next, inputs);
    EXPECT_EQ(stable_label(next), "v1");
    EXPECT_EQ(stable_label(frozen(daemon_set("v1"), daemon_set("v2"))), "v1") << "without revisions its status says it";
}

}   // namespace
}   // namespace aviary::workload
