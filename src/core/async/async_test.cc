#include <vector>

#include "core/async/asio_executor.h"
#include "core/async/channel.h"
#include "core/async/co_test.h"
#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/async/turns.h"

namespace aviary::async {
namespace {

using namespace std::chrono_literals;

Task<Result<int>> twice(Result<int> value) {
    CO_TRY_ASSIGN(int const number, std::move(value));
    co_return number * 2;
}

CO_TEST(Task, CarriesValuesAndErrors) {
    Result<int> const good = co_await twice(21);
    EXPECT_EQ(*good, 42);
    Result<int> const bad = co_await twice(fail(ErrorCode::kNotFound, "no"));
    EXPECT_EQ(bad.error().code(), ErrorCode::kNotFound);
}

CO_TEST(Sleep, MovesVirtualTimeOnly) {
    MonotonicTime const before = ctx.monotonic();
    Time const wall = ctx.now();
    CO_ASSERT_OK(co_await sleep_for(ctx, 1h));
    EXPECT_EQ(ctx.monotonic() - before, 1h);
    EXPECT_EQ(ctx.now() - wall, 1h);
}

CO_TEST(Sleep, ADeadlineThatComesFirstIsATimeout) {
    Status const outcome = co_await sleep_for(ctx.with_timeout(1s), 1h);
    EXPECT_EQ(outcome.error().code(), ErrorCode::kTimeout);
}

// A deadline that is put off: nothing begins once it is reached, what waits already is left alone.
CO_TEST(Context, ALimitIsAskedAtEachCheck) {
    bool reached = false;
    Context const limited = ctx.with_limit([&] { return reached; });
    CO_ASSERT_OK(co_await sleep_for(limited, 1s));
    Context const both = limited.without_stop().with_limit([] { return false; });
    EXPECT_TRUE(both.check());
    reached = true;
    EXPECT_EQ(limited.check().error().code(), ErrorCode::kTimeout);
    EXPECT_EQ(both.check().error().code(), ErrorCode::kTimeout) << "an earlier limit holds too";
    Status const outcome = co_await sleep_for(limited, 1s);
    EXPECT_EQ(outcome.error().code(), ErrorCode::kTimeout);
    EXPECT_TRUE(ctx.check());
}

Task<void> sleeper(Context ctx, Duration duration, std::vector<std::string>& log, std::string name) {
    Status const outcome = co_await sleep_for(ctx, duration);
    log.push_back(name + (outcome ? " done" : " cancelled"));
}

CO_TEST(Scope, CancelEndsWaitsAndJoinWaits) {
    std::vector<std::string> log;
    Scope scope(ctx);
    scope.spawn(sleeper(scope.context(), 1s, log, "short"));
    scope.spawn(sleeper(scope.context(), 1h, log, "long"));
    CO_ASSERT_OK(co_await sleep_for(ctx, 2s));
    co_await scope.cancel_and_join();
    EXPECT_EQ(log, (std::vector<std::string>{"short done", "long cancelled"}));
}

CO_TEST(Scope, AParentsStopReachesAChildsTasks) {
    std::vector<std::string> log;
    Scope parent(ctx);
    Scope child(parent.context());
    child.spawn(sleeper(child.context(), 1h, log, "task"));
    CO_ASSERT_OK(co_await yield(ctx));
    CO_ASSERT_OK(co_await yield(ctx));
    parent.cancel();
    co_await child.join();
    EXPECT_EQ(log, std::vector<std::string>{"task cancelled"});
}

Task<void> produce(Context ctx, Channel<int>& channel, int count) {
    for (int index = 0; index < count; ++index) EXPECT_TRUE(co_await channel.send(ctx, index));
    channel.close();
}

CO_TEST(Channel, BoundedInOrderAndClosed) {
    Channel<int> channel(2);
    Scope scope(ctx);
    scope.spawn(produce(scope.context(), channel, 10));
    int expected = 0;
    while (true) {
        auto item = co_await channel.receive(ctx);
        CO_ASSERT_OK(item);
        if (!*item) break;
        EXPECT_EQ(**item, expected++);
        EXPECT_LE(channel.size(), 2U);
    }
    EXPECT_EQ(expected, 10);
    co_await scope.join();
}

Task<void> have_a_turn(Context ctx, Turns& turns, std::vector<std::string>& log, std::string name) {
    auto const turn = co_await turns.take(ctx);
    log.push_back(name + (turn ? " begins" : " gives up"));
    if (!turn) co_return;
    (void)co_await sleep_for(ctx, 2s);
    log.push_back(name + " ends");
}

CO_TEST(Turns, SoManyAtOnceAndTheOthersInTheirOrder) {
    std::vector<std::string> log;
    Turns turns(1);
    Scope scope(ctx);
    scope.spawn(have_a_turn(scope.context(), turns, log, "a"));
    scope.spawn(have_a_turn(scope.context().with_timeout(1s), turns, log, "b"));
    scope.spawn(have_a_turn(scope.context(), turns, log, "c"));
    co_await scope.join();
    EXPECT_EQ(log, (std::vector<std::string>{"a begins", "b gives up", "a ends", "c begins", "c ends"}));
}

// At the very moment at which its turn has come: it goes to the next.
CO_TEST(Turns, OneThatIsStoppedTakesNoTurnAlong) {
    std::vector<std::string> log;
    Turns turns(1);
    Scope first(ctx);
    Scope second(ctx);
    Scope third(ctx);
    first.spawn(have_a_turn(first.context(), turns, log, "a"));
    CO_ASSERT_OK(co_await yield(ctx));
    second.spawn(have_a_turn(second.context(), turns, log, "b"));
    third.spawn(have_a_turn(third.context(), turns, log, "c"));
    CO_ASSERT_OK(co_await yield(ctx));
    second.cancel();
    first.cancel();
    co_await third.join();
    co_await first.join();
    co_await second.join();
    EXPECT_EQ(log.back(), "c ends");
}

TEST(AsioExecutor, RunsATaskWithARealTimer) {
    AsioExecutor executor;
    Status const outcome = executor.run(sleep_for(Context(executor), 1ms));
    EXPECT_TRUE(outcome);
}

}   // namespace
}   // namespace aviary::async
