// Releases of CloneSets and LeaderWorkerSets through a hub, end to end.
#include "apis/rollouts/keys.h"
#include "app/hub/hub.h"
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

struct CloneSets : Fleet {
    explicit CloneSets(Context ctx) : Fleet(ctx) { kind = "CloneSet", api_version = "apps.kruise.io/v1alpha1"; }

    Task<Status> approve(std::string name) {
        CO_TRY(co_await decide("Approve", members, name));
        co_return co_await async::sleep_for(scope.context(), 1s);
    }
    // "100%": how many pods keep the version that they have.
    Task<json::Value> partition(std::string cluster) {
        Doc const live = co_await get(cluster, workloads());
        co_return live.at({"spec", "updateStrategy", "partition"}).thaw();
    }
};

CO_TEST(CloneSets, AreReleasedInStepsThroughAHub) {
    CloneSets fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    for (std::string const& cluster : fleet.members) {
        Images const counts = co_await fleet.images(cluster);
        EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}})) << cluster;
    }
    // What is not the release's goes on meanwhile, and its partition stays its own.
    CO_ASSERT_OK(co_await fleet.patch("fleet", fleet.workloads(), R"({"metadata":{"labels":{"touched":"yes"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Doc const touched = co_await fleet.get("oslo", fleet.workloads());
    EXPECT_EQ(meta::label(touched, "touched"), "yes");
    EXPECT_EQ(co_await fleet.partition("oslo"), json::Value("90%"));

    CO_ASSERT_OK(co_await fleet.approve("first"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await fleet.until_all("v2", "5"));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "second"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v2", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    for (std::string const& cluster : fleet.members) {
        json::Value const partition = co_await fleet.partition(cluster);
        EXPECT_TRUE(partition.is_null() || partition == json::Value(0)) << cluster << json::write(partition);
        Doc const live = co_await fleet.get(cluster, fleet.workloads());
        EXPECT_EQ(meta::annotation(live, apis::kInProgressingAnnotation), "") << cluster;
    }
    Doc const on_hub = co_await fleet.get("fleet", fleet.workloads());
    EXPECT_EQ(on_hub.at({"status", "readyReplicas"}).as_int(), 20);
    auto const before = fleet.hub_writes();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    EXPECT_EQ(fleet.hub_writes(), before);
    co_await fleet.stop();
}

struct GroupSets : Fleet {
    explicit GroupSets(Context ctx) : Fleet(ctx) {
        kind = "LeaderWorkerSet", api_version = "leaderworkerset.x-k8s.io/v1";
    }
};

CO_TEST(GroupSets, AreReleasedInStepsThroughAHub) {
    GroupSets fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.patch("fleet", fleet.workloads(), R"({"metadata":{"labels":{"touched":"yes"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    for (std::string const& cluster : fleet.members) {
        Images const counts = co_await fleet.images(cluster);
        EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}})) << cluster;
    }
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "first"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v2", "5"));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "second"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v2", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Doc const on_hub = co_await fleet.get("fleet", fleet.workloads());
    EXPECT_EQ(on_hub.at({"status", "readyReplicas"}).as_int(), 20);
    auto const before = fleet.hub_writes();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    EXPECT_EQ(fleet.hub_writes(), before);
    co_await fleet.stop();
}

// Without its webhook nothing of the new version comes.
CO_TEST(CloneSets, AreFrozenByTheHubWhereNoAdmissionHoldsThem) {
    CloneSets fleet(ctx);
    fleet.without_webhook.insert("beijing");
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    Images const counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
