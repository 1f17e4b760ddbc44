#include "hub/proxy/explain.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "apis/rollouts/rollout.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"
#include "kube/meta/object.h"

namespace aviary::proxy {
namespace {

using json::Doc;
using json::Value;
using propagation::State;

Time const kSince = *parse_rfc3339("2026-11-23T13:00:00Z");

Doc changed(std::string const& text, std::string const& change) {
    Value object = *json::parse_value(text);
    json::apply_merge_patch(object, *json::parse_value(change));
    return Doc::freeze(object);
}

Doc rollout(std::string const& change = "{}") {
    return changed(
        R"({"metadata":{"name":"web","namespace":"demo","uid":"u"},"spec":{"strategy":{"canary":{"steps":[{"replicas":"10%"},
        {"replicas":"50%"},{"replicas":"100%"}]}}},"status":{"phase":"Progressing","message":"said",
        "canaryStatus":{"currentStepIndex":2,"currentStepState":"StepPaused","canaryRevision":"r","podTemplateHash":"h2",
        "lastUpdateTime":"2026-11-23T13:51:07Z"}}})",
        change);
}
std::string canary(std::string const& fields) { return R"({"status":{"canaryStatus":{)" + fields + "}}}"; }

Doc workload(std::string const& image = "repo/app:v2") {
    Value object =
        *json::parse_value(R"({"metadata":{"name":"web"},"spec":{"replicas":10,"template":{"spec":{"containers":[{}]}}},
        "status":{"readyReplicas":9}})");
    object.set({"spec", "template", "spec", "containers"}, json::Array{json::Object{{"image", image}}});
    object.set({"metadata", "labels", propagation::kTemplateLabel},
               propagation::template_hash(propagation::pod_template(Doc::freeze(object))));
    return Doc::freeze(object);
}

Doc pod(std::string const& version,
        std::string const& change = R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})") {
    return changed(R"({"metadata":{"creationTimestamp":"2026-11-23T13:52:00Z","labels":{"pod-template-hash":"h)" +
                       version + R"("}},"spec":{"containers":[{"name":"main","image":"repo/app:v)" + version +
                       R"("}]}})",
                   change);
}
std::string waiting(std::string const& reason) {
    return R"({"status":{"containerStatuses":[{"name":"main","image":"repo/app:v2","restartCount":4,"state":{"waiting":{"reason":")" +
           reason + R"(","message":"oh"}}}]}})";
}

ClusterView view(std::string const& change = "{}") {
    ClusterView result;
    result.cluster = "beijing";
    result.placed = true;
    result.rollout = rollout(change);
    result.workload = workload();
    result.hub_template = meta::label(result.workload, propagation::kTemplateLabel);
    result.hub_image = "repo/app:v2";
    result.stable = "v1";
    return result;
}

// "StepPaused AwaitingApproval | approved or aborted | approver"
std::string shown(ClusterView const& view) {
    Value const row = explain_cluster(view);
    return fmt::format("{} {} | {} | {}", row["state"].as_string(), row["reason"].as_string(),
                       row["endsWhen"].as_string(), row["who"].as_string());
}

TEST(ExplainCluster, AControllerThatIsNotSupportedIsNamedInEveryState) {
    for (bool const reachable : {true, false}) {
        ClusterView each = view();
        each.reachable = reachable;
        EXPECT_EQ(explain_cluster(each)["causes"].size(), 0u);
        each.controller_problem = "aviary member 9.0.0 is newer than this hub";
        EXPECT_EQ(explain_cluster(each)["causes"].array().front().as_string(), each.controller_problem);
    }
}

TEST(ExplainCluster, EveryWaitHasANameAnEndAndSomebody) {
    struct Case {
        std::string rollout;
        char const* shown;
    };
    for (
        Case const& each : std::vector<Case>{
            {"{}", "StepPaused AwaitingApproval | approved or aborted | approver"},
            {R"({"spec":{"strategy":{"paused":true}}})", "Paused Paused | resumed | approver"},
            {R"({"spec":{"strategy":{"canary":{"steps":[{},{"replicas":"50%","pause":{"duration":60}}]}}}})",
             "StepPaused Soaking | 2026-11-23T13:52:07Z | -"},
            {R"({"status":{"conditions":[{"type":"Progressing","reason":"Initializing"}]}})",
             "BeforeStepUpgrade Applying | the release begins there | -"},
            {R"({"status":{"message":"traffic is not routed: no","conditions":[{"type":"Progressing","reason":"Initializing"}]}})",
             "BeforeStepUpgrade TrafficNotRouted | it is put right | release owner"},
            {R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}}})",
             "StepReady Approved | the rollout controller there goes on | cluster owner"},
            {R"({"status":{"conditions":[{"type":"Progressing","reason":"Finalising"}],"canaryStatus":{"currentStepState":"Completed"}}})",
             "Finalising Finalising | the workload is handed back | -"},
            {R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"}],"canaryStatus":{"currentStepState":"StepUpgrade"}}})",
             "Cancelling Cancelling | the workload is handed back | -"},
            {R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"}]}})",
             "Cancelling Cancelling | the workload is handed back | -"},
            {R"({"status":{"canaryStatus":{"currentStepState":"StepTrafficRouting"}}})",
             "StepTrafficRouting TrafficRouting | the step's requests go to the new version | -"},
            {R"({"status":{"message":"traffic is not routed: no","canaryStatus":{"currentStepState":"StepTrafficRouting"}}})",
             "StepTrafficRouting TrafficNotRouted | it is put right | release owner"},
            {R"({"status":{"conditions":[{"type":"WriteRefused","status":"True","message":"no"}],"canaryStatus":{"currentStepState":"StepTrafficRouting"}}})",
             "StepTrafficRouting WriteRefused | what refuses it lets it pass | cluster owner"},
            {R"({"status":{"conditions":[{"type":"Progressing","reason":"Cancelling"},{"type":"WriteRefused","status":"True","message":"no"}]}})",
             "Cancelling WriteRefused | what refuses it lets it pass | cluster owner"},
            {R"({"status":{"phase":"Terminating","conditions":[{"type":"WriteRefused","status":"True","message":"no"}]}})",
             "StepPaused WriteRefused | what refuses it lets it pass | cluster owner"},
            {R"({"status":{"canaryStatus":{"currentStepState":"StepUpgrade","message":"BatchRelease is at state Upgrading, rollout-id r, step 1, WriteRefused: no"}}})",
             "StepUpgrade WriteRefused | what refuses it lets it pass | cluster owner"},
            {R"({"status":{"canaryStatus":{"currentStepState":"StepUpgrade","message":"BatchRelease is at state Upgrading, rollout-id r, step 1, Unsupported: no"}}})",
             "StepUpgrade Unsupported | the workload or the Rollout is changed | release owner"},
            {R"({"status":{"phase":"Healthy"}})", "Completed - | - | -"},
            {R"({"status":{"phase":"Healthy","canaryStatus":{"currentStepState":"StepUpgrade"}}})",
             "Completed - | - | -"},
            {R"({"status":{"phase":"Initial"}})", "StepPaused Initial | - | -"},
            {R"({"status":null})", " ControllerAbsent | - | -"},
        }) {
        EXPECT_EQ(shown(view(each.rollout)), each.shown) << each.rollout;
        // Of what somebody is to put right there is a line, which says what that is.
        Value const row = explain_cluster(view(each.rollout));
        bool const line = row["reason"].as_string() == "TrafficNotRouted" ||
                          row["reason"].as_string() == "WriteRefused" || row["reason"].as_string() == "Unsupported";
        EXPECT_EQ(row["causes"].size(), line ? 1u : 0u) << each.rollout;
    }
}

Doc blue_green(std::string const& state, std::string const& message = "said") {
    Value object = rollout().thaw();
    object.set({"spec", "strategy"},
               *json::parse_value(R"({"blueGreen":{"steps":[{"replicas":"50%"},{"replicas":"100%"}]}})"));
    object["status"].erase("canaryStatus");
    object.set({"status", "message"}, message);
    object.set({"status", "blueGreenStatus"},
               json::Object{{"currentStepIndex", 2}, {"currentStepState", state}, {"updatedRevision", "r"}});
    return Doc::freeze(object);
}

TEST(ExplainCluster, WhatCannotBeReadSaysSinceWhenItAnswers) {
    ClusterView each = view();
    each.unread = "its rollouts cannot be read: forbidden";
    each.reachable_since = *parse_rfc3339("2026-11-23T13:50:00Z");
    EXPECT_EQ(explain_cluster(each)["reachableSince"].as_string(), "2026-11-23T13:50:00Z");
}

// An approval is waited for all the same.
TEST(ExplainCluster, ARefusedWriteHidesNoWaitForAPerson) {
    ClusterView const each =
        view(R"({"status":{"conditions":[{"type":"WriteRefused","status":"True","message":"not by you"}]}})");
    Value const row = explain_cluster(each);
    EXPECT_EQ(row["reason"].as_string(), "AwaitingApproval");
    EXPECT_EQ(row["causes"][0].as_string(), "not by you");
}

// The status has no time of its own while a route is being written.
TEST(ExplainCluster, ARouteThatIsNotInForceSaysSinceWhen) {
    Value const row = explain_cluster(view(
        R"({"status":{"message":"traffic is not routed: no","canaryStatus":{"currentStepState":"StepTrafficRouting","lastUpdateTime":null},
        "conditions":[{"type":"TrafficRouted","status":"False","lastTransitionTime":"2026-11-23T13:50:00Z"}]}})"));
    EXPECT_EQ(row["since"].as_string(), "2026-11-23T13:50:00Z");
}

TEST(ExplainCluster, ABlueGreenReleaseIsReadFromItsOwnStatus) {
    ClusterView each = view();
    each.rollout = blue_green("StepPaused");
    Value row = explain_cluster(each);
    EXPECT_EQ(row["reason"].as_string(), "AwaitingApproval");
    EXPECT_EQ(row["step"].as_int(), 2);
    EXPECT_EQ(row["steps"].as_int(), 2);
    EXPECT_EQ(row["revision"].as_string(), "r");
    each.rollout = blue_green("StepPaused", std::string(apis::kNewVersionRefused));
    row = explain_cluster(each);
    EXPECT_EQ(row["reason"].as_string(), "NewVersionRefused");
    EXPECT_EQ(row["who"].as_string(), "release owner");
    each.pods = {pod("2"), pod("2")};   // of the version that is released
    EXPECT_EQ(explain_cluster(each)["updated"].as_int(), 0);
    EXPECT_TRUE(explain(Release(), {each})["stuck"].as_bool());
    Value unread = blue_green("StepUpgrade").thaw();
    unread.set({"status", "blueGreenStatus", "message"},
               "BatchRelease is at state Upgrading, rollout-id r, step 1, AutoscalersUnread: may not list");
    each.rollout = Doc::freeze(unread);
    row = explain_cluster(each);
    EXPECT_EQ(row["reason"].as_string(), "AutoscalersUnread");
    EXPECT_EQ(row["message"].as_string(), "may not list");
    EXPECT_EQ(row["who"].as_string(), "cluster owner");
}

TEST(ExplainCluster, WhatThePodsOfAStepWaitFor) {
    std::string const unschedulable =
        R"({"status":{"conditions":[{"type":"PodScheduled","status":"False","message":"0/2 nodes: )";
    std::string const ended =
        R"({"status":{"phase":"Failed","containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":1,"message":"out of memory"}}}]}})";
    std::string const running = R"({"status":{"containerStatuses":[{"name":"main","state":{"running":{}}}]}})";
    struct Case {
        std::vector<Doc> pods;
        char const* shown;
        char const* causes;
    };
    for (Case const& each : std::vector<Case>{
             {{}, "StepUpgrade NotReady | 5 pods are ready | service owner", "[]"},
             {{pod("2")}, "StepUpgrade NotReady | 5 pods are ready | service owner", "[]"},
             {{pod("2", unschedulable + R"(Insufficient nvidia.com/gpu"}]}})"), pod("2"),
               pod("1", waiting("CrashLoopBackOff"))},
              "StepUpgrade InsufficientGPU | 1 pod gets a GPU | cluster owner",
              R"(["1 of 2 v2 pods Pending: 0/2 nodes: Insufficient nvidia.com/gpu"])"},
             {{pod("2", unschedulable + R"(too little memory"}]}})")},
              "StepUpgrade Unschedulable | 1 pod is ready | cluster owner",
              R"(["1 of 1 v2 pods Pending: 0/2 nodes: too little memory"])"},
             // What no waiting will mend comes first.
             {{pod("2", waiting("ContainerCreating")), pod("2", waiting("CrashLoopBackOff")),
               pod("2", waiting("CrashLoopBackOff"))},
              "StepUpgrade CrashLooping | 2 pods stop crashing | service owner",
              R"(["2 of 3 v2 pods CrashLooping: main restarted 4 times: oh","1 of 3 v2 pods PullingImage"])"},
             {{pod("2", waiting("ImagePullBackOff"))},
              "StepUpgrade ImagePullFailed | 1 pod gets its image | service owner",
              R"(["1 of 1 v2 pods ImagePullFailed: ImagePullBackOff: repo/app:v2: oh"])"},
             {{pod("2", waiting("ErrImagePull")), pod("2", waiting("InvalidImageName")),
               pod("2", waiting("ContainerCreating"))},
              "StepUpgrade ImagePullFailed | 2 pods get their images | service owner",
              R"(["2 of 3 v2 pods ImagePullFailed: InvalidImageName: repo/app:v2: oh","1 of 3 v2 pods PullingImage"])"},
             {{pod("2", waiting("CreateContainerConfigError"))},
              "StepUpgrade NotReady | 1 pod is ready | service owner",
              R"(["1 of 1 v2 pods NotReady: CreateContainerConfigError: oh"])"},
             // Failed pods are none of those that a version has; others take their place, and fail too.
             {{pod("2", waiting("ContainerCreating")), pod("2", ended), pod("2", ended)},
              "StepUpgrade PodFailed | pods of it stay up | service owner",
              R"(["2 v2 pods failed: main ended with exit code 1: out of memory","1 of 1 v2 pods PullingImage"])"},
             {{pod("2", R"({"status":{"phase":"Failed","reason":"Evicted","message":"low on memory"}})")},
              "StepUpgrade PodFailed | pods of it stay up | service owner",
              R"(["1 v2 pod failed: Evicted: low on memory"])"},
             {{pod("2"), pod("2"), pod("2"), pod("2"), pod("2"), pod("2", ended)},
              "StepUpgrade Verifying | the rollout controller there has seen it | -",
              "[]"},
             {{pod("2", running), pod("2", running)},
              "StepUpgrade LoadingModel | 2 pods are ready | service owner",
              R"(["2 of 2 v2 pods LoadingModel"])"},
             {{pod("2", "{}")},
              "StepUpgrade NotReady | 1 pod is ready | service owner",
              R"(["1 of 1 v2 pods NotReady"])"},
         }) {
        ClusterView upgrading = view(canary(R"("currentStepState":"StepUpgrade")"));
        upgrading.pods = each.pods;
        EXPECT_EQ(shown(upgrading), each.shown);
        Value const row = explain_cluster(upgrading);
        EXPECT_EQ(json::write(row["causes"]), each.causes);
        // What no waiting will mend is a trouble: -M sends nothing past it.
        std::set<std::string> const waits{"Verifying", "LoadingModel", "NotReady", "PullingImage"};
        EXPECT_EQ(row.contains("trouble"), !waits.contains(row["reason"].string())) << each.shown;
    }
}

// The member's word comes before what its pods look like, and the pods are the causes.
TEST(ExplainCluster, WithoutAControllerNothingGoesOnByItself) {
    Time const since = *parse_rfc3339("2026-11-24T13:00:00Z");
    ClusterView upgrading = view(canary(R"("currentStepState":"StepUpgrade")"));
    upgrading.controller_silent = since;
    EXPECT_EQ(shown(upgrading), "StepUpgrade ControllerAbsent | a rollout controller runs there | cluster owner");
    Value row = explain_cluster(upgrading);
    EXPECT_EQ(row["message"].as_string(), "no rollout controller has led there since 2026-11-24T13:00:00Z");
    // A person may approve all the same; what else there is to know is a cause.
    ClusterView paused = view();
    paused.controller_silent = since;
    row = explain_cluster(paused);
    EXPECT_EQ(row["reason"].as_string(), "AwaitingApproval");
    EXPECT_EQ(row["causes"].array().front().as_string(),
              "no rollout controller has led there since 2026-11-24T13:00:00Z");
}

TEST(ExplainCluster, AStepThatHasPassedItsDeadlineSaysSo) {
    ClusterView late = view(
        R"({"status":{"message":"step 2/3 has made no progress; it stays","conditions":[{"type":"Stalled","status":"True",
        "reason":"ProgressDeadlineExceeded","lastTransitionTime":"2026-11-23T14:00:00Z"}],"canaryStatus":{"currentStepState":"StepUpgrade"}}})");
    late.pods = {pod("2", waiting("CrashLoopBackOff"))};
    EXPECT_EQ(shown(late),
              "StepUpgrade ProgressDeadlineExceeded | it gets more time, or is taken back | release owner");
    Value const row = explain_cluster(late);
    EXPECT_EQ(row["since"].as_string(), "2026-11-23T14:00:00Z");
    EXPECT_EQ(row["message"].as_string(), "step 2/3 has made no progress; it stays");
    EXPECT_EQ(row["trouble"].as_string(), "ProgressDeadlineExceeded") << "-M sends nothing past it";
    EXPECT_EQ(json::write(row["causes"]), R"(["1 of 1 v2 pods CrashLooping: main restarted 4 times: oh"])");
}

TEST(ExplainCluster, SaysWhichOfItsGroupAStepWaitsFor) {
    for (char const* const state : {"BeforeStepUpgrade", "StepUpgrade"}) {
        ClusterView const waits = view(fmt::format(
            R"({{"status":{{"message":"Rollout is in step(2/3), and waits for others of its group: decode is about to begin",
            "canaryStatus":{{"currentStepState":"{}"}}}}}})",
            state));
        EXPECT_EQ(shown(waits),
                  fmt::format("{} WaitingForGroup | the others have come to this step | release owner", state));
    }
    ClusterView ends = view(
        R"({"status":{"message":"Rollout is in step(3/3), and waits for others of its group: decode is in step(3/3), StepPaused",
        "canaryStatus":{"currentStepState":"Completed"}}})");
    ends.pods = {pod("2", waiting("CrashLoopBackOff"))};
    EXPECT_EQ(shown(ends), "Completed WaitingForGroup | the others are through, too | release owner");
    EXPECT_EQ(explain_cluster(ends)["trouble"].as_string(), "CrashLooping");
}

TEST(ExplainCluster, PodsThatHaveToStayReadyAreNoTrouble) {
    ClusterView holding = view(
        R"({"status":{"message":"Rollout is in step(2/3), and its pods have to stay ready until 2026-11-23T14:00:00Z",
        "canaryStatus":{"currentStepState":"StepUpgrade"}}})");
    EXPECT_EQ(shown(holding), "StepUpgrade HoldingHealthy | 2026-11-23T14:00:00Z | -");
    holding.pods = {pod("2", waiting("CrashLoopBackOff"))};   // not seen there yet
    EXPECT_EQ(shown(holding), "StepUpgrade CrashLooping | 1 pod stops crashing | service owner");
}

TEST(ExplainCluster, APauseSaysWhoseItIs) {
    ClusterView paused = view(R"({"spec":{"strategy":{"paused":true}}})");
    EXPECT_EQ(explain_cluster(paused)["message"].as_string(), "spec.strategy.paused") << "of the Rollout itself";
    paused.paused_by = "alice at 2026-11-23T13:52:07Z: its p95 doubled";
    EXPECT_EQ(explain_cluster(paused)["message"].as_string(), "by alice at 2026-11-23T13:52:07Z: its p95 doubled");
    EXPECT_EQ(explain_cluster(paused)["since"].as_string(), "2026-11-23T13:52:07Z") << "not since the step began";
    paused = view(
        R"({"spec":{"strategy":{"paused":true}},"metadata":{"annotations":{"fleet.aviary.dev/hold":"2026-11-24T14:00:00Z;bob;on call"}}})");
    EXPECT_FALSE(explain_cluster(paused).contains("pausedThere")) << "a hold that is over";
    paused.rollout_standing = propagation::Standing{propagation::State::kHeld, "Held",
                                                    "held until 2026-11-24T14:00:00Z by bob: on call", kSince};
    Value const there = explain_cluster(paused);
    EXPECT_EQ(there["message"].as_string(), "in the cluster itself, until 2026-11-24T14:00:00Z by bob: on call");
    EXPECT_FALSE(there.contains("since"));
    EXPECT_TRUE(there["pausedThere"].as_bool());
    paused.rollout_standing = propagation::Standing{propagation::State::kApplied, "", "", kSince};
    paused.rollout_held = true;
    EXPECT_TRUE(explain_cluster(paused)["pausedThere"].as_bool()) << "nothing of the hub's is lost to it";
}

TEST(ExplainCluster, AnApprovalOfAnotherVersionThanTheHubsSaysSo) {
    ClusterView other = view(R"({"status":{"canaryStatus":{"currentStepState":"StepPaused"}}})");
    EXPECT_FALSE(explain_cluster(other).contains("otherVersion"));
    other.hub_template = "another";
    other.hub_image = "repo/app:v3";
    Value const row = explain_cluster(other);
    EXPECT_TRUE(row["otherVersion"].as_bool());
    EXPECT_EQ(row["causes"][0].as_string(), "this is v2, and the hub has v3");
    other.pinned = "v1";
    EXPECT_FALSE(explain_cluster(other).contains("otherVersion")) << "it goes back";
}

TEST(ExplainCluster, AHoldSaysWhatItWasForAndWhereItIs) {
    ClusterView held = view(R"({"status":{"phase":"Healthy","conditions":[{"type":"Succeeded","status":"False",
        "reason":"ProgressDeadlineExceeded","message":"1 of 1 v2 pods CrashLooping"}]}})");
    using propagation::State, propagation::Standing;
    held.workload_standing = Standing{State::kHeld, "Held", "held until 2026-11-25T14:00:00Z by alice: surge", kSince};
    Value const by_hub = explain_cluster(held);
    EXPECT_FALSE(by_hub.contains("heldThere")) << "the hub's own object is held";
    ASSERT_EQ(by_hub["causes"].size(), 2u);
    EXPECT_EQ(by_hub["causes"].element(1).as_string(), "1 of 1 v2 pods CrashLooping");
    Value there = held.workload.thaw();
    there.set({"metadata", "annotations", apis::kHold}, "2026-11-24T14:00:00Z;bob;on call");
    held.workload = Doc::freeze(there);
    EXPECT_FALSE(explain_cluster(held).contains("heldThere")) << "one there that is over";
    held.workload_standing->message = "held until 2026-11-24T14:00:00Z by bob: on call";
    EXPECT_TRUE(explain_cluster(held)["heldThere"].as_bool());
}

// Pods that were ready when the step ended may crash while somebody makes up their mind.
TEST(ExplainCluster, AWaitForAPersonNamesPodsThatAreNotReady) {
    for (char const* change :
         {"{}", R"({"spec":{"strategy":{"paused":true}}})",
          R"({"spec":{"strategy":{"canary":{"steps":[{},{"replicas":"50%","pause":{"duration":60}}]}}}})"}) {
        ClusterView waits = view(change);
        waits.pods = {pod("2"), pod("1", waiting("CrashLoopBackOff"))};
        EXPECT_FALSE(explain_cluster(waits).contains("trouble"));
        EXPECT_EQ(explain_cluster(waits)["causes"].size(), 0u);
        std::string const before = shown(waits);
        waits.pods.push_back(pod("2", waiting("CrashLoopBackOff")));
        EXPECT_EQ(shown(waits), before);
        EXPECT_EQ(explain_cluster(waits)["trouble"].as_string(), "CrashLooping");
        EXPECT_EQ(json::write(explain_cluster(waits)["causes"]),
                  R"(["1 of 2 v2 pods CrashLooping: main restarted 4 times: oh"])");
    }
}

// After a scale, or when a node was lost, pods of the new version start anew: told, and no cause to hold the release
// back.
TEST(ExplainCluster, PodsThatHaveOnlyBegunAreToldAndNoTrouble) {
    auto const status = [](std::string const& container, std::string const& conditions = "[]") {
        return R"({"status":{"containerStatuses":[{"name":"main",)" + container + R"(}],"conditions":)" + conditions +
               "}}";
    };
    std::string const running = R"("state":{"running":{"startedAt":"2026-11-23T13:52:05Z"}})";
    auto const not_ready_since = [](std::string const& time) {
        return R"([{"type":"Ready","status":"False","lastTransitionTime":")" + time + R"("}])";
    };
    struct Case {
        std::string pod;
        char const* trouble;
        char const* causes;
    };
    for (Case const& each : std::vector<Case>{
             {"{}", "", R"(["1 of 2 v2 pods NotReady"])"},
             {status(R"("state":{"waiting":{"reason":"ContainerCreating"}})"), "",
              R"(["1 of 2 v2 pods PullingImage"])"},
             {status(running, not_ready_since("2026-11-23T13:52:00Z")), "", R"(["1 of 2 v2 pods LoadingModel"])"},
             // It was ready, or has been started before: something happened to it.
             {status(running, not_ready_since("2026-11-23T13:58:00Z")), "NotReady", R"(["1 of 2 v2 pods NotReady"])"},
             {status(R"("restartCount":1,)" + running), "LoadingModel",
              R"(["1 of 2 v2 pods LoadingModel: main restarted 1 time"])"},
             {status(R"("state":{"terminated":{"exitCode":1}})"), "NotReady", R"(["1 of 2 v2 pods NotReady"])"},
             // All of it is ready; what else Ready waits for is not known here.
             {status(R"("ready":true,)" + running), "NotReady", R"(["1 of 2 v2 pods NotReady"])"},
         }) {
        ClusterView waits = view();
        waits.pods = {pod("2"), pod("2", each.pod)};
        Value const row = explain_cluster(waits);
        EXPECT_EQ(row["trouble"].string(), each.trouble) << each.pod;
        EXPECT_EQ(json::write(row["causes"]), each.causes);
    }
    // One that is in trouble counts beside others that start.
    ClusterView both = view();
    both.pods = {pod("2", "{}"), pod("2", waiting("CrashLoopBackOff"))};
    EXPECT_EQ(explain_cluster(both)["trouble"].as_string(), "CrashLooping");
}

TEST(ExplainCluster, SaysSinceWhenAndHowFar) {
    Value const row = explain_cluster(view());
    EXPECT_EQ(row["since"].as_string(), "2026-11-23T13:51:07Z");
    EXPECT_EQ(row["pausedSince"].as_string(), "2026-11-23T13:51:07Z");
    EXPECT_EQ(row["message"].as_string(), "said");
    EXPECT_EQ(fmt::format("{}/{} {} {} {} {} {}", row["step"].as_int(), row["steps"].as_int(),
                          row["revision"].as_string(), row["rolloutUID"].as_string(), row["replicas"].as_int(),
                          row["ready"].as_int(), row["nextReplicas"].as_string()),
              "2/3 r u 10 9 100%");
    EXPECT_EQ(row["nextPods"].as_int(), 10);
    EXPECT_EQ(explain_cluster(view(canary(R"("currentStepIndex":1)")))["nextPods"].as_int(), 5);
    Value const last = explain_cluster(view(canary(R"("currentStepIndex":3)")));
    EXPECT_EQ(last["nextPods"].as_int(), 10);
    EXPECT_EQ(last["nextReplicas"].as_string(), "");
}

// Its pods are not looked at: what is shown is what was known last.
TEST(ExplainCluster, PodsOfOneThatDoesNotAnswerAreCountedAsLastSeen) {
    ClusterView away = view();
    away.pods.clear();
    away.workload = changed(json::write(workload()), R"({"status":{"updatedReplicas":5}})");
    EXPECT_EQ(explain_cluster(away)["updated"].as_int(), 0);
    away.reachable = false;
    EXPECT_EQ(explain_cluster(away)["updated"].as_int(), 5);
    away.workload = changed(json::write(workload()), R"({"status":{"updatedNumberScheduled":3}})");
    EXPECT_EQ(explain_cluster(away)["updated"].as_int(), 3);
    away.hub_template = "another";
    EXPECT_EQ(explain_cluster(away)["updated"].as_int(), 0);
}

// Unknown is never drawn as fine, whatever the last copy says.
TEST(ExplainCluster, UnreachableComesFirst) {
    ClusterView away = view(R"({"status":{"phase":"Healthy"}})");
    away.reachable = false;
    away.reachable_since = kSince;
    away.workload_standing = propagation::Standing{State::kGuarded, "RolloutMissing", "m", kSince};
    EXPECT_EQ(shown(away), "Unknown ClusterUnreachable | member connects again | network on-call");
    EXPECT_EQ(explain_cluster(away)["message"].as_string(), "does not answer");
    away.away_because = "beijing refuses the hub's credentials";
    EXPECT_EQ(explain_cluster(away)["message"].as_string(), "does not answer: beijing refuses the hub's credentials");
    EXPECT_EQ(explain_cluster(away)["since"].as_string(), "2026-11-23T13:00:00Z");
    EXPECT_TRUE(explain_cluster(away)["finished"].as_bool()) << "as it was last seen";
    // Its workload was seen later than its Rollout: a release has begun there.
    Value workload = away.workload.thaw();
    workload.set({"metadata", "annotations", "rollouts.kruise.io/in-progressing"}, R"({"rolloutName":"web"})");
    away.workload = Doc::freeze(workload);
    away.bound = true;
    EXPECT_FALSE(explain_cluster(away)["finished"].as_bool());
}

TEST(ExplainCluster, WhatKeepsTheHubFromIt) {
    struct Case {
        State state;
        char const* reason;
        char const* shown;
    };
    for (Case const& each : std::vector<Case>{
             {State::kGuarded, "RolloutNotPlaced",
              "Guarded RolloutNotPlaced | a policy places the Rollout here | service owner"},
             {State::kGuarded, "ControllerAbsent",
              "Guarded ControllerAbsent | a rollout controller runs there | cluster owner"},
             {State::kGuarded, "ReleaseClosing", "Guarded ReleaseClosing | the release before is closed | -"},
             {State::kGuarded, "WebhookNotInForce",
              "Guarded WebhookNotInForce | the webhook there is mended | cluster owner"},
             {State::kGuarded, "Another", "Guarded Another | the guard lets it through | cluster owner"},
             {State::kHeld, "Held", "Held Held | the hold ends or is taken off | who holds it"},
             {State::kConflict, "AlreadyExists", "Conflict AlreadyExists | the conflict is decided | cluster owner"},
             {State::kBehindMembers, "BehindMembers",
              "BehindMembers BehindMembers | `aviary hub recover --from-members` brings the hub on | hub owner"},
             {State::kConflict, "OtherHub", "Conflict OtherHub | one of the two hubs gives it up | hub owner"},
             {State::kNotServed, "NotServed", "NotServed NotServed | the cluster serves the kind | cluster owner"},
             {State::kApplying, "ApplyFailed", "Applying ApplyFailed | the cause is mended | cluster owner"},
             {State::kApplying, "", "StepPaused AwaitingApproval | approved or aborted | approver"},
             {State::kApplied, "", "StepPaused AwaitingApproval | approved or aborted | approver"},
         }) {
        ClusterView one = view();
        one.workload_standing = propagation::Standing{each.state, each.reason, "because", kSince};
        EXPECT_EQ(shown(one), each.shown);
    }
}

TEST(Explain, WhatOnlyAPersonEndsIsStuck) {
    struct Case {
        State state;
        char const* reason;
        bool stuck;
    };
    for (Case const& each :
         {Case{State::kBehindMembers, "BehindMembers", true}, Case{State::kConflict, "OtherHub", true},
          Case{State::kConflict, "AlreadyExists", true}, Case{State::kConflict, "Drift", false},
          Case{State::kConflict, "ReleaseInProgress", false}, Case{State::kNotServed, "NotServed", true},
          Case{State::kGuarded, "RolloutMissing", true}, Case{State::kGuarded, "ReleaseClosing", false}}) {
        ClusterView one = view();
        one.workload_standing = propagation::Standing{each.state, each.reason, "because", kSince};
        Release release;
        release.rollout = one.rollout;
        release.workload = one.workload;
        EXPECT_EQ(explain(release, {one})["stuck"].as_bool(), each.stuck) << each.reason;
    }
    ClusterView upgrading = view(canary(R"("currentStepState":"StepUpgrade")"));
    Release release;
    release.rollout = upgrading.rollout;
    release.workload = upgrading.workload;
    EXPECT_FALSE(explain(release, {upgrading})["stuck"].as_bool());
    upgrading.controller_silent = kSince;
    EXPECT_TRUE(explain(release, {upgrading})["stuck"].as_bool());
}

TEST(Explain, ARolloutThatIsBeingDeletedSaysSo) {
    ClusterView one = view();
    Release release;
    release.rollout = one.rollout;
    release.workload = one.workload;
    EXPECT_FALSE(explain(release, {one}).contains("deleting"));
    release.rollout = changed(json::write(one.rollout), R"({
        "metadata": {"deletionTimestamp": "2026-11-23T14:00:00Z",
                     "annotations": {"fleet.aviary.dev/on-delete": "Rollback"}},
        "status": {"message": "to be deleted once the stable version is back; waits for beijing"}})");
    EXPECT_EQ(json::write(explain(release, {one})["deleting"]),
              R"({"since":"2026-11-23T14:00:00Z","onDelete":"Rollback",)"
              R"("message":"to be deleted once the stable version is back; waits for beijing"})");
}

// Nobody is to read "done" in the moment between a new version on the hub and its release in the cluster.
TEST(ExplainCluster, AVersionOnItsWayIsNotDone) {
    ClusterView healthy = view(R"({"status":{"phase":"Healthy"}})");
    EXPECT_TRUE(explain_cluster(healthy)["current"].as_bool());
    healthy.hub_template = "another";
    EXPECT_EQ(shown(healthy), "Applying Applying | the release begins there | -");
    EXPECT_FALSE(explain_cluster(healthy)["current"].as_bool());
    ClusterView held = view(R"({"status":{"phase":"Healthy"}})");
    held.workload = changed(json::write(held.workload),
                            R"({"metadata":{"annotations":{"rollouts.kruise.io/in-progressing":"{}"}}})");
    EXPECT_EQ(shown(held), "Applying Applying | the release begins there | -");
}

TEST(ExplainCluster, WhatWasTakenBackSaysTo) {
    ClusterView back = view(R"({"status":{"phase":"Healthy"}})");
    back.workload = workload("repo/app:v1");
    back.pinned = "v1";
    back.rejected = "v2";
    Value const row = explain_cluster(back);
    EXPECT_EQ(shown(back), "Completed TakenBack | another version is released | service owner");
    EXPECT_EQ(row["message"].as_string(), "pinned to v1, v2 rejected");
    EXPECT_FALSE(row["current"].as_bool());
    EXPECT_EQ(
        fmt::format("{} {} {}", row["pinned"].as_string(), row["rejected"].as_string(), row["version"].as_string()),
        "v1 v2 v1");
    back.rollout = rollout();   // an undo of a release that was finished has steps of its own
    EXPECT_EQ(shown(back), "StepPaused AwaitingApproval | approved: back to v1 | approver");
    // What goes back to what its release came from waits for nobody, whatever the Rollout says that has not seen it.
    std::string const on_stable =
        fmt::format(R"({{"metadata":{{"generation":7,"labels":{{"{}":"{}"}}}}}})", propagation::kStableLabel,
                    meta::label(back.workload, propagation::kTemplateLabel));
    back.workload = changed(json::write(back.workload), on_stable);
    back.rollout = rollout(canary(R"("observedWorkloadGeneration":6)"));
    EXPECT_EQ(shown(back), "Cancelling Cancelling | the workload is handed back | -");
    back.rollout = rollout(canary(R"("observedWorkloadGeneration":7)"));
    EXPECT_EQ(shown(back), "StepPaused AwaitingApproval | approved: back to v1 | approver") << "a release of its own";
    back.rollout = changed(json::write(rollout(canary(R"("observedWorkloadGeneration":6)"))),
                           R"({"metadata":{"annotations":{"rollouts.kruise.io/rollback-in-batch":"true"}}})");
    EXPECT_EQ(shown(back), "StepPaused AwaitingApproval | approved: back to v1 | approver") << "by its steps";
    back.rollout = rollout();
    back.workload = workload();   // the pin has not arrived there yet
    EXPECT_EQ(shown(back), "Cancelling Cancelling | the workload is handed back | -");
}

TEST(ExplainCluster, WhatIsScaledToNothingBeginsWhenItIsScaledUp) {
    ClusterView empty = view(R"({"status":{"phase":"Healthy"}})");
    empty.bound = true;
    empty.workload =
        changed(json::write(empty.workload), R"({"metadata":{"labels":{"fleet.aviary.dev/template":"other"}},
        "spec":{"replicas":0},"status":{"replicas":0}})");
    EXPECT_EQ(shown(empty), "Applying ScaledToZero | it is scaled up, and the release begins | service owner");
}

TEST(ExplainCluster, WithoutARollout) {
    ClusterView none = view();
    none.rollout = {};
    EXPECT_EQ(shown(none), "- RolloutMissing | - | -");
    none.placed = false;
    EXPECT_EQ(shown(none), "- NotPlaced | - | -");
}

// ---- all clusters ----

Value explained(std::vector<ClusterView> const& views) {
    return explain({rollout(), workload(), "sha256:3f9a1c77", ""}, views);
}

TEST(Explain, AddsUpAndNamesTheRelease) {
    ClusterView one = view();
    one.pods = {pod("1"), pod("1"), pod("2"), pod("2", R"({"metadata":{"deletionTimestamp":"2026-11-23T14:00:00Z"}})"),
                pod("2", R"({"status":{"phase":"Failed"}})")};
    ClusterView kept = view();   // has the old version, or was taken back to it
    kept.cluster = "oslo";
    kept.workload = workload("repo/app:v1");
    kept.pods = {pod("1")};
    ClusterView elsewhere = view();
    elsewhere.cluster = "paris";
    elsewhere.placed = elsewhere.bound = false;
    Value const answer = explained({one, kept, elsewhere});
    EXPECT_EQ(answer["release"].as_string(), "3f9a1c");
    EXPECT_EQ(answer["from"].as_string(), "v1");
    EXPECT_EQ(answer["to"].as_string(), "v2");
    EXPECT_EQ(answer["onNew"].as_int(), 1) << "neither what goes nor what failed";
    EXPECT_EQ(answer["total"].as_int(), 20);
    EXPECT_EQ(answer["ready"].as_int(), 18);
    EXPECT_EQ(answer["clusters"].size(), 2u);
}

// What a cluster comes from is what the hub says of it, not what some pod happens to run.
TEST(Explain, NamesWhatEachClusterComesFrom) {
    ClusterView one = view();
    one.pods = {pod("2"), pod("7", waiting("CrashLoopBackOff"))};
    ClusterView other = view();
    ClusterView finished = view(R"({"status":{"phase":"Healthy"}})");
    finished.stable = "v0";
    EXPECT_EQ(explained({one, other, finished})["from"].as_string(), "v1");
    other.stable = "v0";
    EXPECT_EQ(explained({one, other})["from"].as_string(), "several versions");
    other.stable = "";
    EXPECT_EQ(explained({one, other})["from"].as_string(), "v1");
    EXPECT_EQ(explained({finished})["from"].as_string(), "");
    ClusterView back = finished;
    back.pinned = "v1";
    EXPECT_EQ(explained({finished, back})["from"].as_string(), "v1");
}

// Counts are of pods that run the hub's version, wherever their cluster is going.
TEST(Explain, CountsByWhatPodsRun) {
    ClusterView guarded = view(R"({"status":{"phase":"Healthy"}})");
    guarded.workload = workload("repo/app:v1");
    guarded.pods = {pod("1"), pod("1")};
    EXPECT_EQ(explain_cluster(guarded)["updated"].as_int(), 0);
    ClusterView back = view();
    back.workload = workload("repo/app:v1");
    back.rollout = rollout(canary(R"("podTemplateHash":"h1")"));
    back.pinned = "v1";
    back.pods = {pod("1"), pod("2"), pod("2")};
    EXPECT_EQ(explain_cluster(back)["updated"].as_int(), 2);
    back.hub_image = "repo/app:v1";   // a release that changes no image
    EXPECT_EQ(explain_cluster(back)["updated"].as_int(), 2);
}

// A release that changes no image is counted by the hash that it goes by.
TEST(Explain, ReleasesThatChangeNoImageAreCountedToo) {
    ClusterView one = view();
    one.pods = {pod("2"), pod("2", R"({"metadata":{"labels":{"pod-template-hash":"h1"}}})")};
    EXPECT_EQ(explained({one})["onNew"].as_int(), 1);
    one.rollout = rollout(R"({"status":{"phase":"Healthy"}})");
    EXPECT_EQ(explained({one})["onNew"].as_int(), 2);
}

// The pods of a StatefulSet name the ControllerRevision; so does a release, or it names its hash alone.
TEST(Explain, PodsOfStatefulSetsAreCountedByTheirRevision) {
    for (std::string const& hash : {std::string("web-h2"), std::string("h2")}) {
        ClusterView one = view(canary(fmt::format(R"("podTemplateHash":"{}")", hash)));
        for (char const* revision : {"web-h1", "web-h2", "web-oh2"}) {
            one.pods.push_back(pod("2", fmt::format(R"({{"metadata":{{"labels":{{"pod-template-hash":null,
            "controller-revision-hash":"{}"}}}}}})",
                                                    revision)));
        }
        EXPECT_EQ(explained({one})["onNew"].as_int(), 1) << hash;
    }
}

TEST(Explain, StuckMeansThatNothingMovesWithoutAPerson) {
    ClusterView const approval = view();
    ClusterView const upgrading = view(canary(R"("currentStepState":"StepUpgrade")"));
    ClusterView crashing = upgrading;
    crashing.pods = {pod("2", waiting("CrashLoopBackOff"))};
    ClusterView no_image = upgrading;
    no_image.pods = {pod("2", waiting("ErrImagePull"))};
    ClusterView const late = view(
        R"({"status":{"conditions":[{"type":"Stalled","status":"True","reason":"ProgressDeadlineExceeded"}],
        "canaryStatus":{"currentStepState":"StepUpgrade"}}})");
    ClusterView const holding = view(
        R"({"status":{"message":"Rollout is in step(2/3), and its pods have to stay ready until 2026-11-23T14:00:00Z",
        "canaryStatus":{"currentStepState":"StepUpgrade"}}})");
    ClusterView guarded = view();
    guarded.workload_standing = propagation::Standing{State::kGuarded, "RolloutMissing", "m", kSince};
    ClusterView closing = guarded;
    closing.workload_standing->reason = "ReleaseClosing";
    ClusterView const healthy = view(R"({"status":{"phase":"Healthy"}})");
    ClusterView away = healthy;
    away.reachable = false;
    struct Case {
        std::vector<ClusterView> views;
        bool stuck;
    };
    for (Case const& each : std::vector<Case>{{{approval}, true},
                                              {{approval, upgrading}, false},
                                              {{crashing, healthy}, true},
                                              {{no_image, healthy}, true},
                                              {{late, healthy}, true},
                                              {{late, holding}, false},
                                              {{guarded, healthy}, true},
                                              {{closing, approval}, false},
                                              {{healthy}, false},
                                              {{away}, false},
                                              {{}, false}})
        EXPECT_EQ(explained(each.views)["stuck"].as_bool(), each.stuck);
}

TEST(Explain, NodesSayHowManyPodsADaemonSetHas) {
    ClusterView daemons = view();
    daemons.workload =
        changed(R"({"kind":"DaemonSet","spec":{"template":{"spec":{"containers":[{"image":"repo/app:v2"}]}}}})",
                R"({"status":{"desiredNumberScheduled":4,"numberReady":3,"updatedNumberScheduled":2}})");
    daemons.hub_template.clear();
    Value const row = explain_cluster(daemons);
    EXPECT_EQ(row["replicas"].as_int(), 4);
    EXPECT_EQ(row["ready"].as_int(), 3);
    EXPECT_EQ(row["nextPods"].as_int(), 4);
}

TEST(Explain, AWorkloadThatIsNotThereIsNamed) {
    auto const shown = [](char const* message) {
        ClusterView lonely = view();
        lonely.rollout = changed(R"({"metadata":{"name":"web"}})",
                                 fmt::format(R"({{"status":{{"phase":"Initial","message":"{}"}}}})", message));
        lonely.workload = Doc();
        Value const row = explain_cluster(lonely);
        return fmt::format("{} {}: {}; {} {}", row["state"].as_string(), row["reason"].as_string(),
                           row["message"].as_string(), row["endsWhen"].as_string(), row["who"].as_string());
    };
    EXPECT_EQ(shown("Workload Not Found"),
              "Initial WorkloadNotFound: Workload Not Found; the workload is created release owner");
    EXPECT_EQ(shown("Workload Not Found: this cluster does not serve CloneSet of apps.kruise.io/v1alpha1"),
              "Initial KindNotServed: Workload Not Found: this cluster does not serve CloneSet of "
              "apps.kruise.io/v1alpha1; the cluster serves the kind cluster owner");
    EXPECT_EQ(shown(""), " Initial: ; - -") << "it is only new";
}

}   // namespace
}   // namespace aviary::proxy
