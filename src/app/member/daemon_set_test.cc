// Releases of DaemonSets, end to end.
#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

using Batches = std::map<std::string, int>;

meta::GroupVersionResource const kNodes{"", "v1", "nodes"};

struct Cluster : NativeSetWorld {
    explicit Cluster(Context ctx) : NativeSetWorld(std::move(ctx), "DaemonSet") { nodes = 10; }

    // A pod of v1 on each node, ready, and a Healthy Rollout. `more` is what the spec has beside.
    Task<Status> begin(std::string more = "{}", std::string steps = kArticle) {
        CO_TRY(co_await start());
        co_return co_await begin_started(std::move(more), std::move(steps));
    }
    Task<Status> begin_started(std::string more = "{}", std::string steps = kArticle) {
        Value object = deployment("v1", 1);
        object["spec"].erase("replicas");
        co_return co_await create(std::move(object), std::move(more), std::move(steps), 10s);
    }
    Task<Status> completed(int step, std::string state = "Completed") {
        CO_TRY(co_await until(fmt::format("Healthy/{}/{}/Completed", step, state)));
        co_return co_await async::sleep_for(scope.context(), 10s);
    }
    Task<std::string> type() { co_return (co_await live()).at({"spec", "updateStrategy", "type"}).string(); }
    Task<std::string> mark(std::string_view key) { co_return meta::annotation(co_await live(), key); }
    // How many pods of this image each batch has.
    Task<Batches> batches(std::string image) {
        Batches result;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            if (pod.at({"spec", "containers"})[0]["image"].as_string() == image)
                ++result[meta::label(pod, apis::kRolloutBatchIdLabel)];
        }
        co_return result;
    }
    Task<Status> add_node(std::string name) {
        auto const other = co_await client->get(scope.context(), kNodes, {"", "gpu-node-1"});
        if (!other) co_return std::unexpected(other.error());
        Value node{json::Object{{"apiVersion", "v1"}, {"kind", "Node"}}};
        node.set({"metadata", "name"}, name);
        node["spec"] = (*other)["spec"].thaw();
        node["status"] = (*other)["status"].thaw();
        CO_TRY(co_await client->create(scope.context(), kNodes, node));
        co_return Status{};
    }
    // The most nodes without a ready pod at any change of a pod from now on.
    Task<void> watch_unavailable(std::int64_t wanted, std::int64_t& most) {
        while (scope.context().check()) {
            auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
            if (!list) break;
            std::int64_t ready = 0;
            for (auto const& [index, pod] : (*list)["items"].elements())
                ready += meta::condition_is_true(pod, "Ready") && !meta::is_deleting(pod) ? 1 : 0;
            most = std::max(most, wanted - ready);
            if (!co_await async::sleep_for(scope.context(), 20ms)) break;
        }
    }
};

CO_TEST(DaemonSets, AreReleasedInSteps) {
    std::int64_t most = 0;
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(R"({"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}}})"));
    cluster.scope.spawn(cluster.watch_unavailable(10, most));
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await cluster.run(next));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.batches(next), (Batches{{"1", 1}}));
        EXPECT_EQ(co_await cluster.images(), (Images{{last, 9}, {next, 1}}));
        EXPECT_EQ(co_await cluster.type(), "OnDelete");
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        co_await cluster.stop_member();   // a controller that comes anew goes on
        cluster.start_member();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.batches(next), (Batches{{"1", 1}, {"2", 4}}));
        EXPECT_EQ(co_await cluster.images(), (Images{{last, 5}, {next, 5}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.completed(3));
        EXPECT_EQ(co_await cluster.images(), (Images{{next, 10}}));
        EXPECT_EQ(co_await cluster.batches(next), (Batches{{"1", 1}, {"2", 4}, {"3", 5}}));
        EXPECT_EQ(co_await cluster.type(), "RollingUpdate");
        EXPECT_EQ(co_await cluster.marks(), "");
    }
    EXPECT_EQ(most, 2) << "as many at a time as maxUnavailable says, and no more";
    co_await cluster.stop();
}

CO_TEST(DaemonSets, GoBackAtOnceWhenTheStableVersionIsPutBack) {
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
        CO_ASSERT_OK(co_await cluster.completed(step, "StepPaused"));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        EXPECT_EQ(co_await cluster.type(), "RollingUpdate");
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(DaemonSets, ThirdVersionBeginsAtTheFirstStepAndStillKnowsTheFirstOne) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    Doc const status = (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus"});
    std::string const first = status["stableRevision"].string();
    EXPECT_FALSE(first.empty());
    EXPECT_NE(first, status["podTemplateHash"].string());
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 5}, {"v2", 4}, {"v3", 1}})) << "newer ones go first";
    EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus", "stableRevision"}).string(), first);
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 5}, {"v3", 5}}));
    CO_ASSERT_OK(co_await cluster.run("v1"));
    CO_ASSERT_OK(co_await cluster.completed(2, "StepPaused"));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

CO_TEST(DaemonSets, NobodyLiftsOnDeleteAndTheirOwnStrategyComesBack) {
    for (std::string const& own : {std::string("RollingUpdate"), std::string("OnDelete")}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin(R"({"updateStrategy":{"type":")" + own + R"("}})"));
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        CO_ASSERT_OK(co_await cluster.run("v3"));   // upstream loses it here
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        if (own == "RollingUpdate") {
            CO_ASSERT_OK(co_await cluster.set({"spec", "updateStrategy", "type"}, "RollingUpdate"));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        }
        EXPECT_EQ(co_await cluster.type(), "OnDelete");
        EXPECT_EQ((co_await cluster.images())["v3"], 1);
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.completed(3));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v3", 10}}));
        EXPECT_EQ(co_await cluster.type(), own);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(DaemonSets, KeepTheShareWhenNodesComeAndGo) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    // A new node has the template as it is.
    for (int index = 1; index <= 4; ++index) CO_ASSERT_OK(co_await cluster.add_node(fmt::format("more-{}", index)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 5}}));
    EXPECT_EQ(co_await cluster.state(), "Progressing/1/StepPaused/InRolling");
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 7}, {"v2", 7}}));
    for (int index = 1; index <= 4; ++index)
        CO_ASSERT_OK(co_await cluster.client->remove(ctx, kNodes, {"", fmt::format("more-{}", index)}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.completed(3));
    EXPECT_EQ((co_await cluster.images())["v1"], 0);
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

CO_TEST(DaemonSets, AreGivenBackWhenTheirRolloutGoesOrIsDisabled) {
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
        EXPECT_EQ(co_await cluster.type(), "RollingUpdate");
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

// As upstream's controller leaves them at a pause of step 1 and in the middle of step 2's pods.
CO_TEST(DaemonSets, AReleaseThatUpstreamBeganIsFinished) {
    for (bool const moving : {false, true}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        if (moving) CO_ASSERT_OK(co_await cluster.approve());
        co_await cluster.stop_member();
        Doc const status = (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus"});
        std::string const canary = status["podTemplateHash"].string();
        Value marks{json::Object()};
        marks.set(
            {"metadata", "annotations"},
            json::Object{
                {apis::kDaemonSetRevisionAnnotation, R"({"canary-revision":")" + canary + R"(","stable-revision":")" +
                                                         status["stableRevision"].string() + R"("})"},
                {apis::kDaemonSetControlAnnotation, R"({"partition":"9","batch-revision":")" + canary + R"("})"},
                {apis::kDaemonSetStrategyAnnotation, "RollingUpdate"},
                {apis::kInProgressingAnnotation, R"({"rolloutName":"web"})"}});
        cluster.guarded = false;
        CO_ASSERT_OK(co_await cluster.change(marks));
        cluster.guarded = true;
        cluster.start_member();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        if (!moving) {
            EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 1}}));
            CO_ASSERT_OK(co_await cluster.approve());
        }
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        EXPECT_EQ(co_await cluster.batches("v2"), (Batches{{"1", 1}, {"2", 4}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.completed(3));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
        EXPECT_EQ(co_await cluster.type(), "RollingUpdate");
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(DaemonSets, AreLeftAsIsAsked) {
    for (auto const& [how, type, images] :
         {std::tuple(workload::Leaving::kHold, "OnDelete", Images{{"v1", 9}, {"v2", 1}}),
          std::tuple(workload::Leaving::kRollback, "RollingUpdate", Images{{"v1", 10}}),
          std::tuple(workload::Leaving::kRelease, "RollingUpdate", Images{{"v2", 10}})}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        auto const said = co_await cluster.leave({.releases = how});
        CO_ASSERT_OK(said);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.images(), images) << *said;
        EXPECT_EQ(co_await cluster.type(), type) << *said;
        EXPECT_EQ(co_await cluster.marks(), "") << *said;
        co_await cluster.scope.cancel_and_join();
    }
}

CO_TEST(DaemonSets, WaitUntilTheMemberMayReadThem) {
    Cluster cluster(ctx);
    cluster.controller.groups.clear();
    CO_ASSERT_OK(co_await cluster.start());
    CO_ASSERT_OK(
        co_await cluster.allow("member", R"([{"apiGroups":["rollouts.kruise.io"],"resources":["*"],"verbs":["*"]},
        {"apiGroups":["apps"],"resources":["deployments","replicasets","statefulsets","controllerrevisions"],"verbs":["*"]},
        {"apiGroups":["","events.k8s.io"],"resources":["pods","events"],"verbs":["get","list","watch","patch","create"]}])"));
    Status const early = co_await cluster.begin_started();
    EXPECT_FALSE(early) << "it may not be read";
    auto const waits = cluster.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_EQ(waits.front().reason, "WorkloadUnread");
    EXPECT_NE(waits.front().message.find("cannot list resource"), std::string::npos) << waits.front().message;
    EXPECT_NE(waits.front().ends_when.find("delete pods"), std::string::npos);
    CO_ASSERT_OK(co_await cluster.allow("sets", R"([{"apiGroups":["apps"],"resources":["daemonsets"],"verbs":["*"]},
        {"apiGroups":[""],"resources":["pods"],"verbs":["delete"]}])"));
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 1}}));
    co_await cluster.stop();
}

}   // namespace
}   // namespace aviary::member
