#include "member/workload/daemon_set.h"

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
using Names = std::vector<std::string>;

Time const kNow = *parse_rfc3339("2026-01-01T01:00:00Z");
Doc const kBatchRelease =
    Doc::freeze(*json::parse_value(R"({"metadata":{"name":"web","namespace":"demo","uid":"br"}})"));

Value pod_template(std::string const& image) {
    Value result{json::Object()};
    result.set({"spec", "containers"}, json::Array{json::Object{{"name", "main"}, {"image", image}}});
    return result;
}

// Its pods are wanted on so many nodes.
Value daemon_set(std::string const& image, std::int64_t nodes, std::string const& type = "RollingUpdate") {
    Value object = *json::parse_value(
        R"({"metadata":{"name":"web","namespace":"demo","uid":"set","generation":3,"labels":{"rollouts.kruise.io/workload-type":"daemonset"}},
        "spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":1}}},"status":{"observedGeneration":3}})");
    object.set({"spec", "template"}, pod_template(image));
    object.set({"spec", "updateStrategy", "type"}, type);
    for (char const* count : {"desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"})
        object.set({"status", count}, nodes);
    return object;
}

Value held(std::string const& image, std::int64_t nodes, std::string const& own = "RollingUpdate") {
    Value object = daemon_set(image, nodes, "OnDelete");
    object.set({"metadata", "annotations"},
               json::Object{{apis::kInProgressingAnnotation, R"({"rolloutName":"web"})"},
                            {apis::kDaemonSetStrategyAnnotation, own},
                            {apis::kDaemonSetRevisionAnnotation, daemon_set_revisions("", "h1")}});
    return object;
}

// v1 has the hash h1.
Doc revision(std::string const& image, std::int64_t number) {
    Value object{json::Object{{"revision", number}}};
    std::string const hash = "h" + image.substr(1);
    object.set({"metadata", "name"}, "web-" + hash);
    object.set({"metadata", "namespace"}, "demo");
    object.set({"metadata", "labels", "controller-revision-hash"}, hash);
    Value kept = pod_template(image);
    kept["$patch"] = "replace";
    object.set({"data", "spec", "template"}, kept);
    return Doc::freeze(object);
}

struct Pod {
    std::string name;
    std::string image = "v1";
    bool ready = true;
    std::string cost;
    int minute = 0;     // of its creation
    std::string gone;   // deletionTimestamp
    bool placed = true;
};

Doc pod(Pod const& each) {
    Value object = *json::parse_value(R"({"metadata":{"namespace":"demo"},"status":{"phase":"Running",
        "startTime":"2026-01-01T00:00:00Z"}})");
    object.set({"metadata", "name"}, each.name);
    object.set({"metadata", "uid"}, "uid-" + each.name);
    object.set({"metadata", "creationTimestamp"}, fmt::format("2026-01-01T00:{:02}:00Z", each.minute));
    object.set({"metadata", "labels", "controller-revision-hash"}, "h" + each.image.substr(1));
    if (!each.cost.empty())
        object.set({"metadata", "annotations", "controller.kubernetes.io/pod-deletion-cost"}, each.cost);
    if (!each.gone.empty()) object.set({"metadata", "deletionTimestamp"}, each.gone);
    if (each.placed) object.set({"spec", "nodeName"}, "node-" + each.name);
    object.set({"status", "conditions"}, json::Array{json::Object{{"type", "Ready"},
                                                                  {"status", each.ready ? "True" : "False"},
                                                                  {"lastTransitionTime", "2026-01-01T00:00:00Z"}}});
    return Doc::freeze(object);
}

std::vector<Doc> pods(std::vector<Pod> const& list) {
    std::vector<Doc> result;
    for (Pod const& each : list) result.push_back(pod(each));
    return result;
}

std::unique_ptr<Workload> observe(Value const& object, std::vector<Pod> const& list) {
    return observe_daemon_set({Doc::freeze(object), {revision("v1", 1), revision("v2", 2)}, pods(list)}, kNow);
}

Names deleted(std::vector<control::Write> const& writes) {
    Names names;
    for (control::Write const& write : writes) {
        if (write.verb == control::Write::Verb::kDelete) names.push_back(write.key.name);
    }
    return names;
}

Value applied(Value object, std::vector<control::Write> const& writes) {
    for (control::Write const& write : writes) {
        if (write.verb == control::Write::Verb::kJsonPatch) EXPECT_TRUE(json::apply_json_patch(object, write.body));
    }
    return object;
}

std::string type_of(Value const& object) { return object.at({"spec", "updateStrategy", "type"}).string(); }
std::string mark(Value const& object, std::string_view key) {
    return object.at({"metadata", "annotations"})[key].string();
}

Value frozen(Value const& old, Value next, std::string came_from = {}) {
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    inputs.rollout = "web";
    inputs.came_from = std::move(came_from);
    inputs.revisions = {revision("v1", 1), revision("v2", 2)};
    freeze_daemon_set(next, inputs);
    return next;
}

Value with_template(Value object, std::string const& image) {
    object.set({"spec", "template"}, pod_template(image));
    return object;
}

TEST(DaemonSetFreeze, ANewTemplateIsStoredAsOnDelete) {
    for (char const* own : {"RollingUpdate", "OnDelete"}) {
        Value const old = daemon_set("v1", 5, own);
        Value const after = frozen(old, with_template(old, "v2"));
        EXPECT_EQ(type_of(after), "OnDelete");
        EXPECT_EQ(mark(after, apis::kDaemonSetStrategyAnnotation), own);
        EXPECT_EQ(mark(after, apis::kInProgressingAnnotation), R"({"rolloutName":"web"})");
        EXPECT_EQ(mark(after, apis::kDaemonSetRevisionAnnotation), R"({"canary-revision":"","stable-revision":"h1"})");
        EXPECT_EQ(after.at({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}).as_int(), 1);
    }
}

TEST(DaemonSetFreeze, ANewRolloutIdAloneStartsAReleaseThatCameFromNowhere) {
    Value const old = daemon_set("v1", 5);
    Value next = old;
    next.set({"metadata", "annotations", apis::kRolloutIdLabel}, "2");
    Value const after = frozen(old, next);
    EXPECT_EQ(type_of(after), "OnDelete");
    EXPECT_EQ(mark(after, apis::kDaemonSetRevisionAnnotation), "");
    auto const again = observe(after, {{.name = "a"}, {.name = "b"}});
    EXPECT_FALSE(again->facts().rolled_back);
    Value const taken = applied(after, {again->hold(kBatchRelease, IntOrPercent::count(1)).front()});
    EXPECT_EQ(mark(taken, apis::kDaemonSetRevisionAnnotation), daemon_set_revisions("h1", ""));
    EXPECT_EQ(mark(frozen(taken, with_template(taken, "v2")), apis::kDaemonSetRevisionAnnotation),
              daemon_set_revisions("", "h1"));
}

TEST(DaemonSetFreeze, OtherWritesPass) {
    Value const old = daemon_set("v1", 5);
    Value next = old;
    next.set({"spec", "minReadySeconds"}, 7);
    EXPECT_EQ(frozen(old, next), next);
    Value none = old;
    none.set({"status", "currentNumberScheduled"}, 0);
    EXPECT_EQ(frozen(none, with_template(none, "v2")), with_template(none, "v2"));
}

// What most pods run; of a release that is taken back what it goes back to. Else the pods tell, later.
TEST(DaemonSetFreeze, NotesWhatTheReleaseBeganFrom) {
    Value old = daemon_set("v1", 10);
    auto const noted = [&old](std::string came_from) {
        return mark(frozen(old, with_template(old, "v2"), std::move(came_from)), apis::kDaemonSetRevisionAnnotation);
    };
    old.set({"status", "updatedNumberScheduled"}, 3);
    EXPECT_EQ(noted(""), daemon_set_revisions("", ""));
    EXPECT_EQ(noted("h1"), daemon_set_revisions("", "h1"));
    old.set({"status", "updatedNumberScheduled"}, 5);
    EXPECT_EQ(noted(""), daemon_set_revisions("", "h1"));
    old.set({"status", "observedGeneration"}, 2);
    EXPECT_EQ(noted(""), daemon_set_revisions("", ""));
}

TEST(DaemonSetFreeze, WhatAnEarlierReleaseLeftIsTakenAway) {
    Value old = daemon_set("v1", 5, "OnDelete");
    old.set({"metadata", "annotations"}, json::Object{{apis::kDaemonSetStrategyAnnotation, "RollingUpdate"},
                                                      {apis::kDaemonSetControlAnnotation, R"({"partition":"3"})"}});
    Value const after = frozen(old, with_template(old, "v2"));
    EXPECT_EQ(mark(after, apis::kDaemonSetStrategyAnnotation), "RollingUpdate");
    EXPECT_EQ(mark(after, apis::kDaemonSetControlAnnotation), "");
}

TEST(DaemonSetFreeze, NobodyLiftsItButTheController) {
    Value const old = held("v2", 5, "OnDelete");
    struct Case {
        char const* what;
        std::initializer_list<std::string_view> path;
        Value value;
        char const* own;
    };
    for (Case const& each :
         std::initializer_list<Case>{{"the type", {"spec", "updateStrategy", "type"}, "RollingUpdate", "RollingUpdate"},
                                     {"the marks", {"metadata", "annotations"}, nullptr, "OnDelete"},
                                     {"a third version", {"spec", "template"}, pod_template("v3"), "OnDelete"}}) {
        Value next = old;
        next.set(each.path, each.value);
        Value const after = frozen(old, next);
        EXPECT_EQ(type_of(after), "OnDelete") << each.what;
        EXPECT_EQ(mark(after, apis::kDaemonSetStrategyAnnotation), each.own) << each.what;
        EXPECT_EQ(mark(after, apis::kInProgressingAnnotation), R"({"rolloutName":"web"})") << each.what;
        EXPECT_EQ(mark(after, apis::kDaemonSetRevisionAnnotation), daemon_set_revisions("", "h1")) << each.what;
    }
    Value next = old;
    next.set({"spec", "updateStrategy", "type"}, "RollingUpdate");
    FreezeInputs inputs;
    inputs.old = Doc::freeze(old);
    inputs.rollout = "web";
    inputs.from_controller = true;
    Value given = next;
    freeze_daemon_set(given, inputs);
    EXPECT_EQ(given, next);
}

TEST(DaemonSetFacts, TheStableVersionIsTheOneThatWasNoted) {
    Value object = held("v1", 2);
    auto const back = observe(object, {{.name = "a"}, {.name = "b", .image = "v2"}});
    EXPECT_TRUE(back->facts().rolled_back);
    EXPECT_EQ(back->facts().stable_revision, "h1");
    EXPECT_EQ(back->facts().updated, 1);
    EXPECT_EQ(back->facts().outdated, 1);
    object = held("v2", 3);
    object.set({"metadata", "annotations", apis::kDaemonSetRevisionAnnotation}, nullptr);
    auto const taken_over = observe(object, {{.name = "a"}, {.name = "b"}, {.name = "c", .image = "v2"}});
    EXPECT_EQ(taken_over->facts().stable_revision, "h1");
    EXPECT_FALSE(taken_over->facts().rolled_back);
    EXPECT_FALSE(taken_over->facts().leftovers);
}

TEST(DaemonSetFacts, AVersionIsTheSameBeforeAndAfterItsRevisionIsThere) {
    Value object = held("v2", 1);
    object.set({"status", "observedGeneration"}, 2);
    NativeSetInputs inputs{Doc::freeze(object), {revision("v1", 1)}, pods({{.name = "a"}})};
    auto const early = observe_daemon_set(inputs, kNow);
    EXPECT_FALSE(early->facts().settled);
    EXPECT_EQ(deleted(early->hold(kBatchRelease, IntOrPercent::count(1))), Names());
    std::string const noted = early->facts().update_revision;
    inputs.revisions.push_back(revision("v2", 2));
    EXPECT_EQ(deleted(observe_daemon_set(inputs, kNow)->hold(kBatchRelease, IntOrPercent::count(1))), Names())
        << "its controller would make the old pod again";
    object.set({"status", "observedGeneration"}, 3);
    inputs.set = Doc::freeze(object);
    auto const seen = observe_daemon_set(inputs, kNow);
    EXPECT_TRUE(seen->is_current(noted));
    EXPECT_EQ(deleted(seen->hold(kBatchRelease, IntOrPercent::count(1))), Names({"a"}));
}

TEST(DaemonSetHold, PodsGoInOrderAndWithinMaxUnavailable) {
    struct Case {
        char const* what;
        std::vector<Pod> pods;
        std::int64_t share;
        Value unavailable;
        Names gone;
    };
    Pod const old{.name = "old", .minute = 1}, newer{.name = "newer", .minute = 5};
    Pod const cheap{.name = "cheap", .cost = "-5"}, dear{.name = "dear", .cost = "10", .minute = 9};
    Pod const broken{.name = "broken", .ready = false}, pending{.name = "pending", .ready = false, .placed = false};
    Pod const fresh{.name = "fresh", .image = "v2"}, starting{.name = "starting", .image = "v2", .ready = false};
    Pod const between{.name = "between", .image = "v0", .cost = "20", .minute = 0};
    Pod const going{.name = "going", .gone = "2026-01-01T01:00:20Z"};
    Pod const lost{.name = "lost", .gone = "2026-01-01T00:30:00Z"};
    for (Case const& each : std::initializer_list<Case>{
             {"newer ones first", {old, newer}, 1, 1, {"newer"}},
             {"cheaper ones before newer ones", {old, newer, cheap, dear}, 1, 1, {"cheap"}},
             {"dear ones last", {dear, newer, old}, 3, 3, {"newer", "old", "dear"}},
             {"versions in between before the stable one", {cheap, between, newer}, 1, 1, {"between"}},
             {"but not before what does not serve", {between, broken}, 1, 1, {"broken"}},
             {"pending, then not ready", {old, broken, pending}, 2, 1, {"pending", "broken"}},
             {"those that serve nobody are free, and count", {old, newer, broken}, 3, 1, {"broken"}},
             {"as many as maxUnavailable says", {old, newer, cheap, dear}, 4, 2, {"cheap", "newer"}},
             {"a percentage is rounded down", {old, newer, cheap, dear}, 4, "74%", {"cheap", "newer"}},
             {"but to one at least", {old, newer}, 2, "10%", {"newer"}},
             {"0 for the sake of maxSurge is one", {old, newer}, 2, 0, {"newer"}},
             {"no more than the share", {old, newer, fresh}, 1, 3, {}},
             {"one that starts is waited for", {old, newer, starting}, 3, 1, {}},
             {"one that goes comes in the new version", {old, newer, going}, 1, 3, {}},
             {"and is unavailable", {old, newer, going}, 3, 1, {}},
             {"one whose node is lost does not come", {old, newer, lost}, 1, 2, {"newer"}},
             {"and is unavailable all the same", {old, newer, lost}, 1, 1, {}}}) {
        Value object = held("v2", std::ssize(each.pods));
        object.set({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}, each.unavailable);
        EXPECT_EQ(deleted(observe(object, each.pods)->hold(kBatchRelease, IntOrPercent::count(each.share))), each.gone)
            << each.what;
    }
}

// A pod that is deleted for a version that is another by now would come back in that.
TEST(DaemonSetHold, NoPodGoesForATemplateThatWasReplaced) {
    Value object = held("v2", 2);
    auto const first = observe(object, {{.name = "a"}, {.name = "b"}})->hold(kBatchRelease, IntOrPercent::count(1));
    ASSERT_EQ(first.size(), 2U);
    object = applied(object, first);
    EXPECT_EQ(mark(object, apis::kDaemonSetControlAnnotation), R"({"partition":"1","batch-revision":"h2"})");
    EXPECT_EQ(mark(object, apis::kDaemonSetRevisionAnnotation), daemon_set_revisions("h2", "h1"));
    auto const again = observe(object, {{.name = "a"}, {.name = "b"}})->hold(kBatchRelease, IntOrPercent::count(1));
    ASSERT_EQ(again.size(), 2U);
    EXPECT_EQ(again[0].verb, control::Write::Verb::kJsonPatch);
    object.set({"metadata", "generation"}, 4);
    EXPECT_FALSE(json::apply_json_patch(object, again[0].body));
    EXPECT_EQ(again[1].delete_options.uid, "uid-b");
    auto const done = observe(object, {{.name = "a"}, {.name = "b", .image = "v2"}});
    EXPECT_EQ(done->hold(kBatchRelease, IntOrPercent::count(1)).size(), 0U);
}

TEST(DaemonSetHold, GivesItsOwnStrategyBack) {
    for (char const* own : {"RollingUpdate", "OnDelete"}) {
        Value object = held("v2", 2, own);
        object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"br"})");
        auto const workload = observe(object, {});
        auto const end = workload->restore({});
        ASSERT_TRUE(end);
        Value const restored = applied(object, {*end});
        EXPECT_EQ(type_of(restored), own);
        EXPECT_EQ(restored.at({"metadata", "annotations"}).size(), 0U);

        auto const kept = workload->restore({.keep_frozen = true, .stable_revision = "h2"});
        ASSERT_TRUE(kept);
        Value const next = applied(object, {*kept});
        EXPECT_EQ(type_of(next), "OnDelete");
        EXPECT_EQ(mark(next, apis::kDaemonSetStrategyAnnotation), own);
        EXPECT_EQ(mark(next, apis::kDaemonSetRevisionAnnotation), daemon_set_revisions("h2", "h2"));
        EXPECT_EQ(mark(next, apis::kControlInfoAnnotation), "");

        for (auto const& [how, type, image] :
             {std::tuple(Leaving::kHold, "OnDelete", "v2"), std::tuple(Leaving::kRelease, own, "v2"),
              std::tuple(Leaving::kRollback, own, "v1")}) {
            auto const writes = workload->leave(how);
            ASSERT_TRUE(writes);
            Value const left = applied(object, *writes);
            EXPECT_EQ(type_of(left), type);
            EXPECT_EQ(left.at({"spec", "template"}), pod_template(image));
            EXPECT_EQ(left.at({"metadata", "annotations"}).size(), 0U);
        }
    }
}

TEST(DaemonSetHold, WhatUpstreamLeftDoesNotTurnAnOwnOnDelete) {
    Value object = daemon_set("v2", 2, "OnDelete");
    object.set({"metadata", "annotations", apis::kDaemonSetRevisionAnnotation}, daemon_set_revisions("h2", "h1"));
    auto const workload = observe(object, {});
    EXPECT_TRUE(workload->facts().leftovers);
    auto const end = workload->restore({});
    ASSERT_TRUE(end);
    EXPECT_EQ(type_of(applied(object, {*end})), "OnDelete");
    object = held("v2", 2, "");
    EXPECT_EQ(type_of(applied(object, {*observe(object, {})->restore({})})), "RollingUpdate")
        << "upstream's controller has lost it";
}

TEST(DaemonSetHold, ATemplateIsPutBackOnlyWhereItsRevisionIsThere) {
    NativeSetInputs const inputs{Doc::freeze(held("v2", 2)), {revision("v2", 2)}, {}};
    auto const writes = observe_daemon_set(inputs, kNow)->leave(Leaving::kRollback);
    ASSERT_FALSE(writes);
    EXPECT_NE(writes.error().message().find("no ControllerRevision"), std::string::npos);
    EXPECT_FALSE(observe_daemon_set(inputs, kNow)->take_back(""));
    NativeSetInputs const both{Doc::freeze(held("v2", 2)), {revision("v1", 1), revision("v2", 2)}, {}};
    auto const back = observe_daemon_set(both, kNow)->take_back("2026-11-24T14:00:00Z;who;why");
    ASSERT_TRUE(back);
    Value const taken = applied(held("v2", 2), {*back});
    EXPECT_EQ(type_of(taken), "OnDelete");
    EXPECT_EQ(taken.at({"spec", "template"}), pod_template("v1"));
    EXPECT_EQ(taken.at({"metadata", "annotations"})["fleet.aviary.dev/hold"].as_string(),
              "2026-11-24T14:00:00Z;who;why");
}

TEST(DaemonSetObstacles, APodThatDoesNotGoIsNamed) {
    auto const workload =
        observe(held("v2", 2), {{.name = "a", .gone = "2026-01-01T00:30:00Z"}, {.name = "b", .image = "v2"}});
    auto const waits = workload->obstacles();
    ASSERT_EQ(waits.size(), 1U);
    EXPECT_EQ(waits[0].message, "pod a: told to go, and still there");
    EXPECT_TRUE(workload->facts().settled) << "it is not waited for";
}

TEST(DaemonSetLabels, TheNewestPodsBelongToTheLatestBatch) {
    std::vector<Pod> const list{{.name = "b", .image = "v2", .minute = 2},
                                {.name = "a", .image = "v2", .minute = 9},
                                {.name = "c", .image = "v2", .minute = 1},
                                {.name = "d"}};
    Labelling const labelling = observe(held("v2", 4), list)->label("id", {1, 2});
    std::map<std::string, std::string> batches;
    for (control::Write const& write : labelling.writes) {
        batches[write.key.name] =
            write.body.at({"metadata", "labels"})[std::string(apis::kRolloutBatchIdLabel)].string();
    }
    EXPECT_EQ(batches, (std::map<std::string, std::string>{{"a", "2"}, {"b", "2"}, {"c", "1"}}));
    EXPECT_EQ(labelling.labelled, 3);
}

// Nodes with a pod each that is missing, starts, or is ready; some come and go meanwhile. Whatever happens, no pod that
// serves goes beyond maxUnavailable, no more pods than the share are told to become new ones, and all that is asked for
// is done in the end.
struct Node {
    std::string image = "v1";
    bool there = true;
    bool ready = true;
};

class Nodes {
public:
    Nodes() {
        std::int64_t const count = *rc::gen::inRange<std::int64_t>(1, 12);
        for (std::int64_t index = 0; index < count; ++index) add(*rc::gen::inRange(0, 4) > 0);
    }
    void add(bool ready) { nodes_[fmt::format("n{:02}", ++made_)] = {.ready = ready}; }
    void happen() {
        int const what = *rc::gen::inRange(0, 8);
        auto const any = [this] {
            return std::next(nodes_.begin(), *rc::gen::inRange<std::int64_t>(0, std::ssize(nodes_)));
        };
        if (what == 0) nodes_[fmt::format("n{:02}", ++made_)] = {.there = false};
        if (what == 1 && nodes_.size() > 1) nodes_.erase(any());
        if (what == 2) any()->second.ready = false;
        if (what == 3) any()->second.there = false;
    }
    // The native controller, and nodes that start pods: what was missing starts, what started is ready.
    void settle() {
        for (auto& [name, node] : nodes_) {
            if (!node.there) {
                node = {.image = "v2", .ready = false};
            } else {
                node.ready = true;
            }
        }
    }
    std::vector<Pod> pods() const {
        std::vector<Pod> result;
        for (auto const& [name, node] : nodes_) {
            if (node.there) result.push_back({.name = name, .image = node.image, .ready = node.ready});
        }
        return result;
    }
    void remove(Names const& names) {
        for (std::string const& name : names) nodes_[name].there = false;
    }
    std::int64_t size() const { return std::ssize(nodes_); }
    std::int64_t serving() const {
        return std::ranges::count_if(nodes_, [](auto const& each) { return each.second.there && each.second.ready; });
    }
    std::int64_t fresh() const {
        return std::ranges::count_if(nodes_,
                                     [](auto const& each) { return !each.second.there || each.second.image == "v2"; });
    }

private:
    std::map<std::string, Node> nodes_;
    int made_ = 0;
};

TEST(DaemonSetLaw, NeverMoreThanMaxUnavailableAndTheShare) {
    bool const kept = rc::check([] {
        Nodes nodes;
        std::int64_t const unavailable = *rc::gen::inRange<std::int64_t>(1, 4);
        IntOrPercent const share{*rc::gen::inRange<std::int64_t>(0, 101), true};
        auto const round = [&] {
            Value object = held("v2", nodes.size());
            object.set({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}, unavailable);
            auto const workload = observe(object, nodes.pods());
            std::int64_t const served = nodes.serving();
            std::int64_t const were = nodes.fresh();
            Names const gone = deleted(workload->hold(kBatchRelease, share));
            nodes.remove(gone);
            RC_ASSERT(nodes.serving() == served || nodes.size() - nodes.serving() <= unavailable);
            RC_ASSERT(nodes.fresh() <= std::max(were, workload->share_of(share)));
        };
        int const rounds = *rc::gen::inRange(0, 20);
        for (int index = 0; index < rounds; ++index) {
            nodes.happen();
            round();
            if (*rc::gen::inRange(0, 2) == 0) nodes.settle();
        }
        for (int index = 0; index < 60; ++index) {
            round();
            nodes.settle();
        }
        RC_ASSERT(nodes.fresh() >= std::min(nodes.size(), (share.value * nodes.size() + 99) / 100));
    });
    EXPECT_TRUE(kept);
}

}   // namespace
}   // namespace aviary::workload
