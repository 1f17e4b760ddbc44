#include "core/crypto/certificate.h"

#include <gtest/gtest.h>

namespace aviary::crypto {
namespace {

using namespace std::chrono_literals;

Time const kNow = *parse_rfc3339("2026-11-24T10:00:00Z");

TEST(UsableUntil, TheEndOfTheCertificate) {
    KeyPair const authority = *create_authority("ca", kNow);
    KeyPair const pair = *issue(authority, {.common_name = "admin", .validity = 48h}, kNow);
    EXPECT_EQ(usable_until(pair, authority.certificate_pem), kNow + 48h);
    EXPECT_EQ(usable_until(authority, authority.certificate_pem), kNow + 24h * 3650);
}

TEST(UsableUntil, WhatDoesNotFitTogetherIsNotUsable) {
    KeyPair const authority = *create_authority("ca", kNow);
    KeyPair const other = *create_authority("ca", kNow);
    KeyPair const pair = *issue(authority, {.common_name = "admin"}, kNow);
    auto const why = [&](KeyPair const& each, std::string const& under) {
        auto const until = usable_until(each, under);
        return until ? std::string() : until.error().message().substr(0, until.error().message().find(':'));
    };
    EXPECT_EQ(why({"", pair.key_pem}, authority.certificate_pem), "reading the certificate");
    EXPECT_EQ(why({pair.certificate_pem, "-----BEGIN NOTHING-----"}, authority.certificate_pem), "reading the key");
    EXPECT_EQ(why({pair.certificate_pem, other.key_pem}, authority.certificate_pem),
              "the key does not belong to the certificate");
    EXPECT_EQ(why(pair, other.certificate_pem), "the certificate is not under this authority");
    EXPECT_EQ(why(pair, "x"), "reading the authority");
    EXPECT_EQ(why(pair, authority.certificate_pem), "");
}

}   // namespace
}   // namespace aviary::crypto
