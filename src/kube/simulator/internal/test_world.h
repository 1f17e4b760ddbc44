// For tests: a server with one simulated cluster, in virtual time.
#pragma once

#include <map>
#include <optional>

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"
#include "kube/simulator/simulator.h"

namespace aviary::simulator {

inline control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};

// A server with one simulated cluster.
struct World {
    explicit World(Context ctx) : scope(ctx) {}
    Task<Status> start(Options options = {}) {
        auto opened =
            co_await apiserver::ApiServer::open(scope.context(), std::make_shared<storage::MemoryEngine>(), {});
        if (!opened) co_return std::unexpected(opened.error());
        server = std::move(*opened);
        client.emplace(server->transport("fleet", kAdmin), "test");
        simulator.emplace(client::Client(server->transport("fleet", kAdmin), "simulator"), options);
        scope.spawn(server->run_controllers(scope.context()));
        scope.spawn(simulator->run(scope.context()));
        co_return Status{};
    }
    Task<std::map<std::string, int>> images() {
        std::map<std::string, int> counts;
        auto const list =
            co_await client->list(scope.context(), meta::GroupVersionResource{"", "v1", "pods"}, {.ns = "default"});
        EXPECT_TRUE(list) << list.error().message();
        for (auto const& [key, pod] : (*list)["items"].elements())
            ++counts[pod.at({"spec", "containers"})[0]["image"].string()];
        co_return counts;
    }
    async::Scope scope;
    std::unique_ptr<apiserver::ApiServer> server;
    std::optional<client::Client> client;
    std::optional<Simulator> simulator;
};

inline Task<std::vector<json::Doc>> listed(World& world, meta::GroupVersionResource resource) {
    auto const list = co_await world.client->list(world.scope.context(), resource, {.ns = "default"});
    EXPECT_TRUE(list) << list.error().message();
    std::vector<json::Doc> result;
    for (auto const& [key, object] : (*list)["items"].elements()) result.push_back(object);
    co_return result;
}

}   // namespace aviary::simulator
