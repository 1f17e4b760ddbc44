#include "hub/proxy/attached.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"

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
