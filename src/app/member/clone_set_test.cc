// Releases of CloneSets, end to end.
#include "app/member/internal/test_native_sets.h"
#include "app/member/internal/test_routes.h"

namespace aviary::member {
namespace {

using Batches = std::map<std::string, int>;

constexpr char const* kInPlace = R"({"updateStrategy":{"type":"InPlaceIfPossible"}})";
constexpr char const* kBlueGreen = R"({"blueGreen":{}})";

struct Cluster : NativeSetWorld {
    explicit Cluster(Context ctx) : NativeSetWorld(std::move(ctx), "CloneSet", "v1alpha1") {}

    // Ten pods of v1, ready, and a Healthy Rollout. `more` is what the spec has beside.
    Task<Status> begin(std::string more = "{}", std::string style = kPartitionStyle, std::string steps = kArticle) {
        CO_TRY(co_await start());
        CO_TRY(co_await serve_kruise());
        co_return co_await create(deployment("v1", 10), std::move(more), std::move(steps), 10s, std::move(style));
    }
    Task<Status> completed(int step, std::string state = "Completed") {
        CO_TRY(co_await until(fmt::format("Healthy/{}/{}/Completed", step, state)));
        co_return co_await async::sleep_for(scope.context(), 10s);
    }
    Task<Value> strategy(std::string_view field) {
        co_return (co_await live()).at({"spec", "updateStrategy", field}).thaw();
    }
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
};

// Pods stay; one that is lost comes back in the stable version until the step is left again.
CO_TEST(CloneSets, AJumpBackHoldsWhatItsStepLeaves) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(kInPlace));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    CO_ASSERT_OK(co_await cluster.client->patch(
        ctx, apis::kRollouts, kWeb, client::PatchType::kMerge,
        *json::parse_value(R"({"status":{"canaryStatus":{"nextStepIndex":1}}})"), {.subresource = "status"}));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 5}, {"v2", 5}}));
    EXPECT_EQ((co_await cluster.strategy("partition")).as_string(), "90%");
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ((co_await cluster.strategy("partition")).as_string(), "50%");
    co_await cluster.stop();
}

CO_TEST(CloneSets, AreReleasedInSteps) {
    for (std::string const& more :
         {std::string(R"({"updateStrategy":{"maxSurge":2,"partition":0}})"), std::string(kInPlace)}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin(more));
        for (std::string const& next : {std::string("v2"), std::string("v3")}) {
            std::string const last = next == "v2" ? "v1" : "v2";
            CO_ASSERT_OK(co_await cluster.run(next));
            CO_ASSERT_OK(co_await cluster.paused_at(1));
            EXPECT_EQ(co_await cluster.images(), (Images{{last, 9}, {next, 1}}));
            EXPECT_EQ(co_await cluster.batches(next), (Batches{{"1", 1}}));
            EXPECT_EQ((co_await cluster.strategy("partition")).as_string(), "90%");
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.paused_at(2));
            co_await cluster.stop_member();   // a controller that comes anew goes on
            cluster.start_member();
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
            EXPECT_EQ(co_await cluster.images(), (Images{{last, 5}, {next, 5}}));
            EXPECT_EQ(co_await cluster.batches(next), (Batches{{"1", 1}, {"2", 4}}));
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.completed(3));
            EXPECT_EQ(co_await cluster.images(), (Images{{next, 10}}));
            EXPECT_EQ(co_await cluster.batches(next), (Batches{{"1", 1}, {"2", 4}, {"3", 5}}));
            EXPECT_EQ((co_await cluster.strategy("partition")), Value(0));
            EXPECT_EQ(co_await cluster.marks(), "");
        }
        co_await cluster.stop();
    }
}

CO_TEST(CloneSets, GoBackAtOnceWhenTheStableVersionIsPutBack) {
    for (char const* more : {"{}", kInPlace}) {
        for (int const step : {1, 2}) {
            Cluster cluster(ctx);
            CO_ASSERT_OK(co_await cluster.begin(more));
            CO_ASSERT_OK(co_await cluster.run("v2"));
            CO_ASSERT_OK(co_await cluster.paused_at(1));
            if (step == 2) {
                CO_ASSERT_OK(co_await cluster.approve());
                CO_ASSERT_OK(co_await cluster.paused_at(2));
            }
            CO_ASSERT_OK(co_await cluster.run("v1"));
            CO_ASSERT_OK(co_await cluster.completed(step, "StepPaused"));
            EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
            EXPECT_EQ(co_await cluster.marks(), "");
            co_await cluster.stop();
        }
    }
}

CO_TEST(CloneSets, AThirdVersionBeginsAtTheFirstStepAndStillKnowsTheFirstOne) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    Doc const status = (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus"});
    std::string const first = status["stableRevision"].string();
    EXPECT_FALSE(first.empty());
    EXPECT_NE(first, status["podTemplateHash"].string());
    EXPECT_EQ(first.find('-'), std::string::npos) << "as pods are labelled";
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ((co_await cluster.images())["v3"], 1);
    EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus", "stableRevision"}).string(), first);
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ((co_await cluster.images())["v3"], 5);
    CO_ASSERT_OK(co_await cluster.run("v1"));
    CO_ASSERT_OK(co_await cluster.completed(2, "StepPaused"));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

// Such a Rollout calls the template that it finds Completed; most pods do not have it.
CO_TEST(CloneSets, ARolloutThatComesWhileABrokenVersionRollsKnowsTheOneBefore) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    std::string const first = (co_await cluster.live()).at({"status", "currentRevision"}).string();
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await cluster.set({"spec", "template", "metadata", "annotations", "simulator.aviary.dev/behaviour"},
                                      "never-ready"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Value release = rollout(kArticle);
    release.set({"spec", "workloadRef", "apiVersion"}, cluster.resource.api_version());
    release.set({"spec", "workloadRef", "kind"}, cluster.kind);
    CO_ASSERT_OK(co_await cluster.client->create(ctx, apis::kRollouts, release));
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::string const stable =
        (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus", "stableRevision"}).string();
    EXPECT_TRUE(first.ends_with("-" + stable)) << first << " and " << stable;
    co_await cluster.stop();
}

CO_TEST(CloneSets, KeepTheShareWhenScaled) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin());
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.set({"spec", "replicas"}, 20));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 18}, {"v2", 2}}));
    EXPECT_EQ(co_await cluster.state(), "Progressing/1/StepPaused/InRolling");
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}, {"v2", 10}}));
    CO_ASSERT_OK(co_await cluster.set({"spec", "replicas"}, 4));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 2}, {"v2", 2}}));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.completed(3));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 4}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

CO_TEST(CloneSets, NobodyLiftsThePartitionAndTheirOwnComesBack) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(R"({"updateStrategy":{"partition":"30%"}})"));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(
        co_await cluster.set({"spec", "updateStrategy"}, *json::parse_value(R"({"partition":2,"paused":true})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 1}}));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.completed(3));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    EXPECT_EQ((co_await cluster.strategy("partition")), Value(2)) << "as was asked for";
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

CO_TEST(CloneSets, AreGivenBackWhenTheirRolloutGoesOrIsDisabled) {
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
        EXPECT_EQ((co_await cluster.strategy("partition")), Value(0));
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

CO_TEST(CloneSets, AreLeftAsIsAsked) {
    for (auto const& [how, partition, images] :
         {std::tuple(workload::Leaving::kHold, Value("90%"), Images{{"v1", 9}, {"v2", 1}}),
          std::tuple(workload::Leaving::kRollback, Value(0), Images{{"v1", 10}}),
          std::tuple(workload::Leaving::kRelease, Value(0), Images{{"v2", 10}})}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin());
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        auto const said = co_await cluster.leave({.releases = how});
        CO_ASSERT_OK(said);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_EQ(co_await cluster.images(), images) << *said;
        EXPECT_EQ(co_await cluster.strategy("partition"), partition) << *said;
        EXPECT_EQ(co_await cluster.marks(), "") << *said;
        co_await cluster.scope.cancel_and_join();
    }
}

CO_TEST(CloneSets, AreReleasedSideBySide) {
    for (bool const back : {false, true}) {
        Cluster cluster(ctx);
        CO_ASSERT_OK(co_await cluster.begin(R"({"updateStrategy":{"maxUnavailable":2},"minReadySeconds":1})",
                                            kBlueGreen, R"([{"replicas":"10%"},{"replicas":"50%"}])"));
        CO_ASSERT_OK(co_await cluster.run("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}, {"v2", 1}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}, {"v2", 5}}));
        if (back) {
            CO_ASSERT_OK(co_await cluster.run("v1"));
            CO_ASSERT_OK(co_await cluster.completed(2, "StepPaused"));
        } else {
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.completed(2));
        }
        EXPECT_EQ(co_await cluster.images(), (Images{{back ? "v1" : "v2", 10}}));
        EXPECT_EQ(co_await cluster.strategy("maxUnavailable"), Value(2));
        EXPECT_EQ((co_await cluster.live()).at({"spec", "minReadySeconds"}).as_int(), 1);
        EXPECT_EQ(co_await cluster.marks(), "");
        co_await cluster.stop();
    }
}

// Kruise's controller counts on old pods to go: with half of the new version there it makes no more beside them.
CO_TEST(CloneSets, SideBySideHaveAllAtOnceOrHalfInSteps) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin("{}", kBlueGreen, R"([{"replicas":"100%"}])"));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}, {"v2", 10}}));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.completed(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    co_await cluster.stop();

    Cluster stepped(ctx);
    CO_ASSERT_OK(co_await stepped.begin("{}", kBlueGreen, R"([{"replicas":"50%"},{"replicas":"100%"}])"));
    CO_ASSERT_OK(co_await stepped.run("v2"));
    CO_ASSERT_OK(co_await stepped.paused_at(1));
    CO_ASSERT_OK(co_await stepped.approve());
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await stepped.images(), (Images{{"v1", 10}, {"v2", 5}}));
    Doc const batches = co_await stepped.get(apis::kBatchReleases);
    EXPECT_NE(batches.at({"status", "message"}).string().find("5 of 10"), std::string::npos)
        << batches.at({"status", "message"}).string();
    CO_ASSERT_OK(co_await stepped.run("v1"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await stepped.images(), (Images{{"v1", 10}}));
    EXPECT_EQ(co_await stepped.marks(), "");
    co_await stepped.stop();
}

CO_TEST(CloneSets, SideBySideRefuseAThirdVersion) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin("{}", kBlueGreen));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ((co_await cluster.images())["v1"], 10);
    EXPECT_EQ((co_await cluster.images())["v3"], 0);
    EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "message"}).string(), apis::kNewVersionRefused);
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}, {"v2", 1}}));
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.paused_at(2));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}, {"v2", 5}}));
    CO_ASSERT_OK(co_await cluster.run("v1"));
    CO_ASSERT_OK(co_await cluster.completed(2, "StepPaused"));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

// A newer version comes when all requests are led to the pods of the one that is about to be completed. Held for its
// own release, the CloneSet would lose those pods first: they are led back to the stable version's before.
CO_TEST(CloneSets, SideBySideRequestsFindPodsWhenANewerVersionComesAtTheEnd) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.start());
    CO_ASSERT_OK(co_await cluster.serve_kruise());
    CO_ASSERT_OK(co_await cluster.client->create(ctx, kCrds, routes_definition("v1")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    CO_ASSERT_OK(co_await cluster.client->create(ctx, kServices, *json::parse_value(R"({"metadata":{"name":"web",
        "namespace":"default"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})")));
    CO_ASSERT_OK(co_await cluster.client->create(ctx, kRoutes, *json::parse_value(R"({"metadata":{"name":"web",
        "namespace":"default"},"spec":{"rules":[{"backendRefs":[{"name":"web","port":80}]}]}})")));
    CO_ASSERT_OK(co_await cluster.create(deployment("v1", 10), "{}", R"([{"replicas":"50%","traffic":"50%"}])", 10s,
                                         R"({"blueGreen":{"trafficRoutings":[{"service":"web","gracePeriodSeconds":2,
                                         "gateway":{"httpRouteName":"web"}}]}})"));
    auto const to_canary = [&]() -> Task<std::int64_t> {
        Doc const route = *co_await cluster.client->get(ctx, kRoutes, kWeb);
        std::int64_t weight = 0;
        for (auto const& [index, each] : route.at({"spec", "rules"})[0]["backendRefs"].elements())
            if (each["name"].as_string() == "web-canary") weight += each["weight"].as_int();
        co_return weight;
    };
    auto const stable = [&]() -> Task<std::string> {
        co_return (co_await cluster.get(apis::kRollouts)).at({"status", "blueGreenStatus", "stableRevision"}).string();
    };
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    std::string const first = co_await stable();
    CO_ASSERT_OK(co_await cluster.approve());
    while (co_await to_canary() < 100) CO_ASSERT_OK(co_await async::sleep_for(ctx, 10ms));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    for (int count = 0; count < 1000; ++count) {
        Images images = co_await cluster.images();
        CO_ASSERT_TRUE(images["v2"] == 5 || images["v3"] == 5 || co_await to_canary() == 0);
        CO_ASSERT_TRUE(images["v3"] == 0 || images["v2"] == 0);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 50ms));
    }
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}, {"v3", 5}}));
    EXPECT_EQ(co_await stable(), first) << "what has pods, and is led to";
    CO_ASSERT_OK(co_await cluster.approve());
    CO_ASSERT_OK(co_await cluster.completed(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v3", 10}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

// A cluster is not asked for the kind before a Rollout names it, and again until it has it.
CO_TEST(CloneSets, ComeWhenTheClusterHasThem) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.start());
    Value release = rollout(kArticle);
    release.set({"spec", "workloadRef", "apiVersion"}, "apps.kruise.io/v1alpha1");
    release.set({"spec", "workloadRef", "kind"}, "CloneSet");
    CO_ASSERT_OK(co_await cluster.client->create(ctx, apis::kRollouts, release));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_EQ((co_await cluster.get(apis::kRollouts)).at({"status", "message"}).string(),
              "Workload Not Found: this cluster does not serve CloneSet of apps.kruise.io/v1alpha1");
    auto const waits = cluster.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_EQ(waits.front().reason, "KindNotServed");
    CO_ASSERT_OK(co_await cluster.serve_kruise());
    Value set = deployment("v1", 10);
    set["apiVersion"] = "apps.kruise.io/v1alpha1";
    set["kind"] = "CloneSet";
    CO_ASSERT_OK(co_await cluster.client->create(ctx, cluster.resource, set));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 1}}));
    // Without its definition there is no workload any more.
    for (Value const& definition : simulator::workload_definitions()) {
        CO_ASSERT_OK(co_await cluster.client->remove(ctx, kCrds, {"", definition.at({"metadata", "name"}).string()}));
    }
    CO_ASSERT_OK(co_await cluster.client->remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_FALSE((co_await cluster.get(apis::kRollouts)).exists());
    co_await cluster.stop();
}

}   // namespace
}   // namespace aviary::member
