// Clocks that jump in the middle of a release, of all at once: nothing stands still, and nothing goes by itself.
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

async::VirtualExecutor& clock_of(Context const& ctx) { return static_cast<async::VirtualExecutor&>(ctx.executor()); }

// Within that time of the machine, whatever the wall clock says.
Task<Status> soon(Context ctx, Fleet& fleet, std::string cluster, std::string what, std::string wanted) {
    std::string seen;
    MonotonicTime const end = ctx.monotonic() + 15s;
    while (ctx.monotonic() < end) {
        seen = co_await fleet.show(cluster, what);
        if (seen == wanted) co_return Status{};
        CO_TRY(co_await async::sleep_for(ctx, 10ms));
    }
    co_return fail(ErrorCode::kTimeout, fmt::format("{} of {} is {}, not {}", what, cluster, seen, wanted));
}

Task<std::string> message_of(Fleet& fleet) {
    Doc const rollout = co_await fleet.get("fleet", apis::kRollouts);
    co_return rollout.at({"status", "message"}).string();
}

CO_TEST(Clock, PutBackAnHourHoldsUpNothing) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    std::string const before = co_await message_of(fleet);
    clock_of(ctx).put_clock(-1h);
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "both"));
    for (std::string const cluster : {"beijing", "oslo"}) {
        CO_ASSERT_OK(co_await soon(ctx, fleet, cluster, "state", "Progressing/2/StepPaused"));
        CO_ASSERT_OK(co_await soon(ctx, fleet, cluster, "v2", "5"));
    }
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    std::string const text = co_await fleet.outcome("both");
    EXPECT_EQ(text, "Applied beijing Applied oslo Applied");
    std::string const after = co_await message_of(fleet);
    EXPECT_NE(before, after) << "what the hub says of the release stands still";
    // And a new version is brought, says how it stands, and waits at its first step.
    CO_ASSERT_OK(co_await fleet.release("v3"));
    for (std::string const cluster : {"beijing", "oslo"})
        CO_ASSERT_OK(co_await soon(ctx, fleet, cluster, "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5min));
    for (std::string const cluster : {"beijing", "oslo"}) {
        std::string const state = co_await fleet.show(cluster, "state");
        EXPECT_EQ(state, "Progressing/1/StepPaused") << "nobody approved that";
    }
    co_await fleet.stop();
}

// What was decided holds for an hour by the clock: one that jumps forward ends it, and says so without an event.
CO_TEST(Clock, PutForwardEndsWhatIsOverByThenAndPassesNothing) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "late"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::string text = co_await fleet.outcome("late");
    EXPECT_EQ(text, "Pending oslo Waiting");
    clock_of(ctx).put_clock(61min);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 65s));
    text = co_await fleet.outcome("late");
    EXPECT_EQ(text, "Expired oslo Expired");
    fleet.ways.cut = {};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5min));
    for (std::string const cluster : {"beijing", "oslo"}) {
        text = co_await fleet.show(cluster, "state");
        EXPECT_EQ(text, "Progressing/1/StepPaused") << cluster;
        text = co_await fleet.show(cluster, "v2");
        EXPECT_EQ(text, "1") << cluster;
    }
    clock_of(ctx).put_clock(-61min);
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing", "oslo"}, "again"));
    for (std::string const cluster : {"beijing", "oslo"})
        CO_ASSERT_OK(co_await soon(ctx, fleet, cluster, "state", "Progressing/2/StepPaused"));
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
