// Releases of a kind that nobody here knows, whose objects say that they are like StatefulSets.
#include "app/member/internal/test_game_sets.h"
#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

struct Cluster : NativeSetWorld {
    explicit Cluster(Context ctx) : NativeSetWorld(std::move(ctx), "GameSet") {
        resource = kGameSets;
        patch_type = client::PatchType::kMerge;
        features.labelled_kinds = true;
    }

    Task<Status> define() {
        CO_TRY(co_await client->create(scope.context(), kCrds, game_set_definition()));
        controller.emplace(client::Client(server->transport("fleet", kAdmin), "gameset-manager"));
        scope.spawn(controller->run(scope.context()));
        co_return Status{};
    }
    // Ten pods of v1, ready, and a Rollout.
    Task<Status> begin(std::string labels) {
        CO_TRY(co_await start());
        CO_TRY(co_await define());
        Value object = deployment("v1", 10);
        object["apiVersion"] = "example.org/v1";
        object["kind"] = "GameSet";
        object["metadata"]["labels"] = *json::parse_value(labels);
        CO_TRY(co_await client->create(scope.context(), resource, object));
        CO_TRY(co_await async::sleep_for(scope.context(), 20s));
        Value release = rollout(kArticle, kPartitionStyle);
        release.set({"spec", "workloadRef", "apiVersion"}, resource.api_version());
        release.set({"spec", "workloadRef", "kind"}, kind);
        CO_TRY(co_await client->create(scope.context(), apis::kRollouts, release));
        co_return co_await async::sleep_for(scope.context(), 20s);
    }
    Task<std::int64_t> partition() {
        co_return (co_await live()).at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int(-1);
    }

    std::optional<GameSetController> controller;
};

constexpr char kLabelled[] = R"({"rollouts.kruise.io/workload-type":"statefulset"})";

CO_TEST(LabelledKinds, AreReleasedInStepsAndGoBackAtOnce) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(kLabelled));
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await cluster.run(next));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.images(), (Images{{last, 9}, {next, 1}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        EXPECT_EQ(co_await cluster.images(), (Images{{last, 5}, {next, 5}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        EXPECT_EQ(co_await cluster.images(), (Images{{next, 10}}));
        EXPECT_EQ(co_await cluster.partition(), 0);
        EXPECT_EQ(co_await cluster.marks(), "");
    }
    CO_ASSERT_OK(co_await cluster.run("v4"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await cluster.until("Healthy/1/StepPaused/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v3", 10}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

CO_TEST(LabelledKinds, SayWhatTheyAreLikeOrAreLeftAlone) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin("{}"));
    auto const waits = cluster.member->waits(kWeb);
    CO_ASSERT_TRUE(waits.size() == 1);
    EXPECT_EQ(waits[0].message, "GameSet web does not say that it is like a StatefulSet");
    EXPECT_EQ(waits[0].ends_when, "it has the label rollouts.kruise.io/workload-type: statefulset");
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    EXPECT_EQ(co_await cluster.partition(), -1);
    CO_ASSERT_OK(co_await cluster.set({"metadata", "labels", apis::kWorkloadTypeLabel}, "statefulset"));
    CO_ASSERT_OK(co_await cluster.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await cluster.run("v3"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 9}, {"v3", 1}}));
    co_await cluster.stop();
}

CO_TEST(LabelledKinds, AreLeftAloneUnlessTheyAreAskedFor) {
    Cluster cluster(ctx);
    cluster.features.labelled_kinds = false;
    CO_ASSERT_OK(co_await cluster.begin(kLabelled));
    auto const waits = cluster.member->waits(kWeb);
    CO_ASSERT_TRUE(waits.size() == 1);
    EXPECT_EQ(waits[0].message, "example.org/v1 GameSet is not supported");
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    co_await cluster.stop();
}

// The version before is not known to anybody: the release stands still until the template is put back.
CO_TEST(LabelledKinds, AreGivenBackWhenTheMemberGoes) {
    Cluster cluster(ctx);
    CO_ASSERT_OK(co_await cluster.begin(kLabelled));
    CO_ASSERT_OK(co_await cluster.run("v2"));
    CO_ASSERT_OK(co_await cluster.paused_at(1));
    auto const said = co_await cluster.leave({.releases = workload::Leaving::kRelease, .delete_rollouts = true});
    CO_ASSERT_OK(said);
    EXPECT_NE(said->find("statefulset default/web is in the middle of a release of rollout web: 1 of 10 pods"),
              std::string::npos)
        << *said;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
    EXPECT_EQ(co_await cluster.marks(), "");
    co_await cluster.stop();
}

}   // namespace
}   // namespace aviary::member
