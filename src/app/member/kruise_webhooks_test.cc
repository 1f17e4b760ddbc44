// Which requests API servers ask the member about.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "app/member/internal/webhooks.h"
#include "core/base/strings.h"
#include "core/json/write.h"

namespace aviary::member {
namespace {

std::string told(webhook::Rule const& rule) {
    return fmt::format("{} {} {} {} {} selector={} condition={} required={}", rule.name, rule.path,
                       join(rule.operations, ","), join(rule.groups, ","), join(rule.resources, ","),
                       json::write_canonical(json::Value(rule.object_selector)), !rule.condition.empty(),
                       rule.required);
}

TEST(KruiseWebhooks, AskAboutTheWorkloadsOfRolloutsAlone) {
    auto const rules = webhook_rules();
    ASSERT_EQ(rules.size(), 3U);
    EXPECT_EQ(told(rules[0]),
              "freeze.rollouts.aviary.dev /mutate UPDATE apps deployments,statefulsets,daemonsets "
              R"(selector={"matchExpressions":[{"key":"rollouts.kruise.io/workload-type","operator":"Exists"}]} )"
              "condition=true required=true");
}

TEST(KruiseWebhooks, ValidateRolloutsOfBothVersions) {
    auto const rules = webhook_rules();
    EXPECT_EQ(told(rules.at(1)),
              "validate.rollouts.aviary.dev /validate CREATE,UPDATE rollouts.kruise.io rollouts selector={} "
              "condition=false required=true");
    EXPECT_EQ(rules.at(1).version, "v1beta1");
    EXPECT_EQ(rules.at(1).other_versions, std::vector<std::string>{"v1alpha1"});
    EXPECT_EQ(told(rules.at(2)),
              "approve.rollouts.aviary.dev /validate UPDATE rollouts.kruise.io rollouts/status selector={} "
              "condition=false required=false");
}

TEST(KruiseWebhooks, ConvertByReviewsOfV1) {
    json::Value const made = webhook::conversion({"", "aviary-system", "aviary-member"}, "ca");
    EXPECT_EQ(made["strategy"].as_string(), "Webhook");
    EXPECT_EQ(json::write(made.at({"webhook", "conversionReviewVersions"})), R"(["v1"])");
    EXPECT_EQ(made.at({"webhook", "clientConfig", "service", "path"}).as_string(), "/convert");
}

}   // namespace
}   // namespace aviary::member
