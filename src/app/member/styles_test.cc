// Releases in the styles that have both versions side by side, end to end.
#include "app/member/internal/test_story.h"

namespace aviary::member {
namespace {

constexpr char const* kBlueGreenStyle = R"({"blueGreen":{}})";
constexpr char const* kTenth = R"([{"replicas":"10%"},{"replicas":"100%"}])";
constexpr char const* kHalves = R"([{"replicas":"50%"},{"replicas":"100%"}])";
meta::GroupVersionResource const kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};

// Fewest pods that are ready, from now on.
Task<void> watch_ready(Context ctx, World& world, std::int64_t& least) {
    while (co_await async::sleep_for(ctx, 50ms)) {
        auto const list = co_await world.client->list(ctx, kPods, {.ns = world.workload.ns});
        if (!list) continue;
        std::int64_t ready = 0;
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            bool const goes = meta::is_deleting(pod);
            if (!goes && meta::condition(pod, "Ready")["status"].as_string() == "True") ++ready;
        }
        least = std::min(least, ready);
    }
}

Task<std::vector<std::string>> others(World& world) {
    std::vector<std::string> names;
    auto const list = co_await world.client->list(world.scope.context(), kDeployments, {.ns = world.workload.ns});
    for (auto const& [index, each] : (*list)["items"].elements()) {
        if (meta::name(each) != world.workload.name) names.push_back(meta::name(each));
    }
    co_return names;
}

CO_TEST(Styles, ACanaryReleaseRunsBesideTheWorkloadUntilTheEnd) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kArticle, 10, kCanaryStyle));
    std::int64_t least = 10;
    world.scope.spawn(watch_ready(world.scope.context(), world, least));
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await world.release(next));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        Images counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 10}, {next, 1}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
        co_await world.stop_member();   // a controller that comes anew goes on
        world.start_member();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 10}, {next, 5}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{next, 10}}));
        std::string const left = co_await world.leftovers();
        EXPECT_EQ(left, "");
        auto const beside = co_await others(world);
        EXPECT_TRUE(beside.empty());
    }
    EXPECT_GE(least, 8);   // maxUnavailable is 25 % of ten
    co_await world.stop();
}

CO_TEST(Styles, ACanaryReleaseBeginsAgainWithANewerVersionAndGoesBack) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kArticle, 10, kCanaryStyle));
    std::int64_t least = 10;
    world.scope.spawn(watch_ready(world.scope.context(), world, least));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    Images counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}, {"v3", 1}}));
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/1/StepPaused/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    std::string const left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    auto const beside = co_await others(world);
    EXPECT_TRUE(beside.empty());
    EXPECT_EQ(least, 10);
    co_await world.stop();
}

Task<std::string> scaled(World& world) {
    auto const found = co_await world.client->get(world.scope.context(), kAutoscalers, kWeb);
    co_return found ? found->at({"spec", "scaleTargetRef", "name"}).string() : found.error().message();
}

Task<Status> autoscale(World& world) {
    Value const autoscaler = *json::parse_value(
        R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web","namespace":"default"},
        "spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"maxReplicas":20}})");
    CO_TRY(co_await world.client->create(world.scope.context(), kAutoscalers, autoscaler));
    co_return Status{};
}

CO_TEST(Styles, ABlueGreenReleaseStandsBesideTheOldVersionUntilTheLastApproval) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kHalves, 10, kBlueGreenStyle));
    CO_ASSERT_OK(co_await autoscale(world));
    std::int64_t least = 10;
    world.scope.spawn(watch_ready(world.scope.context(), world, least));
    for (std::string const& next : {std::string("v2"), std::string("v3")}) {
        std::string const last = next == "v2" ? "v1" : "v2";
        CO_ASSERT_OK(co_await world.release(next));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        Images counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 10}, {next, 5}}));
        std::string name = co_await scaled(world);
        EXPECT_EQ(name, "web-DisableByRollout");
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
        co_await world.stop_member();   // a controller that comes anew goes on
        world.start_member();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{last, 10}, {next, 10}}));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Healthy/2/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{next, 10}}));
        std::string const left = co_await world.leftovers();
        EXPECT_EQ(left, "");
        name = co_await scaled(world);
        EXPECT_EQ(name, "web");
    }
    EXPECT_EQ(least, 10);
    co_await world.stop();
}

CO_TEST(Styles, ABlueGreenReleaseIsScaledRefusesAThirdVersionAndGoesBack) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kHalves, 10, kBlueGreenStyle));
    CO_ASSERT_OK(co_await autoscale(world));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Images counts;
    for (auto const& [size, half] : std::vector<std::pair<int, int>>{{20, 10}, {0, 0}, {6, 3}, {10, 5}}) {
        Value const patch = *json::parse_value(R"({"spec":{"replicas":)" + std::to_string(size) + "}}");
        CO_ASSERT_OK(co_await world.client->patch(ctx, kDeployments, kWeb, client::PatchType::kMerge, patch));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        counts = co_await world.images();
        EXPECT_EQ(counts, size == 0 ? Images{} : (Images{{"v1", size}, {"v2", half}})) << size;
    }
    std::int64_t least = 10;
    world.scope.spawn(watch_ready(world.scope.context(), world, least));
    CO_ASSERT_OK(co_await world.release("v3"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}, {"v2", 5}}));
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/1/StepPaused/Completed"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    std::string const left = co_await world.leftovers();
    EXPECT_EQ(left, "");
    std::string const name = co_await scaled(world);
    EXPECT_EQ(name, "web");
    EXPECT_EQ(least, 10);
    co_await world.stop();
}

// As kubectl scale does it, which no webhook is asked about.
Task<Status> scale(World& world, std::int64_t replicas) {
    Value patch{json::Object()};
    patch.set({"spec", "replicas"}, replicas);
    CO_TRY(co_await world.client->patch(world.scope.context(), kDeployments, kWeb, client::PatchType::kMerge, patch,
                                        {.subresource = "scale"}));
    co_return Status{};
}

// The native controller shares a surge out by what each ReplicaSet noted when it was scaled last: here before the
// release.
CO_TEST(Styles, ABlueGreenReleaseGivesTheOldVersionBackWhatScalingTookFromIt) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kTenth, 10, kBlueGreenStyle));
    CO_ASSERT_OK(co_await scale(world, 13));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    Images counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 13}, {"v2", 2}}));
    CO_ASSERT_OK(co_await scale(world, 10));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}, {"v2", 1}}));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    co_await world.stop();
}

// What it had noted may be more than all pods: then the native controller takes from both, and cuts the new version to
// the workload's size.
CO_TEST(Styles, ABlueGreenReleaseGivesTheOldVersionWhatIsLeftFree) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.set_up(kTenth, 10, kBlueGreenStyle));
    Value const surge = *json::parse_value(R"({"spec":{"strategy":{"rollingUpdate":{"maxSurge":8}}}})");
    CO_ASSERT_OK(co_await world.client->patch(ctx, kDeployments, kWeb, client::PatchType::kMerge, surge));
    CO_ASSERT_OK(co_await scale(world, 6));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
    Images counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 6}, {"v2", 6}}));
    co_await world.stop_member();   // which would else look between two rounds of the native controller
    CO_ASSERT_OK(co_await scale(world, 4));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 3}, {"v2", 4}}));
    world.start_member();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 4}, {"v2", 4}}));
    CO_ASSERT_OK(co_await world.approve());
    CO_ASSERT_OK(co_await world.until("Healthy/2/Completed/Completed"));
    co_await world.stop();
}

Task<std::string> versions_of_sets(World& world) {
    std::string versions;
    auto const sets = co_await world.client->list(world.scope.context(), kReplicaSets, {.ns = kWeb.ns});
    for (auto const& [index, set] : (*sets)["items"].elements()) versions += meta::resource_version(set) + " ";
    co_return versions;
}

// As few pods as there were needed no more for the second step: the surge is the first one's still when there are more.
CO_TEST(Styles, ABlueGreenReleaseThatRefusesAThirdVersionComesToRestWhenItIsScaled) {
    for (bool const through_nothing : {false, true}) {
        World world(ctx);
        CO_ASSERT_OK(co_await world.set_up(kTenth, 1, kBlueGreenStyle));
        CO_ASSERT_OK(co_await world.release("v2"));
        CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until("Progressing/2/StepPaused/InRolling"));
        CO_ASSERT_OK(co_await world.release("v3"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        if (through_nothing) CO_ASSERT_OK(co_await scale(world, 0));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        CO_ASSERT_OK(co_await scale(world, 10));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        std::string const before = co_await versions_of_sets(world);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        std::string const after = co_await versions_of_sets(world);
        EXPECT_EQ(after, before) << "nobody writes any more";
        Images counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{"v1", 10}, {"v2", 1}})) << through_nothing;
        CO_ASSERT_OK(co_await world.release("v2"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        counts = co_await world.images();
        EXPECT_EQ(counts, (Images{{"v1", 10}, {"v2", 10}})) << through_nothing;
        co_await world.stop();
    }
}

// A version that was being rolled out without a release when this one came: what of it does not serve is in nobody's
// way.
CO_TEST(Styles, ABlueGreenReleaseGivesTheOldVersionThePlacesOfPodsInBetweenThatDoNotServe) {
    Story story(ctx, {.steps = kHalves, .strategy = kBlueGreenStyle});
    CO_ASSERT_OK(co_await story.begin());
    CO_ASSERT_OK(co_await story.play({{R"(rollout {"spec":{"disabled":true}})", "Disabled/2/Completed v1=5"},
                                      {"break v2", "Disabled/2/Completed v1=4 v2=3"},
                                      {R"(rollout {"spec":{"disabled":false}})", "Healthy/2/Completed v1=4 v2=3"},
                                      {"release v3", "Progressing/1/StepPaused v1=5 v3=3"},
                                      {"scale 3", "Progressing/1/StepPaused v1=3 v3=2"},
                                      {"approve", "Progressing/2/StepPaused v1=3 v3=3"},
                                      {"approve", "Healthy/2/Completed v3=3"}}));
    EXPECT_EQ(co_await story.leftovers(), "");
    co_await story.stop();
}

// Rights of a member as an earlier version had them, and those that blue-green style needs beside.
Task<Status> allow(World& world, std::string name, std::string rules) {
    std::string const group = "rbac.authorization.k8s.io";
    Value role{json::Object{{"apiVersion", group + "/v1"}, {"kind", "ClusterRole"}}};
    role.set({"metadata", "name"}, name);
    role["rules"] = *json::parse_value(rules);
    CO_TRY(co_await world.client->create(world.scope.context(), {group, "v1", "clusterroles"}, role));
    Value binding{json::Object{{"apiVersion", group + "/v1"}, {"kind", "ClusterRoleBinding"}}};
    binding.set({"metadata", "name"}, name);
    binding["roleRef"] = json::Object{{"apiGroup", group}, {"kind", "ClusterRole"}, {"name", name}};
    binding["subjects"] =
        json::Array{json::Object{{"apiGroup", group}, {"kind", "User"}, {"name", world.controller.name}}};
    CO_TRY(co_await world.client->create(world.scope.context(), {group, "v1", "clusterrolebindings"}, binding));
    co_return Status{};
}

CO_TEST(Styles, AMemberThatMayNotListAutoscalersReleasesInOtherStylesAndSaysWhatBlueGreenLacks) {
    World world(ctx);
    world.controller.groups.clear();
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(
        co_await allow(world, "member", R"([{"apiGroups":["rollouts.kruise.io"],"resources":["*"],"verbs":["*"]},
        {"apiGroups":["apps"],"resources":["deployments","replicasets"],"verbs":["*"]},
        {"apiGroups":["","events.k8s.io"],"resources":["pods","events"],"verbs":["*"]}])"));
    CO_ASSERT_OK(co_await world.set_up_started(kArticle, 10, kPartitionStyle));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/1/StepPaused/Completed"));

    Value strategy{json::Object()};
    strategy["spec"]["strategy"] =
        *json::parse_value(R"({"canary":null,"blueGreen":{"steps":)" + std::string(kHalves) + "}}");
    CO_ASSERT_OK(co_await world.client->patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge, strategy));
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepUpgrade/InRolling"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Images counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}}));
    auto const waits = world.member->waits(kWeb);
    CO_ASSERT_TRUE(!waits.empty());
    EXPECT_EQ(waits.front().reason, "AutoscalersUnread");
    EXPECT_NE(waits.front().message.find("cannot list resource \"horizontalpodautoscalers\""), std::string::npos)
        << waits.front().message;
    CO_ASSERT_OK(
        co_await allow(world, "autoscalers", R"([{"apiGroups":["autoscaling"],"resources":["*"],"verbs":["*"]}])"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    counts = co_await world.images();
    EXPECT_EQ(counts, (Images{{"v1", 10}, {"v2", 5}}));
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
