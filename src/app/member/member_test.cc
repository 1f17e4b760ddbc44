// Releases in one simulated cluster: the embedded API server, the simulator, and a Member, in virtual time.
#include "app/member/member.h"

#include <map>

#include "apis/crds.h"
#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"
#include "kube/simulator/simulator.h"

namespace aviary::member {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;
using Images = std::map<std::string, int>;

meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};
meta::GroupVersionResource const kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};
control::UserInfo const kController{"aviary-member", {"system:masters"}, {}};
meta::ObjectKey const kWeb{"default", "web"};

Value deployment(std::string const& image, std::int64_t replicas) {
    Value object = *json::parse_value(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":""}]}}}})");
    object.set({"spec", "replicas"}, replicas);
    Value container = object.at({"spec", "template", "spec", "containers"})[0];
    container["image"] = image;
    object.set({"spec", "template", "spec", "containers"}, json::Array{container});
    return object;
}

Value rollout(std::string const& steps) {
    Value object = *json::parse_value(R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"default"},
      "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"strategy":{"canary":{"enableExtraWorkloadForCanary":false}}}})");
    object.set({"spec", "strategy", "canary", "steps"}, *json::parse_value(steps));
    return object;
}

constexpr char const* kArticle = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";

struct World {
    explicit World(Context ctx) : scope(ctx) {}

    Task<Status> start(Duration pod_start = 500ms) {
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(scope.context(), std::make_shared<storage::MemoryEngine>(), {}));
        client.emplace(server->transport("fleet", kAdmin), "test");
        for (Value const& crd : apis::member_crds()) {
            CO_TRY(co_await client->create(scope.context(), kCrds, crd));
        }
        simulator::Options options;
        options.pod_start = pod_start;
        simulator.emplace(client::Client(server->transport("fleet", kAdmin), "simulator"), options);
        member.emplace(client::Client(server->transport("fleet", kController), "aviary-member"), kController.name);
        for (auto const& admission : member->admissions()) server->add_admission("fleet", admission);
        scope.spawn(server->run_controllers(scope.context()));
        scope.spawn(simulator->run(scope.context()));
        scope.spawn(member->run(scope.context()));
        co_return Status{};
    }

    // Ten pods of v1, ready, and a Healthy Rollout.
    Task<Status> set_up(std::string steps = kArticle, std::int64_t replicas = 10) {
        CO_TRY(co_await start());
        CO_TRY(co_await client->create(scope.context(), kDeployments, deployment("v1", replicas)));
        CO_TRY(co_await async::sleep_for(scope.context(), 5s));
        CO_TRY(co_await client->create(scope.context(), apis::kRollouts, rollout(steps)));
        co_return co_await until("Healthy/0//", true);
    }

    Task<Images> images() {
        Images counts;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        EXPECT_TRUE(list) << list.error().message();
        for (auto const& [key, pod] : (*list)["items"].elements()) ++counts[pod.at({"spec", "containers"})[0]["image"].string()];
        co_return counts;
    }

    Task<Status> release(std::string image) {
        Value patch = *json::parse_value(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":")" + image + R"("}]}}}})");
        CO_TRY(co_await client->patch(scope.context(), kDeployments, kWeb, client::PatchType::kStrategicMerge, patch));
        co_return Status{};
    }

    Task<Status> approve() {
        Value patch = *json::parse_value(R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}}})");
        CO_TRY(co_await client->patch(scope.context(), apis::kRollouts, kWeb, client::PatchType::kMerge, patch, {.subresource = "status"}));
        co_return Status{};
    }

    Task<Doc> get(meta::GroupVersionResource resource) {
        auto const found = co_await client->get(scope.context(), resource, kWeb);
        co_return found ? *found : Doc();
    }

    // "Progressing/1/StepPaused/InRolling"
    Task<std::string> state() {
        Doc const object = co_await get(apis::kRollouts);
        Doc const status = object["status"];
        std::string reason;
        for (auto const& [key, each] : status["conditions"].elements()) {
            if (each["type"].as_string() == "Progressing") reason = each["reason"].string();
        }
        co_return status["phase"].string() + "/" + std::to_string(status.at({"canaryStatus", "currentStepIndex"}).as_int()) + "/" +
            status.at({"canaryStatus", "currentStepState"}).string() + "/" + reason;
    }

    Task<Status> until(std::string wanted, bool phase_only = false) {
        std::string seen;
        for (int count = 0; count < 6000; ++count) {
            seen = co_await state();
            std::string const shown = phase_only ? seen.substr(0, seen.find('/')) + "/0//" : seen;
            if (shown == wanted) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 10ms));
        }
        Doc const object = co_await get(apis::kRollouts);
        Doc const workload = co_await get(kDeployments);
        Doc const batches = co_await get(apis::kBatchReleases);
        co_return fail(ErrorCode::kTimeout, "waiting for " + wanted + ", it is " + seen + "\n" + json::write(object["status"]) + "\n" + json::write(batches["spec"]) +
                                                json::write(batches["status"]) + "\n" + json::write(workload));
    }

    // Nothing of a release is left on the Deployment and its ReplicaSets.
    Task<std::string> leftovers() {
        std::string found;
        auto const look = [&found](Doc const& object) {
            for (char const* map : {"annotations", "labels"}) {
                for (auto const& [key, value] : object.at({"metadata", map}).members()) {
                    bool const release = key.find("rollouts.kruise.io/") != std::string_view::npos && key != apis::kWorkloadTypeLabel;
                    if (release) found += meta::name(object) + ": " + std::string(key) + "; ";
                }
            }
        };
        Doc const workload = co_await get(kDeployments);
        look(workload);
        if (workload.at({"spec", "paused"}).as_bool()) found += "paused; ";
        if (workload.at({"spec", "strategy", "type"}).as_string() != "RollingUpdate") found += "strategy; ";
        auto const sets = co_await client->list(scope.context(), kReplicaSets, {.ns = "default"});
        for (auto const& [key, set] : (*sets)["items"].elements()) look(set);
        Doc const batches = co_await get(apis::kBatchReleases);
        if (batches.exists()) found += "BatchRelease; ";
        co_return found;
    }

    async::Scope scope;
    std::unique_ptr<apiserver::ApiServer> server;
    std::optional<client::Client> client;
    std::optional<simulator::Simulator> simulator;
    std::optional<Member> member;
};

#define STOP_WORLD() co_await world.scope.cancel_and_join()

CO_TEST(Member, AReleaseStopsAtEachStepAndLeavesNothingBehind) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await world.release(next));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        Images counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 9}, {next, 1}}));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 9}, {next, 1}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 5}, {next, 5}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{next, 10}}));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        std::string const left = co_await world.leftovers();
        EXPECT_EQ(left, "");
    }
    STOP_WORLD();
}

CO_TEST(Member, PuttingTheOldVersionBackCancelsTheRelease) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/2/StepPaused/Completed"));
    Images const counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    std::string const left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    STOP_WORLD();
}

CO_TEST(Member, ANewVersionInTheMiddleBeginsAgainFromTheStableOne) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Images const counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v3", 1}}));
    STOP_WORLD();
}

CO_TEST(Member, ScalingInTheMiddleKeepsTheShareOfTheStep) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    for (auto const& [size, half] : std::map<int, int>{{4, 2}, {20, 10}, {1, 1}}) {
        Value const patch = *json::parse_value(R"({"spec":{"replicas":)" + std::to_string(size) + "}}");
        CO_ASSERT_OK(co_await world.client->patch(ctx, kDeployments, kWeb, client::PatchType::kMerge, patch));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        Images const counts = co_await world.images();
        Images expected{{"v2", half}};
        if (size > half) expected["v1"] = size - half;
        EXPECT_EQ(counts, expected);
    }
    STOP_WORLD();
}

CO_TEST(Member, DeletingOrDisablingARolloutFreesTheWorkload) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Value const disable = *json::parse_value(R"({"spec":{"disabled":true}})");
    CO_ASSERT_OK(co_await world.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, disable));
    CO_ASSERT_OK(co_await world.until("Disabled/0//", true));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    Images counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v2", 10}}));
    std::string left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    Value const enable = *json::parse_value(R"({"spec":{"disabled":false}})");
    CO_ASSERT_OK(co_await world.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, enable));
    CO_ASSERT_OK(co_await world.until("Healthy/0//", true));
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.client->remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    Doc const gone = co_await world.get(apis::kRollouts);
    EXPECT_FALSE(gone.exists());
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v3", 10}}));
    left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    STOP_WORLD();
}

CO_TEST(Member, AReleaseTakesFewRequests) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up());
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    auto const count = [&world] {
        std::map<std::string, int> counts;
        for (auto const& each : world.server->request_counts()) {
            if (each.user != kController.name || each.verb == "watch" || each.verb == "list") continue;
            counts[each.verb + " " + each.resource + "/" + each.subresource + " " + std::to_string(each.code)] += static_cast<int>(each.count);
        }
        return counts;
    };
    auto const before = count();
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    int total = 0;
    std::string listing;
    for (auto const& [what, number] : count()) {
        auto const found = before.find(what);
        int const more = number - (found == before.end() ? 0 : found->second);
        if (more == 0) continue;
        listing += what + ": " + std::to_string(more) + "\n";
        if (what.find(" pods/") == std::string::npos && what.find(" replicasets/") == std::string::npos) total += more;
    }
    EXPECT_LE(total, 30) << listing;
    STOP_WORLD();
}

}  // namespace
}  // namespace aviary::member
