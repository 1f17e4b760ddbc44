#include "core/http/http2.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <tuple>

#include "core/async/co_test.h"
#include "core/async/event.h"
#include "core/base/strings.h"
#include "core/http/internal/pipe.h"

namespace aviary::http {
namespace {

using namespace std::chrono_literals;

// Numbers for ever, or so many of them.
class Numbers final : public BodyStream {
public:
    Numbers(std::size_t count, std::size_t size, int& alive) : count_(count), size_(size), alive_(alive) { ++alive_; }
    ~Numbers() override { --alive_; }
    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        if (given_ == count_) co_return std::optional<std::string>();
        if (size_ == 0) CO_TRY(co_await async::sleep_for(ctx, 1s));
        std::string text = fmt::format("{};", given_++);
        text.resize(std::max(text.size(), size_), 'x');
        co_return std::optional(std::move(text));
    }
    std::size_t given_ = 0;

private:
    std::size_t count_, size_;
    int& alive_;
};

// /echo, /watch?N (a number each second), /flood?SIZE, /slow, /broken, /big?SIZE
class Farm final : public Handler {
public:
    Task<Response> handle(Context ctx, Request request, net::Peer peer) override {
        ++asked;
        most = std::max(most, ++at_once);
        Response response;
        std::size_t const query = request.target.find('?');
        auto const number = static_cast<std::size_t>(
            query == std::string::npos ? 0 : parse_int(request.target.substr(query + 1)).value_or(0));
        std::string_view const path = path_of(request.target);
        if (path == "/watch") response.stream = std::make_unique<Numbers>(number, 0, streams);
        if (path == "/flood") response.stream = std::make_unique<Numbers>(1'000'000, number, streams);
        if (path == "/big") response.body = std::string(number, 'b');
        if (path == "/slow") {
            Status const slept = co_await async::sleep_for(ctx, 10s);
            cancelled += slept ? 0 : 1;
            response.body = "slow";
        }
        if (path == "/teapot") response.status = 418;
        if (path == "/echo") {
            response.headers = request.headers;
            response.headers.emplace_back("X-Peer", peer.common_name);
            response.headers.emplace_back("Connection", "close");
            response.body = request.method + " " + request.target + " " + request.body;
        }
        --at_once;
        co_return response;
    }
    int asked = 0, cancelled = 0, streams = 0, at_once = 0, most = 0;
};

// Both ends of a connection.
class World {
public:
    explicit World(Context ctx, Http2Limits limits = {}, Http2Options options = {}, std::size_t capacity = 256 << 10)
        : scope(ctx) {
        auto [near, far] = Pipe::make(capacity);
        options.authority = "member";
        client = std::make_unique<Http2Connection>(std::move(near), options);
        scope.spawn(run_client(scope.context()));
        scope.spawn(run_server(serving.context(), std::move(far), limits));
    }
    Task<void> end() {
        co_await serving.cancel_and_join();
        co_await scope.cancel_and_join();
    }

    std::shared_ptr<Farm> farm = std::make_shared<Farm>();
    async::Scope scope;
    async::Scope serving{scope.context()};
    std::unique_ptr<Http2Connection> client;
    std::optional<Status> client_end, server_end;

private:
    Task<void> run_client(Context ctx) { client_end = co_await client->run(ctx); }
    Task<void> run_server(Context ctx, std::unique_ptr<net::Stream> stream, Http2Limits limits) {
        server_end = co_await serve_http2(ctx, std::move(stream), farm, limits);
    }
};

Task<void> send(Context ctx, Http2Connection& client, Request request, Result<Response>& answer,
                bool* unprocessed = nullptr) {
    answer = co_await client.send(ctx, std::move(request), false, unprocessed);
}

Result<Response> nothing() { return fail(ErrorCode::kInternal, "not yet"); }

std::string message(Status const& status) { return status ? "ok" : status.error().message(); }

// Reads parts until so many bytes are there, or the end.
Task<Result<std::string>> take(Context ctx, BodyStream& stream, std::size_t bytes) {
    std::string all;
    while (all.size() < bytes) {
        CO_TRY_ASSIGN(auto const part, co_await stream.next(ctx));
        if (!part) break;
        all += *part;
    }
    co_return all;
}

CO_TEST(Http2, ARequestAndItsAnswer) {
    World world(ctx);
    Request request{.method = "POST",
                    .target = "/echo?a=b",
                    .headers = {{"X-One", " 1\r\n2 "}, {"Connection", "x"}},
                    .body = "hello"};
    auto const answer = co_await world.client->send(ctx, request);
    CO_ASSERT_OK(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "POST /echo?a=b hello");
    EXPECT_EQ(find_header(answer->headers, "X-One"), "1  2");
    EXPECT_EQ(find_header(answer->headers, "Host"), "member");
    EXPECT_EQ(find_header(answer->headers, "X-Peer"), "test");
    EXPECT_EQ(find_header(answer->headers, "Connection"), "");
    EXPECT_EQ(find_header(answer->headers, "Content-Length"), "20");
    auto const teapot = co_await world.client->send(ctx, {.target = "/teapot"}, true);
    CO_ASSERT_OK(teapot);
    EXPECT_EQ(teapot->status, 418);
    auto const head = co_await world.client->send(ctx, {.method = "HEAD", .target = "/big?1000"});
    CO_ASSERT_OK(head);
    EXPECT_EQ(head->body, "");
    EXPECT_EQ(find_header(head->headers, "content-length"), "1000");
    EXPECT_EQ(world.client->requests(), 0u);
    co_await world.end();
    EXPECT_EQ(world.server_end->error().code(), ErrorCode::kCancelled);
}

CO_TEST(Http2, BigBodiesBothWays) {
    World world(ctx, {.max_body_bytes = 64 << 20});
    std::string const big(20'000'000, 'y');
    auto const answer = co_await world.client->send(ctx, {.method = "PUT", .target = "/echo", .body = big});
    CO_ASSERT_OK(answer);
    EXPECT_TRUE(answer->body == "PUT /echo " + big);
    co_await world.end();
}

CO_TEST(Http2, ManyAtOnceAndTheRestWaitTheirTurn) {
    World world(ctx, {.max_streams = 10});
    CO_ASSERT_OK(co_await world.client->send(ctx, {.target = "/echo"}));   // knows the limit from now on
    EXPECT_EQ(world.client->room(), 10u);
    std::vector<Result<Response>> answers(100);
    async::Scope scope(ctx);
    for (auto& answer : answers) scope.spawn(send(ctx, *world.client, {.target = "/slow"}, answer));
    // One that waits for its turn gives up.
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.client->requests(), 100u);
    EXPECT_EQ(world.client->room(), 0u);
    auto const impatient = co_await world.client->send(ctx.with_timeout(1s), {.target = "/echo"});
    EXPECT_EQ(impatient.error().code(), ErrorCode::kTimeout);
    co_await scope.join();
    EXPECT_EQ(world.farm->most, 10);
    int answered = 0, late = 0;
    for (auto const& answer : answers) {
        answered += answer && answer->body == "slow";
        late += !answer && answer.error().is(ErrorCode::kTimeout);   // the request timeout of a minute
    }
    EXPECT_EQ(answered, 50);
    EXPECT_EQ(late, 50);
    EXPECT_TRUE(world.client->open());
    co_await world.end();
}

CO_TEST(Http2, WhatTheServerRefusesIsSurelyUnprocessed) {
    World world(ctx, {.max_streams = 1});
    // Both go out before the server has said how many it takes.
    Result<Response> first = nothing();
    async::Scope scope(ctx);
    scope.spawn(send(ctx, *world.client, {.target = "/slow"}, first));
    bool unprocessed = false;
    Result<Response> second = nothing();
    scope.spawn(send(ctx, *world.client, {.target = "/echo"}, second, &unprocessed));
    co_await scope.join();
    CO_ASSERT_OK(first);
    EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
    EXPECT_TRUE(unprocessed);
    EXPECT_EQ(world.farm->asked, 1);
    co_await world.end();
}

CO_TEST(Http2, AStreamGoesOnUntilItIsDropped) {
    World world(ctx);
    auto watch = co_await world.client->send(ctx, {.target = "/watch?1000"}, true);
    CO_ASSERT_OK(watch);
    CO_ASSERT_TRUE(watch->stream);
    for (char const* expected : {"0;", "1;", "2;"}) {
        auto const part = co_await watch->stream->next(ctx);
        CO_ASSERT_OK(part);
        EXPECT_EQ(**part, expected);
    }
    // Giving one wait up loses nothing.
    auto const waited = co_await watch->stream->next(ctx.with_timeout(100ms));
    EXPECT_EQ(waited.error().code(), ErrorCode::kTimeout);
    auto const part = co_await watch->stream->next(ctx);
    CO_ASSERT_OK(part);
    EXPECT_EQ(**part, "3;");
    EXPECT_EQ(world.farm->streams, 1);
    watch->stream.reset();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10ms));
    EXPECT_EQ(world.farm->streams, 0);
    EXPECT_EQ(world.client->requests(), 0u);
    CO_ASSERT_OK(co_await world.client->send(ctx, {.target = "/echo"}));
    co_await world.end();
}

CO_TEST(Http2, AStreamThatEndsAndOneThatIsCutDiffer) {
    World world(ctx);
    auto watch = co_await world.client->send(ctx, {.target = "/watch?3"}, true);
    CO_ASSERT_OK(watch);
    auto const all = co_await take(ctx, *watch->stream, 1000);
    CO_ASSERT_OK(all);
    EXPECT_EQ(*all, "0;1;2;");
    watch = co_await world.client->send(ctx, {.target = "/watch?1000"}, true);
    CO_ASSERT_OK(watch);
    co_await world.serving.cancel_and_join();
    auto const cut = co_await take(ctx, *watch->stream, 1000);
    EXPECT_EQ(cut.error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(world.farm->streams, 0);
    co_await world.end();
}

CO_TEST(Http2, GivingUpResetsOneRequestOnly) {
    World world(ctx);
    Result<Response> patient = nothing();
    async::Scope scope(ctx);
    scope.spawn(send(ctx, *world.client, {.target = "/slow"}, patient));
    bool unprocessed = true;
    auto const impatient = co_await world.client->send(ctx.with_timeout(2s), {.target = "/slow"}, false, &unprocessed);
    EXPECT_EQ(impatient.error().code(), ErrorCode::kTimeout);
    EXPECT_FALSE(unprocessed);
    co_await scope.join();
    CO_ASSERT_OK(patient);
    EXPECT_EQ(world.farm->cancelled, 1);
    co_await world.end();
}

CO_TEST(Http2, ASlowReaderHoldsNobodyElseUp) {
    World world(ctx, {.write_timeout = 1h});
    auto const started = ctx.monotonic();
    auto slow = co_await world.client->send(ctx, {.target = "/flood?10000"}, true);
    CO_ASSERT_OK(slow);
    for (int turn = 0; turn < 50; ++turn) {
        auto const answer = co_await world.client->send(ctx, {.target = "/big?1000000"});
        CO_ASSERT_OK(answer);
        EXPECT_EQ(answer->body.size(), 1'000'000u);
    }
    auto quick = co_await world.client->send(ctx, {.target = "/flood?10000"}, true);
    CO_ASSERT_OK(quick);
    auto const much = co_await take(ctx, *quick->stream, 30'000'000);   // more than every window
    CO_ASSERT_OK(much);
    EXPECT_GE(much->size(), 30'000'000u);
    // What nobody reads is kept up to the window of its stream.
    auto const kept = co_await slow->stream->next(ctx);
    CO_ASSERT_OK(kept);
    EXPECT_LE((*kept)->size(), std::size_t{1} << 20);
    EXPECT_GE((*kept)->size(), 1'000'000u);
    auto const more = co_await take(ctx, *slow->stream, 5'000'000);
    CO_ASSERT_OK(more);
    EXPECT_EQ(ctx.monotonic() - started, 0s);   // nothing waited for a timer
    co_await world.end();
}

// As over HTTP/1.1: what it has not read for so long it hardly will.
CO_TEST(Http2, AStreamThatIsNotReadIsReset) {
    World world(ctx, {.write_timeout = 30s});
    auto slow = co_await world.client->send(ctx, {.target = "/flood?10000"}, true);
    CO_ASSERT_OK(slow);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 25s));
    EXPECT_EQ(world.farm->streams, 1);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 15s));
    EXPECT_EQ(world.farm->streams, 0);
    CO_ASSERT_OK(co_await world.client->send(ctx, {.target = "/echo"}));
    auto const rest = co_await take(ctx, *slow->stream, 10'000'000);
    EXPECT_EQ(rest.error().code(), ErrorCode::kUnavailable);
    co_await world.end();
}

CO_TEST(Http2, AServerThatStopsSaysSo) {
    World world(ctx);
    Result<Response> slow = nothing();
    async::Scope scope(ctx);
    scope.spawn(send(ctx, *world.client, {.target = "/slow"}, slow));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    co_await world.serving.cancel_and_join();
    co_await scope.join();
    EXPECT_EQ(slow.error().code(), ErrorCode::kUnavailable);
    EXPECT_FALSE(world.client->open());
    EXPECT_EQ(world.farm->cancelled, 1);
    bool unprocessed = false;
    auto const late = co_await world.client->send(ctx, {.target = "/echo"}, false, &unprocessed);
    EXPECT_EQ(late.error().code(), ErrorCode::kUnavailable);
    EXPECT_TRUE(unprocessed);
    co_await world.end();
    EXPECT_EQ(world.client_end->error().code(), ErrorCode::kUnavailable);
}

CO_TEST(Http2, ADrainedConnectionEndsWithItsLastRequest) {
    World world(ctx);
    Result<Response> slow = nothing();
    async::Scope scope(ctx);
    scope.spawn(send(ctx, *world.client, {.target = "/slow"}, slow));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    world.client->drain();
    EXPECT_FALSE(world.client->open());
    EXPECT_FALSE(co_await world.client->send(ctx, {.target = "/echo"}));
    co_await scope.join();
    CO_ASSERT_OK(slow);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10ms));
    EXPECT_TRUE(world.client_end.has_value());
    CO_ASSERT_TRUE(world.server_end.has_value());
    EXPECT_EQ(message(*world.server_end), "ok");
    co_await world.end();
}

CO_TEST(Http2, LivesAsLongAsBothAreThere) {
    World world(ctx, {.idle_timeout = 0s});
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 24h));
    CO_ASSERT_OK(co_await world.client->send(ctx, {.target = "/echo"}));
    co_await world.end();
    World idle(ctx, {.idle_timeout = 5min});
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 4min));
    CO_ASSERT_OK(co_await idle.client->send(ctx, {.target = "/echo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 4min));
    EXPECT_TRUE(idle.client->open());
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2min));
    EXPECT_FALSE(idle.client->open());
    EXPECT_EQ(message(*idle.server_end), "ok");
    co_await idle.end();
}

CO_TEST(Http2, TooLongAHeaderIsToldSo) {
    World world(ctx, {.max_header_bytes = 20'000}, {.max_header_bytes = 10'000});
    auto const refused = co_await world.client->send(
        ctx, {.method = "POST", .target = "/echo", .headers = {{"X-Long", std::string(21'000, 'h')}}, .body = "b"});
    CO_ASSERT_OK(refused);
    EXPECT_EQ(refused->status, 431);
    EXPECT_NE(refused->body.find("max_header_bytes"), std::string::npos);
    auto const longer =
        co_await world.client->send(ctx, {.target = "/echo", .headers = {{"X-Long", std::string(11'000, 'h')}}});
    EXPECT_EQ(longer.error().code(), ErrorCode::kTooLarge);
    CO_ASSERT_OK(co_await world.client->send(ctx, {.target = "/echo"}));
    co_await world.end();
}

CO_TEST(Http2, TooLongABodyIsToldSo) {
    World world(ctx, {.max_body_bytes = 1000}, {.max_body_bytes = 2000});
    auto const refused =
        co_await world.client->send(ctx, {.method = "POST", .target = "/echo", .body = std::string(5'000'000, 'b')});
    CO_ASSERT_OK(refused);
    EXPECT_EQ(refused->status, 413);
    EXPECT_NE(refused->body.find("max_body_bytes"), std::string::npos);
    auto const longer = co_await world.client->send(ctx, {.target = "/big?2001"});
    EXPECT_EQ(longer.error().code(), ErrorCode::kTooLarge);
    CO_ASSERT_OK(co_await world.client->send(ctx, {.target = "/big?2000"}));
    EXPECT_EQ(world.farm->asked, 2);
    co_await world.end();
}

CO_TEST(Http2, WhoBreaksOffRequestsAllTheTimeIsDropped) {
    World world(ctx);
    for (int turn = 0; turn < 250; ++turn) {
        CO_ASSERT_OK(co_await world.client->send(ctx, {.target = "/echo"}));
        EXPECT_FALSE(co_await world.client->send(ctx.with_timeout(10ms), {.target = "/slow"}));
    }
    EXPECT_TRUE(world.client->open());   // it also does its work
    for (int turn = 0; turn < 250 && world.client->open(); ++turn)
        (void)co_await world.client->send(ctx.with_timeout(10ms), {.target = "/slow"});
    co_await world.end();
    CO_ASSERT_TRUE(world.server_end.has_value());
    EXPECT_EQ(world.server_end->error().code(), ErrorCode::kTooManyRequests);
    EXPECT_NE(message(*world.server_end).find("max_resets"), std::string::npos) << message(*world.server_end);
    EXPECT_NE(message(*world.client_end).find("ENHANCE_YOUR_CALM"), std::string::npos) << message(*world.client_end);
}

// Frames by hand.
std::string frame(int type, int flags, std::uint32_t stream, std::string const& payload) {
    std::string out;
    for (int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
    return out + payload;
}

std::string const kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "");

// POST of a path without indexing; the end of the stream comes with a later frame.
std::string begin_request(std::uint32_t stream, std::string const& path) {
    std::string fields("\x83\x87\x01\x01h\x04", 6);   // POST, https, :authority, :path
    fields += static_cast<char>(path.size());
    return frame(1, 4, stream, fields + path);
}

// A client of bytes alone, and how the server ends within the time.
struct Outcome {
    std::optional<Status> end;
    std::string heard;
    std::shared_ptr<Farm> farm;
};

Task<void> serve_raw(Context ctx, std::unique_ptr<net::Stream> stream, std::shared_ptr<Farm> farm, Http2Limits limits,
                     std::optional<Status>& end) {
    end = co_await serve_http2(ctx, std::move(stream), std::move(farm), limits);
}

Task<void> write_raw(Context ctx, net::Stream& stream, std::string bytes) { (void)co_await stream.write(ctx, bytes); }

Task<void> read_raw(Context ctx, net::Stream& stream, std::string& heard) {
    std::array<char, 4096> space;
    while (true) {
        auto const count = co_await stream.read_some(ctx, space);
        if (!count || *count == 0) co_return;
        heard.append(space.data(), *count);
    }
}

Task<Outcome> raw(Context ctx, std::string bytes, Duration time, bool reads = true, Http2Limits limits = {}) {
    Outcome outcome{.farm = std::make_shared<Farm>()};
    auto [near, far] = Pipe::make(32 << 10);
    async::Scope scope(ctx);
    scope.spawn(serve_raw(scope.context(), std::move(far), outcome.farm, limits, outcome.end));
    scope.spawn(write_raw(scope.context(), *near, std::move(bytes)));
    if (reads) scope.spawn(read_raw(scope.context(), *near, outcome.heard));
    (void)co_await async::sleep_for(ctx, time);
    bool const ended = outcome.end.has_value();
    co_await scope.cancel_and_join();
    if (!ended) outcome.end.reset();
    co_return outcome;
}

std::string times(int count, std::string const& text) {
    std::string all;
    for (int turn = 0; turn < count; ++turn) all += text;
    return all;
}

CO_TEST(Http2, FramesThatCarryNothingAreCounted) {
    std::string const calm("\0\0\0\x0b", 4);   // ENHANCE_YOUR_CALM
    for (std::string const& each : {frame(2, 0, 1, std::string("\0\0\0\x03\x05", 5)), frame(0, 0, 1, "")}) {
        std::string const begun = kPreface + begin_request(1, "/echo");
        auto const fair = co_await raw(ctx, begun + times(9'900, each), 1s);
        EXPECT_FALSE(fair.end.has_value()) << static_cast<int>(each[3]);
        auto const outcome = co_await raw(ctx, begun + times(10'100, each), 1s);
        CO_ASSERT_TRUE(outcome.end.has_value());
        EXPECT_NE(message(*outcome.end).find("max_idle_frames"), std::string::npos)
            << static_cast<int>(each[3]) << ": " << message(*outcome.end);
        EXPECT_NE(outcome.heard.find(calm), std::string::npos);
    }
    // Those that want an answer: as many as are answered in time.
    for (std::string const& each : {frame(6, 0, 0, "12345678"), frame(4, 0, 0, "")}) {
        auto const outcome = co_await raw(ctx, kPreface + times(10'100, each), 1s);
        EXPECT_TRUE(outcome.end.has_value());
        auto const deaf = co_await raw(ctx, kPreface + times(9'000, each), 1s, false);
        EXPECT_TRUE(deaf.end.has_value());
    }
}

CO_TEST(Http2, WhoNeverReadsIsDropped) {
    Http2Limits const limits;
    auto const deaf = co_await raw(ctx, kPreface + begin_request(1, "/big?9999999") + frame(0, 1, 1, ""),
                                   limits.write_timeout + 1s, false);
    CO_ASSERT_TRUE(deaf.end.has_value());
    EXPECT_EQ(message(*deaf.end), "the peer reads nothing for 30s");
}

CO_TEST(Http2, WhoFallsSilentIsDropped) {
    auto const silent = co_await raw(ctx, kPreface, 44s);
    EXPECT_FALSE(silent.end.has_value());
    auto const gone = co_await raw(ctx, kPreface, 46s);
    CO_ASSERT_TRUE(gone.end.has_value());
    EXPECT_EQ(message(*gone.end), "the peer did not answer a ping for 15s");
}

CO_TEST(Http2, ARequestThatDoesNotEndIsReset) {
    auto const begun = co_await raw(ctx, kPreface + begin_request(1, "/echo") + frame(0, 0, 1, "part"), 40s);
    EXPECT_EQ(begun.farm->asked, 0);
    EXPECT_NE(begun.heard.find(frame(3, 0, 1, std::string("\0\0\0\x08", 4))), std::string::npos);   // CANCEL
    EXPECT_FALSE(begun.end.has_value());
}

CO_TEST(Http2, AllBodiesTogetherHaveALimit) {
    Http2Limits limits{.max_body_bytes = 10'000, .max_unfinished_bytes = 25'000};
    std::string bytes = kPreface;
    for (std::uint32_t stream : {1, 3, 5})
        bytes += begin_request(stream, "/echo") + frame(0, 0, stream, std::string(9'000, 'b'));
    bytes += frame(0, 1, 1, "") + frame(0, 1, 3, "");
    auto const outcome = co_await raw(ctx, bytes, 1s, true, limits);
    EXPECT_EQ(outcome.farm->asked, 2);
    EXPECT_NE(outcome.heard.find(frame(3, 0, 5, std::string("\0\0\0\x07", 4))), std::string::npos);   // REFUSED_STREAM
}

CO_TEST(Http2, ABodyOfUnknownLengthHasTheSameLimit) {
    Http2Limits const limits{.max_body_bytes = 10'000, .max_linger_bytes = 30'000};
    std::string const part = frame(0, 0, 1, std::string(9'000, 'b'));
    std::string const begun = kPreface + begin_request(1, "/echo") + part + part;
    std::string const enough = frame(3, 0, 1, std::string(4, '\0'));   // NO_ERROR: keep the rest
    // It is told at once, and heard out: for some time, and some bytes.
    for (auto const& [bytes, time, cut] :
         {std::tuple{begun, 1s, false}, std::tuple{begun, 11s, true}, std::tuple{begun + part + part, 1s, false},
          std::tuple{begun + times(5, part), 1s, true}}) {
        auto const outcome = co_await raw(ctx, bytes, time, true, limits);
        EXPECT_NE(outcome.heard.find("(max_body_bytes)"), std::string::npos);
        EXPECT_EQ(outcome.heard.find(enough) != std::string::npos, cut);
        EXPECT_EQ(outcome.farm->asked, 0);
        EXPECT_FALSE(outcome.end.has_value());
    }
}

CO_TEST(Http2, WhatIsNoHttp2Ends) {
    for (std::string const& bytes :
         {std::string("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), std::string(1000, '\0'), kPreface + frame(1, 4, 2, "\x83"),
          kPreface + frame(1, 4, 1, std::string(9, '\xff')), kPreface + frame(0, 0, 7, "x"),
          kPreface + frame(8, 0, 0, std::string(4, '\0'))}) {
        auto const outcome = co_await raw(ctx, bytes, 1s);
        CO_ASSERT_TRUE(outcome.end.has_value());
        EXPECT_EQ(outcome.end->error().code(), ErrorCode::kUnavailable) << message(*outcome.end);
    }
}

CO_TEST(Http2, AContinuationWithoutEndIsCutShort) {
    std::string bytes = kPreface + frame(1, 0, 1, "\x83");
    for (int turn = 0; turn < 1000; ++turn) bytes += frame(9, 0, 1, std::string(100, '\x83'));
    auto const outcome = co_await raw(ctx, bytes, 1s);
    CO_ASSERT_TRUE(outcome.end.has_value());
    EXPECT_FALSE(*outcome.end);
}

// A server of bytes alone.
Task<Result<Response>> ask_raw(Context ctx, std::string bytes, bool& unprocessed, bool stays = true) {
    auto [near, far] = Pipe::make();
    auto client = std::make_unique<Http2Connection>(std::move(near));
    async::Scope scope(ctx);
    scope.spawn([](Context running, Http2Connection& connection) -> Task<void> {
        (void)co_await connection.run(running);
    }(scope.context(), *client));
    scope.spawn([](Context writing, net::Stream& stream, std::string text, bool remains) -> Task<void> {
        (void)co_await async::sleep_for(writing, 1s);   // after the request
        (void)co_await stream.write(writing, text);
        if (!remains) stream.close();
    }(scope.context(), *far, std::move(bytes), stays));
    Result<Response> answer = co_await client->send(ctx, {.target = "/"}, false, &unprocessed);
    co_await scope.cancel_and_join();
    co_return answer;
}

std::string goaway(std::uint32_t last, int code) {
    std::string payload;
    for (int shift : {24, 16, 8, 0}) payload += static_cast<char>(last >> shift);
    return frame(7, 0, 0, payload + std::string(3, '\0') + static_cast<char>(code));
}

CO_TEST(Http2, OnlyWhatTheServerSurelyDidNotReadMayBeSentAgain) {
    std::string const settings = frame(4, 0, 0, "");
    struct Case {
        std::string bytes;
        bool stays, unprocessed;
        std::string says;
    };
    for (auto const& [bytes, stays, expected, says] : {
             Case{settings + goaway(0, 0), true, true, "REFUSED_STREAM"},
             Case{settings + goaway(1, 0), false, false, "closed the connection"},
             Case{settings + goaway(1, 2), false, false, "INTERNAL_ERROR"},
             Case{settings + frame(3, 0, 1, std::string("\0\0\0\x07", 4)), true, true, "REFUSED_STREAM"},
             Case{settings + frame(3, 0, 1, std::string("\0\0\0\x02", 4)), true, false, "INTERNAL_ERROR"},
             Case{settings, false, false, "closed the connection"},
             Case{"", false, false, "closed the connection"},
             Case{"HTTP/1.1 400 Bad Request\r\n\r\n", false, false, ""},
             Case{settings, true, false, "did not answer a ping for 15s"},
         }) {
        bool unprocessed = !expected;
        auto const answer = co_await ask_raw(ctx, bytes, unprocessed, stays);
        CO_ASSERT_TRUE(!answer);
        EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable) << answer.error().message();
        EXPECT_NE(answer.error().message().find(says), std::string::npos) << answer.error().message();
        EXPECT_EQ(unprocessed, expected) << answer.error().message();
    }
}

CO_TEST(Http2, InterimAnswersAreNoAnswers) {
    std::string const interim = frame(1, 4, 1, std::string("\x08\x03") + "103");
    bool unprocessed = false;
    auto const answer =
        co_await ask_raw(ctx, frame(4, 0, 0, "") + interim + interim + frame(1, 5, 1, "\x89"), unprocessed);
    CO_ASSERT_OK(answer);
    EXPECT_EQ(answer->status, 204);
}

}   // namespace
}   // namespace aviary::http
