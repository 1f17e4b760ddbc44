#include "app/process/webhooks.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "apis/rollouts/rollout.h"
#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/http/server.h"
#include "core/observe/log.h"

namespace aviary::process {

namespace {

using json::Array;
using json::Object;
using json::Value;

crypto::CertificateRequest certificate_for(Cluster const& cluster) {
    crypto::CertificateRequest request;
    request.common_name = cluster.options.name;
    std::vector<std::string> hosts = webhook::hosts(cluster.address);
    std::ranges::copy(webhook::hosts({"", cluster.options.ns, cluster.options.name}), std::back_inserter(hosts));
    for (std::string const& host : hosts) crypto::add_host(request, host);
    return request;
}

// Tried by a Rollout of which nothing is kept.
std::unique_ptr<webhook::Reach> reach(Cluster const& cluster) {
    std::string const probe = cluster.options.name + "-probe";
    Value rollout{Object{{"apiVersion", "rollouts.kruise.io/v1beta1"}, {"kind", "Rollout"}}};
    rollout.set({"metadata", "name"}, probe);
    rollout.set({"metadata", "namespace"}, cluster.options.ns);
    rollout.set({"spec", "workloadRef"}, Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", probe}});
    rollout.set({"spec", "strategy", "canary", "steps"}, Array{Object{{"replicas", "100%"}}});
    return std::make_unique<webhook::Reach>(cluster.client, apis::kRollouts, std::move(rollout));
}

}   // namespace

// Counts what is being answered.
struct Webhooks::Answering final : http::Handler {
    explicit Answering(std::shared_ptr<http::Handler> handler) : inner(std::move(handler)) {}

    Task<http::Response> handle(Context ctx, http::Request request, net::Peer peer) override {
        ++open;
        http::Response response = co_await inner->handle(ctx, std::move(request), std::move(peer));
        if (--open == 0) idle.notify();
        co_return response;
    }

    std::shared_ptr<http::Handler> inner;
    std::size_t open = 0;
    async::Event idle;
};

Result<std::unique_ptr<Webhooks>> Webhooks::create(Context const& ctx, async::AsioExecutor& executor,
                                                   Cluster const& cluster, WebhookParts parts) {
    std::unique_ptr<Webhooks> made(new Webhooks());
    made->by_service_ = cluster.address.url.empty();
    made->answering_ = std::make_shared<Answering>(std::move(parts.handler));
    made->certificate_ = TRY(webhook::Certificate::create(
        cluster.client, {authority_secret(cluster.options), certificate_for(cluster)}, cluster.authority, ctx.now()));
    made->registration_ =
        std::make_unique<webhook::Registration>(cluster.client, parts.registered(made->certificate_->bundle()));
    made->reach_ = reach(cluster);
    crypto::KeyPair const& pair = made->certificate_->pair();
    auto tls =
        TRY(net::TlsServer::create(pair.certificate_pem, pair.key_pem, parts.client_authority, http::protocols()));
    made->tls_ = tls;
    made->certificate_->on_pair([tls](Context const& now, crypto::KeyPair const& other) {
        Status const shown = tls->replace(other.certificate_pem, other.key_pem);
        if (!shown) now.log().error("the new certificate is not shown", {{"error", shown.error().message()}});
    });
    made->certificate_->on_bundle([registered = std::move(parts.registered), registration = made->registration_.get()](
                                      std::string const& bundle) { registration->want(registered(bundle)); });
    made->registration_->on_change([certificate = made->certificate_.get()] { certificate->look(); });
    Options const& options = cluster.options;
    auto listener = TRY(net::Listener::listen(executor, options.bind_address, options.webhook_port, std::move(tls)));
    made->server_ = std::make_unique<http::Server>(std::move(listener), made->answering_);
    return made;
}

Task<void> Webhooks::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(server_->run(scope.context()));
    scope.spawn(registration_->run(scope.context()));
    scope.spawn(certificate_->run(scope.context(),
                                  [this](std::string_view authority) { return registration_->trusts(authority); }));
    scope.spawn(reach_->run(scope.context()));
    co_await scope.join();
}

Task<void> Webhooks::lead(Context ctx, client::Client writer) { co_await registration_->lead(ctx, std::move(writer)); }

Task<Status> Webhooks::drain(Context ctx) {
    while (answering_->open > 0) CO_TRY(co_await answering_->idle.wait(ctx));
    // What was answered last is on its way.
    co_return co_await async::yield(ctx);
}

std::string Webhooks::missing() const {
    if (std::string lacking = registration_->missing(); !lacking.empty()) return lacking;
    if (!registration_->trusts(certificate_->issuer().certificate_pem))
        return "the replica that leads has not told the API server yet to trust the webhooks' certificate";
    // A Service leads to pods that are ready alone: these wait for none of it.
    if (by_service_) return {};
    if (std::string lacking = registration_->unavailable(); !lacking.empty()) return lacking;
    return reach_->missing();
}

}   // namespace aviary::process
