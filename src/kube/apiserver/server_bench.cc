// The path of a request, in process and in memory: what the server itself costs beside network and disk.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "core/async/virtual_executor.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"

namespace aviary::apiserver {
namespace {

control::UserInfo const kAdmin{"admin", {"system:masters", "system:authenticated"}, {}};
constexpr char kDeployments[] = "/apis/apps/v1/namespaces/default/deployments";

struct World {
    World() {
        Context const ctx(executor);
        server = std::move(*executor.run(ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {})));
    }
    client::Response send(client::Request request) {
        return executor.run(server->handle(Context(executor), "fleet", user, std::move(request)));
    }
    async::VirtualExecutor executor;
    std::unique_ptr<ApiServer> server;
    control::UserInfo user = kAdmin;
};

client::Request request(std::string method, std::string path, std::string_view body = {},
                        std::string type = "application/json") {
    client::Request request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.headers.emplace_back("User-Agent", "bench");
    if (!body.empty()) {
        request.content_type = std::move(type);
        request.body = *json::parse(body);
    }
    return request;
}

std::string deployment(int number, int replicas = 3) {
    return fmt::format(
        R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web-{}","labels":{{"app":"web"}}}},"spec":{{"replicas":{},
      "selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":{{"app":"web"}}}},"spec":{{"containers":[
      {{"name":"main","image":"nginx:1","ports":[{{"containerPort":80}}],"resources":{{"requests":{{"cpu":"1","memory":"1Gi"}}}}}}]}}}}}}}})",
        number, replicas);
}

void get(benchmark::State& state) {
    World world;
    world.send(request("POST", kDeployments, deployment(0)));
    for (auto _ : state) {
        auto const response = world.send(request("GET", std::string(kDeployments) + "/web-0"));
        if (response.status != 200) state.SkipWithError("get failed");
        benchmark::DoNotOptimize(json::write(response.body));
    }
}
BENCHMARK(get);

void get_by_role(benchmark::State& state) {
    World world;
    world.send(request("POST", kDeployments, deployment(0)));
    world.send(request(
        "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        R"({"metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},
                           "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"bob"}]})"));
    world.user = {"bob", {"system:authenticated"}, {}};
    for (auto _ : state) {
        if (world.send(request("GET", std::string(kDeployments) + "/web-0")).status != 200)
            state.SkipWithError("get failed");
    }
}
BENCHMARK(get_by_role);

void create(benchmark::State& state) {
    World world;
    int number = 0;
    for (auto _ : state) {
        if (world.send(request("POST", kDeployments, deployment(++number))).status != 201)
            state.SkipWithError("create failed");
    }
}
BENCHMARK(create);

void patch(benchmark::State& state) {
    World world;
    world.send(request("POST", kDeployments, deployment(0)));
    int replicas = 0;
    for (auto _ : state) {
        auto const body = fmt::format(R"({{"spec":{{"replicas":{}}}}})", ++replicas % 100);
        if (world.send(request("PATCH", std::string(kDeployments) + "/web-0", body, "application/merge-patch+json"))
                .status != 200) {
            state.SkipWithError("patch failed");
        }
    }
}
BENCHMARK(patch);

void apply(benchmark::State& state) {
    World world;
    int replicas = 0;
    for (auto _ : state) {
        client::Request change = request("PATCH", std::string(kDeployments) + "/web-0", deployment(0, ++replicas % 100),
                                         "application/apply-patch+yaml");
        change.query.emplace_back("fieldManager", "bench");
        if (int const status = world.send(std::move(change)).status; status != 200 && status != 201)
            state.SkipWithError("apply failed");
    }
}
BENCHMARK(apply);

void list(benchmark::State& state) {
    World world;
    for (int number = 0; number < 500; ++number) world.send(request("POST", kDeployments, deployment(number)));
    for (auto _ : state) {
        auto const response = world.send(request("GET", kDeployments));
        benchmark::DoNotOptimize(json::write(response.body));
    }
    state.SetItemsProcessed(state.iterations() * 500);
}
BENCHMARK(list);

}   // namespace
}   // namespace aviary::apiserver
