#include "member/agent/verdict.h"

#include <gtest/gtest.h>

namespace aviary::agent {
namespace {

TEST(Verdict, SaysWhenToDialAgainAndByWhat) {
    struct Case {
        char const* what;
        Ended ended;
        Verdict verdict;
    };
    for (Case const& each : {
             Case{"the hub is away", {.errand = Errand::kLink}, {}},
             Case{"the hub is away before anything was joined", {}, {}},
             Case{"a link is cut", {.errand = Errand::kLink, .linked = true, .certificate = true}, {}},
             Case{"a hub ends in good order", {.errand = Errand::kLink, .linked = true, .in_order = true}, {}},
             Case{"joined: now the link", {.certificate = true, .in_order = true}, {Next::kAtOnce, true}},
             Case{"joined, and the line was lost", {.certificate = true}, {Next::kLater, true}},
             Case{"the token is refused", {.refused = true, .in_order = true}, {Next::kLater, true}},
             Case{"cut while a person is waited for", {.in_order = true, .token_left = true}, {}},
             Case{"it is time to renew", {.errand = Errand::kLink, .linked = true, .over = true}, {Next::kAtOnce}},
             Case{"the certificate has ended", {.errand = Errand::kRenew, .over = true}, {Next::kAtOnce}},
             Case{"refused, and there is a new token",
                  {.errand = Errand::kLink, .refused = true, .certificate = true, .token_left = true},
                  {Next::kByToken}},
             Case{"so while it renews",
                  {.errand = Errand::kRenew, .refused = true, .certificate = true, .token_left = true},
                  {Next::kByToken}},
             Case{"refused, and the token is known to be of no use",
                  {.errand = Errand::kLink, .refused = true, .certificate = true},
                  {}},
             Case{"a new hub does not take the certificate, and there is a new token",
                  {.errand = Errand::kLink, .heard = false, .certificate = true, .token_left = true},
                  {Next::kByToken}},
             Case{"so without one", {.errand = Errand::kLink, .heard = false, .certificate = true}, {}},
             Case{"nor by the token", {.instead = true, .heard = false, .token_left = true}, {}},
             Case{"that token is refused, too", {.instead = true, .refused = true}, {Next::kLater, true, true}},
             Case{"that token is right",
                  {.instead = true, .certificate = true, .in_order = true},
                  {Next::kAtOnce, true}},
             Case{"the hub has moved",
                  {.errand = Errand::kLink, .given_changed = true, .linked = true},
                  {Next::kAtOnce}},
             Case{"refused, and another token was brought meanwhile",
                  {.instead = true, .given_changed = true, .refused = true},
                  {Next::kAtOnce, true}},
         }) {
        EXPECT_EQ(verdict_of(each.ended), each.verdict) << each.what;
    }
}

}   // namespace
}   // namespace aviary::agent
