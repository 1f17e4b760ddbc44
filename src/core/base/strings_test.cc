#include "core/base/strings.h"

#include <gtest/gtest.h>

namespace aviary {
namespace {

TEST(Utf8, IsAsTheStandardHasIt) {
    for (char const* text : {"", "p95 ok", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x9a\x80", "\xf4\x8f\xbf\xbf"})
        EXPECT_TRUE(is_utf8(text)) << text;
    for (char const* text : {"\xff", "\x80", "a\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                             "\xe2\x82", "\xc3 b"})
        EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(HostPort, AnAddressOfIPv6StandsInBrackets) {
    struct Case {
        char const* text;
        char const* host;
        std::optional<std::string> port;
    };
    for (Case const& each : {Case{"hub.example.com:7444", "hub.example.com", "7444"}, Case{"10.0.0.4", "10.0.0.4", {}},
                             Case{"[fd00::1]:443", "fd00::1", "443"}, Case{"[fd00::1]", "fd00::1", {}},
                             Case{"host:", "host", ""}, Case{":443", "", "443"}, Case{"", "", {}},
                             // Without brackets no port is one.
                             Case{"fd00::1:443", "fd00", ":1:443"}}) {
        auto const split = split_host_port(each.text);
        ASSERT_TRUE(split) << each.text;
        EXPECT_EQ(split->host, each.host);
        EXPECT_EQ(split->port, each.port);
    }
    for (char const* text : {"[fd00::1", "[fd00::1]443", "[fd00::1]x:443"}) EXPECT_FALSE(split_host_port(text)) << text;
    EXPECT_EQ(join_host_port("fd00::1", "443"), "[fd00::1]:443");
    EXPECT_EQ(join_host_port("10.0.0.4", "443"), "10.0.0.4:443");
}

TEST(HostPort, APortIsANumberThatAPortCanBe) {
    EXPECT_EQ(parse_port("1"), 1);
    EXPECT_EQ(parse_port("65535"), 65535);
    for (char const* text : {"", "0", "65536", "-1", "+1", "1x", ":1", " 1"}) EXPECT_FALSE(parse_port(text)) << text;
}

}   // namespace
}   // namespace aviary
