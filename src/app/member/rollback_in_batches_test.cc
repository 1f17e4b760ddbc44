// Rollbacks in batches, end to end: of the kinds that go back so, and of the others.
#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

constexpr char const* kParallel = R"({"podManagementPolicy":"Parallel"})";

std::vector<SetStory> const kInBatches{
    {"CloneSet", {"apps.kruise.io", "v1alpha1", "clonesets"}},
    {"CloneSet", {"apps.kruise.io", "v1alpha1", "clonesets"}, R"({"updateStrategy":{"type":"InPlaceIfPossible"}})"},
    {"CloneSet", {"apps.kruise.io", "v1alpha1", "clonesets"}, R"({"updateStrategy":{"maxSurge":2}})"},
    {"StatefulSet", {"apps", "v1", "statefulsets"}},
    {"StatefulSet", {"apps", "v1", "statefulsets"}, kParallel},
    {"StatefulSet",
     {"apps.kruise.io", "v1beta1", "statefulsets"},
     R"({"podManagementPolicy":"Parallel","reserveOrdinals":[1,8],"updateStrategy":{"rollingUpdate":{"maxUnavailable":4}}})"},
    {"StatefulSet",
     {"apps.kruise.io", "v1beta1", "statefulsets"},
     R"({"podManagementPolicy":"Parallel","updateStrategy":{"rollingUpdate":{"maxUnavailable":4,"unorderedUpdate":{"priorityStrategy":{}}}}})"}};
std::vector<SetStory> const kAtOnce{{"Deployment", {"apps", "v1", "deployments"}},
                                    {"DaemonSet", {"apps", "v1", "daemonsets"}},
                                    {"DaemonSet", {"apps.kruise.io", "v1alpha1", "daemonsets"}}};

struct Cluster : SetStoryWorld {
    using SetStoryWorld::SetStoryWorld;

    // Ten pods of v1, ready, and a Healthy Rollout that goes back in batches; then v2, paused at its second step.
    Task<Status> begin() {
        CO_TRY(co_await start());
        CO_TRY(co_await serve_kruise());
        Value object = deployment("v1", 10);
        if (kind == "DaemonSet") object["spec"].erase("replicas");
        if (resource.group == "apps.kruise.io" && kind == "StatefulSet") object.set({"spec", "serviceName"}, "web");
        CO_TRY(co_await create(std::move(object), more, kArticle, 30s));
        CO_TRY(co_await annotate(std::string(apis::kRollbackInBatchAnnotation), "true"));
        CO_TRY(co_await run("v2"));
        CO_TRY(co_await step(1));
        CO_TRY(co_await approve());
        co_return co_await step(2);
    }
    Task<Status> annotate(std::string key, Value text) {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", key}, std::move(text));
        CO_TRY(co_await client->patch(scope.context(), apis::kRollouts, kWeb, client::PatchType::kMerge, patch));
        co_return Status{};
    }
    Task<Status> step(int number) {
        CO_TRY(co_await paused_at(number));
        co_return co_await async::sleep_for(scope.context(), 30s);
    }
    // How many pods each batch of the rollback has.
    Task<Batches> batches() {
        return batches_of([](std::string const& id) { return id.starts_with("rollback-"); });
    }
    Task<int> spared() {
        int count = 0;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements())
            count += meta::label(pod, apis::kNoNeedUpdateLabel).empty() ? 0 : 1;
        co_return count;
    }
};

CO_TEST(RollbacksInBatches, GoThroughTheStepsAndWaitForApprovals) {
    for (SetStory const& each : kInBatches) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind + each.more);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin());
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 5}, {"v2", 5}}));
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(co_await cluster.step(1));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 6}, {"v2", 4}}));
        EXPECT_EQ(co_await cluster.batches(), (Batches{{"1", 1}}));
        EXPECT_EQ(co_await cluster.spared(), 5);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 300s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 6}, {"v2", 4}}));
        co_await cluster.stop_member();   // a controller that comes anew goes on
        cluster.start_member();
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.step(2));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 8}, {"v2", 2}}));
        EXPECT_EQ(co_await cluster.batches(), (Batches{{"1", 1}, {"2", 4}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        EXPECT_EQ(co_await cluster.batches(), (Batches{{"1", 1}, {"2", 4}, {"3", 5}}));
        Doc const done = co_await cluster.get(apis::kRollouts);
        EXPECT_TRUE(meta::condition_is_true(done, apis::condition::kSucceeded));
        EXPECT_EQ(co_await cluster.marks(), "");
        // What follows is a release as any other.
        CO_ASSERT_OK(co_await cluster.run("v3"));
        CO_ASSERT_OK(co_await cluster.step(1));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v3", 1}}));
        co_await cluster.stop();
    }
}

// Pods that never become ready go back by the same steps. An ordered set does not get past one by itself.
CO_TEST(RollbacksInBatches, TakeBrokenPodsBackToo) {
    for (SetStory const& each : {kInBatches[0], kInBatches[2], kInBatches[4]}) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind + each.more);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.change(*json::parse_value(
            R"({"spec":{"template":{"metadata":{"annotations":{"simulator.aviary.dev/behaviour":"image-pull-error"}},
            "spec":{"containers":[{"name":"main","image":"v3"}]}}}})")));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 90s));
        EXPECT_EQ(co_await cluster.state(), "Progressing/1/StepUpgrade/InRolling");
        CO_ASSERT_OK(co_await cluster.change(*json::parse_value(
            R"({"spec":{"template":{"metadata":{"annotations":null},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})")));
        CO_ASSERT_OK(co_await cluster.step(1));
        Images counts = co_await cluster.images();
        EXPECT_GT(counts["v1"], 5);
        EXPECT_LT(counts["v1"], 10);
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.step(2));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(RollbacksInBatches, AVersionInTheMiddleBeginsAtTheFirstStep) {
    for (SetStory const& each : {kInBatches[0], kInBatches[3]}) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(co_await cluster.step(1));
        CO_ASSERT_OK(co_await cluster.run("v3"));
        CO_ASSERT_OK(co_await cluster.step(1));
        EXPECT_EQ((co_await cluster.images())["v3"], 1);
        // And this one goes back in batches, too: all that do not have the first version.
        int const stable = (co_await cluster.images())["v1"];
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(co_await cluster.step(1));
        EXPECT_EQ((co_await cluster.images())["v1"], stable + 1);
        co_await cluster.stop();
    }
}

CO_TEST(RollbacksInBatches, KeepTheirShareWhenScaled) {
    for (SetStory const& each : {kInBatches[0], kInBatches[4]}) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(co_await cluster.step(1));
        CO_ASSERT_OK(co_await cluster.set({"spec", "replicas"}, 16));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 12}, {"v2", 4}})) << "what comes is of the stable version";
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.step(2));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 16}}));
        co_await cluster.stop();
    }
}

CO_TEST(RollbacksInBatches, AreAtOnceOfOtherKindsAndWithTraffic) {
    std::vector<SetStory> kinds = kAtOnce;
    kinds.push_back(kInBatches[0]);
    for (SetStory const& each : kinds) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin());
        bool const routed = each.kind == std::string_view("CloneSet");
        if (routed) {
            Value const service = *json::parse_value(
                R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},
                "spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})");
            CO_ASSERT_OK(co_await cluster.client->create(ctx, {"", "v1", "services"}, service));
            Value const ingress = *json::parse_value(
                R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web","namespace":"default"},
                "spec":{"rules":[{"http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}})");
            CO_ASSERT_OK(co_await cluster.client->create(ctx, {"networking.k8s.io", "v1", "ingresses"}, ingress));
            CO_ASSERT_OK(co_await cluster.run("v1"));
            CO_ASSERT_OK(co_await cluster.step(1));
            for (int step = 1; step < 3; ++step) {
                CO_ASSERT_OK(co_await cluster.approve());
                if (step < 2) CO_ASSERT_OK(co_await cluster.step(step + 1));
            }
            CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
            CO_ASSERT_OK(co_await cluster.client->patch(
                ctx, apis::kRollouts, kWeb, client::PatchType::kMerge,
                *json::parse_value(
                    R"({"spec":{"strategy":{"canary":{"trafficRoutings":[{"service":"web","gracePeriodSeconds":1,"ingress":{"name":"web"}}]}}}})")));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
            CO_ASSERT_OK(co_await cluster.run("v2"));
            CO_ASSERT_OK(co_await cluster.step(1));
        }
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(
            co_await cluster.until(routed ? "Healthy/1/StepPaused/Completed" : "Healthy/2/StepPaused/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        co_await cluster.stop();
    }
}

CO_TEST(RollbacksInBatches, AreLeftAsIsAsked) {
    for (auto const& [how, images] : {std::pair(workload::Leaving::kHold, Images{{"v1", 6}, {"v2", 4}}),
                                      std::pair(workload::Leaving::kRollback, Images{{"v1", 10}})}) {
        Cluster cluster(ctx, kInBatches[0]);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v1"));
        CO_ASSERT_OK(co_await cluster.step(1));
        auto const said = co_await cluster.leave({.releases = how});
        CO_ASSERT_OK(said);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 90s));
        EXPECT_EQ(co_await cluster.images(), images) << *said;
        EXPECT_EQ(co_await cluster.marks(), "") << *said;
        co_await cluster.scope.cancel_and_join();
    }
}

}   // namespace
}   // namespace aviary::member
