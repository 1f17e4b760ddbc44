#include "member/workload/leader_worker_set.h"

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

Time const kNow = *parse_rfc3339("2026-01-01T01:00:00Z");
Doc const kBatchRelease =
    Doc::freeze(*json::parse_value(R"({"metadata":{"name":"web","namespace":"demo","uid":"br"}})"));

Value groups_template(std::string const& image) {
    Value result = *json::parse_value(R"({"size":3})");
    result.set({"workerTemplate", "spec", "containers"}, json::Array{json::Object{{"name", "main"}, {"image", image}}});
    return result;
}

Value set_of(std::string const& image, std::int64_t replicas, std::int64_t partition = 0) {
    Value object = *json::parse_value(
        R"({"kind":"LeaderWorkerSet","metadata":{"name":"web","namespace":"demo","uid":"set","generation":3,
        "labels":{"rollouts.kruise.io/workload-type":"leaderworkerset"}},
        "spec":{"networkConfig":{"subdomainPolicy":"Shared"},"rolloutStrategy":{"type":"RollingUpdate"}}})");
    object.set({"spec", "replicas"}, replicas);
    object.set({"status", "replicas"}, replicas);
    object.set({"status", "updatedReplicas"}, replicas);
    object.set({"spec", "leaderWorkerTemplate"}, groups_template(image));
    object.set({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}, partition);
    return object;
}

// As its controller writes it down: with what it has filled in.
Doc revision(std::string const& image, std::int64_t number) {
    Value object{json::Object{{"revision", number}}};
    object.set({"metadata", "name"}, fmt::format("web-{}-{}", image, number));
    object.set({"metadata", "labels", kGroupRevisionLabel}, image);
    Value kept = groups_template(image);
    kept["$patch"] = "replace";
    kept.set({"workerTemplate", "metadata", "creationTimestamp"}, nullptr);
    kept["workerTemplate"]["spec"]["containers"].make_array().front()["resources"] = json::Object();
    object.set({"data", "spec", "leaderWorkerTemplate"}, std::move(kept));
    object.set({"data", "spec", "networkConfig"},
               *json::parse_value(R"({"subdomainPolicy":"Shared","$patch":"replace"})"));
    return Doc::freeze(object);
}

// The leader is worker 0.
Doc pod(std::int64_t group, std::int64_t worker, std::string const& image, bool ready = true) {
    Value object = *json::parse_value(
        R"({"metadata":{"namespace":"demo"},"spec":{},"status":{"phase":"Running","startTime":"2026-01-01T00:00:00Z"}})");
    std::string const leader = fmt::format("web-{}", group);
    object.set({"metadata", "name"}, worker == 0 ? leader : fmt::format("{}-{}", leader, worker));
    object.set({"metadata", "labels", kGroupSetLabel}, "web");
    object.set({"metadata", "labels", kGroupRevisionLabel}, image);
    object.set({"metadata", "labels", "leaderworkerset.sigs.k8s.io/group-index"}, std::to_string(group));
    object.set({"metadata", "labels", "leaderworkerset.sigs.k8s.io/worker-index"}, std::to_string(worker));
    object.set({"metadata", "ownerReferences"},
               json::Array{json::Object{
                   {"kind", "StatefulSet"}, {"name", worker == 0 ? "web" : leader}, {"controller", true}}});
    object.set({"status", "conditions"}, json::Array{json::Object{{"type", "Ready"},
                                                                  {"status", ready ? "True" : "False"},
                                                                  {"lastTransitionTime", "2026-01-01T00:00:00Z"}}});
    return Doc::freeze(object);
}

std::vector<Doc> group(std::int64_t index, std::string const& image) {
    return {pod(index, 0, image), pod(index, 1, image), pod(index, 2, image)};
}
void add(std::vector<Doc>& pods, std::vector<Doc> more) {
    for (Doc& each : more) pods.push_back(std::move(each));
}

std::int64_t partition_of(Value const& object) {
    return object.at({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}).as_int(-1);
}

Value frozen(Value const& old, Value next, bool from_controller = false) {
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    inputs.rollout = "web";
    inputs.from_controller = from_controller;
    inputs.revisions = {revision("v1", 1), revision("v2", 2)};
    freeze_leader_worker_set(next, inputs);
    return next;
}

Value applied(Value object, std::vector<control::Write> const& writes) {
    for (control::Write const& write : writes) EXPECT_TRUE(json::apply_json_patch(object, write.body));
    return object;
}

std::unique_ptr<Workload> observe(Value const& object, std::vector<Doc> pods) {
    return observe_leader_worker_set({Doc::freeze(object), {revision("v1", 1), revision("v2", 2)}, std::move(pods)},
                                     kNow);
}

TEST(LeaderWorkerSetFreeze, NewGroupsAreStoredWithAPartitionAboveEveryOrdinal) {
    Value const old = set_of("v1", 5, 2);
    Value image = old;
    image.set({"spec", "leaderWorkerTemplate"}, groups_template("v2"));
    Value size = old;
    size.set({"spec", "leaderWorkerTemplate", "size"}, 4);
    Value network = old;
    network.set({"spec", "networkConfig", "subdomainPolicy"}, "UniquePerReplica");
    for (Value const& next : {image, size, network}) {
        Value const held = frozen(old, next);
        EXPECT_EQ(partition_of(held), apis::kFrozenPartition);
        Value const& metadata = held["metadata"];
        EXPECT_EQ(metadata["labels"][apis::kStableRevisionLabel].as_string(), "v1");
        EXPECT_EQ(metadata["annotations"][apis::kInProgressingAnnotation].as_string(),
                  R"({"rolloutName":"web","partition":2})");
    }
}

TEST(LeaderWorkerSetFreeze, ANewRolloutIdAloneStartsAReleaseThatCameFromNowhere) {
    Value const old = set_of("v1", 5);
    Value next = old;
    next.set({"metadata", "annotations", apis::kRolloutIdLabel}, "2");
    Value const held = frozen(old, next);
    EXPECT_EQ(partition_of(held), apis::kFrozenPartition);
    EXPECT_TRUE(held.at({"metadata", "labels"})[apis::kStableRevisionLabel].is_null());
    EXPECT_FALSE(observe(held, group(0, "v1"))->facts().rolled_back);
    // Also while one of its groups is made anew.
    std::vector<Doc> pods = group(0, "v1");
    Value going = pods.front().thaw();
    going.set({"metadata", "deletionTimestamp"}, "2026-01-01T01:00:29Z");
    pods.front() = Doc::freeze(going);
    add(pods, group(1, "v1"));
    Facts const facts = observe(held, pods)->facts();
    EXPECT_EQ(facts.outdated, 1);
    EXPECT_FALSE(facts.rolled_back);
    EXPECT_EQ(facts.stable_revision, "");
    next = held;
    next.set({"spec", "leaderWorkerTemplate"}, groups_template("v2"));
    FreezeInputs inputs;
    inputs.old = Doc::freeze(held);
    EXPECT_TRUE(leader_worker_set_notes_stable(next, inputs));
    EXPECT_EQ(frozen(held, next).at({"metadata", "labels", apis::kStableRevisionLabel}).as_string(), "v1");
}

// A broken version that stands still on its way, as where the Rollout was disabled when it came.
TEST(LeaderWorkerSetFreeze, AVersionThatFewGroupsHaveIsNotWhatTheReleaseCameFrom) {
    Value old = set_of("v2", 3);
    old.set({"status", "updatedReplicas"}, 1);
    Value next = old;
    next.set({"spec", "leaderWorkerTemplate"}, groups_template("v3"));
    Value held = frozen(old, next);
    EXPECT_TRUE(held.at({"metadata", "labels"})[apis::kStableRevisionLabel].is_null());
    std::vector<Doc> pods = group(0, "v1");
    add(pods, group(1, "v1"));
    add(pods, group(2, "v2"));
    EXPECT_EQ(observe(held, pods)->facts().stable_revision, "v1");
    held = applied(held, observe(held, pods)->hold(kBatchRelease, IntOrPercent::count(1)));
    EXPECT_EQ(held.at({"metadata", "labels", apis::kStableRevisionLabel}).as_string(), "v1");
    // While it is taken back, what that goes back to is, however many have it yet.
    FreezeInputs inputs{.old = Doc::freeze(old), .rollout = "web", .came_from = "v2", .revisions = {revision("v2", 2)}};
    freeze_leader_worker_set(next, inputs);
    EXPECT_EQ(next.at({"metadata", "labels", apis::kStableRevisionLabel}).as_string(), "v2");
}

// The stable version is put back while the broken one was coming: nothing has to be done in batches.
TEST(LeaderWorkerSetFreeze, WhatMostGroupsStillHaveIsGoneBackTo) {
    Value old = set_of("v2", 3);
    old.set({"status", "updatedReplicas"}, 1);
    Value next = old;
    next.set({"spec", "leaderWorkerTemplate"}, groups_template("v1"));
    Value const held = frozen(old, next);
    std::vector<Doc> pods = group(0, "v1");
    add(pods, group(1, "v1"));
    add(pods, group(2, "v2"));
    Facts const facts = observe(held, pods)->facts();
    EXPECT_EQ(facts.stable_revision, "v1");
    EXPECT_TRUE(facts.rolled_back);
}

// One that is not in a release has it from an earlier one, or from whoever copied it.
TEST(LeaderWorkerSetFreeze, ALabelThatWasLeftBehindIsNotWhatTheReleaseCameFrom) {
    Value old = set_of("v1", 5);
    old.set({"metadata", "labels", apis::kStableRevisionLabel}, "v0");
    Value next = old;
    next.set({"spec", "leaderWorkerTemplate"}, groups_template("v2"));
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    EXPECT_TRUE(leader_worker_set_notes_stable(next, inputs)) << "else it would have none, and never go back";
    EXPECT_EQ(frozen(old, next).at({"metadata", "labels", apis::kStableRevisionLabel}).as_string(), "v1");
    old.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    inputs.old = Doc::freeze(old);
    EXPECT_FALSE(leader_worker_set_notes_stable(next, inputs));
}

TEST(LeaderWorkerSetFreeze, OtherWritesPass) {
    Value const old = set_of("v1", 5);
    Value next = old;
    next.set({"spec", "replicas"}, 7);
    EXPECT_EQ(frozen(old, next), next);
    next.set({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "maxSurge"}, 2);
    // As its own webhook fills it in.
    next["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"].make_array().front()["resources"] =
        json::Object();
    EXPECT_EQ(frozen(old, next), next);
    next.set({"spec", "leaderWorkerTemplate"}, groups_template("v2"));
    Value zero = next;
    zero.set({"spec", "replicas"}, 0);
    EXPECT_EQ(frozen(old, zero), zero);
    Value none = old;
    none.set({"status", "replicas"}, 0);
    EXPECT_EQ(frozen(none, next), next);
}

TEST(LeaderWorkerSetFreeze, NobodyLiftsItButTheController) {
    Value old = set_of("v2", 5, 4);
    old.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    old.set({"metadata", "labels", apis::kStableRevisionLabel}, "v1");
    struct Case {
        char const* what;
        std::initializer_list<std::string_view> path;
        Value value;
        std::int64_t partition;
        char const* note;
    };
    for (Case const& each :
         std::initializer_list<Case>{{"the partition",
                                      {"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"},
                                      1,
                                      4,
                                      R"("partition":1)"},
                                     {"the strategy", {"spec", "rolloutStrategy"}, nullptr, 4, ""},
                                     {"growing", {"spec", "replicas"}, 8, 8, ""},
                                     {"shrinking", {"spec", "replicas"}, 3, 4, ""},
                                     {"the marks", {"metadata", "annotations"}, nullptr, 4, ""},
                                     {"a third version",
                                      {"spec", "leaderWorkerTemplate"},
                                      groups_template("v3"),
                                      apis::kFrozenPartition,
                                      ""}}) {
        Value next = old;
        next.set(each.path, each.value);
        Value const held = frozen(old, next);
        EXPECT_EQ(partition_of(held), each.partition) << each.what;
        std::string const note = held["metadata"]["annotations"][apis::kInProgressingAnnotation].string();
        EXPECT_NE(note.find(R"("rolloutName":"web")"), std::string::npos) << each.what;
        EXPECT_NE(note.find(each.note), std::string::npos) << each.what;
        EXPECT_EQ(held["metadata"]["labels"][apis::kStableRevisionLabel].as_string(), "v1") << each.what;
    }
    Value lowered = old;
    lowered.set({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}, 2);
    EXPECT_EQ(partition_of(frozen(old, lowered, true)), 2);
}

TEST(LeaderWorkerSetFacts, GroupIsNewOnceAllOfItIsThereAndReadyOnceAllOfItIs) {
    Value object = set_of("v2", 3);
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "v1");
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    std::vector<Doc> pods = group(0, "v1");
    add(pods, group(1, "v2"));
    pods.push_back(pod(2, 0, "v2"));
    pods.push_back(pod(2, 1, "v2"));
    Facts const incomplete = observe(object, pods)->facts();
    EXPECT_EQ(incomplete.updated, 1);
    EXPECT_EQ(incomplete.outdated, 1);
    EXPECT_EQ(incomplete.stable, 1);
    EXPECT_EQ(incomplete.stable_ready, 1);
    EXPECT_EQ(incomplete.stable_pod, pods.front());
    std::vector<Doc> starting = pods;
    starting[1] = pod(0, 1, "v1", false);
    EXPECT_EQ(observe(object, starting)->facts().stable_ready, 0);
    EXPECT_EQ(observe(object, starting)->facts().stable_pod, starting.front());
    EXPECT_FALSE(incomplete.settled);
    // One that is left of the group before does not make it whole.
    pods.push_back(pod(2, 2, "v1"));
    EXPECT_EQ(observe(object, pods)->facts().updated, 1);
    pods.back() = pod(2, 2, "v2", false);
    Facts const loading = observe(object, pods)->facts();
    EXPECT_EQ(loading.updated, 2);
    EXPECT_EQ(loading.updated_ready, 1);
    EXPECT_TRUE(loading.settled);
    pods.back() = pod(2, 2, "v2");
    EXPECT_EQ(observe(object, pods)->facts().updated_ready, 2);
    // Of a surge: beside those that are counted.
    add(pods, group(3, "v2"));
    Facts const surge = observe(object, pods)->facts();
    EXPECT_EQ(surge.updated, 2);
    EXPECT_TRUE(surge.settled);
    // Not of this set, whatever its label says.
    pods.push_back(pod(0, 0, "v2"));
    Value foreign = pods.back().thaw();
    foreign["metadata"]["ownerReferences"].make_array().front()["name"] = "other";
    pods.back() = Doc::freeze(foreign);
    EXPECT_EQ(observe(object, pods)->facts().outdated, 1);
}

// The stable version was being rolled out itself when the next one came: it goes before what it had not replaced yet.
TEST(LeaderWorkerSetFacts, WhatIsStableIsReplacedWhereItIs) {
    Value object = set_of("v3", 5, 4);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "v2");
    std::vector<Doc> pods;
    for (std::int64_t index = 0; index < 5; ++index)
        add(pods, group(index, index < 2 ? "v1" : index < 4 ? "v2" : "v3"));
    auto const workload = observe_leader_worker_set(
        {Doc::freeze(object), {revision("v1", 1), revision("v2", 2), revision("v3", 3)}, std::move(pods)}, kNow);
    EXPECT_EQ(workload->facts().stable, 2);
    EXPECT_EQ(workload->stable_left(0), 2);
    EXPECT_EQ(workload->stable_left(1), 2);
    EXPECT_EQ(workload->stable_left(2), 1);
    EXPECT_EQ(workload->stable_left(3), 0);
    EXPECT_EQ(workload->stable_left(5), 0);
}

TEST(LeaderWorkerSetFacts, AVersionIsTheSameBeforeAndAfterItsRevisionIsThere) {
    Value const object = set_of("v2", 1, apis::kFrozenPartition);
    NativeSetInputs inputs{Doc::freeze(object), {revision("v1", 1)}, group(0, "v1")};
    auto const early = observe_leader_worker_set(inputs, kNow);
    EXPECT_FALSE(early->facts().settled);
    std::string const noted = early->facts().update_revision;
    EXPECT_NE(noted, "v1");
    inputs.revisions.push_back(revision("v2", 2));
    EXPECT_TRUE(observe_leader_worker_set(inputs, kNow)->is_current(noted));
    EXPECT_TRUE(observe_leader_worker_set(inputs, kNow)->is_current("v2"));
}

TEST(LeaderWorkerSetLabel, WorkersAreLabelledAsTheirLeader) {
    Value const object = set_of("v2", 3, 1);
    std::vector<Doc> pods = group(0, "v1");
    add(pods, group(1, "v2"));
    add(pods, group(2, "v2"));
    Labelling const labelling = observe(object, pods)->label("id", {1, 1});
    EXPECT_EQ(labelling.labelled, 2);
    std::map<std::string, std::string> batches;
    for (control::Write const& write : labelling.writes)
        batches[write.key.name] = write.body.at({"metadata", "labels", apis::kRolloutBatchIdLabel}).string();
    EXPECT_EQ(
        batches,
        (std::map<std::string, std::string>{
            {"web-1", "2"}, {"web-1-1", "2"}, {"web-1-2", "2"}, {"web-2", "1"}, {"web-2-1", "1"}, {"web-2-2", "1"}}));
}

TEST(LeaderWorkerSetHold, GivesItsOwnPartitionBack) {
    Value object = set_of("v2", 5, 3);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web","partition":2})");
    object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"br"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "v1");
    auto const workload = observe(object, {});
    auto const end = workload->restore({});
    ASSERT_TRUE(end);
    Value const restored = applied(object, {*end});
    EXPECT_EQ(partition_of(restored), 2);
    EXPECT_TRUE(restored.at({"metadata", "annotations"})[apis::kInProgressingAnnotation].is_null());
    auto const kept = workload->restore({.keep_frozen = true, .stable_revision = "v2"});
    ASSERT_TRUE(kept);
    EXPECT_EQ(partition_of(applied(object, {*kept})), apis::kFrozenPartition);

    for (auto const& [how, partition, image] :
         {std::tuple(Leaving::kHold, 3, "v2"), std::tuple(Leaving::kRelease, 2, "v2"),
          std::tuple(Leaving::kRollback, 2, "v1")}) {
        auto const writes = workload->leave(how);
        ASSERT_TRUE(writes);
        Value const left = applied(object, *writes);
        EXPECT_EQ(partition_of(left), partition);
        EXPECT_TRUE(same_groups(Doc::freeze(left), Doc::freeze(set_of(image, 5)))) << image;
    }
}

// Whichever groups have the new version already: those that a partition lets be updated and they are no more than the
// share, as long as they are not more without it.
TEST(LeaderWorkerSetLaw, NoMoreGroupsThanTheShareAreUpdated) {
    bool const held = rc::check([] {
        std::int64_t const replicas = *rc::gen::inRange<std::int64_t>(0, 8);
        std::int64_t const share = *rc::gen::inRange<std::int64_t>(0, replicas + 1);
        std::vector<Doc> pods;
        std::vector<bool> updated;
        for (std::int64_t index = 0; index < replicas; ++index) {
            updated.push_back(*rc::gen::inRange(0, 3) == 0);
            add(pods, group(index, updated.back() ? "v2" : "v1"));
        }
        Value object = set_of("v2", replicas, apis::kFrozenPartition);
        object = applied(object, observe(object, pods)->hold(kBatchRelease, IntOrPercent::count(share)));
        std::int64_t const partition = partition_of(object);
        std::int64_t result = 0;
        for (std::int64_t index = 0; index < replicas; ++index)
            result += updated[static_cast<std::size_t>(index)] || index >= partition ? 1 : 0;
        std::int64_t const there = std::ranges::count(updated, true);
        RC_ASSERT(result == std::max(share, there));
        RC_ASSERT(share > 0 || partition == apis::kFrozenPartition);
    });
    EXPECT_TRUE(held);
}

}   // namespace
}   // namespace aviary::workload
