// The guards of a replica whose copies lag behind.
#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

// Lists, and hears of nothing afterwards.
class Lagging final : public client::Transport {
public:
    explicit Lagging(std::shared_ptr<client::Transport> inner) : inner_(std::move(inner)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        async::Event never;
        if (request.has_query("watch")) CO_TRY(co_await never.wait(ctx));
        if (silent) CO_TRY(co_await never.wait(ctx));
        auto response = co_await inner_->send(ctx, std::move(request));
        co_return response;
    }
    bool silent = false;

private:
    std::shared_ptr<client::Transport> inner_;
};

Task<Status> change(Context ctx, Guards& guards, control::AdmissionRequest& request) {
    for (auto const& each : guards.admissions()) {
        if (each->matches(request)) CO_TRY(co_await each->mutate(ctx, request));
    }
    co_return Status{};
}

// Of a Deployment that a Rollout points at.
control::AdmissionRequest new_version() {
    control::AdmissionRequest request;
    request.operation = control::Operation::kUpdate;
    request.resource = kDeployments;
    request.kind = "Deployment";
    request.key = kWeb;
    Value old = deployment("v1", 10);
    old.set({"metadata", "labels", apis::kWorkloadTypeLabel}, "deployment");
    old.set({"status", "replicas"}, 10);
    request.old_object = Doc::freeze(old);
    request.object = deployment("v2", 10);
    request.object.set({"metadata", "labels", apis::kWorkloadTypeLabel}, "deployment");
    return request;
}

CO_TEST(Guards, ANewVersionIsHeldBackWhereTheCopyHasNoRolloutYet) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const line = std::make_shared<Lagging>(world.server->transport("fleet", kController));
    Guards guards(client::Client(line, "replica"), kController.name);
    world.scope.spawn(guards.run(world.scope.context()));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    CO_ASSERT_TRUE(guards.ready());

    control::AdmissionRequest request = new_version();
    CO_ASSERT_OK(co_await change(ctx, guards, request));
    EXPECT_FALSE(request.object.at({"spec", "paused"}).as_bool()) << "no Rollout is there";

    CO_ASSERT_OK(co_await world.client->create(ctx, apis::kRollouts, rollout(kArticle)));
    request = new_version();
    CO_ASSERT_OK(co_await change(ctx, guards, request));
    EXPECT_TRUE(request.object.at({"spec", "paused"}).as_bool());

    line->silent = true;
    request = new_version();
    Status const unknown = co_await change(ctx.with_timeout(4s), guards, request);
    CO_ASSERT_TRUE(!unknown);
    EXPECT_TRUE(unknown.error().is(ErrorCode::kUnavailable)) << unknown.error().message();
    co_await world.stop();
}

// By the copy, or by the API server where that has none.
CO_TEST(Guards, OfSeveralRolloutsTheFirstByNameThatIsInForceHoldsTheWorkload) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_cluster(apis::member_crds()));
    auto const line = std::make_shared<Lagging>(world.server->transport("fleet", kController));
    Guards asking(client::Client(line, "replica"), kController.name);
    Guards copying(client::Client(line, "replica"), kController.name);
    world.scope.spawn(asking.run(world.scope.context()));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    CO_ASSERT_TRUE(asking.ready());
    for (std::string const name : {"c", "b", "a"}) {
        Value object = rollout(kArticle, name == "a" ? "{}" : kPartitionStyle);   // without a strategy it holds nothing
        object.set({"metadata", "name"}, name);
        CO_ASSERT_OK(co_await world.client->create(ctx, apis::kRollouts, object));
    }
    world.scope.spawn(copying.run(world.scope.context()));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    CO_ASSERT_TRUE(copying.ready());
    for (Guards* const guards : {&asking, &copying}) {
        control::AdmissionRequest request = new_version();
        CO_ASSERT_OK(co_await change(ctx, *guards, request));
        EXPECT_EQ(request.object.at({"metadata", "annotations"})[apis::kInProgressingAnnotation].as_string(),
                  R"({"rolloutName":"b"})");
    }
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
