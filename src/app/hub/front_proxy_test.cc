#include "app/hub/internal/front_proxy.h"

#include <fmt/format.h>

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/observe/log.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"

namespace aviary::hub {
namespace {

using namespace std::chrono_literals;
using json::Value;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
meta::ObjectKey const kMap{"kube-system", "extension-apiserver-authentication"};

Value parsed(std::string_view text) { return *json::parse_value(text); }

struct World {
    explicit World(Context const& ctx) : scope(ctx) {}
    Task<Status> start() {
        Context const ctx = scope.context();
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {}));
        (void)co_await hub().create(
            ctx, {"", "v1", "namespaces"},
            parsed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system"}})"));
        CO_TRY(co_await hub().create(ctx, kConfigMaps, parsed(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":
            {"name":"extension-apiserver-authentication","namespace":"kube-system"},"data":{
            "requestheader-client-ca-file":"one","requestheader-allowed-names":"[\"front-proxy\"]",
            "requestheader-username-headers":"[\"X-Remote-User\"]"}})")));
        CO_TRY_ASSIGN(front, co_await FrontProxy::read(ctx, hub()));
        scope.spawn(front->run(ctx, [this](std::string const& authority) -> Status {
            if (authority == "nonsense") return fail(ErrorCode::kInvalid, "no certificate");
            trusted.push_back(authority);
            return {};
        }));
        co_return Status{};
    }
    client::Client hub() {
        return {server->transport("fleet", {"admin", {"system:masters", "system:authenticated"}, {}}), "test"};
    }
    Task<Status> say(std::string data) {
        Value patch{json::Object()};
        patch["data"] = parsed(data);
        CO_TRY(co_await hub().patch(scope.context(), kConfigMaps, kMap, client::PatchType::kMerge, std::move(patch)));
        CO_TRY(co_await async::sleep_for(scope.context(), 1s));
        co_return Status{};
    }

    std::unique_ptr<apiserver::ApiServer> server;
    std::unique_ptr<FrontProxy> front;
    std::vector<std::string> trusted;
    async::Scope scope;
};

CO_TEST(FrontProxy, IsTheOneOfNow) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    EXPECT_EQ(world.front->authority(), "one");
    EXPECT_EQ(world.front->proxy().allowed_names, std::vector<std::string>{"front-proxy"});
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_TRUE(world.trusted.empty()) << "it is trusted from the start";
    CO_ASSERT_OK(co_await world.say(R"({"requestheader-client-ca-file":"one two"})"));
    EXPECT_EQ(world.trusted, std::vector<std::string>{"one two"});
    CO_ASSERT_OK(co_await world.say(R"({"requestheader-allowed-names":"[\"front-proxy\",\"aggregator\"]"})"));
    EXPECT_EQ(world.front->proxy().allowed_names, (std::vector<std::string>{"front-proxy", "aggregator"}));
    EXPECT_EQ(world.front->proxy().username_headers, std::vector<std::string>{"X-Remote-User"});
    EXPECT_EQ(world.trusted.size(), 1U);
    for (char const* none : {"", "null"}) {
        CO_ASSERT_OK(co_await world.say(fmt::format(R"({{"requestheader-allowed-names":"{}"}})", none)));
        EXPECT_TRUE(world.front->proxy().allowed_names.empty()) << none;
    }
    co_await world.scope.cancel_and_join();
}

// No names would be any name.
CO_TEST(FrontProxy, StaysTheOneOfBeforeWhenItCannotBeRead) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    for (char const* data : {R"({"requestheader-allowed-names":"front-proxy"})",
                             R"({"requestheader-allowed-names":"[]","requestheader-client-ca-file":"nonsense"})",
                             R"({"requestheader-allowed-names":"[]","requestheader-client-ca-file":null})"}) {
        CO_ASSERT_OK(co_await world.say(data));
        EXPECT_EQ(world.front->proxy().allowed_names, std::vector<std::string>{"front-proxy"}) << data;
        EXPECT_EQ(world.front->authority(), "one") << data;
    }
    CO_ASSERT_OK(co_await world.hub().remove(ctx, kConfigMaps, kMap));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.front->authority(), "one");
    observe::set_level(observe::Level::kWarning);
    co_await world.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::hub
