#include "core/http/server.h"

#include <fmt/format.h>

#include <deque>

#include "core/async/co_test.h"
#include "core/base/bytes_held.h"

namespace aviary::http {
namespace {

using namespace std::chrono_literals;

// A client: sends its parts one after the other, each after a time, and then nothing more, or the end.
struct Client {
    struct Part {
        Duration after;
        std::string bytes;   // empty: the end
    };
    std::deque<Part> parts;
    bool reads = true;   // what the server writes
    std::string heard;
    std::size_t taken = 0;   // bytes that the server has read
    bool closed = false;
};

class ClientStream final : public net::Stream {
public:
    explicit ClientStream(std::shared_ptr<Client> client) : client_(std::move(client)) {}

    Task<Status> handshake(Context) override { co_return Status{}; }
    Task<Result<std::size_t>> read_some(Context ctx, std::span<char> buffer) override {
        if (client_->parts.empty()) {
            CO_TRY(co_await async::sleep_for(ctx, 24h));
            co_return std::size_t{0};
        }
        if (auto& part = client_->parts.front(); part.after > 0s) {
            CO_TRY(co_await async::sleep_for(ctx, std::exchange(part.after, 0s)));
        }
        std::string& bytes = client_->parts.front().bytes;
        std::size_t const count = std::min(bytes.size(), buffer.size());
        bytes.copy(buffer.data(), count);
        bytes.erase(0, count);
        client_->taken += count;
        if (bytes.empty()) client_->parts.pop_front();
        co_return count;
    }
    Task<Status> write(Context ctx, std::string_view bytes) override {
        if (!client_->reads) CO_TRY(co_await async::sleep_for(ctx, 24h));
        client_->heard += bytes;
        co_return Status{};
    }
    void close() override { client_->closed = true; }
    net::Peer const& peer() const override { return peer_; }

private:
    std::shared_ptr<Client> client_;
    net::Peer peer_;
};

class Clients final : public net::Listener {
public:
    explicit Clients(std::deque<std::shared_ptr<Client>> clients) : clients_(std::move(clients)) {}
    std::uint16_t port() const override { return 1; }
    Task<Result<std::unique_ptr<net::Stream>>> accept(Context ctx) override {
        if (clients_.empty()) CO_TRY(co_await async::sleep_for(ctx, 240h));
        auto stream = std::make_unique<ClientStream>(clients_.front());
        clients_.pop_front();
        co_return std::move(stream);
    }
    void close() override {}

private:
    std::deque<std::shared_ptr<Client>> clients_;
};

class Echo final : public Handler {
public:
    Task<Response> handle(Context, Request request, net::Peer) override {
        Response response;
        response.body = request.method + " " + request.target + " " + request.body;
        co_return response;
    }
};

std::string request(std::string const& body, std::string const& more = {}) {
    return fmt::format("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), more, body);
}

// What becomes of the client within the time.
Task<std::shared_ptr<Client>> serve(Context ctx, Client client, Duration time, ServerLimits limits = {}) {
    auto shared = std::make_shared<Client>(std::move(client));
    Server server(std::make_unique<Clients>(std::deque{shared}), std::make_shared<Echo>(), limits);
    async::Scope scope(ctx);
    scope.spawn(server.run(scope.context()));
    (void)co_await async::sleep_for(ctx, time);
    bool const closed = shared->closed;
    co_await scope.cancel_and_join();
    shared->closed = closed;
    co_return shared;
}

CO_TEST(HttpServer, AnswersOneRequestAfterTheOther) {
    auto const client = co_await serve(
        ctx,
        {.parts = {{0s, request("a") + request("b")}, {1s, request("c").substr(0, 30)}, {1s, request("c").substr(30)}}},
        10s);
    EXPECT_NE(client->heard.find("POST /x a"), std::string::npos) << client->heard;
    EXPECT_NE(client->heard.find("POST /x b"), std::string::npos);
    EXPECT_NE(client->heard.find("POST /x c"), std::string::npos);
    EXPECT_FALSE(client->closed);
}

// Else the client, still sending, finds its connection reset and never reads the answer.
CO_TEST(HttpServer, WhoSendsTooMuchIsHeardOutAndTold) {
    std::string const large(10 << 20, 'x');
    auto const client = co_await serve(ctx, {.parts = {{0s, request(large)}, {1s, ""}}}, 4s);
    EXPECT_EQ(client->heard.substr(0, 13), "HTTP/1.1 413 ") << client->heard;
    EXPECT_NE(client->heard.find("max_body_bytes"), std::string::npos);
    EXPECT_EQ(client->taken, request(large).size());
    EXPECT_TRUE(client->closed);
}

CO_TEST(HttpServer, ButNotForEver) {
    ServerLimits limits;
    limits.max_linger_bytes = 1 << 20;
    auto const much = co_await serve(ctx, {.parts = {{0s, request(std::string(10 << 20, 'x'))}}}, 1s, limits);
    EXPECT_TRUE(much->closed);
    EXPECT_LT(much->taken, 2u << 20);
    Client slow{.parts = {{0s, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n"}}};
    for (int second = 0; second < 60; ++second) slow.parts.push_back({1s, "x"});
    auto const client = co_await serve(ctx, std::move(slow), limits.linger_timeout + 1s, limits);
    EXPECT_EQ(client->heard.substr(0, 13), "HTTP/1.1 413 ");
    EXPECT_TRUE(client->closed);
}

CO_TEST(HttpServer, WhoDoesNotFinishIsDropped) {
    ServerLimits const limits;
    auto const begun =
        co_await serve(ctx, {.parts = {{0s, "POST /x HTTP/1.1\r\nHost: h\r\n"}}}, limits.header_timeout + 1s);
    EXPECT_TRUE(begun->closed);
    auto const idle = co_await serve(ctx, {}, limits.header_timeout + 1s);
    EXPECT_FALSE(idle->closed);
    auto const away = co_await serve(ctx, {}, limits.idle_timeout + 1s);
    EXPECT_TRUE(away->closed);
    auto const deaf = co_await serve(ctx, {.parts = {{0s, request("a")}}, .reads = false}, limits.write_timeout + 1s);
    EXPECT_TRUE(deaf->closed);
}

// What Content-Length announces is not held before it comes.
CO_TEST(HttpServer, AnAnnouncedBodyTakesNoMemory) {
    auto client = std::make_shared<Client>();
    client->parts = {{1s, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n{"}};
    Server server(std::make_unique<Clients>(std::deque{client}), std::make_shared<Echo>(), ServerLimits{});
    async::Scope scope(ctx);
    scope.spawn(server.run(scope.context()));
    (void)co_await async::sleep_for(ctx, 500ms);
    std::int64_t const before = bytes_held();
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_GT(client->taken, 0u);
    EXPECT_LT(bytes_held(), before + (100 << 10));
    co_await scope.cancel_and_join();
}

// The parser asks for more of such a line for ever.
CO_TEST(HttpServer, ALineOfAChunkedBodyThatDoesNotEndIsRefused) {
    for (std::string const begin : {"5;", "0\r\nA: "}) {
        std::string const head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + begin;
        auto const client = co_await serve(ctx, {.parts = {{0s, head + std::string(10 << 20, 'x')}, {1s, ""}}}, 4s);
        EXPECT_EQ(client->heard.substr(0, 13), "HTTP/1.1 431 ") << client->heard;
        EXPECT_TRUE(client->closed);
    }
}

CO_TEST(HttpServer, WhatIsNoRequestIsRefused) {
    for (std::string const& bytes :
         {std::string("\0\1\2\r\n\r\n", 7), std::string("GET / HTTP/1.1\r\nA: ") + std::string(100'000, 'x'),
          std::string("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n")}) {
        auto const client = co_await serve(ctx, {.parts = {{0s, bytes}, {0s, ""}}}, 1s);
        EXPECT_EQ(client->heard.substr(0, 10), "HTTP/1.1 4") << bytes.substr(0, 40);
        EXPECT_TRUE(client->closed);
    }
}

}   // namespace
}   // namespace aviary::http
