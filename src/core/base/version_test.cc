#include "core/base/version.h"

#include <gtest/gtest.h>

namespace aviary {
namespace {

TEST(Version, IsReadAsPeopleWriteIt) {
    EXPECT_EQ(parse_version("0.6.2"), (Version{0, 6, 2}));
    EXPECT_EQ(parse_version("v0.6.2"), (Version{0, 6, 2}));
    EXPECT_EQ(parse_version("v1.4"), (Version{1, 4, 0}));
    EXPECT_EQ(parse_version("v1.31.4+k3s1"), (Version{1, 31, 4}));
    EXPECT_EQ(parse_version("1.30.6-gke.1125000"), (Version{1, 30, 6}));
    EXPECT_EQ(parse_version("v0.6.2-rc.1"), (Version{0, 6, 2, true}));
    EXPECT_EQ(parse_version("0.7.0-alpha1"), (Version{0, 7, 0, true}));
    for (char const* bad : {"", "v", "latest", "1", "v1.", "1.x", "1.2.", "1.2.x", "1.2 3", "1.2.3.4", "-1.2", "1.-2",
                            "99999999999999999999.1"})
        EXPECT_FALSE(parse_version(bad)) << bad;
}

TEST(Version, NumbersCountAsNumbersAndEarlyOnesComeBefore) {
    EXPECT_LT(*parse_version("0.6.2"), *parse_version("0.6.10"));
    EXPECT_LT(*parse_version("0.9.9"), *parse_version("0.10.0"));
    EXPECT_LT(*parse_version("0.99.9"), *parse_version("1.0.0"));
    EXPECT_LT(*parse_version("0.6.2-rc.1"), *parse_version("0.6.2"));
    EXPECT_LT(*parse_version("0.6.1"), *parse_version("0.6.2-rc.1"));
    EXPECT_EQ(*parse_version("0.6.2-vendor.3"), *parse_version("v0.6.2"));
}

TEST(Version, ThisProgramHasOne) { EXPECT_TRUE(parse_version(program_version())) << program_version(); }

}   // namespace
}   // namespace aviary
