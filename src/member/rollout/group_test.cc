// Rollouts that move from step to step together: what one of them does, by what is seen of the other.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "apis/rollouts/hash.h"
#include "member/rollout/internal/routed_cluster.h"

namespace aviary::rollout {
namespace {

using json::Doc;
using json::Value;

constexpr char kSteps[] = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";

// "Progressing/InRolling/2/StepUpgrade/Ready 2": its phase, why, step, state, and its BatchRelease's, if it has one.
Companion other(std::string const& text, std::string const& succeeded = "") {
    std::vector<std::string_view> const parts = split(text, '/');
    Value rollout = *json::parse_value(R"({"metadata":{"name":"decode","namespace":"demo"}})");
    rollout.set({"spec", "strategy", "canary", "steps"}, *json::parse_value(kSteps));
    rollout.set({"status", "phase"}, std::string(parts[0]));
    Value conditions{json::Array()};
    conditions.push_back(json::Object{{"type", "Progressing"}, {"status", "True"}, {"reason", std::string(parts[1])}});
    if (!succeeded.empty()) conditions.push_back(json::Object{{"type", "Succeeded"}, {"status", succeeded}});
    rollout.set({"status", "conditions"}, std::move(conditions));
    rollout.set({"status", "canaryStatus", "currentStepIndex"}, *parse_int(parts[2]));
    rollout.set({"status", "canaryStatus", "currentStepState"}, std::string(parts[3]));
    Companion result{Doc::freeze(rollout), {}};
    if (parts.size() < 5) return result;
    std::vector<std::string_view> const batch = split(parts[4], ' ');
    Value release = *json::parse_value(
        R"({"metadata":{"name":"decode"},"spec":{"releasePlan":{"batchPartition":0}},"status":{"phase":"Progressing"}})");
    release.set({"status", "canaryStatus", "batchState"}, std::string(batch[0]));
    release.set({"status", "canaryStatus", "currentBatch"}, *parse_int(batch[1]) - 1);
    release.set({"status", "observedReleasePlanHash"}, apis::release_plan_hash(Doc::freeze(release)));
    result.batch_release = Doc::freeze(release);
    return result;
}

// As it says of itself once it goes back in batches, to the end and beyond.
Companion gone_back(std::string const& text, std::string const& succeeded = "") {
    Companion result = other(text, succeeded);
    Value rollout = result.rollout.thaw();
    Value conditions = rollout.at({"status", "conditions"});
    conditions.push_back(json::Object{{"type", "RolledBack"}, {"status", "True"}});
    rollout.set({"status", "conditions"}, std::move(conditions));
    result.rollout = Doc::freeze(rollout);
    return result;
}

constexpr char kWaits[] = ", and waits for others of its group: decode ";

TEST(Group, AStepBeginsOnceTheOthersHaveComeToIt) {
    struct Case {
        std::string of, succeeded, why;   // why: what it waits for; empty: it goes on
    };
    for (Case const& each : std::initializer_list<Case>{
             {"Healthy/Completed/3/Completed", "True", "has no release: give it its new version, too"},
             {"Healthy/Completed/3/Completed", "", "has no release: give it its new version, too"},
             {"Progressing/Initializing/3/Completed", "", "is about to begin"},
             {"Progressing/Cancelling/1/StepPaused", "", "is being taken back: take this one back, too"},
             {"Progressing/InRolling/1/BeforeStepUpgrade", "", ""},
             {"Progressing/Paused/1/StepUpgrade", "", ""},
             {"Progressing/InRolling/2/StepPaused", "", ""},
             {"Progressing/Finalising/3/Completed", "", "is completing the release before"}}) {
        FakeCluster cluster(kSteps);
        cluster.run();
        cluster.pods_start = false;
        cluster.group = {other(each.of, each.succeeded)};
        cluster.release("v2");
        cluster.run();
        std::string const state = each.why.empty() ? "StepUpgrade v1=9 v2=1" : "BeforeStepUpgrade v1=10";
        EXPECT_EQ(cluster.show(), "Progressing/1/" + state) << each.of;
        if (each.why.empty()) continue;
        EXPECT_EQ(cluster.message(), "Rollout is in step(1/3)" + (kWaits + each.why)) << each.of;
        cluster.group = {other("Progressing/InRolling/1/BeforeStepUpgrade")};
        cluster.run();
        EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=9 v2=1") << each.of;
    }
}

TEST(Group, AStepsRequestsComeOnceTheOthersHaveItsPodsReady) {
    struct Case {
        std::string of, succeeded, why;
    };
    for (Case const& each : std::initializer_list<Case>{
             {"Progressing/InRolling/1/BeforeStepUpgrade/Ready 1", "", "has yet to get its pods of step(1/3) ready"},
             {"Progressing/InRolling/1/StepUpgrade", "", "has yet to get its pods of step(1/3) ready"},
             {"Progressing/InRolling/1/StepUpgrade/Upgrading 1", "", "has yet to get its pods of step(1/3) ready"},
             {"Progressing/InRolling/1/StepUpgrade/Ready 1", "", ""},
             {"Progressing/InRolling/1/StepPaused/Ready 1", "", ""},
             {"Progressing/InRolling/2/BeforeStepUpgrade/Ready 1", "", ""},
             {"Healthy/Completed/3/Completed", "True", ""},
             {"Healthy/Completed/1/StepPaused", "False", "has been taken back: take this one back, too"}}) {
        FakeCluster cluster(kSteps);
        cluster.run();
        cluster.release("v2");
        cluster.group = {other("Progressing/InRolling/1/BeforeStepUpgrade")};
        cluster.run();
        EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=9 v2=1");
        cluster.group = {other(each.of, each.succeeded)};
        cluster.run();
        EXPECT_EQ(cluster.show(),
                  each.why.empty() ? "Progressing/1/StepPaused v1=9 v2=1" : "Progressing/1/StepUpgrade v1=9 v2=1")
            << each.of;
        if (each.why.empty()) continue;
        EXPECT_EQ(cluster.message(), "Rollout is in step(1/3)" + (kWaits + each.why)) << each.of;
        EXPECT_EQ(cluster.decide_rollout_now().waits.back().reason, "WaitingForGroup");
    }
}

// The end takes the old pods away, or lets the new version come to all: not while another one waits for a person.
TEST(Group, AReleaseEndsOnceTheOthersAreThrough) {
    struct Case {
        std::string of, succeeded, why;
    };
    for (Case const& each : std::initializer_list<Case>{
             {"Progressing/InRolling/3/StepPaused/Ready 3", "", "is in step(3/3), StepPaused"},
             {"Progressing/InRolling/3/StepReady/Ready 3", "", "is in step(3/3), StepReady"},
             {"Healthy/Completed/3/StepPaused", "False", "has been taken back: take this one back, too"},
             // It may go back, or on to another version.
             {"Progressing/Paused/3/Completed/Ready 3", "", "is paused: resume it first"},
             {"Progressing/InRolling/3/BeforeStepUpgrade/Ready 3", "", "is in step(3/3), BeforeStepUpgrade"},
             {"Progressing/InRolling/3/Completed/Ready 3", "", ""},
             {"Progressing/Finalising/3/Completed", "", ""},
             {"Healthy/Completed/3/Completed", "True", ""},
             // Disabled meanwhile and enabled; deleted and made anew; without a workload.
             {"Healthy/Completed/3/Completed", "", ""},
             {"Initial/Completed/3/Completed", "", ""}}) {
        FakeCluster cluster(R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"50%"}])");
        cluster.run();
        cluster.release("v2");
        cluster.group = {other("Progressing/InRolling/3/StepPaused/Ready 3")};
        for (int step = 1; step <= 3; ++step) {
            cluster.run();
            cluster.approve();
        }
        cluster.run();
        ASSERT_EQ(cluster.show(), "Progressing/3/Completed v1=5 v2=5");
        cluster.group = {other(each.of, each.succeeded)};
        cluster.run();
        EXPECT_EQ(cluster.show(), each.why.empty() ? "Healthy/3/Completed v2=10" : "Progressing/3/Completed v1=5 v2=5")
            << each.of;
        if (each.why.empty()) continue;
        EXPECT_EQ(cluster.message(), "Rollout is in step(3/3)" + (kWaits + each.why)) << each.of;
        EXPECT_EQ(cluster.decide_rollout_now().waits.back().reason, "WaitingForGroup");
        cluster.release("v1");   // it can be taken back
        cluster.run();
        EXPECT_EQ(cluster.show(), "Healthy/3/Completed v1=10") << each.of;
    }
}

// Nothing of the version before is at its end any more.
TEST(Group, ANewerVersionEndsTheWaitForTheEnd) {
    FakeCluster cluster(R"([{"replicas":"50%"}])");
    cluster.run();
    cluster.release("v2");
    cluster.group = {other("Progressing/InRolling/1/StepPaused/Ready 1")};
    cluster.run();
    cluster.group = {other("Progressing/InRolling/2/StepPaused/Ready 2")};
    cluster.approve();
    cluster.run();
    ASSERT_EQ(cluster.show(), "Progressing/1/Completed v1=5 v2=5");
    cluster.release("v3");
    cluster.apply(cluster.decide_rollout_now());
    EXPECT_EQ(cluster.show(), "Progressing/1/BeforeStepUpgrade v1=5 v2=5");
    // Where it is refused the others wait until one is put back.
    Companion refused = other("Progressing/InRolling/3/Completed/Ready 3");
    Value rollout = refused.rollout.thaw();
    rollout.set({"status", "message"}, apis::kNewVersionRefused);
    refused.rollout = Doc::freeze(rollout);
    FakeCluster waits(R"([{"replicas":"50%"}])");
    waits.run();
    waits.release("v2");
    waits.group = {refused};
    waits.run();
    waits.approve();
    waits.run();
    EXPECT_EQ(waits.show(), "Progressing/1/Completed v1=5 v2=5");
    EXPECT_EQ(waits.message(), std::string("Rollout is in step(1/1)") + kWaits + "has yet another version");
}

// As after a jump, or another plan: the release before is not what the other completes.
TEST(Group, BackInItsFirstStepItHasBegun) {
    FakeCluster cluster(kSteps);
    cluster.run();
    cluster.group = {other("Progressing/InRolling/1/StepPaused/Ready 1")};
    cluster.release("v2");
    cluster.run();
    ASSERT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    cluster.group = {other("Progressing/Finalising/3/Completed")};
    cluster.edit_rollout(R"({"status":{"canaryStatus":{"currentStepState":"BeforeStepUpgrade"}}})", true);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1") << cluster.message();
}

// Approved alone it stays where it is; and one that has fewer steps is waited for at its last one.
TEST(Group, LaterStepsWaitAsTheFirstOneDoes) {
    FakeCluster cluster(kSteps);
    cluster.run();
    cluster.group = {other("Progressing/InRolling/1/StepPaused/Ready 1")};
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/BeforeStepUpgrade v1=9 v2=1");
    EXPECT_EQ(cluster.message(), std::string("Rollout is in step(2/3)") + kWaits + "is in step(1/3), StepPaused");
    Value fewer = cluster.group[0].rollout.thaw();
    fewer.set({"spec", "strategy", "canary", "steps"}, json::Array{json::Object{{"replicas", "100%"}}});
    cluster.group[0].rollout = Doc::freeze(fewer);
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    // Taken back, it waits for nobody.
    cluster.group = {other("Progressing/InRolling/2/StepUpgrade/Upgrading 2")};
    cluster.release("v1");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/2/StepPaused v1=10");
}

// As it says of itself when a deadline has taken it back: on its way, and at the end.
Companion failed(std::string const& text, std::string const& on_deadline = "Rollback") {
    Companion result = other(text);
    Value rollout = result.rollout.thaw();
    rollout.set({"metadata", "annotations", "rollouts.aviary.dev/on-deadline"}, on_deadline);
    bool const over = text.starts_with("Healthy");
    Value conditions = rollout.at({"status", "conditions"});
    conditions.push_back(json::Object{{"type", over ? "Succeeded" : "Stalled"},
                                      {"status", over ? "False" : "True"},
                                      {"reason", "ProgressDeadlineExceeded"},
                                      {"message", "step 1/3 has made no progress"}});
    rollout.set({"status", "conditions"}, std::move(conditions));
    result.rollout = Doc::freeze(rollout);
    return result;
}

TEST(Group, WhatADeadlineTakesBackGoesBackEverywhere) {
    struct Case {
        std::string annotation;
        Companion companion;
        bool follows;
    };
    for (Case const& each : std::initializer_list<Case>{
             {"Rollback", failed("Progressing/Cancelling/1/StepUpgrade"), true},
             {"Rollback", failed("Healthy/Completed/1/StepUpgrade"), true},
             // A deadline that pauses it; a person who took it back; one that has begun anew; and who is not asked to.
             {"Rollback", failed("Progressing/InRolling/1/StepUpgrade", "Pause"), false},
             {"Rollback", failed("Progressing/Cancelling/1/StepUpgrade", "Pause"), false},
             {"Rollback", other("Healthy/Completed/1/StepUpgrade", "False"), false},
             {"Rollback", failed("Progressing/InRolling/1/BeforeStepUpgrade"), false},
             {"Pause", failed("Healthy/Completed/1/StepUpgrade"), false}}) {
        FakeCluster cluster(kSteps);
        cluster.edit_rollout(R"({"metadata":{"annotations":{"rollouts.aviary.dev/on-deadline":")" + each.annotation +
                             "\"}}}");
        cluster.run();
        cluster.group = {other("Progressing/InRolling/1/StepPaused/Ready 1")};
        cluster.release("v2");
        cluster.run();
        ASSERT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
        cluster.group = {each.companion};
        cluster.run();
        std::string const seen = cluster.show();
        EXPECT_EQ(seen, each.follows ? "Healthy/1/StepPaused v1=10" : "Progressing/1/StepPaused v1=9 v2=1");
        if (!each.follows) continue;
        Doc const succeeded = meta::condition(cluster.get("rollouts"), "Succeeded");
        EXPECT_EQ(succeeded["reason"].as_string(), "ProgressDeadlineExceeded");
        EXPECT_EQ(succeeded["message"].as_string(),
                  "decode of its group has been taken back: step 1/3 has made no progress");
    }
}

// What became of the release before is no reason to take back one that has yet to begin.
TEST(Group, OneThatFailedBeforeIsWaitedFor) {
    FakeCluster cluster(kSteps);
    cluster.edit_rollout(R"({"metadata":{"annotations":{"rollouts.aviary.dev/on-deadline":"Rollback"}}})");
    cluster.run();
    cluster.group = {failed("Healthy/Completed/1/StepUpgrade")};
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/BeforeStepUpgrade v1=10");
    cluster.group = {other("Progressing/InRolling/1/BeforeStepUpgrade")};
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=9 v2=1");
}

// The step has begun, and waits for its Service.
TEST(Group, IsNotNamedOnceItHasCome) {
    RoutedCluster cluster(canary(kPartition, "10"));
    cluster.group = {other("Progressing/Initializing/1/Completed")};
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.look(), "v1=10 open 7");
    EXPECT_TRUE(apis::waits_for_group(cluster.get("rollouts")));
    cluster.group = {other("Progressing/InRolling/1/BeforeStepUpgrade")};
    cluster.run();
    EXPECT_EQ(cluster.look(), "v1=10 pinned 7");
    EXPECT_EQ(cluster.message(), "Rollout is in step(1/3)");
}

// What goes back in batches comes to the same steps, with the other version.
TEST(Group, ARollbackInBatchesIsNotFollowed) {
    for (auto const& [of, succeeded, why] : std::initializer_list<std::array<char const*, 3>>{
             {"Progressing/InRolling/2/StepPaused/Ready 2", "", "is being taken back: take this one back, too"},
             {"Progressing/Paused/3/StepUpgrade/Ready 3", "", "is being taken back: take this one back, too"},
             {"Progressing/Finalising/3/Completed", "", "is being taken back: take this one back, too"},
             {"Healthy/Completed/3/Completed", "True", "has been taken back: take this one back, too"}}) {
        FakeCluster cluster(kSteps);
        cluster.run();
        cluster.group = {other("Progressing/InRolling/1/StepPaused/Ready 1")};
        cluster.release("v2");
        cluster.run();
        cluster.approve();
        cluster.group = {gone_back(of, succeeded)};
        cluster.run();
        EXPECT_EQ(cluster.show(), "Progressing/2/BeforeStepUpgrade v1=9 v2=1") << of;
        EXPECT_EQ(cluster.message(), std::string("Rollout is in step(2/3)") + kWaits + why) << of;
    }
}

}   // namespace
}   // namespace aviary::rollout
