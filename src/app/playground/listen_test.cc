#include "app/playground/internal/listen.h"

#include <gtest/gtest.h>

#include "core/async/scope.h"

namespace aviary::playground {
namespace {

TEST(Listen, WaitsForAPortThatIsAboutToBeFree) {
    async::AsioExecutor executor;
    auto held = *net::Listener::listen(executor, 0, nullptr);
    std::uint16_t const port = held->port();
    bool listens = false;
    auto const listen = [&](Context ctx) -> Task<void> {
        listens = (co_await listen_soon(ctx, executor, port, nullptr)).has_value();
    };
    auto const story = [&](Context ctx) -> Task<void> {
        async::Scope scope(ctx);
        scope.spawn(listen(scope.context()));
        (void)co_await async::yield(ctx);
        EXPECT_FALSE(listens);
        held.reset();
        co_await scope.join();
    };
    executor.run(story(Context(executor)));
    EXPECT_TRUE(listens);
}

TEST(Listen, SaysThatAPortIsInUse) {
    async::AsioExecutor executor;
    auto const held = *net::Listener::listen(executor, 0, nullptr);
    auto const story = [&](Context ctx) -> Task<void> {
        auto const refused = co_await listen_soon(ctx, executor, held->port(), nullptr);
        EXPECT_FALSE(refused);
        if (!refused) EXPECT_TRUE(refused.error().message().contains("in use by another process"));
    };
    executor.run(story(Context(executor)));
}

}   // namespace
}   // namespace aviary::playground
