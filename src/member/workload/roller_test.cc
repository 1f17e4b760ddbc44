#include "member/workload/roller.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/test_deployments.h"

namespace aviary::workload {
namespace {

using json::Doc;
using json::Value;
using meta::IntOrPercent;

struct Roll {
    std::string partition;
    Value rolling_update = value(R"({"maxSurge":"25%","maxUnavailable":"25%"})");
    std::int64_t replicas = 10;
    bool paused = false;
    std::vector<Value> sets;
};

Value rolling(Roll const& roll, std::string const& image = "v2") {
    Value object = deployment(image);
    object.set({"spec", "replicas"}, roll.replicas);
    object.set({"spec", "paused"}, true);
    object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    Value strategy{
        json::Object{{"rollingStyle", "Partition"}, {"rollingUpdate", roll.rolling_update}, {"paused", roll.paused}}};
    strategy["partition"] = roll.partition.ends_with('%') ? Value(roll.partition) : Value(std::stoll(roll.partition));
    object.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, json::write(strategy));
    object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"b1"})");
    object.set({"metadata", "labels", apis::kStableRevisionLabel}, "hv1");
    return object;
}

control::Plan plan_of(Roll const& roll, std::string const& image = "v2", Doc const& next = {}) {
    DeploymentInputs inputs{doc(rolling(roll, image)), {}, {}};
    for (Value const& set : roll.sets) inputs.replica_sets.push_back(doc(set));
    return decide_roll(inputs, doc(value(R"({"metadata":{"name":"web","uid":"b1"}})")), next);
}

std::string rolled(Roll const& roll, std::string const& image = "v2", Doc const& next = {}) {
    std::string text;
    for (control::Write const& write : plan_of(roll, image, next).writes) {
        if (write.verb == control::Write::Verb::kCreate) {
            text += fmt::format("create {} ", write.body.at({"spec", "replicas"}).as_int());
        } else if (write.verb == control::Write::Verb::kDelete) {
            text += "delete " + write.key.name + " ";
        } else {
            for (Value const& operation : write.body.array()) {
                if (operation["op"].as_string() == "add" && operation["path"].as_string() == "/spec/replicas")
                    text += fmt::format("{}={} ", write.key.name, operation["value"].as_int());
            }
        }
    }
    return text;
}

TEST(Roller, MovesWithinSurgeAndAvailability) {
    EXPECT_EQ(rolled({.partition = "10%", .sets = {replica_set("v1", 10, 10, 1)}}), "create 1 ");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 10, 10, 1)}}), "create 3 ");
    // Three are starting: two of ten may be missing, so two old ones may go. They make room for the last two.
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 10, 10, 1), replica_set("v2", 3, 0, 2)}}),
              "web-v1=8 web-v2=5 ");
    // With room for some all wait for what makes room, and start together.
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}),
              "web-v1=7 web-v2=5 ");
    // Where there is room for all, nothing that serves goes before they are wanted.
    EXPECT_EQ(rolled({.partition = "30%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}),
              "web-v2=3 web-v1=7 ");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 8, 8, 1), replica_set("v2", 3, 0, 2)}}),
              "web-v2=5 ");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 8, 8, 1), replica_set("v2", 5, 0, 2)}}), "");
    EXPECT_EQ(rolled({.partition = "50%", .sets = {replica_set("v1", 8, 8, 1), replica_set("v2", 5, 5, 2)}}),
              "web-v1=5 ");
    EXPECT_EQ(rolled({.partition = "100%", .sets = {replica_set("v1", 1, 1, 1), replica_set("v2", 10, 10, 2)}}),
              "web-v1=0 ");
}

// Of each write "web-v1 tests 9 of 9".
std::string tests(control::Plan const& plan) {
    std::string text;
    for (control::Write const& write : plan.writes) {
        text += write.key.name;
        for (Value const& operation : write.body.array()) {
            if (operation["op"].as_string() == "test")
                text += fmt::format(" {}", json::write(operation["value"]));
            else if (operation["path"].as_string() == "/spec/replicas")
                text += fmt::format("->{}", operation["value"].as_int());
        }
        text += "; ";
    }
    return text;
}

TEST(Roller, TestsWhatServesBeforePodsGo) {
    Roll roll{.partition = "30%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}};
    EXPECT_EQ(tests(plan_of(roll)), "web-v2 1 1->3; web-v1 9 9->7; ");
    roll.partition = "50%";
    EXPECT_EQ(tests(plan_of(roll)), "web-v2 1 1; web-v1 9 9->7; web-v2 1->5; ");
    // An empty set serves nobody; of what only grows nothing is counted on.
    roll.sets.push_back(replica_set("v0", 0, 0, 0));
    EXPECT_EQ(tests(plan_of(roll)), "web-v2 1 1; web-v1 9 9->7; web-v2 1->5; ");
    roll = {.partition = "30%", .sets = {replica_set("v1", 7, 7, 1), replica_set("v2", 1, 1, 2)}};
    EXPECT_EQ(tests(plan_of(roll)), "web-v1 7; web-v2 1->3; ");
}

TEST(Roller, GoesByWhatIsAboutToBeWrittenOfAWorkloadThatIsHeld) {
    std::vector<Value> const sets{replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)};
    Roll const now{.partition = "10%", .sets = sets};
    Doc const next = doc(rolling({.partition = "30%", .sets = {}}));
    EXPECT_EQ(rolled(now), "");
    EXPECT_EQ(rolled(now, "v2", next), "web-v2=3 web-v1=7 ");
    // A template that waits for its first step goes by what is stored alone, and what is let go by nothing to come.
    Roll const waiting{.partition = "10%", .paused = true, .sets = sets};
    EXPECT_EQ(rolled(waiting, "v3", doc(rolling({.partition = "30%", .sets = {}}, "v3"))), "");
    EXPECT_EQ(rolled(now, "v2", doc(rolling({.partition = "30%", .paused = true, .sets = {}}))), "");
    EXPECT_EQ(rolled(now, "v2", doc(deployment("v2"))), "");
}

TEST(Partition, IsSettledOnceTheOldPodsHaveGone) {
    auto const settled = [](int old_pods, std::int64_t old_status, int new_pods, std::int64_t new_status) {
        DeploymentInputs inputs{doc(deployment("v2")), {}, {}};
        auto const add = [&inputs](std::string const& image, int pods, std::int64_t status, int age) {
            Value set = replica_set(image, 5, 5, age);
            set["status"]["replicas"] = status;
            inputs.replica_sets.push_back(doc(set));
            for (int index = 0; index < pods; ++index) {
                Value pod = value(R"({"metadata":{"namespace":"demo"}})");
                pod.set({"metadata", "name"}, fmt::format("{}-{}", image, index));
                pod.set(
                    {"metadata", "ownerReferences"},
                    json::Array{json::Object{{"kind", "ReplicaSet"}, {"uid", "uid-" + image}, {"controller", true}}});
                inputs.pods.push_back(doc(pod));
            }
        };
        add("v1", old_pods, old_status, 1);
        add("v2", new_pods, new_status, 2);
        return observe_deployment(std::move(inputs), {}, Time{})->facts().settled;
    };
    EXPECT_TRUE(settled(5, 5, 5, 5));
    EXPECT_TRUE(settled(5, 7, 5, 5)) << "their ReplicaSet has yet to say so";
    EXPECT_FALSE(settled(7, 5, 5, 5));
    EXPECT_FALSE(settled(5, 5, 5, 4)) << "what is new is counted by its ReplicaSet";
}

// Its count of available pods holds some that are about to go.
TEST(Roller, DoesNotGrowWhatIsStillShrinking) {
    Value shrinking = replica_set("v1", 3, 5, 1);
    shrinking.set({"status", "replicas"}, 5);
    EXPECT_EQ(
        rolled({.partition = "10%", .sets = {shrinking, replica_set("v2", 5, 5, 2), replica_set("v3", 1, 1, 3)}}, "v3"),
        "web-v2=4 ");
    EXPECT_EQ(rolled({.partition = "10%",
                      .sets = {replica_set("v1", 3, 3, 1), replica_set("v2", 5, 5, 2), replica_set("v3", 1, 1, 3)}},
                     "v3"),
              "web-v2=4 web-v1=8 ");
}

// What is written where a Deployment of one version is to have `replicas`, and its ReplicaSet has `pods`, since it was
// scaled for `noted`.
std::vector<control::Write> resized(std::int64_t replicas, std::int64_t pods, std::int64_t noted,
                                    bool may_be_old = false) {
    Value object = deployment("v2");
    object.set({"spec", "replicas"}, replicas);
    object.set({"spec", "paused"}, true);
    object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    object.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation},
               R"({"rollingStyle":"Partition","partition":"100%","paused":false})");
    object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, R"({"uid":"b1"})");
    Value set = replica_set("v2", pods, pods, 1);
    set.set({"metadata", "annotations", "deployment.kubernetes.io/desired-replicas"}, std::to_string(noted));
    set.set({"metadata", "annotations", "deployment.kubernetes.io/max-replicas"}, std::to_string(noted + 1));
    DeploymentInputs inputs{doc(object), {doc(set)}, {}};
    inputs.may_be_old = may_be_old;
    return decide_roll(inputs, doc(value(R"({"metadata":{"name":"web","uid":"b1"}})"))).writes;
}

// The native controller compares them with the Deployment's replicas, and takes a difference for a scaling.
TEST(Roller, NotesTheReplicasOnSetsThatStayAsTheyAre) {
    EXPECT_EQ(resized(1, 1, 1).size(), 0U);
    EXPECT_EQ(resized(2, 1, 1).size(), 1U);
}

// Its sets have been scaled for ten since: the copy that says three may be older than they are. So may one of which
// nothing has been heard since its server was away.
TEST(Roller, TakesNoPodsForASizeThatMayNotBeAskedForAnyMore) {
    auto const first = [](std::int64_t noted, bool may_be_old = false) {
        auto const writes = resized(3, 10, noted, may_be_old);
        return writes.empty() ? "" : writes.front().resource.resource + " " + json::write(writes.front().body);
    };
    EXPECT_EQ(first(10), R"(deployments [{"op":"test","path":"/spec/replicas","value":3}])");
    EXPECT_TRUE(first(3).starts_with("replicasets ")) << first(3);
    EXPECT_EQ(first(3, true), first(10));
}

TEST(Roller, AlwaysStartsWithOneSoThatTheOldSetIsNotAlone) {
    EXPECT_EQ(rolled({.partition = "10%",
                      .rolling_update = value(R"({"maxSurge":0,"maxUnavailable":1})"),
                      .sets = {replica_set("v1", 10, 10, 1)}}),
              "create 1 ");
}

TEST(Roller, DoesNotGoFurtherThanTheShare) {
    EXPECT_EQ(rolled({.partition = "10%", .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}), "");
    // Scaling keeps the share, up and down.
    EXPECT_EQ(
        rolled({.partition = "50%", .replicas = 20, .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}}),
        "web-v1=10 web-v2=10 ");
    EXPECT_EQ(
        rolled({.partition = "50%", .replicas = 4, .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}}),
        "web-v1=2 web-v2=2 ");
    // A template that no step has asked for yet stays out.
    EXPECT_EQ(
        rolled({.partition = "50%", .paused = true, .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2)}},
               "v3"),
        "");
}

TEST(Roller, ReplacesVersionsInBetweenByTheStableOne) {
    EXPECT_EQ(rolled({.partition = "10%",
                      .sets = {replica_set("v1", 5, 5, 1), replica_set("v2", 5, 5, 2), replica_set("v3", 1, 1, 3)}},
                     "v3"),
              "web-v2=2 web-v1=9 ");
    EXPECT_EQ(rolled({.partition = "10%",
                      .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 0, 2), replica_set("v3", 1, 1, 3)}},
                     "v3"),
              "web-v2=0 ");
}

// One in between that were alone would get every pod that the workload is scaled up by.
TEST(Roller, LeavesAPodOfTheStableVersionBesideOnesInBetween) {
    std::vector<Value> const sets{replica_set("v1", 7, 7, 1), replica_set("v2", 5, 5, 2)};
    EXPECT_EQ(rolled({.partition = "50%", .replicas = 5, .paused = true, .sets = sets}, "v3"), "web-v1=1 web-v2=4 ");
    EXPECT_EQ(rolled({.partition = "50%", .replicas = 1, .paused = true, .sets = sets}, "v3"), "web-v1=1 web-v2=0 ");
    std::vector<Value> const two{replica_set("v1", 6, 6, 1), replica_set("v2", 3, 3, 2), replica_set("v3", 3, 3, 3)};
    EXPECT_EQ(rolled({.partition = "50%", .replicas = 5, .paused = true, .sets = two}, "v4"), "web-v1=1 web-v2=1 ");
}

TEST(Roller, LetsNothingComeBackFromZeroInTheNewVersion) {
    EXPECT_EQ(
        rolled({.partition = "10%", .replicas = 0, .sets = {replica_set("v1", 9, 9, 1), replica_set("v2", 1, 1, 2)}}),
        "delete web-v2 web-v1=0 ");
    EXPECT_EQ(
        rolled({.partition = "10%", .replicas = 0, .sets = {replica_set("v1", 0, 0, 1), replica_set("v2", 1, 1, 2)}}),
        "delete web-v2 ");
    EXPECT_EQ(
        rolled({.partition = "10%", .replicas = 0, .sets = {replica_set("v1", 0, 0, 1), replica_set("v2", 0, 0, 2)}}),
        "delete web-v2 ");
    // The native controller would give them to the newest empty one: rejected versions go too, older ones stay.
    std::vector<Value> const empty{replica_set("v0", 0, 0, 1), replica_set("v1", 0, 0, 2), replica_set("v2", 0, 0, 3),
                                   replica_set("v3", 0, 0, 4)};
    EXPECT_EQ(rolled({.partition = "10%", .replicas = 0, .sets = empty}, "v3"), "delete web-v2 delete web-v3 ");
    // Also while the newest waits for its first step.
    EXPECT_EQ(rolled({.partition = "50%", .replicas = 0, .paused = true, .sets = empty}, "v4"),
              "delete web-v2 delete web-v3 ");
    EXPECT_EQ(rolled({.partition = "100%", .replicas = 0, .sets = empty}, "v3"), "");
}

// Beside an empty stable set the new one would be alone, and the native controller would give it everything.
TEST(Roller, ComesBackFromZeroWithTheStableVersionFirst) {
    EXPECT_EQ(rolled({.partition = "10%", .sets = {replica_set("v1", 0, 0, 1)}}), "web-v1=9 create 1 ");
    EXPECT_EQ(rolled({.partition = "100%", .sets = {replica_set("v1", 0, 0, 1)}}), "create 10 ");
    // A version in between serves: nothing beyond the surge, nor what still reports pods that are about to go.
    Value leaving = replica_set("v1", 0, 4, 1);
    leaving.set({"status", "replicas"}, 4);
    EXPECT_EQ(rolled({.partition = "10%", .sets = {leaving, replica_set("v2", 10, 10, 2)}}, "v3"), "create 1 ");
}

TEST(RollerLaw, EndsAtTheShareAndKeepsEnoughAvailable) {
    rc::check([] {
        std::int64_t const replicas = *rc::gen::inRange<std::int64_t>(1, 20);
        std::int64_t const surge = *rc::gen::inRange<std::int64_t>(0, 5);
        std::int64_t const unavailable = *rc::gen::inRange<std::int64_t>(surge == 0 ? 1 : 0, 5);
        IntOrPercent const partition{*rc::gen::inRange<std::int64_t>(1, 101), true};
        std::int64_t sizes[3] = {*rc::gen::inRange<std::int64_t>(0, replicas + 1), 0,
                                 0};   // v1 stable, v2 in between, v3 new
        sizes[1] = *rc::gen::inRange<std::int64_t>(0, replicas - sizes[0] + 1);
        if (sizes[0] + sizes[1] < replicas) sizes[0] = replicas - sizes[1];
        std::int64_t const limit = deployment_share_of(partition, replicas);
        std::int64_t const minimum = replicas - std::min(unavailable, replicas);
        std::int64_t ready[3] = {sizes[0], sizes[1], 0};
        for (int round = 0; round < 200; ++round) {
            Roll roll{.partition = partition.to_string(), .replicas = replicas};
            roll.rolling_update = json::Object{{"maxSurge", surge}, {"maxUnavailable", unavailable}};
            for (int index = 0; index < 3; ++index) {
                if (index < 2 || sizes[2] > 0)
                    roll.sets.push_back(
                        replica_set(fmt::format("v{}", index + 1), sizes[index], ready[index], index + 1));
            }
            std::string const plan = rolled(roll, "v3");
            for (std::string_view const each : split(plan, ' ')) {
                if (each.empty()) continue;
                if (each.starts_with("web-v")) sizes[each[5] - '1'] = *parse_int(each.substr(7));
                if (plan.starts_with("create ") && each != "create") sizes[2] = *parse_int(each);
                for (int index = 0; index < 3; ++index) ready[index] = std::min(ready[index], sizes[index]);
                RC_ASSERT(sizes[2] <= limit);
                RC_ASSERT(ready[0] + ready[1] + ready[2] >= minimum);
                RC_ASSERT(sizes[0] + sizes[1] + sizes[2] <=
                          std::max(replicas + std::max<std::int64_t>(surge, 1), replicas));
            }
            bool quiet = plan.empty();
            int const lucky = *rc::gen::inRange(0, 3);   // one set's next pod becomes ready
            for (int index = 0; index < 3; ++index) {
                if (ready[index] == sizes[index]) continue;
                quiet = false;
                if (index == lucky || round % 3 == 0) ++ready[index];
            }
            if (quiet) break;
        }
        RC_ASSERT(sizes[2] == limit);
        RC_ASSERT(sizes[1] == 0);
        RC_ASSERT(sizes[0] == replicas - limit);
    });
}

}   // namespace
}   // namespace aviary::workload
