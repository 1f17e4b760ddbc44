// Many at the gate: those who hold a place and do nothing with it, and those who wait.
#include "app/agent/internal/test_world.h"

namespace aviary::agent {
namespace {

// Connects, and never shakes hands.
class Mute final : public net::Stream {
public:
    Mute(std::string address, int& closed) : peer_{.address = std::move(address)}, closed_(closed) {}
    ~Mute() override { ++closed_; }
    Task<Status> handshake(Context ctx) override { co_return co_await async::sleep_for(ctx, 24h); }
    Task<Result<std::size_t>> read_some(Context, std::span<char>) override { co_return std::size_t{0}; }
    Task<Status> write(Context, std::string_view) override { co_return Status{}; }
    void close() override {}
    net::Peer const& peer() const override { return peer_; }

private:
    net::Peer peer_;
    int& closed_;
};

void come(World& world, std::string const& address, std::size_t count, int& closed) {
    for (std::size_t index = 0; index < count; ++index)
        world.board->waiting.push_back(std::make_unique<Mute>(fmt::format("{}:{}", address, 1000 + index), closed));
    world.board->came.notify();
}

CO_TEST(Link, WhoNeverShakesHandsLeavesPlaceForOthers) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    world.limits.max_handshakes = 50;
    world.limits.max_handshakes_of_source = 20;
    world.limits.handshakes_of_source_at_once = 5;
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    int first = 0, second = 0, third = 0, later = 0;
    come(world, "192.0.2.1", 100, first);
    come(world, "2001:db8::1", 20, second);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(first, 80);
    EXPECT_EQ(second, 0);
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    EXPECT_EQ(world.sites["beijing"].agent->missing(), "");
    // Of all addresses together.
    come(world, "192.0.2.3", 20, third);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(third, 10);
    // And none holds its place for long.
    CO_ASSERT_OK(co_await async::sleep_for(ctx, world.limits.handshake_timeout));
    EXPECT_EQ(first + second + third, 140);
    come(world, "192.0.2.1", 20, later);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(later, 0);
    co_await world.stop();
}

// A hub on which a person approves, and two clusters that are to join.
Task<Status> start_by_hand(World& world) {
    CO_TRY(co_await world.start());
    CO_TRY(co_await world.serve_requests());
    for (char const* name : {"beijing", "oslo"}) {
        CO_TRY(co_await world.expect(name, "secret"));
        CO_TRY(co_await world.edit(kSecrets, {kNs, link::token_name(name)}, {"metadata", "annotations"},
                                   Object{{link::kApprove, std::string(link::kManual)}}));
        CO_TRY(co_await world.give(name, name, "secret"));
    }
    co_return Status{};
}

Task<Status> approve_all(World& world) {
    CO_TRY_ASSIGN(auto const all, co_await world.at("fleet").list(world.scope.context(), kRequests));
    for (auto const& [index, each] : all["items"].elements()) {
        Value condition{Object{{"type", "Approved"}, {"status", "True"}}};
        CO_TRY(co_await world.edit(kRequests, meta::key_of(each), {"status", "conditions"},
                                   json::Array{std::move(condition)}, "status"));
    }
    co_return Status{};
}

CO_TEST(Link, WhoWaitsForAPersonLeavesPlaceForOthers) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    world.limits.max_unknown = 1;
    CO_ASSERT_OK(co_await start_by_hand(world));
    for (char const* name : {"beijing", "oslo"}) {
        world.start_agent(name);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        EXPECT_TRUE(world.sites[name].agent->missing().contains("kubectl certificate approve"))
            << name << ": " << world.sites[name].agent->missing();
    }
    EXPECT_EQ(world.dialled, 2);
    CO_ASSERT_OK(co_await approve_all(world));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.links.clusters(), 2u);
    co_await world.stop();
}

CO_TEST(Link, NoMoreThanSoManyWaitForAPerson) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    world.limits.max_waiting = 1;
    CO_ASSERT_OK(co_await start_by_hand(world));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    world.start_agent("oslo");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_TRUE(world.sites["beijing"].agent->missing().contains("kubectl certificate approve"));
    EXPECT_FALSE(world.sites["oslo"].agent->missing().contains("kubectl certificate approve"));
    // As soon as one of them is in, there is place for the other.
    CO_ASSERT_OK(co_await world.edit(kSecrets, {kNs, link::token_name("oslo")}, {"metadata", "annotations"},
                                     Object{{link::kApprove, Value()}}));
    CO_ASSERT_OK(co_await approve_all(world));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_EQ(world.links.clusters(), 2u);
    co_await world.stop();
}

// It asks again, so a place is held by nobody who has gone; and what it has asked goes on.
CO_TEST(Link, WhoWaitsForAPersonWaitsSoLong) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await start_by_hand(world));
    CO_ASSERT_OK(co_await world.edit(kSecrets, {kNs, link::token_name("beijing")}, {"metadata", "annotations"},
                                     Object{{link::kTokenEnds, format_rfc3339(ctx.now() + 48h)}}));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, world.limits.waiting_timeout - 1min));
    EXPECT_EQ(world.dialled, 1);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2min));
    EXPECT_EQ(world.dialled, 2);
    EXPECT_TRUE(world.sites["beijing"].agent->missing().contains("kubectl certificate approve"));
    CO_ASSERT_OK(co_await approve_all(world));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.links.clusters(), 1u);
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::agent
