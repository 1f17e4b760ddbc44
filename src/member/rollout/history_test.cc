// What is kept of releases.
#include <gtest/gtest.h>

#include "apis/rollouts/approver.h"
#include "apis/rollouts/rollout_history.h"
#include "member/rollout/features.h"
#include "member/rollout/internal/routed_cluster.h"

namespace aviary::rollout {
namespace {

struct NotedCluster : RoutedCluster {
    using RoutedCluster::RoutedCluster;

    // Everything rests, and what is to be noted is.
    void look() {
        settle_all();
        HistorySeen seen;
        seen.rollout = get("rollouts");
        seen.workload = get("deployments");
        seen.pods = list("pods");
        seen.histories = list("rollouthistories");
        seen.traffic = seen_traffic(apis::traffic_routing_of(seen.rollout));
        control::Plan const plan = decide_history(seen);
        writes += plan.writes.size();
        apply(plan);
    }
    // "1=1 2=4 completed": how many pods each step has, and the phase; of each, oldest first.
    std::vector<std::string> notes() const {
        std::vector<std::pair<std::string, std::string>> all;
        for (Doc const& each : list("rollouthistories")) {
            std::string text;
            for (auto const& [index, step] : each.at({"status", "canarySteps"}).elements())
                text += fmt::format("{}={} ", step["canaryStepIndex"].as_int(), step["pods"].size());
            all.emplace_back(each.at({"metadata", "creationTimestamp"}).string(),
                             text + each.at({"status", "phase"}).string());
        }
        std::ranges::sort(all);
        std::vector<std::string> result;
        for (auto& [time, text] : all) result.push_back(std::move(text));
        return result;
    }
    std::size_t writes = 0;
};
using Notes = std::vector<std::string>;

TEST(History, OneForEachReleaseWithThePodsOfItsSteps) {
    NotedCluster cluster(canary(kPartition));
    cluster.look();
    EXPECT_EQ(cluster.notes(), Notes{});
    cluster.release("v2");
    cluster.look();
    ASSERT_TRUE(cluster.paused());
    EXPECT_EQ(cluster.notes(), Notes{""});
    cluster.look();
    EXPECT_EQ(cluster.notes(), Notes{"1=1 "});
    std::size_t const before = cluster.writes;
    cluster.look();
    EXPECT_EQ(cluster.writes, before);   // nothing new, nothing written
    cluster.approve();
    cluster.look();
    EXPECT_EQ(cluster.notes(), Notes{"1=1 2=4 "});
    cluster.approve();
    cluster.look();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_EQ(cluster.notes().size(), 1U);
    EXPECT_TRUE(cluster.notes().front().ends_with("completed")) << cluster.notes().front();
    Doc const noted = cluster.list("rollouthistories").front();
    auto const history = apis::read_rollout_history(noted);
    ASSERT_TRUE(history) << history.error().message();
    EXPECT_EQ(history->spec.rollout->name, "web");
    EXPECT_EQ(history->spec.workload->kind, "Deployment");
    EXPECT_EQ(history->spec.service->name, "web");
    EXPECT_EQ(history->spec.traffic_routing->http_route->name, "web");
    EXPECT_EQ(meta::label(noted, apis::kRolloutNameLabel), "web");
    EXPECT_EQ(meta::label(noted, apis::kRolloutIdLabel), history->spec.rollout->rollout_id);
    EXPECT_TRUE(meta::name(noted).starts_with("web-") && meta::name(noted).size() == 10) << meta::name(noted);
    std::size_t const after = cluster.writes;
    cluster.look();
    EXPECT_EQ(cluster.writes, after);
}

TEST(History, OfABlueGreenReleaseToo) {
    NotedCluster cluster(blue_green());
    cluster.release("v2");
    cluster.look();
    cluster.look();
    EXPECT_EQ(cluster.notes(), Notes{"1=1 "});
    EXPECT_EQ(cluster.list("rollouthistories").front().at({"spec", "rollout", "rolloutID"}).string(),
              cluster.get("rollouts").at({"status", "blueGreenStatus", "observedRolloutID"}).string());
    cluster.approve();
    cluster.look();
    EXPECT_EQ(cluster.notes(), Notes{"1=1 2=4 "});
    cluster.approve();
    cluster.look();
    EXPECT_EQ(cluster.notes(), Notes{"1=1 2=4 3=5 "});
    cluster.approve();
    cluster.look();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v2=10");
    EXPECT_EQ(cluster.notes(), Notes{"1=1 2=4 3=5 completed"});
}

TEST(History, OfOneThatWentBackToo) {
    NotedCluster cluster(canary(kExtra));
    cluster.release("v2");
    cluster.look();
    cluster.look();
    EXPECT_EQ(cluster.notes(), Notes{"1=1 "});
    cluster.release("v1");
    cluster.look();
    EXPECT_TRUE(cluster.show().starts_with("Healthy")) << cluster.show();
    EXPECT_EQ(cluster.notes(), Notes{"1=1 completed"});   // though the pods are gone
    Doc const noted = cluster.list("rollouthistories").front();
    EXPECT_EQ(meta::annotation(noted, apis::kHistoryOutcome), "TakenBack");
    EXPECT_NE(apis::read_step_notes(noted).back().passed, "");   // nobody waits there any more
}

TEST(History, OfOneThatGoesBackInBatches) {
    NotedCluster cluster(canary(kPartition));
    cluster.edit_rollout(R"({"metadata":{"annotations":{"rollouts.kruise.io/rollback-in-batch":"true"}}})");
    cluster.look();
    cluster.release("v2");
    cluster.look();
    cluster.look();
    std::string const first = meta::name(cluster.list("rollouthistories").front());
    cluster.release("v1");
    for (int count = 0; count < 10; ++count) {
        cluster.look();
        if (cluster.paused()) cluster.approve();
    }
    EXPECT_TRUE(cluster.show().starts_with("Healthy")) << cluster.show();
    EXPECT_EQ(meta::annotation(cluster.named("rollouthistories", first), apis::kHistoryOutcome), "TakenBack");
}

TEST(History, OfOneThatANewerVersionHasReplaced) {
    NotedCluster cluster(canary(kPartition));
    cluster.release("v2");
    cluster.look();
    cluster.look();
    std::string const first = meta::name(cluster.list("rollouthistories").front());
    EXPECT_EQ(meta::annotation(cluster.named("rollouthistories", first), apis::kHistoryOutcome), "");
    cluster.release("v3");
    cluster.look();
    cluster.look();
    Doc const replaced = cluster.named("rollouthistories", first);
    EXPECT_EQ(meta::annotation(replaced, apis::kHistoryOutcome), "Replaced");
    EXPECT_NE(apis::read_step_notes(replaced).back().passed, "");
    while (cluster.paused()) {
        cluster.approve();
        cluster.look();
    }
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v3=10");
    for (Doc const& each : cluster.list("rollouthistories")) {
        EXPECT_EQ(each.at({"status", "phase"}).as_string(), "completed");
        EXPECT_EQ(meta::annotation(each, apis::kHistoryOutcome), meta::name(each) == first ? "Replaced" : "");
    }
}

// Through with its last step it waits for its group, and its end is yet to come.
TEST(History, OfOneThatWaitsForItsGroupAtTheEnd) {
    for (auto const& [next, outcome] :
         {std::pair("v1", apis::kTakenBack), std::pair("v3", apis::kReplaced), std::pair("", std::string_view())}) {
        NotedCluster cluster(canary(kPartition), R"([{"replicas":"50%"}])");
        Companion& other = cluster.group.emplace_back();
        other.rollout = *json::parse(R"({"metadata":{"name":"decode"},"spec":{"strategy":{"canary":{"steps":[{}]}}},
            "status":{"phase":"Progressing","canaryStatus":{"currentStepIndex":1,"currentStepState":"StepPaused"}}})");
        cluster.release("v2");
        cluster.look();
        cluster.approve();
        cluster.look();
        ASSERT_EQ(cluster.show(), "Progressing/1/Completed v1=5 v2=5");
        if (*next == 0) cluster.group.clear();
        if (*next != 0) cluster.release(next);
        cluster.look();
        cluster.look();
        std::string seen;
        for (Doc const& each : cluster.list("rollouthistories")) seen += meta::annotation(each, apis::kHistoryOutcome);
        EXPECT_EQ(seen, outcome) << next;
    }
}

TEST(History, TheNewestTenStay) {
    NotedCluster cluster(canary(kPartition));
    for (int count = 0; count < 12; ++count) {
        cluster.create("rollouthistories", fmt::format("old-{:02}", count),
                       *json::parse_value(
                           R"({"spec":{"rollout":{"rolloutID":"x","name":"web"}},"status":{"phase":"completed"}})"));
    }
    cluster.release("v2");
    cluster.look();
    EXPECT_EQ(cluster.notes().size(), 10U);
    EXPECT_FALSE(cluster.named("rollouthistories", "old-02").exists());
    EXPECT_TRUE(cluster.named("rollouthistories", "old-03").exists());
}

// A Rollout as it goes on, and what is noted of its steps.
struct Log {
    std::string state(int step, std::string_view state, std::string_view at, std::string_view phase = "Progressing") {
        rollout = *json::parse(fmt::format(
            R"({{"metadata":{{"name":"web","namespace":"default","uid":"u"}},"spec":{{"strategy":{{"canary":{{}}}}}},
                "status":{{"phase":"{}","conditions":[{{"type":"Progressing","lastTransitionTime":"2026-11-28T10:09:00Z"}}],
                "canaryStatus":{{"currentStepIndex":{},"currentStepState":"{}","lastUpdateTime":"2026-11-28T10:{}Z",
                "observedRolloutID":"r2"}}}}}})",
            phase, step, state, at));
        look();
        return text();
    }
    void look() {
        HistorySeen seen;
        seen.rollout = rollout;
        seen.approval = approval;
        if (history.is_object()) seen.histories = {json::Doc::freeze(history)};
        for (control::Write& write : decide_history(seen).writes) {
            if (write.subresource.empty() && !history.is_object()) {
                history = std::move(write.body);
            } else if (write.subresource.empty()) {
                history["metadata"]["annotations"] = std::move(write.body["metadata"]["annotations"]);
            }
            ++writes;
        }
    }
    // "1 00:00/01:00/05:00 by kubectl-kruise": minutes and seconds at which it began, paused and passed.
    std::string text() const {
        std::string text;
        auto const minute = [](std::string const& time) { return time.empty() ? "-" : time.substr(14, 5); };
        for (apis::StepNote const& each : apis::read_step_notes(Doc::freeze(history))) {
            text += fmt::format("{}{} {}/{}/{}", text.empty() ? "" : ", ", each.step, minute(each.began),
                                minute(each.paused), minute(each.passed));
            if (!each.by.empty()) text += " by " + each.by;
        }
        return text;
    }
    Doc rollout;
    Value history;
    std::optional<Approval> approval;
    int writes = 0;
};

TEST(History, HowLongEachStepTookAndWaitedAndForWhom) {
    Log log;
    EXPECT_EQ(log.state(1, "BeforeStepUpgrade", "00:00"), "1 00:00/-/-");
    EXPECT_EQ(log.state(1, "StepUpgrade", "00:01"), "1 00:00/-/-");
    EXPECT_EQ(log.state(1, "StepPaused", "01:00"), "1 00:00/01:00/-");
    int const before = log.writes;
    log.look();
    EXPECT_EQ(log.writes, before);   // nothing new, nothing written
    log.approval = Approval{"2026-11-28T10:01:00Z", "kubectl-kruise"};
    EXPECT_EQ(log.state(1, "StepReady", "01:00"), "1 00:00/01:00/- by kubectl-kruise");
    EXPECT_EQ(log.state(2, "BeforeStepUpgrade", "05:00"), "1 00:00/01:00/05:00 by kubectl-kruise, 2 05:00/-/-");
    // The next pause is another one, which ends by itself.
    EXPECT_EQ(log.state(2, "StepPaused", "06:00"), "1 00:00/01:00/05:00 by kubectl-kruise, 2 05:00/06:00/-");
    EXPECT_EQ(log.state(2, "Completed", "08:00"), "1 00:00/01:00/05:00 by kubectl-kruise, 2 05:00/06:00/08:00");
    std::string const all = log.text();
    EXPECT_EQ(log.state(2, "Completed", "08:30", "Healthy"), all);
}

TEST(History, OfAStepThatComesTwiceAndOfAReleaseThatGoesBack) {
    Log log;
    log.state(1, "StepUpgrade", "00:00");
    log.state(1, "StepPaused", "01:00");
    log.state(2, "StepUpgrade", "02:00");
    EXPECT_EQ(log.state(1, "BeforeStepUpgrade", "03:00"), "1 00:00/01:00/02:00, 2 02:00/-/03:00, 1 03:00/-/-");
    log.state(1, "StepPaused", "04:00");
    // Another plan begins the same step anew.
    EXPECT_EQ(log.state(1, "StepUpgrade", "05:00"),
              "1 00:00/01:00/02:00, 2 02:00/-/03:00, 1 03:00/04:00/05:00, 1 05:00/-/-");
    EXPECT_TRUE(log.state(1, "StepUpgrade", "06:00", "Healthy").ends_with("1 05:00/-/09:00")) << log.text();
}

TEST(History, WhoApprovedDirectlyIsTold) {
    Log log;
    log.state(1, "StepPaused", "01:00");
    Value rollout = log.rollout.thaw();
    rollout.set({"metadata", "annotations", apis::kApprovedDirectly},
                R"([{"step":1,"pausedSince":"2026-11-28T10:01:00Z","by":"alice"}])");
    log.rollout = Doc::freeze(rollout);
    log.approval = Approval{"2026-11-28T10:01:00Z", "kubectl-amc"};
    log.look();
    EXPECT_TRUE(log.text().ends_with(" by alice")) << log.text();
}

TEST(History, AnApprovalIsWhatSomebodyElseWrote) {
    auto const rollout = [](std::string_view state, std::string_view manager) {
        return *json::parse(fmt::format(
            R"({{"spec":{{"strategy":{{"canary":{{}}}}}},
                "metadata":{{"managedFields":[{{"manager":"{}","subresource":"status",
                "fieldsV1":{{"f:status":{{"f:canaryStatus":{{"f:currentStepState":{{}}}}}}}}}}]}},
                "status":{{"canaryStatus":{{"currentStepState":"{}","lastUpdateTime":"then"}}}}}})",
            manager, state));
    };
    Doc const paused = rollout("StepPaused", "aviary");
    EXPECT_EQ(approval_between(paused, rollout("StepReady", "kubectl-kruise")), (Approval{"then", "kubectl-kruise"}));
    EXPECT_EQ(approval_between(paused, rollout("StepReady", "aviary")), std::nullopt);   // its duration was over
    EXPECT_EQ(approval_between(paused, rollout("StepUpgrade", "kubectl-kruise")), std::nullopt);
    EXPECT_EQ(approval_between(Doc(), rollout("StepReady", "kubectl-kruise")), std::nullopt);
}

TEST(History, IsAFeatureThatIsAskedFor) {
    EXPECT_FALSE(parse_features("")->rollout_history);
    EXPECT_TRUE(parse_features("RolloutHistory=true")->rollout_history);
    EXPECT_FALSE(parse_features("RolloutHistory=true,RolloutHistory=false")->rollout_history);
    EXPECT_EQ(parse_features("Histories=true").error().message(),
              "Histories: there is no such feature; RolloutHistory is one, and always so are AdvancedDeployment, "
              "AppendPodSelector, KeepWorkloadPausedOnRolloutDeletion");
    EXPECT_EQ(parse_features("RolloutHistory").error().message(),
              "RolloutHistory: give RolloutHistory=true or RolloutHistory=false");
}

}   // namespace
}   // namespace aviary::rollout
