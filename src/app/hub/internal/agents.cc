#include "app/hub/internal/agents.h"

#include <fmt/format.h>

#include <utility>

#include "apis/fleet/link.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "hub/link/gate.h"

namespace aviary::hub {

namespace {

using json::Object;
using json::Value;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
constexpr Duration kCertificateLasts = std::chrono::hours(24 * 365);
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

// What certificates may be under.
std::string bundle(webhook::Authority const& authority) {
    return authority.keys.certificate_pem + authority.previous_pem;
}

}   // namespace

Task<Result<std::unique_ptr<Agents>>> Agents::create(Context ctx, async::AsioExecutor& executor, client::Client client,
                                                     AgentsOptions options) {
    if (options.address.empty())
        co_return std::unique_ptr<Agents>(new Agents(executor, std::move(options), {}, webhook::Authority{}));
    CO_TRY_ASSIGN(Address const address, read_address(options.address));
    if (options.port == 0) options.port = address.port;
    CO_TRY_ASSIGN(webhook::Authority authority,
                  co_await webhook::ensure_authority(ctx, client, {options.ns, "aviary-hub-agents"}));
    co_return std::unique_ptr<Agents>(new Agents(executor, std::move(options), address.host, std::move(authority)));
}

Agents::Agents(async::AsioExecutor& executor, AgentsOptions options, std::string host, webhook::Authority authority)
    : executor_(executor), options_(std::move(options)), host_(std::move(host)), authority_(std::move(authority)) {}

Result<std::shared_ptr<client::Transport>> Agents::connect(std::string const& cluster) const {
    if (!options_.address.empty()) return links_.transport(cluster);
    return fail(
        ErrorCode::kUnsupported,
        fmt::format("the agent of {} dials the hub, which takes none: it runs without --agent-address", cluster));
}

Task<Status> Agents::say_where(Context ctx, client::Client client) const {
    Value object{Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}}};
    object.set({"metadata", "name"}, kAgentsMap);
    object.set({"metadata", "namespace"}, options_.ns);
    object["data"] = Object{{"address", options_.address}, {"ca.crt", bundle(authority_)}};
    client::WriteOptions force;
    force.force = true;
    auto const applied = co_await client.apply(ctx, kConfigMaps, std::move(object), force);
    if (!applied) co_return std::unexpected(applied.error().context(std::string("configmap ") + kAgentsMap));
    co_return Status{};
}

Result<std::unique_ptr<net::Listener>> Agents::listen(Time now) const {
    crypto::CertificateRequest request;
    request.common_name = host_;
    request.validity = kCertificateLasts;
    crypto::add_host(request, host_);
    crypto::KeyPair const keys = TRY(crypto::issue(authority_.keys, request, now));
    auto tls = TRY(net::TlsServer::create(keys.certificate_pem, keys.key_pem, bundle(authority_),
                                          {std::string(apis::kLinkProtocol)}));
    return net::Listener::listen(executor_, options_.bind_address, options_.port, std::move(tls));
}

Task<void> Agents::keep_saying(Context term, client::Client client) const {
    while (term.check()) {
        Status const said = co_await say_where(term, client);
        if (said) co_return;
        term.log().warning("where agents dial in is not said", {{"error", said.error().message()}});
        (void)co_await async::sleep_for(term, kAgain);
    }
}

Task<void> Agents::run(Context term, client::Client client) {
    if (options_.address.empty()) co_return;
    link::Enrolment enrolment(client, options_.ns, authority_.keys);
    async::Scope scope(term);
    scope.spawn(keep_saying(scope.context(), client));
    while (term.check()) {
        auto listener = listen(term.now());
        if (!listener) {
            term.log().warning("agents cannot dial in", {{"error", listener.error().message()}});
            (void)co_await async::sleep_for(term, kAgain);
            continue;
        }
        // Until two thirds of the certificate's time have passed, or the term ends.
        link::Gate gate(std::move(*listener), links_, enrolment);
        co_await gate.run(term.with_timeout(kCertificateLasts * 2 / 3));
    }
    co_await scope.cancel_and_join();
}

}   // namespace aviary::hub
