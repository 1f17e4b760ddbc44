#include "hub/propagation/internal/revisions.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"

namespace aviary::propagation {
namespace {

using control::Write;
using json::Doc;
using json::Value;

Doc workload(int version) {
    return *json::parse(fmt::format(
        R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"demo","uid":"u"}},
        "spec":{{"template":{{"metadata":{{"creationTimestamp":null}},"spec":{{"v":{}}}}}}}}})",
        version));
}
std::string hash(int version) { return template_hash(pod_template(workload(version))); }

Doc revision(int version, int number) {
    Value object{json::Object{{"revision", number}}};
    object.set({"metadata"}, json::Object{{"name", fmt::format("web-{}", hash(version))}, {"namespace", "demo"}});
    object.set({"metadata", "labels", kTemplateLabel}, hash(version));
    return Doc::freeze(object);
}

Doc binding(std::string const& revision, std::string const& rejected) {
    return *json::parse(fmt::format(
        R"({{"metadata":{{"name":"deployment-web","namespace":"demo","resourceVersion":"9"}},"spec":{{"resource":{{"apiVersion":"apps/v1",
        "kind":"Deployment","namespace":"demo","name":"web"}},"clusters":[{{"name":"a","revision":"{}","rejected":"{}","paused":true}},{{"name":"b"}}]}}}})",
        revision, rejected));
}

TEST(Revisions, EachTemplateIsKeptOnce) {
    RevisionsSeen seen{.workload = workload(2), .kept = {revision(1, 4)}};
    auto plan = decide_revisions(seen);
    ASSERT_EQ(plan.writes.size(), 1u);
    EXPECT_EQ(plan.writes[0].verb, Write::Verb::kCreate);
    EXPECT_TRUE(plan.writes[0].ignore_already_exists);
    EXPECT_EQ(plan.writes[0].key.name, "web-" + hash(2));
    EXPECT_EQ(plan.writes[0].body["revision"].as_int(), 5);
    EXPECT_EQ(json::write(plan.writes[0].body.at({"data", "template"})), R"({"metadata":{},"spec":{"v":2}})");
    EXPECT_EQ(plan.writes[0].body.at({"metadata", "ownerReferences"})[0]["uid"].as_string(), "u");
    seen.kept.push_back(revision(2, 5));
    EXPECT_TRUE(decide_revisions(seen).writes.empty());
    EXPECT_TRUE(decide_revisions({}).writes.empty());
}

TEST(Revisions, WhatAFrozenWorkloadRunsIsKeptBeforeAnotherTakesItsPlace) {
    auto const frozen = [](char const* has, std::string const& stable) {
        Value object = workload(9).thaw();
        object.set({"metadata", "labels"}, json::Object{{kTemplateLabel, has}, {kStableLabel, stable}});
        return Doc::freeze(object);
    };
    RevisionsSeen seen{.workload = workload(2), .kept = {revision(2, 4)}};
    seen.frozen = {frozen("", "old"), frozen("old", "old")};   // one taken over, one whose template the hub never kept
    auto const plan = decide_revisions(seen);
    ASSERT_EQ(plan.writes.size(), 1u);
    EXPECT_EQ(plan.writes[0].key.name, "web-old");
    EXPECT_EQ(plan.writes[0].body["revision"].as_int(), 5);
    EXPECT_EQ(json::write(plan.writes[0].body.at({"data", "template"})), R"({"metadata":{},"spec":{"v":9}})");
    seen.frozen = {frozen("new", "old"), frozen("", ""), frozen("", hash(2))};   // the new one is there; nothing; kept
    EXPECT_TRUE(decide_revisions(seen).writes.empty());
}

TEST(Revisions, ForgetsTheOldestThatNobodyNeeds) {
    RevisionsSeen seen{.workload = workload(1)};   // the hub went back to the oldest
    for (int version = 1; version <= 25; ++version) seen.kept.push_back(revision(version, version));
    std::swap(seen.kept[0], seen.kept[20]);
    seen.used = {hash(2)};                      // some member comes from it
    seen.binding = binding(hash(3), hash(1));   // some cluster is pinned to it
    std::vector<std::string> gone;
    for (Write const& write : decide_revisions(seen).writes) {
        EXPECT_EQ(write.verb, Write::Verb::kDelete);
        gone.push_back(write.key.name);
    }
    EXPECT_EQ(gone, (std::vector<std::string>{"web-" + hash(4), "web-" + hash(5)}));
    seen.all_known = false;
    EXPECT_TRUE(decide_revisions(seen).writes.empty()) << "a member that is away may need any";
}

TEST(Pins, EndWithATemplateThatIsNotTheRejectedOne) {
    struct Case {
        std::string revision, rejected;
        bool ends;
    };
    for (Case const& each :
         std::vector<Case>{{hash(1), hash(2), false}, {hash(1), hash(3), true}, {"", hash(3), true}, {"", "", false}}) {
        RevisionsSeen const seen{
            .workload = workload(2), .kept = {revision(2, 1)}, .binding = binding(each.revision, each.rejected)};
        auto const plan = decide_revisions(seen);
        ASSERT_EQ(plan.writes.size(), each.ends ? 1u : 0u) << each.revision << each.rejected;
        if (!each.ends) continue;
        EXPECT_EQ(json::write(plan.writes[0].body["spec"]["clusters"]), R"([{"name":"a","paused":true},{"name":"b"}])");
        EXPECT_EQ(plan.writes[0].body.at({"metadata", "resourceVersion"}).as_string(), "9");
    }
}

}   // namespace
}   // namespace aviary::propagation
