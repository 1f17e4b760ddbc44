#include "app/hub/internal/agents.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "apis/fleet/link.h"
#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "hub/link/gate.h"

namespace aviary::hub {

namespace {

using json::Object;
using json::Value;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
constexpr Duration kAhead = std::chrono::hours(24 * 14);
constexpr Duration kAgain = std::chrono::seconds(5);

struct Address {
    std::string host;
    std::uint16_t port = 0;
};

Result<Address> read_address(std::string const& text) {
    auto const where = split_host_port(text);
    auto const port = where && where->port ? parse_port(*where->port) : std::nullopt;
    if (!port || where->host.empty() || where->host.contains('/'))
        return fail(ErrorCode::kInvalid, fmt::format("--agent-address {}: it is to be HOST:PORT", text));
    return Address{where->host, *port};
}

meta::ObjectKey authority_secret(AgentsOptions const& options) { return {options.ns, "aviary-hub-agents"}; }

}   // namespace

// While the hub leads.
struct Agents::Term {
    std::unique_ptr<webhook::Certificate> certificate;
    std::shared_ptr<net::TlsServer> tls;   // of the gate that is open
    std::string issuer;                    // PEM, of what that gate shows
    async::Event other;                    // other authorities count: a gate is to open anew
    std::optional<MonotonicTime> told;     // since when agents are told what they are to trust

    void show(Context const& ctx, crypto::KeyPair const& pair) {
        if (certificate->issuer().certificate_pem != issuer) return other.set();
        Status const shown = tls ? tls->replace(pair.certificate_pem, pair.key_pem) : Status{};
        if (!shown) ctx.log().error("the new certificate is not shown", {{"error", shown.error().message()}});
    }
    // Agents hear of an authority long before anything is under it: those that are away now, too.
    bool heard(Context const& ctx) const { return told && ctx.monotonic() >= *told + kAhead; }
};

Task<Result<std::unique_ptr<Agents>>> Agents::create(Context ctx, async::AsioExecutor& executor, client::Client client,
                                                     AgentsOptions options) {
    if (options.address.empty()) co_return std::unique_ptr<Agents>(new Agents(executor, std::move(options), {}));
    CO_TRY_ASSIGN(Address const address, read_address(options.address));
    if (options.port == 0) options.port = address.port;
    CO_TRY(co_await webhook::ensure_authority(ctx, client, authority_secret(options)));
    co_return std::unique_ptr<Agents>(new Agents(executor, std::move(options), address.host));
}

Agents::Agents(async::AsioExecutor& executor, AgentsOptions options, std::string host)
    : executor_(executor), options_(std::move(options)), host_(std::move(host)) {}

Result<std::shared_ptr<client::Transport>> Agents::connect(std::string const& cluster) const {
    if (!options_.address.empty()) return links_.transport(cluster);
    return fail(
        ErrorCode::kUnsupported,
        fmt::format("the agent of {} dials the hub, which takes none: it runs without --agent-address", cluster));
}

Task<Status> Agents::say_where(Context ctx, client::Client client, std::string bundle) const {
    Value object{Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}}};
    object.set({"metadata", "name"}, kAgentsMap);
    object.set({"metadata", "namespace"}, options_.ns);
    object["data"] = Object{{"address", options_.address}, {"ca.crt", std::move(bundle)}};
    client::WriteOptions force;
    force.force = true;
    auto const applied = co_await client.apply(ctx, kConfigMaps, std::move(object), force);
    if (!applied) co_return std::unexpected(applied.error().context(std::string("configmap ") + kAgentsMap));
    co_return Status{};
}

Result<std::unique_ptr<webhook::Certificate>> Agents::certificate(client::Client client, webhook::Authority authority,
                                                                  Time now) const {
    crypto::CertificateRequest request;
    request.common_name = host_;
    crypto::add_host(request, host_);
    return webhook::Certificate::create(std::move(client), {authority_secret(options_), std::move(request)},
                                        std::move(authority), now);
}

Task<void> Agents::keep_saying(Context ctx, client::Client client, std::string bundle) const {
    while (ctx.check()) {
        Status const said = co_await say_where(ctx, client, bundle);
        if (said) co_return;
        ctx.log().warning("where agents dial in is not said", {{"error", said.error().message()}});
        (void)co_await async::sleep_for(ctx, kAgain);
    }
}

Task<void> Agents::open_gate(Context ctx, client::Client client, Term& term) {
    term.other.reset();
    crypto::KeyPair const authority = term.certificate->issuer(), pair = term.certificate->pair();
    std::string const bundle = term.certificate->bundle();
    term.issuer = authority.certificate_pem;
    auto tls = net::TlsServer::create(pair.certificate_pem, pair.key_pem, bundle, {std::string(apis::kLinkProtocol)});
    if (tls) term.tls = *tls;
    auto listener = tls ? net::Listener::listen(executor_, options_.bind_address, options_.port, term.tls)
                        : std::unexpected(tls.error());
    if (!listener) {
        ctx.log().warning("agents cannot dial in", {{"error", listener.error().message()}});
        (void)co_await async::sleep_for(ctx, kAgain);
        co_return;
    }
    link::Enrolment enrolment(client, options_.ns, authority, bundle);
    link::Gate gate(std::move(*listener), links_, enrolment);
    async::Scope scope(ctx);
    scope.spawn(keep_saying(scope.context(), client, bundle));
    scope.spawn(gate.run(scope.context()));
    // Agents that are cut then dial again, and hear what they are to trust.
    (void)co_await term.other.wait(ctx);
    co_await scope.cancel_and_join();
}

Task<void> Agents::run(Context ctx, client::Client client) {
    if (options_.address.empty()) co_return;
    Term term;
    while (ctx.check() && !term.certificate) {
        auto authority = co_await webhook::ensure_authority(ctx, client, authority_secret(options_));
        auto made =
            authority ? certificate(client, std::move(*authority), ctx.now()) : std::unexpected(authority.error());
        if (made) {
            term.certificate = std::move(*made);
        } else {
            ctx.log().warning("agents cannot dial in", {{"error", made.error().message()}});
            (void)co_await async::sleep_for(ctx, kAgain);
        }
    }
    if (!term.certificate) co_return;
    term.certificate->on_pair([&term](Context const& now, crypto::KeyPair const& pair) { term.show(now, pair); });
    term.certificate->on_bundle([&term, ctx](std::string const&) {
        term.told = ctx.monotonic();
        term.other.set();
    });
    async::Scope scope(ctx);
    scope.spawn(term.certificate->run(scope.context(), [&term, ctx](std::string_view) { return term.heard(ctx); }));
    while (ctx.check()) co_await open_gate(scope.context(), client, term);
    co_await scope.cancel_and_join();
}

}   // namespace aviary::hub
