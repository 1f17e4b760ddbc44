// Steps that were approved in a member itself, as the hub records them; in virtual time.
#include "app/hub/internal/test_fleet.h"
#include "hub/decision/carry_out.h"
#include "hub/decision/evidence.h"
#include "hub/decision/observed.h"
#include "hub/propagation/names.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

constexpr Duration kLongestWatch = 15min;   // one that is open outlives the cut, and ends some time

// As upstream's tool does it.
Task<Status> approve_in(Fleet& fleet, std::string cluster) {
    client::Client const member = fleet.at(cluster).named("kubectl-kruise");
    CO_TRY(co_await member.patch(fleet.scope.context(), apis::kRollouts, kWeb, client::PatchType::kMerge,
                                 *json::parse_value(R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}}})"),
                                 {.subresource = "status"}));
    co_return Status{};
}

// As approve --direct does it.
Task<Status> leave_word(Fleet& fleet, std::string cluster, std::string reason) {
    Doc const live = co_await fleet.get(cluster, apis::kRollouts);
    Value patch{json::Object()};
    patch.set({"metadata", "annotations", propagation::kApprovedDirectly},
              decision::with_approval(
                  live, decision::direct_approval(live, format_rfc3339(fleet.scope.context().now()), "alice", reason)));
    CO_TRY(co_await fleet.patch(cluster, apis::kRollouts, json::write(patch)));
    co_return Status{};
}
Task<Status> approve_directly(Fleet& fleet, std::string cluster, std::string reason) {
    CO_TRY(co_await leave_word(fleet, cluster, reason));
    Doc const live = co_await fleet.get(cluster, apis::kRollouts);
    CO_TRY(co_await fleet.at(cluster)
               .named("kubectl-amc")
               .patch(fleet.scope.context(), apis::kRollouts, kWeb, client::PatchType::kJson,
                      decision::approval_patch(live, decision::pause_of(cluster, live)), {.subresource = "status"}));
    co_return Status{};
}
Task<Doc> first_record(Fleet& fleet) {
    auto const list = co_await fleet.at("fleet").list(fleet.scope.context(), apis::kDecisions, {.ns = "demo"});
    co_return list ? (*list)["items"][0] : Doc();
}

// "beijing step 1 Applied Member; …", in the order of steps.
Task<std::string> records(Fleet& fleet) {
    auto const list = co_await fleet.at("fleet").list(fleet.scope.context(), apis::kDecisions, {.ns = "demo"});
    std::set<std::string> lines;
    if (!list) co_return list.error().message();
    for (auto const& [key, object] : (*list)["items"].elements()) {
        if (object.at({"spec", "selection"}).as_string() != apis::kInMember) continue;
        Doc const target = object.at({"spec", "targets"})[0];
        lines.insert(fmt::format("{} step {} {} {}; ", target["cluster"].as_string(), target["step"].as_int(),
                                 object.at({"status", "outcome"}).as_string(),
                                 object.at({"status", "origin"}).as_string()));
    }
    std::string text;
    for (std::string const& line : lines) text += line;
    co_return text;
}

CO_TEST(ApprovedInMember, IsOnRecordOnceAndChangesNothing) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await approve_in(fleet, "beijing"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    auto const list = co_await fleet.at("fleet").list(ctx, apis::kDecisions, {.ns = "demo"});
    CO_ASSERT_OK(list);
    Doc const record = (*list)["items"][0];
    EXPECT_NE(record.at({"spec", "reason"}).string().find("written there by kubectl-kruise at "), std::string::npos)
        << record.at({"spec", "reason"}).as_string();
    EXPECT_FALSE(record.at({"spec", "requester"}).exists()) << "nobody knows who it was";
    text = co_await fleet.show("beijing", "state");
    EXPECT_EQ(text, "Progressing/2/StepPaused");
    text = co_await fleet.show("oslo", "state");
    EXPECT_EQ(text, "Progressing/1/StepPaused");
    // A hub that comes next has seen no step being left.
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    STOP_FLEET();
}

CO_TEST(ApprovedInMember, DecisionsAreNoneOfThat) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "first"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "second"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Healthy/3/Completed"));
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"oslo"}, "third"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "phase", "Healthy"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "");
    STOP_FLEET();
}

CO_TEST(ApprovedInMember, IsFoundOutWhenTheMemberIsBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    fleet.ways.cut = {"beijing"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, kLongestWatch));
    CO_ASSERT_OK(co_await approve_in(fleet, "beijing"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    auto const list = co_await fleet.at("fleet").list(ctx, apis::kDecisions, {.ns = "demo"});
    CO_ASSERT_OK(list);
    std::string const reason = (*list)["items"][0].at({"spec", "reason"}).string();
    EXPECT_NE(reason.find("by kubectl-kruise"), std::string::npos) << "a watch goes on where it was: " << reason;
    STOP_FLEET();
}

// The hub that wrote the record is gone before it wrote its status: the next one finishes it, and carries nothing out.
CO_TEST(ApprovedInMember, ARecordIsNoApproval) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    co_await fleet.stop_hub();
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    decision::LeftStep left;
    left.target = decision::pause_of("beijing", live);
    Status const refused = co_await fleet.create(apis::kDecisions, json::write(decision::record_of(kWeb, left)));
    EXPECT_FALSE(refused) << "not for people";
    client::Client const hub(fleet.server->transport("fleet", kHubUser), "aviary-hub");
    CO_ASSERT_OK(co_await hub.create(ctx, apis::kDecisions, decision::record_of(kWeb, left)));
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string text = co_await fleet.show("beijing", "state");
    EXPECT_EQ(text, "Progressing/1/StepPaused");
    text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    STOP_FLEET();
}

// Another process of the hub carried a Decision out that this one had not seen when it saw the step being left.
CO_TEST(ApprovedInMember, WhatWasAskedForAfterAllIsTakenBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    decision::LeftStep left;
    left.target = decision::pause_of("beijing", live);
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    client::Client const hub(fleet.server->transport("fleet", kHubUser), "aviary-hub");
    CO_ASSERT_OK(co_await hub.create(ctx, apis::kDecisions, decision::record_of(kWeb, left)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "");
    STOP_FLEET();
}

// A hub that was gone has not seen the step being left: it finds what the approver left there.
CO_TEST(ApprovedInMember, IsFoundByAHubThatWasGone) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await leave_word(fleet, "oslo", "not sent"));
    CO_ASSERT_OK(co_await approve_directly(fleet, "beijing", "p95 ok"));
    std::string const at = format_rfc3339(ctx.now());
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 3600s));
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    Doc record = co_await first_record(fleet);
    EXPECT_EQ(record.at({"spec", "reason"}).string(),
              fmt::format("approved in the member itself; the member says by alice at {}: p95 ok", at));
    EXPECT_EQ(record.at({"status", "clusters"})[0]["at"].string(), at);
    EXPECT_FALSE(record.at({"spec", "requester"}).exists()) << "that is for whom the hub knows";
    std::string const uid = meta::uid(record);
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    record = co_await first_record(fleet);
    EXPECT_EQ(meta::uid(record), uid);
    text = co_await fleet.show("beijing", "state");
    EXPECT_EQ(text, "Progressing/2/StepPaused") << "nothing is carried out for it";
    STOP_FLEET();
}

// Steps until the release is complete; and they are not recorded again when Decisions are not kept any longer.
CO_TEST(ApprovedInMember, AWholeReleaseIsFoundOnceAndForAMonth) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await approve_directly(fleet, "beijing", "first"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await approve_directly(fleet, "beijing", "second"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; beijing step 2 Applied Member; ");
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 24h * 31));
    for (int times = 0; times < 2; ++times) {
        fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        text = co_await records(fleet);
        EXPECT_EQ(text, "");
        co_await fleet.stop_hub();
    }
    STOP_FLEET();
}

// The running hub's record has the word as well. It stands beside the hub's fields, and changes nothing for anybody.
CO_TEST(ApprovedInMember, TheWordIsNotInTheWay) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    Doc const before = co_await fleet.get("beijing", apis::kRollouts);
    CO_ASSERT_OK(co_await leave_word(fleet, "beijing", "p95 ok"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Doc after = co_await fleet.get("beijing", apis::kRollouts);
    EXPECT_EQ(meta::generation(after), meta::generation(before));
    EXPECT_EQ(json::write(after["status"]), json::write(before["status"]));
    EXPECT_EQ(json::write(after.at({"metadata", "labels"})), json::write(before.at({"metadata", "labels"})));
    CO_ASSERT_OK(co_await approve_directly(fleet, "beijing", "p95 ok"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    Doc const record = co_await first_record(fleet);
    std::string const reason = record.at({"spec", "reason"}).string();
    EXPECT_NE(reason.find("written there by kubectl-amc at "), std::string::npos) << reason;
    EXPECT_NE(reason.find("; the member says by alice at "), std::string::npos) << reason;
    EXPECT_TRUE(reason.ends_with(": p95 ok")) << reason;
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "second"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    // The hub applies its own anew, and releases go through.
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, R"({"metadata":{"labels":{"team":"llm"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    after = co_await fleet.get("beijing", apis::kRollouts);
    EXPECT_EQ(meta::label(after, "team"), "llm");
    EXPECT_EQ(decision::direct_approvals(after).size(), 1U);
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    STOP_FLEET();
}

// Somebody's word stands in the member, and a Decision was carried out: it is the Decision's.
CO_TEST(ApprovedInMember, AWordIsNotWhatADecisionDid) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await leave_word(fleet, "beijing", "not sent"));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "");
    STOP_FLEET();
}

// … by a hub that was gone before it said so; and the next one sees another release before it can look at it.
CO_TEST(ApprovedInMember, AWordIsNotWhatALeaderBeforeDid) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await leave_word(fleet, "beijing", "not sent"));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first", 30s));
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    Value const approval = decision::approval_patch(live, decision::pause_of("beijing", live));
    CO_ASSERT_OK(co_await fleet.at("beijing")
                     .named("aviary-hub")
                     .patch(ctx, apis::kRollouts, kWeb, client::PatchType::kJson, approval, {.subresource = "status"}));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    fleet.ways.unread["beijing"] = "deployments";
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    CO_ASSERT_OK(co_await fleet.patch(
        "beijing", kDeployments, R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v3"}]}}}})"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    fleet.ways.unread.clear();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "");
    std::string const outcome = co_await fleet.outcome("first");
    EXPECT_EQ(outcome, "Applied beijing Applied");
    STOP_FLEET();
}

// A member that makes up Rollouts with the hub's label fills nothing of the hub's.
CO_TEST(ApprovedInMember, WhatTheHubHasNotBroughtIsNotOnRecord) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    auto const writes = [&] {
        auto const all = fleet.hub_writes();
        auto const found = all.find("fleet create decisions");
        return found == all.end() ? 0 : found->second;
    };
    CO_ASSERT_OK(co_await fleet.at("beijing").create(
        ctx, kNamespaces,
        *json::parse_value(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"elsewhere"}})")));
    for (std::string const& ns : {std::string("demo"), std::string("elsewhere")}) {
        Value made = live.thaw();
        made["metadata"] = json::Object{{"name", "made-up"}, {"namespace", ns}};
        made.set({"metadata", "labels", propagation::kHubLabel}, "fleet");
        made.set({"spec", "workloadRef", "name"}, "nothing");
        CO_ASSERT_OK(co_await fleet.at("beijing").create(ctx, apis::kRollouts, made));
        for (char const* state : {"StepPaused", "StepReady"}) {
            Value status{json::Object()};
            status["status"] = live["status"].thaw();
            status.set({"status", "canaryStatus", "currentStepState"}, state);
            CO_ASSERT_OK(co_await fleet.at("beijing").named("evil").patch(
                ctx, apis::kRollouts, {ns, "made-up"}, client::PatchType::kMerge, status, {.subresource = "status"}));
        }
    }
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "");
    EXPECT_EQ(writes(), 0U);
    STOP_FLEET();
}

// A Rollout that left the hub with Hold is still the hub's while it releases.
CO_TEST(ApprovedInMember, WhatIsHeldIsOnRecord) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts,
                                      R"({"metadata":{"annotations":{"fleet.aviary.dev/on-delete":"Hold"}}})"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await approve_in(fleet, "beijing"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    STOP_FLEET();
}

// A Decision that came to nothing has not ended the pause.
CO_TEST(ApprovedInMember, IsOnRecordBesideADecisionThatExpired) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    fleet.ways.cut = {"beijing"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first", 120s));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 300s));
    std::string text = co_await fleet.outcome("first");
    EXPECT_EQ(text, "Expired beijing Expired");
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    CO_ASSERT_OK(co_await approve_in(fleet, "beijing"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    text = co_await records(fleet);
    EXPECT_EQ(text, "beijing step 1 Applied Member; ");
    STOP_FLEET();
}

// On the hub's own object it says nothing.
CO_TEST(ApprovedInMember, AWordOnTheHubStaysThere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts,
                                      R"({"metadata":{"annotations":{"fleet.aviary.dev/approved-directly":"[]"},
        "labels":{"team":"llm"}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    EXPECT_EQ(meta::label(live, "team"), "llm");
    EXPECT_EQ(meta::annotation(live, propagation::kApprovedDirectly), "");
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
