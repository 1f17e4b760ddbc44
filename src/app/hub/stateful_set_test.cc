// Releases of StatefulSets through a hub, end to end.
#include "apis/rollouts/keys.h"
#include "app/hub/hub.h"
#include "app/hub/internal/test_fleet.h"
#include "hub/propagation/names.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

struct Sets : Fleet {
    explicit Sets(Context ctx) : Fleet(ctx) { kind = "StatefulSet"; }

    Task<std::int64_t> partition(std::string cluster) {
        Doc const live = co_await get(cluster, workloads());
        co_return live.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int();
    }
    // Whose the partition is, by managedFields; and what of a release is left.
    Task<std::string> left(std::string cluster) {
        std::string found;
        Doc const live = co_await get(cluster, workloads());
        for (auto const& [index, entry] : live.at({"metadata", "managedFields"}).elements()) {
            if (entry["manager"].as_string() == propagation::kFreezeManager) found += "a freeze; ";
        }
        for (char const* map : {"annotations", "labels"}) {
            for (auto const& [key, value] : live.at({"metadata", map}).members()) {
                if (key.starts_with("rollouts.kruise.io/") && key != apis::kWorkloadTypeLabel)
                    found += std::string(key) + "; ";
            }
        }
        co_return found;
    }
    // "Guarded/WebhookNotInForce": what the binding says of a cluster that is not as it should be.
    Task<std::string> row(std::string cluster) {
        auto const binding =
            co_await at("fleet").get(scope.context(), apis::kFleetBindings, {"demo", "statefulset-web"});
        if (!binding) co_return binding.error().message();
        for (auto const& [index, each] : binding->at({"status", "abnormal"}).elements()) {
            if (each["cluster"].as_string() == cluster)
                co_return fmt::format("{}/{}", each["state"].as_string(), each["reason"].as_string());
        }
        co_return std::string();
    }
    Task<Status> approve(std::string name) {
        CO_TRY(co_await decide("Approve", members, name));
        co_return co_await async::sleep_for(scope.context(), 1s);
    }
};

CO_TEST(StatefulSets, AreReleasedInStepsThroughAHub) {
    Sets fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", fleet.workloads(),
                                      R"({"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}})"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    for (std::string const& cluster : fleet.members) {
        Images const counts = co_await fleet.images(cluster);
        EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}})) << cluster;
        std::int64_t const partition = co_await fleet.partition(cluster);
        EXPECT_EQ(partition, 9) << cluster;
        std::string const row = co_await fleet.row(cluster);
        EXPECT_EQ(row, "") << cluster;
    }
    // What is not the release's goes on meanwhile.
    CO_ASSERT_OK(co_await fleet.patch("fleet", fleet.workloads(), R"({"metadata":{"labels":{"touched":"yes"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Doc const touched = co_await fleet.get("oslo", fleet.workloads());
    EXPECT_EQ(meta::label(touched, "touched"), "yes");
    std::int64_t partition = co_await fleet.partition("oslo");
    EXPECT_EQ(partition, 9);

    CO_ASSERT_OK(co_await fleet.approve("first"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await fleet.until_all("v2", "5"));
    CO_ASSERT_OK(co_await fleet.approve("second"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await fleet.until_all("v2", "10"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    for (std::string const& cluster : fleet.members) {
        partition = co_await fleet.partition(cluster);
        EXPECT_EQ(partition, 2) << "the hub's own comes back in " << cluster;
        std::string const left = co_await fleet.left(cluster);
        EXPECT_EQ(left, "") << cluster;
    }
    Doc const on_hub = co_await fleet.get("fleet", fleet.workloads());
    EXPECT_EQ(on_hub.at({"status", "updatedReplicas"}).as_int(), 20);
    // And nobody goes on writing.
    auto const before = fleet.hub_writes();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    EXPECT_EQ(fleet.hub_writes(), before);
    STOP_FLEET();
}

CO_TEST(StatefulSets, AnAbortedReleaseGoesBackAndAnotherBegins) {
    Sets fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.approve("first"));
    CO_ASSERT_OK(co_await fleet.until_all("v2", "5"));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v1", 10}})) << "and it does not begin anew";
    std::string const left = co_await fleet.left("beijing");
    EXPECT_EQ(left, "");
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 5}, {"v2", 5}})) << "the other is where it was";
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 5}, {"v2", 4}, {"v3", 1}})) << "in the middle, too";
    CO_ASSERT_OK(co_await fleet.patch("fleet", fleet.workloads(), R"({"metadata":{"labels":{"touched":"yes"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    std::int64_t const partition = co_await fleet.partition("oslo");
    EXPECT_EQ(partition, 9);
    STOP_FLEET();
}

CO_TEST(StatefulSets, AnUndoAfterTheEndIsAReleaseBack) {
    Sets fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.approve("first"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await fleet.approve("second"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await fleet.decide("Undo", {"oslo"}, "undo"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Images counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v2", 9}, {"v1", 1}})) << "in steps, too";
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "third"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "fourth"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "phase", "Healthy"));
    counts = co_await fleet.images("beijing");
    EXPECT_EQ(counts, (Images{{"v2", 10}}));
    STOP_FLEET();
}

CO_TEST(StatefulSets, AClusterThatJoinsDuringAReleaseStartsWithTheStableVersion) {
    Sets fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.place(R"({"clusterNames":["beijing"]})"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.place("null"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "9"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v2", "1"));
    STOP_FLEET();
}

CO_TEST(StatefulSets, WhereNoWebhookFreezesTheOldTemplateComesBack) {
    Sets fleet(ctx);
    fleet.without_webhook = {"oslo"};
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    std::string const row = co_await fleet.row("oslo");
    EXPECT_EQ(row, "Guarded/WebhookNotInForce");
    std::int64_t const partition = co_await fleet.partition("oslo");
    EXPECT_EQ(partition, 0) << "not frozen for good";
    fleet.add_webhook("oslo", *fleet.controllers.back());
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v2", "1"));
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
