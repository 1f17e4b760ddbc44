// What a release says, as tools of others read it: messages of the status and of conditions, events, and the steps of
// its end.
#include <gtest/gtest.h>

#include <functional>

#include "member/rollout/internal/routed_cluster.h"

namespace aviary::rollout {
namespace {

using namespace std::chrono_literals;

constexpr char const* kThree = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";
constexpr char const* kPlain = R"({"canary":{}})";

// A cluster that notes whatever is said, after each write.
struct Told : RoutedCluster {
    explicit Told(std::string const& style, std::string const& steps = kThree) : RoutedCluster(style, steps) {
        listen();
    }

    void listen() {
        Doc const status = get("rollouts")["status"];
        if (status["message"].exists()) messages.insert(status["message"].string());
        for (auto const& [key, each] : status["conditions"].elements()) {
            messages.insert(fmt::format("{}={}/{}: {}", each["type"].as_string(), each["status"].as_string(),
                                        each["reason"].as_string(), each["message"].as_string()));
        }
        std::string const step = status.at({status_part(), "finalisingStep"}).string();
        if (!step.empty() && (steps.empty() || steps.back() != step)) steps.push_back(step);
    }
    void go_on() {
        for (int round = 0; round < 200; ++round) {
            bool quiet = true;
            for (auto const& plan : {decide_rollout_now(), decide_batch_release_now(), decide_roll_now()}) {
                for (auto const& each : plan.events)
                    events.insert(fmt::format("{} {}: {}", each.type, each.reason, each.message));
                for (control::Write const& write : plan.writes) {
                    quiet = false;
                    control::Plan one;
                    one.writes.push_back(write);
                    if (!apply(one)) break;
                    listen();
                }
                settle();
            }
            if (!quiet) continue;
            auto const plan = decide_rollout_now();
            bool const grace = !plan.waits.empty() && plan.waits.front().reason == "TrafficRouting" && plan.requeue;
            if (!grace) return;
            now = plan.requeue->at;
        }
    }
    void begin_with(std::string const& image = "v2") {
        release(image);
        go_on();
    }
    void approve_it() {
        approve();
        go_on();
    }
    std::set<std::string> messages, events;
    std::vector<std::string> steps;
};

struct Case {
    char const* name;
    std::string style, steps;
    std::function<void(Told&)> story;
    std::vector<std::string> messages, events;
};

void approve_all(Told& told) {
    while (told.paused()) told.approve_it();
}

TEST(KruiseMessages, AreWordForWordAsToolsReadThem) {
    std::vector<Case> const cases{
        {"completed",
         kPlain,
         kThree,
         [](Told& told) {
             told.begin_with();
             approve_all(told);
         },
         {"workload deployment is completed", "Progressing=True/InRolling: Rollout is in Progressing",
          "Rollout is in step(1/3), and upgrade workload to new version",
          "Rollout is in step(1/3), and you need manually confirm to enter the next step",
          "Progressing=True/Finalising: Rollout has been completed and some closing work is being done",
          "Progressing=False/Completed: Rollout progressing has been completed", "Succeeded=True/: "},
         {"Normal Progressing: upgrade step(1) canary pods with new versions done",
          "Normal Progressing: upgrade step(3) canary pods with new versions done"}},
        {"for a time",
         kPlain,
         R"([{"replicas":"10%","pause":{"duration":30}},{"replicas":"100%"}])",
         [](Told& told) { told.begin_with(); },
         {"Rollout is in step(1/2), and wait duration(30 seconds) to enter the next step"},
         {}},
        {"taken back",
         kPlain,
         kThree,
         [](Told& told) {
             told.begin_with();
             told.begin_with("v1");
         },
         {"Progressing=True/Cancelling: The workload has been rolled back and the rollout process will be canceled",
          "Progressing=False/Completed: Rollout progressing has been canceled", "Succeeded=False/: "},
         {"Normal Progressing: workload has been rollback, then rollout is canceled"}},
        {"a third version",
         kPlain,
         kThree,
         [](Told& told) {
             told.begin_with();
             told.begin_with("v3");
         },
         {"Rollout is in step(1/3), and you need manually confirm to enter the next step"},
         {"Normal Progressing: workload continuous publishing canaryRevision, then restart publishing"}},
        {"refused",
         R"({"blueGreen":{}})",
         kThree,
         [](Told& told) {
             told.begin_with();
             told.begin_with("v3");
         },
         {"new version releasing detected in the progress of blue-green release, please rollback first"},
         {"Warning Progressing: new version releasing detected in the progress of blue-green release, please rollback "
          "first"}},
        {"paused",
         kPlain,
         kThree,
         [](Told& told) {
             told.begin_with();
             told.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
             told.go_on();
         },
         {"Progressing=True/Paused: Rollout has been paused, you can resume it by kube-cli"},
         {}},
        {"disabled and enabled",
         kPlain,
         kThree,
         [](Told& told) {
             told.begin_with();
             told.edit_rollout(R"({"spec":{"disabled":true}})");
             told.go_on();
             told.edit_rollout(R"({"spec":{"disabled":false}})");
             told.go_on();
         },
         {"Disabling rollout, release resources", "Rollout is disabled", "rollout is healthy"},
         {}},
        {"deleted",
         kPlain,
         kThree,
         [](Told& told) {
             told.begin_with();
             told.remove("rollouts", "web");
             told.go_on();
         },
         {"Terminating=True/InTerminating: Rollout is in terminating",
          "Terminating=False/Completed: Rollout is in terminating"},
         {}},
        {"routed",
         canary(kExtra),
         kSteps,
         [](Told& told) { told.begin_with(); },
         {"Rollout is in step(1/3), and route traffic to new version"},
         {}},
        {"not routed",
         canary(kExtra),
         R"([{"replicas":"10%","traffic":"5%"},{"replicas":"100%"}])",
         [](Told& told) {
             told.objects["httproutes"].clear();
             told.begin_with();
         },
         {"traffic is not routed: HTTPRoute demo/web does not exist: create it"},
         {"Warning TrafficNotRouted: traffic is not routed: HTTPRoute demo/web does not exist: create it"}},
        {"without its workload",
         kPlain,
         kThree,
         [](Told& told) {
             told.remove("deployments", "web");
             told.go_on();
         },
         {"Workload Not Found"},
         {}},
    };
    for (Case const& each : cases) {
        Told told(each.style, each.steps);
        each.story(told);
        for (std::string const& message : each.messages)
            EXPECT_TRUE(told.messages.contains(message)) << each.name << ": " << message << "\n"
                                                         << testing::PrintToString(told.messages);
        for (std::string const& event : each.events)
            EXPECT_TRUE(told.events.contains(event)) << each.name << ": " << event << "\n"
                                                     << testing::PrintToString(told.events);
    }
}

TEST(KruiseMessages, ABatchReleaseIsFollowedInWords) {
    Told told(kPlain);
    told.begin_with();
    Doc const status = told.get("rollouts").at({"status", "canaryStatus"});
    EXPECT_EQ(status["message"].string(), fmt::format("BatchRelease is at state Ready, rollout-id {}, step 1",
                                                      status["observedRolloutID"].string()));
}

// That it is `Initializing`, and `Workload is continuous release`, comes after that: traffic_routing_test.cc.
TEST(KruiseMessages, AThirdVersionIsInRollingUntilTheBatchReleaseOfTheOneBeforeIsGone) {
    Told told(kPlain);
    told.begin_with();
    told.release("v3");
    told.apply(told.decide_rollout_now());
    ASSERT_TRUE(told.get("batchreleases").at({"metadata", "deletionTimestamp"}).exists());
    EXPECT_EQ(told.decide_rollout_now().waits.front().reason, "Initializing");
    Doc const condition = meta::condition(told.get("rollouts"), apis::condition::kProgressing);
    EXPECT_EQ(condition["reason"].as_string(), "InRolling");
    EXPECT_EQ(condition["message"].as_string(), "Rollout is in Progressing");
}

// What the end of a completed release goes through; of a blue-green one.
std::vector<std::string> const kToStable{"RestoreStableService",   "FinalisingStepRouteTrafficToStable",
                                         "RemoveCanaryService",    "ResumeWorkload",
                                         "ReleaseWorkloadControl", "END"};
std::vector<std::string> const kToNew{"FinalisingStepRouteTrafficToNew",
                                      "RestoreStableService",
                                      "ResumeWorkload",
                                      "FinalisingStepRouteTrafficToStable",
                                      "RemoveCanaryService",
                                      "ReleaseWorkloadControl",
                                      "END"};

// Requests leave the pods before these are moved on the way back, and pods come first on the way to the new version.
TEST(KruiseMessages, TheStepsOfAnEndAreInUpstreamsOrder) {
    std::string const steps = R"([{"replicas":"10%","traffic":"5%"},{"replicas":"50%","traffic":"50%"}])";
    std::vector<std::string> const forward(kToStable.begin(), kToStable.end() - 1);   // with its Rollout goes the last
    std::vector<std::string> const back{"FinalisingStepRouteTrafficToStable",
                                        "ResumeWorkload",
                                        "ReleaseWorkloadControl",
                                        "RestoreStableService",
                                        "RemoveCanaryService",
                                        "END"};
    std::vector<std::string> const from_new{"FinalisingStepRouteTrafficToStable",
                                            "ResumeWorkload",
                                            "RestoreStableService",
                                            "RemoveCanaryService",
                                            "ReleaseWorkloadControl",
                                            "END"};
    auto const ends = [&steps](std::string const& style, std::function<void(Told&)> const& how) {
        Told told(style, steps);
        told.begin_with();
        told.steps.clear();
        how(told);
        return told.steps;
    };
    auto const all = [](Told& told) { approve_all(told); };
    auto const undo = [](Told& told) { told.begin_with("v1"); };
    auto const disable = [](Told& told) {
        told.edit_rollout(R"({"spec":{"disabled":true}})");
        told.go_on();
    };
    auto const remove = [](Told& told) {
        told.remove("rollouts", "web");
        told.go_on();
    };
    for (std::string const& style : {canary(kPartition), canary(kExtra)}) {
        EXPECT_EQ(ends(style, all), kToStable) << style;
        EXPECT_EQ(ends(style, disable), kToStable) << style;
        EXPECT_EQ(ends(style, remove), forward) << style;
        EXPECT_EQ(ends(style, undo), back) << style;
    }
    EXPECT_EQ(ends(blue_green(), all), kToNew);
    EXPECT_EQ(ends(blue_green(), undo), from_new);
    EXPECT_EQ(ends(blue_green(), disable), kToStable);
    EXPECT_EQ(ends(blue_green(), remove), forward);
}

// Anybody may write the status. What the step was to do, and had not done yet, is done.
TEST(KruiseMessages, AnEndInAStepThatIsNoneBeginsAgain) {
    for (auto const& [style, end] :
         {std::pair(canary(kPartition), kToStable), {canary(kExtra), kToStable}, {blue_green(), kToNew}}) {
        Told told(style, R"([{"replicas":"10%","traffic":"5%"},{"replicas":"50%","traffic":"50%"}])");
        told.begin_with();
        told.approve_it();
        told.approve();
        told.apply(told.decide_rollout_now(), 1);   // what it is about to do is on record, and no more
        ASSERT_EQ(told.get("rollouts").at({"status", told.status_part(), "finalisingStep"}).as_string(), end.front());
        told.edit_rollout(fmt::format(R"({{"status":{{"{}":{{"finalisingStep":"Sideways"}}}}}})", told.status_part()),
                          true);
        told.steps.clear();
        told.go_on();
        EXPECT_EQ(told.steps, end) << style;
        EXPECT_EQ(told.show(), "Healthy/2/Completed v2=10") << style;
        told.expect_restored();
    }
}

}   // namespace
}   // namespace aviary::rollout
