#include "kube/client/lease.h"

#include <algorithm>
#include <optional>

#include "core/async/co_test.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::client {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

meta::GroupVersionResource const kLeases{"coordination.k8s.io", "v1", "leases"};
meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
meta::ObjectKey const kKey{"kube-system", "hub"};

// The loop as another machine sees it: its clocks show something else.
class Elsewhere final : public async::Executor {
public:
    Elsewhere(async::Executor& inner, Duration wall, Duration monotonic) : inner_(inner) {
        clock_.inner = &inner.clock();
        clock_.wall = wall;
        clock_.mono = monotonic;
    }
    void post(Callback callback) override { inner_.post(std::move(callback)); }
    TimerId call_at(MonotonicTime when, Callback callback) override {
        return inner_.call_at(when - clock_.mono, std::move(callback));
    }
    void cancel(TimerId timer) override { inner_.cancel(timer); }
    Clock const& clock() const override { return clock_; }
    Random& random() override { return inner_.random(); }
    // As a stop of the whole process does: time has gone on and no timer has run.
    void jump(Duration ahead) { clock_.mono += ahead; }
    void stop_wall_at(Time when) { clock_.stopped = when; }

private:
    struct Shifted final : Clock {
        Time now() const override { return stopped ? *stopped : inner->now() + wall; }
        MonotonicTime monotonic() const override { return inner->monotonic() + mono; }
        Clock const* inner = nullptr;
        Duration wall{}, mono{};
        std::optional<Time> stopped;
    };
    async::Executor& inner_;
    Shifted clock_;
};

// A network that can be cut: nothing comes through, and nobody is told.
class Wire {
public:
    bool cut = false;
    bool lose_answers = false;
    Duration delay{};
    int sent = 0;

    void set_cut(bool value) {
        cut = value;
        changed_.notify();
    }
    Task<Status> silence(Context ctx) {
        while (cut) CO_TRY(co_await changed_.wait(ctx));
        co_return Status{};
    }

private:
    async::Event changed_;
};

class WiredWatch final : public WatchStream {
public:
    WiredWatch(std::unique_ptr<WatchStream> inner, Wire& wire) : inner_(std::move(inner)), wire_(wire) {}
    Task<Result<std::optional<Doc>>> next(Context ctx) override {
        auto event = co_await inner_->next(ctx);
        if (!wire_.cut) co_return event;
        CO_TRY(co_await wire_.silence(ctx));
        co_return fail(ErrorCode::kUnavailable, "connection reset");
    }

private:
    std::unique_ptr<WatchStream> inner_;
    Wire& wire_;
};

class WiredTransport final : public Transport {
public:
    WiredTransport(Context server, std::shared_ptr<Transport> inner, Wire& wire)
        : server_(std::move(server)), inner_(std::move(inner)), wire_(wire) {}

    Task<Result<Response>> send(Context ctx, Request request) override {
        ++wire_.sent;
        CO_TRY(co_await wire_.silence(ctx));
        if (wire_.delay > Duration(0)) CO_TRY(co_await async::sleep_for(ctx, wire_.delay));
        CO_TRY(co_await wire_.silence(ctx));
        // The server has a clock of its own.
        Context there = server_.with_stop(ctx.stop());
        if (ctx.deadline()) there = there.with_timeout(*ctx.deadline() - ctx.monotonic());
        auto answer = co_await inner_->send(there, std::move(request));
        if (wire_.lose_answers) {
            CO_TRY(co_await async::sleep_until(ctx, MonotonicTime::max()));
        }
        CO_TRY(co_await wire_.silence(ctx));
        if (answer && answer->watch) answer->watch = std::make_unique<WiredWatch>(std::move(answer->watch), wire_);
        co_return answer;
    }

private:
    Context server_;
    std::shared_ptr<Transport> inner_;
    Wire& wire_;
};

// One process that competes.
struct Candidate {
    Candidate(Context const& ctx, apiserver::ApiServer& server, std::string name, Duration wall = {},
              Duration mono = {}, std::function<bool(std::string_view)> has_ended = {})
        : machine(ctx.executor(), wall, mono),
          scope(Context(machine).with_stop(ctx.stop())),
          client(std::make_shared<WiredTransport>(
                     ctx, server.transport("fleet", {"admin", {"system:masters", "system:authenticated"}, {}}), wire),
                 name) {
        LeaseOptions options;
        options.name = kKey.name;
        options.identity = std::move(name);
        options.has_ended = std::move(has_ended);
        auto made = Lease::create(client, options);
        EXPECT_TRUE(made) << made.error().message();
        lease = std::move(*made);
    }
    void run() { scope.spawn(lease->run(scope.context())); }

    Wire wire;
    Elsewhere machine;
    async::Scope scope;
    Client client;
    std::unique_ptr<Lease> lease;
};

class World {
public:
    explicit World(Context ctx) : ctx_(ctx), engine_(std::make_shared<storage::MemoryEngine>()) {
        observe::set_level(observe::Level::kOff);   // renewals that fail are what is wanted here
    }
    Task<void> start() {
        auto opened = co_await apiserver::ApiServer::open(ctx_, engine_, {});
        EXPECT_TRUE(opened) << opened.error().message();
        server = std::move(*opened);
    }
    Client admin() {
        return Client(server->transport("fleet", {"admin", {"system:masters", "system:authenticated"}, {}}), "test");
    }
    Task<Doc> record() {
        auto answer = co_await admin().get(ctx_, kLeases, kKey);
        EXPECT_TRUE(answer) << answer.error().message();
        co_return answer ? (*answer)["spec"] : Doc();
    }

    std::unique_ptr<apiserver::ApiServer> server;

private:
    Context ctx_;
    std::shared_ptr<storage::MemoryEngine> engine_;
};

Value config_map(std::string const& name) {
    Value object{json::Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}}};
    object["metadata"] = json::Object{{"name", name}, {"namespace", "default"}};
    return object;
}

TEST(LeaseOptions, TimesAndNamesThatCannotWorkAreRefused) {
    Client const nobody(nullptr, "test");
    LeaseOptions options{.name = "hub", .identity = "a"};
    EXPECT_TRUE(Lease::create(nobody, options));
    options.renew_deadline = 15s;
    EXPECT_EQ(Lease::create(nobody, options).error().code(), ErrorCode::kInvalid);
    options.renew_deadline = 2s;
    EXPECT_EQ(Lease::create(nobody, options).error().code(), ErrorCode::kInvalid);
    EXPECT_EQ(Lease::create(nobody, {.name = "hub"}).error().code(), ErrorCode::kInvalid);
}

CO_TEST(Lease, TheRecordIsWhatOthersExpect) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    EXPECT_FALSE(one.lease->held());
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx.with_timeout(1s)));
    EXPECT_TRUE(one.lease->held());
    EXPECT_EQ(one.lease->term(), 1U);
    EXPECT_EQ(one.lease->deadline(), ctx.monotonic() + 15s);
    Doc record = co_await world.record();
    EXPECT_EQ(record["holderIdentity"].string(), one.lease->identity());
    EXPECT_TRUE(one.lease->identity().starts_with("one_"));
    EXPECT_EQ(record["leaseDurationSeconds"].as_int(), 15);
    EXPECT_EQ(record["leaseTransitions"].as_int(), 0);
    std::string const acquired = record["acquireTime"].string();
    EXPECT_EQ(acquired, format_rfc3339_micro(ctx.now()));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 61s));
    record = co_await world.record();
    EXPECT_EQ(record["acquireTime"].string(), acquired);
    EXPECT_EQ(record["leaseTransitions"].as_int(), 0);
    EXPECT_EQ(record["renewTime"].string(), format_rfc3339_micro(ctx.now() - 1s));
    EXPECT_EQ(one.lease->deadline(), ctx.monotonic() + 14s);
    // One look, one creation, a renewal every two seconds.
    EXPECT_LE(one.wire.sent, 32);
    co_await one.scope.cancel_and_join();
}

CO_TEST(Lease, IsReleasedOnStopAndTakenOverAtOnce) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    Candidate two(ctx, *world.server, "two");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    two.run();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_FALSE(two.lease->held());
    EXPECT_EQ(two.lease->holder(), one.lease->identity());
    MonotonicTime const before = ctx.monotonic();
    co_await one.scope.cancel_and_join();
    EXPECT_FALSE(one.lease->held());
    CO_ASSERT_OK(co_await two.lease->wait_held(ctx.with_timeout(1s)));
    EXPECT_EQ(ctx.monotonic(), before);
    Doc const record = co_await world.record();
    EXPECT_EQ(record["holderIdentity"].string(), two.lease->identity());
    EXPECT_EQ(record["leaseTransitions"].as_int(), 1);
    EXPECT_EQ(record["leaseDurationSeconds"].as_int(), 15);
    co_await two.scope.cancel_and_join();
    EXPECT_FALSE((co_await world.record())["holderIdentity"].exists());
}

// The other's wall clock is a day behind, its monotonic clock began long ago: neither matters.
CO_TEST(Lease, OneThatIsCutOffLosesItBeforeAnotherGainsIt) {
    for (Duration const wall : {-24h, 0h, 24h}) {
        World world(ctx);
        co_await world.start();
        Candidate one(ctx, *world.server, "one", wall, 1000h);
        Candidate two(ctx, *world.server, "two", -wall, 0h);
        one.run();
        CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
        two.run();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 61s));
        EXPECT_FALSE(two.lease->held());
        one.wire.set_cut(true);
        MonotonicTime const cut = ctx.monotonic();
        CO_ASSERT_OK(co_await one.lease->wait_lost(ctx, 1));
        MonotonicTime const lost = ctx.monotonic();
        EXPECT_FALSE(two.lease->held());
        CO_ASSERT_OK(co_await two.lease->wait_held(ctx));
        MonotonicTime const gained = ctx.monotonic();
        EXPECT_LE(lost - cut, 10s);
        EXPECT_GE(lost - cut, 8s);
        // The last renewal was up to two seconds before the cut; the other saw it at once.
        EXPECT_LE(gained - cut, 15s);
        EXPECT_GE(gained - cut, 13s);
        // Its last deadline is not later than the moment at which the other gained it.
        EXPECT_LE(one.lease->deadline() - 1000h, gained);
        // When it is back it sees who leads and does not disturb.
        one.wire.set_cut(false);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        EXPECT_FALSE(one.lease->held());
        EXPECT_TRUE(two.lease->held());
        EXPECT_EQ(two.lease->term(), 1U);
        EXPECT_EQ((co_await world.record())["leaseTransitions"].as_int(), 1);
        co_await one.scope.cancel_and_join();
        co_await two.scope.cancel_and_join();
    }
}

CO_TEST(Lease, SaysWhoLeads) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    observe::Gauge const leading = metrics.gauge("leader_election_master_status", "", {{"name", "hub"}});
    async::Scope scope(ctx.with_metrics(metrics));
    scope.spawn(one.lease->run(scope.context()));
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    EXPECT_EQ(leading.value(), 1);
    co_await scope.cancel_and_join();
    EXPECT_EQ(leading.value(), 0);
}

CO_TEST(Lease, AShortCutIsOutlived) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    Candidate two(ctx, *world.server, "two");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    two.run();
    for (int round = 0; round < 10; ++round) {
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 15s));
        one.wire.set_cut(true);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 7s));
        one.wire.set_cut(false);
    }
    EXPECT_TRUE(one.lease->held());
    EXPECT_EQ(one.lease->term(), 1U);
    EXPECT_EQ(two.lease->term(), 0U);
    co_await one.scope.cancel_and_join();
    co_await two.scope.cancel_and_join();
}

// The renewal was carried out, which the holder cannot know: it goes on from the record.
CO_TEST(Lease, ALostAnswerIsNoLostLease) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    MonotonicTime const deadline = one.lease->deadline();
    one.wire.lose_answers = true;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 3s));
    // Not counted without an answer.
    EXPECT_EQ(one.lease->deadline(), deadline);
    one.wire.lose_answers = false;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_TRUE(one.lease->held());
    EXPECT_EQ(one.lease->term(), 1U);
    EXPECT_EQ((co_await world.record())["leaseTransitions"].as_int(), 0);
    co_await one.scope.cancel_and_join();
}

CO_TEST(Lease, ARequestThatIsNeverAnsweredHoldsUpNoCandidate) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.wire.lose_answers = true;
    one.run();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 100ms));
    one.wire.lose_answers = false;
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx.with_timeout(1s)));
    co_await one.scope.cancel_and_join();
}

CO_TEST(Lease, AServerThatTakesItsTimeIsWaitedFor) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.wire.delay = 4s;
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx.with_timeout(1min)));
    co_await one.scope.cancel_and_join();
}

CO_TEST(Lease, ADeadlineCountsFromTheSendingOfARenewal) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.wire.delay = 1s;
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    EXPECT_EQ(one.lease->deadline(), ctx.monotonic() + 14s);
    co_await one.scope.cancel_and_join();
}

CO_TEST(Lease, APersonsEditOfTheRecordIsNoTakeOver) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    Value note{json::Object()};
    note.set({"metadata", "annotations", "note"}, "hello");
    CO_ASSERT_OK(co_await world.admin().patch(ctx, kLeases, kKey, PatchType::kMerge, note));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_TRUE(one.lease->held());
    EXPECT_EQ(one.lease->term(), 1U);
    auto const object = co_await world.admin().get(ctx, kLeases, kKey);
    EXPECT_EQ(meta::annotation(*object, "note"), "hello");
    co_await one.scope.cancel_and_join();
}

CO_TEST(Lease, ARecordThatWasDeletedOrGivenAwayIsLostWithTheNextRenewal) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    CO_ASSERT_OK(co_await world.admin().remove(ctx, kLeases, kKey));
    CO_ASSERT_OK(co_await one.lease->wait_lost(ctx.with_timeout(2s), 1));
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx.with_timeout(5s)));
    EXPECT_EQ(one.lease->term(), 2U);
    Value other{json::Object()};
    other.set({"spec", "holderIdentity"}, "somebody");
    CO_ASSERT_OK(co_await world.admin().patch(ctx, kLeases, kKey, PatchType::kMerge, other));
    MonotonicTime const given = ctx.monotonic();
    CO_ASSERT_OK(co_await one.lease->wait_lost(ctx.with_timeout(2s), 2));
    EXPECT_EQ(one.lease->holder(), "somebody");
    // That one never renews.
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    EXPECT_GE(ctx.monotonic() - given, 15s);
    EXPECT_LE(ctx.monotonic() - given, 17s);
    co_await one.scope.cancel_and_join();
}

// As long as its record changes a holder lives, whatever times it writes; and for as long as its record says.
CO_TEST(Lease, TimesInTheRecordAreNotBelieved) {
    World world(ctx);
    co_await world.start();
    Value record{json::Object{{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}}};
    record["metadata"] = json::Object{{"name", kKey.name}, {"namespace", kKey.ns}};
    record["spec"] = json::Object{{"holderIdentity", "other"},
                                  {"leaseDurationSeconds", 30},
                                  {"renewTime", "2001-01-01T00:00:00.000000Z"},
                                  {"leaseTransitions", 4}};
    CO_ASSERT_OK(co_await world.admin().create(ctx, kLeases, record));
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 29s));
    EXPECT_FALSE(one.lease->held());
    Value renewal{json::Object()};
    renewal.set({"spec", "renewTime"}, "1999-01-01T00:00:00.000000Z");
    CO_ASSERT_OK(co_await world.admin().patch(ctx, kLeases, kKey, PatchType::kMerge, renewal));
    MonotonicTime const renewed = ctx.monotonic();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    EXPECT_EQ(ctx.monotonic() - renewed, 30s);
    EXPECT_EQ((co_await world.record())["leaseTransitions"].as_int(), 5);
    co_await one.scope.cancel_and_join();
}

CO_TEST(Lease, AWallClockThatStandsStillHidesNoRenewal) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    Candidate two(ctx, *world.server, "two");
    one.machine.stop_wall_at(ctx.now());
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    two.run();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_TRUE(one.lease->held());
    EXPECT_EQ(two.lease->term(), 0U);
    co_await one.scope.cancel_and_join();
    co_await two.scope.cancel_and_join();
}

CO_TEST(Lease, OfManyThatAskAtOnceOneGetsIt) {
    World world(ctx);
    co_await world.start();
    std::vector<std::unique_ptr<Candidate>> all;
    for (int index = 0; index < 5; ++index) {
        all.push_back(std::make_unique<Candidate>(ctx, *world.server, "c" + std::to_string(index)));
        all.back()->run();
    }
    for (int round = 0; round < 5; ++round) {
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 40s));
        std::size_t const held =
            static_cast<std::size_t>(std::ranges::count_if(all, [](auto const& each) { return each->lease->held(); }));
        EXPECT_EQ(held, all.empty() ? 0U : 1U);
        EXPECT_EQ((co_await world.record())["leaseTransitions"].as_int(), round);
        auto const leader = std::ranges::find_if(all, [](auto const& each) { return each->lease->held(); });
        CO_ASSERT_TRUE(leader != all.end());
        co_await (*leader)->scope.cancel_and_join();
        all.erase(leader);
    }
}

CO_TEST(Lease, NobodyWaitsForAHolderThatIsKnownToHaveEnded) {
    World world(ctx);
    co_await world.start();
    auto killed = std::make_unique<Candidate>(ctx, *world.server, "killed");
    killed->run();
    CO_ASSERT_OK(co_await killed->lease->wait_held(ctx));
    killed->wire.set_cut(true);
    co_await killed->scope.cancel_and_join();
    std::string const whose = (co_await world.record())["holderIdentity"].string();
    std::string asked;
    Candidate next(ctx, *world.server, "next", {}, {}, [&](std::string_view holder) {
        asked = holder;
        return true;
    });
    MonotonicTime const before = ctx.monotonic();
    next.run();
    CO_ASSERT_OK(co_await next.lease->wait_held(ctx));
    EXPECT_EQ(ctx.monotonic(), before);
    EXPECT_EQ(asked, whose);
    EXPECT_EQ((co_await world.record())["leaseTransitions"].as_int(), 1);
    co_await next.scope.cancel_and_join();
}

CO_TEST(Lease, AStopWhileTheServerIsAwayEndsSoon) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    one.wire.set_cut(true);
    MonotonicTime const before = ctx.monotonic();
    co_await one.scope.cancel_and_join();
    EXPECT_LE(ctx.monotonic() - before, 2s);
    EXPECT_FALSE(one.lease->held());
}

CO_TEST(Fence, WritesAreRefusedNearTheDeadlineAndReadsAreNot) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    Wire direct;
    Client const other(std::make_shared<WiredTransport>(ctx, world.admin().transport(), direct), "test");
    Client const early = fenced(other, one.lease->fence());
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    // A fence of before the term never opens.
    EXPECT_FALSE(co_await early.create(ctx, kConfigMaps, config_map("early")));
    Client const client = fenced(other, one.lease->fence());
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("a")));
    // Not renewed any more: the loop gives up after ten seconds, and the fence does not depend on that.
    one.scope.cancel();
    one.wire.set_cut(true);
    co_await one.scope.join();
    int const sent = direct.sent;
    auto const refused = co_await client.create(ctx, kConfigMaps, config_map("b"));
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(refused.error().message(),
              "POST /api/v1/namespaces/default/configmaps was not sent: this process does not lead by lease "
              "kube-system/hub any more");
    EXPECT_FALSE(co_await client.patch(ctx, kConfigMaps, {"default", "a"}, PatchType::kMerge, Value(json::Object())));
    EXPECT_FALSE(co_await client.update(ctx, kConfigMaps, config_map("a")));
    EXPECT_FALSE(co_await client.remove(ctx, kConfigMaps, {"default", "a"}));
    EXPECT_EQ(direct.sent, sent);
    EXPECT_TRUE(co_await client.get(ctx, kConfigMaps, {"default", "a"}));
    EXPECT_TRUE(co_await client.list(ctx, kConfigMaps));
}

// A process that was stopped (SIGSTOP, a paused machine) and goes on: no timer has run yet, and the lease is over.
CO_TEST(Fence, IsCheckedWhenSendingNotWhenATimerSays) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    Context const there = one.scope.context();
    Fence const fence = one.lease->fence();
    EXPECT_EQ(fence.closes(), there.monotonic() + 13s);
    one.machine.jump(13s - 1ns);
    EXPECT_TRUE(fence.open());
    one.machine.jump(1ns);
    EXPECT_FALSE(fence.open());
    EXPECT_TRUE(one.lease->held());
    EXPECT_FALSE(co_await fenced(one.client, fence).create(there, kConfigMaps, config_map("a")));
    one.machine.jump(2s);
    EXPECT_FALSE(one.lease->held());
    EXPECT_EQ(one.lease->term(), 1U);
    co_await one.scope.cancel_and_join();
}

CO_TEST(Fence, AWriteMayNotBeUnderWayWhenItCloses) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    Wire slow;
    slow.set_cut(true);
    Client const client = fenced(Client(std::make_shared<WiredTransport>(ctx, world.admin().transport(), slow), "test"),
                                 one.lease->fence());
    one.wire.set_cut(true);
    MonotonicTime const closes = one.lease->deadline() - kFenceMargin;
    auto const late = co_await client.create(ctx, kConfigMaps, config_map("late"));
    EXPECT_EQ(late.error().code(), ErrorCode::kTimeout);
    EXPECT_EQ(
        late.error().message(),
        "POST /api/v1/namespaces/default/configmaps was given up: lease kube-system/hub was not renewed meanwhile");
    EXPECT_EQ(ctx.monotonic(), closes);
    co_await one.scope.cancel_and_join();
}

CO_TEST(Fence, AWriteUnderWayMayGoOnWhenTheLeaseIsRenewed) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    Wire slow;
    slow.set_cut(true);
    Client const client = fenced(Client(std::make_shared<WiredTransport>(ctx, world.admin().transport(), slow), "test"),
                                 one.lease->fence());
    MonotonicTime const begun = ctx.monotonic();
    async::Scope mending(ctx);
    mending.spawn([](Context ctx, Wire& slow) -> Task<void> {
        (void)co_await async::sleep_for(ctx, 60s);
        slow.set_cut(false);
    }(mending.context(), slow));
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("late")));
    EXPECT_GE(ctx.monotonic(), begun + 60s);
    co_await mending.join();
    // What the caller does not want to wait for is not waited for.
    slow.set_cut(true);
    auto const given_up = co_await client.create(ctx.with_timeout(1s), kConfigMaps, config_map("b"));
    EXPECT_EQ(given_up.error().code(), ErrorCode::kTimeout);
    co_await one.scope.cancel_and_join();
}

CO_TEST(Fence, WhatBelongsToAnEarlierTermStaysShut) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    one.run();
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    Fence const first = one.lease->fence();
    CO_ASSERT_OK(co_await world.admin().remove(ctx, kLeases, kKey));
    CO_ASSERT_OK(co_await one.lease->wait_lost(ctx, 1));
    EXPECT_FALSE(first.open());
    CO_ASSERT_OK(co_await one.lease->wait_held(ctx));
    EXPECT_FALSE(first.open());
    EXPECT_TRUE(one.lease->fence().open());
    // Over, though another term has begun.
    EXPECT_TRUE(co_await one.lease->wait_lost(ctx.with_timeout(1s), 1));
    EXPECT_FALSE(co_await one.lease->wait_lost(ctx.with_timeout(1s), 2));
    co_await one.scope.cancel_and_join();
}

struct Told {
    std::vector<std::string> log;
};

Task<void> told(Context ctx, Told& told, std::string name, Duration ends) {
    told.log.push_back(name + " begins");
    Status const outcome = co_await async::sleep_for(ctx, ends);
    // Clean-up takes its time.
    (void)co_await async::sleep_for(ctx.without_stop(), 1s);
    told.log.push_back(name + (outcome ? " is done" : " is stopped"));
}

CO_TEST(RunAsLeader, ABodyPerTermAndNeverTwoAtOnce) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    Told seen;
    int term = 0;
    auto const body = [&](Context inner) { return told(inner, seen, std::to_string(++term), 1h); };
    one.scope.spawn(run_as_leader(one.scope.context(), *one.lease, body));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(seen.log, std::vector<std::string>{"1 begins"});
    CO_ASSERT_OK(co_await world.admin().remove(ctx, kLeases, kKey));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_EQ(seen.log, (std::vector<std::string>{"1 begins", "1 is stopped", "2 begins"}));
    // The lease is kept until the body has ended, and then given back.
    one.scope.cancel();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 500ms));
    EXPECT_EQ((co_await world.record())["holderIdentity"].string(), one.lease->identity());
    EXPECT_TRUE(one.lease->held());
    co_await one.scope.join();
    EXPECT_EQ(seen.log.back(), "2 is stopped");
    EXPECT_FALSE((co_await world.record())["holderIdentity"].exists());
}

CO_TEST(RunAsLeader, EndsWithABodyThatIsDone) {
    World world(ctx);
    co_await world.start();
    Candidate one(ctx, *world.server, "one");
    Told seen;
    co_await run_as_leader(one.scope.context(), *one.lease, [&](Context inner) { return told(inner, seen, "it", 5s); });
    EXPECT_EQ(seen.log, (std::vector<std::string>{"it begins", "it is done"}));
    EXPECT_FALSE(one.lease->held());
    EXPECT_FALSE((co_await world.record())["holderIdentity"].exists());
}

// What arrives at the server, and from which term.
struct Arrivals {
    std::vector<std::pair<std::string, std::uint64_t>> writes;   // who, and its term
};

class Slow final : public Transport {
public:
    Slow(Arrivals& arrivals, std::string who, std::uint64_t term, Wire& wire)
        : arrivals_(arrivals), who_(std::move(who)), term_(term), wire_(wire) {}
    Task<Result<Response>> send(Context ctx, Request) override {
        CO_TRY(co_await wire_.silence(ctx));
        CO_TRY(ctx.check());
        // Sent: from here nobody can call it back, and it takes up to the margin.
        (void)co_await async::sleep_for(ctx.without_stop(),
                                        Duration(static_cast<Duration::rep>(ctx.random().below(kFenceMargin.count()))));
        arrivals_.writes.emplace_back(who_, term_);
        co_return Response{};
    }

private:
    Arrivals& arrivals_;
    std::string who_;
    std::uint64_t term_;
    Wire& wire_;
};

Task<void> write_on(Context ctx, Client client) {
    // A body that does not listen: it goes on for long after it was told to stop.
    Context const deaf = ctx.without_stop();
    for (int left = 60; left > 0; left = ctx.check() ? 60 : left - 1) {
        (void)co_await client.create(deaf, kConfigMaps, config_map("x"));
        (void)co_await async::sleep_for(deaf, 300ms);
    }
}

Task<void> nemesis(Context ctx, std::vector<std::unique_ptr<Candidate>>& all) {
    while (ctx.check()) {
        Wire& wire = all[ctx.random().below(all.size())]->wire;
        switch (ctx.random().below(3)) {
            case 0: wire.set_cut(!wire.cut); break;
            case 1: wire.lose_answers = !wire.lose_answers; break;
            default: wire.delay = std::chrono::milliseconds(ctx.random().below(2000)); break;
        }
        (void)co_await async::sleep_for(ctx, std::chrono::milliseconds(ctx.random().below(12'000)));
    }
}

// Networks that fail at random, clocks that disagree, bodies that do not listen: no two hold it at once, and once a
// write of one term has arrived none of an earlier term does.
TEST(Lease, NeverTwoLeadersWhateverTheNetworkDoes) {
    int take_overs = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        async::VirtualExecutor executor(seed);
        Context const ctx(executor);
        World world(ctx);
        executor.run(world.start());
        Arrivals arrivals;
        std::uint64_t terms = 0;
        std::vector<std::unique_ptr<Candidate>> all;
        for (int index = 0; index < 3; ++index) {
            all.push_back(std::make_unique<Candidate>(ctx, *world.server, "c" + std::to_string(index),
                                                      Duration(-1h + index * 1h), Duration(index * 100h)));
            Candidate& each = *all.back();
            auto const body = [&arrivals, &terms, &each](Context inner) {
                auto slow = std::make_shared<Slow>(arrivals, each.lease->identity(), ++terms, each.wire);
                return write_on(inner, Client(fenced(std::move(slow), each.lease->fence()), "test"));
            };
            each.scope.spawn(run_as_leader(each.scope.context(), *each.lease, body));
        }
        async::Scope trouble(ctx);
        trouble.spawn(nemesis(trouble.context(), all));
        MonotonicTime const end = ctx.monotonic() + 600s;
        while (ctx.monotonic() < end) {
            executor.step();
            EXPECT_LE(std::ranges::count_if(all, [](auto const& each) { return each->lease->held(); }), 1);
        }
        executor.run(trouble.cancel_and_join());
        for (auto const& each : all) {
            each->wire.set_cut(false);
            each->wire.lose_answers = false;
            executor.run(each->scope.cancel_and_join());
        }
        EXPECT_TRUE(std::ranges::is_sorted(arrivals.writes, {}, [](auto const& each) { return each.second; }));
        EXPECT_GT(arrivals.writes.size(), 100U);
        take_overs += static_cast<int>(terms) - 1;
    }
    EXPECT_GT(take_overs, 100);
}

}   // namespace
}   // namespace aviary::client
