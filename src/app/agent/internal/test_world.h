// For tests: agents and the hub's gate over lines in memory, against API servers of both, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "core/async/co_test.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/http/internal/pipe.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/storage/engine.h"
#include "hub/link/gate.h"
#include "kube/apiserver/http_frontend.h"
#include "kube/apiserver/server.h"
#include "kube/client/informer.h"
#include "kube/control/definitions.h"
#include "kube/meta/object.h"
#include "member/agent/agent.h"

namespace aviary::agent {

using namespace std::chrono_literals;
using json::Doc;
using json::Object;
using json::Value;

inline control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};
inline meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
inline meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
inline meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
inline meta::GroupVersionResource const kRequests{"certificates.k8s.io", "v1", "certificatesigningrequests"};
inline constexpr char kNs[] = "aviary-system";

// Where lines that are dialled come out.
class Switchboard final : public net::Listener {
public:
    std::uint16_t port() const override { return 0; }
    Task<Result<std::unique_ptr<net::Stream>>> accept(Context ctx) override {
        while (waiting.empty()) CO_TRY(co_await came.wait(ctx));
        std::unique_ptr<net::Stream> stream = std::move(waiting.front());
        waiting.pop_front();
        co_return stream;
    }
    void close() override {}

    std::deque<std::unique_ptr<net::Stream>> waiting;
    async::Event came;
};

// A member with its agent.
struct Site {
    std::unique_ptr<Agent> agent;
    std::unique_ptr<async::Scope> scope;
};

struct World {
    explicit World(Context const& ctx) : scope(ctx) {}

    Task<Status> start() {
        Context const ctx = scope.context();
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {}));
        for (char const* cluster : {"fleet", "beijing", "oslo"}) {
            CO_TRY(co_await server->ensure_cluster(ctx, cluster));
            Value ns{Object{{"apiVersion", "v1"}, {"kind", "Namespace"}}};
            ns.set({"metadata", "name"}, kNs);
            CO_TRY(co_await at(cluster).create(ctx, kNamespaces, std::move(ns)));
        }
        CO_TRY(co_await control::install_definitions(ctx, at("fleet"), apis::crds()));
        CO_TRY_ASSIGN(authority, crypto::create_authority("test", ctx.now()));
        handler = apiserver::http_handler(*server);
        start_hub();
        co_return Status{};
    }
    void start_hub() {
        enrolment =
            std::make_unique<link::Enrolment>(at("fleet"), kNs, authority, authority.certificate_pem + more_trust);
        auto listener = std::make_unique<Switchboard>();
        board = listener.get();
        gate = std::make_unique<link::Gate>(std::move(listener), links, *enrolment, limits);
        hub_scope = std::make_unique<async::Scope>(scope.context());
        hub_scope->spawn(gate->run(hub_scope->context()));
    }
    Task<void> stop_hub() {
        board = nullptr;
        co_await hub_scope->cancel_and_join();
    }
    Task<void> stop() {
        for (auto& [name, site] : sites) co_await site.scope->cancel_and_join();
        co_await hub_scope->cancel_and_join();
        co_await scope.cancel_and_join();
    }

    client::Client at(std::string const& cluster) { return {server->transport(cluster, kAdmin), "test"}; }
    client::Client through(std::string const& cluster) { return {links.transport(cluster), "hub"}; }

    // What `aviary join NAME --agent` makes on the hub.
    Task<Status> expect(std::string name, std::string token, Duration lasts = 1h) {
        Context const ctx = scope.context();
        Value cluster{Object{{"apiVersion", "cluster.open-cluster-management.io/v1"}, {"kind", "ManagedCluster"}}};
        cluster.set({"metadata", "name"}, name);
        cluster.set({"metadata", "annotations", apis::kLinkAnnotation}, apis::kLinkAgent);
        cluster.set({"spec", "hubAcceptsClient"}, true);
        CO_TRY(co_await at("fleet").create(ctx, apis::kManagedClusters, std::move(cluster)));
        co_return co_await admit(std::move(name), std::move(token), lasts);
    }
    Task<Status> admit(std::string name, std::string token, Duration lasts = 1h) {
        Context const ctx = scope.context();
        Value secret{Object{{"apiVersion", "v1"}, {"kind", "Secret"}}};
        secret.set({"metadata", "name"}, link::token_name(name));
        secret.set({"metadata", "namespace"}, kNs);
        secret.set({"metadata", "annotations", link::kTokenEnds}, format_rfc3339(ctx.now() + lasts));
        secret.set({"data", "token"}, base64_encode(token));
        CO_TRY(co_await at("fleet").create(ctx, kSecrets, std::move(secret)));
        co_return Status{};
    }
    // And what it makes in the member: `as` is the name it says it has.
    Task<Status> give(std::string member, std::string as, std::string token, std::string hub = "hub.example.com:7444") {
        client::WriteOptions force;
        force.force = true;
        CO_TRY(co_await at(member).apply(scope.context(), kSecrets,
                                         write_given(hub, authority.certificate_pem, as, token, kNs), force));
        co_return Status{};
    }
    // A hub and beijing, whose agent has joined.
    Task<Status> start_linked() {
        CO_TRY(co_await start());
        CO_TRY(co_await expect("beijing", "secret"));
        CO_TRY(co_await give("beijing", "beijing", "secret"));
        start_agent("beijing");
        co_return co_await async::sleep_for(scope.context(), 1s);
    }
    // CertificateSigningRequests, as far as a definition goes.
    Task<Status> serve_requests() {
        Value const definition = *json::parse_value(R"({"apiVersion":"apiextensions.k8s.io/v1",
            "kind":"CustomResourceDefinition","metadata":{"name":"certificatesigningrequests.certificates.k8s.io"},
            "spec":{"group":"certificates.k8s.io","scope":"Cluster","names":{"plural":"certificatesigningrequests",
            "singular":"certificatesigningrequest","kind":"CertificateSigningRequest"},"versions":[{"name":"v1",
            "served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object",
            "x-kubernetes-preserve-unknown-fields":true}}}]}})");
        co_return co_await control::install_definitions(scope.context(), at("fleet"), {definition});
    }
    Task<Status> edit(meta::GroupVersionResource resource, meta::ObjectKey key, std::vector<std::string> where,
                      Value what, std::string subresource = "") {
        Value patch{Object()};
        patch.set({where[0], where[1]}, std::move(what));
        client::WriteOptions options;
        options.subresource = std::move(subresource);
        CO_TRY(co_await at("fleet").patch(scope.context(), resource, key, client::PatchType::kMerge, std::move(patch),
                                          options));
        co_return Status{};
    }
    void start_agent(std::string const& member) {
        Site& site = sites[member];
        client::Exchange api = [this, member](Context ctx, http::Request request,
                                              bool) -> Task<Result<http::Response>> {
            request.target = "/clusters/" + member + request.target;
            co_return co_await handler->handle(ctx, std::move(request),
                                               {.common_name = "admin", .organisations = {"system:masters"}});
        };
        site.agent = std::make_unique<Agent>(
            at(member), std::move(api),
            [this](Context, Given, Own own) -> Task<Result<std::unique_ptr<net::Stream>>> {
                if (board == nullptr) co_return fail(ErrorCode::kUnavailable, "nobody listens");
                ++dialled;
                co_return dial(own);
            },
            AgentOptions{kNs, "uid-of-" + member, "1"});
        site.scope = std::make_unique<async::Scope>(scope.context());
        site.scope->spawn(site.agent->run(site.scope->context()));
    }
    Task<void> stop_agent(std::string member) {
        co_await sites[member].scope->cancel_and_join();
        sites.erase(member);
    }
    // TLS would have checked the certificate, and shown whose it is.
    std::unique_ptr<net::Stream> dial(Own const& own) {
        auto [here, there] = http::Pipe::make();
        auto const life = crypto::life_of({own.certificate, own.key});
        there->with_peer({.common_name = life ? life->common_name : ""});
        for (auto* end : {here.get(), there.get()}) end->speak(std::string(apis::kLinkProtocol));
        line = there.get();
        board->waiting.push_back(std::move(there));
        board->came.notify();
        return std::move(here);
    }
    // Whether the hub reaches the member, or why not.
    Task<std::string> reaches(std::string member) {
        auto const answer = co_await through(member).get(scope.context(), kNamespaces, {"", "default"});
        co_return answer ? "yes" : answer.error().message();
    }

    std::unique_ptr<apiserver::ApiServer> server;
    std::shared_ptr<http::Handler> handler;
    crypto::KeyPair authority;
    std::string more_trust;   // PEM, what agents of hubs that start from now on are to trust, too
    link::Links links;
    link::GateLimits limits;   // of hubs that start from now on
    std::unique_ptr<link::Enrolment> enrolment;
    std::unique_ptr<link::Gate> gate;
    Switchboard* board = nullptr;
    http::Pipe* line = nullptr;   // the last, at the hub's end
    int dialled = 0;
    std::map<std::string, Site> sites;
    std::unique_ptr<async::Scope> hub_scope;
    async::Scope scope;
};

}   // namespace aviary::agent
