#include "member/workload/stateful_set.h"

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

Value stateful_set(std::string const& image, std::int64_t replicas, std::int64_t partition = 0) {
    Value object = *json::parse_value(
        R"({"metadata":{"name":"web","namespace":"demo","uid":"set","generation":3,"labels":{"rollouts.kruise.io/workload-type":"statefulset"}},
        "spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}}},
        "status":{"observedGeneration":3,"currentRevision":"web-v1","updateRevision":"web-v1"}})");
    object.set({"spec", "replicas"}, replicas);
    object.set({"status", "replicas"}, replicas);
    object.set({"status", "updateRevision"}, "web-" + image);
    object.set({"spec", "template"}, pod_template(image));
    object.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, partition);
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

Doc pod(std::int64_t ordinal, std::string const& image) {
    Value object = *json::parse_value(
        R"({"metadata":{"namespace":"demo"},"status":{"phase":"Running","startTime":"2026-01-01T00:00:00Z",
        "conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})");
    object.set({"metadata", "name"}, fmt::format("web-{}", ordinal));
    object.set({"metadata", "labels", "controller-revision-hash"}, "web-" + image);
    return Doc::freeze(object);
}

std::int64_t partition_of(Value const& object) {
    return object.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int(-1);
}

Doc const kBatchRelease =
    Doc::freeze(*json::parse_value(R"({"metadata":{"name":"web","namespace":"demo","uid":"br"}})"));

Time const kNow = *parse_rfc3339("2026-01-01T01:00:00Z");

Value frozen(Value const& old, Value next, bool from_controller = false) {
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    inputs.rollout = "web";
    inputs.from_controller = from_controller;
    freeze_stateful_set(next, inputs);
    return next;
}

Value applied(Value object, std::vector<control::Write> const& writes) {
    for (control::Write const& write : writes) EXPECT_TRUE(json::apply_json_patch(object, write.body));
    return object;
}

TEST(StatefulSetFreeze, ANewTemplateIsStoredWithAPartitionAboveEveryOrdinal) {
    Value const old = stateful_set("v1", 5, 2);
    Value next = old;
    next.set({"spec", "template"}, pod_template("v2"));
    Value const held = frozen(old, next);
    EXPECT_EQ(partition_of(held), apis::kFrozenPartition);
    Value const& metadata = held["metadata"];
    EXPECT_EQ(metadata["labels"][apis::kStableRevisionLabel].as_string(), "web-v1");
    EXPECT_EQ(metadata["annotations"][apis::kInProgressingAnnotation].as_string(),
              R"({"rolloutName":"web","partition":2})");
}

TEST(StatefulSetFreeze, ANewRolloutIdAloneStartsAReleaseThatCameFromNowhere) {
    Value old = stateful_set("v1", 5);
    Value next = old;
    next.set({"metadata", "annotations", apis::kRolloutIdLabel}, "2");
    Value held = frozen(old, next);
    EXPECT_EQ(partition_of(held), apis::kFrozenPartition);
    EXPECT_TRUE(held.at({"metadata", "labels"})[apis::kStableRevisionLabel].is_null());
    auto const pods = std::vector{pod(0, "v1"), pod(1, "v1")};
    auto const again = observe_stateful_set({Doc::freeze(held), {revision("v1", 1)}, pods}, kNow);
    EXPECT_FALSE(again->facts().rolled_back);
    next = held;
    next.set({"spec", "template"}, pod_template("v2"));
    EXPECT_EQ(frozen(held, next).at({"metadata", "labels", apis::kStableRevisionLabel}).as_string(), "web-v1");
}

TEST(StatefulSetFreeze, OtherWritesPass) {
    Value const old = stateful_set("v1", 5);
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
    Value on_delete = old;
    on_delete.set({"spec", "updateStrategy"}, json::Object{{"type", "OnDelete"}});
    Value changed = on_delete;
    changed.set({"spec", "template"}, pod_template("v2"));
    EXPECT_EQ(frozen(on_delete, changed), changed);
}

// Of kinds that are like StatefulSets.
TEST(StatefulSets, PodsMayHaveAHashAloneAndNamesWithoutOrdinals) {
    auto const named = [](char const* suffix, std::string const& hash) {
        Value object = pod(0, hash).thaw();
        object.set({"metadata", "name"}, fmt::format("web-{}", suffix));
        object.set({"metadata", "labels"}, json::Object{{"pod-template-hash", hash}});
        return Doc::freeze(object);
    };
    Value set = stateful_set("v2", 5, 4);
    set.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    set.set({"metadata", "labels", apis::kStableRevisionLabel}, "web-v1");
    std::vector<Doc> const pods{named("x7k2p", "v1"), named("b4d9f", "v2"), named("c5h8j", "v1"), named("m2n6q", "v1"),
                                named("t9w3z", "v1")};
    auto const seen = observe_stateful_set({Doc::freeze(set), {}, pods}, kNow);
    EXPECT_EQ(seen->facts().stable_revision, "v1");
    EXPECT_EQ(seen->facts().unit_revision, "v2");
    EXPECT_EQ(seen->facts().updated, 1);
    EXPECT_EQ(seen->facts().outdated, 4);
    EXPECT_EQ(seen->facts().stable, 4);
    // Whichever go first.
    EXPECT_EQ(partition_of(applied(set, seen->hold(kBatchRelease, IntOrPercent(2)))), 3);
    set.set({"status", "updateRevision"}, "web-v1");   // put back
    EXPECT_TRUE(observe_stateful_set({Doc::freeze(set), {}, pods}, kNow)->facts().rolled_back);
}

TEST(StatefulSetFreeze, NobodyLiftsItButTheController) {
    Value old = stateful_set("v2", 5, 4);
    old.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    old.set({"metadata", "labels", apis::kStableRevisionLabel}, "web-v1");
    struct Case {
        char const* what;
        std::initializer_list<std::string_view> path;
        Value value;
        std::int64_t partition;
        char const* note;
    };
    for (Case const& each : std::initializer_list<Case>{
             {"the partition", {"spec", "updateStrategy", "rollingUpdate", "partition"}, 1, 4, R"("partition":1)"},
             {"the type", {"spec", "updateStrategy"}, json::Object{{"type", "OnDelete"}}, 4, ""},
             {"growing", {"spec", "replicas"}, 8, 8, ""},
             {"shrinking", {"spec", "replicas"}, 3, 4, ""},
             {"the marks", {"metadata", "annotations"}, nullptr, 4, ""},
             {"a third version", {"spec", "template"}, pod_template("v3"), apis::kFrozenPartition, ""}}) {
        Value next = old;
        next.set(each.path, each.value);
        Value const held = frozen(old, next);
        EXPECT_EQ(partition_of(held), each.partition) << each.what;
        EXPECT_EQ(held.at({"spec", "updateStrategy", "type"}).as_string(), "RollingUpdate") << each.what;
        std::string const note = held["metadata"]["annotations"][apis::kInProgressingAnnotation].string();
        EXPECT_NE(note.find(R"("rolloutName":"web")"), std::string::npos) << each.what;
        EXPECT_NE(note.find(each.note), std::string::npos) << each.what;
        EXPECT_EQ(held["metadata"]["labels"][apis::kStableRevisionLabel].as_string(), "web-v1") << each.what;
    }
    Value lowered = old;
    lowered.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 2);
    EXPECT_EQ(partition_of(frozen(old, lowered, true)), 2);
}

// Once every pod has it, the status names the new version as the current one.
TEST(StatefulSetFacts, TheStableVersionIsTheOneTheReleaseBeganFrom) {
    Value object = stateful_set("v1", 2);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "web-v1");
    object.set({"status", "currentRevision"}, "web-v2");
    auto const workload = observe_stateful_set(
        {Doc::freeze(object), {revision("v1", 3), revision("v2", 2)}, {pod(0, "v2"), pod(1, "v2")}}, kNow);
    EXPECT_TRUE(workload->facts().rolled_back);
    EXPECT_EQ(workload->facts().stable_revision, "web-v1");
    EXPECT_EQ(workload->facts().outdated, 2);
    EXPECT_TRUE(workload->is_current("web-v1"));
    EXPECT_FALSE(workload->is_current("web-v2"));
}

TEST(StatefulSetFacts, TellAStablePodThatIsReadyIfAnyIs) {
    Value object = stateful_set("v2", 3);
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "web-v1");
    Value unready = pod(2, "v1").thaw();
    unready.set({"status", "conditions"}, json::Array());
    auto const pods = std::vector{pod(0, "v2"), pod(1, "v1"), Doc::freeze(unready)};
    auto const some = observe_stateful_set({Doc::freeze(object), {revision("v1", 1), revision("v2", 2)}, pods}, kNow);
    EXPECT_EQ(some->facts().stable_pod, pods[1]);
    auto const seen = [&](std::vector<Doc> const& those) {
        return observe_stateful_set({Doc::freeze(object), {revision("v1", 1), revision("v2", 2)}, those}, kNow)
            ->facts()
            .stable_pod;
    };
    EXPECT_EQ(seen({pods[0], pods[2], pods[1]}), pods[1]);
    EXPECT_EQ(seen({pods[0], pods[2]}), pods[2]);
    EXPECT_FALSE(seen({pods[0]}).exists());
}

TEST(StatefulSetFacts, AVersionIsTheSameBeforeAndAfterItsRevisionIsThere) {
    Value object = stateful_set("v2", 1, apis::kFrozenPartition);
    object.set({"status", "observedGeneration"}, 2);
    NativeSetInputs inputs{Doc::freeze(object), {revision("v1", 1)}, {pod(0, "v1")}};
    auto const early = observe_stateful_set(inputs, kNow);
    EXPECT_FALSE(early->facts().settled);
    std::string const noted = early->facts().update_revision;
    EXPECT_NE(noted, "web-v1");
    inputs.revisions.push_back(revision("v2", 2));
    EXPECT_TRUE(observe_stateful_set(inputs, kNow)->is_current(noted));
    EXPECT_TRUE(observe_stateful_set(inputs, kNow)->is_current("web-v2"));
}

TEST(StatefulSetHold, GivesItsOwnPartitionBack) {
    Value object = stateful_set("v2", 5, 3);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web","partition":2})");
    object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"br"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "web-v1");
    auto const workload = observe_stateful_set({Doc::freeze(object), {revision("v1", 1), revision("v2", 2)}, {}}, kNow);
    auto const end = workload->restore({});
    ASSERT_TRUE(end);
    Value const restored = applied(object, {*end});
    EXPECT_EQ(partition_of(restored), 2);
    EXPECT_TRUE(restored.at({"metadata", "annotations"})[apis::kInProgressingAnnotation].is_null());
    auto const kept = workload->restore({.keep_frozen = true, .stable_revision = "web-v2"});
    ASSERT_TRUE(kept);
    Value const next = applied(object, {*kept});
    EXPECT_EQ(partition_of(next), apis::kFrozenPartition);
    EXPECT_EQ(next["metadata"]["labels"][apis::kStableRevisionLabel].as_string(), "web-v2");

    for (auto const& [how, partition, image] :
         {std::tuple(Leaving::kHold, 3, "v2"), std::tuple(Leaving::kRelease, 2, "v2"),
          std::tuple(Leaving::kRollback, 2, "v1")}) {
        auto const writes = workload->leave(how);
        ASSERT_TRUE(writes);
        Value const left = applied(object, *writes);
        EXPECT_EQ(partition_of(left), partition);
        EXPECT_EQ(left.at({"spec", "template"}), pod_template(image));
    }

    auto const back = workload->take_back("");
    ASSERT_TRUE(back);
    Value const taken = applied(object, {*back});
    EXPECT_EQ(partition_of(taken), apis::kFrozenPartition);
    EXPECT_EQ(taken.at({"spec", "template"}), pod_template("v1"));
    EXPECT_EQ(taken.at({"metadata", "annotations"}), object.at({"metadata", "annotations"}));
}

// Whichever pods have the new version already: those that a partition lets be updated and they are no more than the
// share, as long as they are not more without it.
// A pod that is gone for a moment comes back with the stable version, wherever it is.
TEST(StatefulSetHold, APodThatIsGoneForAMomentBringsNoOtherBackEarly) {
    Value object = stateful_set("v1", 10, 9);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "web-v1");
    std::vector<Doc> pods;
    for (std::int64_t ordinal = 0; ordinal < 10; ++ordinal)
        if (ordinal != 2) pods.push_back(pod(ordinal, ordinal < 5 || ordinal == 9 ? "v1" : "v2"));
    auto const held = [&] {
        auto const workload =
            observe_stateful_set({Doc::freeze(object), {revision("v1", 1), revision("v2", 2)}, pods}, kNow);
        EXPECT_TRUE(workload->facts().rolled_back);
        return partition_of(applied(object, workload->hold(kBatchRelease, IntOrPercent::count(6))));
    };
    EXPECT_EQ(held(), 9) << "five that had it, and one that was put back";
    pods.push_back(pod(2, "v1"));
    EXPECT_EQ(held(), 9);
    // One that has come back with it before its turn counts, too.
    std::erase_if(pods, [](Doc const& each) { return meta::name(each) == "web-6"; });
    EXPECT_EQ(held(), 10);
}

TEST(StatefulSetLaw, NoMorePodsThanTheShareAreUpdated) {
    bool const held = rc::check([] {
        std::int64_t const replicas = *rc::gen::inRange<std::int64_t>(0, 12);
        std::int64_t const share = *rc::gen::inRange<std::int64_t>(0, replicas + 1);
        std::vector<Doc> pods;
        std::int64_t there = 0;
        for (std::int64_t ordinal = 0; ordinal < replicas; ++ordinal) {
            bool const updated = *rc::gen::inRange(0, 3) == 0;
            there += updated ? 1 : 0;
            pods.push_back(pod(ordinal, updated ? "v2" : "v1"));
        }
        Value object = stateful_set("v2", replicas, apis::kFrozenPartition);
        auto const workload =
            observe_stateful_set({Doc::freeze(object), {revision("v1", 1), revision("v2", 2)}, pods}, kNow);
        object = applied(object, workload->hold(kBatchRelease, IntOrPercent::count(share)));
        std::int64_t const partition = partition_of(object);
        std::int64_t result = 0;
        for (std::int64_t ordinal = 0; ordinal < replicas; ++ordinal) {
            bool const was =
                meta::label(pods[static_cast<std::size_t>(ordinal)], "controller-revision-hash") == "web-v2";
            result += was || ordinal >= partition ? 1 : 0;
        }
        RC_ASSERT(result == std::max(share, there));
        RC_ASSERT(share > 0 || partition == apis::kFrozenPartition);
    });
    EXPECT_TRUE(held);
}

}   // namespace
}   // namespace aviary::workload
