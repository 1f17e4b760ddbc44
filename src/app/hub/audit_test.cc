// What an audit log is told of Decisions, by hubs that come and go; in virtual time.
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

// "first Requested; first Settled Partial; "
std::string text_of(std::vector<decision::AuditEntry> const& entries) {
    std::string text;
    for (decision::AuditEntry const& entry : entries) {
        auto const line = json::parse(entry.line);
        if (!line) return line.error().message();
        std::string const outcome = (*line)["outcome"].string();
        text += fmt::format("{} {}{}; ", line->at({"decision", "name"}).as_string(), entry.stage,
                            outcome.empty() ? "" : " " + outcome);
    }
    return text;
}

CO_TEST(Audit, IsToldOfEachDecisionTwice) {
    Fleet fleet(ctx);
    std::vector<decision::AuditEntry> told;
    fleet.audit = [&told](decision::AuditEntry const& entry) { told.push_back(entry); };
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(text_of(told), "first Requested; first Settled Applied; ");
    Doc const line = told.empty() ? Doc() : *json::parse(told.back().line);
    EXPECT_EQ(line.at({"requester", "username"}).as_string(), "admin");
    EXPECT_EQ(line["clusters"][0]["outcome"].as_string(), "Applied");
    // While a cluster is away its Decision is not settled.
    told.clear();
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "second"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(text_of(told), "second Requested; ");
    // Asked while no hub runs, and settled by the next, which tells of all that are kept.
    co_await fleet.stop_hub();
    told.clear();
    CO_ASSERT_OK(co_await fleet.decide("Pause", {"beijing"}, "third"));
    fleet.ways.cut = {};
    fleet.start_hub();
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::string const text = text_of(told);
    for (char const* each : {"first Requested; first Settled Applied; ", "second Requested; ",
                             "second Settled Applied; ", "third Requested; ", "third Settled Applied; "})
        EXPECT_NE(text.find(each), std::string::npos) << each << "in " << text;
    EXPECT_EQ(told.size(), 6U) << text;
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
