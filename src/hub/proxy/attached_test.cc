#include "hub/proxy/attached.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

namespace aviary::proxy {
namespace {

using json::Doc;
using json::Value;

Doc changed(char const* text, std::string const& change) {
    Value object = *json::parse_value(text);
    json::apply_merge_patch(object, *json::parse_value(change));
    return Doc::freeze(object);
}

// Paused at step 1 of 2, from v1 to v2.
ClusterView view(std::string name, std::string const& rollout = "{}", std::string const& workload = "{}") {
    ClusterView view;
    view.cluster = std::move(name);
    view.rollout = changed(
        R"({"metadata":{"name":"web","namespace":"demo","uid":"u"},"spec":{"strategy":{"canary":{"steps":[{"replicas":"50%"},
        {"replicas":"100%"}]}}},"status":{"phase":"Progressing","canaryStatus":{"currentStepIndex":1,
        "currentStepState":"StepPaused","canaryRevision":"r2","podTemplateHash":"h2","stableRevision":"h1"}}})",
        rollout);
    view.workload = changed(
        R"({"metadata":{"name":"web"},"spec":{"replicas":2,"template":{"spec":{"containers":[{"image":"repo/app:v2"}]}}}})",
        workload);
    for (char const* each : {"1", "2"})
        view.pods.push_back(changed(
            R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})",
            fmt::format(
                R"({{"metadata":{{"labels":{{"pod-template-hash":"h{0}"}}}},"spec":{{"containers":[{{"image":"repo/app:v{0}"}}]}}}})",
                each)));
    return view;
}

TEST(Attached, IsWhatItsClustersSay) {
    std::vector<ClusterView> views{view("a"), view("b")};
    Release const release = release_among(views);
    Value const seen = explain(release, views);
    EXPECT_TRUE(seen["attached"].as_bool());
    EXPECT_EQ(seen["from"].as_string(), "v1");
    EXPECT_EQ(seen["to"].as_string(), "v2");
    EXPECT_EQ(seen["onNew"].as_int(), 2);
    EXPECT_TRUE(seen["digest"].as_string().starts_with("sha256:"));
    ASSERT_EQ(seen["clusters"].size(), 2u);
    EXPECT_EQ(seen["clusters"][1]["reason"].as_string(), "AwaitingApproval");
    EXPECT_EQ(seen["clusters"][1]["rolloutUID"].as_string(), "u");
}

TEST(Attached, ClustersMayDiffer) {
    std::string const v3 = R"({"spec":{"template":{"spec":{"containers":[{"image":"repo/app:v3"}]}}}})";
    std::vector<ClusterView> views{view("a"), view("b", "{}", v3)};
    Release release = release_among(views);
    EXPECT_EQ(release.to, "several versions");
    EXPECT_EQ(release.digest, "");
    // One that is at rest has no part in the release of the others.
    views = {view("a"), view("b", R"({"status":{"phase":"Healthy"}})", v3)};
    release = release_among(views);
    EXPECT_EQ(release.to, "");
    EXPECT_EQ(version_of(release.workload.at({"spec", "template"})), "v2");
}

// "REASON message | from -> to | on the new version" of one cluster.
std::string back(ClusterView view) {
    std::vector<ClusterView> views{std::move(view)};
    Release const release = release_among(views);
    Value const seen = explain(release, views);
    Value const& row = seen["clusters"][0];
    return fmt::format("{} {} | {} -> {} | {} | {}", row["reason"].as_string(), row["message"].as_string(),
                       seen["from"].as_string(), seen["to"].as_string(), seen["onNew"].as_int(),
                       row["endsWhen"].as_string());
}

constexpr char kTakenBack[] = R"({"status":{"phase":"Healthy","conditions":[{"type":"Succeeded","status":"False"}],
    "canaryStatus":{"observedWorkloadGeneration":2}}})";
constexpr char kV1[] = R"({"kind":"Deployment","metadata":{"uid":"d","generation":2},
    "spec":{"template":{"spec":{"containers":[{"image":"repo/app:v1"}]}}}})";

TEST(Attached, WhatWasTakenBackSaysSo) {
    ClusterView taken = view("a", kTakenBack, kV1);
    taken.pods.pop_back();
    EXPECT_EQ(back(taken), "TakenBack pinned to v1, h2 rejected | v1 -> h2 | 0 | another version is released");
    taken.revisions = {changed(R"({"metadata":{"ownerReferences":[{"uid":"d"}],"labels":{"pod-template-hash":"h2"}}})",
                               R"({"spec":{"template":{"spec":{"containers":[{"image":"repo/app:v2"}]}}}})")};
    EXPECT_EQ(back(taken), "TakenBack pinned to v1, v2 rejected | v1 -> v2 | 0 | another version is released");
    // One that never had pods may have no name there.
    ClusterView early = taken;
    early.rollout =
        changed(json::write(taken.rollout).c_str(), R"({"status":{"canaryStatus":{"podTemplateHash":""}}})");
    EXPECT_TRUE(back(early).starts_with("TakenBack pinned to v1, v2 rejected")) << back(early);
    early.revisions.clear();
    EXPECT_TRUE(back(early).starts_with("TakenBack pinned to v1, another version rejected")) << back(early);
    // Without pods the generation tells, which a Rollout follows as long as it is the version that it knows.
    taken.pods.clear();
    EXPECT_TRUE(back(taken).starts_with("TakenBack pinned to v1, v2 rejected"));
    taken = view("a", kTakenBack, R"({"metadata":{"generation":3}})");
    taken.pods.clear();
    EXPECT_TRUE(back(taken).starts_with("- "));
    // Which a deadline has done.
    taken = view("a", R"({"status":{"phase":"Healthy","conditions":[{"type":"Succeeded","status":"False",
        "reason":"ProgressDeadlineExceeded","message":"step 1/2 has made no progress"}]}})",
                 kV1);
    std::vector<ClusterView> overdue{taken};
    Value const seen = explain(release_among(overdue), overdue);
    EXPECT_EQ(seen["clusters"][0]["causes"][0].as_string(), "step 1/2 has made no progress");
    // Put back, with pods of the other version left.
    std::string const cancelling =
        R"({"status":{"conditions":[{"type":"Progressing","status":"True","reason":"Cancelling","message":"said"}]}})";
    EXPECT_EQ(back(view("a", cancelling, kV1)), "Cancelling said | v1 -> v2 | 1 | the workload is handed back");
}

// The condition of the last release stays behind where the next version comes without one.
TEST(Attached, ANewerVersionSinceIsNotTakenBack) {
    ClusterView newer =
        view("a", kTakenBack, R"({"spec":{"template":{"spec":{"containers":[{"image":"repo/app:v3"}]}}}})");
    newer.pods = {changed(R"({"metadata":{"labels":{"pod-template-hash":"h3"}}})",
                          R"({"spec":{"containers":[{"image":"repo/app:v3"}]}})")};
    EXPECT_EQ(back(newer), "-  |  -> v3 | 1 | -");
    // It begins.
    ClusterView const begins =
        view("a", kTakenBack, R"({"metadata":{"annotations":{"rollouts.kruise.io/in-progressing":"{}"}}})");
    EXPECT_TRUE(back(begins).starts_with("Applying ")) << back(begins);
}

TEST(Attached, WhatComesBackInBatchesIsApprovedOnItsWay) {
    ClusterView const batches = view("a", R"({"status":{"conditions":[{"type":"RolledBack","status":"True"}],
        "canaryStatus":{"podTemplateHash":"h1"}}})",
                                     kV1);
    EXPECT_EQ(back(batches), "AwaitingApproval  | v1 -> v2 | 1 | approved: back to v1");
    std::vector<ClusterView> views{batches};
    Value const seen = explain(release_among(views), views);
    EXPECT_TRUE(seen["clusters"][0]["inBatches"].as_bool());
}

TEST(Attached, AnUndoOfAFinishedReleaseIsKnownByItsMark) {
    Value workload = view("a", "{}", kV1).workload.thaw();
    workload.set({"metadata", "annotations", kUndone}, template_mark(Doc::freeze(workload)) + ";v2");
    ClusterView undone = view("a", R"({"status":{"phase":"Healthy"}})");
    undone.workload = Doc::freeze(workload);
    EXPECT_TRUE(back(undone).starts_with("TakenBack pinned to v1, v2 rejected | v1 -> v2 |")) << back(undone);
    // At its last step no pod is left of what it comes from.
    ClusterView last = view("a");
    last.workload = undone.workload;
    last.pods.clear();
    std::vector<ClusterView> views{last};
    release_among(views);
    EXPECT_EQ(views[0].stable, "v2");
    workload.set({"spec", "template", "metadata", "annotations", "restarted"}, "now");
    undone.workload = Doc::freeze(workload);
    EXPECT_TRUE(back(undone).starts_with("- ")) << "another version since";
}

TEST(Attached, WhatCannotBeReadIsThereAndUnknown) {
    ClusterView without;
    without.cluster = "without";
    ClusterView away = without;
    away.cluster = "away";
    away.reachable = false;
    away.unread = "no route";
    ClusterView closed = without;
    closed.cluster = "closed";
    closed.unread = "forbidden";
    ClusterView half = view("half");
    half.pods.clear();
    half.pods_unread = "pods is forbidden";
    std::vector<ClusterView> views{without, away, closed, half};
    Release const release = release_among(views);
    Value const seen = explain(release, views);
    ASSERT_EQ(seen["clusters"].size(), 3u);
    auto const row = [&](int index, char const* field) { return seen["clusters"][index][field].string(); };
    EXPECT_EQ(row(0, "reason") + " " + row(0, "message") + " " + row(0, "error"),
              "ClusterUnreachable does not answer: no route no route");
    EXPECT_EQ(row(1, "reason") + " " + row(1, "message") + " " + row(1, "error"), "ReadRefused forbidden forbidden");
    EXPECT_EQ(row(2, "reason") + " " + row(2, "trouble"), "AwaitingApproval ReadRefused")
        << "what nobody can look at is not approved with all";
}

}   // namespace
}   // namespace aviary::proxy
