// What annotations ask of a step's upgrade: progress in time, and pods that stay ready.
#include <gtest/gtest.h>

#include "member/rollout/decide.h"
#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr char const* kSteps = R"([{"replicas":"20%"},{"replicas":"50%"},{"replicas":"100%"}])";
constexpr char const* kPartition = R"({"canary":{}})";
constexpr char const* kBlueGreen = R"({"blueGreen":{}})";
constexpr char const* kCanary = R"({"canary":{"enableExtraWorkloadForCanary":true}})";
constexpr char const* kTenMinutes = R"("rollouts.aviary.dev/progress-deadline-seconds":"600")";

void annotate(FakeCluster& cluster, std::string const& annotations) {
    cluster.edit_rollout(R"({"metadata":{"annotations":{)" + annotations + "}}}");
}

Doc condition(FakeCluster const& cluster, std::string_view type) {
    return meta::condition(cluster.get("rollouts"), type);
}

// "True/ProgressDeadlineExceeded", empty where there is none.
std::string stalled(FakeCluster const& cluster) {
    Doc const found = condition(cluster, "Stalled");
    return found.exists() ? found["status"].string() + "/" + found["reason"].string() : "";
}

// The new version's pods do not start, and a day goes by in the steps that a timer makes.
FakeCluster stuck(std::string const& annotations, std::string const& style = kPartition) {
    FakeCluster cluster(kSteps, 10, style);
    annotate(cluster, annotations);
    cluster.run();
    cluster.pods_start = false;
    cluster.release("v2");
    cluster.run();
    return cluster;
}
FakeCluster stalled_cluster(std::string const& on_deadline) {
    FakeCluster cluster =
        stuck(std::string(kTenMinutes) + R"(,"rollouts.aviary.dev/on-deadline":")" + on_deadline + '"');
    cluster.now += 600s;
    cluster.run();
    return cluster;
}

TEST(Deadline, WithoutProgressAStepIsStalled) {
    FakeCluster cluster = stuck(kTenMinutes);
    ASSERT_TRUE(cluster.decide_rollout_now().requeue);
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 600s);
    Time const began = cluster.now;
    cluster.now += 599s;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    cluster.now += 1s;
    control::Plan const plan = cluster.decide_rollout_now();
    ASSERT_EQ(plan.events.size(), 1u);
    EXPECT_EQ(plan.events[0].type, "Warning");
    EXPECT_EQ(plan.events[0].reason, "ProgressDeadlineExceeded");
    ASSERT_FALSE(plan.waits.empty());
    EXPECT_EQ(plan.waits[0].reason, "ProgressDeadlineExceeded");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=8 v2=2");
    EXPECT_EQ(stalled(cluster), "True/ProgressDeadlineExceeded");
    std::string const said = condition(cluster, "Stalled")["message"].string();
    EXPECT_TRUE(said.starts_with("step 1/3 has made no progress for 600 seconds, since " + format_rfc3339(began)))
        << said;
    EXPECT_TRUE(said.contains("(NotReady: ")) << said;
    EXPECT_EQ(cluster.message(), said +
                                     "; it does not go on by itself: take the release back, or pause and resume it to "
                                     "give step 1 its time anew");
}

TEST(Deadline, IsSaidOnceAndWrittenOnce) {
    FakeCluster cluster = stalled_cluster("Pause");
    cluster.now += 24h;
    control::Plan const plan = cluster.decide_rollout_now();
    EXPECT_TRUE(plan.events.empty());
    EXPECT_TRUE(plan.writes.empty());
    ASSERT_FALSE(plan.waits.empty());
    EXPECT_EQ(plan.waits[0].since, cluster.now - 24h);
}

TEST(Deadline, WithoutTheAnnotationThereIsNone) {
    FakeCluster cluster = stuck(R"("rollouts.aviary.dev/on-deadline":"Rollback")");
    cluster.now += 240h;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    EXPECT_FALSE(cluster.decide_rollout_now().requeue);
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=8 v2=2");
}

TEST(Deadline, ReadyPodsGiveMoreTime) {
    FakeCluster cluster = stuck(kTenMinutes);
    cluster.now += 400s;
    cluster.pods_start = true;
    cluster.most_ready = 1;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(condition(cluster, "Progressing")["lastUpdateTime"].string(), format_rfc3339(cluster.now));
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 600s);
    cluster.now += 599s;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    cluster.now += 1s;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "True/ProgressDeadlineExceeded");
}

// Progress is noted with the counts: it costs no write of its own.
TEST(Deadline, ProgressIsWrittenWithTheCounts) {
    FakeCluster cluster = stuck(kTenMinutes);
    cluster.now += 400s;
    cluster.pods_start = true;
    cluster.most_ready = 1;
    cluster.settle();
    ASSERT_TRUE(cluster.apply(cluster.decide_batch_release_now()));
    control::Plan const plan = cluster.decide_rollout_now(cluster.now + 2s);
    EXPECT_TRUE(plan.writes.empty());
    ASSERT_TRUE(plan.requeue);
    EXPECT_EQ(plan.requeue->at, cluster.now + 2s);
}

TEST(Deadline, EachStepHasItsOwnTime) {
    FakeCluster cluster(kSteps);
    annotate(cluster, kTenMinutes);
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.now += 5h;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v2=2");
    EXPECT_EQ(stalled(cluster), "");
    cluster.most_ready = 3;
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 600s);
    cluster.now += 600s;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "True/ProgressDeadlineExceeded");
    EXPECT_TRUE(cluster.message().starts_with("step 2/3 ")) << cluster.message();
}

// A step that was stalled goes on by nobody's pods.
TEST(Deadline, PauseStaysUntilSomebodyActs) {
    struct Case {
        char const* what;
        std::function<void(FakeCluster&)> act;
        char const* then;
    };
    constexpr char const* kOn = "Progressing/1/StepPaused v1=8 v2=2";
    Case const cases[] = {
        {"nobody", [](FakeCluster&) {}, "Progressing/1/StepUpgrade v1=8 v2=2"},
        {"a deadline that is over, too",
         [](FakeCluster& cluster) { annotate(cluster, R"("rollouts.aviary.dev/progress-deadline-seconds":"700")"); },
         "Progressing/1/StepUpgrade v1=8 v2=2"},
        {"a later deadline",
         [](FakeCluster& cluster) { annotate(cluster, R"("rollouts.aviary.dev/progress-deadline-seconds":"7200")"); },
         kOn},
        {"no deadline",
         [](FakeCluster& cluster) { annotate(cluster, R"("rollouts.aviary.dev/progress-deadline-seconds":null)"); },
         kOn},
        {"Report", [](FakeCluster& cluster) { annotate(cluster, R"("rollouts.aviary.dev/on-deadline":"Report")"); },
         kOn},
        {"paused and resumed",
         [](FakeCluster& cluster) {
             cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
             cluster.run();
             cluster.edit_rollout(R"({"spec":{"strategy":{"paused":false}}})");
         },
         kOn},
        {"the step is begun anew",
         [](FakeCluster& cluster) { cluster.edit_rollout(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})", true); },
         kOn},
        {"the old version put back", [](FakeCluster& cluster) { cluster.release("v1"); },
         "Healthy/1/StepUpgrade v1=10"},
        {"another version", [](FakeCluster& cluster) { cluster.release("v3"); }, "Progressing/1/StepPaused v1=8 v3=2"},
    };
    for (Case const& each : cases) {
        FakeCluster cluster = stalled_cluster("Pause");
        cluster.now += 600s;
        cluster.pods_start = true;
        cluster.settle();
        cluster.run();
        EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=8 v2=2") << each.what;
        EXPECT_EQ(stalled(cluster), "True/ProgressDeadlineExceeded") << each.what;
        each.act(cluster);
        cluster.run();
        EXPECT_EQ(cluster.show(), each.then) << each.what;
        bool const on = each.then != std::string("Progressing/1/StepUpgrade v1=8 v2=2");
        EXPECT_EQ(stalled(cluster).empty(), on) << each.what;
    }
}

TEST(Deadline, ReportGoesOnWithReadyPods) {
    FakeCluster cluster = stalled_cluster("Report");
    EXPECT_EQ(stalled(cluster), "True/ProgressDeadlineExceeded");
    EXPECT_TRUE(cluster.message().ends_with("; it goes on once its pods are ready")) << cluster.message();
    cluster.pods_start = true;
    cluster.most_ready = 1;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    cluster.most_ready = 100;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v2=2");
}

TEST(Deadline, RollbackPutsTheStableVersionBack) {
    for (char const* style : {kPartition, kCanary, kBlueGreen}) {
        FakeCluster cluster =
            stuck(std::string(kTenMinutes) + R"(,"rollouts.aviary.dev/on-deadline":"Rollback")", style);
        cluster.now += 600s;
        // On record before anything moves.
        control::Plan const plan = cluster.decide_rollout_now();
        ASSERT_GE(plan.writes.size(), 2u);
        EXPECT_EQ(plan.writes[plan.writes.size() - 2].subresource, "status");
        EXPECT_EQ(plan.writes.back().resource.resource, "deployments");
        cluster.run();
        EXPECT_EQ(cluster.show(), "Healthy/1/StepUpgrade v1=10") << style;
        EXPECT_EQ(cluster.marks(), "") << style;
        EXPECT_FALSE(cluster.get("deployments").at({"spec", "paused"}).as_bool()) << style;
        EXPECT_EQ(stalled(cluster), "");
        Doc const succeeded = condition(cluster, "Succeeded");
        EXPECT_EQ(succeeded["status"].string(), "False");
        EXPECT_EQ(succeeded["reason"].string(), "ProgressDeadlineExceeded");
        EXPECT_TRUE(succeeded["message"].string().starts_with("step 1/3 has made no progress for 600 seconds"));
        EXPECT_TRUE(meta::annotation(cluster.get("deployments"), "fleet.aviary.dev/hold").empty());
        // The next one is a release of its own.
        cluster.pods_start = true;
        cluster.release("v3");
        cluster.run();
        EXPECT_EQ(condition(cluster, "Succeeded").exists(), false);
        EXPECT_TRUE(cluster.show().starts_with("Progressing/1/StepPaused")) << style << cluster.show();
    }
}

// A crash between the record and the template: it is put back all the same.
TEST(Deadline, RollbackGoesOnAfterACrash) {
    FakeCluster cluster = stuck(std::string(kTenMinutes) + R"(,"rollouts.aviary.dev/on-deadline":"Rollback")");
    cluster.now += 600s;
    control::Plan const plan = cluster.decide_rollout_now();
    ASSERT_TRUE(cluster.apply(plan, plan.writes.size() - 1));
    cluster.pods_start = true;   // too late
    cluster.settle();
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/1/StepUpgrade v1=10");
}

TEST(Deadline, WhatAHubHasBroughtIsHeldFromIt) {
    FakeCluster cluster(kSteps);
    annotate(cluster, std::string(kTenMinutes) + R"(,"rollouts.aviary.dev/on-deadline":"Rollback")");
    cluster.edit(
        R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"fleet","fleet.aviary.dev/template":"hash-of-v1"}}})");
    cluster.run();
    cluster.pods_start = false;
    cluster.release("v2");
    cluster.edit(
        R"({"metadata":{"labels":{"fleet.aviary.dev/template":"hash-of-v2","fleet.aviary.dev/stable":"hash-of-v1"}}})");
    cluster.run();
    cluster.now += 600s;
    Time const then = cluster.now;
    cluster.run();
    EXPECT_EQ(meta::annotation(cluster.get("deployments"), "fleet.aviary.dev/hold"),
              format_rfc3339(then + 24h) + ";aviary-member;ProgressDeadlineExceeded");
    EXPECT_EQ(meta::label(cluster.get("deployments"), "fleet.aviary.dev/template"), "hash-of-v1");
}

TEST(Deadline, PausedNoTimeRuns) {
    FakeCluster cluster = stuck(kTenMinutes);
    cluster.now += 500s;
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
    cluster.run();
    cluster.now += 24h;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":false}}})");
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 600s);
}

TEST(Deadline, WhatCannotBeReadIsSaidAndIgnored) {
    FakeCluster cluster =
        stuck(R"("rollouts.aviary.dev/progress-deadline-seconds":"10m","rollouts.aviary.dev/healthy-seconds":"1,2")");
    cluster.now += 240h;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    std::string const said = cluster.get("rollouts").at({"status", "canaryStatus", "message"}).string();
    EXPECT_TRUE(
        said.contains("metadata.annotations[rollouts.aviary.dev/progress-deadline-seconds] is ignored: Invalid "
                      "value: \"10m\": must be a number of seconds from 1 to 2147483647"))
        << said;
    EXPECT_TRUE(said.contains("metadata.annotations[rollouts.aviary.dev/healthy-seconds] is ignored")) << said;
}

TEST(HealthySeconds, PodsHaveToStayReady) {
    FakeCluster cluster(kSteps);
    annotate(cluster, R"("rollouts.aviary.dev/healthy-seconds":"60")");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=8 v2=2");
    EXPECT_EQ(cluster.message(),
              "Rollout is in step(1/3), and its pods have to stay ready until " + format_rfc3339(cluster.now + 60s));
    control::Plan const plan = cluster.decide_rollout_now();
    ASSERT_EQ(plan.waits.size(), 1u);
    EXPECT_EQ(plan.waits[0].reason, "HoldingHealthy");
    EXPECT_EQ(plan.waits[0].ends_when, format_rfc3339(cluster.now + 60s));
    ASSERT_TRUE(plan.requeue);
    EXPECT_EQ(plan.requeue->at, cluster.now + 60s);
    cluster.now += 59s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=8 v2=2");
    cluster.now += 1s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v2=2");
}

TEST(HealthySeconds, AnUnreadyPodBeginsTheTimeAnew) {
    FakeCluster cluster(kSteps);
    annotate(cluster, R"("rollouts.aviary.dev/healthy-seconds":"60")");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.now += 50s;
    cluster.most_ready = 1;
    cluster.settle();
    cluster.run();
    EXPECT_FALSE(cluster.decide_rollout_now().requeue);
    cluster.now += 5s;
    cluster.most_ready = 2;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 60s);
    cluster.now += 59s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=8 v2=2");
    cluster.now += 1s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v2=2");
}

// The deadline is about getting ready: it runs again from the moment at which a pod is so no more.
TEST(HealthySeconds, TakeNothingFromTheDeadline) {
    FakeCluster cluster(kSteps);
    annotate(cluster, std::string(kTenMinutes) + R"(,"rollouts.aviary.dev/healthy-seconds":"3600")");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    cluster.now += 1800s;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "");
    cluster.most_ready = 1;
    cluster.settle();
    cluster.run();
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 600s);
    cluster.now += 600s;
    cluster.run();
    EXPECT_EQ(stalled(cluster), "True/ProgressDeadlineExceeded");
}

TEST(HealthySeconds, EachStepMayHaveItsOwn) {
    FakeCluster cluster(kSteps);
    annotate(cluster, R"("rollouts.aviary.dev/healthy-seconds":"0, 60,300")");
    cluster.run();
    cluster.release("v2");
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=8 v2=2");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 60s);
    cluster.now += 60s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    cluster.approve();
    cluster.run();
    EXPECT_EQ(cluster.decide_rollout_now().requeue->at, cluster.now + 300s);
    cluster.now += 300s;
    cluster.run();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
}

}   // namespace
}   // namespace aviary::rollout
