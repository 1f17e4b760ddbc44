#include "app/amc/release_text.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"

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

TEST(NextSteps, ApprovesWhatWaitsAtTheFirstStepAndIsWell) {
    EXPECT_EQ(next_steps(view({cluster("beijing"), cluster("oslo"), cluster("paris", R"({"step":2})")})),
              "next:  kubectl amc rollout approve rollouts/web -n demo -m beijing,oslo --step 1\n"
              "       kubectl amc rollout abort rollouts/web -n demo -M      # all back to v1\n");
    EXPECT_EQ(next_steps(view({cluster("beijing", kCrashing), cluster("oslo")})),
              "next:  kubectl amc rollout approve rollouts/web -n demo -m oslo --step 1\n"
              "       kubectl amc rollout abort rollouts/web -n demo -M      # all back to v1\n");
    EXPECT_EQ(next_steps(view({cluster("beijing", kCrashing)})),
              "next:  kubectl amc rollout abort rollouts/web -n demo -M      # all back to v1\n");
    EXPECT_EQ(next_steps(view({cluster("beijing", R"({"phase":"Healthy","reason":"-"})")})), "");
}

TEST(Standing, NamesWhatIsWrongWithPodsToo) {
    Standing const standing = standing_of(view({cluster("beijing", kCrashing)}));
    EXPECT_EQ(standing.lines.front().second,
              "beijing step 1/3 StepPaused: AwaitingApproval said; 1 of 1 v2 pods CrashLooping");
}

}   // namespace
}   // namespace aviary::amc
