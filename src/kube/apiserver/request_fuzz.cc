#include "core/async/virtual_executor.h"
#include "core/base/check.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/http_frontend.h"
#include "kube/client/client.h"

namespace {

using namespace aviary;

constexpr char const* kObjects[] = {
    R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default","labels":{"x":"1"}},"data":{"k":"v"}})",
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},"spec":{"replicas":3,
       "selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[
       {"name":"main","image":"nginx:1","ports":[{"containerPort":80}],"env":[{"name":"A","value":"1"}]}]}}}})",
    R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{
       "group":"example.com","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget"},"versions":[{"name":"v1",
       "served":true,"storage":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}},
       "additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"}],"schema":{"openAPIV3Schema":{"type":"object","properties":{
       "spec":{"type":"object","properties":{"size":{"type":"integer","minimum":1,"default":2},"replicas":{"type":"integer"},"parts":{"type":"array",
       "x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},
       "any":{"x-kubernetes-preserve-unknown-fields":true}}}}}},"status":{"type":"object","properties":{"replicas":{"type":"integer"}}}}}}}]}})",
    R"({"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"default"},"spec":{"size":3,"parts":[{"name":"p"}]}})",
};
constexpr char const* kPaths[] = {
    "/api/v1/namespaces/default/configmaps", "/apis/apps/v1/namespaces/default/deployments",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/example.com/v1/namespaces/default/widgets"};

// A server with one object of several kinds. Kept for some inputs, since making it takes longer than a request.
struct World {
    async::VirtualExecutor executor;
    std::unique_ptr<apiserver::ApiServer> server;
    std::shared_ptr<http::Handler> handler;

    Task<void> start(Context ctx) {
        server = *co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
        handler = apiserver::http_handler(*server);
        for (std::size_t index = 0; index < std::size(kObjects); ++index) {
            http::Request request{.method = "POST", .target = kPaths[index], .headers = {}, .body = kObjects[index]};
            request.headers.emplace_back("Content-Type", "application/json");
            int const status = co_await ask(ctx, std::move(request));
            AVIARY_CHECK(status == 201);
        }
    }

    // Answers, and what a watch says in its first second.
    Task<int> ask(Context ctx, http::Request request) {
        http::Response response =
            co_await handler->handle(ctx, std::move(request), {"admin", {"system:masters"}, "127.0.0.1"});
        if (response.stream) {
            Context const second = ctx.with_timeout(std::chrono::seconds(1));
            while (true) {
                auto const part = co_await response.stream->next(second);
                if (!part || !*part) break;
            }
        }
        co_return response.status;
    }
};

}   // namespace

// A request as its method and target, a line for each header, an empty line and the body, by one who may do everything:
// any answer but that something is wrong with us.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    static std::unique_ptr<World> world;
    static int inputs = 0;
    if (inputs++ % 500 == 0) {
        world = std::make_unique<World>();
        world->executor.run(world->start(Context(world->executor)));
    }
    std::string_view text(reinterpret_cast<char const*>(data), size);
    std::size_t const end = std::min(text.find("\n\n"), text.size());
    http::Request request;
    request.body = text.substr(std::min(end + 2, text.size()));
    bool first = true;
    for (std::string_view line : split(text.substr(0, end), '\n')) {
        std::size_t const space = line.find(first ? ' ' : ':');
        std::string_view const rest = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
        if (std::exchange(first, false)) {
            request.method = line.substr(0, space);
            request.target = rest;
        } else {
            request.headers.emplace_back(line.substr(0, space), trim(rest));
        }
    }
    int const status = world->executor.run(world->ask(Context(world->executor), std::move(request)));
    AVIARY_CHECK(status >= 200 && status < 600 && status != 500);
    return 0;
}
