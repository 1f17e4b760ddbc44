#include "app/hub/internal/identity_owner.h"

#include "app/hub/internal/joined.h"
#include "core/async/co_test.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::hub {
namespace {

using json::Value;

meta::GroupVersionResource const kAccounts{"", "v1", "serviceaccounts"};
meta::GroupVersionResource const kBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};

Value account() { return named_in("aviary-system", "v1", "ServiceAccount", "aviary-hub"); }

Value binding(std::string owner) {
    for (Value& each : hub_identity("aviary-agent", "aviary-system", rights_of(false, false), std::move(owner))) {
        if (each["kind"].as_string() == "ClusterRoleBinding") return std::move(each);
    }
    return {};
}

Task<std::string> other_than(Context ctx, client::Client member, std::string own) {
    auto const owner = co_await other_owner(ctx, member, "aviary-system", std::move(own));
    co_return owner ? *owner : owner.error().message();
}

CO_TEST(IdentityOwner, IsTheHubThatHasMadeIt) {
    auto server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    client::Client const member((*server)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    CO_ASSERT_OK(co_await ensure(ctx, member, {"", "v1", "namespaces"}, named("v1", "Namespace", "aviary-system")));
    EXPECT_EQ(co_await other_than(ctx, member, "a"), "");
    // Of an earlier version: the next one that joins may have it.
    CO_ASSERT_OK(co_await ensure(ctx, member, kAccounts, account()));
    EXPECT_EQ(co_await other_than(ctx, member, "a"), "");
    Value marked = account();
    mark_owner(marked, "a");
    CO_ASSERT_OK(co_await ensure(ctx, member, kAccounts, std::move(marked)));
    EXPECT_EQ(co_await other_than(ctx, member, "a"), "");
    EXPECT_EQ(co_await other_than(ctx, member, "b"), "a");
    // Without the account, as with an agent.
    CO_ASSERT_OK(co_await forget(ctx, member, kAccounts, {"aviary-system", "aviary-hub"}));
    EXPECT_EQ(co_await other_than(ctx, member, "b"), "");
    CO_ASSERT_OK(co_await ensure(ctx, member, kBindings, binding("a")));
    EXPECT_EQ(co_await other_than(ctx, member, "a"), "");
    EXPECT_EQ(co_await other_than(ctx, member, "b"), "a");
}

}   // namespace
}   // namespace aviary::hub
