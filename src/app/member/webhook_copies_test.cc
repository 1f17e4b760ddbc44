// What the webhook decides by where its copies of objects lag behind.
#include <gtest/gtest.h>

#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

// Events of ReplicaSets arrive once `behind` is taken back.
class LateReplicaSets final : public client::Transport {
public:
    LateReplicaSets(std::shared_ptr<client::Transport> inner, bool const& behind)
        : inner_(std::move(inner)), behind_(behind) {}

    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        bool const late = request.has_query("watch") && request.path.ends_with("/replicasets");
        auto response = co_await inner_->send(ctx, std::move(request));
        if (late && response && response->watch)
            response->watch = std::make_unique<Late>(std::move(response->watch), behind_);
        co_return response;
    }

private:
    class Late final : public client::WatchStream {
    public:
        Late(std::unique_ptr<client::WatchStream> inner, bool const& behind)
            : inner_(std::move(inner)), behind_(behind) {}
        Task<Result<std::optional<Doc>>> next(Context ctx) override {
            auto event = co_await inner_->next(ctx);
            while (behind_ && co_await async::sleep_for(ctx, 10ms)) {
            }
            co_return event;
        }

    private:
        std::unique_ptr<client::WatchStream> inner_;
        bool const& behind_;
    };

    std::shared_ptr<client::Transport> inner_;
    bool const& behind_;
};

struct LateWorld : World {
    using World::World;

    Task<Status> scale(std::int64_t replicas) {
        Value patch{json::Object()};
        patch.set({"spec", "replicas"}, replicas);
        CO_TRY(co_await client->patch(scope.context(), kDeployments, workload, client::PatchType::kMerge, patch));
        co_return co_await async::sleep_for(scope.context(), 5s);
    }
    Task<std::string> hash_of(std::string image) {
        auto const sets = co_await client->list(scope.context(), kReplicaSets, {.ns = workload.ns});
        EXPECT_TRUE(sets) << sets.error().message();
        for (auto const& [index, set] : (*sets)["items"].elements()) {
            if (set.at({"spec", "template", "spec", "containers"})[0]["image"].as_string() == image)
                co_return set.at({"metadata", "labels", "pod-template-hash"}).string();
        }
        co_return "";
    }

    bool behind = false;
};

// Released at a size of nothing it was not held, and there is no copy of its ReplicaSet yet.
CO_TEST(WebhookCopies, AReleaseKnowsWhereItComesFromAlsoWhereCopiesOfReplicaSetsAreBehind) {
    LateWorld world(ctx);
    CO_ASSERT_OK(co_await world.start_cluster(apis::member_crds()));
    world.start_member(std::make_shared<LateReplicaSets>(world.reach(world.controller), world.behind));
    CO_ASSERT_OK(co_await world.set_up_started(kArticle, 10, kCanaryStyle));
    CO_ASSERT_OK(co_await world.scale(0));
    world.behind = true;
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.scale(10));
    EXPECT_EQ(co_await world.images(), (Images{{"v2", 10}}));
    CO_ASSERT_OK(co_await world.release("v3"));
    Doc const held = co_await world.get(kDeployments);
    EXPECT_TRUE(held.at({"spec", "paused"}).as_bool());
    EXPECT_NE(meta::label(held, apis::kStableRevisionLabel), "");
    EXPECT_EQ(meta::label(held, apis::kStableRevisionLabel), co_await world.hash_of("v2"));
    world.behind = false;
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    EXPECT_EQ(co_await world.images(), (Images{{"v2", 10}, {"v3", 1}}));
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
