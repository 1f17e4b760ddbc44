#include "kube/control/access_review.h"

#include "core/async/co_test.h"
#include "core/async/wait.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"

namespace aviary::control {
namespace {

using json::Value;

Attributes const kApprove{
    .verb = "approve", .group = "rollouts.kruise.io", .resource = "rollouts", .ns = "default", .name = "web"};

Value parsed(std::string_view text) { return *json::parse_value(text); }

CO_TEST(AccessReview, AsksTheServerAndKeepsTheAnswerForAWhile) {
    auto const server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    client::Client const admin((*server)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    auto const reviewer = make_subject_access_reviewer(admin);
    UserInfo const alice{"alice", {"oncall"}, {}};
    auto const before = co_await reviewer->allowed(ctx, alice, kApprove);
    CO_ASSERT_OK(before);
    EXPECT_FALSE(*before);

    CO_ASSERT_OK(co_await admin.create(
        ctx, {"rbac.authorization.k8s.io", "v1", "clusterroles"},
        parsed(R"({"metadata":{"name":"r"},"rules":[{"apiGroups":["rollouts.kruise.io"],"resources":["rollouts"],
            "verbs":["approve"]}]})")));
    CO_ASSERT_OK(co_await admin.create(
        ctx, {"rbac.authorization.k8s.io", "v1", "clusterrolebindings"},
        parsed(R"({"metadata":{"name":"r"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole",
            "name":"r"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"oncall"}]})")));
    auto const soon = co_await reviewer->allowed(ctx, alice, kApprove);
    EXPECT_FALSE(*soon);
    // However the clock is put meanwhile: who may no more must not go on for an hour.
    static_cast<async::VirtualExecutor&>(ctx.executor()).put_clock(-std::chrono::hours(1));
    (void)co_await async::sleep_for(ctx, kReviewKept);
    auto const later = co_await reviewer->allowed(ctx, alice, kApprove);
    CO_ASSERT_OK(later);
    EXPECT_TRUE(*later);
    Status const other = co_await reviewer->check(ctx, {"bob", {}, {}}, kApprove);
    EXPECT_EQ(
        "rollouts.rollouts.kruise.io \"web\" is forbidden: User \"bob\" cannot approve resource \"rollouts\" in API "
        "group \"rollouts.kruise.io\" in the namespace \"default\"",
        other.error().message());
}

}   // namespace
}   // namespace aviary::control
