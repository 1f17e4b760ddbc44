// Releases that Kruise Rollouts' manager 0.6 has left while requests are led to the new version by an Ingress or by a
// mesh: the member finishes them, and what is the user's is as it was.
#include "app/member/internal/test_hand_over.h"

namespace aviary::member {
namespace {

// One of each way in which pods are told apart, and in which they come.
std::vector<Kind> some_kinds() {
    std::vector<Kind> all = kinds();
    std::erase_if(all, [](Kind const& kind) {
        static std::set<std::string> const kSome{"Deployment partition", "Deployment canary", "Deployment blue-green",
                                                 "StatefulSet", "CloneSet"};
        return !kSome.contains(kind.name);
    });
    return all;
}

Task<void> with_each_provider(Context ctx, Leader const& leader) {
    co_await each_of(ctx, some_kinds(), {by<LedIngress>(), by<LedMesh>()}, leader);
}

// Those in which requests move; pods move in the same way whatever leads them.
std::vector<Moment> leading() {
    std::vector<Moment> moments = rolling();
    std::erase_if(moments, [](Moment const& moment) {
        return moment.point < Point::kRouting && moment.point != Point::kBefore && moment.point != Point::kMoved;
    });
    return moments;
}

CO_TEST(HandOverOfRequests, AReleaseGoesOnWhereKruiseHasLeftIt) {
    co_await with_each_provider(
        ctx, [&](Kind const& kind, KruiseWorld& led) { return at_each(ctx, kind, led, leading(), goes_on); });
}

Task<void> ends_with_each_provider(Context ctx, Why why) {
    co_await with_each_provider(ctx, [&](Kind const& kind, KruiseWorld& led) { return each_end(ctx, kind, led, why); });
}

CO_TEST(HandOverOfRequests, ACompletedReleaseIsClosedFromAnyStepOfTheEnd) {
    co_await ends_with_each_provider(ctx, Why::kSuccess);
}
CO_TEST(HandOverOfRequests, ACancelledReleaseIsClosedFromAnyStepOfTheEnd) {
    co_await ends_with_each_provider(ctx, Why::kRollback);
}
CO_TEST(HandOverOfRequests, ADisabledRolloutGivesItsWorkloadBackFromAnyStepOfTheEnd) {
    co_await ends_with_each_provider(ctx, Why::kDisabled);
}
CO_TEST(HandOverOfRequests, ADeletedRolloutGivesItsWorkloadBackFromAnyStepOfTheEnd) {
    co_await ends_with_each_provider(ctx, Why::kDeleted);
}

// ---- a TrafficRouting that releases share

constexpr char const* kMesh = R"({"hosts":["web"],"http":[{"route":[{"destination":{"host":"web"}}],"timeout":"3s"}]})";
constexpr char const* kLedMesh =
    R"({"hosts":["web"],"http":[{"match":[{"headers":{"user":{"exact":"qa"}}}],"route":[{"destination":{"host":"web","subset":"canary"}}]},
        {"route":[{"destination":{"host":"web"}}],"timeout":"3s"}]})";
// The same requests, and what the rule does beside: upstream leaves that out.
constexpr char const* kLedOnMesh =
    R"({"hosts":["web"],"http":[{"match":[{"headers":{"user":{"exact":"qa"}}}],"route":[{"destination":{"host":"web","subset":"canary"}}],"timeout":"3s"},
        {"route":[{"destination":{"host":"web"}}],"timeout":"3s"}]})";
constexpr char const* kRule = R"({"host":"web","subsets":[{"labels":{"version":"base"},"name":"base"}]})";
constexpr char const* kLedRule =
    R"({"host":"web","subsets":[{"labels":{"version":"base"},"name":"base"},{"labels":{"istio.service.tag":"gray"},"name":"canary"}]})";

Task<Status> bring(KruiseWorld& led, meta::GroupVersionResource of, std::string kind, std::string spec) {
    Value object{json::Object{{"apiVersion", of.api_version()}, {"kind", kind}}};
    object["metadata"] =
        json::Object{{"name", "web"}, {"namespace", "default"}, {"labels", json::Object{{"team", "a"}}}};
    object["spec"] = *json::parse_value(spec);
    CO_TRY(co_await led.client->create(led.scope.context(), of, std::move(object)));
    co_return Status{};
}

// Healthy, and named by the Rollout.
Task<Status> share(KruiseWorld& led) {
    Context const ctx = led.scope.context();
    for (char const* kind : {"VirtualService", "DestinationRule"})
        CO_TRY(co_await led.client->create(ctx, kCrds, mesh_definition(kind)));
    CO_TRY(co_await async::sleep_for(ctx, 1s));
    CO_TRY(co_await bring(led, kMeshes, "VirtualService", kMesh));
    CO_TRY(co_await bring(led, kMeshRules, "DestinationRule", kRule));
    CO_TRY(co_await bring(led, kServices, "Service", R"({"selector":{"app":"web"},"ports":[{"port":80}]})"));
    for (auto const& each : {kMeshes, kMeshRules, kServices}) CO_TRY(co_await led.note_original(each));
    CO_TRY(co_await bring(led, apis::kTrafficRoutings, "TrafficRouting",
                          R"({"strategy":{"matches":[{"headers":[{"type":"Exact","name":"user","value":"qa"}]}]},
        "objectRef":[{"service":"web","gracePeriodSeconds":1,"customNetworkRefs":[
          {"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","name":"web"},
          {"apiVersion":"networking.istio.io/v1beta1","kind":"DestinationRule","name":"web"}]}]})"));
    CO_TRY(co_await led.led->merge_into(
        apis::kRollouts, "web",
        *json::parse_value(R"({"metadata":{"annotations":{"rollouts.kruise.io/trafficrouting":"web"}}})")));
    co_return Status{};
}

Task<Status> say(KruiseWorld& led, std::string phase, json::Array finalizers) {
    Value patch{json::Object()};
    patch.set({"metadata", "finalizers"}, std::move(finalizers));
    CO_TRY(co_await led.led->merge_into(apis::kTrafficRoutings, "web", std::move(patch)));
    Value status{json::Object()};
    status.set({"status"},
               json::Object{{"observedGeneration", 1}, {"phase", phase}, {"message", "TrafficRouting is " + phase}});
    CO_TRY(co_await led.client->patch(led.scope.context(), apis::kTrafficRoutings, kWeb, client::PatchType::kMerge,
                                      std::move(status), {.subresource = "status"}));
    co_return Status{};
}

Task<Status> lead_by_mesh(KruiseWorld& led, meta::GroupVersionResource of, std::string own, std::string spec) {
    Value object = (co_await led.led->get(of, "web")).thaw();
    object.set({"metadata", "annotations", kOriginal}, R"({"spec":)" + own + R"(,"labels":{"team":"a"}})");
    object["spec"] = *json::parse_value(spec);
    CO_TRY(co_await led.client->update(led.scope.context(), of, std::move(object)));
    co_return Status{};
}

// The release holds it, and it is in force.
Task<Status> hold(KruiseWorld& led) {
    CO_TRY(co_await say(led, "Progressing",
                        {apis::kTrafficRoutingFinalizer, std::string(apis::kHolderFinalizers) + "web"}));
    CO_TRY(co_await lead_by_mesh(led, kMeshes, kMesh, kLedMesh));
    co_return co_await lead_by_mesh(led, kMeshRules, kRule, kLedRule);
}

Task<Status> goes_on_shared(HandOver& it, Moment moment) {
    CO_TRY(co_await it.take_over());
    if (!it.pauses_from(moment).empty()) {
        CO_TRY(co_await async::sleep_for(it.ctx, 5s));
        Doc const mesh = co_await it.world.led->get(kMeshes, "web");
        Doc const rule = co_await it.world.led->get(kMeshRules, "web");
        EXPECT_EQ(mesh["spec"], *json::parse(kLedOnMesh));
        EXPECT_EQ(rule["spec"], *json::parse(kLedRule));
    }
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from(moment));
    co_return Status{};
}

CO_TEST(HandOverOfRequests, ASharedTrafficRoutingStaysInForceUntilTheReleaseEnds) {
    co_await each_of(ctx, some_kinds(), {nullptr}, [&](Kind const& kind, KruiseWorld& led) -> Task<Status> {
        CO_TRY(co_await share(led));
        CO_TRY(co_await at_each(ctx, kind, led, {{1, Point::kInitializing}}, goes_on_shared));
        CO_TRY(co_await hold(led));
        co_return co_await at_each(ctx, kind, led, leading(), goes_on_shared);
    });
}

// Kruise leaves it first of all, and the TrafficRouting's own controller puts back what it has led.
Task<Status> leaves_shared(Context ctx, Kind const& kind, KruiseWorld& led, Why why) {
    CO_TRY(co_await share(led));
    CO_TRY(co_await led.lead(1, Point::kInitializing));
    CO_TRY(co_await hold(led));
    bool const success = why == Why::kSuccess;
    CO_TRY(co_await led.lead(success ? KruiseWorld::kLast : 2, success ? Point::kCompleted : Point::kPaused));
    if (why == Why::kRollback && !kind.taken_back) co_return Status{};
    co_await play(ctx, kind, led, "held", [why](HandOver& it) -> Task<Status> {
        CO_TRY(co_await it.world.end(why));
        co_return co_await is_ended(it, why);
    });
    CO_TRY(co_await say(led, "Progressing", {apis::kTrafficRoutingFinalizer}));
    CO_TRY(co_await each_end(ctx, kind, led, why));
    CO_TRY(co_await say(led, "Finalizing", {apis::kTrafficRoutingFinalizer}));
    co_await play(ctx, kind, led, "finalizing", [why](HandOver& it) { return is_ended(it, why); });
    co_return Status{};
}

CO_TEST(HandOverOfRequests, ASharedTrafficRoutingIsLeftFromAnyStepOfTheEnd) {
    for (Why const why : {Why::kSuccess, Why::kRollback, Why::kDisabled, Why::kDeleted}) {
        co_await each_of(ctx, some_kinds(), {nullptr},
                         [&](Kind const& kind, KruiseWorld& led) { return leaves_shared(ctx, kind, led, why); });
    }
}

}   // namespace
}   // namespace aviary::member
