// Steps that were approved in a member itself, as the hub records them; in virtual time.
#include "app/hub/internal/test_fleet.h"
#include "hub/decision/observed.h"

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
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
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
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
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
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
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
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    co_await fleet.stop_hub();
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    decision::LeftStep left;
    left.target = {"beijing", meta::uid(live), 1, live.at({"status", "canaryStatus", "canaryRevision"}).string(),
                   live.at({"status", "canaryStatus", "lastUpdateTime"}).string()};
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
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    Doc const live = co_await fleet.get("beijing", apis::kRollouts);
    decision::LeftStep left;
    left.target = {"beijing", meta::uid(live), 1, live.at({"status", "canaryStatus", "canaryRevision"}).string(),
                   live.at({"status", "canaryStatus", "lastUpdateTime"}).string()};
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    client::Client const hub(fleet.server->transport("fleet", kHubUser), "aviary-hub");
    CO_ASSERT_OK(co_await hub.create(ctx, apis::kDecisions, decision::record_of(kWeb, left)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const text = co_await records(fleet);
    EXPECT_EQ(text, "");
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
