#include "kube/control/definitions.h"

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::control {
namespace {

using json::Value;

meta::GroupVersionResource const kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

Value definition(std::string const& version) {
    Value object = *json::parse_value(
        R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
        "spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget",
        "listKind":"WidgetList"}}})");
    Value served = *json::parse_value(
        R"({"served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}})");
    served["name"] = version;
    object.set({"spec", "versions"}, json::Array{served});
    return object;
}

CO_TEST(Definitions, AreMadeAndServed) {
    async::Scope scope(ctx);
    auto const server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    client::Client const client((*server)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    CO_ASSERT_OK(co_await install_definitions(ctx, client, {definition("v1")}));
    CO_ASSERT_OK(co_await client.list(ctx, {"example.com", "v1", "widgets"}));
    auto const before = co_await client.get(ctx, kDefinitions, {"", "widgets.example.com"});
    CO_ASSERT_OK(co_await install_definitions(ctx, client, {definition("v1")}));
    auto const after = co_await client.get(ctx, kDefinitions, {"", "widgets.example.com"});
    EXPECT_EQ(meta::resource_version(*before), meta::resource_version(*after));
    co_await scope.cancel_and_join();
}

CO_TEST(Definitions, OfOthersAreLeftAsTheyAre) {
    async::Scope scope(ctx);
    auto const server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    client::Client const client((*server)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    Value theirs = definition("v1");
    theirs.set({"spec", "names", "shortNames"}, json::Array{"wd"});
    CO_ASSERT_OK(co_await client.create(ctx, kDefinitions, std::move(theirs)));
    Value ours = definition("v1");
    ours.set({"spec", "names", "shortNames"}, json::Array{"w"});
    CO_ASSERT_OK(co_await install_definitions(ctx, client, {ours}, Existing::kLeave));
    auto const left = co_await client.get(ctx, kDefinitions, {"", "widgets.example.com"});
    CO_ASSERT_OK(left);
    EXPECT_EQ("wd", left->at({"spec", "names", "shortNames"})[0].as_string());

    Status const lacking = co_await install_definitions(ctx, client, {definition("v2")}, Existing::kLeave);
    EXPECT_EQ(
        "installing widgets.example.com: customresourcedefinitions \"widgets.example.com\" is there and does not "
        "serve v2: update what installed it",
        lacking.error().message());
    co_await scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::control
