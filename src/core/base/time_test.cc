#include "core/base/time.h"

#include <gtest/gtest.h>

namespace aviary {
namespace {

using namespace std::chrono_literals;

TEST(Time, WhatIsWrittenReadsTheSame) {
    Time const time = *parse_rfc3339("2026-11-24T12:00:00.123456Z");
    EXPECT_EQ(format_rfc3339_micro(time), "2026-11-24T12:00:00.123456Z");
    EXPECT_EQ(format_rfc3339(time), "2026-11-24T12:00:00Z");
    EXPECT_EQ(parse_rfc3339("2026-11-24T13:30:00.123456+01:30"), time);
    EXPECT_EQ(parse_rfc3339("2026-11-24t12:00:00.123456z"), time);
    for (char const* text : {"", "2026-11-24", "2026-11-24T12:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
                             "2026-11-24T24:00:00Z", "2026-11-24T12:00:00.Z", "2026-11-24T12:00:00Zx"}) {
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    }
}

TEST(Time, FarAwayIsTheNearestThatCanBeReckonedWith) {
    for (char const* text : {"9999-12-31T23:59:59Z", "2263-01-01T00:00:00Z", "2190-01-01T00:00:00.5Z"}) {
        EXPECT_EQ(parse_rfc3339(text), kLatestTime) << text;
    }
    for (char const* text : {"0001-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59", "1677-01-01T00:00:00Z"}) {
        EXPECT_EQ(parse_rfc3339(text), kEarliestTime) << text;
    }
    Time const now = *parse_rfc3339("2026-11-24T12:00:00Z");
    EXPECT_GT(now - kEarliestTime, Duration(0));
    EXPECT_GT(kLatestTime + std::chrono::seconds(INT32_MAX), kLatestTime);
    EXPECT_EQ(format_rfc3339(kEarliestTime), "1800-01-01T00:00:00Z");
}

TEST(Duration, AsGoReadsIt) {
    EXPECT_EQ(parse_duration("1h2m3.5s"), 1h + 2min + 3500ms);
    EXPECT_EQ(parse_duration("-1.5ms"), -1500us);
    EXPECT_EQ(parse_duration(".5s"), 500ms);
    EXPECT_EQ(parse_duration("1.s"), 1s);
    EXPECT_EQ(parse_duration("0"), 0s);
    std::string const zeros(400, '0');
    EXPECT_EQ(parse_duration("." + zeros + "1s"), 0s);
    EXPECT_EQ(parse_duration("." + std::string(400, '5') + "ms"), 555'555ns);
    for (std::string const& text : {std::string(), std::string("1"), std::string("s"), std::string(".s"),
                                    std::string("-"), std::string("1d"), "1" + zeros + "h", std::string("1.2.3s")}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
    EXPECT_EQ(format_duration(90s), "1m30s");
    EXPECT_EQ(format_duration(500ms), "500ms");
}

TEST(Time, ReadsHowServersDateTheirAnswers) {
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), parse_rfc3339("1994-11-06T08:49:37Z"));
    for (char const* text : {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 ovD 1994 08:49:37 GMT",
                             "Sun, x6 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"})
        EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
}

}   // namespace
}   // namespace aviary
