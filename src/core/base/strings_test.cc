#include "core/base/strings.h"

#include <gtest/gtest.h>

namespace aviary {
namespace {

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
