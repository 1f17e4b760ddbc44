#include "kube/control/definitions.h"

#include <utility>

#include "core/async/co_test.h"
#include "core/base/version.h"
#include "core/json/parse.h"
#include "core/observe/log.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::control {
namespace {

using json::Value;

meta::GroupVersionResource const kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
meta::ObjectKey const kWidgets{"", "widgets.example.com"};

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

Value named_and_marked(std::string const& short_name, std::string const& version) {
    Value patch{json::Object()};
    patch.set({"spec", "names", "shortNames"}, json::Array{short_name});
    patch.set({"metadata", "annotations", kDefinitionsVersion}, version.empty() ? Value() : Value(version));
    return patch;
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

// Of this program's version or an older one, or of one that marked nothing.
CO_TEST(Definitions, OfNewerVersionsAreLeftAsTheyAre) {
    async::Scope scope(ctx);
    auto const server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    client::Client const client((*server)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    observe::set_level(observe::Level::kOff);
    CO_ASSERT_OK(co_await client.create(ctx, kDefinitions, definition("v1")));
    for (std::string const& version : {std::string(), std::string("0.0.1"), std::string(program_version()),
                                       std::string("nonsense"), std::string("999.0.0-rc.1"), std::string("999.0.0")}) {
        CO_ASSERT_OK(co_await client.patch(ctx, kDefinitions, kWidgets, client::PatchType::kMerge,
                                           named_and_marked("theirs", version)));
        Value ours = definition("v1");
        ours.set({"spec", "names", "shortNames"}, json::Array{"ours"});
        CO_ASSERT_OK(co_await install_definitions(ctx, client, {ours}));
        auto const after = co_await client.get(ctx, kDefinitions, kWidgets);
        CO_ASSERT_OK(after);
        bool const newer = version.starts_with("999");
        EXPECT_EQ(newer ? "theirs" : "ours", after->at({"spec", "names", "shortNames"})[0].as_string()) << version;
        EXPECT_EQ(newer ? version : program_version(), meta::annotation(*after, kDefinitionsVersion)) << version;
    }
    Status const lacking = co_await install_definitions(ctx, client, {definition("v2")});
    EXPECT_TRUE(!lacking && lacking.error().message().contains("does not serve v2"));
    observe::set_level(observe::Level::kWarning);
    co_await scope.cancel_and_join();
}

// Has a newer version write between this one's look and its write.
class Between final : public client::Transport {
public:
    Between(std::shared_ptr<client::Transport> inner, client::Client newer)
        : inner_(std::move(inner)), newer_(std::move(newer)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        if (request.method == "PATCH" && !std::exchange(done_, true)) {
            CO_TRY(co_await newer_.patch(ctx, kDefinitions, kWidgets, client::PatchType::kMerge,
                                         named_and_marked("theirs", "999.0.0")));
        }
        auto answer = co_await inner_->send(ctx, std::move(request));
        co_return answer;
    }

private:
    std::shared_ptr<client::Transport> inner_;
    client::Client newer_;
    bool done_ = false;
};

CO_TEST(Definitions, OfANewerVersionThatComesBetweenAreLeft) {
    async::Scope scope(ctx);
    auto const server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    auto const transport = (*server)->transport("fleet", {"admin", {"system:masters"}, {}});
    client::Client const newer(transport, "newer");
    client::Client const client(std::make_shared<Between>(transport, newer), "test");
    observe::set_level(observe::Level::kOff);
    CO_ASSERT_OK(co_await newer.create(ctx, kDefinitions, definition("v1")));
    Value ours = definition("v1");
    ours.set({"spec", "names", "shortNames"}, json::Array{"ours"});
    CO_ASSERT_OK(co_await install_definitions(ctx, client, {ours}));
    auto const after = co_await newer.get(ctx, kDefinitions, kWidgets);
    CO_ASSERT_OK(after);
    EXPECT_EQ("theirs", after->at({"spec", "names", "shortNames"})[0].as_string());
    observe::set_level(observe::Level::kWarning);
    co_await scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::control
