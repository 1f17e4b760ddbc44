#include "hub/decision/carry_out.h"
#include "hub/decision/evidence.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apis/rollouts/rollout.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "hub/decision/decider.h"
#include "hub/propagation/names.h"

namespace aviary::decision {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

Time const kNow = *parse_rfc3339("2026-11-23T14:00:00Z");

constexpr char kRollout[] = R"({"metadata":{"name":"web","namespace":"demo","uid":"uid-1"},
    "spec":{"strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}]}}},
    "status":{"phase":"Progressing","conditions":[{"type":"Progressing","reason":"InRolling"}],
    "canaryStatus":{"currentStepIndex":1,"currentStepState":"StepPaused","canaryRevision":"rev-2",
    "lastUpdateTime":"2026-11-23T13:51:07Z"}}})";

// The Rollout with a merge patch over it.
Value rollout(std::string const& change = "{}") {
    Value object = *json::parse_value(kRollout);
    json::apply_merge_patch(object, *json::parse_value(change));
    return object;
}
std::string canary(std::string const& fields) { return R"({"status":{"canaryStatus":{)" + fields + "}}}"; }

Doc workload(std::string const& has, std::string const& stable, bool releasing) {
    Value object = *json::parse_value(R"({"metadata":{"name":"web"},"spec":{"replicas":10}})");
    object.set({"metadata", "labels", propagation::kTemplateLabel}, has);
    if (!stable.empty()) object.set({"metadata", "labels", propagation::kStableLabel}, stable);
    if (releasing) object.set({"metadata", "annotations", propagation::kInProgressing}, "{}");
    return Doc::freeze(object);
}

Seen seen(std::string_view action, std::string const& change = "{}") {
    Seen result;
    result.spec.action = action;
    result.spec.expires_at = "2026-11-23T15:00:00Z";
    result.target = {"beijing", "uid-1", 1, "rev-2", "2026-11-23T13:51:07Z"};
    result.rollout = Doc::freeze(rollout(change));
    result.workload = workload("v2", "v1", true);
    result.hub_template = "v2";
    result.kept = [](std::string_view) { return true; };
    return result;
}

// What becomes of it: "send", "pin v1 against v2", "pause", "resume", "-" for nothing yet, or the outcome.
std::string shown(Outcome const& outcome) {
    std::string text = outcome.outcome;
    if (!outcome.plan.writes.empty()) text += "send";
    if (!outcome.pin.empty()) text += fmt::format("pin {} against {}", outcome.pin, outcome.rejected);
    if (outcome.pause) text += *outcome.pause ? "pause" : "resume";
    return text.empty() ? "-" : text;
}

// ---- approve ----

TEST(Approve, IsCarriedOutOnlyInThePauseThatWasSeen) {
    struct Case {
        std::string rollout;
        char const* outcome;
        char const* message;
    };
    for (Case const& each : std::vector<Case>{
             {"{}", "send", ""},
             // Moved on, by whomever.
             {canary(R"("currentStepIndex":2,"currentStepState":"StepUpgrade")"), "Applied",
              "moving to 50% (5 of 10 pods) (somebody else was faster)"},
             {canary(R"("currentStepIndex":1,"currentStepState":"Completed")"), "Applied",
              "moving to 50% (5 of 10 pods) (somebody else was faster)"},
             {R"({"status":{"phase":"Healthy"}})", "Applied",
              "moving to 50% (5 of 10 pods) (somebody else was faster)"},
             // Stored, and a controller with an old copy may still overwrite it: not done yet.
             {canary(R"("currentStepState":"StepReady")"), "-",
              "approved; the rollout controller there has not taken it up yet"},
             // Not what was seen.
             {R"({"metadata":{"uid":"uid-2"}})", "Stale", "the Rollout there is another one by now"},
             {canary(R"("canaryRevision":"rev-3")"), "Stale", "another version is released there by now"},
             {canary(R"("canaryRevision":"rev-3","currentStepIndex":2)"), "Stale",
              "another version is released there by now"},
             {canary(R"("lastUpdateTime":"2026-11-23T13:59:00Z")"), "Stale",
              "step 1 is paused anew since 2026-11-23T13:59:00Z: it was approved before"},
             {canary(R"("currentStepState":"StepUpgrade","lastUpdateTime":"2026-11-23T13:59:00Z")"), "Stale",
              "approved was step 1, the cluster is at step 1 in StepUpgrade"},
             {R"({"spec":{"strategy":{"paused":true}}})", "Stale", "somebody paused the release: resume first"},
             // A release that is taken back leaves its state behind.
             {R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"}]}})", "Stale",
              "the release there ends, or goes back, by now"},
             // … which the next one has in its beginning.
             {R"({"status":{"conditions":[{"type":"Progressing","reason":"Initializing"}]}})", "Stale",
              "another release begins there by now"},
             // The hub's copy is older than what the approver has seen.
             {canary(R"("currentStepState":"StepUpgrade","lastUpdateTime":"2026-11-23T13:51:00Z")"), "-",
              "what is known of this cluster is older than what was approved"},
             {canary(R"("currentStepIndex":2,"lastUpdateTime":"2026-11-23T13:51:00Z")"), "-",   // before a jump back
              "what is known of this cluster is older than what was approved"},
             {R"({"status":{"phase":"Healthy","canaryStatus":{"lastUpdateTime":"2026-11-23T13:51:00Z"}}})", "-",
              "what is known of this cluster is older than what was approved"},
             {canary(R"("currentStepState":"StepUpgrade")"), "-",   // in the same second
              "what is known of this cluster is older than what was approved"},
         }) {
        Outcome const outcome = carry_out(seen(apis::action::kApprove, each.rollout), kNow);
        EXPECT_EQ(shown(outcome), each.outcome) << each.rollout;
        EXPECT_EQ(outcome.message, each.message) << each.rollout;
        EXPECT_EQ(outcome.from, 1) << each.rollout;
    }
    Seen gone = seen(apis::action::kApprove);
    gone.rollout = {};
    EXPECT_EQ(shown(carry_out(gone, kNow)), "Stale");
}

TEST(Approve, WithoutASinglePauseSaidItIsRefused) {
    for (int field = 0; field < 3; ++field) {
        Seen unbound = seen(apis::action::kApprove);
        if (field == 0) unbound.target.step.reset();
        if (field == 1) unbound.target.rollout_uid.clear();
        if (field == 2) unbound.target.revision.clear();
        EXPECT_EQ(shown(carry_out(unbound, kNow)), "Refused") << field;
    }
    Seen no_time = seen(apis::action::kApprove);   // a controller that does not stamp
    no_time.target.paused_since.clear();
    EXPECT_EQ(shown(carry_out(no_time, kNow)), "Refused") << "this one does";
    Value object = rollout(canary(R"("lastUpdateTime":null)"));
    object.set({"metadata", "resourceVersion"}, "7");
    no_time.rollout = Doc::freeze(object);
    Outcome const outcome = carry_out(no_time, kNow);
    ASSERT_EQ(shown(outcome), "send");
    Value same = object;
    EXPECT_TRUE(json::apply_json_patch(same, outcome.plan.writes.front().body));
    object.set({"metadata", "resourceVersion"}, "8");
    object.set({"status", "canaryStatus", "lastUpdateTime"}, "2026-11-23T13:59:00Z");
    EXPECT_FALSE(json::apply_json_patch(object, outcome.plan.writes.front().body)) << "another pause";
}

TEST(Approve, ItsPatchTestsEverythingThatWasSeen) {
    Outcome const outcome = carry_out(seen(apis::action::kApprove), kNow);
    ASSERT_EQ(outcome.plan.writes.size(), 1u);
    control::Write const& write = outcome.plan.writes[0];
    EXPECT_EQ(write.verb, control::Write::Verb::kJsonPatch);
    EXPECT_EQ(write.subresource, "status");
    EXPECT_EQ(write.key.to_string(), "demo/web");
    Value object = rollout();
    ASSERT_TRUE(json::apply_json_patch(object, write.body));
    EXPECT_EQ(json::write(object), json::write(rollout(canary(R"("currentStepState":"StepReady")"))))
        << "and changes one field";
    for (std::string const& change : {
             std::string(R"({"metadata":{"uid":"uid-2"}})"),
             std::string(R"({"status":{"phase":"Healthy"}})"),
             canary(R"("currentStepIndex":2)"),
             canary(R"("currentStepState":"StepUpgrade")"),
             canary(R"("canaryRevision":"rev-3")"),
             canary(R"("lastUpdateTime":"2026-11-23T13:59:00Z")"),
             canary(R"("lastUpdateTime":null)"),
         }) {
        Value other = rollout(change);
        EXPECT_FALSE(json::apply_json_patch(other, write.body)) << change;
        EXPECT_EQ(json::write(other), json::write(rollout(change)));
    }
}

// A controller that writes status from an old copy takes the approval back: it is sent again until the step is left.
TEST(Approve, OfABlueGreenReleaseIsWrittenWhereThatHasItsState) {
    Seen each = seen(apis::action::kApprove);
    Value object = rollout();
    object.set({"spec", "strategy"},
               *json::parse_value(R"({"blueGreen":{"steps":[{"replicas":"50%"},{"replicas":"100%"}]}})"));
    object.set({"status", "blueGreenStatus"},
               *json::parse_value(R"({"currentStepIndex":1,"currentStepState":"StepPaused","updatedRevision":"rev-2",
               "lastUpdateTime":"2026-11-23T13:51:07Z"})"));
    object["status"].erase("canaryStatus");
    each.rollout = Doc::freeze(object);
    Outcome const outcome = carry_out(each, kNow);
    ASSERT_EQ(shown(outcome), "send");
    Value approved = object;
    ASSERT_TRUE(json::apply_json_patch(approved, outcome.plan.writes.front().body));
    EXPECT_EQ(approved.at({"status", "blueGreenStatus", "currentStepState"}).as_string(), "StepReady");
    object.set({"status", "blueGreenStatus", "updatedRevision"}, "rev-3");
    EXPECT_FALSE(json::apply_json_patch(object, outcome.plan.writes.front().body));
    // A third version came: there is nothing to approve.
    object.set({"status", "blueGreenStatus", "updatedRevision"}, "rev-2");
    object.set({"status", "message"}, apis::kNewVersionRefused);
    each.rollout = Doc::freeze(object);
    EXPECT_NE(shown(carry_out(each, kNow)), "send");
}

TEST(Approve, IsSentAgainUntilTheStepIsLeft) {
    Seen now = seen(apis::action::kApprove);
    EXPECT_EQ(shown(carry_out(now, kNow)), "send");
    now.sent = true;
    now.rollout = Doc::freeze(rollout(canary(R"("currentStepState":"StepReady")")));
    EXPECT_EQ(shown(carry_out(now, kNow)), "-");
    now.rollout = Doc::freeze(rollout());
    EXPECT_EQ(shown(carry_out(now, kNow)), "send");
    now.rollout = Doc::freeze(rollout(canary(R"("currentStepIndex":2,"currentStepState":"BeforeStepUpgrade")")));
    Outcome const done = carry_out(now, kNow);
    EXPECT_EQ(shown(done), "Applied");
    EXPECT_EQ(done.message, "moving to 50% (5 of 10 pods)");
    EXPECT_EQ(done.to, 2);
    // The member's clock was put back meanwhile.
    now.rollout = Doc::freeze(rollout(canary(R"("currentStepIndex":2,"lastUpdateTime":"2026-11-23T13:00:00Z")")));
    EXPECT_EQ(shown(carry_out(now, kNow)), "Applied");
}

// It went on from there, and to another release, before this was looked at.
TEST(Approve, IsAppliedWhereThePauseWasSeenToEnd) {
    std::string const other = canary(R"("canaryRevision":"rev-3","lastUpdateTime":"2026-11-23T13:59:00Z")");
    for (Time const at : {kNow, kNow + 2h}) {
        Seen since = seen(apis::action::kApprove, other);
        EXPECT_EQ(shown(carry_out(since, at)), at == kNow ? "Stale" : "Expired");
        since.left = since.inherited = true;
        Outcome const outcome = carry_out(since, at);
        EXPECT_EQ(shown(outcome), "Applied");
        EXPECT_EQ(outcome.message, "moving to 50% (5 of 10 pods)");
    }
}

// Whoever was faster may have left word of it.
TEST(Approve, SaysWhoWasFaster) {
    Seen late = seen(apis::action::kApprove, canary(R"("currentStepIndex":2,"currentStepState":"StepUpgrade")"));
    Value changed = late.rollout.thaw();
    DirectApproval word;
    word.target = late.target;
    word.target.cluster.clear();
    word.at = "2026-11-23T13:54:59Z";
    word.by = "alice";
    word.reason = "p95 ok";
    changed.set({"metadata", "annotations", propagation::kApprovedDirectly}, with_approval(late.rollout, word));
    late.rollout = Doc::freeze(changed);
    EXPECT_EQ(carry_out(late, kNow).message,
              "moving to 50% (5 of 10 pods) (somebody else was faster: the member says by alice at "
              "2026-11-23T13:54:59Z: p95 ok)");
}

TEST(Approve, TheLastStepCompletes) {
    Seen last = seen(apis::action::kApprove, canary(R"("currentStepIndex":3,"currentStepState":"Completed")"));
    last.target.step = 3;
    Outcome const outcome = carry_out(last, kNow);
    EXPECT_EQ(shown(outcome), "Applied");
    EXPECT_EQ(outcome.message, "completing (somebody else was faster)");
    EXPECT_EQ(outcome.to, 3);
}

// ---- away, and too late ----

TEST(Waiting, IsForMembersThatAreAway) {
    for (std::string_view action : {apis::action::kApprove, apis::action::kUndo, apis::action::kPause}) {
        Seen away = seen(action);
        away.reachable = false;
        away.pinned = "v1";
        away.paused = true;
        Outcome const outcome = carry_out(away, kNow);
        EXPECT_EQ(shown(outcome), "Waiting") << action;
        EXPECT_EQ(outcome.message, "unreachable; applies on return until 2026-11-23T15:00:00Z");
        ASSERT_TRUE(outcome.plan.requeue) << action;
        EXPECT_EQ(outcome.plan.requeue->at, kNow + 1h);
    }
    Seen never_seen = seen(apis::action::kUndo);   // since the hub started
    never_seen.reachable = false;
    never_seen.workload = never_seen.rollout = {};
    EXPECT_EQ(shown(carry_out(never_seen, kNow)), "Waiting");
    never_seen.spec.action = apis::action::kPause;
    EXPECT_EQ(shown(carry_out(never_seen, kNow)), "pause") << "the binding is on the hub";
}

TEST(Expired, EndsTheAttemptAndNotTheEffect) {
    Time const late = kNow + 1h;
    struct Case {
        std::string_view action;
        std::string rollout;
        bool reachable;
        char const* outcome;
    };
    std::string const ready = canary(R"("currentStepState":"StepReady")");
    std::string const next = canary(R"("currentStepIndex":2)");
    for (Case const& each : std::vector<Case>{{apis::action::kApprove, "{}", true, "Expired"},
                                              {apis::action::kApprove, "{}", false, "Expired"},
                                              {apis::action::kApprove, next, true, "Applied"},
                                              {apis::action::kApprove, ready, true, "Applied"},
                                              {apis::action::kApprove, next, false, "Expired"},
                                              {apis::action::kUndo, "{}", true, "Expired"},
                                              {apis::action::kPause, "{}", true, "Expired"}}) {
        Seen expired = seen(each.action, each.rollout);
        expired.reachable = each.reachable;
        Outcome const outcome = carry_out(expired, late);
        EXPECT_EQ(shown(outcome), each.outcome) << each.action << each.rollout << each.reachable;
        EXPECT_FALSE(outcome.plan.requeue);
    }
    Seen never = seen(apis::action::kApprove);
    never.spec.expires_at.clear();
    EXPECT_EQ(shown(carry_out(never, late)), "send");
}

// What was sent may have taken effect: that it was not carried out in time is said when the member shows it.
TEST(Unreachable, IsWhatWasSentUntilTheMemberIsBack) {
    std::string const ready = canary(R"("currentStepState":"StepReady")");
    for (std::string_view action : {apis::action::kApprove, apis::action::kJump}) {
        for (std::string const& known : {std::string("{}"), ready}) {
            Seen away = seen(action, known);
            away.spec.to_step = 3;
            away.sent = true;
            away.reachable = false;
            Outcome outcome = carry_out(away, kNow);
            EXPECT_EQ(shown(outcome), "Unreachable") << action << known;
            ASSERT_TRUE(outcome.plan.requeue) << action << known;
            EXPECT_EQ(outcome.plan.requeue->at, kNow + 1h);
            outcome = carry_out(away, kNow + 1h);
            EXPECT_EQ(shown(outcome), "Unreachable") << action << known;
            EXPECT_FALSE(outcome.plan.requeue) << "its return is seen";
        }
    }
    Seen back = seen(apis::action::kApprove);
    back.sent = true;
    back.current = false;
    EXPECT_EQ(shown(carry_out(back, kNow)), "send") << "the patch tests what is there";
    Outcome const behind = carry_out(back, kNow + 1h);
    EXPECT_EQ(shown(behind), "Unreachable") << "what is known is from before it went away";
    ASSERT_TRUE(behind.plan.requeue);
    EXPECT_LE(behind.plan.requeue->at, kNow + 1h + 1s);
    back.current = true;
    EXPECT_EQ(shown(carry_out(back, kNow + 1h)), "Expired");
    back.rollout = Doc::freeze(rollout(canary(R"("currentStepIndex":2,"currentStepState":"StepUpgrade")")));
    Outcome const done = carry_out(back, kNow + 1h);
    EXPECT_EQ(shown(done), "Applied");
    EXPECT_EQ(done.message, "moving to 50% (5 of 10 pods)");
}

// What a leader sent before it was gone is not on record: until its time is over nothing is said of it.
TEST(Unreachable, IsWhatALeaderBeforeMayHaveSent) {
    for (std::string_view action : {apis::action::kApprove, apis::action::kJump}) {
        Seen away = seen(action);
        away.spec.to_step = 3;
        away.inherited = true;
        away.reachable = false;
        EXPECT_EQ(shown(carry_out(away, kNow)), "Waiting") << action;
        Outcome const late = carry_out(away, kNow + 1h);
        EXPECT_EQ(shown(late), "Unreachable") << action;
        EXPECT_TRUE(late.message.starts_with("perhaps sent")) << late.message;
        away.doubted = true;
        Outcome const again = carry_out(away, kNow + 1h);
        EXPECT_EQ(shown(again), "Unreachable") << action;
        EXPECT_EQ(again.message, late.message) << "that it is on record makes it no surer";
        EXPECT_EQ(shown(carry_out(away, kNow)), "Unreachable") << action;
        away.reachable = true;
        EXPECT_EQ(shown(carry_out(away, kNow + 1h)), "Expired") << action;
    }
    Seen undo = seen(apis::action::kUndo);
    undo.inherited = true;
    undo.reachable = false;
    EXPECT_EQ(shown(carry_out(undo, kNow + 1h)), "Expired") << "it is written on the hub";
    Seen moved = seen(apis::action::kApprove, canary(R"("currentStepIndex":2)"));
    EXPECT_EQ(carry_out(moved, kNow).message, "moving to 50% (5 of 10 pods) (somebody else was faster)");
    moved.inherited = true;
    EXPECT_EQ(carry_out(moved, kNow).message, "moving to 50% (5 of 10 pods)") << "or this one was";
}

TEST(Unsupported, ActionsAreRefused) {
    for (std::string_view action : {apis::action::kReject, apis::action::kRetry}) {
        Outcome const outcome = carry_out(seen(action), kNow);
        EXPECT_EQ(shown(outcome), "Refused");
        EXPECT_EQ(outcome.message, fmt::format("{} is not supported", action));
    }
}

// ---- jump ----

Seen jumping(std::int64_t to, std::string const& change = "{}", std::int64_t from = 1) {
    Seen each = seen(apis::action::kJump, change);
    each.spec.to_step = to;
    each.target.step = from;
    return each;
}

TEST(Jump, GoesFromTheStepThatWasSeenInWhateverState) {
    std::string const at3 = canary(R"("currentStepIndex":3,"currentStepState":"StepPaused")");
    struct Case {
        std::int64_t from, to;
        std::string rollout;
        char const* outcome;
        char const* message;
    };
    for (Case const& each : std::vector<Case>{
             {1, 3, "{}", "send", ""},
             {1, 3, canary(R"("currentStepState":"StepUpgrade")"), "send", ""},
             {1, 3, canary(R"("nextStepIndex":3)"), "-",
              "on its way; the rollout controller there has not taken it up yet"},
             {1, 3, at3, "Applied", "moving to 100% (10 of 10 pods)"},
             {1, 3,
              R"({"status":{"phase":"Healthy","conditions":[{"type":"Succeeded","status":"True"}],)"
              R"("canaryStatus":{"currentStepIndex":3,"currentStepState":"Completed"}}})",
              "Applied", "moving to 100% (10 of 10 pods)"},
             {3, 1, at3, "send", ""},
             {3, 1, "{}", "Applied", "back to step 1; pods stay as they are"},
             {3, 1, canary(R"("currentStepIndex":2)"), "Applied",
              "back to step 1; pods stay as they are"},   // and on from there
             // Somebody else was there in between.
             {1, 3, canary(R"("currentStepIndex":2)"), "Stale",
              "to be left was step 1, the cluster is at step 2 in StepPaused"},
             {2, 1, at3, "Stale", "to be left was step 2, the cluster is at step 3 in StepPaused"},
             {1, 3, canary(R"("canaryRevision":"rev-3")"), "Stale", "another version is released there by now"},
             {1, 3, R"({"metadata":{"uid":"uid-2"}})", "Stale", "the Rollout there is another one by now"},
             {1, 3, R"({"status":{"phase":"Healthy"}})", "Stale", "no release is in progress there"},
             {1, 3, R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"}]}})", "Stale",
              "no release is in progress there"},
             {1, 3, R"({"spec":{"strategy":{"paused":true}}})", "Refused", "somebody paused the release: resume first"},
             {1, 4, "{}", "Refused", "the Rollout there has 3 steps"},
             {1, 1, "{}", "Refused", "it is at step 1 already"},
             {1, 0, "{}", "Refused", "a jump names the Rollout's uid, its step, its revision, and the step to go to"},
             // The next step is no jump: it takes an approval of this pause.
             {1, 2, "{}", "send", ""},
             {1, 2, canary(R"("lastUpdateTime":"2026-11-23T13:59:00Z")"), "Stale",
              "step 1 is paused anew since 2026-11-23T13:59:00Z: it was approved before"},
         }) {
        Outcome const outcome = carry_out(jumping(each.to, each.rollout, each.from), kNow);
        EXPECT_EQ(shown(outcome), each.outcome) << each.from << " to " << each.to << each.rollout;
        EXPECT_EQ(outcome.message, each.message) << each.from << " to " << each.to << each.rollout;
    }
}

// The cluster was away: it has been taken back and brought to this step again, or just gone on.
TEST(Jump, OnwardsOnlyFromWhatWasLookedAt) {
    std::string const later = canary(R"("lastUpdateTime":"2026-11-23T13:59:00Z")");
    Outcome const again = carry_out(jumping(3, later), kNow);
    EXPECT_EQ(shown(again), "Stale");
    EXPECT_EQ(again.message, "step 1 is in StepPaused since 2026-11-23T13:59:00Z: it was looked at before");
    EXPECT_EQ(shown(carry_out(jumping(3, canary(R"("lastUpdateTime":"2026-11-23T13:50:00Z")")), kNow)), "-");
    Seen unsaid = jumping(3);
    unsaid.target.paused_since.clear();
    EXPECT_EQ(shown(carry_out(unsaid, kNow)), "Refused");
    Value moved = rollout(later);
    EXPECT_FALSE(json::apply_json_patch(moved, carry_out(jumping(3), kNow).plan.writes.front().body));
    // Back to fewer pods whatever has happened there.
    std::string const at3 = canary(R"("currentStepIndex":3,"lastUpdateTime":"2026-11-23T13:59:00Z")");
    EXPECT_EQ(shown(carry_out(jumping(1, at3, 3), kNow)), "send");
}

// The cluster was at this step before, or in another release, and somebody jumped from there since.
TEST(Jump, IsNotDoneByWhatWasBeforeIt) {
    std::string const at = R"("lastUpdateTime":"2026-11-23T13:50:00Z")";
    for (auto const& [from, to, change] :
         std::vector<std::tuple<int, int, std::string>>{{1, 3, canary(at + R"(,"currentStepIndex":3)")},
                                                        {3, 1, canary(at)},
                                                        {3, 1, canary(at + R"(,"currentStepIndex":2)")},
                                                        {1, 3, canary(at + R"(,"canaryRevision":"rev-1")")}}) {
        Outcome const outcome = carry_out(jumping(to, change, from), kNow);
        EXPECT_EQ(shown(outcome), "-") << from << " to " << to << change;
        EXPECT_EQ(outcome.message, "what is known of this cluster is older than what was looked at");
    }
    EXPECT_EQ(shown(carry_out(jumping(1, canary(at + R"(,"currentStepIndex":3)"), 3), kNow)), "send");
}

// It is stored there, and nobody takes it back.
TEST(Jump, ThatIsStoredHasTakenEffectWhenItsTimeIsOver) {
    Outcome const late = carry_out(jumping(3, canary(R"("nextStepIndex":3)")), kNow + 2h);
    EXPECT_EQ(shown(late), "Applied");
    EXPECT_EQ(late.message, "moving to 100% (10 of 10 pods) when the rollout controller is back");
    EXPECT_EQ(shown(carry_out(jumping(3), kNow + 2h)), "Expired");
}

// It would be carried out later, when the third version has gone.
TEST(Jump, IsRefusedWhileAThirdVersionWaits) {
    Value refused = rollout();
    refused.set({"status", "message"}, apis::kNewVersionRefused);
    Seen each = jumping(3);
    each.rollout = Doc::freeze(refused);
    EXPECT_EQ(shown(carry_out(each, kNow)), "Refused");
}

// Two at once would write over each other for as long as nothing takes them up.
TEST(Jump, OfTwoTheLaterCounts) {
    Seen back = jumping(1, canary(R"("currentStepIndex":3,"nextStepIndex":2)"), 3);
    EXPECT_EQ(shown(carry_out(back, kNow)), "send");
    back.later = "web-2";
    EXPECT_EQ(carry_out(back, kNow).message, "decision web-2 came after it");
    // What has taken effect has.
    back = jumping(1, "{}", 3);
    back.later = "web-2";
    EXPECT_EQ(shown(carry_out(back, kNow)), "Applied");
}

TEST(Jump, ItsPatchHoldsOnlyAtTheStepThatWasSeen) {
    Outcome const outcome = carry_out(jumping(3), kNow);
    ASSERT_EQ(shown(outcome), "send");
    Value there = rollout();
    ASSERT_TRUE(json::apply_json_patch(there, outcome.plan.writes.front().body));
    EXPECT_EQ(there.at({"status", "canaryStatus", "nextStepIndex"}).as_int(), 3);
    EXPECT_EQ(there.at({"status", "canaryStatus", "currentStepState"}).as_string(), "StepPaused");
    for (std::string const& other : {canary(R"("currentStepIndex":2)"), canary(R"("canaryRevision":"rev-3")"),
                                     std::string(R"({"metadata":{"uid":"uid-2"}})")}) {
        Value elsewhere = rollout(other);
        EXPECT_FALSE(json::apply_json_patch(elsewhere, outcome.plan.writes.front().body)) << other;
    }
}

// ---- undo and abort ----

TEST(GoBack, PinsWhatTheClusterComesFrom) {
    struct Case {
        Doc workload;
        char const* undo;
        char const* abort;
    };
    Value frozen = workload("v1", "v1", false).thaw();
    frozen.set({"spec", "paused"}, true);
    frozen.set({"metadata", "managedFields"},
               *json::parse_value(R"([{"manager":"aviary-freeze","fieldsV1":{"f:spec":{"f:paused":{}}}}])"));
    for (Case const& each : std::vector<Case>{
             {workload("v2", "v1", true), "pin v1 against v2", "pin v1 against v2"},
             {workload("v2", "v1", false), "pin v1 against v2", "Refused"},   // done there: a release back
             {workload("v2", "", false), "Refused", "Refused"},
             // v2 has not come here: it stays at what it has, not at what that came from.
             {workload("v1", "v0", false), "pin v1 against v2", "pin v1 against v2"},
             {Doc::freeze(frozen), "pin v1 against v2", "pin v1 against v2"},
             {{}, "Refused", "Refused"},
         }) {
        Seen one = seen(apis::action::kUndo);
        one.workload = each.workload;
        EXPECT_EQ(shown(carry_out(one, kNow)), each.undo) << json::write(each.workload);
        one.spec.action = apis::action::kAbort;
        EXPECT_EQ(shown(carry_out(one, kNow)), each.abort) << json::write(each.workload);
    }
}

TEST(GoBack, IsRefusedWhenTheHubDoesNotKeepTheVersion) {
    Seen one = seen(apis::action::kAbort);
    one.kept = [](std::string_view hash) { return hash != "v1"; };
    Outcome const outcome = carry_out(one, kNow);
    EXPECT_EQ(shown(outcome), "Refused");
    EXPECT_EQ(outcome.message, "the hub does not keep the earlier version (v1): release it anew");
}

TEST(GoBack, IsAppliedWhenTheTemplateIsThere) {
    Seen one = seen(apis::action::kAbort);
    one.pinned = "v1";
    EXPECT_EQ(shown(carry_out(one, kNow)), "-");
    one.workload = workload("v1", "v1", true);
    EXPECT_EQ(shown(carry_out(one, kNow)), "Applied");
    one.workload = workload("v1", "v1", false);
    EXPECT_EQ(shown(carry_out(one, kNow)), "Applied");
}

TEST(GoBack, SaysThatTheWayBackIsAReleaseWhoseStepsWait) {
    Seen one = seen(apis::action::kUndo);
    one.pinned = "v1";
    one.workload = workload("v1", "v2", true);
    Outcome const outcome = carry_out(one, kNow);
    EXPECT_EQ(shown(outcome), "Applied");
    EXPECT_EQ(
        outcome.message,
        "the other version was complete here: going back is a release of its own, whose steps are to be approved");
    one.workload = workload("v1", "v1", true);
    EXPECT_EQ(carry_out(one, kNow).message, "going back to the stable version");
}

// What was known of the cluster was old: v1 was complete there, and v2 had begun.
TEST(GoBack, IsPinnedAgainWhereTheReleaseComesFromALaterVersion) {
    Seen one = seen(apis::action::kAbort);
    one.pinned = "v0";
    one.begun = true;
    EXPECT_EQ(shown(carry_out(one, kNow)), "pin v1 against v2");
    one.pinned = "v1";
    EXPECT_EQ(shown(carry_out(one, kNow)), "-");
}

TEST(GoBack, AHubThatWentBackItselfNeedsNoPin) {
    Seen one = seen(apis::action::kUndo);
    one.hub_template = "v1";
    EXPECT_EQ(shown(carry_out(one, kNow)), "-");
    one.workload = workload("v1", "v1", true);
    EXPECT_EQ(shown(carry_out(one, kNow)), "Applied");
}

TEST(GoBack, IsStaleWhenTheHubReleasesSomethingElse) {
    Seen one = seen(apis::action::kUndo);
    one.superseded = true;
    EXPECT_EQ(shown(carry_out(one, kNow)), "Stale");
    one.superseded = false;
    one.begun = true;   // pinned, and the pin has ended
    EXPECT_EQ(shown(carry_out(one, kNow)), "Stale");
    one.bound = false;
    EXPECT_EQ(shown(carry_out(one, kNow)), "Refused");
}

TEST(GoBack, PinsWhileTheMemberIsAway) {
    Seen one = seen(apis::action::kUndo);
    one.reachable = false;
    EXPECT_EQ(shown(carry_out(one, kNow)), "pin v1 against v2");
}

// ---- pause and resume ----

TEST(Pause, GoesThroughTheBindingToTheMember) {
    std::string const paused = R"({"spec":{"strategy":{"paused":true}}})";
    struct Case {
        std::string_view action;
        bool binding;
        std::string rollout;
        char const* outcome;
    };
    for (Case const& each : std::vector<Case>{{apis::action::kPause, false, "{}", "pause"},
                                              {apis::action::kPause, false, paused, "pause"},
                                              {apis::action::kPause, true, "{}", "-"},
                                              {apis::action::kPause, true, paused, "Applied"},
                                              {apis::action::kResume, true, paused, "resume"},
                                              {apis::action::kResume, false, paused, "-"},
                                              {apis::action::kResume, false, "{}", "Applied"}}) {
        Seen one = seen(each.action, each.rollout);
        one.paused = each.binding;
        EXPECT_EQ(shown(carry_out(one, kNow)), each.outcome) << each.action << each.binding << each.rollout;
    }
}

// Two people who say opposite things of a member that is away must not make the hub write for ever.
TEST(Pause, TheLastWordCounts) {
    Seen first = seen(apis::action::kPause);
    first.reachable = false;
    first.later = "web-2";
    Outcome const outcome = carry_out(first, kNow);
    EXPECT_EQ(shown(outcome), "Stale");
    EXPECT_EQ(outcome.message, "decision web-2 came after it");
    first.later.clear();
    first.begun = true;
    EXPECT_EQ(shown(carry_out(first, kNow)), "Stale");
    first.paused = true;
    EXPECT_EQ(shown(carry_out(first, kNow)), "Waiting");
}

// It stays until its release is over.
TEST(Pause, ARolloutThatIsBeingTakenOutOfAClusterIsResumedThere) {
    Seen leaving = seen(apis::action::kResume, R"({"spec":{"strategy":{"paused":true}}})");
    leaving.bound = false;
    leaving.brought = true;
    Outcome const outcome = carry_out(leaving, kNow);
    ASSERT_EQ(outcome.plan.writes.size(), 1u);
    EXPECT_FALSE(outcome.plan.writes[0].body.at({"spec", "strategy", "paused"}).as_bool(true));
    EXPECT_FALSE(outcome.pause);
    leaving.reachable = false;
    EXPECT_EQ(shown(carry_out(leaving, kNow)), "Waiting");
    leaving = seen(apis::action::kResume);
    leaving.bound = false;
    leaving.brought = true;
    EXPECT_EQ(shown(carry_out(leaving, kNow)), "Applied");
    // What is paused there would stay so where the Rollout is placed again.
    leaving.spec.action = apis::action::kPause;
    EXPECT_EQ(shown(carry_out(leaving, kNow)), "Refused");
}

// The hub leaves it alone, and its own word would wait for ever.
TEST(Pause, WhatSomebodyHasPausedInTheClusterItselfIsResumedThere) {
    Seen held = seen(apis::action::kResume, R"({"spec":{"strategy":{"paused":true}},
        "metadata":{"annotations":{"fleet.aviary.dev/hold":"2026-11-24T14:00:00Z;alice;p95"}}})");
    EXPECT_EQ(shown(carry_out(held, kNow)), "Refused");
    EXPECT_EQ(carry_out(held, kNow).message,
              "paused in the cluster itself, held until 2026-11-24T14:00:00Z by alice: p95: resume it there "
              "(`--direct`)");
    Seen ended = seen(apis::action::kResume, R"({"spec":{"strategy":{"paused":true}},
        "metadata":{"annotations":{"fleet.aviary.dev/hold":"2026-11-22T14:00:00Z;alice;p95"}}})");
    EXPECT_EQ(shown(carry_out(ended, kNow)), "-") << "the hub is about to take it back";
    held.paused = true;
    EXPECT_EQ(shown(carry_out(held, kNow)), "Refused") << "and the hub's own pause stays with it";
    EXPECT_TRUE(carry_out(held, kNow).message.ends_with(", then here"));
    Seen const edited =
        seen(apis::action::kResume,
             R"({"metadata":{"annotations":{"fleet.aviary.dev/hold":"2026-11-24T14:00:00Z;alice;steps"}}})");
    EXPECT_EQ(shown(carry_out(edited, kNow)), "Applied") << "held for something else";
    held.spec.action = apis::action::kPause;
    EXPECT_EQ(shown(carry_out(held, kNow)), "Applied");
}

TEST(Pause, WhatCannotBeIsRefused) {
    Seen one = seen(apis::action::kPause);
    one.rollout = {};
    EXPECT_EQ(shown(carry_out(one, kNow)), "Refused");
    one = seen(apis::action::kPause);
    one.bound = false;
    EXPECT_EQ(shown(carry_out(one, kNow)), "Refused") << "somebody else has brought it";
    one = seen(apis::action::kResume);
    one.paused_by_all = true;
    EXPECT_EQ(shown(carry_out(one, kNow)), "Refused");
    one.spec.action = apis::action::kPause;
    EXPECT_EQ(shown(carry_out(one, kNow)), "pause");
}

TEST(Abort, OfAReleaseThatARolloutIdAloneHasBegunGoesNowhere) {
    auto const with_reason = [](std::string const& reason) {
        return Doc::freeze(rollout(R"({"status":{"canaryStatus":{"stableRevision":null},
            "conditions":[{"type":"Progressing","status":"True","reason":")" +
                                   reason + R"("}]}})"));
    };
    Seen alone = seen(apis::action::kAbort);
    alone.rollout = with_reason("InRolling");
    Value counted = alone.workload.thaw();
    counted.set({"status"}, json::Object{{"replicas", 10}, {"updatedReplicas", 10}});
    alone.workload = Doc::freeze(counted);
    EXPECT_EQ(shown(carry_out(alone, kNow)), "Refused");
    alone.rollout = with_reason("Cancelling");
    EXPECT_EQ(shown(carry_out(alone, kNow)), "pin v1 against v2") << "one that is being taken back";
    alone.rollout = with_reason("InRolling");
    counted["status"]["updatedReplicas"] = 1;
    alone.workload = Doc::freeze(counted);
    EXPECT_EQ(shown(carry_out(alone, kNow)), "pin v1 against v2") << "of which the stable version is not known";
}

// ---- words ----

TEST(StepText, SaysHowFarAStepGoes) {
    auto const text = [](std::string const& replicas, int step, std::int64_t count) {
        Doc const workload = *json::parse(fmt::format(R"({{"spec":{{"replicas":{}}}}})", count));
        return step_text(*json::parse(R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":)" + replicas + "}]}}}}"),
                         step, count == 0 ? Doc() : workload);
    };
    EXPECT_EQ(text(R"("10%")", 1, 10), "10% (1 of 10 pods)");
    EXPECT_EQ(text(R"("10%")", 1, 0), "10%") << "the workload is not known";
    EXPECT_EQ(text(R"("10%")", 1, 11), "10% (2 of 11 pods)");
    EXPECT_EQ(text(R"("99%")", 1, 10), "99% (9 of 10 pods)");
    EXPECT_EQ(text(R"("100%")", 1, 10), "100% (10 of 10 pods)");
    EXPECT_EQ(text(R"("50%")", 1, 1), "50% (1 of 1 pods)");
    EXPECT_EQ(text("20", 1, 10), "20 (10 of 10 pods)");
    EXPECT_EQ(text("1", 2, 10), "step 2");
    // A DaemonSet does not say itself how many it is to have.
    EXPECT_EQ(step_text(*json::parse(R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"40%"}]}}}})"), 1,
                        *json::parse(R"({"spec":{},"status":{"desiredNumberScheduled":10}})")),
              "40% (4 of 10 pods)");
}

TEST(ReleaseDigest, IsOfTheTemplateAndTheStrategy) {
    auto const digest = [](std::string const& workload, std::string const& strategy) {
        return release_digest(*json::parse(R"({"spec":{"replicas":3,"template":)" + workload + "}}"),
                              *json::parse(R"({"spec":{"strategy":)" + strategy + "}}"));
    };
    std::string const one = digest(R"({"spec":{"a":1,"b":2}})", R"({"canary":{}})");
    EXPECT_EQ(one.substr(0, 7), "sha256:");
    EXPECT_EQ(one.size(), 71u);
    EXPECT_EQ(digest(R"({"spec":{"b":2,"a":1}})", R"({"canary":{},"paused":true})"), one);
    EXPECT_NE(digest(R"({"spec":{"a":2,"b":2}})", R"({"canary":{}})"), one);
    EXPECT_NE(digest(R"({"spec":{"a":1,"b":2}})", R"({"canary":{"steps":[]}})"), one);
}

}   // namespace
}   // namespace aviary::decision
