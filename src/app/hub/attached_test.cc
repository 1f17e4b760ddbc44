// Rollouts that something else than the hub has brought to its members; in virtual time.
#include "app/hub/internal/test_attached.h"
#include "core/base/strings.h"
#include "hub/decision/carry_out.h"
#include "hub/propagation/names.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

Task<Doc> release(Fleet& fleet) {
    auto const answer = co_await fleet.explained();
    co_return answer.value_or(Doc());
}

// What the hub has written to members.
std::string written(Fleet const& fleet) {
    std::string text;
    for (auto const& [what, count] : fleet.hub_writes()) {
        if (!what.starts_with("fleet ")) text += what + "; ";
    }
    return text;
}

CO_TEST(Attached, ShowsAndApprovesWhatOthersHaveBrought) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await deliver_paused(fleet, {"beijing", "oslo"}, propagation::Mode::kAttached));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(written(fleet), "") << "attaching changes nothing in a member";
    Doc const seen = co_await release(fleet);
    EXPECT_TRUE(seen["attached"].as_bool());
    EXPECT_EQ(seen["from"].as_string(), "v1");
    EXPECT_EQ(seen["to"].as_string(), "v2");
    CO_ASSERT_TRUE(seen["clusters"].size() == 2);
    EXPECT_EQ(seen["clusters"][1]["reason"].as_string(), "AwaitingApproval");
    EXPECT_EQ(seen["clusters"][1]["ready"].as_int(), 10);
    CO_ASSERT_OK(co_await fleet.at("fleet").get(ctx, kNamespaces, {"", "demo"}));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "first"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    std::string const outcome = co_await fleet.outcome("first");
    EXPECT_EQ(outcome, "Applied beijing Applied oslo Applied");
    EXPECT_EQ(written(fleet), "beijing patch rollouts/status; oslo patch rollouts/status; ");
    STOP_FLEET();
}

CO_TEST(Attached, CarriesOutNothingButApprovals) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await deliver_paused(fleet, {"beijing"}, propagation::Mode::kAttached));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    for (char const* action : {"Pause", "Resume", "Abort", "Undo"}) {
        std::string const name = to_lower(action);
        CO_ASSERT_OK(co_await fleet.decide(action, {"beijing"}, name));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        std::string const outcome = co_await fleet.outcome(name);
        EXPECT_EQ(outcome, "Failed beijing Refused") << action;
    }
    EXPECT_EQ(written(fleet), "");
    STOP_FLEET();
}

CO_TEST(Attached, RecordsWhatIsApprovedInAMember) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await deliver_paused(fleet, {"beijing"}, propagation::Mode::kAttached));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    CO_ASSERT_OK(co_await fleet.at("beijing")
                     .named("kubectl-amc")
                     .patch(ctx, apis::kRollouts, kWeb, client::PatchType::kJson,
                            decision::approval_patch(live, decision::pause_of("beijing", live)),
                            {.subresource = "status"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    auto const list = co_await fleet.at("fleet").list(ctx, apis::kDecisions, {.ns = "demo"});
    CO_ASSERT_OK(list);
    CO_ASSERT_TRUE((*list)["items"].size() == 1);
    EXPECT_EQ((*list)["items"][0].at({"status", "origin"}).as_string(), "Member");
    STOP_FLEET();
}

// What stands on the hub's API is of another hub, Karmada's say, or of this one before.
CO_TEST(Attached, PlacesNothing) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await deliver_paused(fleet, {"beijing", "oslo"}, propagation::Mode::kAttached));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    CO_ASSERT_OK(co_await fleet.create(kDeployments, kDeployment));
    CO_ASSERT_OK(co_await fleet.create(apis::kRollouts, kRollout));
    CO_ASSERT_OK(co_await fleet.create(
        kPolicies,
        R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy","metadata":{"name":"all",
        "namespace":"demo"},"spec":{"resourceSelectors":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
        {"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"web"}]}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(written(fleet), "");
    auto const bindings = co_await fleet.at("fleet").list(ctx, apis::kFleetBindings);
    CO_ASSERT_OK(bindings);
    EXPECT_EQ((*bindings)["items"].size(), 0u);
    Doc const rollout = co_await fleet.get("fleet", apis::kRollouts);
    EXPECT_EQ(rollout.at({"metadata", "finalizers"}).size(), 0u);
    Doc const seen = co_await release(fleet);
    EXPECT_EQ(seen["clusters"].size(), 2u) << "the members' is what counts";
    STOP_FLEET();
}

CO_TEST(Attached, AMemberThatIsAwayGetsItsApprovalLater) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await deliver_paused(fleet, {"beijing", "oslo"}, propagation::Mode::kAttached));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    fleet.ways.cut.insert("oslo");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    Doc const seen = co_await release(fleet);
    CO_ASSERT_TRUE(seen["clusters"].size() == 2);
    EXPECT_EQ(seen["clusters"][1]["reason"].as_string(), "ClusterUnreachable");
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "both"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 250ms));   // what is found out of some is recorded together
    std::string outcome = co_await fleet.outcome("both");
    EXPECT_EQ(outcome, "Pending beijing Applied oslo Waiting");
    fleet.ways.cut.clear();
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
    STOP_FLEET();
}

// A hub in its usual mode, with members that have Rollouts of their own.
CO_TEST(Attached, AlsoWithAHubThatPlacesOthers) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await deliver_paused(fleet, {"beijing"}, propagation::Mode::kFull));
    CO_ASSERT_OK(
        co_await fleet.create(kNamespaces, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    Doc const seen = co_await release(fleet);
    EXPECT_TRUE(seen["attached"].as_bool());
    CO_ASSERT_TRUE(seen["clusters"].size() == 1);
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    std::string const outcome = co_await fleet.outcome("first");
    EXPECT_EQ(outcome, "Applied beijing Applied");
    EXPECT_EQ(written(fleet), "beijing patch rollouts/status; ");
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
