#include "hub/decision/observed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::decision {
namespace {

using json::Doc;
using json::Value;

constexpr char kPaused[] = R"({"metadata":{"name":"web","namespace":"demo","uid":"uid-1","managedFields":[
    {"manager":"aviary-member","subresource":"status","time":"2026-11-23T13:51:07Z",
     "fieldsV1":{"f:status":{"f:canaryStatus":{"f:currentStepState":{}}}}}]},
    "spec":{"strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"80%"}]}}},
    "status":{"phase":"Progressing","conditions":[{"type":"Progressing","reason":"InRolling"}],
    "canaryStatus":{"currentStepIndex":1,"nextStepIndex":2,"currentStepState":"StepPaused","canaryRevision":"rev-2",
    "observedRolloutID":"rev-2","rolloutHash":"plan-1","lastUpdateTime":"2026-11-23T13:51:07Z"}}})";

Value with(Value object, std::string const& change) {
    json::apply_merge_patch(object, *json::parse_value(change));
    return object;
}
Value paused(std::string const& change = "{}") { return with(*json::parse_value(kPaused), change); }
std::string canary(std::string const& fields) { return R"({"status":{"canaryStatus":{)" + fields + "}}}"; }
std::string written_by(std::string const& manager) {
    return R"("metadata":{"managedFields":[{"manager":"aviary-member","subresource":"status","fieldsV1":{"f:status":{}}},
        {"manager":")" +
           manager + R"(","subresource":"status","time":"2026-11-23T13:55:00Z",
        "fieldsV1":{"f:status":{"f:canaryStatus":{"f:currentStepState":{}}}}}]})";
}

// "step 1 by kubectl-kruise: step 1 in StepReady", or "-".
std::string seen(Value const& before, Value const& after) {
    auto const left = left_step("beijing", Doc::freeze(before), Doc::freeze(after));
    if (!left) return "-";
    return fmt::format("step {} by {}: {}", *left->target.step, left->manager.empty() ? "?" : left->manager, left->now);
}

TEST(LeftStep, IsAPauseThatAPersonEnded) {
    struct Case {
        char const* what;
        std::string before, after;   // over kPaused, and over that
        char const* seen;
    };
    std::string const ready = canary(R"("currentStepState":"StepReady")");
    std::string const further = canary(R"("currentStepIndex":2,"nextStepIndex":3,"currentStepState":"StepUpgrade")");
    for (
        Case const& each : std::vector<Case>{
            {"as upstream's tool does it", "{}",
             R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}},)" + written_by("kubectl-kruise") + "}",
             "step 1 by kubectl-kruise: step 1 in StepReady"},
            {"by the controller's own name", "{}", ready, "step 1 by ?: step 1 in StepReady"},
            {"seen later", "{}", further, "step 1 by ?: step 2 in StepUpgrade"},
            {"seen two steps later", "{}", canary(R"("currentStepIndex":3,"currentStepState":"StepUpgrade")"),
             "step 1 by ?: step 3 in StepUpgrade"},
            {"the last step", canary(R"("currentStepIndex":3,"nextStepIndex":-1)"),
             canary(R"("currentStepState":"Completed")"), "step 3 by ?: step 3 in Completed"},
            {"seen when it was over", "{}",
             R"({"status":{"phase":"Healthy","conditions":[{"type":"Succeeded","status":"True"}],
                 "canaryStatus":{"currentStepIndex":3,"currentStepState":"Completed"}}})",
             "step 1 by ?: the release complete"},
            {"the hub's own write", "{}",
             R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}},)" + written_by("aviary-hub") + "}", "-"},
            {"nothing", "{}", "{}", "-"},
            {"counts", "{}", canary(R"("canaryReplicas":2)"), "-"},
            {"it was not paused", canary(R"("currentStepState":"StepUpgrade")"), further, "-"},
            {"it was approved before", canary(R"("currentStepState":"StepReady")"), further, "-"},
            {"back to the step's beginning", "{}", canary(R"("currentStepState":"BeforeStepUpgrade")"), "-"},
            {"back to another step", canary(R"("currentStepIndex":2,"nextStepIndex":3)"),
             canary(R"("currentStepIndex":1,"currentStepState":"StepUpgrade")"), "-"},
            {"a duration that ends",
             R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"10%","pause":{"duration":60}},{"replicas":"50%"}]}}}})",
             further, "-"},
            {"a duration that came meanwhile", "{}",
             R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"10%","pause":{"duration":1}},{"replicas":"50%"}]}}},
                 "status":{"canaryStatus":{"currentStepIndex":2,"currentStepState":"StepUpgrade"}}})",
             "-"},
            {"all pods: passes by itself",
             R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"100%"}]}}},"status":{"canaryStatus":{"nextStepIndex":-1}}})",
             canary(R"("currentStepState":"Completed")"), "-"},
            {"another plan", "{}",
             canary(R"("currentStepIndex":2,"currentStepState":"StepUpgrade","rolloutHash":"plan-2")"), "-"},
            {"a jump", canary(R"("nextStepIndex":3)"),
             canary(R"("currentStepIndex":3,"nextStepIndex":-1,"currentStepState":"BeforeStepUpgrade")"), "-"},
            {"another release", "{}",
             canary(R"("currentStepIndex":2,"currentStepState":"StepUpgrade","canaryRevision":"rev-3")"), "-"},
            {"a rollback", "{}",
             R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"}],
                 "canaryStatus":{"currentStepIndex":2,"currentStepState":"StepUpgrade"}}})",
             "-"},
            {"what was rolled back is over", "{}",
             R"({"status":{"phase":"Healthy","conditions":[{"type":"Succeeded","status":"False"}],
                 "canaryStatus":{"currentStepIndex":3,"currentStepState":"Completed"}}})",
             "-"},
            {"a rollback that went on", R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"}]}})",
             further, "-"},
            {"the workload came anew", "{}",
             R"({"status":{"phase":"Healthy","conditions":null,"canaryStatus":{"currentStepIndex":3,"currentStepState":"Completed"}}})",
             "-"},
            {"disabled", "{}", R"({"status":{"phase":"Disabled","canaryStatus":{"currentStepIndex":2}}})", "-"},
            {"another Rollout", "{}",
             R"({"metadata":{"uid":"uid-2"},"status":{"canaryStatus":{"currentStepIndex":2}}})", "-"},
            {"it goes", "{}",
             R"({"metadata":{"deletionTimestamp":"2026-11-23T13:55:00Z"},"status":{"canaryStatus":{"currentStepIndex":2}}})",
             "-"}}) {
        Value const before = paused(each.before);
        EXPECT_EQ(seen(before, with(before, each.after)), each.seen) << each.what;
    }
}

TEST(LeftStep, NeedsBothLooks) {
    Doc const there = Doc::freeze(paused(canary(R"("currentStepIndex":2)")));
    EXPECT_FALSE(left_step("beijing", {}, there));
    EXPECT_FALSE(left_step("beijing", Doc::freeze(paused()), {}));
}

// What a member says is kept only in measure.
TEST(LeftStep, IsShort) {
    Value const before = paused(canary(R"("canaryRevision":")" + std::string(300, 'x') + "\""));
    EXPECT_EQ(seen(before, with(before, canary(R"("currentStepState":"StepReady")"))), "-");
    Value const written = with(paused(), R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}},)" +
                                             written_by(std::string(5000, 'm')) + "}");
    auto const left = left_step("beijing", Doc::freeze(paused()), Doc::freeze(written));
    ASSERT_TRUE(left);
    EXPECT_LE(left->manager.size(), 256U);
}

TEST(Record, IsOneOfEachPauseAndAsksForNothing) {
    Value const before = paused();
    Value const after = with(
        before, R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}},)" + written_by("kubectl-kruise") + "}");
    auto const left = left_step("beijing", Doc::freeze(before), Doc::freeze(after));
    ASSERT_TRUE(left);
    Doc const object = Doc::freeze(record_of({"demo", "web"}, *left));
    EXPECT_EQ(meta::name(object), record_name("web", left->target));
    auto const decision = apis::read_decision(object);
    ASSERT_TRUE(decision);
    EXPECT_TRUE(is_record(decision->spec));
    EXPECT_EQ(decision->spec.reason,
              "approved in the member itself: written there by kubectl-kruise at 2026-11-23T13:55:00Z");
    EXPECT_FALSE(asks_for(*decision, "web", left->target));
    apis::DecisionTarget other = left->target;
    other.paused_since = "2026-11-23T14:51:07Z";
    EXPECT_NE(record_name("web", other), record_name("web", left->target));
    EXPECT_LE(record_name(std::string(253, 'w'), left->target).size(), 253U);
    std::string const cut = record_name(std::string(198, 'w') + ".-long", left->target);
    EXPECT_EQ(cut.substr(0, 200), std::string(198, 'w') + "-" + cut[199]) << "a name's parts end in a letter";
    apis::DecisionStatus const status = record_status(object, *parse_rfc3339("2026-11-23T13:55:01Z"));
    EXPECT_EQ(status.outcome, "Applied");
    EXPECT_EQ(status.origin, "Member");
    EXPECT_EQ(status.clusters.at(0).at, "2026-11-23T13:55:01Z");
}

// What was seen stands before what the member says; and of the same pause the record is the same object.
TEST(Record, SaysWhoseWordItIs) {
    LeftStep left;
    left.target = {"beijing", "uid-1", 1, "rev-2", "2026-11-23T13:51:07Z"};
    left.now = "step 2 in StepUpgrade";
    std::string const name = record_name("web", left.target);
    auto const reason = [&] { return record_of({"demo", "web"}, left).at({"spec", "reason"}).string(); };
    EXPECT_EQ(
        reason(),
        "approved in the member itself: seen when it showed step 2 in StepUpgrade, too late to say what wrote it");
    left.word = Word{"2026-11-23T13:54:59Z", "alice", "p95 ok"};
    EXPECT_EQ(reason(), "approved in the member itself; the member says by alice at 2026-11-23T13:54:59Z: p95 ok");
    left.manager = "kubectl-amc";
    left.at = "2026-11-23T13:55:00Z";
    EXPECT_EQ(reason(),
              "approved in the member itself: written there by kubectl-amc at 2026-11-23T13:55:00Z; the member says by "
              "alice at 2026-11-23T13:54:59Z: p95 ok");
    left.word = Word{"2026-11-23T13:54:59Z", "", ""};
    EXPECT_TRUE(reason().ends_with("; the member says by somebody at 2026-11-23T13:54:59Z")) << reason();
    Doc const record = Doc::freeze(record_of({"demo", "web"}, left));
    EXPECT_EQ(meta::name(record), name);
    EXPECT_EQ(record_status(record, *parse_rfc3339("2026-11-24T08:00:00Z")).clusters.at(0).at, "2026-11-23T13:54:59Z");
    EXPECT_EQ(record_status(record, *parse_rfc3339("2026-11-23T13:54:00Z")).clusters.at(0).at, "2026-11-23T13:54:00Z")
        << "the member's clock is ahead";
}

TEST(WasThereAgain, ALaterPauseOfTheSameStepAndRevision) {
    apis::DecisionTarget const target{"beijing", "uid-1", 1, "rev-2", "2026-11-23T13:51:07Z"};
    apis::Decision decision;
    decision.spec.rollout_ref.name = "web";
    auto const again = [&](apis::DecisionTarget other) {
        decision.spec.targets = {{"oslo", "uid-9", 1, "rev-2", "2026-11-23T13:59:07Z"}, other};
        return was_there_again(decision, "web", target);
    };
    EXPECT_TRUE(again({"beijing", "uid-1", 1, "rev-2", "2026-11-23T13:52:00Z"}));
    EXPECT_FALSE(again(target));
    EXPECT_FALSE(again({"beijing", "uid-1", 1, "rev-2", "2026-11-23T13:50:00Z"})) << "before";
    EXPECT_FALSE(again({"beijing", "uid-1", 2, "rev-2", "2026-11-23T13:52:00Z"}));
    EXPECT_FALSE(again({"beijing", "uid-1", 1, "rev-3", "2026-11-23T13:52:00Z"}));
    EXPECT_FALSE(again({"beijing", "uid-2", 1, "rev-2", "2026-11-23T13:52:00Z"}));
    EXPECT_FALSE(again({"beijing", "uid-1", {}, "rev-2", ""}));
}

TEST(AsksFor, TheVeryPause) {
    apis::DecisionTarget const target{"beijing", "uid-1", 1, "rev-2", "2026-11-23T13:51:07Z"};
    apis::Decision decision;
    apis::DecisionSpec& spec = decision.spec;
    spec.rollout_ref.name = "web";
    spec.action = "Approve";
    spec.targets = {{"oslo", "uid-9", 1, "rev-2", "2026-11-23T13:51:07Z"}, target};
    EXPECT_TRUE(asks_for(decision, "web", target));
    EXPECT_FALSE(asks_for(decision, "shop", target));
    // One that was not carried out has not ended the pause, whoever has.
    for (auto const& [outcome, asks] :
         std::vector<std::pair<std::string_view, bool>>{{apis::outcome::kApplied, true},
                                                        {apis::outcome::kWaiting, true},
                                                        {apis::outcome::kUnreachable, true},
                                                        {apis::outcome::kStale, false},
                                                        {apis::outcome::kRefused, false},
                                                        {apis::outcome::kExpired, false}}) {
        decision.status.clusters.resize(2);
        decision.status.clusters[0].cluster = "oslo";
        decision.status.clusters[0].outcome = apis::outcome::kExpired;
        decision.status.clusters[1].cluster = "beijing";
        decision.status.clusters[1].outcome = outcome;
        EXPECT_EQ(asks_for(decision, "web", target), asks) << outcome;
    }
    decision.status = {};
    apis::DecisionTarget other = target;
    other.step = 2;
    EXPECT_FALSE(asks_for(decision, "web", other));
    spec.action = "Pause";
    EXPECT_FALSE(asks_for(decision, "web", target));
}

}   // namespace
}   // namespace aviary::decision
