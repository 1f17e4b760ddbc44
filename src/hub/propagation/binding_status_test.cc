#include "hub/propagation/binding_status.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/propagation/aggregate.h"

namespace aviary::propagation {
namespace {

using json::Doc;
using json::Value;

Time const kNow = *parse_rfc3339("2026-11-23T14:00:00Z");
Time const kBefore = *parse_rfc3339("2026-11-23T13:00:00Z");

Doc binding(Value const& status) {
    return Doc::freeze(json::Object{{"metadata", json::Object{{"generation", 2}}}, {"status", status}});
}

std::string condition(Value const& status, std::string_view type) {
    for (Value const& each : status["conditions"].array()) {
        if (each["type"].as_string() == type)
            return fmt::format("{} {} {}", each["status"].as_string(), each["reason"].as_string(),
                               each["message"].as_string());
    }
    return {};
}

TEST(BindingStatus, CountsAndNamesWhatIsNotSimplyApplied) {
    Value const status = binding_status(binding({}),
                                        {{"a", "Applied", "", "", kBefore},
                                         {"b", "Guarded", "RolloutMissing", "not there", kBefore},
                                         {"c", "Guarded", "ControllerAbsent", "none", kBefore},
                                         {"d", "Unreachable", "ClusterUnreachable", "", std::nullopt}},
                                        "5d8c", {"3.a/2.b", 17}, kNow);
    EXPECT_EQ(status["contentKey"].as_string(), "3.a/2.b");
    EXPECT_EQ(status["contentVersion"].as_int(), 17);
    EXPECT_EQ(status["stableRevision"].as_string(), "5d8c");
    EXPECT_EQ(json::write(status["counts"]), R"({"Applied":1,"Guarded":2,"Unreachable":1})");
    EXPECT_EQ(status["observedGeneration"].as_int(), 2);
    ASSERT_EQ(status["abnormal"].size(), 3u);
    EXPECT_EQ(
        json::write(status["abnormal"][0]),
        R"({"cluster":"b","state":"Guarded","reason":"RolloutMissing","message":"not there","since":"2026-11-23T13:00:00Z"})");
    EXPECT_EQ(status["abnormal"][2]["since"].as_string(), "2026-11-23T14:00:00Z");
    EXPECT_EQ(condition(status, "Applied"), "False SomeDiffer see status.abnormal");
    EXPECT_EQ(condition(status, "Guarded"), "False RolloutMissing b: not there");
    EXPECT_FALSE(status.contains("rejected")) << "placement's";
}

TEST(BindingStatus, AllApplied) {
    Value const status = binding_status(binding({}), {{"a", "Applied", "", "", kBefore}}, "", {}, kNow);
    EXPECT_EQ(condition(status, "Applied"), "True AllApplied every cluster carries the object");
    EXPECT_EQ(condition(status, "Guarded"), "True NothingHeld no cluster holds a template back");
    EXPECT_EQ(status["abnormal"].size(), 0u);
}

TEST(BindingStatus, PlacedNowhereIsNotApplied) {
    Value const status = binding_status(binding({}), {}, "", {}, kNow);
    EXPECT_EQ(condition(status, "Applied"), "False NotPlaced placed in no cluster: see status.rejected");
}

// Written once, nothing is left to write, however late it is and whoever asks: a restarted hub too.
TEST(BindingStatus, TheSameStandingIsNoNews) {
    std::vector<BindingRow> rows{{"a", "Applied", "", "", kBefore},
                                 {"b", "Guarded", "RolloutMissing", "x", kNow},
                                 {"c", "Unreachable", "ClusterUnreachable", "", std::nullopt},
                                 {"d", "Applying", "", "", std::nullopt}};
    Value const first = binding_status(binding({}), rows, "", {}, kNow);
    Doc const written = binding(first);
    for (BindingRow& row : rows) row.since = kNow + std::chrono::hours(1);   // all that memory knows after a restart
    Value const second = binding_status(written, rows, "", {}, kNow + std::chrono::hours(1));
    EXPECT_EQ(json::write(status_changes(written, second)), "{}");
    rows[1].reason = "ReleaseClosing";
    Value const third = binding_status(written, rows, "", {}, kNow + std::chrono::hours(1));
    EXPECT_EQ(third["abnormal"][0]["since"].as_string(), "2026-11-23T15:00:00Z");
    rows[1] = {"b", "Applied", "", "", kNow};
    EXPECT_EQ(json::write(status_changes(written, binding_status(written, rows, "", {}, kNow))["counts"]),
              R"({"Applied":2,"Guarded":null})");
}

TEST(BindingStatus, AtMostAHundredRows) {
    std::vector<BindingRow> rows;
    for (int index = 0; index < 150; ++index) rows.push_back({fmt::format("c{}", index), "Applying", "", "", kNow});
    Value const status = binding_status(binding({}), rows, "", {}, kNow);
    EXPECT_EQ(status["abnormal"].size(), 100u);
    EXPECT_EQ(status.at({"counts", "Applying"}).as_int(), 150);
}

}   // namespace
}   // namespace aviary::propagation
