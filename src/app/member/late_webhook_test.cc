// Versions that come while nobody asks the webhook, of every kind: what has them keeps them, the rest is held.
#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

struct Cluster : SetStoryWorld {
    using SetStoryWorld::SetStoryWorld;

    // A new version past the webhook, while the member is away for so long.
    Task<Status> put_unseen(std::string image, Duration away) {
        co_await stop_member();
        guarded = false;
        CO_TRY(co_await put(std::move(image)));
        CO_TRY(co_await async::sleep_for(scope.context(), away));
        guarded = true;
        start_member();
        co_return Status{};
    }
    Task<std::int64_t> warnings() { return said("WebhookMissed"); }
    // The new version waits at its first step, so many have the old one, and nothing moves.
    Task<Status> waits(int least) {
        CO_TRY(co_await paused_at(1));
        Images const held = co_await images();
        EXPECT_GE(held.contains("v1") ? held.at("v1") : 0, least) << "held before all had it";
        CO_TRY(co_await async::sleep_for(scope.context(), 60s));
        EXPECT_EQ(co_await images(), held);
        EXPECT_EQ(co_await state(), "Progressing/1/StepPaused/InRolling");
        EXPECT_EQ(co_await warnings(), 1);
        co_return Status{};
    }
    // All have this version after so long, and nothing of a release is left.
    Task<Status> ends_with(std::string image, Duration after) {
        CO_TRY(co_await async::sleep_for(scope.context(), after));
        EXPECT_EQ(co_await images(), (Images{{image, 10}}));
        EXPECT_EQ(co_await marks(), "");
        co_return Status{};
    }
    Task<Status> goes_back() {
        CO_TRY(co_await put("v1"));
        CO_TRY(co_await until("Healthy/0//", true));
        co_return co_await ends_with("v1", 20s);
    }
};

CO_TEST(LateWebhook, WhatWasNotHeldIsHeldFromHere) {
    for (SetStory const& each : every_kind()) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin_of_ten());
        CO_ASSERT_OK(co_await cluster.put_unseen("v2", 600ms));
        CO_ASSERT_OK(co_await cluster.waits(1));
        Doc const status = (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus"});
        EXPECT_NE(status["stableRevision"].string(), "");
        EXPECT_NE(status["stableRevision"].string(), status["podTemplateHash"].string());
        for (int step = 1; step < 3; ++step) {
            CO_ASSERT_OK(co_await cluster.approve());
            if (step == 1) CO_ASSERT_OK(co_await cluster.paused_at(2));
        }
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await cluster.ends_with("v2", 10s));
        co_await cluster.stop();
    }
}

CO_TEST(LateWebhook, AndGoesBackAtOnceWhenTheVersionBeforeIsPutBack) {
    for (SetStory const& each : every_kind()) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin_of_ten());
        CO_ASSERT_OK(co_await cluster.put_unseen("v2", 600ms));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        CO_ASSERT_OK(co_await cluster.goes_back());
        co_await cluster.stop();
    }
}

CO_TEST(LateWebhook, HoldsWhatHasASecondDeployment) {
    Cluster cluster(ctx, every_kind().front());
    CO_ASSERT_OK(co_await cluster.begin_of_ten(R"({"canary":{"enableExtraWorkloadForCanary":true}})"));
    CO_ASSERT_OK(co_await cluster.put_unseen("v2", 100ms));
    CO_ASSERT_OK(co_await cluster.waits(5));
    CO_ASSERT_OK(co_await cluster.goes_back());
    co_await cluster.stop();
}

// It is the way back, which no release holds; a release that ends may see it late, and free the workload for it.
CO_TEST(LateWebhook, LetsTheVersionBeforeComeBack) {
    for (SetStory const& each : every_kind()) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin_of_ten(kPartitionStyle, R"([{"replicas":"50%"},{"replicas":"100%"}])"));
        CO_ASSERT_OK(co_await cluster.put("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/2/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        CO_ASSERT_OK(co_await cluster.put_unseen("v1", 600ms));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        EXPECT_EQ(co_await cluster.warnings(), 0);
        EXPECT_TRUE((co_await cluster.state()).starts_with("Healthy/"));
        co_await cluster.stop();
    }
}

// Two whole versions side by side are not to be had any more.
CO_TEST(LateWebhook, LetsABlueGreenReleaseGoAndSaysSo) {
    Cluster cluster(ctx, every_kind().front());
    CO_ASSERT_OK(co_await cluster.begin_of_ten(R"({"blueGreen":{}})"));
    CO_ASSERT_OK(co_await cluster.put_unseen("v2", 100ms));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    EXPECT_EQ(co_await cluster.warnings(), 1);
    CO_ASSERT_OK(co_await cluster.put("v3"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}, {"v3", 1}}));
    co_await cluster.stop();
}

// It has no version on record that the new one could be held against.
CO_TEST(LateWebhook, WhatCameJustBeforeItsRolloutIsTheFirstVersion) {
    Cluster cluster(ctx, every_kind().front());
    CO_ASSERT_OK(co_await cluster.start());
    CO_ASSERT_OK(co_await cluster.client->create(ctx, cluster.resource, deployment("v1", 10)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    CO_ASSERT_OK(co_await cluster.put("v2"));
    CO_ASSERT_OK(co_await cluster.client->create(ctx, apis::kRollouts, rollout(kArticle, kPartitionStyle)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    EXPECT_EQ(co_await cluster.warnings(), 0);
    EXPECT_EQ(co_await cluster.state(), "Healthy/3/Completed/");
    EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "message"}).string(),
              "workload deployment is completed");
    CO_ASSERT_OK(co_await cluster.put("v3"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 9}, {"v3", 1}}));
    co_await cluster.stop();
}

// A Rollout that was disabled holds nothing that came meanwhile.
CO_TEST(LateWebhook, WhatCameWhileTheRolloutWasDisabledGoesOn) {
    Cluster cluster(ctx, every_kind().front());
    CO_ASSERT_OK(co_await cluster.begin_of_ten());
    Value off{json::Object()};
    off.set({"spec", "disabled"}, true);
    CO_ASSERT_OK(co_await cluster.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, off));
    CO_ASSERT_OK(co_await cluster.until("Disabled/0//", true));
    CO_ASSERT_OK(co_await cluster.put("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 300ms));
    off.set({"spec", "disabled"}, false);
    CO_ASSERT_OK(co_await cluster.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, off));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    EXPECT_EQ(co_await cluster.warnings(), 0);
    EXPECT_TRUE((co_await cluster.state()).starts_with("Healthy/"));
    co_await cluster.stop();
}

}   // namespace
}   // namespace aviary::member
