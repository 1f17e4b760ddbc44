// Which requests API servers ask the member about.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "app/member/internal/webhooks.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/webhook/handler.h"

namespace aviary::member {
namespace {

constexpr char kUser[] = "system:serviceaccount:aviary-system:aviary-member";

std::string told(webhook::Rule const& rule) {
    return fmt::format("{} {} {} {} version={},{} required={}", rule.path, join(rule.operations, ","),
                       join(rule.groups, ","), join(rule.resources, ","), rule.version, join(rule.other_versions, ","),
                       rule.required);
}

TEST(KruiseWebhooks, AskAboutTheWorkloadsOfRolloutsAlone) {
    std::set<std::string> resources;
    for (webhook::Rule const& rule : webhook_rules(kUser)) {
        if (rule.path != webhook::kMutatePath) continue;
        EXPECT_EQ(rule.operations, std::vector<std::string>{"UPDATE"}) << rule.name;
        EXPECT_EQ(json::write_canonical(json::Value(rule.object_selector)),
                  R"({"matchExpressions":[{"key":"rollouts.kruise.io/workload-type","operator":"Exists"}]})")
            << rule.name;
        bool const groups = rule.resources.front() == "leaderworkersets";
        EXPECT_TRUE(rule.condition.starts_with(
            groups ? "object.spec.leaderWorkerTemplate != oldObject.spec.leaderWorkerTemplate || "
                   : "object.spec.template != oldObject.spec.template || "))
            << rule.name;
        EXPECT_TRUE(rule.required) << rule.name;
        for (std::string const& each : rule.resources) resources.insert(rule.groups.front() + "/" + each);
    }
    for (char const* each :
         {"apps/deployments", "apps/statefulsets", "apps/daemonsets", "apps.kruise.io/clonesets",
          "apps.kruise.io/statefulsets", "apps.kruise.io/daemonsets", "leaderworkerset.x-k8s.io/leaderworkersets"})
        EXPECT_TRUE(resources.contains(each)) << each;
}

TEST(KruiseWebhooks, DoNotAskAboutWhatTheControllersWriteOfARelease) {
    int about_others = 0;
    for (webhook::Rule const& rule : webhook_rules("it's\\me")) {
        if (rule.condition.contains("request.userInfo.username != 'it\\'s\\\\me'")) ++about_others;
    }
    EXPECT_EQ(about_others, 4) << "freeze of three groups, approvals";
}

TEST(KruiseWebhooks, AskAboutCustomKindsByTheirLabelAlone) {
    std::vector<webhook::Rule> const rules = webhook_rules(kUser, {.labelled_kinds = true});
    ASSERT_EQ(rules.size(), webhook_rules(kUser).size() + 1);
    webhook::Rule const& rule = rules.back();
    EXPECT_EQ(told(rule), "/mutate UPDATE * * version=*, required=true");
    EXPECT_EQ(json::write_canonical(json::Value(rule.object_selector)),
              R"({"matchLabels":{"rollouts.kruise.io/workload-type":"statefulset"}})");
    // What another rule asks about is not asked about twice.
    EXPECT_TRUE(
        rule.condition.starts_with("request.resource.group.contains('.') && !(request.resource.group in "
                                   "['apps.kruise.io', 'leaderworkerset.x-k8s.io']) && "))
        << rule.condition;
}

TEST(KruiseWebhooks, ValidateRolloutsOfBothVersions) {
    std::set<std::string> asked;
    for (webhook::Rule const& rule : webhook_rules(kUser)) {
        if (rule.path == webhook::kValidatePath) asked.insert(told(rule));
    }
    EXPECT_TRUE(
        asked.contains("/validate CREATE,UPDATE rollouts.kruise.io rollouts version=v1beta1,v1alpha1 required=true"))
        << testing::PrintToString(asked);
    EXPECT_TRUE(
        asked.contains("/validate CREATE,UPDATE rollouts.kruise.io trafficroutings version=v1alpha1, required=false"))
        << testing::PrintToString(asked);
    // An approval in an emergency does not wait for a controller that is down.
    EXPECT_TRUE(asked.contains("/validate UPDATE rollouts.kruise.io rollouts/status version=v1beta1, required=false"))
        << testing::PrintToString(asked);
}

TEST(KruiseWebhooks, ConvertByReviewsOfV1) {
    json::Value const made = webhook::conversion({"", "aviary-system", "aviary-member"}, "ca");
    EXPECT_EQ(made["strategy"].as_string(), "Webhook");
    EXPECT_EQ(json::write(made.at({"webhook", "conversionReviewVersions"})), R"(["v1"])");
    EXPECT_EQ(made.at({"webhook", "clientConfig", "service", "path"}).as_string(), "/convert");
}

}   // namespace
}   // namespace aviary::member
