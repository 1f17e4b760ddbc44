#include <gtest/gtest.h>

#include "app/member/internal/webhooks.h"
#include "core/json/write.h"

namespace aviary::member {
namespace {

using json::Value;

std::vector<std::string> hosts(std::string url) { return webhook_hosts({std::move(url), "", ""}); }

TEST(Webhooks, AreReachedAtTheServiceOrAtAnAddress) {
    std::vector<std::string> const service{"rollouts.aviary-system.svc", "rollouts.aviary-system.svc.cluster.local"};
    EXPECT_EQ(service, webhook_hosts({"", "aviary-system", "rollouts"}));
    EXPECT_EQ(std::vector<std::string>{"127.0.0.1"}, hosts("https://127.0.0.1:9443"));
    EXPECT_EQ(std::vector<std::string>{"member.example.com"}, hosts("https://member.example.com"));
    EXPECT_EQ(std::vector<std::string>{"member.example.com"}, hosts("https://member.example.com:8443/path"));
    EXPECT_EQ(std::vector<std::string>{"fd00::1"}, hosts("https://[fd00::1]:9443"));
}

TEST(Webhooks, HoldUpNothingButReleases) {
    std::vector<Value> const configurations = webhook_configurations({"https://h:1", "", ""}, "ca");
    ASSERT_EQ(2U, configurations.size());
    Value const& freeze = configurations[0]["webhooks"][0];
    EXPECT_EQ("Fail", freeze["failurePolicy"].as_string());
    EXPECT_EQ(R"([{"key":"rollouts.kruise.io/workload-type","operator":"Exists"}])",
              json::write(freeze.at({"objectSelector", "matchExpressions"})));
    EXPECT_TRUE(freeze["matchConditions"][0]["expression"].as_string().starts_with(
        "object.spec.template != oldObject.spec.template || "));
    EXPECT_EQ("https://h:1/mutate", freeze.at({"clientConfig", "url"}).as_string());
    // Approving goes on while the controller is down; a Rollout that nobody could check does not get in.
    Value const& validating = configurations[1]["webhooks"];
    EXPECT_EQ("Fail", validating[0]["failurePolicy"].as_string());
    EXPECT_EQ("Ignore", validating[1]["failurePolicy"].as_string());
    EXPECT_EQ(R"(["rollouts/status"])", json::write(validating[1]["rules"][0]["resources"]));
}

}   // namespace
}   // namespace aviary::member
