#include "core/http/client.h"

#include "core/async/co_test.h"
#include "core/http/internal/scripted.h"

namespace aviary::http {
namespace {

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

}   // namespace
}   // namespace aviary::http
