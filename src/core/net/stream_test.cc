#include "core/net/stream.h"

#include <gtest/gtest.h>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/crypto/certificate.h"

namespace aviary::net {
namespace {

constexpr Duration kLimit = std::chrono::seconds(20);

struct Keys {
    crypto::KeyPair authority, server, client;
};

Keys const& keys() {
    static Keys const made = [] {
        async::AsioExecutor executor;
        Time const now = executor.clock().now();
        Keys result;
        result.authority = *crypto::create_authority("test-ca", now);
        crypto::CertificateRequest request;
        request.common_name = "server";
        request.dns_names = {"localhost"};
        request.addresses = {"127.0.0.1"};
        result.server = *crypto::issue(result.authority, request, now);
        request = {};
        request.common_name = "alice";
        request.organisations = {"llm-oncall", "staff"};
        result.client = *crypto::issue(result.authority, request, now);
        return result;
    }();
    return made;
}

enum class Kind { kPlain, kTls };

// A listener, and a connection to it from both ends.
class World {
public:
    explicit World(Kind kind) {
        if (kind == Kind::kTls) {
            server_tls = *TlsServer::create(keys().server.certificate_pem, keys().server.key_pem,
                                            keys().authority.certificate_pem);
            client_tls = *TlsClient::create(keys().authority.certificate_pem, keys().client.certificate_pem,
                                            keys().client.key_pem);
        }
        listener = std::move(*Listener::listen(executor, 0, server_tls));
    }

    template <class Body>
    void run(Body body) {
        executor.run(body());
    }

    Context context() { return Context(executor).with_timeout(kLimit); }

    Task<void> accept(Context ctx, Status& shaken) {
        auto accepted = co_await listener->accept(ctx);
        if (!accepted) co_return;
        server = std::move(*accepted);
        shaken = co_await server->handshake(ctx);
    }

    // Both ends, ready; what went wrong at either.
    Task<Status> meet(std::string host = "127.0.0.1") {
        async::Scope scope(context());
        Status shaken;
        scope.spawn(accept(scope.context(), shaken));
        auto made = co_await connect(context(), executor, host, listener->port(), client_tls);
        if (made) client = std::move(*made);
        if (!made) scope.cancel();
        co_await scope.join();
        if (!made) co_return std::unexpected(made.error());
        co_return shaken;
    }

    async::AsioExecutor executor;
    std::shared_ptr<TlsServer> server_tls;
    std::shared_ptr<TlsClient> client_tls;
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Stream> server, client;
};

std::string letters(std::size_t count) {
    std::string text(count, ' ');
    for (std::size_t index = 0; index < count; ++index) text[index] = static_cast<char>('a' + index * index % 23);
    return text;
}

Task<void> write_all(Context ctx, Stream& stream, std::string text, Status& outcome) {
    outcome = co_await stream.write(ctx, text);
}

Task<void> read_all(Context ctx, Stream& stream, std::size_t count, std::string& text) {
    std::array<char, 5000> space;
    while (text.size() < count) {
        auto const got = co_await stream.read_some(ctx, space);
        if (!got || *got == 0) co_return;
        text.append(space.data(), *got);
    }
}

class Streams : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Both, Streams, testing::Values(Kind::kPlain, Kind::kTls));

TEST_P(Streams, CarryMuchBothWaysAtOnce) {
    World world(GetParam());
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met) << met.error().message();
        std::string const text = letters(5'000'000);
        std::string there, back;
        Status first, second;
        async::Scope scope(world.context());
        scope.spawn(write_all(scope.context(), *world.client, text, first));
        scope.spawn(write_all(scope.context(), *world.server, text, second));
        scope.spawn(read_all(scope.context(), *world.server, text.size(), there));
        scope.spawn(read_all(scope.context(), *world.client, text.size(), back));
        co_await scope.join();
        EXPECT_TRUE(first && second);
        EXPECT_TRUE(there == text && back == text);
    });
}

TEST_P(Streams, EndWithNothing) {
    World world(GetParam());
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
        std::array<char, 100> space;
        Status const greeted = co_await world.server->write(world.context(), "hi");
        EXPECT_TRUE(greeted);
        auto const greeting = co_await world.client->read_some(world.context(), space);
        EXPECT_EQ(greeting.value_or(0), 2u);
        Status const answered = co_await world.client->write(world.context(), "bye");
        EXPECT_TRUE(answered);
        world.client->close();
        auto const answer = co_await world.server->read_some(world.context(), space);
        EXPECT_EQ(answer.value_or(0), 3u);
        auto const end = co_await world.server->read_some(world.context(), space);
        EXPECT_EQ(end.value_or(99), 0u);
    });
}

TEST_P(Streams, AreDeadAfterATimeout) {
    World world(GetParam());
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
        std::array<char, 100> space;
        Context const brief = Context(world.executor).with_timeout(std::chrono::milliseconds(5));
        auto const nothing = co_await world.server->read_some(brief, space);
        EXPECT_TRUE(!nothing && nothing.error().is(ErrorCode::kTimeout));
        auto const more = co_await world.server->read_some(world.context(), space);
        EXPECT_FALSE(more);
        Status const written = co_await world.server->write(world.context(), "more");
        EXPECT_FALSE(written);
    });
}

TEST_P(Streams, DoNotWaitForEverOnAReaderThatStops) {
    World world(GetParam());
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
        Context const brief = Context(world.executor).with_timeout(std::chrono::milliseconds(50));
        Status const written = co_await world.server->write(brief, letters(50'000'000));
        EXPECT_TRUE(!written && written.error().is(ErrorCode::kTimeout));
    });
}

TEST_P(Streams, EndWhenTheyAreCancelled) {
    World world(GetParam());
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
        std::string text;
        async::Scope scope(world.context());
        scope.spawn(read_all(scope.context(), *world.server, 1, text));
        Status const turn = co_await async::yield(world.context());
        EXPECT_TRUE(turn);
        co_await scope.cancel_and_join();
        EXPECT_EQ(text, "");
    });
}

Task<void> count_turns(Context ctx, int& turns, bool const& over) {
    while (!over) {
        Status const turn = co_await async::yield(ctx);
        if (!turn) co_return;
        ++turns;
    }
}

// What has arrived is read without waiting; others get their turns in between.
TEST_P(Streams, LetOthersIn) {
    World world(GetParam());
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
        constexpr std::size_t kBytes = 10'000;
        Status const sent = co_await world.client->write(world.context(), letters(kBytes));
        EXPECT_TRUE(sent);
        std::array<char, 1> space;
        auto const first = co_await world.server->read_some(world.context(), space);
        EXPECT_TRUE(first);
        int turns = 0;
        bool over = false;
        async::Scope scope(world.context());
        scope.spawn(count_turns(scope.context(), turns, over));
        for (std::size_t count = 1; count < kBytes; ++count) {
            auto const got = co_await world.server->read_some(world.context(), space);
            EXPECT_TRUE(got);
        }
        over = true;
        co_await scope.join();
        EXPECT_GE(turns, 100);
    });
}

TEST(TlsStreams, KnowTheirClientByItsCertificate) {
    World world(Kind::kTls);
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
        EXPECT_EQ(world.server->peer().common_name, "alice");
        EXPECT_EQ(world.server->peer().organisations, (std::vector<std::string>{"llm-oncall", "staff"}));
        EXPECT_TRUE(world.server->peer().address.starts_with("127.0.0.1:"));
    });
}

TEST(TlsStreams, LetClientsInThatShowNone) {
    World world(Kind::kTls);
    world.client_tls = *TlsClient::create(keys().authority.certificate_pem);
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
        EXPECT_EQ(world.server->peer().common_name, "");
    });
}

TEST(TlsStreams, RefuseAServerOfAnotherAuthority) {
    World world(Kind::kTls);
    auto const other = *crypto::create_authority("other-ca", world.executor.clock().now());
    world.client_tls = *TlsClient::create(other.certificate_pem);
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(!met && met.error().message().contains("certificate verify failed"));
    });
    world.client_tls = *TlsClient::create(other.certificate_pem, {}, {}, true);
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met);
    });
}

TEST(TlsStreams, SayThatACertificateIsOver) {
    World world(Kind::kTls);
    crypto::CertificateRequest request;
    request.common_name = "server";
    request.addresses = {"127.0.0.1"};
    request.validity = std::chrono::hours(1);
    auto const over = *crypto::issue(keys().authority, request, world.executor.clock().now() - std::chrono::hours(2));
    world.listener = std::move(*Listener::listen(
        world.executor, 0, *TlsServer::create(over.certificate_pem, over.key_pem, keys().authority.certificate_pem)));
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(!met && met.error().message().contains("certificate verify failed: certificate has expired"))
            << (met ? "met" : met.error().message());
    });
}

// The authority, and what it says of a client.
std::pair<crypto::KeyPair, crypto::KeyPair> client_of_another_authority(std::string name, Time now) {
    auto authority = *crypto::create_authority("other-ca", now);
    crypto::CertificateRequest request;
    request.common_name = std::move(name);
    auto own = *crypto::issue(authority, request, now);
    return {std::move(authority), std::move(own)};
}

TEST(TlsStreams, RefuseAClientOfAnotherAuthority) {
    World world(Kind::kTls);
    auto const [other, own] = client_of_another_authority("mallory", world.executor.clock().now());
    world.client_tls = *TlsClient::create(keys().authority.certificate_pem, own.certificate_pem, own.key_pem);
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_FALSE(met);
    });
}

TEST(TlsStreams, CheckTheNameOfTheServer) {
    World world(Kind::kTls);
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet("localhost");
        EXPECT_TRUE(met);
    });
    Time const now = world.executor.clock().now();
    crypto::CertificateRequest request;
    request.common_name = "server";
    request.dns_names = {"elsewhere.example.com"};
    auto const wrong = *crypto::issue(keys().authority, request, now);
    world.listener = std::move(*Listener::listen(
        world.executor, 0, *TlsServer::create(wrong.certificate_pem, wrong.key_pem, keys().authority.certificate_pem)));
    for (char const* host : {"localhost", "127.0.0.1"}) {
        world.run([&]() -> Task<void> {
            Status const met = co_await world.meet(host);
            EXPECT_FALSE(met) << host;
        });
    }
}

TEST(Listeners, ListenWhereTheyAreTold) {
    World world(Kind::kPlain);
    world.listener = std::move(*Listener::listen(world.executor, "127.0.0.2", 0));
    for (char const* host : {"127.0.0.2", "127.0.0.1"}) {
        world.run([&]() -> Task<void> {
            Status const met = co_await world.meet(host);
            EXPECT_EQ(met.has_value(), std::string_view(host) == "127.0.0.2") << host;
        });
    }
    auto const nowhere = Listener::listen(world.executor, "localhost", 0);
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().message(), "\"localhost\" is no IP address to listen on");
}

// Under an authority that only who connects later trusts; who is connected goes on.
TEST(TlsStreams, ShowACertificateThatWasReplaced) {
    World world(Kind::kTls);
    Time const now = world.executor.clock().now();
    auto const authority = *crypto::create_authority("other", now);
    crypto::CertificateRequest request;
    request.common_name = "server";
    request.addresses = {"127.0.0.1"};
    auto const pair = *crypto::issue(authority, request, now);
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        EXPECT_TRUE(met) << met.error().message();
        EXPECT_FALSE(world.server_tls->replace(pair.certificate_pem, keys().server.key_pem));
        auto const before = std::move(world.client);
        auto const other_end = std::move(world.server);
        Status const as_it_was = co_await world.meet();
        EXPECT_TRUE(as_it_was) << as_it_was.error().message();

        EXPECT_TRUE(world.server_tls->replace(pair.certificate_pem, pair.key_pem));
        std::array<char, 100> space;
        Status const sent = co_await before->write(world.context(), "still here");
        EXPECT_TRUE(sent);
        auto const got = co_await other_end->read_some(world.context(), space);
        EXPECT_EQ(10u, got.value_or(0));
        Status const refused = co_await world.meet();
        EXPECT_FALSE(refused);
        world.client_tls = *TlsClient::create(authority.certificate_pem);
        Status const later = co_await world.meet();
        EXPECT_TRUE(later) << later.error().message();
    });
}

TEST(TlsStreams, TrustClientsOfAnAuthorityThatWasReplaced) {
    World world(Kind::kTls);
    auto const [other, own] = client_of_another_authority("bob", world.executor.clock().now());
    auto const of_before = world.client_tls;
    auto const of_other = *TlsClient::create(keys().authority.certificate_pem, own.certificate_pem, own.key_pem);
    world.run([&]() -> Task<void> {
        world.client_tls = of_other;
        Status const refused = co_await world.meet();
        EXPECT_FALSE(refused);
        EXPECT_FALSE(world.server_tls->replace_client_authority("nonsense"));

        EXPECT_TRUE(
            world.server_tls->replace_client_authority(keys().authority.certificate_pem + other.certificate_pem));
        for (auto const& [client, name] : {std::pair(of_before, "alice"), std::pair(of_other, "bob")}) {
            world.client_tls = client;
            Status const met = co_await world.meet();
            EXPECT_TRUE(met) << name;
            EXPECT_EQ(world.server->peer().common_name, name);
        }
        EXPECT_TRUE(world.server_tls->replace_client_authority(other.certificate_pem));
        world.client_tls = of_before;
        Status const no_more = co_await world.meet();
        EXPECT_FALSE(no_more);
        world.client_tls = of_other;
        Status const still = co_await world.meet();
        EXPECT_TRUE(still);
    });
}

// Neither end speaks TLS to the other.
TEST(TlsStreams, RefuseWhatIsNotTls) {
    World world(Kind::kTls);
    world.client_tls.reset();
    world.run([&]() -> Task<void> {
        async::Scope scope(world.context());
        Status shaken;
        scope.spawn(world.accept(scope.context(), shaken));
        auto made = co_await connect(world.context(), world.executor, "127.0.0.1", world.listener->port());
        EXPECT_TRUE(made);
        Status const sent = co_await (*made)->write(world.context(), "GET / HTTP/1.1\r\n\r\n");
        EXPECT_TRUE(sent);
        co_await scope.join();
        EXPECT_FALSE(shaken);
    });
}

// What the two agree to speak, or none when they cannot meet.
std::optional<std::string> agreed(Protocols server, Protocols client) {
    World world(Kind::kTls);
    world.server_tls = *TlsServer::create(keys().server.certificate_pem, keys().server.key_pem, {}, server);
    world.listener = std::move(*Listener::listen(world.executor, 0, world.server_tls));
    world.client_tls = *TlsClient::create(keys().authority.certificate_pem, {}, {}, false, client);
    std::optional<std::string> protocol;
    world.run([&]() -> Task<void> {
        Status const met = co_await world.meet();
        if (!met) co_return;
        EXPECT_EQ(world.client->protocol(), world.server->protocol());
        protocol = world.client->protocol();
    });
    return protocol;
}

TEST(Protocols, TheServersFirstThatTheClientOffersToo) {
    EXPECT_EQ(agreed({"h2", "http/1.1"}, {"http/1.1", "h2"}), "h2");
    EXPECT_EQ(agreed({"h2", "http/1.1"}, {"http/1.1"}), "http/1.1");
    EXPECT_EQ(agreed({"aviary-link"}, {"aviary-link"}), "aviary-link");
    EXPECT_EQ(agreed({"h2", "http/1.1"}, {}), "");
    EXPECT_EQ(agreed({}, {"h2"}), "");
    EXPECT_EQ(agreed({"h2", "http/1.1"}, {"aviary-link"}), std::nullopt);
    EXPECT_FALSE(TlsServer::create(keys().server.certificate_pem, keys().server.key_pem, {}, {""}));
}

}   // namespace
}   // namespace aviary::net
