#include "member/workload/clone_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "kube/meta/object.h"
#include "member/workload/freeze.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;
using meta::IntOrPercent;

Value pod_template(std::string const& image) {
    Value result{json::Object()};
    result.set({"spec", "containers"}, json::Array{json::Object{{"name", "main"}, {"image", image}}});
    return result;
}

Value clone_set(std::string const& image, std::int64_t replicas, Value partition = 0) {
    Value object = *json::parse_value(
        R"({"metadata":{"name":"web","namespace":"demo","uid":"set","generation":3,"labels":{"rollouts.kruise.io/workload-type":"cloneset"}},
        "spec":{"updateStrategy":{"type":"ReCreate","maxSurge":1,"maxUnavailable":"30%"}},
        "status":{"observedGeneration":3,"currentRevision":"web-v1","updateRevision":"web-v1"}})");
    object.set({"spec", "replicas"}, replicas);
    object.set({"status", "replicas"}, replicas);
    object.set({"status", "updateRevision"}, "web-" + image);
    object.set({"spec", "template"}, pod_template(image));
    object.set({"spec", "updateStrategy", "partition"}, std::move(partition));
    return object;
}

Value in_release(Value object) {
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"br"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "v1");
    return object;
}

Doc revision(std::string const& image, std::int64_t number) {
    Value object{json::Object{{"revision", number}}};
    object.set({"metadata", "name"}, "web-" + image);
    object.set({"metadata", "namespace"}, "demo");
    Value kept = pod_template(image);
    kept["$patch"] = "replace";
    object.set({"data", "spec", "template"}, kept);
    return Doc::freeze(object);
}

std::vector<Doc> const kRevisions{revision("v1", 1), revision("v2", 2)};

Value pod(std::int64_t number, std::string const& image) {
    Value object = *json::parse_value(
        R"({"metadata":{"namespace":"demo"},"status":{"phase":"Running","startTime":"2026-01-01T00:00:00Z",
        "conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})");
    object.set({"metadata", "name"}, fmt::format("web-{}", number));
    object.set({"metadata", "labels", "controller-revision-hash"}, "web-" + image);
    object.set({"metadata", "labels", "pod-template-hash"}, image);
    return object;
}

std::vector<Doc> pods(std::int64_t old, std::int64_t updated) {
    std::vector<Doc> result;
    for (std::int64_t number = 0; number < old + updated; ++number)
        result.push_back(Doc::freeze(pod(number, number < old ? "v1" : "v2")));
    return result;
}

Value update(Value const& object, std::string_view field) { return object.at({"spec", "updateStrategy", field}); }

Doc const kBatchRelease =
    Doc::freeze(*json::parse_value(R"({"metadata":{"name":"web","namespace":"demo","uid":"br"}})"));
Time const kNow = *parse_rfc3339("2026-01-01T01:00:00Z");

std::unique_ptr<Workload> observe(Value const& object, std::vector<Doc> owned, std::string_view style = {}) {
    return observe_clone_set({Doc::freeze(object), kRevisions, std::move(owned)}, style, kNow);
}

Value frozen(Value const& old, Value next, bool from_controller = false) {
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    inputs.rollout = "web";
    inputs.from_controller = from_controller;
    freeze_clone_set(next, inputs);
    return next;
}

Value applied(Value object, std::vector<control::Write> const& writes) {
    for (control::Write const& write : writes) EXPECT_TRUE(json::apply_json_patch(object, write.body));
    return object;
}

TEST(CloneSetFreeze, ANewTemplateIsStoredWithAPartitionOfAll) {
    Value const old = clone_set("v1", 5, "20%");
    Value next = old;
    next.set({"spec", "template"}, pod_template("v2"));
    Value const held = frozen(old, next);
    EXPECT_EQ(update(held, "partition").as_string(), "100%");
    Value const& metadata = held["metadata"];
    EXPECT_EQ(metadata["labels"][apis::kStableRevisionLabel].as_string(), "v1");
    EXPECT_EQ(metadata["annotations"][apis::kInProgressingAnnotation].as_string(),
              R"({"rolloutName":"web","partition":"20%"})");
}

TEST(CloneSetFreeze, ThePartitionOfAReleaseThatHoldsItIsNotItsOwn) {
    Value old = clone_set("v1", 5, "20%");
    old.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"name":"web","uid":"br"})");
    Value next = old;
    next.set({"spec", "template"}, pod_template("v2"));
    Value const held = frozen(old, next);
    EXPECT_EQ(update(held, "partition").as_string(), "100%");
    EXPECT_EQ(held.at({"metadata", "annotations", apis::kInProgressingAnnotation}).as_string(),
              R"({"rolloutName":"web"})");
}

// The CloneSet says what it ran before until the last pod of that has gone: a release that is over is what counts.
TEST(CloneSetFreeze, TheVersionOfAReleaseThatIsOverIsTheStableOne) {
    Value old = clone_set("v2", 5);
    old.set({"status", "currentRevision"}, "web-v1");
    old.set({"status", "updateRevision"}, "web-v2");
    Value next = old;
    next.set({"spec", "template"}, pod_template("v3"));
    auto const stable = [&](std::string brought) {
        Value object = next;
        freeze_clone_set(object, {.old = Doc::freeze(old), .rollout = "web", .brought = std::move(brought)});
        return object.at({"metadata", "labels", apis::kStableRevisionLabel}).string();
    };
    EXPECT_EQ(stable("v2"), "v2");
    EXPECT_EQ(stable("v1"), "v1") << "v2 came some other way";
    EXPECT_EQ(stable(""), "v1") << "the release of v2 is not over";
}

// Nothing to go back to, before another template comes.
TEST(CloneSetFreeze, ANewRolloutIdAloneStartsAReleaseThatCameFromNowhere) {
    Value next = clone_set("v1", 5);
    next.set({"metadata", "annotations", apis::kRolloutIdLabel}, "2");
    Value held = frozen(clone_set("v1", 5), next);
    EXPECT_EQ(update(held, "partition").as_string(), "100%");
    EXPECT_TRUE(held.at({"metadata", "labels"})[apis::kStableRevisionLabel].is_null());
    next = held;
    next.set({"spec", "template"}, pod_template("v2"));
    EXPECT_EQ(frozen(held, next).at({"metadata", "labels", apis::kStableRevisionLabel}).as_string(), "v1");
}

TEST(CloneSetFreeze, OtherWritesPass) {
    Value const old = clone_set("v1", 5);
    Value next = old;
    next.set({"spec", "replicas"}, 7);
    EXPECT_EQ(frozen(old, next), next);
    next.set({"spec", "template"}, pod_template("v2"));
    Value zero = next;
    zero.set({"spec", "replicas"}, 0);
    EXPECT_EQ(frozen(old, zero), zero);
    Value none = old;
    none.set({"status", "replicas"}, 0);
    EXPECT_EQ(frozen(none, next), next);
}

TEST(CloneSetFreeze, NobodyLiftsItButTheController) {
    Value const old = in_release(clone_set("v2", 5, 4));
    struct Case {
        char const* what;
        std::initializer_list<std::string_view> path;
        Value value, partition;
        char const* note;
    };
    for (Case const& each : std::initializer_list<Case>{
             {"the partition", {"spec", "updateStrategy", "partition"}, "10%", 4, R"("partition":"10%")"},
             {"paused", {"spec", "updateStrategy", "paused"}, true, 4, ""},
             {"growing", {"spec", "replicas"}, 8, 8, ""},
             {"shrinking", {"spec", "replicas"}, 3, 4, ""},
             {"the marks", {"metadata", "annotations"}, nullptr, 4, ""},
             {"a third version", {"spec", "template"}, pod_template("v3"), "100%", ""}}) {
        Value next = old;
        next.set(each.path, each.value);
        Value const held = frozen(old, next);
        EXPECT_EQ(update(held, "partition"), each.partition) << each.what;
        EXPECT_FALSE(update(held, "paused").as_bool()) << each.what;
        std::string const note = held["metadata"]["annotations"][apis::kInProgressingAnnotation].string();
        EXPECT_NE(note.find(R"("rolloutName":"web")"), std::string::npos) << each.what;
        EXPECT_NE(note.find(each.note), std::string::npos) << each.what;
    }
    Value lowered = old;
    lowered.set({"spec", "updateStrategy", "partition"}, 2);
    EXPECT_EQ(update(frozen(old, lowered, true), "partition"), Value(2));
}

TEST(CloneSetFacts, PodsAreToldApartByTheShortRevision) {
    auto const workload = observe(in_release(clone_set("v2", 5, 3)), pods(3, 2));
    Facts const& facts = workload->facts();
    EXPECT_EQ(facts.stable_revision, "v1");
    EXPECT_EQ(facts.unit_revision, "v2");
    EXPECT_EQ(facts.updated, 2);
    EXPECT_EQ(facts.updated_ready, 2);
    EXPECT_EQ(facts.outdated, 3);
    EXPECT_EQ(facts.stable, 3);
    EXPECT_TRUE(facts.settled);
    EXPECT_FALSE(facts.rolled_back);
    EXPECT_TRUE(workload->is_current("v2"));
    EXPECT_TRUE(observe(in_release(clone_set("v1", 5, 3)), pods(3, 2))->facts().rolled_back);
}

// The CloneSet's controller takes what has served for the shortest time first, whatever its version.
TEST(CloneSetFacts, TellsHowManyOfTheStableVersionAStepLeaves) {
    auto const at = [](std::int64_t number, std::string const& image, int minute, bool ready = true) {
        Value object = pod(number, image);
        object.set({"status", "conditions"},
                   json::Array{json::Object{{"type", "Ready"},
                                            {"status", ready ? "True" : "False"},
                                            {"lastTransitionTime", fmt::format("2026-01-01T00:{:02}:00Z", minute)}}});
        return Doc::freeze(object);
    };
    Value const set = in_release(clone_set("v3", 5, 5));
    auto const natural = observe(set, {at(0, "v1", 1), at(1, "v1", 2), at(2, "v2", 3), at(3, "v2", 4), at(4, "v2", 5)});
    EXPECT_EQ(natural->stable_left(3), 2);
    EXPECT_EQ(natural->stable_left(4), 1);
    auto const replaced =
        observe(set, {at(0, "v1", 8), at(1, "v1", 9), at(2, "v2", 3), at(3, "v2", 4), at(4, "v2", 5)});
    EXPECT_EQ(replaced->stable_left(1), 1);
    EXPECT_EQ(replaced->stable_left(2), 0);
    auto const broken =
        observe(set, {at(0, "v1", 8), at(1, "v1", 9), at(2, "v2", 3, false), at(3, "v2", 4, false), at(4, "v3", 5)});
    EXPECT_EQ(broken->stable_left(3), 2);
    EXPECT_EQ(broken->stable_left(4), 1);
}

// Not noted, the stable version is what the status says, and it was put back where pods of another one are left.
TEST(CloneSetFacts, ScaledUpAStepLeavesTheStablePodsThatThereAre) {
    auto const scaled = observe(in_release(clone_set("v2", 10, "50%")), pods(2, 2));
    EXPECT_EQ(scaled->stable_left(5), 2);
    EXPECT_EQ(scaled->stable_left(9), 1);
    EXPECT_EQ(scaled->stable_left(10), 0);
}

TEST(CloneSetFacts, TheTemplateThatAllPodsHaveIsReleasedAgain) {
    Value object = in_release(clone_set("v1", 5, "100%"));
    EXPECT_TRUE(observe(object, pods(5, 0))->facts().rolled_back);
    object["metadata"]["labels"].erase(apis::kStableRevisionLabel);
    auto const again = observe(object, pods(5, 0));
    EXPECT_FALSE(again->facts().rolled_back);
    EXPECT_EQ(again->facts().stable_revision, "v1");
    Value const held = applied(object, again->hold(kBatchRelease, IntOrPercent{20, true}));
    EXPECT_EQ(update(held, "partition").as_string(), "80%");
    EXPECT_TRUE(held.at({"metadata", "labels"})[apis::kStableRevisionLabel].is_null());
    EXPECT_TRUE(observe(object, pods(3, 2))->facts().rolled_back);
}

// It has the new revision's label before its containers are changed.
TEST(CloneSetFacts, APodThatIsChangedInItsPlaceIsNotReady) {
    Value changing = pod(1, "v2");
    changing["status"]["conditions"].push_back(
        json::Object{{"type", "InPlaceUpdateReady"}, {"status", "False"}, {"reason", "StartInPlaceUpdate"}});
    auto const workload =
        observe(in_release(clone_set("v2", 2, 1)), {Doc::freeze(pod(0, "v1")), Doc::freeze(changing)});
    EXPECT_EQ(workload->facts().updated, 1);
    EXPECT_EQ(workload->facts().updated_ready, 0);
    auto const waits = workload->obstacles();
    ASSERT_EQ(waits.size(), 1u);
    EXPECT_NE(waits.front().message.find("web-1"), std::string::npos) << waits.front().message;
    EXPECT_NE(waits.front().message.find("in its place"), std::string::npos) << waits.front().message;
}

TEST(CloneSetHold, LeavesPodsToTheStableVersion) {
    struct Case {
        std::int64_t replicas;
        IntOrPercent step;
        Value partition;
    };
    for (Case const& each : std::initializer_list<Case>{{5, {20, true}, "80%"},
                                                        {3, {33, true}, "66%"},
                                                        {10, {100, true}, "0%"},
                                                        {150, {33, true}, 100},   // 66 % leave 99
                                                        {0, {50, true}, "100%"},
                                                        {5, IntOrPercent::count(2), 3}}) {
        Value object = clone_set("v2", each.replicas, "100%");
        object.set({"spec", "updateStrategy", "paused"}, true);
        Value const held = applied(object, observe(object, pods(each.replicas, 0))->hold(kBatchRelease, each.step));
        EXPECT_EQ(update(held, "partition"), each.partition) << each.replicas << " " << each.step.to_string();
        EXPECT_FALSE(update(held, "paused").as_bool());
        EXPECT_EQ(update(held, "maxSurge"), Value(1)) << "its own";
    }
}

TEST(CloneSetHold, GivesItsOwnPartitionBack) {
    Value object = in_release(clone_set("v2", 5, "80%"));
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation},
               R"({"rolloutName":"web","partition":"20%"})");
    auto const workload = observe(object, pods(4, 1));
    auto const end = workload->restore({});
    ASSERT_TRUE(end);
    Value const restored = applied(object, {*end});
    EXPECT_EQ(update(restored, "partition").as_string(), "20%");
    EXPECT_EQ(restored.at({"metadata", "annotations"}).size(), 0u);
    auto const kept = workload->restore({.keep_frozen = true, .stable_revision = "v2"});
    ASSERT_TRUE(kept);
    Value const next = applied(object, {*kept});
    EXPECT_EQ(update(next, "partition").as_string(), "100%");
    EXPECT_EQ(next["metadata"]["labels"][apis::kStableRevisionLabel].as_string(), "v2");

    for (auto const& [how, partition, image] :
         {std::tuple(Leaving::kHold, "80%", "v2"), std::tuple(Leaving::kRelease, "20%", "v2"),
          std::tuple(Leaving::kRollback, "20%", "v1")}) {
        auto const writes = workload->leave(how);
        ASSERT_TRUE(writes);
        Value const left = applied(object, *writes);
        EXPECT_EQ(update(left, "partition").as_string(), partition);
        EXPECT_EQ(left.at({"spec", "template"}), pod_template(image));
    }
}

// Ten pods of v1, and v2 has come.
Value before_its_first_step() {
    Value const old = clone_set("v1", 10);
    Value next = old;
    next.set({"spec", "template"}, pod_template("v2"));
    next.set({"status", "updateRevision"}, "web-v2");
    return frozen(old, next);
}

TEST(CloneSetBlueGreen, SurgesAndGivesItsSettingsBack) {
    Value object = before_its_first_step();
    auto const begun = observe(object, pods(10, 0), apis::batch::kBlueGreenStyle);
    EXPECT_TRUE(begun->facts().restarts);
    object = applied(object, begun->hold(kBatchRelease, {50, true}));
    EXPECT_EQ(update(object, "partition"), Value(0));
    EXPECT_EQ(update(object, "maxSurge").as_string(), "50%");
    EXPECT_EQ(update(object, "maxUnavailable"), Value(0));
    EXPECT_EQ(object.at({"spec", "minReadySeconds"}).as_int(), 2'147'483'646);
    EXPECT_EQ(object["metadata"]["annotations"][apis::kOriginalDeploymentStrategyAnnotation].as_string(),
              R"({"maxUnavailable":"30%","maxSurge":1,"minReadySeconds":0,"progressDeadlineSeconds":600})");
    auto const half = observe(object, pods(10, 5));
    EXPECT_FALSE(half->facts().restarts);
    EXPECT_TRUE(half->facts().settled);
    EXPECT_EQ(half->facts().updated_ready, 5);
    EXPECT_TRUE(half->hold(kBatchRelease, {50, true}).empty());
    EXPECT_TRUE(half->hold(kBatchRelease, {20, true}).empty()) << "it only ever has more";
    EXPECT_FALSE(observe(object, pods(10, 4))->facts().settled);
    EXPECT_FALSE(observe(object, pods(10, 6))->facts().settled) << "one too many";
    EXPECT_FALSE(half->leave(Leaving::kHold)) << "two versions";

    auto const end = half->restore({});
    ASSERT_TRUE(end);
    Value const restored = applied(object, {*end});
    EXPECT_EQ(update(restored, "maxSurge"), Value(1));
    EXPECT_EQ(update(restored, "maxUnavailable").as_string(), "30%");
    EXPECT_TRUE(restored.at({"spec", "minReadySeconds"}).is_null());
    EXPECT_EQ(restored.at({"metadata", "annotations"}).size(), 0u);
    auto const kept = half->restore({.keep_frozen = true, .stable_revision = {}});
    ASSERT_TRUE(kept);
    Value const waiting = applied(object, {*kept});
    EXPECT_EQ(update(waiting, "partition").as_string(), "100%");
    EXPECT_EQ(update(waiting, "maxSurge"), Value(1));
}

// It was replacing pods by itself when the release began; and makes no old ones any more.
TEST(CloneSetBlueGreen, IsSettledWhereAnOldPodWasOnItsWay) {
    Value object = before_its_first_step();
    object =
        applied(object, observe(object, pods(9, 0), apis::batch::kBlueGreenStyle)->hold(kBatchRelease, {100, true}));
    EXPECT_FALSE(observe(object, pods(9, 4))->facts().settled) << "new ones are to come";
    EXPECT_TRUE(observe(object, pods(9, 10))->facts().settled);
    EXPECT_TRUE(observe(object, pods(10, 10))->facts().settled);
}

TEST(CloneSetBlueGreen, WhatHoldsItStaysAndWhatIsAskedForComesAtTheEnd) {
    Value old = clone_set("v1", 10, "100%");
    old.set({"spec", "template"}, pod_template("v2"));
    old = in_release(old);
    old = applied(old, observe(old, pods(10, 0), apis::batch::kBlueGreenStyle)->hold(kBatchRelease, {50, true}));
    Value next = old;
    next.set({"spec", "updateStrategy"}, *json::parse_value(R"({"type":"InPlaceIfPossible","maxSurge":3})"));
    next.set({"spec", "minReadySeconds"}, 7);
    next.set({"spec", "replicas"}, 12);
    next["metadata"].erase("annotations");
    Value const held = frozen(old, next);
    EXPECT_EQ(update(held, "maxSurge").as_string(), "50%");
    EXPECT_EQ(update(held, "maxUnavailable"), Value(0));
    EXPECT_EQ(update(held, "type").as_string(), "ReCreate");
    EXPECT_EQ(update(held, "partition"), Value(0)) << "or it would take new pods away";
    EXPECT_EQ(held.at({"spec", "minReadySeconds"}).as_int(), 2'147'483'646);
    auto const end = observe(held, pods(10, 5))->restore({});
    ASSERT_TRUE(end);
    Value const restored = applied(held, {*end});
    EXPECT_EQ(update(restored, "maxSurge"), Value(3));
    EXPECT_EQ(update(restored, "maxUnavailable").as_string(), "30%");
    EXPECT_EQ(restored.at({"spec", "minReadySeconds"}).as_int(), 7);
    Value third = old;
    third.set({"spec", "template"}, pod_template("v3"));
    EXPECT_EQ(update(frozen(old, third), "partition").as_string(), "100%");
}

TEST(CloneSetBlueGreen, WaitsWhereItCannotBe) {
    Value object = in_release(clone_set("v2", 10, "100%"));
    object.set({"spec", "updateStrategy", "type"}, "InPlaceOnly");
    auto const in_place = observe(object, pods(10, 0), apis::batch::kBlueGreenStyle);
    EXPECT_TRUE(in_place->hold(kBatchRelease, {50, true}).empty());
    ASSERT_FALSE(in_place->obstacles().empty());
    EXPECT_NE(in_place->obstacles().front().message.find("InPlaceOnly"), std::string::npos);
    NativeSetInputs inputs{Doc::freeze(in_release(clone_set("v2", 10, "100%"))), kRevisions, pods(10, 0)};
    inputs.autoscalers_unread = "forbidden";
    auto const unread = observe_clone_set(inputs, apis::batch::kBlueGreenStyle, kNow);
    EXPECT_TRUE(unread->hold(kBatchRelease, {50, true}).empty());
    ASSERT_FALSE(unread->obstacles().empty());
    EXPECT_NE(unread->obstacles().front().message.find("forbidden"), std::string::npos);
}

TEST(CloneSetBlueGreen, AutoscalersAreOffMeanwhile) {
    Value scaler = *json::parse_value(
        R"({"metadata":{"name":"web","namespace":"demo"},"spec":{"scaleTargetRef":{"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet","name":"web"}}})");
    EXPECT_EQ(scaled_workload(Doc::freeze(scaler)), "demo/CloneSet.apps.kruise.io/web");
    NativeSetInputs inputs{Doc::freeze(in_release(clone_set("v2", 10, "100%"))), kRevisions, pods(10, 0)};
    inputs.autoscalers = {Doc::freeze(scaler)};
    auto const writes = observe_clone_set(inputs, apis::batch::kBlueGreenStyle, kNow)->hold(kBatchRelease, {50, true});
    ASSERT_EQ(writes.size(), 2u);
    ASSERT_TRUE(json::apply_json_patch(scaler, writes.front().body));
    EXPECT_EQ(scaler.at({"spec", "scaleTargetRef", "name"}).as_string(), "web-DisableByRollout");
    EXPECT_EQ(scaled_workload(Doc::freeze(scaler)), "demo/CloneSet.apps.kruise.io/web");
    inputs.autoscalers = {Doc::freeze(scaler)};
    ASSERT_EQ(tidy_set(inputs).size(), 1u);
    ASSERT_TRUE(json::apply_json_patch(scaler, tidy_set(inputs).front().body));
    EXPECT_EQ(scaler.at({"spec", "scaleTargetRef", "name"}).as_string(), "web");
}

// Kruise's controller keeps a percentage of pods rounded up, and one that is not "100%" leaves a pod to the new
// version.
TEST(CloneSetLaw, ThePartitionLeavesTheStepsShareToTheNewVersion) {
    bool const held = rc::check([] {
        std::int64_t const replicas = *rc::gen::inRange<std::int64_t>(1, 400);
        IntOrPercent const step{*rc::gen::inRange<std::int64_t>(0, 101), true};
        auto const workload = observe(clone_set("v2", replicas, "100%"), {});
        Value const object = applied(clone_set("v2", replicas, "100%"), workload->hold(kBatchRelease, step));
        auto const partition = IntOrPercent::from(Doc::freeze(update(object, "partition")));
        RC_ASSERT(partition.has_value());
        std::int64_t kept = partition->scaled(replicas, true);
        if (partition->percent && partition->value < 100 && replicas > 1) kept = std::min(kept, replicas - 1);
        RC_ASSERT(replicas - kept == workload->share_of(step));
    });
    EXPECT_TRUE(held);
}

}   // namespace
}   // namespace aviary::workload
