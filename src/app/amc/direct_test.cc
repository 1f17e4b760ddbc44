#include "app/amc/direct.h"

#include <gtest/gtest.h>

#include "apis/fleet/decision.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "hub/proxy/attached.h"

namespace aviary::amc {
namespace {

using json::Doc;
using json::Value;

constexpr char kWorkload[] = R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo",
    "uid":"d1","generation":3,"labels":{"fleet.aviary.dev/hub":"h1"},"annotations":{"step":"1"}},
    "spec":{"template":{"spec":{"containers":[{"name":"main","image":"web:v2"}]}}}})";
constexpr char kEarlier[] = R"({"kind":"ReplicaSet","metadata":{"name":"web-1","ownerReferences":[{"uid":"d1"}]},
    "spec":{"template":{"metadata":{"labels":{"pod-template-hash":"1"}},"spec":{"containers":[{"name":"main","image":"web:v1"}]}}}})";

constexpr char kNow[] = R"({"kind":"ReplicaSet","metadata":{"name":"web-2","ownerReferences":[{"uid":"d1"}],
    "labels":{"pod-template-hash":"2"}},"spec":{"template":{"metadata":{"labels":{"pod-template-hash":"2"}},
    "spec":{"containers":[{"name":"main","image":"web:v2"}]}}}})";

// Its rollout controller notes a step in an annotation meanwhile, which is no new generation.
TEST(DirectUndo, KeepsAnnotationsThatAreWrittenMeanwhile) {
    proxy::ClusterView view;
    view.workload = *json::parse(kWorkload);
    auto const change =
        direct_change({std::string(apis::action::kUndo), 0, "until;who;why"}, view, {*json::parse(kEarlier)});
    ASSERT_TRUE(change) << change.error().message();
    Value there = *json::parse_value(kWorkload);
    there.set({"metadata", "annotations", "step"}, "2");
    ASSERT_TRUE(json::apply_json_patch(there, change->patch));
    EXPECT_EQ(there.at({"metadata", "annotations", "step"}).as_string(), "2");
    EXPECT_EQ(there.at({"metadata", "annotations", "fleet.aviary.dev/hold"}).as_string(), "until;who;why");
    EXPECT_EQ(there.at({"spec", "template", "spec", "containers"})[0]["image"].as_string(), "web:v1");
    there.set({"metadata", "generation"}, 4);
    EXPECT_FALSE(json::apply_json_patch(there, change->patch));
    // Without any annotation, too.
    Value bare = *json::parse_value(kWorkload);
    bare["metadata"].erase("annotations");
    view.workload = Doc::freeze(bare);
    ASSERT_TRUE(json::apply_json_patch(
        bare, direct_change({std::string(apis::action::kUndo), 0, "h"}, view, {*json::parse(kEarlier)})->patch));
    EXPECT_EQ(bare.at({"metadata", "annotations", "fleet.aviary.dev/hold"}).as_string(), "h");
}

// A hub knows by its labels what it has brought: what is put back here is another version.
TEST(DirectAbort, SaysToTheHubWhichVersionIsThere) {
    struct Case {
        char const* labels;
        char const* annotations;
        char const* has;
        char const* stable;
    };
    for (Case const& each : {
             Case{R"("fleet.aviary.dev/template":"h2","fleet.aviary.dev/stable":"h1")",
                  R"("rollouts.kruise.io/in-progressing":"{}")", "h1", "h1"},
             {R"("fleet.aviary.dev/template":"h2")", R"("rollouts.kruise.io/in-progressing":"{}")", "", ""},
             // A release of its own, from where it is.
             {R"("fleet.aviary.dev/template":"h2","fleet.aviary.dev/stable":"h1")", "", "h1", "h2"},
             // After an abort of h3 the newest other one is h3.
             {R"("fleet.aviary.dev/template":"h2","fleet.aviary.dev/stable":"h2")", "", "", "h2"},
         }) {
        Value there = *json::parse_value(kWorkload);
        json::apply_merge_patch(
            there, *json::parse_value(fmt::format(R"({{"metadata":{{"labels":{{{}}},"annotations":{{{}}}}}}})",
                                                  each.labels, each.annotations)));
        proxy::ClusterView view;
        view.workload = Doc::freeze(there);
        auto const change = direct_change({std::string(apis::action::kAbort), 0, "h"}, view, {*json::parse(kEarlier)});
        ASSERT_TRUE(change) << change.error().message();
        ASSERT_TRUE(json::apply_json_patch(there, change->patch));
        Doc const now = Doc::freeze(there);
        EXPECT_EQ(meta::label(now, "fleet.aviary.dev/template"), each.has) << each.labels << each.annotations;
        EXPECT_EQ(meta::label(now, "fleet.aviary.dev/stable"), each.stable) << each.labels << each.annotations;
    }
}

// The Rollout there has not seen it yet.
TEST(DirectUndo, OfWhatWasPutBackAMomentAgoIsNothing) {
    auto const again = [](Value workload, char const* action) {
        proxy::ClusterView view;
        view.workload = Doc::freeze(workload);
        auto const change = direct_change({action, 0, "h"}, view, {*json::parse(kEarlier), *json::parse(kNow)});
        if (!change) return change.error().message();
        return change->message + (change->patch.is_null() ? "" : " by a patch");
    };
    // In the middle of a release from v1.
    Value there = *json::parse_value(kWorkload);
    there.set({"metadata", "labels", "rollouts.kruise.io/stable-revision"}, "1");
    there.set({"metadata", "annotations", "rollouts.kruise.io/in-progressing"}, "{}");
    for (char const* action : {"Undo", "Abort"}) EXPECT_EQ(again(there, action), "going back to v1 by a patch");
    there.set({"spec", "template"}, *json::parse_value(R"({"metadata":{"labels":{}},
        "spec":{"containers":[{"name":"main","image":"web:v1"}]}})"));
    for (char const* action : {"Undo", "Abort"}) EXPECT_EQ(again(there, action), "goes back to v1 already");
    // Of one that was finished: a release of its own has begun, from v2.
    Value finished = *json::parse_value(kWorkload);
    proxy::ClusterView view;
    view.workload = Doc::freeze(finished);
    auto const change = direct_change({"Undo", 0, "h"}, view, {*json::parse(kEarlier), *json::parse(kNow)});
    ASSERT_TRUE(change);
    ASSERT_TRUE(json::apply_json_patch(finished, change->patch));
    EXPECT_EQ(proxy::undone_version(Doc::freeze(finished)), "v2");
    finished.set({"metadata", "labels", "rollouts.kruise.io/stable-revision"}, "2");
    finished.set({"metadata", "annotations", "rollouts.kruise.io/in-progressing"}, "{}");
    EXPECT_EQ(again(finished, "Undo"), "goes back to v1 already");
    // That can be ended, and leaves nothing behind.
    view.workload = Doc::freeze(finished);
    auto const end = direct_change({"Abort", 0, "h"}, view, {*json::parse(kEarlier), *json::parse(kNow)});
    ASSERT_TRUE(end);
    EXPECT_EQ(end->message, "going back to v2");
    ASSERT_TRUE(json::apply_json_patch(finished, end->patch));
    EXPECT_FALSE(finished.at({"metadata", "annotations"}).contains(proxy::kUndone));
}

}   // namespace
}   // namespace aviary::amc
