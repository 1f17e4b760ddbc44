// A server in memory and clients of it, for tests.
#pragma once

#include <memory>
#include <string>

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/client/client.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

inline meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};
inline meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
inline meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
inline meta::GroupVersionResource const kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
inline meta::GroupVersionResource const kRoles{"rbac.authorization.k8s.io", "v1", "roles"};
inline meta::GroupVersionResource const kRoleBindings{"rbac.authorization.k8s.io", "v1", "rolebindings"};
inline meta::GroupVersionResource const kClusterRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};
inline meta::GroupVersionResource const kClusterRoleBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};

inline json::Value parsed(std::string_view text) {
    auto value = json::parse_value(text);
    EXPECT_TRUE(value) << value.error().message();
    return value ? std::move(*value) : json::Value();
}

inline json::Value config_map(std::string_view name, std::string_view value = "v") {
    json::Value object{json::Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"data", json::Object{{"k", value}}}}};
    object["metadata"] = json::Object{{"name", name}, {"namespace", "default"}};
    return object;
}

class TestServer {
public:
    explicit TestServer(Context ctx) : scope_(ctx), engine(std::make_shared<storage::MemoryEngine>()) {}

    Task<void> start(Options options = {}) {
        auto opened = co_await ApiServer::open(scope_.context(), engine, std::move(options));
        EXPECT_TRUE(opened) << opened.error().message();
        if (opened) server = std::move(*opened);
    }
    void run_controllers() { scope_.spawn(server->run_controllers(scope_.context())); }
    Task<void> stop() {
        scope_.cancel();
        co_await scope_.join();
        server.reset();
    }

    client::Client as(std::string user, std::vector<std::string> groups = {}) {
        groups.emplace_back("system:authenticated");
        return client::Client(server->transport("fleet", {std::move(user), std::move(groups), {}}), "test");
    }
    client::Client admin() { return as("admin", {"system:masters"}); }
    // Any request as the admin.
    Task<client::Response> send(client::Request request) {
        client::Response response = co_await server->handle(
            scope_.context(), "fleet", {"admin", {"system:masters", "system:authenticated"}, {}}, std::move(request));
        co_return std::move(response);
    }
    static client::Request request(std::string method, std::string path, client::NameValues query = {},
                                   json::Value body = {}, std::string type = "application/json") {
        client::Request request;
        request.method = std::move(method);
        request.path = std::move(path);
        request.query = std::move(query);
        if (!body.is_null()) {
            request.content_type = std::move(type);
            request.body = json::Doc::freeze(body);
        }
        return request;
    }

private:
    async::Scope scope_;

public:
    std::shared_ptr<storage::MemoryEngine> engine;
    std::unique_ptr<ApiServer> server;
};

// "ADDED a" for each event that comes within the time.
inline Task<std::vector<std::string>> drain(Context ctx, client::WatchStream& watch,
                                            Duration time = std::chrono::milliseconds(10)) {
    std::vector<std::string> events;
    Context const until = ctx.with_timeout(time);
    while (true) {
        auto event = co_await watch.next(until);
        if (!event || !*event) break;
        json::Doc const object = (**event)["object"];
        std::string text = (**event)["type"].string();
        if (text != "BOOKMARK" && text != "ERROR") text += " " + meta::name(object);
        events.push_back(std::move(text));
    }
    co_return events;
}

}   // namespace aviary::apiserver
