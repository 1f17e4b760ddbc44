#include "hub/propagation/rollback.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/placement/bindings.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"

namespace aviary::propagation {
namespace {

using json::Doc;
using json::Value;

Doc hub_workload(std::string const& image) {
    return *json::parse(fmt::format(
        R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"demo","resourceVersion":"5"}},
        "spec":{{"template":{{"spec":{{"image":"{}"}}}}}}}})",
        image));
}
std::string hash(std::string const& image) { return template_hash(pod_template(hub_workload(image))); }

enum class Is { kAtRest, kReleasing, kFrozen, kClosing };

// The hub has v2; a member has `has`, and comes from v1.
RollbackCluster cluster(std::string name, Is is, std::string const& has) {
    RollbackCluster result;
    result.name = std::move(name);
    Value workload{json::Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}};
    workload.set({"metadata", "labels"}, json::Object{{kTemplateLabel, hash(has)}, {kStableLabel, hash("v1")}});
    Value rollout = *json::parse_value(R"({"metadata":{"name":"web"},"status":{"phase":"Healthy"}})");
    if (is == Is::kReleasing || is == Is::kClosing) {
        workload.set({"metadata", "annotations", kInProgressing}, "yes");
        rollout.set({"status"},
                    *json::parse_value(fmt::format(
                        R"({{"phase":"Progressing","conditions":[{{"type":"Progressing","reason":"{}"}}]}})",
                        is == Is::kClosing ? "Finalising" : "InRolling")));
    }
    if (is == Is::kFrozen) {
        workload.set({"spec", "paused"}, true);
        workload.set({"metadata", "managedFields"},
                     *json::parse_value(
                         R"([{"manager":"aviary-freeze","operation":"Apply","fieldsV1":{"f:spec":{"f:paused":{}}}}])"));
    }
    result.rollout = Doc::freeze(rollout);
    result.workload = Doc::freeze(workload);
    return result;
}

struct Word {
    char const* on_delete = "Rollback";
    bool deleted = true;
    bool marked = true;
};

RollbackSeen seen_as(Word const& word, std::vector<RollbackCluster> clusters) {
    RollbackSeen seen;
    Value rollout = *json::parse_value(
        R"({"metadata":{"name":"web","namespace":"demo","resourceVersion":"7","finalizers":["other"]},"spec":{}})");
    rollout.set({"metadata", "annotations", kOnDelete}, word.on_delete);
    if (word.deleted) rollout.set({"metadata", "deletionTimestamp"}, "2026-01-01T00:00:00Z");
    if (word.marked) rollout["metadata"]["finalizers"].push_back(placement::kOnDeleteFinalizer);
    seen.rollout = Doc::freeze(rollout);
    seen.workload = hub_workload("v2");
    seen.resource = {"apps", "v1", "deployments"};
    Value binding = *json::parse_value(
        R"({"metadata":{"name":"deployment-web","namespace":"demo","resourceVersion":"9"},"spec":{"resource":{"apiVersion":"apps/v1",
        "kind":"Deployment","namespace":"demo","name":"web"},"clusters":[]}})");
    for (RollbackCluster const& each : clusters)
        binding["spec"]["clusters"].push_back(json::Object{{"name", each.name}});
    seen.binding = Doc::freeze(binding);
    seen.clusters = std::move(clusters);
    seen.kept = [](std::string_view) { return true; };
    return seen;
}

void pin(RollbackSeen& seen, std::size_t index) {
    Value binding = seen.binding.thaw();
    Value& bound = binding["spec"]["clusters"].make_array()[index];
    bound["revision"] = hash("v1");
    bound["rejected"] = hash("v2");
    seen.binding = Doc::freeze(binding);
}

// "pin a b", "+", "-": pins these clusters at v1 against v2, puts the finalizer on, takes it off. What it waits for.
std::string shown(RollbackSeen const& seen) {
    Rollback const decision = decide_rollback(seen);
    std::string text;
    for (control::Write const& write : decision.plan.writes) {
        Value const& body = write.body;
        if (body.at({"spec", "clusters"}).is_array()) {
            EXPECT_EQ(write.key.name, "deployment-web");
            EXPECT_EQ(body.at({"metadata", "resourceVersion"}).as_string(), "9");
            text += "pin";
            for (Value const& bound : body.at({"spec", "clusters"}).array()) {
                bool const pinned =
                    bound["revision"].as_string() == hash("v1") && bound["rejected"].as_string() == hash("v2");
                if (pinned) text += " " + bound["name"].string();
            }
        } else if (body.at({"metadata", "finalizers"}).is_array()) {
            EXPECT_EQ(body.at({"metadata", "resourceVersion"}).as_string(), "7");
            EXPECT_EQ(body.at({"metadata", "finalizers"})[0].as_string(), "other") << "another's is another's";
            text += body.at({"metadata", "finalizers"}).size() == 2 ? "+" : "-";
        }
    }
    if (!decision.message.empty()) text += " " + decision.message.substr(decision.message.find("waits for"));
    return text;
}

TEST(Rollback, TheFinalizerFollowsTheWord) {
    EXPECT_EQ(shown(seen_as({.deleted = false, .marked = false}, {})), "+");
    EXPECT_EQ(shown(seen_as({.deleted = false}, {})), "");
    EXPECT_EQ(shown(seen_as({.on_delete = "", .deleted = false}, {})), "-");
    EXPECT_EQ(shown(seen_as({.on_delete = "", .marked = false}, {})), "");
    for (char const* word : {"", "Release"})
        EXPECT_EQ(shown(seen_as({.on_delete = word}, {cluster("a", Is::kReleasing, "v2")})), "-") << word;
    EXPECT_EQ(shown(seen_as({.marked = false}, {})), "") << "none may be put on what is being deleted";
}

// Who leads next is to know what was said: the Rollout is gone then.
TEST(Rollback, TheWordIsOnRecordBeforeItGoes) {
    for (char const* word : {"Rollback", "Hold", "Release"}) {
        RollbackSeen seen = seen_as({.on_delete = word}, {cluster("a", Is::kAtRest, "v2")});
        Value own = *json::parse_value(
            R"({"metadata":{"name":"rollout-web","namespace":"demo","resourceVersion":"11"},"spec":{"clusters":[]}})");
        seen.own_binding = Doc::freeze(own);
        Rollback const first = decide_rollback(seen);
        ASSERT_EQ(first.plan.writes.size(), 1u) << word;
        EXPECT_FALSE(first.goes);
        EXPECT_EQ(first.plan.writes[0].key.name, "rollout-web");
        EXPECT_EQ(
            json::write(first.plan.writes[0].body),
            fmt::format(
                R"({{"metadata":{{"resourceVersion":"11","annotations":{{"fleet.aviary.dev/on-delete":"{}"}}}}}})",
                word));
        own.set({"metadata", "annotations", kOnDelete}, word);
        seen.own_binding = Doc::freeze(own);
        EXPECT_EQ(shown(seen), "-") << word;
        EXPECT_TRUE(decide_rollback(seen).goes);
        own.set({"metadata", "annotations", kOnDelete}, "another");
        own.set({"metadata", "deletionTimestamp"}, "2026-01-01T00:00:00Z");
        seen.own_binding = Doc::freeze(own);
        EXPECT_EQ(shown(seen), "-") << "it ends already";
    }
}

TEST(Rollback, WhatReleasesOrHasNotBegunIsPinnedBeforeItGoes) {
    RollbackSeen seen =
        seen_as({}, {cluster("done", Is::kAtRest, "v2"), cluster("frozen", Is::kFrozen, "v1"),
                     cluster("not-yet", Is::kAtRest, "v1"), cluster("releasing", Is::kReleasing, "v2")});
    EXPECT_EQ(shown(seen), "pin frozen not-yet releasing waits for frozen (releasing), releasing (releasing)");
    for (std::size_t index : {1u, 2u, 3u}) pin(seen, index);
    EXPECT_EQ(shown(seen), " waits for frozen (releasing), releasing (releasing)");
    seen.clusters[1] = cluster("frozen", Is::kAtRest, "v1");
    seen.clusters[3] = cluster("releasing", Is::kReleasing, "v1");
    EXPECT_EQ(shown(seen), " waits for releasing (releasing)");
    seen.clusters[3] = cluster("releasing", Is::kAtRest, "v1");
    EXPECT_EQ(shown(seen), "-");
}

TEST(Rollback, ItIsNotGoneBeforeAllIsKnownAndUnchanged) {
    RollbackSeen seen = seen_as({}, {cluster("a", Is::kAtRest, "v2"), cluster("b", Is::kAtRest, "v2")});
    seen.clusters[1].known = false;
    EXPECT_EQ(shown(seen), " waits for b (does not answer)");
    seen.clusters.pop_back();   // it has left the fleet
    EXPECT_EQ(shown(seen), "-");
    auto const writes = decide_rollback(seen).plan.writes;
    ASSERT_EQ(writes.size(), 3u);
    EXPECT_EQ(json::write(writes[0].body), R"({"metadata":{"resourceVersion":"5"}})") << "no other template came";
    EXPECT_EQ(json::write(writes[1].body), R"({"metadata":{"resourceVersion":"9"}})") << "no other cluster";
}

TEST(Rollback, WhatIsBeingClosedIsLeftToEnd) {
    RollbackSeen seen = seen_as({}, {cluster("a", Is::kClosing, "v2")});
    EXPECT_EQ(shown(seen), " waits for a (releasing)");
    seen.clusters[0] = cluster("a", Is::kAtRest, "v2");
    EXPECT_EQ(shown(seen), "-") << "every step of it was approved";
}

// v2 is the hub's and was complete; people have undone it, which is a release of v1 in steps.
TEST(Rollback, AnUndoThatHasNotComeToRestGoesBackToo) {
    RollbackCluster undone = cluster("a", Is::kReleasing, "v1");
    Value workload = undone.workload.thaw();
    workload.set({"metadata", "labels", kStableLabel}, hash("v2"));
    undone.workload = Doc::freeze(workload);
    RollbackSeen seen = seen_as({}, {undone, cluster("b", Is::kAtRest, "v2"), cluster("c", Is::kAtRest, "v1")});
    for (std::size_t index : {0u, 1u, 2u}) pin(seen, index);
    EXPECT_EQ(shown(seen), "pin c waits for a (releasing)") << "in b it has not begun, in c it is over";
}

TEST(Rollback, AClusterThatDoesNotTellComesFromWhereTheOthersDo) {
    RollbackSeen seen = seen_as({}, {cluster("a", Is::kReleasing, "v2"), cluster("new", Is::kAtRest, "v1")});
    seen.clusters[1].workload = {};
    EXPECT_EQ(shown(seen), "pin a new waits for a (releasing)");
    seen.clusters[0] = cluster("a", Is::kAtRest, "v2");
    EXPECT_EQ(shown(seen), "-") << "the hub's version is what the others have";
}

TEST(Rollback, WithoutTheVersionItWaitsForPeople) {
    RollbackSeen seen = seen_as({}, {cluster("a", Is::kReleasing, "v2")});
    seen.kept = [](std::string_view) { return false; };
    EXPECT_EQ(
        shown(seen),
        fmt::format(" waits for a (the hub does not keep {} to go back to: approve it there, put that version into the "
                    "hub's workload again, or annotate Hold or Release)",
                    hash("v1")));
}

TEST(Rollback, WhatIsAnothersIsNotWaitedFor) {
    RollbackSeen seen = seen_as({}, {cluster("a", Is::kReleasing, "v2"), cluster("b", Is::kReleasing, "v2")});
    pin(seen, 0);
    pin(seen, 1);
    seen.clusters[0].reason = "BehindMembers";
    Value workload = seen.clusters[1].workload.thaw();
    workload.set({"metadata", "labels", kHubLabel}, "other");
    seen.clusters[1].workload = Doc::freeze(workload);
    EXPECT_EQ(shown(seen), " waits for a (releasing; BehindMembers)");
    workload["metadata"]["labels"].erase(kHubLabel);
    seen.hub_id = "fleet";
    seen.clusters[0].workload = seen.clusters[1].workload = Doc::freeze(workload);
    EXPECT_EQ(shown(seen), "-") << "the hub has not taken them over, and will not";
    Value binding = seen.binding.thaw();
    binding.set({"spec", "conflictResolution"}, "Overwrite");
    seen.binding = Doc::freeze(binding);
    EXPECT_EQ(shown(seen), " waits for a (releasing; BehindMembers), b (releasing)");
}

TEST(Rollback, SaysWhatItWaitsForAndNoBookOfIt) {
    std::vector<RollbackCluster> clusters;
    for (int count = 10; count < 25; ++count) clusters.push_back(cluster(fmt::format("c{}", count), Is::kAtRest, "v2"));
    for (RollbackCluster& each : clusters) each.answers = false;
    std::string const text = decide_rollback(seen_as({}, clusters)).message;
    EXPECT_TRUE(text.ends_with(", c19 (does not answer) and 5 more")) << text;
    RollbackSeen seen = seen_as({}, {cluster("a", Is::kAtRest, "v2")});
    seen.let_go_failed = "a webhook says no";
    EXPECT_EQ(decide_rollback(seen).message, "cannot let go: a webhook says no");
}

// It waits for nobody, and leaves to the members' own what these hold.
TEST(Rollback, HoldPinsWhatHasNotBegun) {
    std::vector<RollbackCluster> clusters{
        cluster("done", Is::kAtRest, "v2"),         cluster("frozen", Is::kFrozen, "v1"),
        cluster("behind", Is::kFrozen, "v2"),       cluster("not-yet", Is::kAtRest, "v1"),
        cluster("releasing", Is::kReleasing, "v2"), cluster("quiet", Is::kAtRest, "v1")};
    clusters[5].answers = false;   // what it had is known
    RollbackSeen seen = seen_as({.on_delete = "Hold"}, std::move(clusters));
    EXPECT_EQ(shown(seen), "pin frozen behind not-yet quiet");
    for (std::size_t index : {1u, 2u, 3u, 5u}) pin(seen, index);
    EXPECT_EQ(shown(seen), "-");
    EXPECT_TRUE(decide_rollback(seen).goes);
}

TEST(Rollback, HoldKeepsWhatWasNotReadAsItIs) {
    RollbackSeen seen = seen_as({.on_delete = "Hold"}, {cluster("a", Is::kAtRest, "v2")});
    seen.clusters[0].known = false;
    Rollback const decision = decide_rollback(seen);
    ASSERT_EQ(decision.plan.writes.size(), 1u);
    EXPECT_EQ(json::write(decision.plan.writes[0].body["spec"]["clusters"]),
              fmt::format(R"([{{"name":"a","rejected":"{}"}}])", hash("v2")));
}

std::string held(RollbackSeen const& seen) {
    HeldBack const result = held_back(seen);
    return join(result.waiting, " ") + "; " + join(result.unknown, " ");
}

TEST(Rollback, WhatHasNotBegunIsHeldBack) {
    RollbackSeen seen = seen_as({.on_delete = ""}, {cluster("done", Is::kAtRest, "v2"), cluster("a", Is::kAtRest, "v1"),
                                                    cluster("b", Is::kAtRest, "v1"), cluster("c", Is::kAtRest, "v1")});
    seen.clusters[2].known = false;
    EXPECT_EQ(held(seen), "a c; b");
    pin(seen, 1);
    EXPECT_EQ(held(seen), "c; b");
    pin(seen, 0);
    EXPECT_EQ(held(seen), "done c; b") << "it would be undone, all at once";
    Value binding = seen.binding.thaw();
    binding["spec"]["clusters"].make_array()[2]["rejected"] = hash("v2");
    seen.binding = Doc::freeze(binding);
    EXPECT_EQ(held(seen), "done c; ");
    Value workload = seen.workload.thaw();
    workload.set({"metadata", "annotations", kUnguarded}, "allow");
    seen.workload = Doc::freeze(workload);
    EXPECT_EQ(held(seen), "; ");
}

TEST(Rollback, OneThatStaysIsLeftToItself) {
    std::vector<RollbackCluster> const clusters{cluster("a", Is::kReleasing, "v2"), cluster("b", Is::kAtRest, "v1")};
    EXPECT_EQ(shown(seen_as({.deleted = false}, clusters)), "");
}

}   // namespace
}   // namespace aviary::propagation
