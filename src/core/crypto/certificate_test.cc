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

TEST(Lapse, SaysWhatIsOverAndWhatHasNotBegun) {
    KeyPair const authority = *create_authority("ca", kNow);
    std::string const pem = issue(authority, {.common_name = "admin", .validity = 48h}, kNow)->certificate_pem;
    EXPECT_EQ("", lapse(pem, kNow));
    EXPECT_EQ("", lapse(pem, kNow - 1h));
    EXPECT_EQ("begins at 2026-11-24T09:00:00Z, and it is 2026-11-24T08:59:59Z here: compare the clocks",
              lapse(pem, kNow - 1h - 1s));
    EXPECT_EQ("", lapse(pem, kNow + 48h - 1s));
    EXPECT_EQ("ended at 2026-11-26T10:00:00Z", lapse(pem, kNow + 48h));
    EXPECT_EQ("", lapse("", kNow));
    EXPECT_EQ("", lapse("no certificate", kNow));
}

// The key never leaves whoever asks, and what is signed is what the signer says.
TEST(Sign, ACertificateOfTheKeyThatAsks) {
    KeyPair const authority = *create_authority("ca", kNow);
    SigningRequest const asked = *create_signing_request("beijing");
    EXPECT_EQ(common_name_of(asked.request_pem), "beijing");
    auto const certificate = sign(authority, asked.request_pem, {.common_name = "agent", .validity = 48h}, kNow);
    ASSERT_TRUE(certificate);
    EXPECT_EQ(usable_until({*certificate, asked.key_pem}, authority.certificate_pem), kNow + 48h);
    EXPECT_FALSE(usable_until({*certificate, create_signing_request("beijing")->key_pem}, authority.certificate_pem));
}

TEST(Sign, WhatIsNoRequestIsRefused) {
    KeyPair const authority = *create_authority("ca", kNow);
    std::string spoilt = create_signing_request("beijing")->request_pem;
    // The last bytes are the signature's.
    std::size_t const at = spoilt.find("\n-----END") - 8;
    spoilt[at] = spoilt[at] == 'A' ? 'B' : 'A';
    for (std::string const& text : {std::string(), std::string("x"), authority.certificate_pem, spoilt}) {
        EXPECT_FALSE(common_name_of(text)) << text;
        EXPECT_FALSE(sign(authority, text, {.common_name = "agent"}, kNow)) << text;
    }
}

}   // namespace
}   // namespace aviary::crypto
