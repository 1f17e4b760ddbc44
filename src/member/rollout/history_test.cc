// What is kept of releases.
#include <gtest/gtest.h>

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
