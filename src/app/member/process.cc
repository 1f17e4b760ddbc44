#include "app/member/process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

#include "apis/crds.h"
#include "app/member/internal/webhooks.h"
#include "app/member/member.h"
#include "core/async/asio_executor.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/http/server.h"
#include "core/observe/log.h"
#include "core/observe/metrics.h"
#include "kube/client/http_transport.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/lease.h"
#include "kube/control/definitions.h"
#include "kube/webhook/authority.h"
#include "kube/webhook/handler.h"
#include "kube/webhook/registration.h"

namespace aviary::member {

namespace {

using json::Object;
using json::Value;

meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
meta::GroupVersionResource const kSelfSubjectReviews{"authentication.k8s.io", "v1", "selfsubjectreviews"};

// What this process is doing, for who asks over HTTP.
class Health final : public http::Handler {
public:
    explicit Health(observe::Metrics metrics) : metrics_(std::move(metrics)) {}

    Guards const* guards = nullptr;
    webhook::Registration const* registration = nullptr;

    Task<http::Response> handle(Context, http::Request request, net::Peer) override {
        std::string_view const path = std::string_view(request.target).substr(0, request.target.find('?'));
        http::Response response;
        response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
        if (path == "/metrics") {
            response.body = metrics_.text();
        } else if (path == "/healthz") {
            response.body = "ok\n";
        } else if (path == "/readyz") {
            std::string const missing = not_ready();
            response.status = missing.empty() ? 200 : 503;
            response.body = missing.empty() ? "ok\n" : missing + "\n";
        } else {
            response.status = 404;
            response.body = "there are /healthz, /readyz and /metrics\n";
        }
        co_return response;
    }

private:
    std::string not_ready() const {
        if (guards == nullptr || !guards->ready()) return "Rollouts and ReplicaSets are being listed";
        if (registration == nullptr || !registration->in_force()) return "the webhooks are not registered";
        return "";
    }

    observe::Metrics metrics_;
};

// Whom the cluster takes us for.
Task<Result<std::string>> own_name(Context ctx, client::Client client) {
    Value review{Object{{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "SelfSubjectReview"}}};
    auto const answer = co_await client.create(ctx, kSelfSubjectReviews, std::move(review));
    if (!answer) co_return std::unexpected(answer.error().context("asking the cluster who we are"));
    co_return answer->at({"status", "userInfo", "username"}).string();
}

Task<Status> ensure_namespace(Context ctx, client::Client client, std::string name) {
    auto const there = co_await client.get(ctx, kNamespaces, {"", name});
    if (there || !there.error().is(ErrorCode::kNotFound)) {
        if (there) co_return Status{};
        co_return std::unexpected(there.error().context("reading namespace " + name));
    }
    Value object{Object{{"apiVersion", "v1"}, {"kind", "Namespace"}}};
    object.set({"metadata", "name"}, name);
    auto const created = co_await client.create(ctx, kNamespaces, std::move(object));
    if (created || created.error().is(ErrorCode::kAlreadyExists)) co_return Status{};
    co_return std::unexpected(created.error().context("creating namespace " + name));
}

std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "aviary-member";
}

// The server of the webhooks, with a certificate under the cluster's own authority for them.
Result<std::unique_ptr<http::Server>> webhook_server(async::AsioExecutor& executor, ProcessOptions const& options,
                                                     WebhookAddress const& address, crypto::KeyPair const& authority,
                                                     Guards const& guards, Time now) {
    crypto::CertificateRequest request;
    request.common_name = "aviary-member-webhook";
    for (std::string const& host : webhook_hosts(address)) {
        bool const numeric = host.find_first_not_of("0123456789.") == std::string::npos || host.contains(':');
        (numeric ? request.addresses : request.dns_names).push_back(host);
    }
    crypto::KeyPair const keys = TRY(crypto::issue(authority, request, now));
    auto tls = TRY(net::TlsServer::create(keys.certificate_pem, keys.key_pem));
    auto listener = TRY(net::Listener::listen(executor, options.webhook_port, std::move(tls)));
    return std::make_unique<http::Server>(std::move(listener), webhook::make_handler(guards.admissions()));
}

// Each term has controllers of its own, and all their writes are fenced by the lease.
Task<void> lead(Context ctx, client::Client client, client::Lease& lease, std::string user) {
    co_await client::run_as_leader(ctx, lease, [&client, &lease, &user](Context term) -> Task<void> {
        Member member(client::fenced(client, lease.fence()), user);
        co_await member.run(term);
    });
}

Task<Result<int>> serve(Context ctx, async::AsioExecutor& executor, ProcessOptions options) {
    CO_TRY_ASSIGN(client::ServerAccess const access, client::load_kubeconfig(options.kubeconfig, options.context));
    CO_TRY_ASSIGN(auto transport, client::http_transport(executor, access));
    client::Client const client(std::move(transport), "aviary-member");
    CO_TRY_ASSIGN(std::string const user, co_await own_name(ctx, client));
    CO_TRY(co_await ensure_namespace(ctx, client, options.ns));
    CO_TRY(co_await control::install_definitions(ctx, client, apis::member_crds()));
    CO_TRY_ASSIGN(crypto::KeyPair const authority,
                  co_await webhook::ensure_authority(ctx, client, {options.ns, "aviary-member-webhooks"}));
    client::LeaseOptions election;
    election.ns = options.ns;
    election.name = "aviary-member";
    election.identity = options.identity.empty() ? host_name() : options.identity;
    CO_TRY_ASSIGN(std::unique_ptr<client::Lease> const lease, client::Lease::create(client, election));

    Guards guards(client, user);
    WebhookAddress const address{options.webhook_url, options.ns, options.webhook_service};
    CO_TRY_ASSIGN(auto const webhooks, webhook_server(executor, options, address, authority, guards, ctx.now()));
    webhook::Registration registration(client, webhook_configurations(address, authority.certificate_pem));
    auto const health = std::make_shared<Health>(ctx.metrics());
    health->guards = &guards;
    health->registration = &registration;
    CO_TRY_ASSIGN(auto listener, net::Listener::listen(executor, options.health_port));
    http::Server health_server(std::move(listener), health);

    async::Scope scope(ctx);
    scope.spawn(health_server.run(scope.context()));
    scope.spawn(guards.run(scope.context()));
    scope.spawn(webhooks->run(scope.context()));
    scope.spawn(registration.run(scope.context()));
    scope.spawn(lead(scope.context(), client, *lease, user));
    ctx.log().info("member controller started", {{"server", access.url}, {"user", user}});
    (void)co_await executor.wait_for_signal(scope.context(), {SIGINT, SIGTERM});
    co_await scope.cancel_and_join();
    co_return 0;
}

Task<int> serve_or_say(Context ctx, async::AsioExecutor& executor, ProcessOptions options) {
    auto const code = co_await serve(ctx, executor, std::move(options));
    if (code) co_return *code;
    fmt::print(stderr, "error: {}\n", code.error().message());
    co_return 1;
}

}   // namespace

int run(ProcessOptions const& options) {
    observe::set_level(observe::Level::kInfo);
    std::signal(SIGPIPE, SIG_IGN);
    observe::Registry registry;
    async::AsioExecutor executor;
    Context const ctx = Context(executor).with_metrics(observe::Metrics(registry));
    return executor.run(serve_or_say(ctx, executor, options));
}

}   // namespace aviary::member
