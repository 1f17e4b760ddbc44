#include "hub/propagation/decide.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "apis/rollouts/keys.h"
#include "core/json/write.h"
#include "hub/propagation/internal/fake_member.h"
#include "hub/propagation/release_state.h"

namespace aviary::propagation {
namespace {

using namespace std::chrono_literals;
using control::Write;
using json::Doc;
using json::Value;

// A hub whose workload runs v1 in the member, at rest.
FakeHub at_rest(bool with_rollout = true, std::string const& kind = "Deployment") {
    FakeHub hub(with_rollout, kind);
    EXPECT_EQ(hub.run(), "new here");
    EXPECT_EQ(hub.state(), "Applied");
    return hub;
}

// … that releases v2 there.
FakeHub in_release() {
    FakeHub hub = at_rest();
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "freeze; a new template");
    hub.phase("Progressing", "InRolling");
    EXPECT_EQ(hub.run(), "");
    return hub;
}

// Of each kind that the guard can hold back.
class EachKind : public testing::TestWithParam<std::string> {
protected:
    FakeHub at_rest(bool with_rollout = true) { return propagation::at_rest(with_rollout, GetParam()); }
};
std::string const kKinds[] = {"Deployment", "StatefulSet", "CloneSet", "LeaderWorkerSet", "GameSet"};
class Guard : public EachKind {};
class Freeze : public EachKind {};
class TakeBack : public EachKind {};
INSTANTIATE_TEST_SUITE_P(Of, Guard, testing::ValuesIn(kKinds), [](auto const& of) { return of.param; });
INSTANTIATE_TEST_SUITE_P(Of, Freeze, testing::ValuesIn(kKinds), [](auto const& of) { return of.param; });
INSTANTIATE_TEST_SUITE_P(Of, TakeBack, testing::ValuesIn(kKinds), [](auto const& of) { return of.param; });

std::string label(FakeHub const& hub, std::string_view key) { return meta::label(hub.member.live(), key); }

// ---- create, change, drift ----

TEST(Decide, CreatesWithLabelsAndThenRests) {
    FakeHub hub(false);
    Decision const decision = hub.decide_now();
    ASSERT_EQ(decision.plan.writes.size(), 1u);
    Write const& write = decision.plan.writes[0];
    EXPECT_EQ(write.verb, Write::Verb::kApply);
    EXPECT_EQ(write.field_manager, kManager);
    EXPECT_FALSE(write.force);
    EXPECT_EQ(write.body.at({"metadata", "labels", kHubLabel}).as_string(), "fleet");
    EXPECT_EQ(write.body.at({"metadata", "labels", kTemplateLabel}).as_string(), hub.hash());
    EXPECT_EQ(hub.run(), "new here");
    EXPECT_EQ(hub.state(), "Applied");
}

TEST(Decide, AChangeOnTheHubIsAppliedByForce) {
    FakeHub hub = at_rest(false);
    hub.edit([](Value& object) { object.set({"spec", "replicas"}, 12); });
    Decision const decision = hub.decide_now();
    ASSERT_EQ(decision.plan.writes.size(), 1u);
    EXPECT_TRUE(decision.plan.writes[0].force);
    EXPECT_EQ(decision.state, State::kApplying);
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.member.object.at({"spec", "replicas"}).as_int(), 12);
    // Touched, and the same render.
    hub.edit([](Value& object) {
        object.set({"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"}, "x");
    });
    EXPECT_EQ(hub.run(), "");
}

TEST(Decide, DriftIsAFieldThatSomebodyElseHasChanged) {
    struct Case {
        char const* edit;
        char const* subresource;
        char const* done;
    };
    for (Case const& each : std::vector<Case>{
             {R"({"spec":{"replicas":3}})", "", "drift"},
             {R"({"spec":{"replicas":3}})", "scale", "drift"},
             {R"({"spec":{"replicas":null}})", "", "drift"},
             {R"({"metadata":{"labels":{"app":"other"}}})", "", "drift"},
             // The member's own: another field, an annotation, a status.
             {R"({"spec":{"revisionHistoryLimit":3}})", "", ""},
             {R"({"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}})", "", ""},
             {R"({"status":{"replicas":3}})", "status", ""},
         }) {
        FakeHub hub = at_rest();
        hub.member.edit("kubectl-edit", each.edit, each.subresource);
        EXPECT_EQ(hub.run(), each.done) << each.edit;
        EXPECT_EQ(hub.member.object.at({"spec", "replicas"}).as_int(), 10) << each.edit;
        EXPECT_EQ(hub.state(), "Applied") << each.edit;
    }
}

TEST(Decide, DriftIsPutRightFiveTimesAMinuteThenSaysWho) {
    FakeHub hub = at_rest();
    Time const begin = hub.member.now;
    for (int count = 0; count < 5; ++count) {
        hub.member.edit("autoscaler", R"({"spec":{"replicas":3}})");
        EXPECT_EQ(hub.run(), "drift");
        hub.member.now += 1s;
    }
    hub.member.edit("autoscaler", R"({"spec":{"replicas":3}})");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Conflict/Drift");
    EXPECT_EQ(hub.last.message, "spec.replicas was changed by autoscaler again and again: tried again within a minute");
    ASSERT_TRUE(hub.last.plan.requeue);
    EXPECT_EQ(hub.last.plan.requeue->at, begin + 64s);
    // A change on the hub is no drift.
    hub.edit([](Value& object) { object.set({"spec", "replicas"}, 12); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    hub.member.edit("autoscaler", R"({"spec":{"replicas":3}})");
    hub.member.now = begin + 64s;
    EXPECT_EQ(hub.run(), "drift");
}

TEST(Decide, AHoldKeepsAnEmergencyEditUntilItEnds) {
    char const* const kEdit =
        R"({"metadata":{"annotations":{"fleet.aviary.dev/hold":"2026-11-23T14:05:00Z;bob;surge"}},"spec":{"replicas":30}})";
    FakeHub hub = at_rest();
    hub.member.edit("kubectl-edit", kEdit);
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Held/Held");
    EXPECT_EQ(hub.last.message, "held until 2026-11-23T14:05:00Z by bob: surge");
    // A change on the hub would take the edit away as well; so would a new template.
    hub.edit([](Value& object) { object.set({"metadata", "labels", "tier"}, "a"); });
    EXPECT_EQ(hub.run(), "");
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Held/Held");
    ASSERT_TRUE(hub.last.plan.requeue) << "nobody else says when it is over";
    EXPECT_EQ(hub.last.plan.requeue->at, hub.member.now + 5min);
    hub.member.now += 5min;
    EXPECT_EQ(hub.run(), "freeze; a new template");
    EXPECT_EQ(hub.member.object.at({"spec", "replicas"}).as_int(), 10);
    for (char const* text : {"", "2026-11-23T13:05:00Z;bob;over", "tomorrow;bob;why"}) {
        FakeHub other = at_rest();
        other.member.edit(
            "kubectl-edit",
            fmt::format(R"({{"metadata":{{"annotations":{{"fleet.aviary.dev/hold":"{}"}}}},"spec":{{"replicas":30}}}})",
                        text));
        EXPECT_EQ(other.run(), "drift") << text;
    }
}

TEST(Decide, AHoldOnTheHubHoldsEverywhere) {
    FakeHub hub = at_rest();
    hub.edit([](Value& object) { object.set({"metadata", "annotations", kHold}, "2026-11-23T14:05:00Z;bob;audit"); });
    hub.member.edit("kubectl-edit", R"({"spec":{"replicas":30}})");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Held/Held");
}

TEST(Decide, ReplicasUnderAnAutoscalerAreTheMembers) {
    FakeHub hub = at_rest();
    hub.change = [](Observed& seen) { seen.replicas_belong_to_member = true; };
    EXPECT_EQ(hub.run(), "") << "nothing to say while it has not scaled";
    hub.member.edit("autoscaler", R"({"spec":{"replicas":17}})", "scale");
    EXPECT_EQ(hub.run(), "changed on the hub");
    hub.edit([](Value& object) { object.set({"spec", "replicas"}, 12); });
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.member.object.at({"spec", "replicas"}).as_int(), 17);
}

// ---- whose it is ----

TEST(Decide, WhatIsNotOursIsNotTouched) {
    struct Case {
        char const* label;
        bool overwrite;
        char const* state;
        char const* done;
    };
    for (Case const& each : std::vector<Case>{
             {"null", false, "Conflict/AlreadyExists", ""},
             {"null", true, "Applied", "changed on the hub"},
             {R"("other")", false, "Conflict/OtherHub", ""},
             {R"("other")", true, "Conflict/OtherHub", ""},
         }) {
        FakeHub hub = at_rest(false);
        hub.member.edit("kubectl",
                        fmt::format(R"({{"metadata":{{"labels":{{"fleet.aviary.dev/hub":{}}}}}}})", each.label));
        hub.change = [&](Observed& seen) { seen.overwrite = each.overwrite; };
        EXPECT_EQ(hub.run(), each.done) << each.label << each.overwrite;
        EXPECT_EQ(hub.state(), each.state) << each.label << each.overwrite;
    }
}

TEST(Decide, AHubThatIsBehindItsMembersStopsWriting) {
    FakeHub hub = at_rest();
    hub.member.edit("aviary-hub", R"({"metadata":{"labels":{"fleet.aviary.dev/generation":"1.999"}}})");
    EXPECT_EQ(hub.decide_now().state, State::kApplying) << "the same render: only the label was edited";
    hub.member.edit("aviary-hub", R"({"metadata":{"labels":{"fleet.aviary.dev/render":"later"}}})");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "BehindMembers/BehindMembers");
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "");
    hub.edit([](Value& object) { object.set({"metadata", "labels", "tier"}, "a"); });
    hub.source.set({"metadata", "resourceVersion"}, "1000");
    EXPECT_EQ(hub.run(), "freeze; a new template") << "ahead again";
}

TEST(Decide, WhatIsNotServedOrGoingIsWaitedFor) {
    FakeHub hub = at_rest();
    hub.set_image("v2");
    hub.change = [](Observed& seen) { seen.resource_served = false; };
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "NotServed/NotServed");
    hub.change = {};
    hub.member.edit("gc", R"({"metadata":{"deletionTimestamp":"2026-11-23T14:00:00Z"}})");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Applying/Terminating");
}

// ---- away ----

TEST(Decide, RemovesItsOwnAlone) {
    struct Case {
        char const* edit;
        bool preserve;
        char const* done;
        char const* state;
    };
    for (Case const& each : std::vector<Case>{
             {"{}", false, "no longer placed here", "Removed"},
             {"{}", true, "preserveResourcesOnDeletion", "Removed"},
             {R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"other"}}})", false, "", "Removed"},
             {R"({"metadata":{"labels":{"fleet.aviary.dev/hub":null}}})", false, "", "Removed"},
             {R"({"metadata":{"deletionTimestamp":"2026-11-23T14:00:00Z"}})", false, "", "Removing"},
         }) {
        for (bool const unplaced : {false, true}) {
            FakeHub hub = at_rest();
            hub.member.edit("kubectl", each.edit);
            hub.change = [&](Observed& seen) {
                seen.preserve_on_deletion = each.preserve;
                if (unplaced) {
                    seen.placed = false;
                } else {
                    seen.source = {};
                }
            };
            EXPECT_EQ(hub.run(), each.done) << each.edit;
            EXPECT_EQ(hub.state(), each.state) << each.edit;
            if (each.preserve) {
                EXPECT_EQ(json::write(hub.member.object.at({"metadata", "labels"})), R"({"app":"web"})");
            }
        }
    }
}

TEST(Decide, ADeletionNamesTheObjectThatWasSeen) {
    FakeHub hub = at_rest();
    hub.change = [](Observed& seen) { seen.placed = false; };
    Decision const decision = hub.decide_now();
    ASSERT_EQ(decision.plan.writes.size(), 1u);
    EXPECT_EQ(decision.plan.writes[0].delete_options.uid, "uid-1");
    EXPECT_EQ(decision.plan.writes[0].delete_options.resource_version, "");
}

TEST(Decide, AFreezeIsLiftedBeforeAWorkloadIsLeftToItself) {
    FakeHub hub = at_rest();
    hub.set_image("v2");
    EXPECT_EQ(hub.step(), "freeze");
    hub.change = [](Observed& seen) {
        seen.source = {};
        seen.hub_rollout = {};
        seen.member_rollout = {};
        seen.preserve_on_deletion = true;
    };
    EXPECT_EQ(hub.run(), "lift the freeze; preserveResourcesOnDeletion");
    EXPECT_FALSE(hub.held());
}

// A Rollout in a member, and its workload.
struct RolloutCase {
    char const* phase;
    char const* workload;   // of the member
    char const* on_delete;
    bool refused;
};
constexpr char kRest[] = R"({"apiVersion":"apps/v1","kind":"Deployment","spec":{}})";
constexpr char kReleasing[] =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"rollouts.kruise.io/in-progressing":"{}"}}})";
constexpr char kFrozen[] =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"managedFields":[{"manager":"aviary-freeze","operation":"Apply","fieldsV1":{"f:spec":{"f:paused":{}}}}]},"spec":{"paused":true}})";
constexpr char kFrozenSet[] =
    R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"managedFields":[{"manager":"aviary-freeze","operation":"Apply",
    "fieldsV1":{"f:spec":{"f:updateStrategy":{"f:rollingUpdate":{"f:partition":{}}}}}}]},
    "spec":{"updateStrategy":{"rollingUpdate":{"partition":32767}}}})";
constexpr char kPausedByOthers[] =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"managedFields":[{"manager":"kubectl","operation":"Update","fieldsV1":{"f:spec":{"f:paused":{}}}}]},"spec":{"paused":true}})";
RolloutCase const kRolloutCases[] = {
    {"Healthy", kRest, "", false},          {"Healthy", kPausedByOthers, "", false},
    {"Initial", kRest, "", false},          {"Disabled", kRest, "", false},
    {"Progressing", kRest, "", true},       {"Disabling", kRest, "", true},
    {"Terminating", kRest, "", true},       {"Healthy", kReleasing, "", true},
    {"Healthy", kFrozen, "", true},         {"Healthy", kFrozenSet, "", true},
    {"Progressing", kRest, "Hold", true},   {"Progressing", kRest, "Rollback", true},
    {"Healthy", kFrozen, "Rollback", true}, {"Progressing", kRest, "Release", false},
    {"Healthy", kFrozen, "Release", false},
};

Observed rollout_seen(RolloutCase const& each) {
    FakeHub hub;
    hub.phase(each.phase);
    Observed seen;
    seen.hub_id = "fleet";
    seen.content_version = 5;
    seen.source = Doc::freeze(hub.rollout);
    seen.resource = {"rollouts.kruise.io", "v1beta1", "rollouts"};
    seen.key = {"demo", "web"};
    Value live = hub.member_rollout;
    live.set({"metadata", "resourceVersion"}, "77");
    live.set({"metadata", "uid"}, "rollout-uid");
    seen.live = Doc::freeze(live);
    seen.selected = *json::parse(each.workload);
    seen.on_delete = each.on_delete;
    return seen;
}

TEST(Decide, ARolloutIsNotTakenAwayWhileItHoldsAVersionBack) {
    for (RolloutCase const& each : kRolloutCases) {
        Observed seen = rollout_seen(each);
        seen.placed = false;
        Decision const decision = decide(seen, {});
        if (each.refused) {
            EXPECT_EQ(decision.state, State::kRefused) << each.phase << each.workload;
            bool const goes_back = std::string_view(each.on_delete) == "Rollback";
            EXPECT_EQ(decision.reason, goes_back ? "RollingBack" : "ReleaseInProgress");
            EXPECT_TRUE(decision.plan.writes.empty());
            continue;
        }
        ASSERT_EQ(decision.plan.writes.size(), 1u) << each.phase << each.workload;
        EXPECT_EQ(decision.plan.writes[0].verb, Write::Verb::kDelete);
        // A release that has begun since it was looked at refuses, unless it is wanted so.
        EXPECT_EQ(decision.plan.writes[0].delete_options.resource_version, each.on_delete[0] == 0 ? "77" : "")
            << each.phase;
    }
}

TEST(Decide, ARolloutIsNotDisabledWhileItHoldsAVersionBack) {
    for (RolloutCase const& each : kRolloutCases) {
        Observed seen = rollout_seen(each);
        Value source = seen.source.thaw();
        source.set({"spec", "disabled"}, true);
        seen.source = Doc::freeze(source);
        Decision const decision = decide(seen, {});
        EXPECT_EQ(decision.state == State::kRefused, each.refused) << each.phase << each.workload;
        EXPECT_EQ(decision.plan.writes.empty(), each.refused) << each.phase << each.workload;
    }
}

// ---- the release guard ----

TEST_P(Guard, FreezesThenAppliesEachWithWhatWasSeen) {
    FakeHub hub = at_rest();
    std::string const v1 = hub.hash();
    hub.set_image("v2");
    Decision const freeze = hub.decide_now();
    ASSERT_EQ(freeze.plan.writes.size(), 1u) << "a plan never builds on the result of its own writes";
    EXPECT_EQ(freeze.plan.writes[0].field_manager, kFreezeManager);
    EXPECT_EQ(freeze.plan.writes[0].body.at({"metadata", "resourceVersion"}).as_string(),
              meta::resource_version(hub.member.live()));
    EXPECT_EQ(hub.step(), "freeze");
    EXPECT_TRUE(hub.held());
    EXPECT_EQ(hub.image(), "v1");

    Decision const apply = hub.decide_now();
    ASSERT_EQ(apply.plan.writes.size(), 1u);
    EXPECT_EQ(apply.plan.writes[0].field_manager, kManager);
    EXPECT_EQ(apply.plan.writes[0].body.at({"metadata", "resourceVersion"}).as_string(),
              meta::resource_version(hub.member.live()));
    EXPECT_EQ(hub.step(), "a new template");
    EXPECT_EQ(hub.image(), "v2");
    EXPECT_TRUE(hub.held());
    EXPECT_EQ(label(hub, kStableLabel), v1);
    EXPECT_TRUE(releasing(hub.member.live()));
    hub.phase("Progressing", "InRolling");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Applied");
}

// Every write of a workload that a Rollout selects carries what was seen: whatever happens in between refuses it.
TEST_P(Guard, AnythingThatHappensInBetweenRefusesTheWrite) {
    std::vector<std::function<void(FakeHub&)>> const situations{
        [](FakeHub& hub) { hub.set_image("v2"); },   // to freeze
        [](FakeHub& hub) {                           // frozen, to apply
            hub.set_image("v2");
            hub.step();
        },
        [](FakeHub& hub) {   // frozen, to lift
            hub.set_image("v2");
            hub.step();
            hub.set_image("v1");
        },
        [](FakeHub& hub) {   // to take back
            hub.member.webhook = false;
            hub.set_image("v2");
            hub.step();
            hub.step();
        },
        [](FakeHub& hub) { hub.edit([](Value& object) { object.set({"spec", "replicas"}, 3); }); },
        [](FakeHub& hub) { hub.member.edit("kubectl", R"({"spec":{"replicas":3}})"); },
    };
    for (std::size_t index = 0; index < situations.size(); ++index) {
        FakeHub hub = at_rest();
        situations[index](hub);
        Decision const decision = hub.decide_now();
        ASSERT_EQ(decision.plan.writes.size(), 1u) << index;
        hub.member.edit("somebody", R"({"status":{"x":1}})", "status");
        Status const outcome = hub.member.perform(decision.plan.writes[0]);
        EXPECT_FALSE(outcome) << index;
        if (!outcome) {
            EXPECT_TRUE(outcome.error().is(ErrorCode::kConflict)) << index;
        }
    }
}

TEST_P(Guard, HoldsANewTemplateBackForEachReason) {
    struct Case {
        char const* reason;
        std::function<void(FakeHub&, Observed&)> change;
    };
    auto const rollout = [](std::string const& merge_patch) {
        return [merge_patch](FakeHub& hub, Observed& seen) {
            Value object = hub.member_rollout;
            json::apply_merge_patch(object, *json::parse_value(merge_patch));
            seen.member_rollout = Doc::freeze(object);
        };
    };
    auto const progressing = [&](std::string const& reason) {
        return rollout(R"({"status":{"phase":"Progressing","conditions":[{"type":"Progressing","reason":")" + reason +
                       R"("}]}})");
    };
    for (Case const &each : std::vector<Case>{
             {"RolloutNotPlaced", [](FakeHub&, Observed& seen) { seen.rollout_placed = false; }},
             {"ControllerAbsent", [](FakeHub&, Observed& seen) { seen.rollouts_served = false; }},
             {"ControllerTooOld",
              [](FakeHub&, Observed& seen) {
                  seen.rollouts_served = false;
                  seen.rollouts_versions = "v1alpha1";
              }},
             {"RolloutMissing", [](FakeHub&, Observed& seen) { seen.member_rollout = {}; }},
             {"ControllerAbsent", rollout(R"({"status":null})")},
             {"ControllerAbsent", rollout(R"({"metadata":{"generation":2},"status":{"observedGeneration":1}})")},
             {"RolloutMissing", [](FakeHub&, Observed& seen) { seen.hub_rollout_render = "newer"; }},
             {"RolloutLeaving",
              [](FakeHub&, Observed& seen) {
                  Value object = seen.hub_rollout.thaw();
                  object.set({"metadata", "deletionTimestamp"}, "2026-11-23T14:00:00Z");
                  seen.hub_rollout = Doc::freeze(object);
              }},
             {"RolloutDisabled", rollout(R"({"spec":{"disabled":true}})")},
             {"RolloutDisabled", rollout(R"({"status":{"phase":"Disabled"}})")},
             {"RolloutMissing", rollout(R"({"status":{"phase":"Initial"}})")},
             {"ReleaseClosing", rollout(R"({"status":{"phase":"Terminating"}})")},
             {"ReleaseClosing", rollout(R"({"spec":{"disabled":true},"status":{"phase":"Disabling"}})")},
             {"ReleaseClosing", rollout(R"({"metadata":{"deletionTimestamp":"2026-11-23T14:00:00Z"}})")},
             {"ReleaseClosing", progressing("Finalising")},
             {"ReleaseClosing", progressing("Cancelling")},
             {"ReleaseClosing", progressing("Completed")},
             {"ReleaseClosing", progressing("InRolling")},   // and the workload is let go already
             {"WebhookNotInForce", [](FakeHub& hub, Observed& seen) { seen.not_before = hub.member.now + 1s; }},
         }) {
        FakeHub hub = at_rest();
        hub.set_image("v2");
        hub.edit([](Value& object) { object.set({"spec", "replicas"}, 12); });
        hub.change = [&](Observed& seen) { each.change(hub, seen); };
        EXPECT_EQ(hub.run(), "changed on the hub") << each.reason;   // everything but the template
        EXPECT_EQ(hub.state(), std::string("Guarded/") + each.reason);
        EXPECT_EQ(hub.image(), "v1");
        EXPECT_EQ(hub.member.object.at({"spec", "replicas"}).as_int(), 12) << each.reason;
        hub.change = {};
        EXPECT_EQ(hub.run(), "freeze; a new template") << each.reason;
        EXPECT_EQ(hub.image(), "v2");
    }
}

TEST(KindNotSupported, WhatCannotBeFrozenKeepsItsTemplate) {
    FakeHub hub = at_rest(true, "DaemonSet");
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Guarded/KindNotSupported");
    EXPECT_EQ(hub.image(), "v1");
}

TEST_P(Guard, UnguardedAllowLetsItThrough) {
    FakeHub hub = at_rest();
    hub.member.webhook = false;
    hub.change = [](Observed& seen) { seen.member_rollout = {}; };
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "");
    hub.edit([](Value& object) { object.set({"metadata", "annotations", kUnguarded}, "allow"); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.image(), "v2");
    EXPECT_FALSE(hub.held());
    hub.edit([](Value& object) { object.set({"metadata", "annotations", kUnguarded}, "yes"); });
    hub.set_image("v3");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.image(), "v2");
}

TEST_P(Guard, WithoutARolloutThereIsNone) {
    FakeHub hub = at_rest(false);
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.image(), "v2");
}

// ---- freezes that lead nowhere ----

TEST_P(Freeze, IsLiftedWhenTheTemplateIsNotWantedAnyMore) {
    FakeHub hub = at_rest();
    // The release before has left its label behind: v1 -> v2, done.
    hub.set_image("v2");
    hub.run();
    hub.phase("Progressing", "InRolling");
    hub.member.finish_release();
    hub.phase("Healthy");
    EXPECT_TRUE(hub.run().ends_with("the release's claims have ended"));
    hub.set_image("v3");
    EXPECT_EQ(hub.step(), "freeze");
    hub.set_image("v2");
    EXPECT_EQ(hub.run().substr(0, 15), "lift the freeze");
    EXPECT_EQ(hub.image(), "v2") << "and not v1, which the release before came from";
    EXPECT_FALSE(hub.held());
    EXPECT_EQ(hub.state(), "Applied");
}

TEST_P(Freeze, IsLiftedWhenTheGuardRefusesMeanwhile) {
    FakeHub hub = at_rest();
    hub.set_image("v2");
    EXPECT_EQ(hub.step(), "freeze");
    hub.change = [](Observed& seen) { seen.member_rollout = {}; };
    hub.run();
    EXPECT_FALSE(hub.held());
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_EQ(hub.state(), "Guarded/RolloutMissing");
}

TEST_P(Freeze, IsLiftedWhenTheRolloutIsGoneOrTheGuardTakenOff) {
    for (bool const allow : {false, true}) {
        for (int steps : {1, 2}) {
            FakeHub hub = at_rest();
            hub.member.webhook = false;
            hub.set_image("v2");
            for (int count = 0; count < steps; ++count) hub.step();
            EXPECT_TRUE(hub.held());
            if (allow) {
                hub.edit([](Value& object) { object.set({"metadata", "annotations", kUnguarded}, "allow"); });
            } else {
                hub.change = [](Observed& seen) { seen.hub_rollout = seen.member_rollout = {}; };
            }
            EXPECT_EQ(hub.run().substr(0, 15), "lift the freeze");
            EXPECT_EQ(hub.image(), "v2");
            EXPECT_FALSE(hub.held());
        }
    }
}

// The Rollout went, and the cluster is to have the version before: what nothing holds does not get a pod meanwhile.
TEST_P(Freeze, IsNotLiftedFromATemplateThatIsToGoBack) {
    FakeHub hub = at_rest();
    std::string const v1 = label(hub, kTemplateLabel);
    hub.member.webhook = false;
    hub.set_image("v2");
    for (int count = 0; count < 2; ++count) hub.step();
    EXPECT_EQ(hub.image(), "v2");
    hub.change = [](Observed& seen) { seen.hub_rollout = seen.member_rollout = {}; };
    hub.assignment.revision = v1;
    hub.assignment.rejected = hub.hash();
    hub.step();
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_TRUE(hub.held());
    hub.run();
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_FALSE(hub.held());
}

// Paused by the user is not held by the hub: it must not go through when the user un-pauses it.
TEST_P(Freeze, ComesOnTopOfAPauseOfTheUsers) {
    FakeHub hub = at_rest();
    auto const freeze = freezing(hub.member.live());
    hub.edit([&](Value& object) { set_at(object, freeze->field, freeze->says); });
    hub.run();
    hub.member.webhook = false;
    hub.set_image("v2");
    EXPECT_EQ(hub.step(), "freeze");
    EXPECT_EQ(hub.step(), "a new template");
    EXPECT_EQ(hub.step(), "nothing holds the new template back");
    hub.run();
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_TRUE(hub.held()) << "as the user wants it";
    hub.edit([&](Value& object) { erase_at(object, freeze->field); });
    hub.run();
    EXPECT_FALSE(hub.held());
    EXPECT_EQ(hub.image(), "v1");
}

TEST_P(TakeBack, WhatNoAdmissionTookOverGoesBackAndIsTriedAgainLater) {
    FakeHub hub = at_rest();
    hub.member.webhook = false;
    hub.set_image("v2");
    EXPECT_EQ(hub.step(), "freeze");
    EXPECT_EQ(hub.step(), "a new template");
    EXPECT_EQ(hub.step(), "nothing holds the new template back");
    EXPECT_EQ(hub.state(), "Guarded/WebhookNotInForce");
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_TRUE(hub.held()) << "until it is seen to be back";
    EXPECT_EQ(hub.step(), "lift the freeze");
    hub.run();
    EXPECT_FALSE(hub.held());
    EXPECT_EQ(hub.state(), "Guarded/WebhookNotInForce");
    ASSERT_TRUE(hub.last.plan.requeue);
    EXPECT_EQ(hub.last.plan.requeue->at, *hub.not_before);
    // Everything else goes on meanwhile.
    hub.edit([](Value& object) { object.set({"spec", "replicas"}, 12); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.member.object.at({"spec", "replicas"}).as_int(), 12);
    hub.member.webhook = true;
    hub.member.now = *hub.not_before;
    EXPECT_EQ(hub.run(), "freeze; a new template");
    EXPECT_EQ(hub.image(), "v2");
    EXPECT_TRUE(releasing(hub.member.live()));
}

// No admission takes over what is to have no pods, and none has to.
TEST(Decide, WhatIsScaledToNothingOnTheWayIsNotTakenBack) {
    FakeHub hub = at_rest();
    hub.member.webhook = false;
    hub.set_image("v2");
    EXPECT_EQ(hub.step(), "freeze");
    hub.member.object.set({"spec", "replicas"}, 0);
    hub.edit([](Value& object) { object.set({"spec", "replicas"}, 0); });
    hub.member.object.set({"status", "replicas"}, 3);
    EXPECT_EQ(hub.step(), "a new template");
    EXPECT_EQ(hub.step(), "") << "its pods are going";
    hub.member.object.set({"status", "replicas"}, 0);
    EXPECT_EQ(hub.run(), "lift the freeze");
    EXPECT_EQ(hub.state(), "Applied");
    EXPECT_EQ(hub.image(), "v2");
}

TEST_P(TakeBack, GoesToWhatRanBeforeThoughTheHubHasMovedOn) {
    FakeHub hub = at_rest();
    hub.member.webhook = false;
    hub.set_image("v2");
    hub.step();
    hub.step();
    hub.set_image("v3");
    EXPECT_EQ(hub.step(), "nothing holds the new template back");
    EXPECT_EQ(hub.image(), "v1");
    hub.run();
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_FALSE(hub.held());
}

TEST_P(TakeBack, WhatCannotGoBackStaysFrozen) {
    FakeHub hub = at_rest();
    hub.member.webhook = false;
    std::string const v1 = hub.hash();
    hub.set_image("v2");
    hub.step();
    hub.step();
    hub.revisions.erase(v1);
    EXPECT_EQ(hub.run(), "");
    EXPECT_TRUE(hub.held());
    EXPECT_EQ(hub.state(), "Guarded/WebhookNotInForce");
}

// A release that is closing has taken its mark off before it un-pauses: that is no freeze of ours.
TEST_P(TakeBack, AReleaseThatIsClosingIsLeftAlone) {
    FakeHub hub = in_release();
    hub.member.edit("rollout", R"({"metadata":{"annotations":{"rollouts.kruise.io/in-progressing":null}}})");
    hub.phase("Progressing", "Finalising");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.image(), "v2");
    hub.set_image("v3");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Guarded/ReleaseClosing");
    EXPECT_EQ(hub.image(), "v2");
}

// ---- in a release ----

TEST(Release, FieldsThatItSteersByStayUntilItIsHealthy) {
    FakeHub hub = in_release();
    hub.member.edit("rollout", R"({"spec":{"strategy":{"type":"Recreate"}}})");
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.member.object.at({"spec", "strategy", "type"}).as_string(), "Recreate");
    hub.member.finish_release();
    hub.phase("Progressing", "Completed");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.member.object.at({"spec", "strategy", "type"}).as_string(), "Recreate");
    hub.phase("Healthy");
    EXPECT_EQ(hub.run(), "changed on the hub; the release's claims have ended");
    EXPECT_EQ(hub.member.object.at({"spec", "strategy", "type"}).as_string(), "RollingUpdate");
    EXPECT_FALSE(hub.held());
    EXPECT_EQ(hub.state(), "Applied");
}

// Else the field would stay in the member after it has gone from the hub's object, for its other owner's sake.
TEST(Release, OnceHealthyItsFieldsAreTheHubsAlone) {
    FakeHub hub = in_release();
    hub.member.edit(
        "rollout",
        R"({"metadata":{"labels":{"kind":"x"}},"spec":{"strategy":{"type":"Recreate"},"minReadySeconds":1}})");
    EXPECT_EQ(hub.run(), "changed on the hub");
    hub.member.edit("rollout", R"({"spec":{"strategy":{"type":"RollingUpdate"},"minReadySeconds":null}})");
    hub.member.finish_release();
    hub.phase("Healthy");
    EXPECT_EQ(hub.run(), "changed on the hub; the release's claims have ended");
    EXPECT_EQ(owners(hub.member.live(), {"spec", "strategy"}), std::vector<std::string>{"aviary-hub"});
    EXPECT_EQ(owners(hub.member.live(), {"metadata", "labels", kStableLabel}), std::vector<std::string>{"aviary-hub"});
    EXPECT_EQ(owners(hub.member.live(), {"metadata", "labels", "kind"}), std::vector<std::string>{"rollout"});
    hub.edit([](Value& object) { object["spec"].erase("strategy"); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_FALSE(hub.member.object["spec"].contains("strategy"));
}

TEST(Release, ANewVersionInTheMiddleComesFromTheSameStableOne) {
    FakeHub hub = in_release();
    std::string const v1 = label(hub, kStableLabel);
    hub.set_image("v3");
    EXPECT_EQ(hub.run(), "a new template");
    EXPECT_EQ(hub.image(), "v3");
    EXPECT_EQ(label(hub, kStableLabel), v1);
}

// The hub's writes name the workload that was seen, not the Rollout: the release may be over there already.
TEST(Release, AVersionThatWasCompletedAsTheNextOneCameIsTheStableOne) {
    FakeHub hub = in_release();
    auto const comes_from = [&](char const* revision, int generation) {
        hub.member.edit("rollout", fmt::format(R"({{"metadata":{{"generation":{},"labels":{{"{}":"{}"}}}}}})",
                                               generation, apis::kStableRevisionLabel, revision));
    };
    auto const observed = [&](int generation) {
        hub.member_rollout.set({"status", "blueGreenStatus", "observedWorkloadGeneration"}, generation);
    };
    std::string const v1 = label(hub, kStableLabel), v2 = hub.hash();
    comes_from("one", 2);
    observed(2);
    EXPECT_EQ(hub.run(), "");
    hub.set_image("v3");
    EXPECT_EQ(hub.run(), "a new template");
    std::string const v3 = hub.hash();
    EXPECT_EQ(label(hub, kStableLabel), v1);

    FakeHub completed = hub;
    completed.member.edit("rollout", R"({"metadata":{"labels":{"rollouts.kruise.io/stable-revision":"two"}}})");
    EXPECT_EQ(stable_template(completed.member.live()), v2);
    EXPECT_EQ(completed.run(), "changed on the hub");
    EXPECT_EQ(label(completed, kStableLabel), v2);
    EXPECT_EQ(label(completed, kReplacedLabel), "");
    EXPECT_EQ(stable_template(completed.member.live()), v2);

    // A fourth version: the third was never begun, …
    FakeHub unseen = hub;
    unseen.member.edit("rollout", R"({"metadata":{"generation":3}})");
    unseen.set_image("v4");
    EXPECT_EQ(unseen.run(), "a new template");
    unseen.member.edit("rollout", R"({"metadata":{"labels":{"rollouts.kruise.io/stable-revision":"two"}}})");
    EXPECT_EQ(stable_template(unseen.member.live()), v2);

    // … or it was, from the first.
    comes_from("one", 3);
    observed(3);
    hub.set_image("v4");
    EXPECT_EQ(hub.run(), "a new template");
    EXPECT_EQ(label(hub, kStableLabel), v1);
    FakeHub begun = hub;
    comes_from("three", 3);
    EXPECT_EQ(stable_template(hub.member.live()), v3);
    EXPECT_EQ(label(hub, kReplacedAtLabel), "4");

    // Its release has changed the workload further, as that of a StatefulSet its partition.
    std::string const v4 = begun.hash();
    begun.member.edit("rollout", R"({"metadata":{"generation":7}})");
    begun.member_rollout.set({"status", "blueGreenStatus", "observedWorkloadGeneration"}, 4);
    begun.set_image("v5");
    EXPECT_EQ(begun.run(), "a new template");
    begun.member.edit("rollout", R"({"metadata":{"labels":{"rollouts.kruise.io/stable-revision":"four"}}})");
    EXPECT_EQ(stable_template(begun.member.live()), v4);

    hub.member.finish_release();
    hub.phase("Healthy");
    EXPECT_EQ(hub.run(), "changed on the hub; the release's claims have ended");
    EXPECT_EQ(label(hub, kReplacedLabel) + label(hub, kReplacedAtLabel), "");
}

// What is held back in the middle of a release must not lose where the release came from: abort needs it.
TEST(Release, HeldBackInTheMiddleItKnowsWhereItCameFrom) {
    FakeHub hub = in_release();
    std::string const v1 = label(hub, kStableLabel);
    hub.set_image("v3");
    hub.edit([](Value& object) { object.set({"spec", "replicas"}, 12); });
    hub.change = [](Observed& seen) { seen.hub_rollout_render = "newer"; };
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.state(), "Guarded/RolloutMissing");
    EXPECT_EQ(hub.image(), "v2");
    EXPECT_EQ(label(hub, kStableLabel), v1);
}

TEST(Release, GoingBackIsNotHeldBackUnlessNothingWouldCarryItOut) {
    struct Case {
        std::function<void(FakeHub&, Observed&)> change;
        char const* image;
    };
    for (Case const &each : std::vector<Case>{
             {[](FakeHub&, Observed& seen) { seen.hub_rollout_render = "newer"; }, "v1"},
             {[](FakeHub& hub, Observed& seen) { seen.not_before = hub.member.now + 1s; }, "v1"},
             {[](FakeHub&, Observed& seen) { seen.rollout_placed = false; }, "v1"},   // it is still there
             {[](FakeHub& hub, Observed& seen) {
                  seen.rollout_placed = false;
                  hub.phase("Healthy", "Completed");
              },
              "v2"},
             {[](FakeHub& hub, Observed&) { hub.phase("Progressing", "Finalising"); }, "v2"},
         }) {
        FakeHub hub = in_release();
        hub.set_image("v1");
        hub.change = [&](Observed& seen) {
            each.change(hub, seen);
            if (seen.member_rollout.exists()) seen.member_rollout = Doc::freeze(hub.member_rollout);
        };
        hub.run();
        EXPECT_EQ(hub.image(), each.image);
    }
}

// ---- pinned and rejected ----

TEST(Pin, HoldsAsLongAsTheHubHasTheRejectedTemplate) {
    FakeHub hub = in_release();
    std::string const v1 = label(hub, kStableLabel);
    hub.assignment.revision = v1;
    hub.assignment.rejected = hub.hash();
    EXPECT_EQ(hub.run(), "a new template");
    EXPECT_EQ(hub.image(), "v1");
    hub.member.finish_release();
    hub.phase("Healthy");
    hub.run();
    // Touched in another way, v2 stays rejected.
    hub.edit([](Value& object) { object.set({"spec", "replicas"}, 12); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.image(), "v1");
    hub.set_image("v3");
    EXPECT_EQ(hub.run(), "freeze; a new template");
    EXPECT_EQ(hub.image(), "v3");
}

// It was pinned by what was known of a member that had gone on: what it would get is no way back there.
TEST(Pin, IsNotFollowedWhereTheRejectedReleaseComesFromAnotherVersion) {
    FakeHub hub = in_release();
    hub.assignment.revision = "v0";
    hub.assignment.rejected = hub.hash();
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.image(), "v2");
    EXPECT_EQ(hub.state(), "Guarded/PinOutdated");
    hub.assignment.revision = label(hub, kStableLabel);
    hub.run();
    EXPECT_EQ(hub.image(), "v1");
}

// The rejected version must not come back because the hub has lost, or not yet read, what to go back to.
TEST(Pin, WithoutItsTemplateLetsNothingThrough) {
    FakeHub hub = at_rest();
    hub.assignment.revision = "gone";
    hub.set_image("v2");
    hub.assignment.rejected = hub.hash();
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Guarded/RevisionMissing");
    EXPECT_EQ(hub.image(), "v1");

    FakeHub fresh;
    fresh.assignment = {.cluster = "beijing", .revision = "gone", .rejected = fresh.hash()};
    EXPECT_EQ(fresh.run(), "");
    EXPECT_EQ(fresh.state(), "Guarded/RevisionMissing");
    EXPECT_TRUE(fresh.member.object.is_null());
}

// Rejected for nothing else: on-delete: Hold where nobody knew what the cluster has.
TEST(Pin, WithoutARevisionWhatIsThereStays) {
    struct Case {
        char const* what;
        FakeHub hub;
        char const* image;
    };
    FakeHub waits = at_rest();
    waits.set_image("v2");
    FakeHub frozen_behind = at_rest();
    frozen_behind.member.webhook = false;
    frozen_behind.set_image("v2");
    for (int count = 0; count < 2; ++count) frozen_behind.step();
    for (Case& each : std::vector<Case>{{"not begun", waits, "v1"},
                                        {"frozen behind the new one", frozen_behind, "v1"},
                                        {"in the middle", in_release(), "v2"}}) {
        each.hub.change = [](Observed& seen) { seen.hub_rollout = {}; };
        each.hub.assignment.rejected = each.hub.hash();
        each.hub.run();
        EXPECT_EQ(each.hub.image(), each.image) << each.what;
        each.hub.set_image("v3");
        each.hub.run();
        EXPECT_EQ(each.hub.image(), "v3") << each.what;
    }
    FakeHub fresh;
    std::string const v1 = fresh.hash();
    fresh.run();
    fresh.member.object = {};
    fresh.set_image("v2");
    fresh.assignment.rejected = fresh.hash();
    fresh.change = [&](Observed& seen) { seen.hub_rollout = {}, seen.stable_elsewhere = v1; };
    EXPECT_EQ(fresh.run(), "new here");
    EXPECT_EQ(fresh.image(), "v1");
}

TEST(Pin, AClusterThatJoinsUnderAPinGetsThePinnedTemplate) {
    FakeHub hub;
    hub.assignment.revision = hub.hash();
    hub.set_image("v2");
    hub.assignment.rejected = hub.hash();
    EXPECT_EQ(hub.run(), "new here");
    EXPECT_EQ(hub.image(), "v1");
}

// ---- on-delete: Rollback, where the Rollout stays ----

TEST(TakenAway, WhatReleasesGoesBackAndDoesNotBeginAgain) {
    for (bool const disabled : {false, true}) {
        for (std::string const word : {"Rollback", "Hold", ""}) {
            FakeHub hub = in_release();
            hub.change = [&](Observed& seen) {
                Value rollout = seen.hub_rollout.thaw();
                rollout.set({"metadata", "annotations", kOnDelete}, word);
                if (disabled) {
                    rollout.set({"spec", "disabled"}, true);
                    seen.hub_rollout_render = "disabled";   // not in the member before it has ended
                } else {
                    seen.rollout_placed = false;
                    seen.rollout_taken_away = true;
                }
                seen.hub_rollout = Doc::freeze(rollout);
            };
            bool const back = word == "Rollback";
            EXPECT_EQ(hub.run(), back ? "a new template" : "") << word << disabled;
            EXPECT_EQ(hub.image(), back ? "v1" : "v2") << word << disabled;
            if (!back) continue;
            hub.member.finish_release();
            hub.phase("Healthy");
            hub.run();
            EXPECT_EQ(hub.image(), "v1") << disabled;
            EXPECT_EQ(hub.state(), disabled ? "Guarded/RolloutMissing" : "Guarded/RolloutNotPlaced");
            // Enabled, or placed there, again.
            hub.change = {};
            EXPECT_EQ(hub.run(), "freeze; a new template");
        }
    }
}

TEST(TakenAway, NotBeforePlacementHasSaidSo) {
    FakeHub hub = in_release();
    hub.change = [](Observed& seen) {
        Value rollout = seen.hub_rollout.thaw();
        rollout.set({"metadata", "annotations", kOnDelete}, "Rollback");
        seen.hub_rollout = Doc::freeze(rollout);
        seen.rollout_placed = false;   // a Rollout that was created anew is not placed anywhere yet
    };
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.image(), "v2");
}

// ---- clusters without pods ----

TEST(Joining, ClusterStartsWithWhatTheOthersComeFrom) {
    FakeHub hub;
    std::string const v1 = hub.hash();
    hub.set_image("v2");
    hub.change = [&](Observed& seen) { seen.stable_elsewhere = seen.live.exists() ? "" : v1; };
    EXPECT_EQ(hub.step(), "new here");
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_EQ(hub.run(), "freeze; a new template") << "its own release, with its own pauses";
    FakeHub lost;
    lost.change = [&](Observed& seen) { seen.stable_elsewhere = "gone"; };
    EXPECT_EQ(lost.run(), "");
    EXPECT_EQ(lost.state(), "Guarded/RevisionMissing");
}

TEST(Joining, ScaledUpFromZeroDuringAReleaseGetsTheStableOne) {
    FakeHub hub;
    hub.assignment.replicas = 0;
    EXPECT_EQ(hub.run(), "new here");
    std::string const v1 = hub.hash();
    bool elsewhere = true;
    hub.change = [&](Observed& seen) {
        if (elsewhere && seen.live.at({"spec", "replicas"}).as_int() == 0) seen.stable_elsewhere = v1;
    };
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "") << "others release: it keeps what they come from";
    hub.assignment.replicas = 5;
    EXPECT_EQ(hub.step(), "changed on the hub");
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_EQ(hub.member.object.at({"spec", "replicas"}).as_int(), 5);
    hub.member.edit("kubelet", R"({"status":{"replicas":5}})", "status");
    EXPECT_EQ(hub.run(), "freeze; a new template");

    // Nobody releases: nothing to hold back.
    FakeHub alone;
    alone.assignment.replicas = 0;
    alone.run();
    alone.set_image("v2");
    EXPECT_EQ(alone.run(), "a new template");
    EXPECT_FALSE(alone.held());
    EXPECT_EQ(alone.image(), "v2");
}

// … but not where it has gone through all steps: what was approved there counts on.
TEST(Joining, ScaledUpFromZeroAfterItsReleaseKeepsItsVersion) {
    FakeHub hub = at_rest();
    std::string const v1 = hub.hash();
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "freeze; a new template");
    hub.phase("Progressing", "InRolling");
    hub.member.finish_release();
    hub.phase("Healthy");
    hub.run();
    hub.change = [&](Observed& seen) { seen.stable_elsewhere = v1; };
    hub.assignment.replicas = 0;
    hub.run();
    hub.member.edit("kubelet", R"({"status":{"replicas":0}})", "status");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.image(), "v2");
    hub.assignment.replicas = 5;
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(hub.image(), "v2");
    EXPECT_EQ(hub.state(), "Applied");
}

TEST(Joining, WhatComesAsItIsScaledToNothingHasNotFinished) {
    FakeHub hub = at_rest();
    std::string const v1 = hub.hash();
    hub.member.webhook = false;
    hub.set_image("v2");
    hub.change = [&](Observed& seen) { seen.stable_elsewhere = v1; };
    EXPECT_EQ(hub.step(), "freeze");
    EXPECT_EQ(hub.step(), "a new template");
    hub.assignment.replicas = 0;
    hub.member.edit("kubelet", R"({"spec":{"replicas":0},"status":{"replicas":0}})");
    hub.member.edit("kubelet", R"({"status":{"replicas":0}})", "status");
    EXPECT_EQ(hub.run(), "a new template; lift the freeze");
    EXPECT_EQ(hub.image(), "v1");
}

TEST_P(Guard, NothingBeginsThatCouldNotBeTakenBack) {
    FakeHub hub = at_rest();
    auto const kept = std::exchange(hub.revisions, {});
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "freeze");
    EXPECT_EQ(hub.state(), "Applying/RevisionMissing");
    EXPECT_EQ(hub.image(), "v1");
    hub.revisions.insert(kept.begin(), kept.end());
    EXPECT_EQ(hub.run(), "a new template");
    EXPECT_TRUE(releasing(hub.member.live()));
}

TEST(Joining, PodsThatAreStillThereAreNotNone) {
    FakeHub hub = at_rest();
    hub.assignment.replicas = 0;
    hub.run();
    hub.member.edit("kubelet", R"({"status":{"replicas":2}})", "status");
    hub.set_image("v2");
    EXPECT_EQ(hub.step(), "freeze");
    hub.member.edit("kubelet", R"({"status":{"replicas":0}})", "status");
    EXPECT_EQ(hub.run(), "lift the freeze; a new template");
    EXPECT_FALSE(hub.held());
    EXPECT_EQ(hub.image(), "v2");
}

TEST(Joining, WhatTheOthersComeFrom) {
    auto const workload = [](char const* has, char const* stable, bool in_release) {
        Value object{json::Object()};
        object.set({"metadata", "labels"}, json::Object{{kTemplateLabel, has}, {kStableLabel, stable}});
        if (in_release) object.set({"metadata", "annotations", kInProgressing}, "{}");
        return Doc::freeze(object);
    };
    Doc const old = workload("v1", "v0", false);
    Doc const moving = workload("v2", "v1", true);
    Doc const done = workload("v2", "v1", false);
    Doc const back = workload("v1", "v2", true);
    struct Case {
        std::vector<Doc> others;
        char const* recorded;
        char const* from;
    };
    for (Case const& each : std::vector<Case>{{{}, "", ""},
                                              {{}, "v2", ""},
                                              {{}, "v1", "v1"},   // deleted in mid-release, or not read yet
                                              {{done}, "", ""},
                                              {{done}, "v0", ""},
                                              {{old}, "", "v1"},   // not begun there
                                              {{old}, "v0", "v1"},
                                              {{moving}, "v0", "v1"},
                                              {{done, moving}, "", "v1"},
                                              {{done, old}, "", ""},   // one that lags for good does not hold others
                                              {{back}, "", "v1"}})     // leaves v2 again: not what it goes to
        EXPECT_EQ(stable_elsewhere(each.others, "v2", each.recorded), each.from);
}

TEST(Joining, WhatIsRecordedAsAtRest) {
    auto const workload = [](char const* has, bool in_release) {
        Value object{json::Object()};
        object.set({"metadata", "labels"}, json::Object{{kTemplateLabel, has}, {kStableLabel, "v1"}});
        if (in_release) object.set({"metadata", "annotations", kInProgressing}, "{}");
        return Doc::freeze(object);
    };
    struct Case {
        std::vector<Doc> workloads;
        char const* before;
        char const* stable;
    };
    for (Case const& each : std::vector<Case>{{{}, "", ""},
                                              {{}, "v1", "v1"},
                                              {{workload("v1", false)}, "", "v1"},
                                              {{workload("v1", false)}, "v0", "v0"},
                                              {{workload("v2", true)}, "", "v1"},
                                              {{workload("v2", true)}, "v0", "v1"},
                                              {{workload("v2", true), workload("v2", false)}, "v1", "v2"},
                                              {{workload("", false)}, "v1", "v1"}})
        EXPECT_EQ(stable_revision(each.workloads, "v2", each.before), each.stable);
}

// ---- CloneSets ----

TEST(CloneSets, KeepWhatTheirStrategySaysBesideThePartition) {
    FakeHub hub(true, "CloneSet");
    hub.edit([](Value& object) {
        object.set({"spec", "updateStrategy"}, json::Object{{"type", "ReCreate"}, {"maxUnavailable", 1}});
    });
    EXPECT_EQ(hub.run(), "new here");
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "freeze; a new template");
    hub.phase("Progressing", "InRolling");
    hub.member.edit("rollout", R"({"spec":{"updateStrategy":{"partition":"90%"}}})");
    hub.edit([](Value& object) { object.set({"metadata", "labels", "touched"}, "yes"); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    Value const& strategy = hub.member.object.at({"spec", "updateStrategy"});
    EXPECT_EQ(strategy["partition"].as_string(), "90%");
    EXPECT_EQ(strategy["maxUnavailable"].as_int(), 1);
}

// ---- StatefulSets ----

json::Value partition(FakeHub const& hub) {
    return hub.member.object.at({"spec", "updateStrategy", "rollingUpdate", "partition"});
}

TEST(StatefulSets, TheirPartitionIsTheReleasesMeanwhile) {
    FakeHub hub = at_rest(true, "StatefulSet");
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "freeze; a new template");
    EXPECT_EQ(partition(hub), Value(32767));
    hub.phase("Progressing", "InRolling");
    hub.member.edit("rollout", R"({"spec":{"updateStrategy":{"rollingUpdate":{"partition":9}}}})");
    hub.edit([](Value& object) { object.set({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}, 2); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(partition(hub), Value(9));
    EXPECT_EQ(hub.member.object.at({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}), Value(2));
    hub.edit([](Value& object) { object.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 3); });
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(partition(hub), Value(9));
    hub.member.finish_release();
    hub.phase("Healthy");
    EXPECT_EQ(hub.run(), "changed on the hub; the release's claims have ended");
    EXPECT_EQ(partition(hub), Value(3));
    EXPECT_EQ(owners(hub.member.live(), {"spec", "updateStrategy", "rollingUpdate", "partition"}),
              std::vector<std::string>{"aviary-hub"});
}

// Lifted to less than the hub's own it would let pods of the present template come.
TEST(StatefulSets, AFreezeIsLiftedToTheHubsOwnPartition) {
    FakeHub hub = at_rest(true, "StatefulSet");
    hub.edit([](Value& object) { object.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, 3); });
    hub.run();
    hub.set_image("v2");
    EXPECT_EQ(hub.step(), "freeze");
    hub.set_image("v1");
    EXPECT_EQ(hub.step(), "lift the freeze");
    EXPECT_EQ(partition(hub), Value(3));
    hub.run();
    EXPECT_EQ(partition(hub), Value(3));
    EXPECT_EQ(hub.state(), "Applied");
}

TEST(StatefulSets, UpdatedAsTheirPodsAreDeletedTheyAreHeldBackUntilTheyRoll) {
    FakeHub hub = at_rest(true, "StatefulSet");
    hub.edit([](Value& object) { object.set({"spec", "updateStrategy"}, json::Object{{"type", "OnDelete"}}); });
    EXPECT_EQ(hub.run(), "changed on the hub");
    hub.set_image("v2");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Guarded/KindNotSupported");
    EXPECT_NE(hub.last.message.find("updated as its pods are deleted"), std::string::npos);
    hub.edit([](Value& object) { object.set({"spec", "updateStrategy"}, json::Object{{"type", "RollingUpdate"}}); });
    EXPECT_EQ(hub.run(), "changed on the hub; freeze; a new template");
    EXPECT_EQ(hub.image(), "v2");
}

// ---- taken over from whoever had it ----

TEST(TakingOver, ARunningWorkloadIsGuardedToo) {
    FakeHub hub = at_rest();
    hub.member.edit("kubectl",
                    R"({"metadata":{"labels":{"fleet.aviary.dev/hub":null,"fleet.aviary.dev/template":null}}})");
    hub.change = [](Observed& seen) { seen.overwrite = true; };
    EXPECT_EQ(hub.run(), "changed on the hub") << "the same template: nothing is let through";
    hub.member.edit("kubectl",
                    R"({"metadata":{"labels":{"fleet.aviary.dev/hub":null,"fleet.aviary.dev/template":null}}})");
    hub.set_image("v2");
    hub.change = [](Observed& seen) {
        seen.overwrite = true;
        seen.member_rollout = {};
    };
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "Guarded/RolloutMissing");
    hub.change = [](Observed& seen) { seen.overwrite = true; };
    EXPECT_EQ(hub.run(), "freeze; a new template");
    EXPECT_TRUE(releasing(hub.member.live()));
}

TEST(TakingOver, ALabelTakenOffByHandDoesNotOpenTheGuard) {
    FakeHub hub = at_rest();
    hub.member.edit("kubectl", R"({"metadata":{"labels":{"fleet.aviary.dev/template":null}}})");
    hub.set_image("v2");
    hub.change = [](Observed& seen) { seen.rollout_placed = false; };
    hub.run();
    EXPECT_EQ(hub.image(), "v1");
    EXPECT_EQ(hub.state(), "Guarded/RolloutNotPlaced");
}

// ---- laws ----

// Whatever happens in whatever order: no new template is ever let go without the mark of a release, and when nothing
// happens any more the hub comes to rest.
RC_GTEST_PROP(Law, NoTemplateGoesWhereNothingHoldsIt, ()) {
    FakeHub hub(true, *rc::gen::elementOf(std::vector<std::string>(std::begin(kKinds), std::end(kKinds))));
    hub.run();
    hub.member.edit("kubelet", R"({"status":{"replicas":10}})", "status");
    bool rollout_there = true;
    bool in_release = false;
    hub.change = [&](Observed& seen) {
        if (!rollout_there) seen.member_rollout = {};
    };
    std::string running = "v1";   // what the pods run, as far as this test knows
    auto const check = [&] {
        in_release = releasing(hub.member.live());
        bool const lets_through = hub.image() != running && !hub.held() && !in_release;
        RC_ASSERT(!lets_through);
    };
    for (int event : *rc::gen::container<std::vector<int>>(30, rc::gen::inRange(0, 12))) {
        switch (event) {
            case 0: hub.set_image("v1"); break;
            case 1: hub.set_image("v2"); break;
            case 2: hub.set_image("v3"); break;
            case 3: hub.member.webhook = !hub.member.webhook; break;
            case 4: rollout_there = !rollout_there; break;
            case 5:
                if (!in_release) break;
                running = hub.image();   // approved to the end
                hub.member.finish_release();
                hub.phase("Healthy");
                break;
            case 6: hub.edit([](Value& object) { object.set({"spec", "replicas"}, 11); }); break;
            case 7: hub.member.now += 40s; break;
            case 8: hub.member.edit("kubectl", R"({"spec":{"replicas":3}})"); break;
            default: hub.step(); break;
        }
        check();
        if (in_release) hub.phase("Progressing", "InRolling");
    }
    hub.put_right.clear();
    std::string const rest = hub.run();
    check();
    RC_ASSERT(rest.find("and so on") == std::string::npos);
    RC_ASSERT(hub.step().empty());
    // A hub that has forgotten what it knew (a restart) does not write either, unless it tries a template again.
    if (hub.state() != "Guarded/WebhookNotInForce") {
        hub.not_before.reset();
        RC_ASSERT(hub.step().empty());
    }
}

}   // namespace
}   // namespace aviary::propagation
