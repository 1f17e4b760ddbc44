// What upstream's manager may be asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "member/rollout/features.h"

namespace aviary::rollout {
namespace {

// As upstream's own manifest and its suite pass them.
TEST(Features, OfUpstreamAreTakenInTheValueThatIsAlwaysSo) {
    auto const taken = parse_features(
        "AdvancedDeployment=true,AppendPodSelector=true,RolloutHistory=true,"
        "KeepWorkloadPausedOnRolloutDeletion=false");
    ASSERT_TRUE(taken.has_value()) << taken.error().message();
    EXPECT_TRUE(taken->rollout_history);
    ASSERT_EQ(taken->notes.size(), 3U);
    EXPECT_EQ(taken->notes[0],
              "AdvancedDeployment is always true: Deployments are released in steps by their own "
              "ReplicaSets, without restarts");
    for (auto const& [gate, message] : std::map<std::string, std::string>{
             {"AdvancedDeployment=false", "AdvancedDeployment is always true: "},
             {"AppendPodSelector=false", "AppendPodSelector is always true: in canary style "},
             {"KeepWorkloadPausedOnRolloutDeletion=true",
              "KeepWorkloadPausedOnRolloutDeletion is always false: a Rollout that is deleted gives its workload back"},
             {"AdvancedDeployment=yes", "AdvancedDeployment=yes: give AdvancedDeployment=true or "}}) {
        auto const refused = parse_features(gate);
        ASSERT_FALSE(refused.has_value()) << gate;
        EXPECT_TRUE(refused.error().message().starts_with(message)) << refused.error().message();
    }
}

std::string note(std::string_view name, std::string_view value) {
    auto const flag = std::ranges::find(manager_flags(), name, &ManagerFlag::name);
    if (flag == manager_flags().end()) return "no flag " + std::string(name);
    auto const said = note_manager_flag(*flag, value);
    return said ? *said : "refused: " + said.error().message();
}

TEST(Features, FlagsOfUpstreamsManagerAreTakenWhereTheyChangeNothing) {
    EXPECT_EQ(note("--partition-percent-limit", "50"),
              "--partition-percent-limit is always 50: pods that are not there any more cannot have their share of the "
              "requests");
    EXPECT_EQ(note("--partition-percent-limit", "80"),
              "refused: 80: it is always 50: pods that are not there any more cannot have their share of the requests");
    EXPECT_EQ(note("--rate-limiter-qps", "10"),
              "--rate-limiter-qps has no effect: upstream's manager does not use it either");
    EXPECT_EQ(note("--v", "5").substr(0, 22), "--v has no effect: the");   // upstream's own manifest
    EXPECT_EQ(note("--logtostderr", "").substr(0, 27), "--logtostderr has no effect");
    EXPECT_EQ(note("--leader-elect", "false").substr(0, 33), "refused: false: it is always true");
    EXPECT_EQ(note("--leader-elect", "").substr(0, 29), "--leader-elect is always true");
    EXPECT_EQ(note("--metrics-bind-address", ":8080"),
              "refused: give --health-port and --bind-address: /healthz, /readyz and /metrics have one port");
}

TEST(Features, FlagsOfUpstreamsManagerHaveNoEffectOrAnotherInTheirPlace) {
    for (std::string const name :
         {"--rollout-workers", "--batchrelease-workers", "--trafficrouting-workers", "--rollouthistory-workers",
          "--deployment-workers", "--nativedaemonset-workers", "--expectation-timeout", "--grace-timeout",
          "--disable-no-deepcopy", "--rate-limiter-base-delay", "--rate-limiter-max-delay", "--rate-limiter-qps",
          "--rate-limiter-bucket-size"}) {
        EXPECT_TRUE(note(name, "1").starts_with(name + " has no effect: ")) << note(name, "1");
    }
    EXPECT_TRUE(note("--disable-no-deepcopy", "").starts_with("--disable-no-deepcopy has no effect: "));
    for (char const* name : {"--health-probe-bind-address", "--metrics-bind-address"})
        EXPECT_TRUE(note(name, ":8081").starts_with("refused: give --health-port and --bind-address: ")) << name;
}

}   // namespace
}   // namespace aviary::rollout
