#include "kube/client/retrying.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/async/co_test.h"

namespace aviary::client {
namespace {

using namespace std::chrono_literals;

// Gives these answers, one after the other; the last one for ever.
struct Scripted final : Transport {
    std::vector<std::pair<int, std::string>> answers;   // status, Retry-After
    Duration takes{0};
    std::vector<MonotonicTime> asked;
    std::vector<std::string> bodies;

    Task<Result<Response>> send(Context ctx, Request request) override {
        auto const& [status, after] = answers[std::min(asked.size(), answers.size() - 1)];
        asked.push_back(ctx.monotonic());
        bodies.push_back(request.raw_body);
        CO_TRY(co_await async::sleep_for(ctx, takes));
        Response response;
        response.status = status;
        if (!after.empty()) response.headers.emplace_back("retry-after", after);
        co_return std::move(response);
    }
};

CO_TEST(Retrying, WaitsAsLongAsTheServerSays) {
    auto const server = std::make_shared<Scripted>();
    server->answers = {{429, "1"}, {503, "3"}, {200, ""}};
    MonotonicTime const begun = ctx.monotonic();
    Request request;
    request.raw_body = "a body";
    auto const response = co_await retrying(server)->send(ctx, request);
    CO_ASSERT_OK(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(server->asked, (std::vector<MonotonicTime>{begun, begun + 1s, begun + 4s}));
    EXPECT_EQ(server->bodies, (std::vector<std::string>{"a body", "a body", "a body"}));
}

CO_TEST(Retrying, LeavesWhatSaysNoTime) {
    for (auto const& [status, after] : std::vector<std::pair<int, std::string>>{
             {429, ""}, {500, ""}, {409, "1"}, {200, "1"}, {503, "soon"}, {503, "-1"}, {503, "61"}}) {
        auto const server = std::make_shared<Scripted>();
        server->answers = {{status, after}};
        auto const response = co_await retrying(server)->send(ctx, {});
        CO_ASSERT_OK(response);
        EXPECT_EQ(response->status, status);
        EXPECT_EQ(server->asked.size(), 1u) << status << after;
    }
}

CO_TEST(Retrying, GivesUp) {
    auto const server = std::make_shared<Scripted>();
    server->answers = {{429, "1"}};
    auto response = co_await retrying(server)->send(ctx, {});
    CO_ASSERT_OK(response);
    EXPECT_EQ(response->status, 429);
    EXPECT_EQ(server->asked.size(), 11u);
    server->asked.clear();
    MonotonicTime const begun = ctx.monotonic();
    response = co_await retrying(server)->send(ctx.with_timeout(2500ms), {});
    CO_ASSERT_OK(response);
    EXPECT_EQ(response->status, 429) << "the server's own words";
    EXPECT_EQ(server->asked, (std::vector<MonotonicTime>{begun, begun + 1s, begun + 2s}));
    server->takes = 1s;   // the second answer does not come in time
    response = co_await retrying(server)->send(ctx.with_timeout(2500ms), {});
    CO_ASSERT_OK(response);
    EXPECT_EQ(response->status, 429);
}

}   // namespace
}   // namespace aviary::client
