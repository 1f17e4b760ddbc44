#include "kube/apiserver/store/store.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/async/asio_executor.h"
#include "core/async/co_test.h"
#include "core/async/event.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::store {
namespace {

using std::chrono::milliseconds;
using storage::MemoryEngine;

Key pod(std::string name, std::string ns = "demo") { return {"", "pods", std::move(ns), std::move(name)}; }

json::Value body(Key const& key, std::string const& value = "x") {
    json::Value object;
    object.set({"metadata", "name"}, key.name);
    object.set({"metadata", "namespace"}, key.ns);
    object.set({"metadata", "uid"}, "uid-" + key.name);
    object.set({"spec", "value"}, value);
    return object;
}

Write create(Key const& key, std::string const& value = "x") { return {Write::Kind::kCreate, key, body(key, value)}; }
Write update(Key const& key, std::string const& value, Revision expected = 0) {
    return {Write::Kind::kUpdate, key, body(key, value), expected};
}
Write erase(Key const& key, Revision expected = 0) { return {Write::Kind::kDelete, key, {}, expected}; }

Revision revision_of(json::Doc const& object) { return std::stoull("0" + meta::resource_version(object)); }
std::string value_of(json::Doc const& object) { return object.at({"spec", "value"}).string(); }

std::unique_ptr<Store> opened(storage::Engine& engine, Options const& options = {}) {
    auto store = Store::open(engine, "fleet", options);
    EXPECT_TRUE(store) << store.error().message();
    return std::move(*store);
}

std::string text(Event const& event) {
    static char const* const kTypes[] = {"ADDED", "MODIFIED", "DELETED"};
    return std::string(kTypes[static_cast<int>(event.type)]) + " " + event.key.name + " " + value_of(event.object);
}

// Everything the watch has to say without waiting.
std::vector<std::string> drain(Watch& watch) {
    std::vector<std::string> result;
    while (true) {
        auto const event = watch.poll();
        if (!event) {
            result.push_back(event.error().message());
            return result;
        }
        if (*event) {
            result.push_back(text(**event));
        } else if (!watch.has_pending()) {
            return result;
        }
    }
}

Task<void> write_later(Context ctx, Store& store, Write write, std::string& outcome) {
    auto const result = co_await store.write(ctx, std::move(write));
    outcome = result ? "ok " + meta::resource_version(*result) : std::string(to_string(result.error().code()));
}

CO_TEST(Store, WritesAreCheckedInKubernetesWords) {
    MemoryEngine engine;
    auto const store = opened(engine);
    Key const key{"apps", "deployments", "demo", "x"};
    auto const made = co_await store->write(ctx, create(key));
    CO_ASSERT_OK(made);
    EXPECT_EQ(revision_of(*made), 1U);
    EXPECT_TRUE(store->get(key).same(*made));

    auto problem = co_await store->write(ctx, create(key));
    EXPECT_EQ(problem.error().message(), "deployments.apps \"x\" already exists");
    EXPECT_TRUE(problem.error().is(ErrorCode::kAlreadyExists));
    problem = co_await store->write(ctx, update(key, "y", 7));
    EXPECT_EQ(problem.error().message(),
              "Operation cannot be fulfilled on deployments.apps \"x\": the object has been modified; please apply "
              "your changes to the latest "
              "version and try again");
    EXPECT_EQ(problem.error().name(), "x");
    problem = co_await store->write(ctx, update(pod("none"), "y"));
    EXPECT_EQ(problem.error().message(), "pods \"none\" not found");
    Write other = erase(key);
    other.uid = "another";
    problem = co_await store->write(ctx, std::move(other));
    EXPECT_TRUE(problem.error().is(ErrorCode::kConflict)) << problem.error().message();
    problem = co_await store->write(ctx, create(pod("a/b")));
    EXPECT_TRUE(problem.error().is(ErrorCode::kBadRequest));
    EXPECT_FALSE(store->get({"apps", "deployments", "demo/x", ""}).exists());

    auto const changed = co_await store->write(ctx, update(key, "y", 1));
    CO_ASSERT_OK(changed);
    auto const gone = co_await store->write(ctx, erase(key, 2));
    CO_ASSERT_OK(gone);
    EXPECT_EQ(revision_of(*gone), 3U);
    EXPECT_EQ(value_of(*gone), "y");
    EXPECT_EQ((*gone).at({"metadata", "uid"}).string(), "uid-x");
    EXPECT_FALSE(store->get(key).exists());
    EXPECT_EQ(store->revision(), 3U);
}

CO_TEST(Store, WritesUnderWayCountButAreNotVisible) {
    MemoryEngine engine(milliseconds(5));
    auto const store = opened(engine);
    CO_ASSERT_OK(co_await store->write(ctx, create(pod("a"))));
    async::Scope scope(ctx);
    std::string outcomes[5];
    scope.spawn(write_later(ctx, *store, update(pod("a"), "first", 1), outcomes[0]));
    scope.spawn(write_later(ctx, *store, update(pod("a"), "late", 1), outcomes[1]));
    scope.spawn(write_later(ctx, *store, update(pod("a"), "second", 2), outcomes[2]));
    scope.spawn(write_later(ctx, *store, erase(pod("a"), 3), outcomes[3]));
    scope.spawn(write_later(ctx, *store, create(pod("a"), "anew"), outcomes[4]));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, milliseconds(1)));
    EXPECT_EQ(value_of(store->get(pod("a"))), "x");
    EXPECT_EQ(value_of(store->latest(pod("a"))), "anew");
    EXPECT_EQ(store->revision(), 1U);
    co_await scope.join();
    EXPECT_EQ(std::vector<std::string>(outcomes, outcomes + 5),
              (std::vector<std::string>{"ok 2", "Conflict", "ok 3", "ok 4", "ok 5"}));
    EXPECT_EQ(value_of(store->get(pod("a"))), "anew");
}

CO_TEST(Store, AFailureFailsAllThatStoodOnIt) {
    MemoryEngine engine(milliseconds(5));
    auto store = opened(engine);
    CO_ASSERT_OK(co_await store->write(ctx, create(pod("a"), "kept")));
    auto const watch = *store->watch("", "pods", "", 1);
    async::Scope scope(ctx);
    std::string outcomes[4];
    engine.fail_with("the disk is full");
    scope.spawn(write_later(ctx, *store, update(pod("a"), "lost"), outcomes[0]));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, milliseconds(4)));
    scope.spawn(write_later(ctx, *store, update(pod("a"), "lost too", 2), outcomes[1]));
    scope.spawn(write_later(ctx, *store, create(pod("b"), "lost"), outcomes[2]));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, milliseconds(2)));
    engine.fail_with("");
    EXPECT_EQ(value_of(store->latest(pod("a"))), "kept");
    scope.spawn(write_later(ctx, *store, update(pod("a"), "after", 1), outcomes[3]));
    co_await scope.join();
    EXPECT_EQ(std::vector<std::string>(outcomes, outcomes + 4),
              (std::vector<std::string>{"ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "ok 5"}));
    EXPECT_EQ(drain(*watch), std::vector<std::string>{"MODIFIED a after"});
    store.reset();
    store = opened(engine);
    EXPECT_EQ(value_of(store->get(pod("a"))), "after");
    EXPECT_FALSE(store->get(pod("b")).exists());
}

CO_TEST(Store, RevisionsNeverGoBackAlthoughTheFirstReservationIsLost) {
    MemoryEngine engine;
    auto store = opened(engine);
    engine.fail_with("the disk is full");
    EXPECT_FALSE(co_await store->write(ctx, create(pod("a"))));
    engine.fail_with("");
    Revision last = 0;
    for (int each = 0; each < 5; ++each) {
        auto const made = co_await store->write(ctx, create(pod("p" + std::to_string(each))));
        CO_ASSERT_OK(made);
        EXPECT_GT(revision_of(*made), last);
        last = revision_of(*made);
        CO_ASSERT_OK(co_await store->write(ctx, erase(pod("p" + std::to_string(each)))));
        last = store->revision();
        store.reset();
        engine.crash();
        engine.restart();
        store = opened(engine);
        EXPECT_GE(store->revision(), last);
    }
}

CO_TEST(Store, WatchesReadTheRingThenTheLogThenAreGone) {
    MemoryEngine engine;
    Options const options{.ring = 4, .log = 20};
    auto store = opened(engine, options);
    auto const idle = *store->watch("", "pods", "demo", 0);
    auto const elsewhere = *store->watch("", "nodes", "", 0);
    EXPECT_FALSE(idle->has_pending());
    for (int each = 1; each <= 12; ++each) {
        CO_ASSERT_OK(co_await store->write(
            ctx, create(pod("p" + std::to_string(each), each % 2 == 0 ? "demo" : "other"), std::to_string(each))));
    }
    // From the ring, and from the log where the ring has forgotten.
    EXPECT_EQ(drain(**store->watch("", "pods", "", 10)), (std::vector<std::string>{"ADDED p11 11", "ADDED p12 12"}));
    EXPECT_EQ(drain(*idle), (std::vector<std::string>{"ADDED p2 2", "ADDED p4 4", "ADDED p6 6", "ADDED p8 8",
                                                      "ADDED p10 10", "ADDED p12 12"}));
    EXPECT_EQ(idle->seen(), 12U);
    EXPECT_FALSE(elsewhere->has_pending());
    EXPECT_EQ(elsewhere->seen(), 12U);
    // Over a restart.
    store.reset();
    EXPECT_TRUE(idle->poll().error().is(ErrorCode::kUnavailable));
    store = opened(engine, options);
    auto const resumed = *store->watch("", "pods", "", 9);
    EXPECT_EQ(drain(*resumed), (std::vector<std::string>{"ADDED p10 10", "ADDED p11 11", "ADDED p12 12"}));
    EXPECT_EQ(resumed->seen(), store->revision());
    // A change carries what was there before, from the log too: selectors need both.
    CO_ASSERT_OK(co_await store->write(ctx, update(pod("p2"), "new")));
    auto const event = *resumed->poll();
    EXPECT_EQ(text(*event), "MODIFIED p2 new");
    EXPECT_EQ(value_of(event->previous), "2");
    auto const slow = *store->watch("", "pods", "", store->revision() - 1);
    for (int each = 0; each < 5; ++each) CO_ASSERT_OK(co_await store->write(ctx, update(pod("p4"), "more")));
    auto const late = *slow->poll();
    EXPECT_EQ(text(*late), "MODIFIED p2 new");
    EXPECT_EQ(value_of(late->previous), "2");
    // A watch that does not read is told so in the end, and costs nothing until then.
    for (int each = 0; each < 40; ++each) CO_ASSERT_OK(co_await store->write(ctx, update(pod("p4"), "more")));
    EXPECT_EQ(drain(*slow).back().substr(0, 24), "too old resource version");
    EXPECT_TRUE(store->watch("", "pods", "", 3).error().is(ErrorCode::kGone));
    EXPECT_TRUE(store->watch("", "pods", "", store->revision() + 1).error().is(ErrorCode::kGone));
    EXPECT_LT(
        [&] {
            int records = 0;
            EXPECT_TRUE(engine.scan("l/", "l0", [&](std::string_view, std::string_view) { return ++records > 0; }));
            return records;
        }(),
        30);
}

Task<void> collect(Context ctx, Watch& watch, std::size_t count, std::vector<std::string>& events) {
    while (events.size() < count) {
        auto const event = co_await watch.next(ctx);
        if (!event) co_return;
        events.push_back(text(**event));
    }
}

CO_TEST(Store, WatchesWaitForWhatTheyWant) {
    MemoryEngine engine(milliseconds(1));
    auto const store = opened(engine);
    auto const watch = *store->watch("", "pods", "demo", 0);
    std::vector<std::string> events;
    async::Scope scope(ctx);
    scope.spawn(collect(scope.context(), *watch, 2, events));
    CO_ASSERT_OK(co_await store->write(ctx, create(pod("other", "else"))));
    CO_ASSERT_OK(co_await store->write(ctx, create(pod("a"))));
    CO_ASSERT_OK(co_await store->write(ctx, erase(pod("a"))));
    co_await scope.join();
    EXPECT_EQ(events, (std::vector<std::string>{"ADDED a x", "DELETED a x"}));
    auto const timeout = co_await watch->next(ctx.with_timeout(milliseconds(5)));
    EXPECT_TRUE(timeout.error().is(ErrorCode::kTimeout));
}

Task<void> count_served(Context ctx, Watch& watch, std::size_t& served) {
    auto const event = co_await watch.next(ctx);
    if (event) ++served;
}

// A task like any other: the most watches that were served between two of its turns.
Task<void> take_turns(Context ctx, std::size_t const& served, std::size_t all, std::size_t& most) {
    while (served < all) {
        std::size_t const before = served;
        Status const turn = co_await async::yield(ctx);
        if (!turn) co_return;
        most = std::max(most, served - before);
    }
}

CO_TEST(Store, ManyWatchesLetOthersInBetween) {
    constexpr std::size_t kWatches = 500;
    MemoryEngine engine;
    auto const store = opened(engine);
    std::vector<std::unique_ptr<Watch>> watches;
    std::size_t served = 0;
    std::size_t most = 0;
    async::Scope scope(ctx);
    for (std::size_t count = 0; count < kWatches; ++count) {
        watches.push_back(*store->watch("", "pods", "", 0));
        scope.spawn(count_served(scope.context(), *watches.back(), served));
    }
    CO_ASSERT_OK(co_await async::yield(ctx));
    watches.push_back(*store->watch("", "pods", "", 0));   // one that ends before its turn comes
    scope.spawn(take_turns(scope.context(), served, kWatches, most));
    CO_ASSERT_OK(co_await store->write(ctx, create(pod("a"))));
    watches.pop_back();
    co_await scope.join();
    EXPECT_EQ(served, kWatches);
    EXPECT_LE(most, 64U);
}

std::vector<std::string> names(std::vector<json::Doc> const& objects) {
    std::vector<std::string> result;
    for (json::Doc const& object : objects) result.push_back(meta::ns(object) + "/" + meta::name(object));
    return result;
}

CO_TEST(Store, PagesShowOneState) {
    MemoryEngine engine;
    auto const store = opened(engine, {.max_pins = 1});
    for (char const* ns : {"a-b", "a", "b"}) {
        for (char const* name : {"y", "x"}) CO_ASSERT_OK(co_await store->write(ctx, create(pod(name, ns))));
    }
    CO_ASSERT_OK(co_await store->write(ctx, create({"", "podtemplates", "a", "x"})));
    // The order of etcd: "a-b/" before "a/".
    auto const all = store->list(ctx, {.resource = "pods"});
    EXPECT_EQ(names(all->objects), (std::vector<std::string>{"a-b/x", "a-b/y", "a/x", "a/y", "b/x", "b/y"}));
    EXPECT_EQ(all->continue_token, "");
    EXPECT_EQ(names(store->list(ctx, {.resource = "pods", .ns = "a"})->objects),
              (std::vector<std::string>{"a/x", "a/y"}));

    auto const first = store->list(ctx, {.resource = "pods", .limit = 4});
    EXPECT_EQ(names(first->objects).back(), "a/y");
    EXPECT_EQ(first->remaining, 2U);
    CO_ASSERT_OK(co_await store->write(ctx, erase(pod("x", "b"))));
    CO_ASSERT_OK(co_await store->write(ctx, update(pod("y", "b"), "later")));
    auto const second = store->list(ctx, {.resource = "pods", .limit = 4, .continue_token = first->continue_token});
    CO_ASSERT_OK(second);
    EXPECT_EQ(names(second->objects), (std::vector<std::string>{"b/x", "b/y"}));
    EXPECT_EQ(value_of(second->objects[1]), "x");
    EXPECT_EQ(second->revision, first->revision);
    EXPECT_EQ(second->continue_token, "");

    auto const some = store->list(ctx, {.resource = "pods", .limit = 1, .matches = [](json::Doc const& object) {
                                            return meta::name(object) == "y";
                                        }});
    EXPECT_EQ(names(some->objects), std::vector<std::string>{"a-b/y"});
    EXPECT_FALSE(some->remaining);
    EXPECT_NE(some->continue_token, "");
    // The bound on what is pinned: the older list is over.
    auto const over = store->list(ctx, {.resource = "pods", .continue_token = first->continue_token});
    EXPECT_TRUE(over.error().is(ErrorCode::kGone));
    EXPECT_TRUE(store->list(ctx, {.resource = "pods", .continue_token = "no"}).error().is(ErrorCode::kBadRequest));
    CO_ASSERT_OK(co_await store->write(ctx, create(pod("z", "b"))));
    EXPECT_TRUE(store->snapshot_at(some->revision));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, std::chrono::minutes(6)));
    EXPECT_TRUE(
        store->list(ctx, {.resource = "pods", .continue_token = some->continue_token}).error().is(ErrorCode::kGone));
}

CO_TEST(Store, ClustersAreApart) {
    MemoryEngine engine;
    auto fleet = *Store::open(engine, "fleet");
    auto beijing = *Store::open(engine, "beijing");
    EXPECT_TRUE(clusters(engine)->empty());
    CO_ASSERT_OK(co_await fleet->write(ctx, create(pod("a"))));
    CO_ASSERT_OK(co_await beijing->write(ctx, create(pod("b"))));
    EXPECT_EQ(*clusters(engine), (std::vector<std::string>{"beijing", "fleet"}));
    EXPECT_FALSE(beijing->get(pod("a")).exists());
    Revision const last = beijing->revision();
    beijing.reset();
    CO_ASSERT_OK(co_await remove_cluster(ctx, engine, "beijing"));
    EXPECT_EQ(*clusters(engine), std::vector<std::string>{"fleet"});
    beijing = *Store::open(engine, "beijing");
    EXPECT_FALSE(beijing->get(pod("b")).exists());
    EXPECT_GE(beijing->revision(), last);
    EXPECT_TRUE(beijing->watch("", "pods", "", 1).error().is(ErrorCode::kGone));
    EXPECT_TRUE(fleet->get(pod("a")).exists());
    EXPECT_FALSE(Store::open(engine, "a/b"));
}

CO_TEST(Store, ACorruptObjectIsNamed) {
    MemoryEngine engine;
    auto store = opened(engine);
    CO_ASSERT_OK(co_await store->write(ctx, create(pod("a"))));
    store.reset();
    storage::WriteBatch batch;
    batch.put("o/fleet//pods/demo/a", "12345678{\"metadata\"");
    CO_ASSERT_OK(co_await engine.commit(ctx, std::move(batch)));
    auto const broken = Store::open(engine, "fleet");
    CO_ASSERT_TRUE(!broken);
    EXPECT_NE(broken.error().message().find("/pods/demo/a of cluster fleet cannot be read"), std::string::npos)
        << broken.error().message();
}

CO_TEST(Store, TooManyWritesUnderWayAreRefused) {
    MemoryEngine engine(milliseconds(5));
    auto const store = opened(engine, {.max_in_flight = 2});
    async::Scope scope(ctx);
    std::string outcomes[3];
    for (int each = 0; each < 3; ++each)
        scope.spawn(write_later(ctx, *store, create(pod("p" + std::to_string(each))), outcomes[each]));
    co_await scope.join();
    EXPECT_EQ(std::vector<std::string>(outcomes, outcomes + 3),
              (std::vector<std::string>{"ok 1", "ok 2", "TooManyRequests"}));
    EXPECT_FALSE(store->latest(pod("p2")).exists());
}

// Random writes, many at once, with crashes and full disks in between: what was acknowledged is there, a failed write
// has left nothing, and whoever follows the events sees exactly the states.
struct World {
    MemoryEngine engine{milliseconds(3)};
    std::unique_ptr<Store> store;
    std::map<Key, std::string> model;      // what was acknowledged
    std::map<Key, std::string> followed;   // what the events say
    Revision position = 0, highest = 0;
};

Task<void> random_write(Context ctx, World& world, int number) {
    Key const key = pod("p" + std::to_string(ctx.random().below(6)));
    json::Doc const there = world.store->latest(key);
    bool const stale = ctx.random().below(4) == 0;
    Revision const expected = there.exists() ? revision_of(there) + (stale ? 1 : 0) : 0;
    std::string const value = "v" + std::to_string(number);
    std::uint64_t const choice = ctx.random().below(3);
    auto const result = co_await world.store->write(ctx, choice == 0       ? erase(key, expected)
                                                         : !there.exists() ? create(key, value)
                                                                           : update(key, value, expected));
    if (!result) co_return;
    EXPECT_FALSE(stale && there.exists());
    EXPECT_GT(revision_of(*result), world.highest);   // acknowledged in order, never twice
    world.highest = revision_of(*result);
    if (choice == 0) {
        world.model.erase(key);
    } else {
        world.model[key] = value;
    }
}

void follow(World& world) {
    auto const watch = world.store->watch("", "pods", "", world.position);
    ASSERT_TRUE(watch) << watch.error().message();
    while (true) {
        auto const event = (*watch)->poll();
        ASSERT_TRUE(event) << event.error().message();
        if (!*event && !(*watch)->has_pending()) break;
        if (!*event) continue;
        EXPECT_GT((*event)->revision, world.position);
        world.position = (*event)->revision;
        Key const& key = (*event)->key;
        EXPECT_EQ((*event)->previous.exists(), world.followed.contains(key));
        if (world.followed.contains(key)) EXPECT_EQ(value_of((*event)->previous), world.followed[key]);
        if ((*event)->type == EventType::kDeleted) {
            world.followed.erase(key);
        } else {
            world.followed[key] = value_of((*event)->object);
        }
    }
}

Task<void> live(Context ctx, World& world) {
    for (int round = 0; round < 12; ++round) {
        async::Scope scope(ctx);
        std::uint64_t const fate = ctx.random().below(4);
        for (int each = 0; each < 8; ++each) {
            scope.spawn(random_write(ctx, world, round * 100 + each));
            if (ctx.random().below(2) == 0) (void)co_await async::sleep_for(ctx, milliseconds(1));
            if (each == 4 && fate == 0) world.engine.fail_with("full");
            if (each == 6 && fate == 0) world.engine.fail_with("");
            if (each == 5 && fate == 1) world.engine.crash();
        }
        co_await scope.join();
        if (fate <= 1) {
            world.store.reset();
            world.engine.restart();
            world.store = opened(world.engine, {.ring = 5});
        }
        std::map<Key, std::string> stored;
        world.store->visit("", "pods", "", {}, [&](Key const& key, json::Doc const& object) {
            stored.emplace(key, value_of(object));
            return true;
        });
        EXPECT_EQ(stored, world.model);
        follow(world);
        EXPECT_EQ(world.followed, world.model);
        EXPECT_GE(world.store->revision(), world.highest);
    }
}

RC_GTEST_PROP(StoreLaws, AcknowledgedWritesAreThereAndEventsTellTheStates, (std::uint64_t seed)) {
    async::VirtualExecutor executor(seed);
    World world;
    world.store = opened(world.engine, {.ring = 5});
    executor.run(live(Context(executor), world));
    RC_ASSERT(!::testing::Test::HasFailure());
}

Task<int> create_many(Context ctx, Store& store, int count) {
    std::vector<std::string> outcomes(static_cast<std::size_t>(count));
    async::Scope scope(ctx);
    for (int each = 0; each < count; ++each) {
        scope.spawn(
            write_later(ctx, store, create(pod("p" + std::to_string(each))), outcomes[static_cast<std::size_t>(each)]));
    }
    co_await scope.join();
    co_return static_cast<int>(
        std::ranges::count_if(outcomes, [](std::string const& outcome) { return outcome.starts_with("ok"); }));
}

TEST(Store, OnRocksAcknowledgedWritesAreThereAfterReopening) {
    std::string folder = (std::filesystem::temp_directory_path() / "aviary-store-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    async::AsioExecutor executor;
    {
        auto const engine = *storage::open_rocks(folder + "/store");
        auto const store = opened(*engine);
        EXPECT_EQ(executor.run(create_many(Context(executor), *store, 3000)), 3000);
        EXPECT_EQ(store->snapshot().count("", "pods"), 3000U);
    }
    {
        auto const engine = *storage::open_rocks(folder + "/store");
        auto const store = opened(*engine);
        EXPECT_EQ(store->snapshot().count("", "pods", "demo"), 3000U);
        EXPECT_GE(store->revision(), 3000U);
        auto const watch = *store->watch("", "pods", "", 2990);
        EXPECT_EQ(drain(*watch).size(), 10U);
        // All of the log, which is read in pieces.
        EXPECT_EQ(drain(**store->watch("", "pods", "", 0)).size(), 3000U);
    }
    std::filesystem::remove_all(folder);
}

}   // namespace
}   // namespace aviary::store
