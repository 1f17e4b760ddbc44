#include "app/amc/release_text.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

namespace aviary::amc {
namespace {

using json::Doc;
using json::Value;

// A cluster that awaits the approval of step 1 of 3.
Value cluster(std::string const& name, std::string const& change = "{}") {
    Value row = *json::parse_value(
        R"({"placed":true,"reachable":true,"phase":"Progressing","step":1,"steps":3,"state":"StepPaused",
        "reason":"AwaitingApproval","message":"said","stable":"v1","version":"v2","causes":[],"replicas":10,"ready":10})");
    row["cluster"] = name;
    json::apply_merge_patch(row, *json::parse_value(change));
    return row;
}

Doc view(json::Array clusters, std::string const& change = "{}") {
    Value object = *json::parse_value(
        R"({"name":"web","namespace":"demo","release":"3f9a1c","from":"v1","to":"v2","onNew":2,"total":20,"ready":19})");
    object["clusters"] = std::move(clusters);
    json::apply_merge_patch(object, *json::parse_value(change));
    return Doc::freeze(object);
}

constexpr char kCrashing[] = R"({"trouble":"CrashLooping","causes":["1 of 1 v2 pods CrashLooping"]})";

constexpr char kBack[] = R"({"phase":"Healthy","reason":"TakenBack","pinned":"v1","rejected":"v2","updated":0})";
constexpr char kGoesBack[] = R"({"pinned":"v1","rejected":"v2","updated":9})";

TEST(Movement, SaysWhichWayItGoes) {
    EXPECT_EQ(movement(view({cluster("a")})), "v1 -> v2");
    EXPECT_EQ(movement(view({cluster("a")}, R"({"from":""})")), "v2");
    EXPECT_EQ(movement(view({cluster("a"), cluster("b", kBack)})), "v1 -> v2");
    EXPECT_EQ(movement(view({cluster("a", kGoesBack), cluster("b", kBack)})), "undo v2 -> v1");
    EXPECT_EQ(movement(view({cluster("a", kBack), cluster("b", kBack)})), "pinned to v1, v2 rejected");
    EXPECT_EQ(movement(view({cluster("a", kBack), cluster("b", R"({"phase":"Healthy","pinned":"v0"})")})),
              "pinned to several versions, v2 rejected");
    EXPECT_EQ(headline(view({cluster("a", kGoesBack)})),
              "demo/web  release 3f9a1c  undo v2 -> v1   on v2: 2/20   ready: 19/20\n");
    EXPECT_EQ(tree_line(view({}), Doc::freeze(cluster("a", kGoesBack))),
              "a  Progressing  step 1/3  StepPaused  on v2: 9/10  ready: 10/10  pinned to v1, v2 rejected");
}

// As where its workload is not there.
TEST(Movement, SaysThatNoVersionIsKnown) {
    Doc const none = view({cluster("a", R"({"phase":"Initial","state":"Initial","step":0,"replicas":0,"ready":0})")},
                          R"({"to":"","from":"","release":""})");
    EXPECT_EQ(headline(none), "demo/web  no version is known\n");
    EXPECT_EQ(tree_line(none, none["clusters"][0]), "a  Initial  step -  Initial  ready: 0/0");
}

TEST(NextSteps, ApproveStepByStepWhatIsWell) {
    EXPECT_EQ(next_steps(view({cluster("beijing", R"({"step":2})"), cluster("oslo"), cluster("paris")})),
              "next:  kubectl amc rollout approve rollouts/web -n demo -m oslo,paris --step 1\n"
              "       kubectl amc rollout approve rollouts/web -n demo -m beijing --step 2\n"
              "       kubectl amc rollout abort rollouts/web -n demo -M      # all back to v1\n");
    EXPECT_EQ(next_steps(view({cluster("beijing", kCrashing), cluster("oslo")})),
              "next:  kubectl amc rollout approve rollouts/web -n demo -m oslo --step 1\n"
              "       kubectl amc rollout abort rollouts/web -n demo -M      # all back to v1\n");
    EXPECT_EQ(next_steps(view({cluster("beijing", kCrashing)})),
              "next:  kubectl amc rollout abort rollouts/web -n demo -M      # all back to v1\n");
    EXPECT_EQ(next_steps(view({cluster("beijing", R"({"phase":"Healthy","reason":"-"})")})), "");
}

// Where there is no hub, what its clusters run is for others to say.
TEST(NextSteps, OfAReleaseThatNoHubHasBroughtAreAboutApproving) {
    EXPECT_EQ(
        next_steps(view({cluster("beijing"), cluster("oslo")}, R"({"attached":true})"), true, "--contexts 'prod-*'"),
        "next:  kubectl amc rollout approve rollouts/web -n demo --contexts 'prod-*' -m beijing,oslo --step 1\n");
}

// "EXIT over?"
std::string standing(json::Array clusters, bool allow_unreachable = false) {
    Standing const result = standing_of(view(std::move(clusters)), allow_unreachable);
    return std::to_string(result.code) + (result.over ? " over" : "");
}

TEST(NextSteps, OfSomeClustersAreAboutThese) {
    EXPECT_EQ(next_steps(view({cluster("beijing"), cluster("oslo")}), false),
              "next:  kubectl amc rollout approve rollouts/web -n demo -m beijing,oslo --step 1\n"
              "       kubectl amc rollout abort rollouts/web -n demo -m beijing,oslo      # all back to v1\n");
}

TEST(NextSteps, ResumesWhatSomebodyPaused) {
    json::Array const clusters{cluster("beijing", R"({"state":"Paused","reason":"Paused"})"), cluster("oslo")};
    EXPECT_EQ(next_steps(view(clusters)),
              "next:  kubectl amc rollout resume rollouts/web -n demo -m beijing\n"
              "       kubectl amc rollout approve rollouts/web -n demo -m oslo --step 1\n"
              "       kubectl amc rollout abort rollouts/web -n demo -M      # all back to v1\n");
    EXPECT_EQ(next_steps(view(clusters, R"({"attached":true})"), true, "--contexts '*'"),
              "next:  kubectl amc rollout resume rollouts/web -n demo --contexts '*' -m beijing\n"
              "       kubectl amc rollout approve rollouts/web -n demo --contexts '*' -m oslo --step 1\n");
    // No hub ends these.
    EXPECT_EQ(next_steps(view({cluster("beijing", R"({"state":"Paused","reason":"Paused","pausedThere":true})"),
                               cluster("oslo", R"({"phase":"Healthy","reason":"Held","heldThere":true})")},
                              R"({"workload":"deployments.apps/web"})"),
                         false),
              "next:  kubectl amc rollout resume rollouts/web -n demo --direct --context beijing\n"
              "       kubectl --context oslo annotate deployments.apps/web -n demo fleet.aviary.dev/hold-"
              "      # the hub goes on there\n"
              "       kubectl amc rollout abort rollouts/web -n demo -m beijing      # all back to v1\n");
    std::string const by_all = next_steps(view(clusters, R"({"pausedByAll":true})"));
    EXPECT_EQ(by_all.substr(0, by_all.find('\n')),
              R"(next:  kubectl patch rollout web -n demo --type merge -p '{"spec":{"strategy":{"paused":false}}}')");
}

TEST(NextSteps, SaysWhereAnAbortLeadsTo) {
    auto const where = [](json::Array clusters) {
        std::string const text = next_steps(view(std::move(clusters)));
        return text.substr(text.find('#') + 2);
    };
    Value const finished = cluster("paris", R"({"phase":"Healthy","reason":"-","stable":"v9","current":true})");
    EXPECT_EQ(where({cluster("beijing")}), "all back to v1\n");
    EXPECT_EQ(where({cluster("beijing"), finished}), "all but the finished ones back to v1\n");
    EXPECT_EQ(where({cluster("beijing"), cluster("oslo", R"({"stable":"v0"})")}), "all back to several versions\n");
    EXPECT_EQ(where({cluster("oslo", R"({"stable":null})")}), "all back to the stable version\n");
    std::string const alone = next_steps(view({cluster("oslo", R"({"stable":null,"begunByIdAlone":true})")}));
    EXPECT_EQ(alone.find("abort"), std::string::npos) << alone;
    EXPECT_EQ(
        next_steps(view({cluster("beijing", kGoesBack)})),
        "next:  kubectl amc rollout approve rollouts/web -n demo -m beijing --step 1      # on the way back to v1\n");
    EXPECT_TRUE(next_steps(view({cluster("beijing", kGoesBack), cluster("oslo")}))
                    .starts_with("next:  kubectl amc rollout approve rollouts/web -n demo -m oslo --step 1\n"));
}

TEST(StuckLine, SaysNothingOfAClusterThatDoesNotAnswer) {
    auto const line = [](json::Array clusters, bool stuck) {
        return stuck_line(view(std::move(clusters), stuck ? R"({"stuck":true})" : R"({"stuck":false})"));
    };
    Value const waits = cluster("a");
    Value const away = cluster("b", R"({"reachable":false,"state":"Unknown","reason":"ClusterUnreachable"})");
    EXPECT_EQ(line({waits}, false), "");
    EXPECT_EQ(line({waits}, true), "STUCK: no cluster will move without a person.\n");
    EXPECT_EQ(line({waits, away}, true), "STUCK: no cluster that answers will move without a person.\n");
}

TEST(DeletingLine, SaysHowAndWhatIsWaitedFor) {
    auto const line = [](std::string const& change) {
        return deleting_line(view({cluster("a")}, change), *parse_rfc3339("2026-11-23T14:03:00Z"));
    };
    EXPECT_EQ(line("{}"), "");
    EXPECT_EQ(line(R"({"deleting":{"since":"2026-11-23T14:00:00Z","onDelete":"Rollback","message":"waits for a"}})"),
              "BEING DELETED for 3m, on-delete Rollback: waits for a.\n");
    EXPECT_EQ(line(R"({"deleting":{"since":"2026-11-23T14:00:00Z","onDelete":"","message":""}})"),
              "BEING DELETED for 3m.\n");
}

TEST(Standing, IsDoneOnlyWhereTheHubsVersionIs) {
    Value const waits = cluster("a");
    Value const done = cluster("b", R"({"phase":"Healthy","reason":"-","current":true})");
    Value const away = cluster(
        "c", R"({"phase":"Healthy","reachable":false,"state":"Unknown","reason":"ClusterUnreachable","current":true})");
    Value const crashing = cluster("d", kCrashing);
    Value const paused = cluster("e", R"({"state":"Paused","reason":"Paused"})");
    Value const back = cluster("f", R"({"phase":"Healthy","reason":"TakenBack","pinned":"v1"})");
    Value const upgrading = cluster("g", R"({"state":"StepUpgrade","reason":"ImagePullFailed"})");
    Value const guarded = cluster("h", R"({"phase":"Healthy","state":"Guarded","reason":"ControllerAbsent"})");
    struct Case {
        json::Array clusters;
        char const* standing;
    };
    for (Case const& each : std::vector<Case>{{{done, done}, "0 over"},
                                              {{waits, done}, "3 over"},
                                              {{waits, upgrading}, "3 over"},
                                              {{away, away}, "6"},
                                              {{done, away}, "2"},
                                              {{waits, away}, "3 over"},
                                              {{upgrading, away}, "1"},
                                              {{crashing, done}, "1 over"},
                                              {{paused, done}, "1 over"},
                                              {{back, done}, "1 over"},
                                              {{back, upgrading}, "1"},
                                              {{upgrading, done}, "1"},
                                              {{guarded, done}, "1"},
                                              {{}, "1 over"}})
        EXPECT_EQ(standing(each.clusters), each.standing) << json::write(each.clusters);
    EXPECT_EQ(standing({done, away}, true), "0");
    EXPECT_EQ(standing({away}, true), "0");
}

TEST(Standing, NamesWhatIsWrongWithPodsToo) {
    EXPECT_EQ(standing_of(view({cluster("beijing", kCrashing)}), false).lines.front().second,
              "beijing step 1/3 StepPaused: AwaitingApproval said; 1 of 1 v2 pods CrashLooping");
}

}   // namespace
}   // namespace aviary::amc
