#include "hub/decision/evidence.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::decision {
namespace {

using json::Doc;
using json::Value;

constexpr char kAt[] = "2026-11-23T13:55:00Z";
constexpr char kPaused[] = R"({"metadata":{"name":"web","namespace":"demo","uid":"uid-1"},
    "spec":{"strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"80%"}]}}},
    "status":{"phase":"Progressing",
    "conditions":[{"type":"Progressing","reason":"InRolling","lastTransitionTime":"2026-11-23T13:50:00Z"}],
    "canaryStatus":{"currentStepIndex":1,"nextStepIndex":2,"currentStepState":"StepPaused","canaryRevision":"rev-2",
    "observedRolloutID":"rev-2","rolloutHash":"plan-1","lastUpdateTime":"2026-11-23T13:51:07Z"}}})";

Value changed(std::string const& change) {
    Value object = *json::parse_value(kPaused);
    json::apply_merge_patch(object, *json::parse_value(change));
    return object;
}
Doc with_text(Value rollout, std::string text) {
    rollout.set({"metadata", "annotations", propagation::kApprovedDirectly}, std::move(text));
    return Doc::freeze(rollout);
}
std::string canary(std::string const& fields) { return R"({"status":{"canaryStatus":{)" + fields + "}}}"; }
// The Rollout as it became, with what was written in the pause.
Doc approved(std::string const& change, std::string const& pause = "{}") {
    Doc const before = Doc::freeze(changed(pause));
    return with_text(changed(change), with_approval(before, direct_approval(before, kAt, "alice", "p95 ok")));
}
// "step 1 by alice: p95 ok; …"
std::string left(Doc const& rollout) {
    std::string text;
    for (LeftStep const& each : steps_left_by_word("beijing", rollout)) {
        EXPECT_FALSE(each.seen);
        EXPECT_EQ(each.target.cluster, "beijing");
        text += fmt::format("step {} by {}: {}; ", *each.target.step, each.word->by, each.word->reason);
    }
    return text;
}

TEST(LeftByWord, CountsWhatNothingElseCanHaveEnded) {
    struct Case {
        char const* what;
        std::string after;   // over kPaused
        bool left;
    };
    std::string const later = R"("lastUpdateTime":"2026-11-23T13:56:00Z")";
    std::string const second = R"("currentStepIndex":2,"nextStepIndex":3,"currentStepState":"StepUpgrade",)" + later;
    std::string const healthy = R"("currentStepIndex":3,"nextStepIndex":-1,"currentStepState":"Completed",)" + later;
    auto const over = [&](std::string const& succeeded, std::string const& ended, std::string const& more = "") {
        return R"({"status":{"phase":"Healthy","conditions":[{"type":"Succeeded","status":")" + succeeded +
               R"("},{"type":"Progressing","status":"False","lastTransitionTime":")" + ended +
               R"("}],"canaryStatus":{)" + healthy + more + "}}}";
    };
    auto const progressing = [&](std::string const& condition) {
        return R"({"status":{"conditions":[{"type":"Progressing",)" + condition + R"(}],"canaryStatus":{)" + second +
               "}}}";
    };
    std::string const wrote = R"({"metadata":{"managedFields":[{"manager":"aviary-hub","subresource":"status",
        "fieldsV1":{"f:status":{"f:canaryStatus":{"f:currentStepState":{}}}}}]},
        "status":{"canaryStatus":{"currentStepState":"StepReady"}}})";
    for (Case const& each : std::vector<Case>{
             {"not yet", "{}", false},
             {"stored", canary(R"("currentStepState":"StepReady")"), true},
             {"stored by the hub", wrote, false},
             {"another pause of that step was approved", canary(R"("currentStepState":"StepReady",)" + later), false},
             {"a step on", canary(second), true},
             {"two steps on", canary(R"("currentStepIndex":3,"currentStepState":"StepPaused",)" + later), true},
             {"complete", over("True", "2026-11-23T13:57:00Z"), true},
             {"back at its beginning", canary(R"("currentStepState":"BeforeStepUpgrade",)" + later), false},
             {"taken back", over("False", "2026-11-23T13:57:00Z"), false},
             {"complete before the pause", over("True", "2026-11-23T13:49:00Z"), false},
             {"complete with another version", over("True", "2026-11-23T13:57:00Z", R"(,"canaryRevision":"rev-3")"),
              false},
             {"another version is released", canary(R"("canaryRevision":"rev-3",)" + second), false},
             {"that version is released anew",
              progressing(R"("reason":"InRolling","lastTransitionTime":"2026-11-23T13:55:30Z")"), false},
             {"nobody says since when", progressing(R"("reason":"InRolling")"), false},
             {"being rolled back", progressing(R"("reason":"Cancelling","lastTransitionTime":"2026-11-23T13:50:00Z")"),
              false},
             {"another plan", canary(R"("rolloutHash":"plan-2",)" + second), false},
             {"what is shown is older than the pause",
              canary(R"("currentStepIndex":2,"lastUpdateTime":"2026-11-23T13:50:30Z")"), false},
             {"no time", canary(R"("currentStepIndex":2,"lastUpdateTime":null)"), false},
             {"another Rollout", R"({"metadata":{"uid":"uid-2"},"status":{"canaryStatus":{)" + second + "}}}", false},
             {"it goes",
              R"({"metadata":{"deletionTimestamp":"2026-11-23T13:57:00Z"},"status":{"canaryStatus":{)" + second + "}}}",
              false},
             {"disabled", R"({"status":{"phase":"Disabled","canaryStatus":{)" + second + "}}}", false},
             {"a pause that ends by itself",
              R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"10%","pause":{"duration":60}},{"replicas":"50%"},
                  {"replicas":"80%"}]}}},"status":{"canaryStatus":{)" +
                  second + "}}}",
              false}}) {
        EXPECT_EQ(left(approved(each.after)), each.left ? "step 1 by alice: p95 ok; " : "") << each.what;
    }
}

TEST(LeftByWord, OfSeveralAboutOnePauseTheLast) {
    Value rollout = changed("{}");
    for (char const* who : {"alice", "bob", "alice"}) {
        Doc const now = Doc::freeze(rollout);
        rollout.set({"metadata", "annotations", propagation::kApprovedDirectly},
                    with_approval(now, direct_approval(now, kAt, who, who)));
    }
    EXPECT_EQ(direct_approvals(Doc::freeze(rollout)).size(), 2U) << "who tries again says it once";
    json::apply_merge_patch(rollout, *json::parse_value(canary(R"("currentStepState":"StepReady")")));
    EXPECT_EQ(left(Doc::freeze(rollout)), "step 1 by alice: alice; ");
}

TEST(DirectApprovals, AreFew) {
    Value rollout = changed("{}");
    for (int step = 1; step <= 9; ++step) {
        rollout.set({"status", "canaryStatus", "currentStepIndex"}, step);
        Doc const now = Doc::freeze(rollout);
        std::string const text =
            with_approval(now, direct_approval(now, kAt, std::string(5000, '"'), std::string(5000, '\n')));
        EXPECT_LT(text.size(), 16U << 10);
        rollout.set({"metadata", "annotations", propagation::kApprovedDirectly}, text);
    }
    auto const kept = direct_approvals(Doc::freeze(rollout));
    ASSERT_EQ(kept.size(), 5U);
    EXPECT_EQ(kept.front().target.step, 5);
    EXPECT_EQ(kept.back().target.step, 9);
}

TEST(DirectApprovals, CanBeTakenBack) {
    Doc const before = Doc::freeze(changed("{}"));
    DirectApproval const alice = direct_approval(before, kAt, "alice", "p95 ok");
    DirectApproval const bob = direct_approval(before, kAt, "bob", "");
    Doc const one = with_text(changed("{}"), with_approval(before, alice));
    Doc const two = with_text(changed("{}"), with_approval(one, bob));
    EXPECT_EQ(direct_approvals(with_text(changed("{}"), without_approval(two, alice))), std::vector{bob});
    EXPECT_EQ(without_approval(one, alice), "");
}

// A member says what it likes.
TEST(DirectApprovals, BelieveNoShape) {
    std::string const good =
        R"({"step":1,"revision":"rev-2","pausedSince":"2026-11-23T13:51:07Z","rolloutUID":"uid-1","plan":"plan-1",
            "at":"2026-11-23T13:55:00Z","by":"alice","reason":"p95 ok"})";
    auto const with = [&](std::string const& change) {
        Value entry = *json::parse_value(good);
        json::apply_merge_patch(entry, *json::parse_value(change));
        return json::write(entry);
    };
    auto const read = [](std::string const& text) { return direct_approvals(with_text(changed("{}"), text)).size(); };
    EXPECT_EQ(read("[" + good + "]"), 1U);
    EXPECT_EQ(read("[7,null,[],\"x\"," + good + "]"), 1U);
    std::string many = good;
    for (int count = 0; count < 20; ++count) many += "," + good;
    EXPECT_EQ(read("[" + many + "]"), 5U);
    std::string const long_word = "\"" + std::string(300, 'x') + "\"";
    for (std::string const& bad : std::vector<std::string>{
             std::string("{"), std::string("7"), good, "[" + good, "[" + with(R"({"step":0})") + "]",
             "[" + with(R"({"step":"1"})") + "]", "[" + with(R"({"at":"yesterday"})") + "]",
             "[" + with(R"({"revision":)" + long_word + "}") + "]", "[" + with(R"({"plan":)" + long_word + "}") + "]",
             "[[[[[[[]]]]]]]", "[" + good + std::string(40'000, ' ') + "]"})
        EXPECT_EQ(read(bad), 0U) << bad.substr(0, 100);
    auto const kept = direct_approvals(with_text(
        changed("{}"), "[" + with(fmt::format(R"({{"by":"{0}","reason":"{0}"}})", std::string(3000, 'x'))) + "]"));
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_LE(kept[0].by.size(), 256U);
    EXPECT_LE(kept[0].reason.size(), 515U);
}

TEST(WordCounts, WhileDecisionsAreKept) {
    Time const at = *parse_rfc3339(kAt);
    EXPECT_TRUE(word_counts(kAt, at));
    EXPECT_TRUE(word_counts(kAt, at - std::chrono::minutes(4))) << "clocks differ";
    EXPECT_FALSE(word_counts(kAt, at - std::chrono::minutes(6)));
    EXPECT_TRUE(word_counts(kAt, at + std::chrono::hours(24 * 27)));
    EXPECT_FALSE(word_counts(kAt, at + std::chrono::hours(24 * 29)));
    EXPECT_FALSE(word_counts("yesterday", at));
    EXPECT_FALSE(word_counts("0001-01-01T00:00:00Z", at));
    EXPECT_FALSE(word_counts("9999-12-31T23:59:59Z", at));
}

}   // namespace
}   // namespace aviary::decision
