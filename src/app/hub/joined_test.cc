#include "app/hub/internal/joined.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace aviary::hub {
namespace {

using json::Value;
using Lines = std::vector<std::string>;

bool lists(Value const& list, std::string_view word) {
    return std::ranges::any_of(list.array(), [&](Value const& each) { return each.as_string() == word; });
}

// "users aviary:view"; without a name: any.
Lines may_be(Rights rights) {
    Lines result;
    for (Value const& object : hub_identity("aviary-hub", "aviary-system", rights, "hub")) {
        for (Value const& rule : object["rules"].array()) {
            EXPECT_FALSE(lists(rule["verbs"], "*"));
            if (!lists(rule["verbs"], "impersonate")) continue;
            for (Value const& resource : rule["resources"].array()) {
                if (rule["resourceNames"].size() == 0) result.push_back(resource.string());
                for (Value const& name : rule["resourceNames"].array())
                    result.push_back(resource.string() + " " + name.string());
            }
        }
    }
    std::ranges::sort(result);
    return result;
}

TEST(Joined, InAMemberTheHubIsAFixedUserAndNobodyElse) {
    EXPECT_EQ(may_be(Rights::kApprove), (Lines{"groups aviary:view", "userextras/person", "users aviary:view"}));
    EXPECT_EQ(may_be(Rights::kBring), (Lines{"groups aviary:release", "groups aviary:view", "userextras/person",
                                             "users aviary:release", "users aviary:view"}));
    EXPECT_EQ(may_be(Rights::kAdmin),
              (Lines{"groups aviary:admin", "groups aviary:release", "groups aviary:view", "userextras/person",
                     "users aviary:admin", "users aviary:release", "users aviary:view"}));
}

// Of objects that may be anybody's it reads by name what tells the rollout controller, whatever else it may do.
TEST(Joined, TheHubMayReadWhichControllerRunsThere) {
    for (Rights const rights : {Rights::kApprove, Rights::kBring, Rights::kAdmin}) {
        Lines named;
        for (Value const& object : hub_identity("aviary-hub", "aviary-system", rights, "hub")) {
            for (Value const& rule : object["rules"].array()) {
                if (rule["resourceNames"].size() == 0 || lists(rule["verbs"], "impersonate")) continue;
                EXPECT_EQ(rule["verbs"].size(), 1u);
                EXPECT_TRUE(lists(rule["verbs"], "get"));
                named.push_back(rule["resources"][0].string() + " " + rule["resourceNames"][0].string());
            }
        }
        EXPECT_EQ(named, (Lines{"configmaps aviary-member", "leases aviary-member",
                                "mutatingwebhookconfigurations kruise-rollout-mutating-webhook-configuration"}));
    }
}

}   // namespace
}   // namespace aviary::hub
