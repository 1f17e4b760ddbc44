#include "kube/webhook/configuration.h"

#include <gtest/gtest.h>

#include "core/json/write.h"
#include "kube/webhook/handler.h"

namespace aviary::webhook {
namespace {

using json::Value;

std::vector<std::string> at(std::string url) { return hosts({std::move(url), "", ""}); }

TEST(Address, IsAServiceOrAUrl) {
    std::vector<std::string> const service{"rollouts.aviary-system.svc", "rollouts.aviary-system.svc.cluster.local"};
    EXPECT_EQ(service, hosts({"", "aviary-system", "rollouts"}));
    EXPECT_EQ(std::vector<std::string>{"127.0.0.1"}, at("https://127.0.0.1:9443"));
    EXPECT_EQ(std::vector<std::string>{"member.example.com"}, at("https://member.example.com"));
    EXPECT_EQ(std::vector<std::string>{"fd00::1"}, at("https://[fd00::1]:9443"));
}

TEST(Configurations, AreOneForEachPath) {
    Rule mutate{"a.example.com", kMutatePath, {"apps"}, "v1", {"UPDATE"}, {"deployments"}};
    mutate.condition = "true";
    Rule validate{"b.example.com", kValidatePath, {"example.com"}, "v1", {"CREATE"}, {"widgets", "widgets/status"}};
    validate.required = false;
    validate.cluster_scoped = true;
    auto const made = configurations("both", {mutate, validate}, {"https://h:1", "", ""}, "ca");
    ASSERT_EQ(2U, made.size());
    EXPECT_EQ("MutatingWebhookConfiguration", made[0]["kind"].as_string());
    Value const& first = made[0]["webhooks"][0];
    EXPECT_EQ("Fail", first["failurePolicy"].as_string());
    EXPECT_EQ("None", first["sideEffects"].as_string());
    EXPECT_EQ(5, first["timeoutSeconds"].as_int());
    EXPECT_EQ(R"(["v1"])", json::write_canonical(first["admissionReviewVersions"]));
    EXPECT_EQ(R"([{"expression":"true","name":"of-interest"}])", json::write_canonical(first["matchConditions"]));
    EXPECT_EQ(R"({"caBundle":"Y2E=","url":"https://h:1/mutate"})", json::write_canonical(first["clientConfig"]));
    EXPECT_EQ("ValidatingWebhookConfiguration", made[1]["kind"].as_string());
    Value const& second = made[1]["webhooks"][0];
    EXPECT_EQ("Ignore", second["failurePolicy"].as_string());
    EXPECT_FALSE(second.contains("reinvocationPolicy"));
    EXPECT_EQ(
        R"([{"apiGroups":["example.com"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["widgets","widgets/status"],"scope":"Cluster"}])",
        json::write_canonical(second["rules"]));
    EXPECT_EQ(1U, configurations("one", {validate}, {"", "ns", "service"}, "ca").size());
}

TEST(WebhookAddress, SaysWhatIsWrongWithAUrl) {
    for (auto const& [url, host, port] : {std::tuple("https://10.0.0.4:9444", "10.0.0.4", 9444),
                                          {"https://hub.example.com", "hub.example.com", 443},
                                          {"https://[fd00::4]:9444", "fd00::4", 9444},
                                          {"https://[fd00::4]", "fd00::4", 443}}) {
        auto const parsed = endpoint(url);
        ASSERT_TRUE(parsed) << url;
        EXPECT_EQ(host, parsed->host);
        EXPECT_EQ(port, parsed->port);
    }
    for (char const* url : {"http://10.0.0.4:9444", "10.0.0.4:9444", "https://10.0.0.4:9444/hook", "https://10.0.0.4/",
                            "https://", "https://:9444", "https://10.0.0.4:", "https://10.0.0.4:0", "https://a:70000",
                            "https://[fd00::4", "https://me@a", "https://a?b", "https://[fd00::4]x:1"})
        EXPECT_FALSE(endpoint(url)) << url;
}

}   // namespace
}   // namespace aviary::webhook
