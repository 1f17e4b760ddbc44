#include "kube/control/controller.h"

#include <map>
#include <tuple>
#include <vector>

#include "core/async/co_test.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::control {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};

// Watches show everything late, and the answers to some writes are lost.
class Line final : public client::Transport {
public:
    explicit Line(std::shared_ptr<client::Transport> inner) : inner_(std::move(inner)) {}

    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        bool const write = request.method != "GET";
        if (ctx.monotonic() >= away_from && ctx.monotonic() < back_at)
            co_return fail(ErrorCode::kUnavailable, "no route");
        if (write) {
            ++writes;
            most_at_once = std::max(most_at_once, ++under_way_);
            CO_TRY(co_await async::sleep_for(ctx, write_time));
            --under_way_;
        }
        if (write && refused) co_return std::unexpected(*refused);
        auto answer = co_await inner_->send(ctx, std::move(request));
        if (write && lose_answers-- > 0) co_return fail(ErrorCode::kUnavailable, "the answer was lost");
        if (answer && answer->watch)
            answer->watch = std::make_unique<Late>(std::move(answer->watch),
                                                   ctx.monotonic() < away_from ? away_from : MonotonicTime::max());
        co_return answer;
    }
    std::optional<Error> refused;   // what is answered to writes
    int writes = 0;
    int lose_answers = 0;
    Duration write_time{};
    MonotonicTime away_from = MonotonicTime::max(), back_at = MonotonicTime::max();
    int most_at_once = 0;

private:
    class Late final : public client::WatchStream {
    public:
        Late(std::unique_ptr<client::WatchStream> inner, MonotonicTime end) : inner_(std::move(inner)), end_(end) {}
        Task<Result<std::optional<Doc>>> next(Context ctx) override {
            auto event = co_await inner_->next(ctx.with_deadline(end_));
            if (!event && ctx.monotonic() >= end_) co_return fail(ErrorCode::kUnavailable, "the connection broke");
            CO_TRY(co_await async::sleep_for(ctx, 1s));
            co_return event;
        }

    private:
        std::unique_ptr<client::WatchStream> inner_;
        MonotonicTime end_;
    };
    std::shared_ptr<client::Transport> inner_;
    int under_way_ = 0;
};

// Counts up "n" of every ConfigMap that it is shown, to a limit: each look at an old copy would be a write too many.
class Counting final : public Reconciler {
public:
    Counting(client::Client client, client::Informer& informer) : client_(std::move(client)), informer_(informer) {}

    Plan decide(Key const&, Time) override {
        Plan plan;
        plan.waits = waits;
        for (auto const& [key, object] : informer_.objects()) {
            if (object.at({"metadata", "labels", "count"}).as_string() != "yes") continue;
            std::int64_t const n = parse_int(object.at({"data", "n"}).as_string()).value_or(0);
            if (n >= limit) continue;
            Write write;
            write.resource = kConfigMaps;
            write.key = key;
            write.body.set({"data", "n"}, std::to_string(n + 1));
            write.alongside = alongside;
            plan.writes.push_back(std::move(write));
        }
        // One that changes nothing, and so answers an older version than the writes before it.
        for (auto const& [key, object] : informer_.objects()) {
            if (plan.writes.empty() || key.name != "still") continue;
            Write write;
            write.resource = kConfigMaps;
            write.key = key;
            write.body.set({"data", "n"}, "0");
            plan.writes.push_back(std::move(write));
        }
        return plan;
    }
    client::Client const& client_for(Key const&) override { return client_; }
    std::int64_t limit = 1;
    bool alongside = false;
    std::vector<Wait> waits;

private:
    client::Client client_;
    client::Informer& informer_;
};

struct World {
    explicit World(Context const& ctx) : scope(ctx) {}

    Task<Status> start() {
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(scope.context(),
                                                                  std::make_shared<storage::MemoryEngine>(), {}));
        line = std::make_shared<Line>(server->transport("fleet", {"admin", {"system:masters"}, {}}));
        std::tie(line->away_from, line->back_at) = line_away;
        client::Client const client(line, "test");
        CO_TRY(co_await client.create(
            scope.context(), kConfigMaps,
            *json::parse_value(R"({"metadata":{"name":"still","namespace":"default"},"data":{"n":"0"}})")));
        CO_TRY(co_await client.create(
            scope.context(), kConfigMaps,
            *json::parse_value(
                R"({"metadata":{"name":"a","namespace":"default","labels":{"count":"yes"}},"data":{"n":"0"}})")));
        informer = std::make_unique<client::Informer>(client, kConfigMaps);
        auto counting = std::make_unique<Counting>(client, *informer);
        reconciler = counting.get();
        controller = std::make_unique<Controller>(ControllerOptions{.name = "count"}, std::move(counting));
        controller->watch(*informer, [](Doc const&) { return std::vector<Key>{{"", {"default", "all"}}}; });
        scope.spawn(informer->run(scope.context()));
        line->writes = 0;
        co_return Status{};
    }
    void run() { scope.spawn(controller->run(scope.context())); }

    async::Scope scope;
    std::unique_ptr<apiserver::ApiServer> server;
    std::shared_ptr<Line> line;
    std::unique_ptr<client::Informer> informer;
    std::unique_ptr<Controller> controller;
    Counting* reconciler = nullptr;
    std::pair<MonotonicTime, MonotonicTime> line_away{MonotonicTime::max(), MonotonicTime::max()};
};

// Looking again all the time while it waits for its own write.
Task<void> pester(Context ctx, Controller& controller) {
    for (int count = 0; count < 100; ++count) {
        if (!co_await async::sleep_for(ctx, 50ms)) break;
        controller.enqueue({"", {"default", "all"}});
    }
}

CO_TEST(Controller, CarriesOutTogetherWhatMayGoAlongside) {
    for (bool const alongside : {false, true}) {
        World world(ctx);
        CO_ASSERT_OK(co_await world.start());
        client::Client const client(world.line, "test");
        for (int index = 0; index < 20; ++index) {
            Value object = *json::parse_value(R"({"metadata":{"labels":{"count":"yes"}},"data":{"n":"0"}})");
            object.set({"metadata", "name"}, std::to_string(index));
            object.set({"metadata", "namespace"}, "default");
            CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, std::move(object)));
        }
        (void)co_await async::sleep_for(ctx, 1min);   // until the copy shows them
        world.line->write_time = 10ms;
        world.line->most_at_once = 0;
        world.reconciler->alongside = alongside;
        world.run();
        (void)co_await async::sleep_for(ctx, 2min);
        EXPECT_EQ(world.line->most_at_once, alongside ? 16 : 1);
        for (auto const& [key, object] : world.informer->objects())
            EXPECT_EQ(object.at({"data", "n"}).as_string(), key.name == "still" ? "0" : "1") << key.name;
        co_await world.scope.cancel_and_join();
    }
}

CO_TEST(Controller, AWaitHasLastedSinceItWasFirstDecided) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Key const key{"", {"default", "all"}};
    Time const before = ctx.now() - 1h;
    world.reconciler->waits = {{.reason = "Unread"}, {.reason = "Loading", .since = before}};
    world.run();
    (void)co_await async::sleep_for(ctx, 1min);
    auto const first = world.controller->waits(key);
    EXPECT_TRUE(first.size() == 2 && first[0].since && first[1].since == before);
    world.reconciler->waits = {{.reason = "Loading"}, {.reason = "Unread"}, {.reason = "Other"}};
    Time const later = ctx.now();
    world.controller->enqueue(key);
    (void)co_await async::sleep_for(ctx, 1min);
    auto const second = world.controller->waits(key);
    EXPECT_TRUE(second.size() == 3 && second[0].since == before && second[1].since == first[0].since);
    EXPECT_GE(second[2].since.value_or(Time{}), later);
    co_await world.scope.cancel_and_join();
}

// What may pass in seconds is not said, nor is a patch whose tests did not hold.
CO_TEST(Controller, SaysWhatIsRefusedForLong) {
    Key const key{"", {"default", "all"}};
    struct Case {
        Error error;
        bool said;
    };
    for (Case const& each :
         {Case{Error(ErrorCode::kForbidden, "not by you"), true}, Case{Error(ErrorCode::kBadRequest, "denied"), true},
          Case{Error(ErrorCode::kInvalid, "configmaps \"a\" is invalid: data: too much"), true},
          Case{Error(ErrorCode::kInvalid, "the server rejected our request due to an error in our request"), false},
          Case{Error(ErrorCode::kConflict, "somebody else was faster"), false},
          Case{Error(ErrorCode::kUnavailable, "no route"), false}}) {
        World world(ctx);
        CO_ASSERT_OK(co_await world.start());
        world.line->refused = each.error;
        world.run();
        (void)co_await async::sleep_for(ctx, 5s);
        EXPECT_EQ(world.controller->refusal(key), "") << each.error.message();
        (void)co_await async::sleep_for(ctx, 25s);
        EXPECT_EQ(world.controller->refusal(key).contains(each.error.message()), each.said) << each.error.message();
        world.line->refused.reset();
        (void)co_await async::sleep_for(ctx, 1min);
        EXPECT_EQ(world.controller->refusal(key), "") << each.error.message();
        co_await world.scope.cancel_and_join();
    }
}

CO_TEST(Controller, IsBackWithItsServer) {
    World world(ctx);
    world.line_away = {ctx.monotonic() + 5s, ctx.monotonic() + 65s};
    CO_ASSERT_OK(co_await world.start());
    client::Informer patient(client::Client(world.line, "test"), {"", "v1", "secrets"}, {.last_backoff = 1h});
    world.controller->watch(patient, [](Doc const&) { return std::vector<Key>(); });
    world.scope.spawn(patient.run(world.scope.context()));
    (void)co_await async::sleep_for(ctx, 10s);
    world.run();
    (void)co_await async::sleep_for(ctx, 54s);
    EXPECT_EQ(world.line->writes, 0);
    EXPECT_TRUE(patient.last_error());
    (void)co_await async::sleep_for(ctx, 3s);
    EXPECT_GE(world.line->writes, 1) << "its backoff has grown to half a minute";
    EXPECT_FALSE(patient.last_error()) << "another one has been answered";
    co_await world.scope.cancel_and_join();
}

CO_TEST(Controller, WaitsForTheAnswerAloneWhereTheServerMayRefuse) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    client::Client const nobody(world.server->transport("fleet", {"nobody", {}, {}}), "test");
    client::Informer secrets(nobody, {"", "v1", "secrets"});
    world.controller->watch_if_shown(secrets, [](Doc const&) { return std::vector<Key>(); });
    world.run();
    (void)co_await async::sleep_for(ctx, 5s);
    EXPECT_EQ(world.line->writes, 0);
    world.scope.spawn(secrets.run(world.scope.context()));
    (void)co_await async::sleep_for(ctx, 5s);
    EXPECT_FALSE(secrets.synced());
    EXPECT_GE(world.line->writes, 1);
    co_await world.scope.cancel_and_join();
}

CO_TEST(Controller, DecidesAgainOnceItHasSeenItsWrites) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    world.reconciler->limit = 3;
    world.run();
    world.scope.spawn(pester(world.scope.context(), *world.controller));
    (void)co_await async::sleep_for(ctx, 8s);
    EXPECT_EQ(world.line->writes, 6);   // three counts, each with the write that changes nothing
    co_await world.scope.cancel_and_join();
}

// Takes ConfigMaps away while there are more than one; with an old copy it would take the last one too.
class Thinning final : public Reconciler {
public:
    Thinning(client::Client client, client::Informer& informer) : client_(std::move(client)), informer_(informer) {}
    Plan decide(Key const&, Time) override {
        Plan plan;
        std::vector<meta::ObjectKey> there;
        for (auto const& [key, object] : informer_.objects()) {
            if (key.ns == "default" && key.name != "kube-root-ca.crt") there.push_back(key);
        }
        if (there.size() < 2) return plan;
        Write write;
        write.verb = Write::Verb::kDelete;
        write.resource = kConfigMaps;
        write.key = there[static_cast<std::size_t>(looks++) % there.size()];
        write.ignore_not_found = true;
        plan.writes.push_back(std::move(write));
        return plan;
    }
    client::Client const& client_for(Key const&) override { return client_; }
    int looks = 0;

private:
    client::Client client_;
    client::Informer& informer_;
};

CO_TEST(Controller, DecidesAgainOnceItHasSeenWhatItRemovedGo) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const unused = std::move(world.controller);   // it stays where the informer can call it
    world.controller =
        std::make_unique<Controller>(ControllerOptions{.name = "thin"},
                                     std::make_unique<Thinning>(client::Client(world.line, "thin"), *world.informer));
    world.controller->watch(*world.informer, [](Doc const&) { return std::vector<Key>{{"", {"default", "all"}}}; });
    world.run();
    world.scope.spawn(pester(world.scope.context(), *world.controller));
    (void)co_await async::sleep_for(ctx, 8s);
    EXPECT_EQ(world.line->writes, 1);
    co_await world.scope.cancel_and_join();
}

CO_TEST(Controller, LooksWhetherAWriteWasCarriedOutWhoseAnswerWasLost) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    world.line->lose_answers = 1;
    world.run();
    world.scope.spawn(pester(world.scope.context(), *world.controller));
    (void)co_await async::sleep_for(ctx, 8s);
    EXPECT_EQ(world.line->writes, 1);
    co_await world.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::control
