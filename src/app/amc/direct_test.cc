#include "app/amc/direct.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"

namespace aviary::amc {
namespace {

using json::Doc;
using json::Value;

constexpr char kPaused[] = R"({"metadata":{"name":"web","uid":"uid-1"},
    "spec":{"strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}]}}},
    "status":{"phase":"Progressing","conditions":[{"type":"Progressing","reason":"InRolling"}],
    "canaryStatus":{"currentStepIndex":1,"currentStepState":"StepPaused","canaryRevision":"rev-2"}}})";

std::string row(std::string const& change, std::int64_t step = 0) {
    Value rollout = *json::parse_value(kPaused);
    json::apply_merge_patch(rollout, *json::parse_value(change));
    Row const seen = look_directly("beijing", Doc::freeze(rollout), step);
    return fmt::format("{} {}{}", seen.step, seen.target ? "target" : seen.result,
                       seen.message.empty() ? "" : ": " + seen.message);
}

TEST(LookDirectly, ApprovesOnlyWhatIsPausedAtAStep) {
    EXPECT_EQ(row("{}"), "1/3 target");
    EXPECT_EQ(row("{}", 1), "1/3 target");
    EXPECT_EQ(row("{}", 2), "1/3 refused: it is at step 1, not 2");
    EXPECT_EQ(row(R"({"status":{"canaryStatus":{"currentStepState":"StepUpgrade"}}})"),
              "1/3 not-yet: not paused: StepUpgrade");
    EXPECT_EQ(
        row(R"({"status":{"phase":"Healthy","canaryStatus":{"currentStepState":"Completed","currentStepIndex":3}}})"),
        "3/3 not-yet: not paused: Healthy");
    EXPECT_EQ(row(R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"}]}})"),
              "1/3 not-yet: not paused: it is being ended");
    EXPECT_EQ(row(R"({"spec":{"strategy":{"paused":true}}})"),
              "1/3 not-yet: paused by somebody: spec.strategy.paused is to be false first");
    EXPECT_EQ(row(R"({"status":null})"), "- not-yet: not paused: it has no status yet");
}

TEST(DirectProblem, SaysWhatToDoInstead) {
    Flags flags;
    flags.direct = true;
    EXPECT_NE(direct_problem("Approve", flags, "rollouts/web").find("which member by --context"), std::string::npos);
    flags.context = "beijing";
    flags.ns = "demo";
    EXPECT_EQ(direct_problem("Approve", flags, "rollouts/web"), "");
    EXPECT_NE(
        direct_problem("Pause", flags, "rollouts/web")
            .find(
                R"(kubectl --context beijing -n demo patch rollouts.rollouts.kruise.io web --type=merge -p '{"spec":{"strategy":{"paused":true}}}')"),
        std::string::npos)
        << direct_problem("Pause", flags, "rollouts/web");
    EXPECT_NE(direct_problem("Resume", flags, "rollouts/web").find(R"("paused":false)"), std::string::npos);
    for (char const* action : {"Abort", "Undo"})
        EXPECT_NE(direct_problem(action, flags, "rollouts/web").find("set image deployment/NAME"), std::string::npos);
    flags.all_members = true;
    EXPECT_NE(direct_problem("Approve", flags, "rollouts/web").find("by --context, not -m, -M"), std::string::npos);
}

}   // namespace
}   // namespace aviary::amc
