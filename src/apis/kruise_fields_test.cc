// The fields that Kruise Rollouts has, one a line, against those of the definitions here, which may have more.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "apis/crds.h"
#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/hash.h"
#include "apis/rollouts/rollout.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::apis {
namespace {

using json::Value;
using Lines = std::set<std::string>;

std::string type_of(Value const& schema) {
    if (schema["x-kubernetes-int-or-string"].as_bool()) return "int or string";
    if (schema["x-kubernetes-preserve-unknown-fields"].as_bool()) return "anything";
    if (schema["additionalProperties"].is_object()) return "map";
    return schema["type"].string();
}

// "strategy.canary.steps[].replicas int or string": of everything below, and what it may be.
void describe(Value const& schema, std::string const& path, Lines& lines) {
    if (schema["type"].as_string() == "array") return describe(schema["items"], path + "[]", lines);
    for (auto const& [name, each] : schema["properties"].object()) {
        std::string line = fmt::format("{}{} {}", path.empty() ? "" : path + ".", name, type_of(each));
        for (Value const& required : schema["required"].array()) {
            if (required.as_string() == name) line += " required";
        }
        for (char const* key :
             {"default", "maxItems", "minLength", "maxLength", "pattern", "enum", "x-kubernetes-list-type"}) {
            if (each.contains(key)) line += fmt::format(" {}={}", key, json::write_canonical(each[key]));
        }
        lines.insert(std::move(line));
        describe(each, path.empty() ? name : path + "." + name, lines);
    }
}

Value version_of(std::string_view kind, std::string_view version) {
    for (Value const& crd : member_crds()) {
        if (crd.at({"spec", "names", "kind"}).as_string() != kind) continue;
        for (Value const& each : crd.at({"spec", "versions"}).array()) {
            if (each["name"].as_string() == version) return each;
        }
    }
    return Value();
}

// What of upstream's `part`, spec or status, is missing here, or is another here.
Lines missing(std::string_view kind, std::string_view version, char const* part, Lines const& upstream) {
    Lines here, result;
    Value const definition = version_of(kind, version);
    describe(definition.at({"schema", "openAPIV3Schema", "properties", part}), "", here);
    for (std::string const& line : upstream) {
        if (!here.contains(line)) result.insert(line);
    }
    return result;
}

Lines under(std::string const& path, Lines const& lines) {
    Lines result;
    for (std::string const& line : lines) result.insert(path + line);
    return result;
}

Lines together(std::initializer_list<Lines> parts) {
    Lines result;
    for (Lines const& each : parts) result.insert(each.begin(), each.end());
    return result;
}

Lines const kWorkload{"apiVersion string required", "kind string required", "name string required"};
Lines const kRoutings{
    "service string required",
    "gracePeriodSeconds integer default=3",
    "ingress object",
    "ingress.classType string",   // no default: it would be a change of the plan's hash
    "ingress.name string required",
    "gateway object",
    "gateway.httpRouteName string",
    "customNetworkRefs array",
    "customNetworkRefs[].apiVersion string required",
    "customNetworkRefs[].kind string required",
    "customNetworkRefs[].name string required",
};
std::string const kName =
    R"(name string required minLength=1 maxLength=256 pattern="^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$")";
Lines const kByValue{kName, "type string default=\"Exact\" enum=[\"Exact\",\"RegularExpression\"]"};
Lines const kHeaders = together({kByValue, {"value string required minLength=1 maxLength=4096"}});
Lines const kQueries = together({kByValue, {"value string required minLength=1 maxLength=1024"}});
Lines const kSetOrAdd{kName, "value string required minLength=1 maxLength=4096"};
Lines const kModifier = together(
    {{"set array maxItems=16 x-kubernetes-list-type=\"map\"", "add array maxItems=16 x-kubernetes-list-type=\"map\"",
      "remove array maxItems=16 x-kubernetes-list-type=\"set\""},
     under("set[].", kSetOrAdd),
     under("add[].", kSetOrAdd)});
Lines const kSteps = together({
    {"steps array maxItems=50", "steps[].replicas int or string", "steps[].traffic string",
     "steps[].matches array maxItems=16", "steps[].requestHeaderModifier object", "steps[].pause object",
     "steps[].pause.duration integer", "steps[].matches[].path object",
     "steps[].matches[].path.type string default=\"PathPrefix\" enum=[\"Exact\",\"PathPrefix\",\"RegularExpression\"]",
     "steps[].matches[].path.value string default=\"/\" maxLength=1024",
     "steps[].matches[].headers array maxItems=16 x-kubernetes-list-type=\"map\"",
     "steps[].matches[].queryParams array maxItems=16 x-kubernetes-list-type=\"map\""},
    under("steps[].matches[].headers[].", kHeaders),
    under("steps[].matches[].queryParams[].", kQueries),
    under("steps[].requestHeaderModifier.", kModifier),
});
Lines const kStrategy = together({kSteps,
                                  {"trafficRoutings array", "failureThreshold int or string",
                                   "trafficRoutingRef string", "disableGenerateCanaryService boolean"},
                                  under("trafficRoutings[].", kRoutings)});
Lines const kPatch{"patchPodTemplateMetadata object", "patchPodTemplateMetadata.annotations map",
                   "patchPodTemplateMetadata.labels map"};
Lines const kConditions{
    "conditions array",
    "conditions[].type string required",
    "conditions[].status string required",
    "conditions[].reason string",
    "conditions[].message string",
    "conditions[].lastUpdateTime string",
    "conditions[].lastTransitionTime string",
};
Lines const kRelease{"observedWorkloadGeneration integer",
                     "observedRolloutID string",
                     "rolloutHash string",
                     "stableRevision string",
                     "podTemplateHash string",
                     "currentStepIndex integer",
                     "nextStepIndex integer",
                     "finalisingStep string",
                     "currentStepState string",
                     "message string",
                     "lastUpdateTime string"};
Lines const kCanaryStatus =
    together({kRelease, {"canaryRevision string", "canaryReplicas integer", "canaryReadyReplicas integer"}});
Lines const kBlueGreenStatus =
    together({kRelease, {"updatedRevision string", "updatedReplicas integer", "updatedReadyReplicas integer"}});
Lines const kStatus = together({{"observedGeneration integer", "phase string", "message string", "canaryStatus object"},
                                kConditions,
                                under("canaryStatus.", kCanaryStatus)});

TEST(KruiseFields, SpecOfARollout) {
    EXPECT_EQ(missing("Rollout", "v1beta1", "spec",
                      together({{"workloadRef object required", "disabled boolean default=false",
                                 "strategy object required", "strategy.paused boolean", "strategy.canary object",
                                 "strategy.blueGreen object", "strategy.canary.enableExtraWorkloadForCanary boolean"},
                                under("workloadRef.", kWorkload),
                                under("strategy.canary.", kStrategy),
                                under("strategy.canary.", kPatch),
                                under("strategy.blueGreen.", kStrategy)})),
              Lines{});
}

TEST(KruiseFields, StatusOfARollout) {
    EXPECT_EQ(missing("Rollout", "v1beta1", "status",
                      together({kStatus,
                                {"currentStepIndex integer", "currentStepState string", "blueGreenStatus object"},
                                under("blueGreenStatus.", kBlueGreenStatus)})),
              Lines{});
}

TEST(KruiseFields, OfAnOlderRollout) {
    Lines const steps{
        "steps array",
        "steps[].weight integer",
        "steps[].replicas int or string",
        "steps[].pause object",
        "steps[].pause.duration integer",
        "steps[].requestHeaderModifier object",
        "steps[].matches array",
        "steps[].matches[].headers array maxItems=16",
        "failureThreshold int or string",
        "trafficRoutings array",
        "disableGenerateCanaryService boolean",
    };
    EXPECT_EQ(missing("Rollout", "v1alpha1", "spec",
                      together({{"objectRef object required", "objectRef.workloadRef object", "rolloutID string",
                                 "disabled boolean default=false", "strategy object required",
                                 "strategy.paused boolean", "strategy.canary object"},
                                under("objectRef.workloadRef.", kWorkload),
                                under("strategy.canary.", steps),
                                under("strategy.canary.", kPatch),
                                under("strategy.canary.trafficRoutings[].", kRoutings),
                                under("strategy.canary.steps[].requestHeaderModifier.", kModifier),
                                under("strategy.canary.steps[].matches[].headers[].", kHeaders)})),
              Lines{"strategy.canary.steps[].matches[].headers array maxItems=16"});
    EXPECT_EQ(missing("Rollout", "v1alpha1", "status", kStatus), Lines{});
}

Lines const kPlan = together({{"releasePlan object required", "releasePlan.batches array",
                               "releasePlan.batches[].canaryReplicas int or string required",
                               "releasePlan.batchPartition integer", "releasePlan.rolloutID string",
                               "releasePlan.failureThreshold int or string", "releasePlan.finalizingPolicy string"},
                              under("releasePlan.", kPatch)});
Lines const kBatchStatus = together(
    {{"canaryStatus object", "canaryStatus.batchState string", "canaryStatus.currentBatch integer",
      "canaryStatus.batchReadyTime string", "canaryStatus.updatedReplicas integer",
      "canaryStatus.updatedReadyReplicas integer", "canaryStatus.noNeedUpdateReplicas integer", "stableRevision string",
      "updateRevision string", "observedGeneration integer", "observedRolloutID string",
      "observedWorkloadReplicas integer", "collisionCount integer", "observedReleasePlanHash string", "phase string"},
     kConditions});

TEST(KruiseFields, OfABatchRelease) {
    EXPECT_EQ(missing("BatchRelease", "v1beta1", "spec",
                      together({kPlan,
                                {"workloadRef object", "releasePlan.rollingStyle string",
                                 "releasePlan.enableExtraWorkloadForCanary boolean"},
                                under("workloadRef.", kWorkload)})),
              Lines{});
    EXPECT_EQ(missing("BatchRelease", "v1beta1", "status", together({kBatchStatus, {"message string"}})), Lines{});
}

TEST(KruiseFields, OfAnOlderBatchRelease) {
    EXPECT_EQ(missing("BatchRelease", "v1alpha1", "spec",
                      together({kPlan,
                                {"targetReference object required", "targetReference.workloadRef object"},
                                under("targetReference.workloadRef.", kWorkload)})),
              Lines{});
    EXPECT_EQ(missing("BatchRelease", "v1alpha1", "status", kBatchStatus), Lines{});
}

TEST(KruiseFields, OfATrafficRouting) {
    EXPECT_EQ(missing("TrafficRouting", "v1alpha1", "spec",
                      together({{"objectRef array required", "strategy object required", "strategy.weight integer",
                                 "strategy.matches array", "strategy.requestHeaderModifier object"},
                                under("strategy.matches[].headers[].", kHeaders),
                                under("strategy.requestHeaderModifier.", kModifier),
                                under("objectRef[].", kRoutings)})),
              Lines{});
    EXPECT_EQ(missing("TrafficRouting", "v1alpha1", "status",
                      {"observedGeneration integer", "phase string", "message string"}),
              Lines{});
}

TEST(KruiseFields, OfARolloutHistory) {
    Lines const object{"name string required", "data anything"};
    EXPECT_EQ(
        missing("RolloutHistory", "v1alpha1", "spec",
                together({{"rollout object", "rollout.rolloutID string required", "workload object",
                           "workload.apiVersion string", "workload.kind string", "service object",
                           "trafficRouting object", "trafficRouting.ingress object", "trafficRouting.httpRoute object"},
                          under("rollout.", object),
                          under("workload.", object),
                          under("service.", object),
                          under("trafficRouting.ingress.", object),
                          under("trafficRouting.httpRoute.", object)})),
        Lines{});
    EXPECT_EQ(missing("RolloutHistory", "v1alpha1", "status",
                      {"phase string", "canarySteps array", "canarySteps[].canaryStepIndex integer",
                       "canarySteps[].pods array", "canarySteps[].pods[].name string", "canarySteps[].pods[].ip string",
                       "canarySteps[].pods[].nodeName string"}),
              Lines{});
}

// Its definitions insist on these in a status: clients of it count on them.
TEST(KruiseFields, WhatUpstreamInsistsOnIsAlwaysWritten) {
    auto const lacks = [](Value const& object, std::initializer_list<char const*> names) {
        std::string text;
        for (char const* name : names) {
            if (!object.contains(name)) text += std::string(name) + " ";
        }
        return text;
    };
    RolloutStatus status;
    status.conditions.emplace_back();
    status.canary_status.emplace();
    status.blue_green_status.emplace();
    Value const written = write_rollout_status(status);
    EXPECT_EQ(lacks(written, {"currentStepIndex", "currentStepState"}), "");
    EXPECT_EQ(lacks(written["conditions"][0], {"reason", "message"}), "");
    for (char const* part : {"canaryStatus", "blueGreenStatus"}) {
        EXPECT_EQ(lacks(written[part], {"podTemplateHash", "nextStepIndex", "finalisingStep", "currentStepState"}), "");
    }
    EXPECT_EQ(lacks(written["canaryStatus"], {"canaryRevision", "canaryReplicas", "canaryReadyReplicas"}), "");
    EXPECT_EQ(lacks(written["blueGreenStatus"], {"updatedRevision", "updatedReplicas", "updatedReadyReplicas"}), "");
    EXPECT_EQ(lacks(write_batch_release_status({})["canaryStatus"], {"currentBatch"}), "");
    EXPECT_EQ(lacks(write_batch_release_spec({})["releasePlan"], {"enableExtraWorkloadForCanary"}), "");
}

// A release that its controller began is taken for the same plan: by this hash. Worked out by hand from what it hashes.
TEST(KruiseFields, HashesAreThoseOfUpstream) {
    json::Doc const rollout = *json::parse(R"({"spec":{"strategy":{"canary":{
        "failureThreshold":1,"enableExtraWorkloadForCanary":true,
        "steps":[{"pause":{"duration":5},"replicas":"20%","traffic":"20%"},{"replicas":5,"pause":{}}],
        "trafficRoutings":[{"service":"a<b"}]}}}})");
    EXPECT_EQ(plan_hash(rollout), "vvc5z7wcd2fcxbfzc89v4999zd585b9x74zf5v7b79c74cdf66zw8b7zb6v95cww");
    json::Doc const batches = *json::parse(R"({"spec":{"releasePlan":{"batches":[{"canaryReplicas":"20%"}],
        "batchPartition":0,"rolloutID":"7","rollingStyle":"Partition"}}})");
    EXPECT_EQ(release_plan_hash(batches), "31a8a4073c5da8b4934e5371ffd9748155334462a1162eb4cec72a8325f7786f");
}

// What upstream 0.6.2 computes of these documents; an API server sorts the members of an object by key.
TEST(KruiseFields, HashesAreThoseOfUpstreamInAnyOrderOfMembers) {
    json::Doc const canary = *json::parse(R"({"spec":{"strategy":{"canary":{
        "failureThreshold":1,
        "patchPodTemplateMetadata":{"labels":{"z":"1","a":"2"},"annotations":{"q":"<w>"}},
        "trafficRoutings":[
          {"customNetworkRefs":[{"name":"vs","kind":"VirtualService","apiVersion":"networking.istio.io/v1alpha3"}],
           "gateway":{"httpRouteName":"web"},"gracePeriodSeconds":3,"ingress":{"name":"web","classType":"nginx"},
           "service":"web"},
          {"gracePeriodSeconds":0,"ingress":{"name":"other"},"service":"a<b"}],
        "steps":[
          {"pause":{"duration":5},"replicas":"20%","traffic":"20%",
           "requestHeaderModifier":{"add":[{"value":"v","name":"n"}],"remove":["x"],"set":[{"name":"s","value":"&"}]}},
          {"matches":[{"queryParams":[{"value":"1","name":"q","type":"Exact"}],
                       "headers":[{"name":"h","value":"v","type":"RegularExpression"},{"value":"w","name":"i"}],
                       "path":{"value":"/","type":"PathPrefix"}}],"pause":{},"replicas":0},
          {"traffic":"","replicas":5,"matches":[]}]}}}})");
    EXPECT_EQ(plan_hash(canary), "4w4822z2x84cw4zcww6f42w4vwx426vwbz5wzc5fd45cbvx6x4wfz4bx625vbz9x");
    json::Doc const blue_green = *json::parse(R"({"spec":{"strategy":{"blueGreen":{
        "disableGenerateCanaryService":true,"failureThreshold":"10%","trafficRoutingRef":"shared",
        "trafficRoutings":[{"gateway":{"httpRouteName":"web"},"gracePeriodSeconds":7,"service":"web"}],
        "steps":[{"replicas":"100%","traffic":"0%","pause":{}},
                 {"pause":{"duration":1},"traffic":"100%","replicas":"100%"}]}}}})");
    EXPECT_EQ(plan_hash(blue_green), "zdx48479666fxw5f6cb799d9b79vd4b6cfc5b6f9dwc542wbxz6w6bcf4cd2fz66");
    json::Doc const batches = *json::parse(R"({"spec":{"releasePlan":{
        "patchPodTemplateMetadata":{"labels":{"b":"1","a":"2"}},"rolloutID":"7","enableExtraWorkloadForCanary":true,
        "batches":[{"canaryReplicas":"20%"},{"canaryReplicas":3}],"rollingStyle":"Canary","failureThreshold":0,
        "batchPartition":0,"finalizingPolicy":"WaitResume"}}})");
    EXPECT_EQ(release_plan_hash(batches), "fa1e5a2a553dfde48bd4ee120a7f474401d8c376c47c93cf21d44f50d48056e2");
}

TEST(KruiseFields, KindsAreNamespacedAndHaveAStatus) {
    int kinds = 0;
    for (Value const& crd : member_crds()) {
        ++kinds;
        EXPECT_EQ(crd.at({"spec", "group"}).as_string(), "rollouts.kruise.io");
        EXPECT_EQ(crd.at({"spec", "scope"}).as_string(), "Namespaced");
        EXPECT_FALSE(crd.at({"spec", "names"}).contains("shortNames"));
        EXPECT_FALSE(crd.at({"spec", "names"}).contains("categories"));
        for (Value const& version : crd.at({"spec", "versions"}).array()) {
            EXPECT_TRUE(version["served"].as_bool());
            EXPECT_TRUE(version["subresources"].contains("status")) << json::write(crd["metadata"]);
            EXPECT_FALSE(version["subresources"].contains("scale"));
        }
    }
    EXPECT_EQ(kinds, 4);
}

TEST(KruiseFields, ColumnsOfATable) {
    auto const columns = [](std::string_view kind, std::string_view version) {
        std::string text;
        for (Value const& each : version_of(kind, version)["additionalPrinterColumns"].array())
            text += fmt::format("{}={} ", each["name"].as_string(), each["jsonPath"].as_string());
        return text;
    };
    std::string const age = "AGE=.metadata.creationTimestamp ";
    EXPECT_EQ(columns("Rollout", "v1beta1"),
              "STATUS=.status.phase CANARY_STEP=.status.currentStepIndex CANARY_STATE=.status.currentStepState "
              "MESSAGE=.status.message " +
                  age);
    EXPECT_EQ(columns("Rollout", "v1alpha1"),
              "STATUS=.status.phase CANARY_STEP=.status.canaryStatus.currentStepIndex "
              "CANARY_STATE=.status.canaryStatus.currentStepState MESSAGE=.status.message " +
                  age);
    std::string const batches =
        "PHASE=.status.phase BATCH=.status.canaryStatus.currentBatch BATCH-STATE=.status.canaryStatus.batchState " +
        age;
    EXPECT_EQ(columns("BatchRelease", "v1beta1"), "KIND=.spec.workloadRef.kind " + batches);
    EXPECT_EQ(columns("BatchRelease", "v1alpha1"), "KIND=.spec.targetReference.workloadRef.kind " + batches);
    EXPECT_EQ(columns("TrafficRouting", "v1alpha1"), "STATUS=.status.phase MESSAGE=.status.message " + age);
    EXPECT_EQ(columns("RolloutHistory", "v1alpha1"), "");
}

}   // namespace
}   // namespace aviary::apis
