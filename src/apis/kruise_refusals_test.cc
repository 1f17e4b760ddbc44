// What validation refuses as Kruise Rollouts does, and kinds that are not released.
#include <gtest/gtest.h>

#include "apis/rollouts/validate.h"
#include "core/json/parse.h"

namespace aviary::apis {
namespace {

using json::Value;
using Lines = std::vector<std::string>;

Value rollout(std::string_view strategy, std::string_view reference = R"("apps/v1","kind":"Deployment")") {
    Value object =
        *json::parse_value(R"({"metadata":{"name":"web","namespace":"demo"},"spec":{"workloadRef":{"apiVersion":)" +
                           std::string(reference) + R"(,"name":"web"}}})");
    object.set({"spec", "strategy"}, *json::parse_value(strategy));
    return object;
}

Lines problems(Value const& object, Value const& old = {}, std::vector<json::Doc> const& others = {}) {
    Lines lines;
    for (FieldCause const& cause :
         validate_rollout(object, old.is_null() ? json::Doc() : json::Doc::freeze(old), others))
        lines.push_back(cause.field + ": " + cause.message);
    return lines;
}

constexpr char const* kOne = R"({"canary":{"steps":[{"replicas":1}]}})";

TEST(KruiseRefusals, OfBothStrategiesAndOfPlansThatTurnBack) {
    EXPECT_EQ(problems(rollout(R"({"canary":{"steps":[{"replicas":1}]},"blueGreen":{"steps":[{"replicas":1}]}})")),
              Lines{"spec.strategy: Canary and BlueGreen cannot both be set"});
    std::string const turns =
        "spec.strategy.canary.steps[1].replicas: Steps.CanaryReplicas must be a non decreasing sequence";
    EXPECT_EQ(problems(rollout(R"({"canary":{"steps":[{"replicas":3},{"replicas":2}]}})")), Lines{turns});
    EXPECT_EQ(problems(rollout(R"({"canary":{"steps":[{"replicas":"30%"},{"replicas":"20%"}]}})")), Lines{turns});
    EXPECT_EQ(problems(rollout(R"({"canary":{"steps":[{"replicas":3},{"replicas":"20%"},{"replicas":4}]}})")), Lines{});
    // Requests may turn back; of blue-green none at all may be led to the new version.
    EXPECT_EQ(problems(rollout(
                  R"({"canary":{"steps":[{"replicas":"30%","traffic":"30%"},{"replicas":"40%","traffic":"10%"}]}})")),
              Lines{});
    EXPECT_EQ(problems(rollout(R"({"blueGreen":{"steps":[{"replicas":"30%","traffic":"0%"}]}})")), Lines{});
    EXPECT_EQ(
        problems(rollout(R"({"blueGreen":{"steps":[{"replicas":"30%","traffic":"101%"}]}})")),
        Lines{"spec.strategy.blueGreen.steps[0].traffic: Invalid value: \"101%\": traffic must be percentage with "
              "\"0%\" <= traffic <= \"100%\""});
}

TEST(KruiseRefusals, OfWhatIsUnderWay) {
    constexpr char const* kRouted =
        R"({"canary":{"trafficRoutings":[{"service":"web","ingress":{"name":"web"}}],"steps":[{"replicas":1}]}})";
    for (char const* phase : {"Progressing", "Terminating"}) {
        Value old = rollout(kRouted);
        old.set({"status", "phase"}, phase);
        Value next = rollout(kRouted);
        next.set({"spec", "workloadRef", "name"}, "other");
        EXPECT_EQ(problems(next, old), Lines{"spec.workloadRef: Rollout 'ObjectRef' field is immutable"}) << phase;
        EXPECT_EQ(problems(rollout(kOne), old), Lines{"spec.strategy.canary.trafficRoutings: Rollout "
                                                      "'Strategy.Canary.TrafficRoutings' field is immutable"});
        next = rollout(kRouted);
        next.set({"spec", "strategy", "canary", "enableExtraWorkloadForCanary"}, true);
        EXPECT_EQ(problems(next, old), Lines{"spec.strategy.canary.enableExtraWorkloadForCanary: Rollout "
                                             "enableExtraWorkloadForCanary is immutable"});
        next = rollout(kRouted);
        next.set({"spec", "strategy", "canary", "steps"}, *json::parse_value(R"([{"replicas":1},{"replicas":2}])"));
        EXPECT_EQ(problems(next, old),
                  Lines{"spec.strategy.canary.steps: Rollout steps number is immutable while it is progressing"});
    }
    EXPECT_EQ(problems(rollout(kOne), rollout(kRouted)), Lines{});   // nothing is under way
}

TEST(KruiseRefusals, OfAWorkloadThatAnotherRolloutHas) {
    Value other = rollout(kOne, R"("apps/v1beta2","kind":"Deployment")");
    other.set({"metadata", "name"}, "first");
    other.set({"spec", "disabled"}, true);   // also then
    EXPECT_EQ(problems(rollout(kOne), {}, {json::Doc::freeze(other)}),
              Lines{"spec.workloadRef: This rollout conflict with Rollout(demo/first)"});
    other.set({"spec", "workloadRef", "name"}, "its-own");
    EXPECT_EQ(problems(rollout(kOne), {}, {json::Doc::freeze(other)}), Lines{});
}

TEST(KruiseRefusals, OfKindsThatAreNotReleased) {
    for (auto const& [reference, problem] : std::initializer_list<std::pair<char const*, char const*>>{
             {R"("apps/v1","kind":"ReplicaSet")",
              "releasing a ReplicaSet is not supported: its controller replaces no pods"},
             {R"("example.org/v1","kind":"GameSet")", "WorkloadRef kind is not supported"},
         })
        EXPECT_EQ(problems(rollout(kOne, reference)), Lines{std::string("spec.workloadRef: ") + problem});
    for (char const* reference :
         {R"("apps.kruise.io/v1alpha1","kind":"CloneSet")", R"("apps.kruise.io/v1alpha1","kind":"StatefulSet")",
          R"("apps.kruise.io/v1beta1","kind":"StatefulSet")", R"("apps.kruise.io/v1alpha1","kind":"DaemonSet")",
          R"("leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet")"})
        EXPECT_EQ(problems(rollout(kOne, reference)), Lines{}) << reference;
}

}   // namespace
}   // namespace aviary::apis
