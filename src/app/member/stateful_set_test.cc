// Releases of StatefulSets, end to end.
#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

using Batches = std::map<std::string, std::string>;

struct Cluster : NativeSetWorld {
    explicit Cluster(Context ctx) : NativeSetWorld(std::move(ctx), "StatefulSet") {}

    // So many pods of v1, ready, and a Healthy Rollout. `more` is what the spec has beside.
    Task<Status> begin(std::int64_t replicas = 10, std::string more = "{}") {
        CO_TRY(co_await start());
        co_return co_await create(deployment("v1", replicas), std::move(more), kArticle, 20s);
    }
    Task<std::int64_t> partition() {
        co_return (co_await live()).at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int(-1);
    }
    // What a label says of pods of this image.
    Task<Batches> batches(std::string image) {
        Batches result;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            if (pod.at({"spec", "containers"})[0]["image"].as_string() == image)
                result[meta::name(pod)] = meta::label(pod, apis::kRolloutBatchIdLabel);
        }
        co_return result;
    }
};

CO_TEST(StatefulSets, AreReleasedInStepsTheHighestOrdinalsFirst) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await cluster.run(next));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.batches(next), (Batches{{"web-9", "1"}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        co_await cluster.stop_member();   // a controller that comes anew goes on
        cluster.start_member();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.batches(next),
                  (Batches{{"web-5", "2"}, {"web-6", "2"}, {"web-7", "2"}, {"web-8", "2"}, {"web-9", "1"}}));
        EXPECT_EQ(co_await cluster.images(), (Images{{last, 5}, {next, 5}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        EXPECT_EQ(co_await cluster.images(), (Images{{next, 10}}));
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
        Doc const status = (co_await cluster.live())["status"];
        EXPECT_EQ(status["currentRevision"].as_string(), status["updateRevision"].as_string());
    }
    co_await cluster.stop();
}

CO_TEST(StatefulSets, GoBackAtOnceWhenTheStableVersionIsPutBack) {
    for (int const step : {1, 2}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        if (step == 2) {
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.paused_at(2));
        }
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(co_await cluster.until(fmt::format("Healthy/{}/StepPaused/Completed", step)));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

// Kubernetes does not put a pod back whose ordinal is below the partition: those of the second version stay until
// their turn comes.
CO_TEST(StatefulSets, ThirdVersionBeginsAtTheFirstStepAndStillKnowsTheFirstOne) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    std::string const first = (co_await cluster.live()).at({"status", "currentRevision"}).string();
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 5}, {"v2", 4}, {"v3", 1}}));
    EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus", "stableRevision"}).string(), first);
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 5}, {"v3", 5}}));
    CO_ASSERT_OK(co_await cluster.run("v1"));
    CO_ASSERT_OK(co_await cluster.until("Healthy/2/StepPaused/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

CO_TEST(StatefulSets, KeepTheShareWhenTheyAreScaled) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.set({"spec", "replicas"}, 20));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 18}, {"v2", 2}}));
    CO_ASSERT_OK(co_await cluster.set({"spec", "replicas"}, 5));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 4}, {"v2", 1}}));
    co_await cluster.stop();
}

CO_TEST(StatefulSets, NobodyLiftsThePartitionAndTheirOwnComesBack) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(
        co_await cluster.begin(10, R"({"updateStrategy":{"rollingUpdate":{"partition":2,"maxUnavailable":2}}})"));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 0));
    CO_ASSERT_OK(co_await cluster.set({"spec", "updateStrategy"},
                                      json::Object{{"type", "OnDelete"}, {"rollingUpdate", nullptr}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 1}}));
    CO_ASSERT_OK(co_await cluster.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 3));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    EXPECT_EQ(co_await cluster.partition(), 3);
    Doc const update = (co_await cluster.live()).at({"spec", "updateStrategy", "rollingUpdate"});
    EXPECT_EQ(update["maxUnavailable"].as_int(), 2);
    co_await cluster.stop();
}

CO_TEST(StatefulSets, AreGivenBackWhenTheirRolloutGoesOrIsDisabled) {
    for (bool const disabled : {false, true}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        if (disabled) {
            CO_ASSERT_OK(co_await cluster.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge,
                                                        *json::parse_value(R"({"spec":{"disabled":true}})")));
        } else {
            CO_ASSERT_OK(co_await cluster.client->remove(ctx, apis::kRollouts, kWeb));
        }
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

// One that waits for its pods to be deleted is updated so, and no release begins.
CO_TEST(StatefulSets, ThatUpdateOnDeleteAreNotTakenOver) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(3, R"({"updateStrategy":{"type":"OnDelete"}})"));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    std::string const state = co_await cluster.state();
    EXPECT_TRUE(state.starts_with("Healthy/")) << state;
    EXPECT_EQ(co_await cluster.marks(), "");
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, kPods, {"default", "web-1"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 2}, {"v2", 1}}));
    co_await cluster.stop();
}

CO_TEST(StatefulSets, WaitUntilTheMemberMayReadThem) {
    Cluster cluster(ctx);
    cluster.controller.groups.clear();
    CO_ASSERT_OK(co_await cluster.start());
    CO_ASSERT_OK(
        co_await cluster.allow("member", R"([{"apiGroups":["rollouts.kruise.io"],"resources":["*"],"verbs":["*"]},
        {"apiGroups":["apps"],"resources":["deployments","replicasets"],"verbs":["*"]},
        {"apiGroups":["","events.k8s.io"],"resources":["pods","events"],"verbs":["*"]}])"));
    Value object = deployment("v1", 3);
    object["kind"] = "StatefulSet";
    CO_ASSERT_OK(co_await cluster.client->create(ctx, cluster.resource, object));
    Value release = rollout(kArticle, kPartitionStyle);
    release.set({"spec", "workloadRef", "kind"}, "StatefulSet");
    CO_ASSERT_OK(co_await cluster.client->create(ctx, apis::kRollouts, release));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    auto const waits = cluster.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_EQ(waits.front().reason, "WorkloadUnread");
    EXPECT_NE(waits.front().message.find("cannot list resource"), std::string::npos) << waits.front().message;
    CO_ASSERT_OK(co_await cluster.allow(
        "sets", R"([{"apiGroups":["apps"],"resources":["statefulsets","controllerrevisions"],"verbs":["*"]}])"));
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 2}, {"v2", 1}}));
    co_await cluster.stop();
}

}   // namespace
}   // namespace aviary::member
