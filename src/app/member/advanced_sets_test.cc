// Releases of the StatefulSets and DaemonSets of Kruise, end to end.
#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

struct Cluster : NativeSetWorld {
    Cluster(Context ctx, std::string kind, std::string version)
        : NativeSetWorld(std::move(ctx), std::move(kind), std::move(version)) {
        nodes = 10;
    }

    // Ten pods of v1, ready, and a Healthy Rollout. `more` is what the spec has beside.
    Task<Status> begin(std::string more = "{}") {
        CO_TRY(co_await start());
        CO_TRY(co_await serve_kruise());
        Value object = deployment("v1", 10);
        if (kind == "DaemonSet") object["spec"].erase("replicas");
        if (kind == "StatefulSet") {
            object.set({"spec", "serviceName"}, "web");
            object.set({"spec", "podManagementPolicy"}, "Parallel");
        }
        co_return co_await create(std::move(object), std::move(more), kArticle, 30s);
    }
    Task<Status> step(int number) {
        CO_TRY(co_await paused_at(number));
        co_return co_await async::sleep_for(scope.context(), 30s);
    }
    Task<Status> completed(int step, std::string state = "Completed") {
        CO_TRY(co_await until(fmt::format("Healthy/{}/{}/Completed", step, state)));
        co_return co_await async::sleep_for(scope.context(), 30s);
    }
    Task<std::int64_t> partition() {
        co_return (co_await live()).at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int();
    }
};

struct Kind {
    char const* kind;
    char const* version;
    char const* more;
};
constexpr Kind kKinds[] = {
    {"StatefulSet", "v1beta1", R"({"updateStrategy":{"rollingUpdate":{"maxUnavailable":4}}})"},
    {"StatefulSet", "v1beta1", R"({"reserveOrdinals":[1,8],"updateStrategy":{"rollingUpdate":{"maxUnavailable":4}}})"},
    {"StatefulSet", "v1beta1",
     R"({"updateStrategy":{"rollingUpdate":{"maxUnavailable":4,"paused":true,"unorderedUpdate":{"priorityStrategy":{}}}}})"},
    {"StatefulSet", "v1alpha1", "{}"},
    {"DaemonSet", "v1alpha1", R"({"updateStrategy":{"rollingUpdate":{"maxUnavailable":4}}})"}};

CO_TEST(AdvancedSets, AreReleasedInSteps) {
    for (Kind const& each : kKinds) {
        Cluster cluster(ctx, each.kind, each.version);
        CO_ASSERT_OK(co_await cluster.begin(each.more));
        for (std::string const& next : {std::string("v2"), std::string("v3")}) {
            std::string const last = next == "v2" ? "v1" : "v2";
            CO_ASSERT_OK(co_await cluster.run(next));
            CO_ASSERT_OK(co_await cluster.step(1));
            EXPECT_EQ(co_await cluster.images(), (Images{{last, 9}, {next, 1}})) << each.kind << each.more;
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.step(2));
            co_await cluster.stop_member();   // a controller that comes anew goes on
            cluster.start_member();
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
            EXPECT_EQ(co_await cluster.images(), (Images{{last, 5}, {next, 5}})) << each.kind << each.more;
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.completed(3));
            EXPECT_EQ(co_await cluster.images(), (Images{{next, 10}})) << each.kind << each.more;
            EXPECT_EQ(co_await cluster.partition(), 0);
            EXPECT_EQ(co_await cluster.marks(), "");
        }
        co_await cluster.stop();
    }
}

CO_TEST(AdvancedSets, GoBackAtOnceAlsoAfterAThirdVersion) {
    for (Kind const& each : kKinds) {
        Cluster cluster(ctx, each.kind, each.version);
        CO_ASSERT_OK(co_await cluster.begin(each.more));
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.step(1));
        std::string const first =
            (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus", "stableRevision"}).string();
        EXPECT_FALSE(first.empty());
        CO_ASSERT_OK(co_await cluster.run("v3"));
        CO_ASSERT_OK(co_await cluster.step(1));
        EXPECT_EQ((co_await cluster.images())["v3"], 1) << each.kind << each.more;
        EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus", "stableRevision"}).string(),
                  first);
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.step(2));
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(co_await cluster.completed(2, "StepPaused"));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}})) << each.kind << each.more;
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(AdvancedSets, AreGivenBackWhenTheirRolloutGoes) {
    for (Kind const& each : kKinds) {
        Cluster cluster(ctx, each.kind, each.version);
        CO_ASSERT_OK(co_await cluster.begin(each.more));
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.step(1));
        CO_ASSERT_OK(co_await cluster.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 3));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 1}})) << "nobody lifts it";
        CO_ASSERT_OK(co_await cluster.client->remove(ctx, apis::kRollouts, kWeb));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 90s));
        EXPECT_EQ(co_await cluster.partition(), 3);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(AdvancedSets, AreLeftAsIsAsked) {
    for (Kind const& each : kKinds) {
        for (auto const& [how, images] : {std::pair(workload::Leaving::kHold, Images{{"v1", 9}, {"v2", 1}}),
                                          std::pair(workload::Leaving::kRollback, Images{{"v1", 10}})}) {
            Cluster cluster(ctx, each.kind, each.version);
            CO_ASSERT_OK(co_await cluster.begin(each.more));
            CO_ASSERT_OK(co_await cluster.run("v2"));
            CO_ASSERT_OK(co_await cluster.step(1));
            auto const said = co_await cluster.leave({.releases = how});
            CO_ASSERT_OK(said);
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 90s));
            EXPECT_EQ(co_await cluster.images(), images) << *said;
            EXPECT_EQ(co_await cluster.marks(), "") << *said;
            co_await cluster.scope.cancel_and_join();
        }
    }
}

}   // namespace
}   // namespace aviary::member
