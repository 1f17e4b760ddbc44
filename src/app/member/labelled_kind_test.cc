// Releases of a kind that nobody here knows, whose objects say that they are like StatefulSets.
#include "app/member/internal/test_native_sets.h"
#include "kube/control/controller.h"

namespace aviary::member {
namespace {

meta::GroupVersionResource const kGameSets{"example.org", "v1", "gamesets"};
meta::GroupVersionResource const kStatefulSets{"apps", "v1", "statefulsets"};
constexpr char kMadeFrom[] = "example.org/spec";

// Stands in for the controller of GameSets: each has its pods made by a StatefulSet, and keeps no revisions of its own.
class GameSetController {
public:
    explicit GameSetController(client::Client client)
        : client_(std::move(client)), game_sets_(client_, kGameSets), sets_(client_, kStatefulSets) {
        controller_.emplace(control::ControllerOptions{.name = "gameset-controller"},
                            std::make_unique<control::FunctionReconciler>(
                                [this](control::Key const& key, Time) { return decide(key); },
                                [this](control::Key const&) -> client::Client const& { return client_; }));
        for (client::Informer* each : {&game_sets_, &sets_}) {
            controller_->watch(*each,
                               [](Doc const& object) { return std::vector<control::Key>{{"", meta::key_of(object)}}; });
        }
    }

    Task<void> run(Context ctx) {
        async::Scope scope(ctx);
        scope.spawn(game_sets_.run(scope.context()));
        scope.spawn(sets_.run(scope.context()));
        scope.spawn(controller_->run(scope.context()));
        co_await scope.join();
    }

private:
    control::Plan decide(control::Key const& key) const {
        control::Plan plan;
        Doc const game_set = game_sets_.get(key.object);
        if (!game_set.exists()) return plan;
        Doc const set = sets_.get(key.object);
        std::string const spec = json::write_canonical(game_set["spec"].thaw());
        if (!set.exists()) {
            Value made{json::Object{{"apiVersion", "apps/v1"}, {"kind", "StatefulSet"}}};
            made.set({"metadata", "name"}, key.object.name);
            made.set({"metadata", "namespace"}, key.object.ns);
            made.set({"metadata", "annotations", kMadeFrom}, spec);
            made.set({"metadata", "ownerReferences"}, json::Array{json::Object{{"apiVersion", "example.org/v1"},
                                                                               {"kind", "GameSet"},
                                                                               {"name", key.object.name},
                                                                               {"uid", meta::uid(game_set)},
                                                                               {"controller", true}}});
            made["spec"] = game_set["spec"].thaw();
            plan.writes.push_back({.verb = control::Write::Verb::kCreate,
                                   .resource = kStatefulSets,
                                   .key = key.object,
                                   .body = std::move(made)});
        } else if (meta::annotation(set, kMadeFrom) != spec) {
            Value patch{json::Object()};
            patch.set({"metadata", "annotations", kMadeFrom}, spec);
            patch["spec"] = game_set["spec"].thaw();
            plan.writes.push_back({.resource = kStatefulSets, .key = key.object, .body = std::move(patch)});
        } else if (set.at({"status", "observedGeneration"}).as_int() == meta::generation(set)) {
            Value patch{json::Object()};
            patch["status"] = set["status"].thaw();
            patch.set({"status", "observedGeneration"}, meta::generation(game_set));
            if (!(Doc::freeze(patch["status"]) == game_set["status"]))
                plan.writes.push_back(
                    {.resource = kGameSets, .key = key.object, .subresource = "status", .body = std::move(patch)});
        }
        return plan;
    }

    client::Client client_;
    client::Informer game_sets_, sets_;
    std::optional<control::Controller> controller_;
};

struct Cluster : NativeSetWorld {
    explicit Cluster(Context ctx) : NativeSetWorld(std::move(ctx), "GameSet") {
        resource = kGameSets;
        patch_type = client::PatchType::kMerge;
        features.labelled_kinds = true;
    }

    Task<Status> define() {
        CO_TRY(co_await client->create(scope.context(), kCrds, *json::parse_value(R"({
          "apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gamesets.example.org"},
          "spec":{"group":"example.org","scope":"Namespaced",
            "names":{"plural":"gamesets","singular":"gameset","kind":"GameSet","listKind":"GameSetList"},
            "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
              "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})")));
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
    EXPECT_EQ(waits[0].message, "example.org/v1 GameSet is not supported yet");
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
