// Which requests API servers ask the member about.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "app/member/internal/webhooks.h"
#include "core/async/co_test.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/webhook/handler.h"
#include "member/rollout/validation.h"

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

TEST(KruiseWebhooks, ValidateNoBatchReleases) {
    for (bool const labelled : {false, true}) {
        auto const made = webhook::configurations("aviary-member", webhook_rules(kUser, {.labelled_kinds = labelled}),
                                                  {"", "aviary-system", "aviary-member"}, "ca");
        ASSERT_EQ(made.size(), 2U);
        for (json::Value const& each : made) EXPECT_FALSE(json::write(each).contains("batchreleases"));
        EXPECT_EQ(made[1]["kind"].as_string(), "ValidatingWebhookConfiguration");
        EXPECT_FALSE(json::write(made[1]).contains(R"("*")"));
    }
}

CO_TEST(KruiseWebhooks, RefuseARolloutWithStatus422) {
    http::Request request{.method = "POST", .target = "/validate?timeout=5s", .headers = {}, .body = {}};
    request.body = R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",
        "operation":"CREATE","kind":{"group":"rollouts.kruise.io","version":"v1beta1","kind":"Rollout"},
        "resource":{"group":"rollouts.kruise.io","version":"v1beta1","resource":"rollouts"},"namespace":"demo",
        "name":"web","object":{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web"},
        "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
        "strategy":{"canary":{"steps":[]}}}}}})";
    auto const handler = webhook::make_handler({std::make_shared<rollout::Validation>()});
    http::Response const answer = co_await handler->handle(ctx, std::move(request), {});
    EXPECT_EQ(answer.status, 200);
    auto const review = json::parse(answer.body);
    CO_ASSERT_OK(review);
    EXPECT_FALSE(review->at({"response", "allowed"}).as_bool(true));
    json::Doc const status = review->at({"response", "status"});
    EXPECT_EQ(status["code"].as_int(), 422);
    EXPECT_EQ(status["reason"].as_string(), "Invalid");
    EXPECT_EQ(status.at({"details", "causes"})[0]["field"].as_string(), "spec.strategy.canary.steps");
}

TEST(KruiseWebhooks, ConvertByReviewsOfV1) {
    json::Value const made = webhook::conversion({"", "aviary-system", "aviary-member"}, "ca");
    EXPECT_EQ(made["strategy"].as_string(), "Webhook");
    EXPECT_EQ(json::write(made.at({"webhook", "conversionReviewVersions"})), R"(["v1"])");
    EXPECT_EQ(made.at({"webhook", "clientConfig", "service", "path"}).as_string(), "/convert");
}

}   // namespace
}   // namespace aviary::member
