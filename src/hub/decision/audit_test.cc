#include "hub/decision/audit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"

namespace aviary::decision {
namespace {

using json::Doc;
using json::Value;

Time const kNow = *parse_rfc3339("2026-11-23T14:00:00Z");

constexpr char kDecision[] = R"({"metadata":{"name":"web-1","namespace":"demo","uid":"uid-1",
    "creationTimestamp":"2026-11-23T13:59:58Z"},
    "spec":{"rolloutRef":{"name":"web"},"action":"Approve","selection":"Named","reason":"p95 ok","nonce":"secret",
    "release":{"digest":"sha256:3f"},"requester":{"username":"alice","groups":["llm-oncall"]},
    "expiresAt":"2026-11-23T15:00:00Z",
    "targets":[{"cluster":"beijing","rolloutUID":"u","step":1,"revision":"r","pausedSince":"2026-11-23T13:51:07Z"}]}})";
constexpr char kApplied[] = R"({"status":{"outcome":"Applied","origin":"Hub","clusters":[
    {"cluster":"beijing","outcome":"Applied","from":1,"to":2,"message":"moving on","at":"2026-11-23T14:00:00Z"}]}})";

Doc decision(std::string const& change = "{}") {
    Value object = *json::parse_value(kDecision);
    json::apply_merge_patch(object, *json::parse_value(change));
    return Doc::freeze(object);
}

std::string stages(Doc const& before, Doc const& after) {
    std::string text;
    for (AuditEntry const& entry : audit_entries(before, after, kNow)) text += entry.stage + " ";
    return text;
}

TEST(Audit, SaysThatItWasAskedForAndHowItEnded) {
    Doc const pending = decision(R"({"status":{"outcome":"Pending"}})");
    Doc const applied = decision(kApplied);
    EXPECT_EQ(stages({}, decision()), "Requested ");
    EXPECT_EQ(stages(decision(), pending), "");
    EXPECT_EQ(stages(pending, applied), "Settled ");
    EXPECT_EQ(stages(applied, applied), "");
    EXPECT_EQ(stages(applied, {}), "");
    EXPECT_EQ(stages({}, applied), "Requested Settled ") << "a hub that comes next";
    EXPECT_EQ(stages({}, decision(R"({"spec":{"selection":"InMember"}})")), "") << "nobody asked";
    EXPECT_EQ(stages({}, decision(R"({"spec":{"selection":"InMember"},"status":{"outcome":"Applied"}})")), "Settled ");
}

TEST(Audit, SaysWhoWhatWhereAndWhy) {
    auto const asked = audit_entries({}, decision(), kNow);
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(
        asked[0].line,
        R"({"time":"2026-11-23T14:00:00.000000Z","stage":"Requested","decision":{"namespace":"demo","name":"web-1","uid":"uid-1","created":"2026-11-23T13:59:58Z"},)"
        R"("action":"Approve","rollout":"web","release":"sha256:3f","selection":"Named","requester":{"username":"alice","groups":["llm-oncall"]},)"
        R"("reason":"p95 ok","expiresAt":"2026-11-23T15:00:00Z","targets":[{"cluster":"beijing","rolloutUID":"u","step":1,"revision":"r","pausedSince":"2026-11-23T13:51:07Z"}]})");
    auto const settled = audit_entries(decision(), decision(kApplied), kNow);
    ASSERT_EQ(settled.size(), 1U);
    EXPECT_NE(
        settled[0].line.find(
            R"("outcome":"Applied","origin":"Hub","clusters":[{"cluster":"beijing","outcome":"Applied","from":1,"to":2,)"),
        std::string::npos)
        << settled[0].line;
}

TEST(Audit, ALineIsBounded) {
    Value object = *json::parse_value(kDecision);
    object.set({"spec", "reason"}, std::string(4096, '\x01'));
    object["spec"]["targets"] = json::Array();
    for (int index = 0; index < 1000; ++index) {
        object["spec"]["targets"].push_back(
            json::Object{{"cluster", fmt::format("member-{}", index)}, {"rolloutUID", std::string(100000, 'u')}});
    }
    auto const entries = audit_entries({}, Doc::freeze(object), kNow);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_LE(entries[0].line.size(), kLongestAuditLine);
    EXPECT_EQ(entries[0].line.find('\n'), std::string::npos);
    auto const line = json::parse(entries[0].line);
    ASSERT_TRUE(line);
    EXPECT_EQ((*line)["targets"].size() + static_cast<std::size_t>((*line)["clustersLeftOut"].as_int()), 1000U);
    EXPECT_GT((*line)["targets"].size(), 50U);
}

}   // namespace
}   // namespace aviary::decision
