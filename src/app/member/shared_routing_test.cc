// One TrafficRouting that the releases of two workloads share, end to end.
#include <algorithm>

#include "apis/rollouts/traffic_routing.h"
#include "app/member/internal/test_routes.h"

namespace aviary::member {
namespace {

meta::ObjectKey const kApi{"default", "api"};
meta::ObjectKey const kMesh{"default", "mesh"};

constexpr char const* kStyle = R"({"canary":{"enableExtraWorkloadForCanary":true}})";
constexpr char const* kSteps = R"([{"replicas":"20%"},{"replicas":"50%"}])";
constexpr char const* kRouting = R"({"apiVersion":"rollouts.kruise.io/v1alpha1","kind":"TrafficRouting",
    "metadata":{"name":"mesh","namespace":"default"},"spec":{
    "objectRef":[{"service":"mesh","gracePeriodSeconds":1,"gateway":{"httpRouteName":"mesh"}}],
    "strategy":{"matches":[{"headers":[{"name":"user","value":"qa"}]}],
    "requestHeaderModifier":{"set":[{"name":"x-color","value":"gray"}]}}}})";

struct SharedWorld : World {
    using World::World;

    Task<Status> begin(bool with_routing = true) {
        CO_TRY(co_await start());
        CO_TRY(co_await client->create(scope.context(), kCrds, routes_definition("v1")));
        CO_TRY(co_await bring_route());
        if (with_routing) CO_TRY(co_await bring_routing());
        for (meta::ObjectKey const& key : {kWeb, kApi}) {
            CO_TRY(co_await set_up_beside(key, kSteps, kStyle, apis::kTrafficRoutingAnnotation, "mesh"));
        }
        original = co_await rules();
        co_return Status{};
    }
    Task<Status> bring_route() {
        Value route = *json::parse_value(R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute",
            "metadata":{"name":"mesh","namespace":"default"},"spec":{"rules":[{"backendRefs":[{"name":"mesh","port":80}]}]}})");
        for (int count = 0; count < 100; ++count) {
            if (co_await client->create(scope.context(), kRoutes, route)) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 100ms));
        }
        co_return fail(ErrorCode::kTimeout, "routes are not served");
    }
    Task<Status> bring_routing() {
        CO_TRY(co_await client->create(scope.context(), apis::kTrafficRoutings, *json::parse_value(kRouting)));
        co_return Status{};
    }
    // The route's rules, and what is noted beside them.
    Task<std::string> rules() {
        auto const found = co_await client->get(scope.context(), kRoutes, kMesh);
        if (!found) co_return found.error().message();
        co_return json::write(found->at({"spec", "rules"})) + json::write(found->at({"metadata", "annotations"}));
    }
    // "Progressing api web": the phase, and who holds it.
    Task<std::string> shown() {
        auto const found = co_await client->find(scope.context(), apis::kTrafficRoutings, kMesh);
        if (!found || !found->exists()) co_return "none";
        std::string text = found->at({"status", "phase"}).string();
        auto holders = apis::holders_of(*found);
        std::ranges::sort(holders);
        for (std::string const& each : holders) text += " " + each;
        co_return text;
    }
    Task<Status> until_shown(std::string wanted) {
        std::string seen;
        for (int count = 0; count < 6000; ++count) {
            seen = co_await shown();
            if (seen == wanted) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 10ms));
        }
        co_return fail(ErrorCode::kTimeout, "waiting for " + wanted + ", it is " + seen);
    }
    std::string original;
};

CO_TEST(SharedRouting, TheFirstReleaseRoutesItAndTheLastOnePutsItBack) {
    SharedWorld world(ctx);
    CO_ASSERT_OK(co_await world.begin());
    CO_ASSERT_OK(co_await world.until_shown("Healthy"));
    world.of(kWeb);
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.until_shown("Progressing web"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    std::string const routed = co_await world.rules();
    EXPECT_NE(routed.find("x-color"), std::string::npos) << routed;
    world.of(kApi);
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.until_shown("Progressing api web"));
    co_await world.stop_member();   // a controller that comes anew goes on
    world.start_member();
    world.of(kWeb);
    for (char const* const state : {"Progressing/2/StepPaused/InRolling", "Healthy/2/Completed/Completed"}) {
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until(state));
    }
    std::string now = co_await world.shown();
    EXPECT_EQ(now, "Progressing api");
    now = co_await world.rules();
    EXPECT_EQ(now, routed);
    world.of(kApi);
    CO_ASSERT_OK(co_await world.release("v1"));
    CO_ASSERT_OK(co_await world.until("Healthy/1/StepPaused/Completed"));
    CO_ASSERT_OK(co_await world.until_shown("Healthy"));
    now = co_await world.rules();
    EXPECT_EQ(now, world.original);
    co_await world.stop();
}

CO_TEST(SharedRouting, ARolloutThatNamesAnotherOneInTheMiddleLeavesTheFormer) {
    SharedWorld world(ctx);
    CO_ASSERT_OK(co_await world.begin());
    world.of(kWeb);
    auto const name = [&world](Value named) -> Task<Status> {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kTrafficRoutingAnnotation}, std::move(named));
        auto const done = co_await world.client->patch(world.scope.context(), apis::kRollouts, kWeb,
                                                       client::PatchType::kMerge, std::move(patch));
        co_return done ? Status{} : std::unexpected(done.error());
    };
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.until_shown("Progressing web"));
    for (Value const& other : {Value("other"), Value()}) {
        CO_ASSERT_OK(co_await name(other));
        CO_ASSERT_OK(co_await world.until_shown("Healthy"));
        std::string const there = co_await world.rules();
        EXPECT_EQ(there, world.original);
        CO_ASSERT_OK(co_await name("mesh"));
        CO_ASSERT_OK(co_await world.until_shown("Progressing web"));
    }
    // Named by nobody at the end.
    CO_ASSERT_OK(co_await name(Value()));
    for (char const* const state : {"Progressing/2/StepPaused/InRolling", "Healthy/2/Completed/Completed"}) {
        CO_ASSERT_OK(co_await world.approve());
        CO_ASSERT_OK(co_await world.until(state));
    }
    CO_ASSERT_OK(co_await world.until_shown("Healthy"));
    std::string const now = co_await world.rules();
    EXPECT_EQ(now, world.original);
    co_await world.stop();
}

CO_TEST(SharedRouting, DeletedOnesLeaveNothing) {
    SharedWorld world(ctx);
    CO_ASSERT_OK(co_await world.begin(false));
    world.of(kWeb);
    CO_ASSERT_OK(co_await world.release("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Doc const waiting = co_await world.get(apis::kRollouts);
    EXPECT_EQ(waiting.at({"status", "message"}).as_string(),
              "traffic is not routed: TrafficRouting default/mesh does not exist: create it");
    CO_ASSERT_OK(co_await world.bring_routing());
    CO_ASSERT_OK(co_await world.until("Progressing/1/StepPaused/InRolling"));
    CO_ASSERT_OK(co_await world.until_shown("Progressing web"));
    // What it names stays while it is routed by.
    auto const other = co_await world.client->patch(ctx, apis::kTrafficRoutings, kMesh, client::PatchType::kMerge,
                                                    *json::parse_value(R"({"spec":{"objectRef":[{"service":"a"}]}})"));
    EXPECT_FALSE(other);
    CO_ASSERT_OK(co_await world.client->remove(ctx, apis::kTrafficRoutings, kMesh));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::string now = co_await world.rules();
    EXPECT_EQ(now, world.original);
    CO_ASSERT_OK(co_await world.until_shown("Terminating web"));
    CO_ASSERT_OK(co_await world.client->remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await world.until_shown("none"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    Doc const rollout = co_await world.get(apis::kRollouts);
    EXPECT_FALSE(rollout.exists());
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::member
