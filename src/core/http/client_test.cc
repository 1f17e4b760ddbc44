#include "core/http/client.h"

#include <deque>
#include <vector>

#include "core/async/co_test.h"
#include "core/http/internal/pipe.h"
#include "core/http/internal/scripted.h"
#include "core/http/server.h"

namespace aviary::http {
namespace {

using namespace std::chrono_literals;

Task<Result<std::unique_ptr<net::Stream>>> scripted(std::string bytes) {
    co_return std::make_unique<Scripted>(std::move(bytes));
}

Client answering(std::string bytes, ClientOptions options = {.host = "member"}) {
    return Client([bytes = std::move(bytes)](Context) { return scripted(bytes); }, std::move(options));
}

Task<Result<std::string>> streamed(Context ctx, std::string body) {
    Client client = answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
    CO_TRY_ASSIGN(Response const answer, co_await client.send(ctx, {}, true));
    std::string all;
    while (true) {
        CO_TRY_ASSIGN(auto const part, co_await answer.stream->next(ctx));
        if (!part) co_return all;
        all += *part + "|";
    }
}

CO_TEST(Client, ReadsBodiesOfEveryLength) {
    auto answer = co_await answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").send(ctx, {});
    CO_ASSERT_OK(answer);
    EXPECT_EQ(answer->body, "hello");
    answer = co_await answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")
                 .send(ctx, {});
    CO_ASSERT_OK(answer);
    EXPECT_EQ(answer->body, "hello");
    answer = co_await answering("HTTP/1.0 404 Not Found\r\n\r\nno").send(ctx, {});
    CO_ASSERT_OK(answer);
    EXPECT_EQ(answer->status, 404);
    EXPECT_EQ(answer->body, "no");
}

CO_TEST(Client, WhatIsCutShortOrTooLongIsAnError) {
    std::string const head = "HTTP/1.1 200 OK\r\n";
    EXPECT_FALSE(co_await answering("").send(ctx, {}));
    EXPECT_FALSE(co_await answering(head).send(ctx, {}));
    EXPECT_FALSE(co_await answering(head + "Content-Length: 5\r\n\r\nhell").send(ctx, {}));
    EXPECT_FALSE(co_await answering("nonsense\r\n\r\n").send(ctx, {}));
    EXPECT_FALSE(co_await answering(head + "A: " + std::string(1 << 20, 'x')).send(ctx, {}));
    for (std::string const begin : {"5;", "0\r\nA: "}) {   // lines that do not end
        auto const refused =
            co_await answering(head + "Transfer-Encoding: chunked\r\n\r\n" + begin + std::string(1 << 20, 'x'))
                .send(ctx, {});
        CO_ASSERT_TRUE(!refused);
        EXPECT_TRUE(refused.error().is(ErrorCode::kTooLarge)) << refused.error().message();
    }
    ClientOptions small{.host = "member"};
    small.max_body_bytes = 4;
    for (char const* body :
         {"Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}) {
        auto const refused = co_await answering(head + body, small).send(ctx, {});
        CO_ASSERT_TRUE(!refused);
        EXPECT_TRUE(refused.error().is(ErrorCode::kTooLarge)) << refused.error().message();
    }
}

CO_TEST(Client, StreamsChunks) {
    EXPECT_EQ((co_await streamed(ctx, "3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n")).value_or("error"), "hel|lo|");
    EXPECT_EQ((co_await streamed(ctx, "0\r\n\r\n")).value_or("error"), "");
    for (std::string const& bad :
         {std::string("3\r\nhe"), std::string("x\r\n"), std::string("\r\n\r\n"),
          std::string("ffffffffffffffffffff\r\n"), std::string("7fffffff\r\n"), std::string(1 << 20, '0')}) {
        EXPECT_FALSE(co_await streamed(ctx, bad)) << bad.substr(0, 20);
    }
}

// A line that never ends is given up long before its end.
CO_TEST(Client, AnEndlessChunkLineIsNotKept) {
    auto const outcome = co_await streamed(ctx, std::string(1 << 20, '0') + "\r\n");
    EXPECT_EQ(outcome.error().message(), "malformed chunk in the answer");
}

// /slow takes ten seconds, /watch goes on; anything else is told the connection it came by.
class Telling final : public Handler {
public:
    Task<Response> handle(Context ctx, Request request, net::Peer peer) override {
        if (request.target == "/slow") (void)co_await async::sleep_for(ctx, 10s);
        Response response;
        response.body = peer.address;
        if (request.target == "/watch") response.stream = std::make_unique<Ticks>();
        co_return response;
    }

private:
    class Ticks final : public BodyStream {
    public:
        Task<Result<std::optional<std::string>>> next(Context ctx) override {
            CO_TRY(co_await async::sleep_for(ctx, 1s));
            co_return std::optional<std::string>("tick;");
        }
    };
};

// A server in memory, which speaks what its connections are told to.
class Site {
public:
    Site(Context ctx, std::string protocol, ServerLimits limits = {}) : protocol(std::move(protocol)), scope(ctx) {
        auto self = std::make_unique<Door>(*this);
        server_ = std::make_unique<Server>(std::move(self), std::make_shared<Telling>(), limits);
        scope.spawn(server_->run(scope.context()));
    }

    std::unique_ptr<Client> client() {
        return std::make_unique<Client>([this](Context ctx) { return connect(ctx); }, ClientOptions{.host = "member"});
    }

    Task<Result<std::unique_ptr<net::Stream>>> connect(Context ctx) {
        ++dialled;
        CO_TRY(co_await async::sleep_for(ctx, 10ms));
        if (down) co_return fail(ErrorCode::kUnavailable, "connection refused");
        auto [near, far] = Pipe::make();
        lines.push_back(near->line());
        near->speak(protocol);
        far->speak(protocol);
        waiting_.push_back(std::move(far));
        changed_.notify();
        co_return std::move(near);
    }

    std::string protocol;
    bool down = false;
    int dialled = 0;
    std::vector<std::weak_ptr<void>> lines;   // of its connections
    async::Scope scope;

private:
    Task<Result<std::unique_ptr<net::Stream>>> accept(Context ctx) {
        while (waiting_.empty()) CO_TRY(co_await changed_.wait(ctx));
        std::unique_ptr<net::Stream> next = std::move(waiting_.front());
        waiting_.pop_front();
        co_return std::move(next);
    }

    struct Door final : net::Listener {
        explicit Door(Site& site) : site(site) {}
        std::uint16_t port() const override { return 1; }
        Task<Result<std::unique_ptr<net::Stream>>> accept(Context ctx) override { return site.accept(ctx); }
        void close() override {}
        Site& site;
    };
    std::unique_ptr<Server> server_;
    std::deque<std::unique_ptr<net::Stream>> waiting_;
    async::Event changed_;
};

Task<void> ask(Context ctx, Client& client, std::string target, int& answered) {
    auto const answer = co_await client.send(ctx, {.target = std::move(target)});
    answered += answer && answer->status == 200;
}

Task<int> ask_many(Context ctx, Client& client, int count) {
    int answered = 0;
    async::Scope scope(ctx);
    for (int each = 0; each < count; ++each) scope.spawn(ask(ctx, client, "/slow", answered));
    co_await scope.join();
    co_return answered;
}

CO_TEST(Client, SharesOneConnectionWhereTheServerSpeaksHttp2) {
    Site site(ctx, "h2");
    auto const client = site.client();
    EXPECT_EQ(co_await ask_many(ctx, *client, 100), 100);
    EXPECT_EQ(site.dialled, 1);
    // Beyond what the server takes at once there is another.
    EXPECT_EQ(co_await ask_many(ctx, *client, 300), 300);
    EXPECT_EQ(site.dialled, 2);
    co_await site.scope.cancel_and_join();
}

CO_TEST(Client, HasAConnectionForEachRequestWhereItDoesNot) {
    for (std::string const& protocol : {std::string(), std::string("http/1.1")}) {
        Site site(ctx, protocol);
        auto const client = site.client();
        EXPECT_EQ(co_await ask_many(ctx, *client, 20), 20);
        EXPECT_EQ(site.dialled, 20);
        EXPECT_EQ(co_await ask_many(ctx, *client, 20), 20);
        EXPECT_EQ(site.dialled, 20);
        co_await site.scope.cancel_and_join();
    }
}

CO_TEST(Client, AConnectionThatIsGoneIsMadeAgain) {
    ServerLimits limits;
    limits.idle_timeout = 10s;
    Site site(ctx, "h2", limits);
    auto const client = site.client();
    CO_ASSERT_OK(co_await client->send(ctx, {}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));   // the server has closed it
    CO_ASSERT_OK(co_await client->send(ctx, {.method = "POST"}));
    EXPECT_EQ(site.dialled, 2);
    // The same server with another program on it.
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    site.protocol = "";
    CO_ASSERT_OK(co_await client->send(ctx, {.method = "POST"}));
    site.protocol = "h2";
    EXPECT_EQ(co_await ask_many(ctx, *client, 5), 5);
    EXPECT_LE(site.dialled, 8);
    co_await site.scope.cancel_and_join();
}

CO_TEST(Client, WhoWaitsForAConnectionLearnsWhyThereIsNone) {
    Site site(ctx, "h2");
    site.down = true;
    auto const client = site.client();
    EXPECT_EQ(co_await ask_many(ctx, *client, 50), 0);
    EXPECT_LE(site.dialled, 1);
    auto const refused = co_await client->send(ctx, {});
    EXPECT_EQ(refused.error().message(), "connection refused");
    // One that gives up takes nobody else's connection away.
    site.down = false;
    auto const impatient = co_await client->send(ctx.with_timeout(1ms), {});
    EXPECT_EQ(impatient.error().code(), ErrorCode::kTimeout);
    int const before = site.dialled;
    CO_ASSERT_OK(co_await client->send(ctx, {}));
    EXPECT_EQ(site.dialled, before);
    co_await site.scope.cancel_and_join();
}

CO_TEST(Client, StreamsOutliveTheClientAndConnectionsDoNotOutliveThem) {
    for (std::string const& protocol : {std::string("h2"), std::string("http/1.1")}) {
        Site site(ctx, protocol);
        auto client = site.client();
        auto watch = co_await client->send(ctx, {.target = "/watch"}, true);
        CO_ASSERT_OK(watch);
        client.reset();
        for (int turn = 0; turn < 3; ++turn) {
            auto const part = co_await watch->stream->next(ctx);
            CO_ASSERT_OK(part);
            EXPECT_EQ(**part, "tick;");
        }
        EXPECT_FALSE(site.lines.at(0).expired());
        watch->stream.reset();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        EXPECT_TRUE(site.lines.at(0).expired());
        co_await site.scope.cancel_and_join();
    }
}

}   // namespace
}   // namespace aviary::http
