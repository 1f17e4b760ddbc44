#include "app/hub/internal/own_namespace.h"

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/control/definitions.h"
#include "kube/meta/object.h"

namespace aviary::hub {
namespace {

meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
meta::GroupVersionResource const kAccounts{"", "v1", "serviceaccounts"};
meta::GroupVersionResource const kLeases{"coordination.k8s.io", "v1", "leases"};

CO_TEST(OwnNamespace, GoesWhereItWasMadeHereAndHoldsNothingOfOthers) {
    auto server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    client::Client const client((*server)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    auto const there = [ctx, client](std::string name) -> Task<bool> {
        auto const found = co_await client.find(ctx, kNamespaces, {"", std::move(name)});
        co_return found && found->exists() && !meta::is_deleting(*found);
    };
    // Somebody else's is left.
    CO_ASSERT_OK(co_await client.create(
        ctx, kNamespaces,
        *json::parse_value(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"theirs"}})")));
    CO_ASSERT_OK(co_await make_namespace(ctx, client, "theirs"));
    auto const others = co_await forget_namespace(ctx, client, "theirs");
    CO_ASSERT_OK(others);
    EXPECT_EQ(*others, "");
    EXPECT_TRUE(co_await there("theirs"));

    CO_ASSERT_OK(co_await make_namespace(ctx, client, "own"));
    CO_ASSERT_OK(co_await make_namespace(ctx, client, "own"));
    CO_ASSERT_OK(co_await client.create(
        ctx, kAccounts,
        *json::parse_value(
            R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"own"}})")));
    CO_ASSERT_OK(co_await client.create(
        ctx, kLeases,
        *json::parse_value(
            R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"somebody","namespace":"own"},"spec":{}})")));
    auto const kept = co_await forget_namespace(ctx, client, "own");
    CO_ASSERT_OK(kept);
    EXPECT_EQ(*kept, "leases.coordination.k8s.io somebody");
    EXPECT_TRUE(co_await there("own"));
    CO_ASSERT_OK(co_await client.remove(ctx, kLeases, {"own", "somebody"}));
    // Also of a kind that is served in another version than the one that its group prefers.
    async::Scope scope(ctx);
    scope.spawn((*server)->run_controllers(scope.context()));
    for (auto const& [plural, kind, version] :
         {std::tuple("widgets", "Widget", "v1"), std::tuple("gadgets", "Gadget", "v1alpha1")}) {
        json::Value crd = *json::parse_value(
            R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"group":"example.com","scope":"Namespaced"}})");
        crd.set({"metadata", "name"}, std::string(plural) + ".example.com");
        crd.set({"spec", "names"}, json::Object{{"plural", plural}, {"kind", kind}});
        crd.set(
            {"spec", "versions"},
            json::Array{json::Object{{"name", version},
                                     {"served", true},
                                     {"storage", true},
                                     {"schema", json::Object{{"openAPIV3Schema", json::Object{{"type", "object"}}}}}}});
        CO_ASSERT_OK(co_await control::install_definitions(ctx, client, {std::move(crd)}));
    }
    meta::GroupVersionResource const gadgets{"example.com", "v1alpha1", "gadgets"};
    CO_ASSERT_OK(co_await client.create(
        ctx, gadgets,
        *json::parse_value(
            R"({"apiVersion":"example.com/v1alpha1","kind":"Gadget","metadata":{"name":"theirs","namespace":"own"}})")));
    auto const held = co_await forget_namespace(ctx, client, "own");
    CO_ASSERT_OK(held);
    EXPECT_EQ(*held, "gadgets.example.com theirs");
    CO_ASSERT_OK(co_await client.remove(ctx, gadgets, {"own", "theirs"}));
    co_await scope.cancel_and_join();
    auto const gone = co_await forget_namespace(ctx, client, "own");
    CO_ASSERT_OK(gone);
    EXPECT_EQ(*gone, "");
    EXPECT_FALSE(co_await there("own"));
    // Safe to repeat.
    CO_ASSERT_OK(co_await forget_namespace(ctx, client, "own"));
}

}   // namespace
}   // namespace aviary::hub
