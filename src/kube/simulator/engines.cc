#include "kube/simulator/engines.h"

#include <map>
#include <string>
#include <utility>

#include "core/async/scope.h"
#include "core/http/server.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/engine.h"

namespace aviary::simulator {

namespace {

constexpr std::uint16_t kUsualPort = 8000;   // vLLM's

using json::Doc;

Doc first_container(Doc const& pod) { return pod.at({"spec", "containers"})[0]; }

struct Serving {
    explicit Serving(std::unique_ptr<http::Server> server) : server(std::move(server)) {}

    Task<void> run(Context ctx) {
        async::Scope scope(ctx);
        scope.spawn(server->run(scope.context()));
        (void)co_await ended.wait(ctx);
        co_await scope.cancel_and_join();
    }

    std::unique_ptr<http::Server> server;
    async::Event ended;
};

Task<void> serve(Context ctx, std::shared_ptr<Serving> serving) { co_await serving->run(std::move(ctx)); }

// The API server has seen to it that it is one.
std::uint16_t port_of(Doc const& pod) {
    for (auto const& [index, container] : pod.at({"spec", "containers"}).elements()) {
        Doc const port = container["ports"][0]["containerPort"];
        if (port.exists()) return static_cast<std::uint16_t>(port.as_int());
    }
    return kUsualPort;
}

}   // namespace

bool asks_for_engine(Doc const& pod) { return meta::annotation(pod, kEngine) == "vllm"; }

struct Engines::Impl {
    async::AsioExecutor& executor;
    async::Scope* scope = nullptr;                             // while requests are answered
    std::map<std::string, std::shared_ptr<Serving>> serving;   // by pod uid
};

Engines::Engines(async::AsioExecutor& executor) : impl_(std::make_unique<Impl>(executor)) {}
Engines::~Engines() = default;

Task<void> Engines::run(Context ctx) {
    async::Scope scope(ctx);
    impl_->scope = &scope;
    async::Event never;
    (void)co_await never.wait(ctx);
    impl_->scope = nullptr;
    impl_->serving.clear();
    co_await scope.cancel_and_join();
}

void Engines::start(Doc const& pod, std::string const& address) {
    if (impl_->scope == nullptr || !asks_for_engine(pod) || impl_->serving.contains(meta::uid(pod))) return;
    Doc const container = first_container(pod);
    auto listener = net::Listener::listen(impl_->executor, address, port_of(pod));
    if (!listener) {
        impl_->scope->context().log().warning(
            "no engine for this pod", {{"pod", meta::key_of(pod).to_string()}, {"error", listener.error().message()}});
        return;
    }
    Duration const per_token = parse_duration(meta::annotation(pod, kTokenTime)).value_or(Duration());
    auto const serving = std::make_shared<Serving>(std::make_unique<http::Server>(
        std::move(*listener), std::make_shared<Engine>(container["image"].string(), meta::name(pod), per_token)));
    impl_->serving.emplace(meta::uid(pod), serving);
    impl_->scope->spawn(serve(impl_->scope->context(), serving));
}

void Engines::stop(Doc const& pod) {
    auto const found = impl_->serving.find(meta::uid(pod));
    if (found == impl_->serving.end()) return;
    found->second->ended.set();
    impl_->serving.erase(found);
}

}   // namespace aviary::simulator
