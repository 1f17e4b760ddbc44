#include "app/amc/rows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

namespace aviary::amc {
namespace {

using json::Doc;

// A cluster's row of the hub's document: paused at step 2 of 3.
Doc view(std::string const& change = "{}") {
    json::Value object = *json::parse_value(
        R"({"cluster":"beijing","placed":true,"reachable":true,"rolloutUID":"u","phase":"Progressing","step":2,"steps":3,
        "state":"StepPaused","reason":"AwaitingApproval","message":"said","since":"2026-11-23T13:00:00Z","causes":[]})");
    json::apply_merge_patch(object, *json::parse_value(change));
    return Doc::freeze(object);
}

Asked asked(std::string action) {
    Asked result;
    result.action = std::move(action);
    result.now = *parse_rfc3339("2026-11-23T13:06:12Z");
    return result;
}

// "target", "refused: why", "-": nothing is said.
std::string shown(Doc const& view, Asked const& asked) {
    auto const row = look(view, asked);
    if (!row) return "-";
    if (row->target) return row->message.empty() ? "target" : "target: " + row->message;
    return row->result + ": " + row->message;
}

TEST(StepWithoutTraffic, IsTheEarlierOneWithTheMostReplicas) {
    Doc const rollout = Doc::freeze(*json::parse_value(
        R"({"spec":{"strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"40%","traffic":"0%"},
        {"replicas":40},{"replicas":"50%","traffic":"5%"},{"replicas":"60%","matches":[{}]},{"replicas":"100%"}]}}}})"));
    EXPECT_EQ(step_without_traffic(rollout, 6), 3) << "the nearest of those with as many";
    EXPECT_EQ(step_without_traffic(rollout, 3), 2);
    EXPECT_EQ(step_without_traffic(rollout, 2), 1);
    EXPECT_EQ(step_without_traffic(rollout, 1), 0);
    // Where a step says nothing of traffic the pods share the requests.
    json::Value routed = rollout.thaw();
    routed.set({"spec", "strategy", "canary", "trafficRoutings"}, json::Array{json::Object{{"service", "web"}}});
    EXPECT_EQ(step_without_traffic(Doc::freeze(routed), 6), 2);
    EXPECT_EQ(step_without_traffic(Doc::freeze(routed), 2), 0);
    Doc const view = Doc::freeze(*json::parse_value(
        R"({"clusters":[{"cluster":"a","phase":"Progressing","step":6},{"cluster":"b","phase":"Progressing","step":3},
        {"cluster":"c","phase":"Healthy","step":1}]})"));
    EXPECT_EQ(fast_step(rollout, view, {}).value(), 2);
    EXPECT_EQ(fast_step(rollout, view, {"a"}).value(), 3);
    EXPECT_EQ(fast_step(rollout, view, {"c"}).error().message(), "no release is in progress in any chosen cluster");
    // Who has none before it does not keep the others.
    Doc const early = Doc::freeze(*json::parse_value(
        R"({"clusters":[{"cluster":"a","phase":"Progressing","step":6},{"cluster":"b","phase":"Progressing","step":1}]})"));
    EXPECT_EQ(fast_step(rollout, early, {}).value(), 3);
    EXPECT_EQ(fast_step(rollout, early, {"b"}).error().message(),
              "there is no step without traffic before step 1: abort takes the release back");
    EXPECT_EQ(fast_step(Doc::freeze(routed), early, {"b"}).error().message(),
              "there is no step with `traffic: 0%` before step 1: abort takes the release back");
}

TEST(Look, AFastUndoIsNothingForWhoIsThereOrBefore) {
    Asked back = asked("Jump");
    back.fast = true;
    back.to = 2;
    EXPECT_EQ(shown(view(R"({"step":3})"), back), "target");
    EXPECT_EQ(shown(view(R"({"step":2})"), back), "done: at step 2 already");
    EXPECT_EQ(shown(view(R"({"step":1})"), back), "refused: at step 1, before step 2: abort takes the release back");
}

TEST(Look, AnAbortOfAReleaseThatComesFromNowhereIsRefused) {
    EXPECT_EQ(shown(view(R"({"begunByIdAlone":true})"), asked("Abort")),
              "refused: " + std::string(apis::kBegunByIdAlone));
}

TEST(Look, JumpsFromWhereverARolloutIs) {
    Asked jump = asked("Jump");
    jump.to = 1;
    EXPECT_EQ(shown(view(), jump), "target");
    EXPECT_EQ(shown(view(R"({"state":"StepUpgrade"})"), jump), "target");
    EXPECT_EQ(shown(view(R"({"reason":"Paused"})"), jump), "not-yet: somebody paused the release: resume first");
    EXPECT_EQ(shown(view(R"({"phase":"Healthy"})"), jump), "-");
    jump.to = 2;
    EXPECT_EQ(shown(view(), jump), "done: at step 2 already");
    jump.to = 4;
    EXPECT_EQ(shown(view(), jump), "refused: there is no step 4: the last one is 3");
    // Onwards not past pods that somebody has to mend, unless that cluster is named; back it is one way to mend them.
    std::string const broken =
        R"({"step":1,"state":"StepUpgrade","reason":"ImagePullFailed","trouble":"ImagePullFailed",
        "causes":["1 of 1 v2 pods ImagePullFailed"]})";
    jump.to = 3;
    EXPECT_EQ(shown(view(broken), jump), "not-yet: 1 of 1 v2 pods ImagePullFailed; -m beijing sends it all the same");
    jump.by_name = true;
    EXPECT_EQ(shown(view(broken), jump), "target: 1 of 1 v2 pods ImagePullFailed");
    jump = asked("Jump");
    jump.to = 1;
    EXPECT_EQ(shown(view(R"({"trouble":"ImagePullFailed"})"), jump), "target");
    // Only from the step that was meant.
    jump.step = 1;
    EXPECT_EQ(shown(view(), jump), "refused: at step 2, not step 1");
    jump = asked("Jump");
    // The next step takes what an approval takes.
    jump.to = 3;
    EXPECT_EQ(shown(view(), jump), "target");
    EXPECT_EQ(shown(view(R"({"state":"StepUpgrade","message":"3/5 pods ready"})"), jump),
              "not-yet: not paused: StepUpgrade, 3/5 pods ready, 6m12s");
}

// The rows say why of each cluster; what is said of all must not be another reason.
TEST(NothingToDo, OfAJumpIsWhatTheRowsSay) {
    Asked jump = asked("Jump");
    auto const said = [&](std::int64_t to, std::string const& change) {
        jump.to = to;
        return nothing_to_do({*look(view(change), jump)}, jump, "web");
    };
    EXPECT_EQ(said(99, "{}"), "nothing to jump: web has no step 99 in any chosen cluster");
    EXPECT_EQ(said(2, "{}"), "nothing to jump: web is at step 2 already");
    EXPECT_EQ(said(1, R"({"reason":"Paused"})"),
              "nothing to jump: web is paused by somebody; kubectl amc rollout resume comes first");
    EXPECT_EQ(said(3, R"({"state":"StepUpgrade"})"),
              "nothing to jump: web is not paused (StepPaused) in any chosen cluster");
    EXPECT_EQ(said(3, R"({"trouble":"CrashLooping"})"),
              "nothing jumped: pods of the new version are not ready; name clusters by -m to jump all the same");
    EXPECT_EQ(nothing_to_do({}, jump, "web"),
              "nothing to jump: no release of web is in progress in any chosen cluster");
}

// A resume would be refused by the hub: no Decision ends what the Rollout itself says.
TEST(NothingToDo, WhatIsPausedEverywhereIsToldWithTheCommand) {
    Doc const paused = view(R"({"reason":"Paused","state":"Paused"})");
    for (char const* action : {"Approve", "Resume", "Jump"}) {
        Asked all = asked(action);
        all.to = 1;
        all.unpause = "kubectl patch rollout web";
        EXPECT_EQ(nothing_to_do({*look(paused, all)}, all, "web"),
                  fmt::format("nothing to {}: web is paused everywhere; this ends it: kubectl patch rollout web",
                              to_lower(action)));
        EXPECT_EQ(look(paused, all)->message, "spec.strategy.paused of the Rollout on the hub pauses it everywhere");
    }
    Asked resume = asked("Resume");
    EXPECT_EQ(shown(paused, resume), "target");
    resume.unpause = "kubectl patch rollout web";
    EXPECT_EQ(shown(view(R"({"reason":"Paused","placed":false})"), resume), "target") << "it leaves its cluster";
}

TEST(Look, ApprovesWhatIsPausedAtItsStep) {
    Asked all = asked("Approve");
    EXPECT_EQ(shown(view(), all), "target");
    EXPECT_EQ(shown(view(R"({"state":"StepUpgrade","message":"3/5 pods ready"})"), all),
              "not-yet: not paused: StepUpgrade, 3/5 pods ready, 6m12s");
    EXPECT_EQ(shown(view(R"({"phase":"Healthy"})"), all), "-");
    EXPECT_EQ(shown(view(R"({"placed":false,"rolloutUID":""})"), all), "-");
    // Not a word of it, and the approval would be taken for one of every cluster.
    EXPECT_EQ(shown(view(R"({"phase":"Healthy","reason":"Applying","message":"the new version is on its way"})"), all),
              "not-yet: not paused: the new version is on its way");
    EXPECT_EQ(shown(view(R"({"phase":"","reason":"RolloutMissing","message":"the Rollout is not there"})"), all),
              "not-yet: not paused: the Rollout is not there");
    EXPECT_EQ(
        shown(view(R"({"state":"Unknown","error":"its Rollouts are not followed at the moment: no route"})"), all),
        "failed: its Rollouts are not followed at the moment: no route");
    // Where it stands is not known, or only where it stood before this release.
    for (std::string const phase : {"", "Healthy"}) {
        EXPECT_EQ(
            shown(
                view(
                    R"({"reachable":false,"state":"Unknown","reason":"ClusterUnreachable","message":"does not answer","phase":")" +
                    phase + "\"}"),
                all),
            "unreachable: does not answer");
    }
    EXPECT_EQ(
        shown(view(R"({"reachable":false,"state":"Unknown","lastState":"StepUpgrade","message":"does not answer"})"),
              all),
        "unreachable: does not answer; last seen at StepUpgrade");
    EXPECT_EQ(shown(view(R"({"reachable":false,"state":"Unknown","lastState":"StepPaused"})"), all), "target");
    EXPECT_EQ(shown(view(R"({"reachable":false,"state":"Unknown","phase":"Healthy","finished":true})"), all), "-");
    Asked chosen = all;
    chosen.chosen = true;
    chosen.step = 1;
    EXPECT_EQ(shown(view(), chosen), "refused: at step 2, not step 1");
    EXPECT_EQ(shown(view(R"({"phase":"Healthy"})"), chosen), "refused: not paused: the phase is Healthy");
    EXPECT_EQ(shown(view(R"({"placed":false,"rolloutUID":""})"), chosen), "refused: the Rollout is not placed here");
}

TEST(Look, WhatSomebodyPausedIsResumedFirst) {
    Doc const stopped = view(R"({"state":"Paused","reason":"Paused","message":"spec.strategy.paused"})");
    EXPECT_EQ(shown(stopped, asked("Approve")), "not-yet: somebody paused the release: resume first");
    EXPECT_EQ(shown(stopped, asked("Resume")), "target");
}

// -M is "all that look right"; who names a cluster has looked at it.
TEST(Look, PodsThatAreNotReadyAreApprovedByNameAlone) {
    Doc const crashing = view(R"({"trouble":"CrashLooping","causes":["1 of 5 v2 pods CrashLooping"]})");
    Asked all = asked("Approve");
    EXPECT_EQ(shown(crashing, all), "not-yet: 1 of 5 v2 pods CrashLooping; -m beijing approves it all the same");
    all.chosen = true;   // by labels
    EXPECT_EQ(shown(crashing, all), "not-yet: 1 of 5 v2 pods CrashLooping; -m beijing approves it all the same");
    all.by_name = true;
    EXPECT_EQ(shown(crashing, all), "target: 1 of 5 v2 pods CrashLooping");
    EXPECT_EQ(shown(crashing, asked("Abort")), "target");
}

// Without a hub nothing is known of a cluster that cannot be read: there is nothing to send.
TEST(Look, WhatCannotBeReadIsNoTarget) {
    std::string const unread = R"("phase":"","state":"Unknown","error":"no route"})";
    EXPECT_EQ(shown(view(R"({"reachable":false,)" + unread), asked("Approve")), "unreachable: no route");
    EXPECT_EQ(shown(view("{" + unread), asked("Approve")), "failed: no route");
}

TEST(RowsOf, AnswersForEachChosenCluster) {
    json::Value document{json::Object{{"clusters", json::Array{view().thaw(), view(R"({"cluster":"oslo"})").thaw()}}}};
    std::vector<Row> const all = rows_of(Doc::freeze(document), {}, asked("Approve"), "not there");
    ASSERT_EQ(all.size(), 2u);
    EXPECT_TRUE(all[0].target && all[1].target);
    std::vector<Row> const some = rows_of(Doc::freeze(document), {"oslo", "paris"}, asked("Approve"), "not there");
    ASSERT_EQ(some.size(), 2u);
    EXPECT_EQ(some[0].cluster, "oslo");
    EXPECT_EQ(some[1].cluster + " " + some[1].result + ": " + some[1].message, "paris refused: not there");
}

// Nobody is to believe that -M took back what it did not.
TEST(Look, AbortSaysWhatIsFinishedAlready) {
    Doc const finished = view(R"({"phase":"Healthy","reason":"-","current":true,"version":"v4"})");
    EXPECT_EQ(shown(finished, asked("Abort")), "done: finished on v4: undo takes it back");
    EXPECT_EQ(shown(finished, asked("Undo")), "target");
    EXPECT_EQ(shown(finished, asked("Approve")), "-");
    EXPECT_EQ(shown(view(R"({"phase":"Healthy","reason":"Applying","current":true})"), asked("Abort")), "target");
    EXPECT_EQ(shown(view(R"({"phase":"Healthy","reason":"ControllerAbsent","state":"Guarded"})"), asked("Abort")),
              "target")
        << "it is kept from coming there";
    EXPECT_EQ(shown(view(R"({"phase":"Healthy","reason":"ControllerAbsent","version":"v1","current":false})"),
                    asked("Abort")),
              "target")
        << "a version that is kept from coming is not to come later";
    EXPECT_EQ(
        shown(view(R"({"placed":false,"rolloutUID":"","phase":"","version":"v2","current":true})"), asked("Abort")),
        "-");
    EXPECT_EQ(shown(view(R"({"placed":false,"rolloutUID":"","phase":"","version":"v1"})"), asked("Abort")), "target");
    EXPECT_EQ(shown(view(R"({"placed":false,"rolloutUID":"","phase":""})"), asked("Abort")), "-");
    EXPECT_EQ(count({{"a", "3/3", "done", ""}, {"b", "1/3", "aborted", ""}}, "Abort").not_done(), 0u);
}

TEST(Look, WhatIsBackIsNotTakenBackOnceMore) {
    Doc const back = view(R"({"phase":"Healthy","reason":"TakenBack","pinned":"v1"})");
    Doc const goes = view(R"({"pinned":"v1"})");
    for (char const* action : {"Abort", "Undo"}) {
        EXPECT_EQ(shown(back, asked(action)), "done: is back on v1 already");
        EXPECT_EQ(shown(goes, asked(action)), "done: goes back to v1 already");
    }
    EXPECT_EQ(shown(goes, asked("Approve")), "target");
    Doc const in_steps = view(R"({"pinned":"v1","rejected":"v2","stable":"v2"})");
    EXPECT_EQ(shown(in_steps, asked("Undo")),
              "done: goes back to v1 already, in steps: approve them, or end that with `abort --direct`");
    // Without a hub the way back is a release that can be ended as any other.
    Asked without = asked("Undo");
    without.without_hub = true;
    EXPECT_EQ(shown(in_steps, without),
              "done: goes back to v1 already, in steps: approve them, or end that with `abort`");
    without.action = "Abort";
    EXPECT_EQ(shown(in_steps, without), "target");
    EXPECT_EQ(shown(goes, without), "done: goes back to v1 already");
    EXPECT_EQ(shown(back, without), "done: is back on v1 already");
    Doc const in_batches = view(R"({"pinned":"v1","rejected":"v2","stable":"v1","inBatches":true})");
    for (char const* action : {"Abort", "Undo"})
        EXPECT_EQ(shown(in_batches, asked(action)), "done: goes back to v1 already, in batches: approve goes on");
    Doc const outdated = view(R"({"pinned":"v0","reason":"PinOutdated"})");
    for (char const* action : {"Abort", "Undo"}) EXPECT_EQ(shown(outdated, asked(action)), "target") << action;
    EXPECT_EQ(nothing_to_do({*look(back, asked("Undo")), *look(in_steps, asked("Undo"))}, asked("Undo"), "web"),
              "nothing to undo: each chosen cluster is back already, or goes there");
}

TEST(Count, SaysWhatWasNotDone) {
    Row approved{"a", "1/3", "approved", ""};
    Row upgrading{"b", "1/3", "not-yet", ""};
    Row crashing{"c", "1/3", "not-yet", ""};
    crashing.why = Row::Why::kNotReady;
    Row stopped{"f", "1/3", "not-yet", ""};
    stopped.why = Row::Why::kStopped;
    Counts const counts = count({approved,
                                 upgrading,
                                 crashing,
                                 stopped,
                                 {"d", "", "stale", ""},
                                 {"e", "", "waiting", ""},
                                 {"g", "", "unreachable", ""},
                                 {"h", "", "failed", ""}},
                                "Approve");
    EXPECT_EQ(counts.text("Approve"),
              "1 approved, 1 not paused, 1 to be resumed first, 1 not ready, 1 waiting, 1 unreachable, 1 refused, "
              "1 failed");
    EXPECT_EQ(counts.not_done(), 7u);
    EXPECT_EQ(nothing_to_do({stopped}, asked("Approve"), "web"),
              "nothing to approve: web is paused by somebody; kubectl amc rollout resume comes first");
    EXPECT_EQ(nothing_to_do({crashing}, asked("Approve"), "web"),
              "nothing approved: pods of the new version are not ready; name clusters by -m to approve all the same");
    EXPECT_EQ(nothing_to_do({upgrading}, asked("Approve"), "web"),
              "nothing to approve: web is not paused (StepPaused) in any chosen cluster");
    EXPECT_EQ(nothing_to_do({}, asked("Abort"), "web"),
              "nothing to abort: no release of web is in progress in any chosen cluster");
}

TEST(Look, AClusterThatHasJustComeBackIsLookedAtAgain) {
    Doc const view = *json::parse(R"({"clusters":[{"cluster":"beijing"},
        {"cluster":"oslo","error":"its rollouts cannot be read: 429","reachableSince":"2026-11-23T13:51:00Z"},
        {"cluster":"shanghai","error":"forbidden"}]})");
    Time const back = *parse_rfc3339("2026-11-23T13:51:00Z");
    std::vector<std::string> const oslo{"oslo"}, none;
    EXPECT_EQ(just_come_back(view, {}, back + std::chrono::seconds(3)), oslo);
    EXPECT_EQ(just_come_back(view, {"oslo"}, back + std::chrono::seconds(3)), oslo);
    EXPECT_EQ(just_come_back(view, {"beijing", "shanghai"}, back + std::chrono::seconds(3)), none);
    EXPECT_EQ(just_come_back(view, {}, back + std::chrono::minutes(1)), none);
}

// What the others were at is what the person who decides has seen.
TEST(Look, OfALaterViewTheRowsThatWereAskedForCount) {
    Doc const view =
        *json::parse(R"({"digest":"d","clusters":[{"cluster":"beijing","step":1},{"cluster":"oslo","error":"x"}]})");
    Doc const later = *json::parse(R"({"digest":"e","clusters":[{"cluster":"oslo","step":1}]})");
    EXPECT_EQ(json::write(with_rows_of(view, later)),
              R"({"digest":"d","clusters":[{"cluster":"beijing","step":1},{"cluster":"oslo","step":1}]})");
}

}   // namespace
}   // namespace aviary::amc
