// Releases of LeaderWorkerSets, end to end.
#include "app/member/internal/test_native_sets.h"
#include "kube/simulator/definitions.h"

namespace aviary::member {
namespace {

constexpr char kRevisionLabel[] = "leaderworkerset.sigs.k8s.io/template-revision-hash";

Value set_of(std::string const& image, std::int64_t groups, std::int64_t size, std::string const& rolling) {
    Value object = *json::parse_value(
        R"({"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet","metadata":{"name":"web","namespace":"default"},
      "spec":{"leaderWorkerTemplate":{"workerTemplate":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":""}]}}}}})");
    object.set({"spec", "replicas"}, groups);
    object.set({"spec", "leaderWorkerTemplate", "size"}, size);
    object.set({"spec", "leaderWorkerTemplate", "workerTemplate", "spec", "containers"},
               json::Array{json::Object{{"name", "main"}, {"image", image}}});
    object.set({"spec", "rolloutStrategy", "rollingUpdateConfiguration"}, *json::parse_value(rolling));
    object.set({"spec", "rolloutStrategy", "type"}, "RollingUpdate");
    return object;
}

// Groups of three pods.
struct Cluster : NativeSetWorld {
    explicit Cluster(Context ctx) : NativeSetWorld(std::move(ctx), "LeaderWorkerSet") {
        resource = {"leaderworkerset.x-k8s.io", "v1", "leaderworkersets"};
    }

    Task<Status> define() {
        for (Value& each : simulator::workload_definitions()) {
            if (each.at({"spec", "names", "kind"}).as_string() == kind)
                CO_TRY(co_await client->create(scope.context(), kCrds, std::move(each)));
        }
        co_return Status{};
    }
    Value release_of(std::string const& steps) const {
        Value release = rollout(steps, kPartitionStyle);
        release.set({"spec", "workloadRef"},
                    json::Object{{"apiVersion", "leaderworkerset.x-k8s.io/v1"}, {"kind", kind}, {"name", "web"}});
        return release;
    }
    // So many groups of v1, ready, and a Healthy Rollout.
    Task<Status> begin(std::int64_t groups = 10, std::string rolling = "{}", std::string steps = kArticle) {
        CO_TRY(co_await start());
        CO_TRY(co_await define());
        CO_TRY(co_await client->create(scope.context(), resource, set_of("v1", groups, 3, rolling)));
        CO_TRY(co_await async::sleep_for(scope.context(), 20s));
        CO_TRY(co_await client->create(scope.context(), apis::kRollouts, release_of(steps)));
        co_return co_await until("Healthy/0//", true);
    }
    Task<Status> merge(std::initializer_list<std::string_view> path, Value value) {
        Value patch{json::Object()};
        patch.set(path, std::move(value));
        return merge_patch(std::move(patch));
    }
    Task<Status> merge_patch(Value patch) {
        CO_TRY(
            co_await client->patch(scope.context(), resource, workload, client::PatchType::kMerge, std::move(patch)));
        co_return Status{};
    }
    Task<Status> run(std::string image) {
        return merge({"spec", "leaderWorkerTemplate", "workerTemplate", "spec", "containers"},
                     json::Array{json::Object{{"name", "main"}, {"image", std::move(image)}}});
    }
    Task<std::int64_t> partition() {
        co_return (co_await live())
            .at({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"})
            .as_int(-1);
    }
    // What the label says of pods of this image, by pod.
    Task<std::map<std::string, std::string>> batches(std::string image) {
        std::map<std::string, std::string> result;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            if (pod.at({"spec", "containers"})[0]["image"].as_string() == image)
                result[meta::name(pod)] = meta::label(pod, apis::kRolloutBatchIdLabel);
        }
        co_return result;
    }
};

CO_TEST(LeaderWorkerSets, AreReleasedInStepsOfWholeGroupsTheHighestFirst) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await cluster.run(next));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.batches(next),
                  (std::map<std::string, std::string>{{"web-9", "1"}, {"web-9-1", "1"}, {"web-9-2", "1"}}));
        Doc const status = (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus"});
        EXPECT_EQ(status["canaryReplicas"].as_int(), 1);
        EXPECT_EQ(status["canaryReadyReplicas"].as_int(), 1);
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        co_await cluster.stop_member();   // a controller that comes anew goes on
        cluster.start_member();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        auto const batches = co_await cluster.batches(next);
        EXPECT_EQ(batches.size(), 15u);
        EXPECT_EQ(batches.at("web-5-2"), "2");
        EXPECT_EQ(batches.at("web-9-2"), "1");
        EXPECT_EQ(co_await cluster.images(), (Images{{last, 15}, {next, 15}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        EXPECT_EQ(co_await cluster.images(), (Images{{next, 30}}));
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
    }
    co_await cluster.stop();
}

CO_TEST(LeaderWorkerSets, GoBackAtOnceWhenTheStableVersionIsPutBack) {
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
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 30}}));
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

// Their controller has thrown its ControllerRevision away by then, and makes another.
CO_TEST(LeaderWorkerSets, GoBackAtOnceWhereAllGroupsHaveTheNewVersionAlready) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(10, "{}", R"([{"replicas":"100%"},{"replicas":"100%"}])"));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 30}}));
    CO_ASSERT_OK(co_await cluster.run("v1"));
    CO_ASSERT_OK(co_await cluster.until("Healthy/1/StepPaused/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 30}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

// Groups of the second version stay until their turn comes, as their controller does not put back what is below the
// partition.
CO_TEST(LeaderWorkerSets, ThirdVersionBeginsAtTheFirstStepAndStillKnowsTheFirstOne) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    auto const leader = co_await cluster.client->get(ctx, kPods, {"default", "web-0"});
    CO_ASSERT_OK(leader);
    std::string const first = meta::label(*leader, kRevisionLabel);
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 15}, {"v2", 12}, {"v3", 3}}));
    EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus", "stableRevision"}).string(), first);
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 15}, {"v3", 15}}));
    CO_ASSERT_OK(co_await cluster.run("v1"));
    CO_ASSERT_OK(co_await cluster.until("Healthy/2/StepPaused/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 30}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

CO_TEST(LeaderWorkerSets, KeepTheShareWhenTheyAreScaled) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.merge({"spec", "replicas"}, 20));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 54}, {"v2", 6}}));
    CO_ASSERT_OK(co_await cluster.merge({"spec", "replicas"}, 5));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 12}, {"v2", 3}}));
    co_await cluster.stop();
}

// A group is one unit with all its workers: one that does not become ready holds the batch up.
CO_TEST(LeaderWorkerSets, BatchWaitsForTheWorkersOfItsGroups) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(4));
    Value pod_template = *json::parse_value(
        R"({"metadata":{"labels":{"app":"web"},"annotations":{"simulator.aviary.dev/behaviour":"never-ready"}},
        "spec":{"containers":[{"name":"main","image":"v2"}]}})");
    Value leader_template = *json::parse_value(
        R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"v2"}]}})");
    CO_ASSERT_OK(co_await cluster.merge(
        {"spec", "leaderWorkerTemplate"},
        json::Object{{"leaderTemplate", std::move(leader_template)}, {"workerTemplate", std::move(pod_template)}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    EXPECT_EQ(co_await cluster.state(), "Progressing/1/StepUpgrade/InRolling");
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 3}}));
    Doc const status = (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus"});
    EXPECT_EQ(status["canaryReplicas"].as_int(), 1);
    EXPECT_EQ(status["canaryReadyReplicas"].as_int(), 0);
    auto const waits = cluster.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_NE(waits.front().message.find("web-3-"), std::string::npos) << waits.front().message;
    CO_ASSERT_OK(co_await cluster.run("v3"));
    co_await cluster.stop();
}

// Groups of a surge come beside those that are counted, and go at the end.
CO_TEST(LeaderWorkerSets, NobodyLiftsThePartitionAndTheirOwnStrategyComesBack) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(10, R"({"partition":2,"maxSurge":1,"maxUnavailable":0})"));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.merge({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}, 0));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ((co_await cluster.images())["v1"], 27);
    EXPECT_EQ((co_await cluster.batches("v2")).at("web-9-1"), "1");
    CO_ASSERT_OK(co_await cluster.merge({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}, 3));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.partition(), 3);
    Doc const rolling = (co_await cluster.live()).at({"spec", "rolloutStrategy", "rollingUpdateConfiguration"});
    EXPECT_EQ(rolling["maxSurge"].as_int(), 1);
    EXPECT_EQ((co_await cluster.images())["v1"], 0);
    co_await cluster.stop();
}

CO_TEST(LeaderWorkerSets, AreGivenBackWhenTheirRolloutGoesOrIsDisabled) {
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
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 30}}));
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(LeaderWorkerSets, AreFreedWhenTheMemberIsUninstalled) {
    using workload::Leaving;
    for (auto const& [how, images] :
         {std::pair(Leaving::kHold, Images{{"v1", 27}, {"v2", 3}}), std::pair(Leaving::kRollback, Images{{"v1", 30}}),
          std::pair(Leaving::kRelease, Images{{"v2", 30}})}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        auto const said = co_await cluster.leave({.releases = how, .delete_rollouts = true});
        CO_ASSERT_OK(said);
        EXPECT_NE(said->find("leaderworkerset default/web is in the middle of a release of rollout web: "
                             "1 of 10 groups have the new version"),
                  std::string::npos)
            << *said;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
        EXPECT_EQ(co_await cluster.images(), images);
        EXPECT_EQ(co_await cluster.marks(), "");
        EXPECT_EQ(co_await cluster.partition(), how == Leaving::kHold ? 9 : 0);
        co_await cluster.scope.cancel_and_join();
    }
}

// The kind is asked for once a Rollout points at one, and again until it is there.
CO_TEST(LeaderWorkerSets, AreFoundWhenTheClusterLearnsTheKind) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.start());
    CO_ASSERT_OK(co_await cluster.client->create(ctx, apis::kRollouts, cluster.release_of(kArticle)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    auto const waits = cluster.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_EQ(waits.front().reason, "KindNotServed");
    CO_ASSERT_OK(co_await cluster.define());
    CO_ASSERT_OK(co_await cluster.client->create(ctx, cluster.resource, set_of("v1", 4, 3, "{}")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 3}}));
    co_await cluster.stop();
}

// Prefill in ten groups of three pods, decode in five of two.
CO_TEST(LeaderWorkerSets, OfOneGroupOfRolloutsMoveFromStepToStepAsOne) {
    meta::ObjectKey const decode{"default", "decode"};
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    Value beside = set_of("v1", 5, 2, "{}");
    beside.set({"metadata", "name"}, decode.name);
    CO_ASSERT_OK(co_await cluster.client->create(ctx, cluster.resource, beside));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    Value release = cluster.release_of(kArticle);
    release.set({"metadata", "name"}, decode.name);
    release.set({"metadata", "annotations", apis::kGroupAnnotation}, "qwen");
    release.set({"spec", "workloadRef", "name"}, decode.name);
    CO_ASSERT_OK(co_await cluster.client->create(ctx, apis::kRollouts, release));
    Value group{json::Object()};
    group.set({"metadata", "annotations", apis::kGroupAnnotation}, "qwen");
    CO_ASSERT_OK(co_await cluster.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, group));
    cluster.of(decode);
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    auto const both = [&cluster, &decode](std::string state) -> Task<Status> {
        for (meta::ObjectKey const& key : {kWeb, decode}) {
            cluster.of(key);
            CO_TRY(co_await cluster.until(state));
        }
        co_return Status{};
    };

    cluster.of(kWeb);
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.until("Progressing/1/BeforeStepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 40}}));
    cluster.of(decode);
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await both("Progressing/1/StepPaused/InRolling"));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 35}, {"v2", 5}}));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.until("Progressing/2/BeforeStepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 35}, {"v2", 5}}));
    cluster.of(kWeb);
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await both("Progressing/2/StepPaused/InRolling"));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 19}, {"v2", 21}}));
    for (meta::ObjectKey const& key : {kWeb, decode}) {
        cluster.of(key);
        CO_ASSERT_OK(co_await cluster.approve());
    }
    CO_ASSERT_OK(co_await both("Healthy/3/Completed/Completed"));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 40}}));
    co_await cluster.stop();
}

}   // namespace
}   // namespace aviary::member
