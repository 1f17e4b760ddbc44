#include "app/amc/describe_rollout.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"

namespace aviary::amc {
namespace {

using json::Doc;

Doc parse(char const* text) { return Doc::freeze(*json::parse_value(text)); }

constexpr char kRollout[] = R"({"metadata":{"name":"web","namespace":"demo"},
    "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"qwen"},
    "strategy":{"canary":{"enableExtraWorkloadForCanary":true,"steps":[{"replicas":"10%","traffic":"5%"},
    {"replicas":3,"matches":[{},{}],"pause":{"duration":60}},{"replicas":"100%"}]}}},
    "status":{"phase":"Progressing","message":"in step(1/3) and waits","canaryStatus":{"currentStepIndex":2,
    "currentStepState":"StepPaused","stableRevision":"aaa","canaryRevision":"bbb","podTemplateHash":"bbb",
    "canaryReplicas":1,"canaryReadyReplicas":1}}})";
constexpr char kWorkload[] = R"({"spec":{"replicas":10,"template":{"spec":{"containers":[{"name":"vllm",
    "image":"vllm:v2"}]}}}})";
constexpr char kPods[] = R"json({"columnDefinitions":[{"name":"Name"},{"name":"Ready"},{"name":"Status"},
    {"name":"Restarts"},{"name":"Age"}],"rows":[
    {"cells":["old-1","1/1","Running",0,"3h"],"object":{"metadata":{"name":"old-1","labels":{"pod-template-hash":"aaa",
    "rollouts.kruise.io/rollout-batch-id":"9"}}}},
    {"cells":["new-2","0/1","Pending",2,"1m"],"object":{"metadata":{"name":"new-2","labels":{"pod-template-hash":"bbb",
    "rollouts.kruise.io/rollout-batch-id":"10"}}}},
    {"cells":["new-1","1/1","Running","1 (5m ago)","5m"],"object":{"metadata":{"name":"new-1","labels":{
    "pod-template-hash":"bbb","rollouts.kruise.io/rollout-batch-id":"1"}}}}]})json";

TEST(DescribeRollout, SaysWhereItStandsAndWhichPodsAreOfWhichBatch) {
    EXPECT_EQ(describe_rollout(parse(kRollout), parse(kWorkload), parse(kPods)),
              R"text(Name:             web
Namespace:        demo
Workload:         deployment/qwen
Status:           Progressing
Message:          in step(1/3) and waits
Strategy:         Canary
Step:             2/3  StepPaused
Steps:
  STEP  REPLICAS  TRAFFIC    PAUSE                 STATE
  1     10%       5%         until it is approved  done
* 2     3         2 matches  60s                   StepPaused
  3     100%      -          until it is approved  -
Images:           vllm=vllm:v2
Stable revision:  aaa
Update revision:  bbb
Replicas:         10 wanted, 1 on the new version, 1 of them ready
Pods:
  NAME   READY  BATCH  REVISION  STATUS   RESTARTS    AGE
  new-1  1/1    1      bbb       Running  1 (5m ago)  5m
  new-2  0/1    10     bbb       Pending  2           1m
  old-1  1/1    -      aaa       Running  0           3h
)text");
}

// The controller counts what the workload has, which is the old version again.
TEST(DescribeRollout, OfWhatWasTakenBackCountsNoNewPods) {
    json::Value rollout = parse(kRollout).thaw();
    rollout.set({"status", "phase"}, "Healthy");
    rollout.set({"status", "canaryStatus", "canaryReplicas"}, 10);
    rollout.set({"status", "conditions"}, json::Array{json::Object{{"type", "Succeeded"}, {"status", "False"}}});
    std::string text = describe_rollout(Doc::freeze(rollout), parse(kWorkload), parse(kPods));
    EXPECT_NE(text.find("Replicas:         10 wanted; the new version was taken back\n"), std::string::npos) << text;
    rollout.set({"status", "conditions"}, json::Array{json::Object{{"type", "Succeeded"}, {"status", "True"}}});
    text = describe_rollout(Doc::freeze(rollout), parse(kWorkload), parse(kPods));
    EXPECT_NE(text.find("Replicas:         10 wanted, 10 on the new version, 1 of them ready\n"), std::string::npos);
}

TEST(DescribeRollout, NodesSayHowManyPodsADaemonSetHas) {
    std::string const text = describe_rollout(
        parse(kRollout), parse(R"({"kind":"DaemonSet","spec":{},"status":{"desiredNumberScheduled":4}})"), {});
    EXPECT_NE(text.find("Replicas:         4 wanted, 1 on"), std::string::npos) << text;
}

TEST(DescribeRollout, SaysWhatIsNotKnown) {
    std::string const text =
        describe_rollout(parse(R"({"metadata":{"name":"web"},"spec":{"disabled":true,"workloadRef":{"kind":"Deployment",
        "name":"qwen"},"strategy":{"blueGreen":{"steps":[{"replicas":"50%"}]}}},"status":{"phase":"Disabled",
        "blueGreenStatus":{"updatedRevision":"x"}}})"),
                         {}, {});
    for (char const* part :
         {"Workload:         deployment/qwen  (not there)\n", "Strategy:         BlueGreen, disabled\n",
          "Step:             -\n", "Update revision:  x\n", "Images:           -\n",
          "Replicas:         ? wanted, - on the new version, - of them ready\n", "Pods:  not known\n"})
        EXPECT_NE(text.find(part), std::string::npos) << part << text;
    EXPECT_NE(
        describe_rollout(parse(kRollout), {}, {}, "may not get").find("deployment/qwen  (not known: may not get)\n"),
        std::string::npos);
}

}   // namespace
}   // namespace aviary::amc
