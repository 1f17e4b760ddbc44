#include "kube/webhook/certificate.h"

#include "core/async/co_test.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/webhook/configuration.h"
#include "kube/webhook/handler.h"
#include "kube/webhook/registration.h"

namespace aviary::webhook {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

constexpr Duration kDay = 24h;
meta::GroupVersionResource const kConfigurations{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"};
meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
meta::ObjectKey const kName{"", "guard"};
meta::ObjectKey const kSecret{"default", "guard-ca"};

std::vector<Value> registered(std::string const& authorities) {
    Rule rule;
    rule.name = "guard.example.com";
    rule.path = kMutatePath;
    rule.groups = {"apps"};
    rule.version = "v1";
    rule.operations = {"UPDATE"};
    rule.resources = {"deployments"};
    return configurations("guard", {rule}, {"https://127.0.0.1:9443", "", ""}, authorities);
}

// One of the processes that answer for the same webhooks.
struct Replica {
    Replica(Context const& ctx, client::Client client_in) : client(std::move(client_in)), scope(ctx), leading(ctx) {}

    Task<Status> start(Context ctx, Duration validity = 365 * kDay) {
        CO_TRY_ASSIGN(Authority authority, co_await ensure_authority(ctx, client, kSecret));
        crypto::CertificateRequest request;
        request.common_name = "guard";
        request.addresses = {"127.0.0.1"};
        request.validity = validity;
        CO_TRY_ASSIGN(certificate, Certificate::create(client, {kSecret, request}, std::move(authority), ctx.now()));
        registration = std::make_unique<Registration>(client, registered(certificate->bundle()));
        certificate->on_bundle([this](std::string const& bundle) { registration->want(registered(bundle)); });
        certificate->on_pair([this](Context const&, crypto::KeyPair const&) { ++made; });
        registration->on_change([this] { certificate->look(); });
        scope.spawn(registration->run(scope.context()));
        scope.spawn(certificate->run(
            scope.context(), [this](std::string_view authority_pem) { return registration->trusts(authority_pem); }));
        co_return Status{};
    }
    void lead() { leading.spawn(registration->lead(leading.context(), client)); }
    Task<void> end() {
        co_await leading.cancel_and_join();
        co_await scope.cancel_and_join();
    }
    // When what it shows ends.
    Time ends() const { return *crypto::usable_until(certificate->pair(), certificate->issuer().certificate_pem); }

    client::Client client;
    async::Scope scope, leading;
    std::unique_ptr<Certificate> certificate;
    std::unique_ptr<Registration> registration;
    int made = 0;   // certificates after the first
};

struct World {
    explicit World(Context const& ctx_in) : ctx(ctx_in), scope(ctx) {}
    Task<Status> start() {
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(scope.context(),
                                                                  std::make_shared<storage::MemoryEngine>(), {}));
        co_return Status{};
    }
    client::Client client() { return {server->transport("fleet", {"admin", {"system:masters"}, {}}), "test"}; }
    // An authority that is to end then.
    Task<Status> keep(crypto::KeyPair authority) {
        Value secret{json::Object{{"apiVersion", "v1"}, {"kind", "Secret"}}};
        secret.set({"metadata", "name"}, kSecret.name);
        secret.set({"metadata", "namespace"}, kSecret.ns);
        secret.set({"data", "ca.crt"}, base64_encode(authority.certificate_pem));
        secret.set({"data", "ca.key"}, base64_encode(authority.key_pem));
        client::WriteOptions force;
        force.force = true;
        CO_TRY(co_await client().apply(ctx, kSecrets, std::move(secret), force));
        co_return Status{};
    }
    // What the API server trusts.
    Task<std::string> trusted() {
        auto const there = co_await client().get(ctx, kConfigurations, kName);
        if (!there) co_return "";
        co_return base64_decode((*there)["webhooks"][0].at({"clientConfig", "caBundle"}).as_string()).value_or("");
    }
    Task<void> pass(Duration time) { (void)co_await async::sleep_for(ctx, time); }

    Context ctx;
    async::Scope scope;
    std::unique_ptr<apiserver::ApiServer> server;
};

CO_TEST(Certificate, IsMadeAnewLongBeforeItEnds) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Replica one(world.scope.context(), world.client());
    CO_ASSERT_OK(co_await one.start(ctx, 3 * kDay));
    one.lead();
    co_await world.pass(2 * kDay - 2h);
    EXPECT_EQ(0, one.made);
    co_await world.pass(4h);
    EXPECT_EQ(1, one.made);
    EXPECT_GT(one.ends(), ctx.now() + 2 * kDay);
    co_await world.pass(4 * kDay);
    EXPECT_EQ(3, one.made);
    co_await one.end();
    co_await world.scope.cancel_and_join();
}

// Clocks of machines are put right now and then, in the middle of it or between two starts.
CO_TEST(Certificate, AClockThatIsPutRightLeavesNoneThatIsOver) {
    auto& clock = static_cast<async::VirtualExecutor&>(ctx.executor());
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Replica one(world.scope.context(), world.client());
    CO_ASSERT_OK(co_await one.start(ctx));
    one.lead();
    co_await world.pass(30s);
    auto const good = [&] { return crypto::lapse(one.certificate->pair().certificate_pem, ctx.now()).empty(); };
    // Forward: the certificate is over.
    clock.put_clock(400 * kDay);
    EXPECT_FALSE(good());
    co_await world.pass(2min);
    EXPECT_TRUE(good());
    // The authority, too: it was away for ten years.
    clock.put_clock(3650 * kDay);
    co_await world.pass(2min);
    EXPECT_TRUE(good());
    EXPECT_GT(*crypto::ends_at(one.certificate->issuer().certificate_pem), ctx.now() + 365 * kDay);
    EXPECT_EQ(one.certificate->issuer().certificate_pem, co_await world.trusted()) << "those that are over are not";
    // Back: neither has begun.
    clock.put_clock(-4050 * kDay);
    EXPECT_FALSE(good());
    co_await world.pass(2min);
    EXPECT_TRUE(good());
    EXPECT_EQ("", crypto::lapse(one.certificate->issuer().certificate_pem, ctx.now()));
    EXPECT_TRUE((co_await world.trusted()).contains(one.certificate->issuer().certificate_pem));
    co_await one.end();
    co_await world.scope.cancel_and_join();
}

// Nobody shows what API servers do not trust, at any time.
CO_TEST(Certificate, AnAuthorityIsRenewedWhileAllRun) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const old = *crypto::create_authority("old", ctx.now(), 31 * kDay);
    CO_ASSERT_OK(co_await world.keep(old));
    Replica leader(world.scope.context(), world.client());
    Replica other(world.scope.context(), world.client());
    CO_ASSERT_OK(co_await leader.start(ctx));
    CO_ASSERT_OK(co_await other.start(ctx));
    leader.lead();
    co_await world.pass(1min);
    EXPECT_EQ(old.certificate_pem, co_await world.trusted());

    bool both = false;
    for (Time const end = ctx.now() + 2 * kDay; ctx.now() < end && leader.made + other.made < 2;) {
        co_await world.pass(leader.certificate->issuer().certificate_pem == old.certificate_pem ? 5min : 100ms);
        std::string const trusted = co_await world.trusted();
        for (Replica const* each : {&leader, &other})
            EXPECT_TRUE(trusted.contains(each->certificate->issuer().certificate_pem));
        both = both || (trusted.contains(old.certificate_pem) && trusted != old.certificate_pem);
    }
    EXPECT_EQ(1, leader.made);
    EXPECT_EQ(1, other.made);
    EXPECT_TRUE(both);
    EXPECT_NE(old.certificate_pem, leader.certificate->issuer().certificate_pem);
    EXPECT_EQ(leader.certificate->issuer().certificate_pem, other.certificate->issuer().certificate_pem);
    EXPECT_EQ("", leader.registration->missing());

    co_await world.pass(31 * kDay);
    EXPECT_EQ(leader.certificate->issuer().certificate_pem, co_await world.trusted())
        << "what has ended is not trusted any more";
    co_await leader.end();
    co_await other.end();
    co_await world.scope.cancel_and_join();
}

// A replica that starts in the last month makes it; the leader has been there since long before.
CO_TEST(Certificate, ALeaderTrustsWhatAnotherHasMade) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Replica leader(world.scope.context(), world.client());
    CO_ASSERT_OK(co_await leader.start(ctx));
    leader.lead();
    co_await world.pass(1min);
    std::string const before = leader.certificate->issuer().certificate_pem;

    CO_ASSERT_OK(co_await world.client().remove(ctx, kSecrets, kSecret));
    auto const other = *crypto::create_authority("other", ctx.now());
    CO_ASSERT_OK(co_await world.keep(other));
    co_await world.pass(2s);
    std::string trusted = co_await world.trusted();
    EXPECT_TRUE(trusted.contains(other.certificate_pem));
    EXPECT_TRUE(trusted.contains(before)) << "the leader shows a certificate under it";
    EXPECT_EQ(before, leader.certificate->issuer().certificate_pem);
    Replica late(world.scope.context(), world.client());
    CO_ASSERT_OK(co_await late.start(ctx));
    EXPECT_EQ(other.certificate_pem, late.certificate->issuer().certificate_pem);

    co_await world.pass(20s);
    EXPECT_EQ(other.certificate_pem, leader.certificate->issuer().certificate_pem);
    co_await world.pass(20min);
    EXPECT_EQ(other.certificate_pem, co_await world.trusted());
    co_await leader.end();
    co_await late.end();
    co_await world.scope.cancel_and_join();
}

CO_TEST(Certificate, WithoutALeaderItStaysUnderTheAuthorityThatIsTrusted) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Replica one(world.scope.context(), world.client());
    CO_ASSERT_OK(co_await one.start(ctx, 3 * kDay));
    one.lead();
    co_await world.pass(1min);
    std::string const before = one.certificate->issuer().certificate_pem;
    co_await one.leading.cancel_and_join();
    CO_ASSERT_OK(co_await world.keep(*crypto::create_authority("other", ctx.now())));
    co_await world.pass(3 * kDay);
    EXPECT_EQ(before, one.certificate->issuer().certificate_pem);
    EXPECT_EQ(1, one.made) << "which ends otherwise";
    EXPECT_GT(one.ends(), ctx.now());
    co_await one.end();
    co_await world.scope.cancel_and_join();
}

CO_TEST(Certificate, WhatIsNoAuthorityIsReplacedAndNeverTrusted) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Replica one(world.scope.context(), world.client());
    CO_ASSERT_OK(co_await one.start(ctx));
    one.lead();
    co_await world.pass(1min);
    CO_ASSERT_OK(co_await world.keep({"no certificate", "no key"}));
    co_await world.pass(1min);
    EXPECT_FALSE((co_await world.trusted()).contains("no certificate"));
    auto const secret = co_await world.client().get(ctx, kSecrets, kSecret);
    CO_ASSERT_OK(secret);
    EXPECT_TRUE(usable_authority(*secret, ctx.now()));
    EXPECT_EQ("", one.registration->missing());
    co_await one.end();
    co_await world.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::webhook
