#include "hub/propagation/aggregate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::propagation {
namespace {

using json::Doc;
using json::Value;

Time const kNow = *parse_rfc3339("2026-11-23T14:00:00Z");

Doc doc(std::string const& text) { return *json::parse(text); }

Doc deployment(int generation, int observed, int replicas, int ready, bool available) {
    return doc(fmt::format(
        R"({{"kind":"Deployment","metadata":{{"generation":{}}},"status":{{"observedGeneration":{},"replicas":{},"readyReplicas":{},
        "updatedReplicas":1,"conditions":[{{"type":"Available","status":"{}"}}]}}}})",
        generation, observed, replicas, ready, available ? "True" : "False"));
}

Doc rollout(std::string const& phase, int step, std::string const& state, int pods = 1, int observed = 1) {
    return doc(fmt::format(
        R"({{"kind":"Rollout","metadata":{{"generation":1}},"status":{{"observedGeneration":{},"phase":"{}","message":"m-{}-{}",
        "canaryStatus":{{"currentStepIndex":{},"currentStepState":"{}","canaryReplicas":{},"canaryReadyReplicas":{}}}}}}})",
        observed, phase, step, state, step, state, pods, pods));
}

Value aggregated(std::string const& source, std::vector<Reported> const& reported) {
    return aggregate(doc(source), reported, kNow);
}

constexpr char kDeployment[] = R"({"kind":"Deployment","metadata":{"generation":7},"status":{"observedGeneration":3}})";
constexpr char kRollout[] = R"({"kind":"Rollout","metadata":{"generation":7},"status":{"observedGeneration":3}})";

TEST(Aggregate, WorkloadsAreAddedUp) {
    Value const status = aggregated(
        kDeployment,
        {{"a", deployment(1, 1, 10, 9, true), true}, {"b", deployment(4, 4, 5, 5, true), true}, {"c", {}, true}});
    EXPECT_EQ(status["replicas"].as_int(), 15);
    EXPECT_EQ(status["readyReplicas"].as_int(), 14);
    EXPECT_EQ(status["updatedReplicas"].as_int(), 2);
    EXPECT_EQ(status["availableReplicas"].as_int(), 0);
}

TEST(Aggregate, AStepThatIsStalledSomewhereIsToldWithItsCluster) {
    auto const stalled = [](char const* message, char const* status = "True") {
        Value object = rollout("Progressing", 1, "StepUpgrade").thaw();
        object.set({"status", "conditions"},
                   json::Array{json::Object{{"type", "Progressing"}, {"status", "True"}, {"reason", "InRolling"}},
                               json::Object{{"type", "Stalled"},
                                            {"status", status},
                                            {"reason", "ProgressDeadlineExceeded"},
                                            {"message", message},
                                            {"lastTransitionTime", "2026-11-23T14:00:00Z"}}});
        return Doc::freeze(object);
    };
    Doc const well = rollout("Healthy", 3, "Completed");
    Value const one = aggregated(kRollout, {{"a", well, true}, {"b", stalled("late"), true}})["conditions"];
    ASSERT_EQ(one.size(), 1U);
    Value const& said = one.element(0);
    EXPECT_EQ(said["type"].as_string(), "Stalled");
    EXPECT_EQ(said["status"].as_string(), "True");
    EXPECT_EQ(said["reason"].as_string(), "ProgressDeadlineExceeded");
    EXPECT_EQ(said["message"].as_string(), "b: late");
    EXPECT_EQ(said["lastTransitionTime"].as_string(), "2026-11-23T14:00:00Z");
    Value const two = aggregated(kRollout, {{"a", stalled("first"), true}, {"b", stalled("late"), true}})["conditions"];
    EXPECT_EQ(two.element(0)["message"].as_string(), "a (and 1 more clusters): first");
    // What was said goes with it.
    EXPECT_TRUE(aggregated(kRollout, {{"a", well, true}})["conditions"].is_null());
    EXPECT_TRUE(aggregated(kRollout, {{"a", stalled("over", "False"), true}})["conditions"].is_null());
    EXPECT_TRUE(aggregated(kRollout, {})["conditions"].is_null());
}

// Tools that deliver by the hub's status would take it for a success.
TEST(Aggregate, AReleaseThatItsDeadlineHasTakenBackIsToldWithItsCluster) {
    auto const taken_back = [](char const* reason) {
        Value object = rollout("Healthy", 3, "Completed").thaw();
        object.set({"status", "conditions"}, json::Array{json::Object{{"type", "Succeeded"},
                                                                      {"status", "False"},
                                                                      {"reason", reason},
                                                                      {"message", "1 of 1 v2 pods CrashLooping"},
                                                                      {"lastTransitionTime", "2026-11-23T14:00:00Z"}}});
        return Doc::freeze(object);
    };
    Doc const well = rollout("Healthy", 3, "Completed");
    Value const said = aggregated(
        kRollout,
        {{"a", well, true}, {"b", taken_back("ProgressDeadlineExceeded"), true, false, false, true}})["conditions"];
    ASSERT_EQ(said.size(), 1U);
    EXPECT_EQ(said.element(0)["type"].as_string(), "Succeeded");
    EXPECT_EQ(said.element(0)["status"].as_string(), "False");
    EXPECT_EQ(said.element(0)["reason"].as_string(), "ProgressDeadlineExceeded");
    EXPECT_EQ(said.element(0)["message"].as_string(), "b: 1 of 1 v2 pods CrashLooping");
    EXPECT_TRUE(aggregated(kRollout, {{"a", taken_back(""), true, false, false, true}})["conditions"].is_null());
    // The hub has the version before again, as this cluster has.
    EXPECT_TRUE(aggregated(kRollout, {{"a", taken_back("ProgressDeadlineExceeded"), true}})["conditions"].is_null());
}

TEST(Aggregate, StatefulSetsHaveNoConditionOfTheirs) {
    Doc const live = doc(R"({"kind":"StatefulSet","metadata":{"generation":1},
        "status":{"observedGeneration":1,"replicas":3,"readyReplicas":2,"availableReplicas":2}})");
    Value const status =
        aggregated(R"({"kind":"StatefulSet","metadata":{"generation":7}})", {{"a", live, true}, {"b", live, true}});
    EXPECT_EQ(status["replicas"].as_int(), 6);
    EXPECT_EQ(status["readyReplicas"].as_int(), 4);
    EXPECT_EQ(status["observedGeneration"].as_int(), 7);
    EXPECT_FALSE(status.contains("conditions"));
}

// Without a count that the definition requires the status would be refused, again and again.
TEST(Aggregate, KruisesStatefulSetsHaveEveryCountThatTheirDefinitionRequires) {
    Doc const live = doc(R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"StatefulSet","metadata":{"generation":1},
        "status":{"observedGeneration":1,"replicas":3,"readyReplicas":3,"availableReplicas":3,"updatedReplicas":1,
        "currentReplicas":2}})");
    Value const status =
        aggregated(R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"StatefulSet","metadata":{"generation":7}})",
                   {{"a", live, true}, {"b", live, true}});
    EXPECT_EQ(status["currentReplicas"].as_int(), 4);
    for (char const* field : {"replicas", "readyReplicas", "availableReplicas", "updatedReplicas"})
        EXPECT_TRUE(status.contains(field)) << field;
}

// A field that a definition does not have would be written again and again.
TEST(Aggregate, OnlyWhatAKindCountsIsSaid) {
    Doc const live = doc(R"({"kind":"CloneSet","metadata":{"generation":1},
        "status":{"observedGeneration":1,"replicas":3,"updatedReadyReplicas":2}})");
    Value const status = aggregated(R"({"kind":"CloneSet","metadata":{"generation":7},"status":{"readyReplicas":9}})",
                                    {{"a", live, true}, {"b", live, true}});
    EXPECT_EQ(status["updatedReadyReplicas"].as_int(), 4);
    EXPECT_FALSE(status.contains("unavailableReplicas"));
    EXPECT_TRUE(status.contains("readyReplicas") && status["readyReplicas"].as_int() == 0) << "said before";
}

TEST(Aggregate, ABlueGreenReleaseIsSaidUnderItsOwnName) {
    Doc const member = doc(
        R"({"kind":"Rollout","metadata":{"generation":1},"spec":{"strategy":{"blueGreen":{}}},"status":{"observedGeneration":1,
        "phase":"Progressing","blueGreenStatus":{"currentStepIndex":2,"currentStepState":"StepPaused","updatedReplicas":5,
        "updatedReadyReplicas":4}}})");
    Value const status = aggregated(kRollout, {{"a", member, true}, {"b", member, true}});
    EXPECT_EQ(status["currentStepIndex"].as_int(), 2);
    EXPECT_EQ(status["currentStepState"].as_string(), "StepPaused");
    EXPECT_EQ(status.at({"blueGreenStatus", "updatedReplicas"}).as_int(), 10);
    EXPECT_EQ(status.at({"blueGreenStatus", "updatedReadyReplicas"}).as_int(), 8);
    EXPECT_FALSE(status["canaryStatus"].is_object());
}

// `kubectl rollout status` believes observedGeneration: it may say so only when every cluster is that far.
TEST(Aggregate, IsObservedWhenEveryClusterCarriesAndHasObservedIt) {
    Doc const up = deployment(2, 2, 1, 1, true);
    struct Case {
        std::vector<Reported> reported;
        int observed;
    };
    for (Case const& each : std::vector<Case>{{{{"a", up, true}, {"b", up, true}}, 7},
                                              {{{"a", up, true}, {"b", up, false}}, 3},
                                              {{{"a", up, true}, {"b", {}, true}}, 3},
                                              {{{"a", deployment(2, 1, 1, 1, true), true}}, 3},
                                              {{}, 3}}) {
        EXPECT_EQ(aggregated(kDeployment, each.reported)["observedGeneration"].as_int(), each.observed);
    }
    EXPECT_EQ(aggregated(kRollout, {{"a", rollout("Healthy", 1, ""), true}})["observedGeneration"].as_int(), 7);
    EXPECT_EQ(aggregated(kRollout, {{"a", rollout("Healthy", 1, "", 1, 0), true}})["observedGeneration"].as_int(), 3);
}

TEST(Aggregate, IsAvailableWhenEveryClusterIs) {
    Doc const up = deployment(1, 1, 1, 1, true);
    Doc const down = deployment(1, 1, 1, 1, false);
    struct Case {
        std::vector<Reported> reported;
        char const* condition;
    };
    for (Case const& each :
         std::vector<Case>{{{{"a", up, true}}, "True MinimumReplicasAvailable"},
                           {{{"a", up, true}, {"b", down, true}}, "False MinimumReplicasUnavailable"},
                           {{{"a", up, true}, {"b", {}, true}}, "False MinimumReplicasUnavailable"},
                           {{}, "False MinimumReplicasUnavailable"}}) {
        Value const status = aggregated(kDeployment, each.reported);
        ASSERT_EQ(status["conditions"].size(), 1u);
        Value const& condition = status["conditions"][0];
        EXPECT_EQ(fmt::format("{} {}", condition["status"].as_string(), condition["reason"].as_string()),
                  each.condition);
    }
    // Nothing new: the time of the last change stays.
    Value const again = aggregate(
        doc(R"({"kind":"Deployment","status":{"conditions":[{"type":"Available","status":"True","lastTransitionTime":"2026-11-23T13:00:00Z"}]}})"),
        {{"a", up, true}}, kNow);
    EXPECT_EQ(again["conditions"][0]["lastTransitionTime"].as_string(), "2026-11-23T13:00:00Z");
}

// A message is for people, and is written again with each change.
TEST(Aggregate, AMessageNamesTenClustersAtMost) {
    std::vector<Reported> reported{{"at-work", rollout("Progressing", 1, "StepPaused"), true}};
    for (int count = 1; count <= 12; ++count)
        reported.push_back({fmt::format("c{}", count), rollout("Healthy", 3, "Completed"), true, false, true});
    std::string const message = aggregated(kRollout, reported)["message"].string();
    EXPECT_TRUE(message.ends_with("; taken back in c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 and 2 more")) << message;
}

TEST(Aggregate, ARolloutIsWhereTheClusterFurthestBehindIs) {
    Doc const healthy = rollout("Healthy", 3, "Completed");
    Doc const upgrading1 = rollout("Progressing", 1, "StepUpgrade");
    Doc const paused1 = rollout("Progressing", 1, "StepPaused");
    Doc const ready1 = rollout("Progressing", 1, "StepReady");
    Doc const paused2 = rollout("Progressing", 2, "StepPaused");
    Doc const initial = rollout("Initial", 0, "");
    struct Case {
        std::vector<Reported> reported;
        char const* shown;
    };
    for (Case const& each : std::vector<Case>{
             {{{"a", healthy, true}, {"b", healthy, true}}, "Healthy/3/Completed healthy in all 2 clusters"},
             {{{"a", healthy, true}, {"b", paused2, true}},
              "Progressing/2/StepPaused 1 of 2 clusters healthy; b is furthest behind: m-2-StepPaused"},
             {{{"a", healthy, true, false, true}, {"b", healthy, true, false, true}},
              "Healthy/3/Completed healthy in all 2 clusters; taken back in all of them"},
             {{{"a", healthy, true, false, true}, {"b", paused1, true}},
              "Progressing/1/StepPaused 1 of 2 clusters healthy; b is furthest behind: m-1-StepPaused; taken back in "
              "a"},
             {{{"a", paused2, true}, {"b", paused1, true}},
              "Progressing/1/StepPaused 0 of 2 clusters healthy; b is furthest behind: m-1-StepPaused"},
             {{{"a", ready1, true}, {"b", paused1, true}, {"c", upgrading1, true}},
              "Progressing/1/StepUpgrade 0 of 3 clusters healthy; c is furthest behind: m-1-StepUpgrade"},
             {{{"a", paused1, true}, {"b", initial, true}},
              "Initial/0/ 0 of 2 clusters healthy; b is furthest behind: m-0-"},
             // One that is not there hides nothing of the others, and is never drawn as fine.
             {{{"a", healthy, true}, {"b", {}, false}}, "Initial/3/Completed 1 of 2 clusters healthy; not in b yet"},
             {{{"a", paused1, true}, {"b", {}, false}, {"c", {}, false}},
              "Progressing/1/StepPaused 0 of 3 clusters healthy; a is furthest behind: m-1-StepPaused; not in b, c "
              "yet"},
             {{{"a", {}, false}}, "Initial/0/ not in any cluster yet"},
             // One that does not answer is known as it was, and is fine only with the hub's newest version.
             {{{"a", healthy, true}, {"b", healthy, true, true}},
              "Healthy/3/Completed healthy in all 2 clusters; b does not answer"},
             {{{"a", healthy, true}, {"b", healthy, false, true}},
              "Initial/3/Completed 1 of 2 clusters healthy; b does not answer"},
             {{{"a", healthy, true}, {"b", {}, false, true}, {"c", {}, false, true}},
              "Initial/3/Completed 1 of 3 clusters healthy; b, c do not answer"},
             {{{"a", paused1, true}, {"b", healthy, false, true}},
              "Progressing/1/StepPaused 0 of 2 clusters healthy; a is furthest behind: m-1-StepPaused; b does not "
              "answer"},
             {{{"a", {}, false, true}}, "Initial/0/ a does not answer"},
             {{}, "Initial/0/ placed in no cluster"}}) {
        Value const status = aggregated(kRollout, each.reported);
        EXPECT_EQ(fmt::format("{}/{}/{} {}", status["phase"].as_string(), status["currentStepIndex"].as_int(),
                              status["currentStepState"].as_string(), status["message"].as_string()),
                  each.shown);
    }
}

TEST(Aggregate, ARolloutCountsThePodsOfAllClusters) {
    Value const status = aggregated(kRollout, {{"a", rollout("Progressing", 1, "StepPaused", 3), true},
                                               {"b", rollout("Progressing", 2, "StepPaused", 5), true}});
    EXPECT_EQ(status.at({"canaryStatus", "canaryReplicas"}).as_int(), 8);
    EXPECT_EQ(status.at({"canaryStatus", "canaryReadyReplicas"}).as_int(), 8);
    EXPECT_EQ(status.at({"canaryStatus", "currentStepIndex"}).as_int(), 1);
    // Nowhere any more: what an earlier release said goes.
    EXPECT_TRUE(aggregated(kRollout, {}).contains("canaryStatus"));
    EXPECT_TRUE(aggregated(kRollout, {})["canaryStatus"].is_null());
}

TEST(Aggregate, OtherKindsSayNothing) {
    EXPECT_EQ(json::write(aggregated(R"({"kind":"ConfigMap"})", {{"a", doc("{}"), true}})), "{}");
}

TEST(StatusChanges, AreWhatDiffers) {
    struct Case {
        char const* before;
        char const* wanted;
        char const* changes;
    };
    for (Case const& each : std::vector<Case>{
             {R"({"status":{"a":1,"b":2}})", R"({"a":1,"b":3})", R"({"b":3})"},
             {R"({})", R"({"a":0,"b":[],"c":{},"d":null,"e":""})", "{}"},   // as good as absent
             {R"({"status":{"a":1}})", R"({"a":0})", R"({"a":0})"},
             {R"({"status":{"c":{"x":1,"y":2}}})", R"({"c":{"x":1}})", R"({"c":{"y":null}})"},
             {R"({"status":{"c":{"x":1}}})", R"({"c":{"x":1}})", "{}"},
             {R"({"status":{"c":{"x":1}}})", R"({"c":null})", R"({"c":null})"},
             {R"({"status":{"l":[1,2]}})", R"({"l":[2]})", R"({"l":[2]})"},
             {R"({"status":{"theirs":1}})", "{}", "{}"},
         }) {
        EXPECT_EQ(json::write(status_changes(doc(each.before), *json::parse_value(each.wanted))), each.changes)
            << each.before << each.wanted;
    }
}

// A member may say anything: it does not end up in the hub's status, nor keep others' from getting there.
TEST(Aggregate, AMembersWordIsTakenInTheShapeOfTheApi) {
    Doc const odd = doc(R"({"kind":"Rollout","status":{"phase":"Progressing","message":")" + std::string(1 << 20, 'x') +
                        R"(","canaryStatus":{"currentStepState":7,"currentStepIndex":"one","more":[1]}}})");
    Value const status = aggregated(kRollout, {{"a", odd, true}, {"b", rollout("Healthy", 3, "Completed"), true}});
    EXPECT_TRUE(status["canaryStatus"].is_null()) << json::write(status["canaryStatus"]);
    EXPECT_EQ(status["currentStepState"].as_string(), "");
    EXPECT_LT(status["message"].as_string().size(), 1200u);
}

}   // namespace
}   // namespace aviary::propagation
