#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "core/async/asio_executor.h"
#include "core/async/co_test.h"
#include "core/storage/engine.h"

namespace aviary::storage {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

std::vector<std::string> keys(Engine const& engine, std::string_view begin, std::string_view end,
                              std::size_t limit = 100) {
    std::vector<std::string> result;
    EXPECT_TRUE(engine.scan(begin, end, [&](std::string_view key, std::string_view) {
        result.emplace_back(key);
        return result.size() < limit;
    }));
    return result;
}

WriteBatch put(std::string key, std::string value = "v") {
    WriteBatch batch;
    batch.put(std::move(key), std::move(value));
    return batch;
}

Task<void> commit_one(Context ctx, Engine& engine, std::string key, std::vector<std::string>& outcomes) {
    Status const outcome = co_await engine.commit(ctx, put(key));
    outcomes.push_back(key + (outcome ? " ok" : " failed"));
}

// What every engine must do.
Task<void> conforms(Context ctx, Engine& engine) {
    WriteBatch first;
    for (char const* key : {"b", "a", "d", "c"}) first.put(key, std::string("v") + key);
    CO_ASSERT_OK(co_await engine.commit(ctx, std::move(first)));
    EXPECT_EQ(**engine.get("a"), "va");
    EXPECT_FALSE(engine.get("x")->has_value());
    EXPECT_EQ(keys(engine, "a", "d"), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(keys(engine, "b", "z", 2), (std::vector<std::string>{"b", "c"}));

    // In the order of the operations: what a later one says holds.
    WriteBatch second;
    second.put("a", "again");
    second.erase("a");
    second.erase_range("b", "d");
    second.put("c", "back");
    second.put(std::string("e\0f", 3), std::string("\0\xff", 2));
    CO_ASSERT_OK(co_await engine.commit(ctx, std::move(second)));
    EXPECT_EQ(keys(engine, "a", "z"), (std::vector<std::string>{"c", "d", std::string("e\0f", 3)}));
    EXPECT_EQ(**engine.get(std::string("e\0f", 3)), std::string("\0\xff", 2));

    // Commits complete in the order they were made, on a later turn; a caller that has given up changes nothing.
    std::vector<std::string> outcomes;
    async::Scope scope(ctx);
    for (char const* key : {"3", "1", "2"}) scope.spawn(commit_one(scope.context(), engine, key, outcomes));
    EXPECT_TRUE(outcomes.empty());
    (void)co_await async::yield(ctx);
    scope.cancel();
    co_await scope.join();
    EXPECT_EQ(outcomes, (std::vector<std::string>{"3 ok", "1 ok", "2 ok"}));
    EXPECT_EQ(keys(engine, "0", "9"), (std::vector<std::string>{"1", "2", "3"}));
    EXPECT_EQ(engine.failures(), 0U);
    EXPECT_GT(engine.syncs(), 0U);
}

struct Folder {
    Folder() {
        std::string name = (fs::temp_directory_path() / "aviary-storage-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        root = name;
        path = root / "store";
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(root, ignored);
    }
    fs::path root, path;
};

std::string problem(fs::path const& folder) {
    auto const engine = open_rocks(folder);
    return engine ? "" : engine.error().message();
}

CO_TEST(MemoryEngine, Conforms) {
    MemoryEngine engine;
    co_await conforms(ctx, engine);
}

CO_TEST(MemoryEngine, ConformsWhenSlow) {
    MemoryEngine engine(milliseconds(5));
    co_await conforms(ctx, engine);
}

CO_TEST(MemoryEngine, ACrashDropsWhatWasNotSynced) {
    MemoryEngine engine(milliseconds(5));
    std::vector<std::string> outcomes;
    async::Scope scope(ctx);
    scope.spawn(commit_one(ctx, engine, "a", outcomes));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, milliseconds(6)));
    scope.spawn(commit_one(ctx, engine, "b", outcomes));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, milliseconds(2)));
    engine.crash();
    engine.restart();
    co_await scope.join();
    EXPECT_EQ(outcomes, (std::vector<std::string>{"a ok", "b failed"}));
    EXPECT_EQ(keys(engine, "a", "z"), std::vector<std::string>{"a"});
}

CO_TEST(MemoryEngine, NothingSucceedsThatMayStandOnAFailure) {
    MemoryEngine engine(milliseconds(5));
    std::vector<std::string> outcomes;
    async::Scope scope(ctx);
    engine.fail_with("the disk is full");
    scope.spawn(commit_one(ctx, engine, "a", outcomes));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, milliseconds(4)));
    scope.spawn(commit_one(ctx, engine, "b", outcomes));   // before the failure of a is known
    CO_ASSERT_OK(co_await async::sleep_for(ctx, milliseconds(2)));
    engine.fail_with("");
    scope.spawn(commit_one(ctx, engine, "c", outcomes));
    co_await scope.join();
    EXPECT_EQ(outcomes, (std::vector<std::string>{"a failed", "b failed", "c ok"}));
    EXPECT_EQ(engine.failures(), 1U);
}

Task<std::vector<std::string>> commit_many(Context ctx, Engine& engine, int count) {
    std::vector<std::string> outcomes;
    async::Scope scope(ctx);
    for (int each = 0; each < count; ++each) scope.spawn(commit_one(ctx, engine, "k" + std::to_string(each), outcomes));
    co_await scope.join();
    co_return outcomes;
}

TEST(RocksEngine, ConformsAndReopens) {
    Folder const folder;
    async::AsioExecutor executor;
    {
        auto engine = open_rocks(folder.path);
        ASSERT_TRUE(engine) << engine.error().message();
        executor.run(conforms(Context(executor), **engine));
    }
    auto engine = open_rocks(folder.path);
    ASSERT_TRUE(engine);
    EXPECT_EQ(keys(**engine, "a", "z"), (std::vector<std::string>{"c", "d", std::string("e\0f", 3)}));
    EXPECT_EQ(fs::status(folder.path).permissions(), fs::perms::owner_all);   // Secrets are in it
}

TEST(RocksEngine, ManyCommitsShareOneSync) {
    Folder const folder;
    async::AsioExecutor executor;
    auto engine = open_rocks(folder.path);
    ASSERT_TRUE(engine);
    EXPECT_EQ(executor.run(commit_many(Context(executor), **engine, 1000)).size(), 1000U);
    EXPECT_LT((*engine)->syncs(), 500U);
}

TEST(RocksEngine, WithoutDurabilityOnlyWhatAsksIsSynced) {
    Folder const folder;
    async::AsioExecutor executor;
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    auto engine = open_rocks(folder.path, {.durability = Durability::kNone, .metrics = metrics});
    ASSERT_TRUE(engine);
    ASSERT_TRUE(executor.run((*engine)->commit(Context(executor), put("a"))));
    EXPECT_EQ((*engine)->syncs(), 0U);
    WriteBatch asks = put("b");
    asks.sync = true;
    ASSERT_TRUE(executor.run((*engine)->commit(Context(executor), std::move(asks))));
    EXPECT_EQ((*engine)->syncs(), 1U);
    EXPECT_EQ(metrics.counter("aviary_storage_syncs_total", "").value(), 1);
    EXPECT_EQ(metrics.counter("aviary_storage_commits_total", "").value(), 2);
}

TEST(RocksEngine, ACheckpointIsAStoreOfItsOwn) {
    Folder const folder;
    async::AsioExecutor executor;
    Context const ctx(executor);
    auto engine = open_rocks(folder.path);
    ASSERT_TRUE(engine);
    ASSERT_TRUE(executor.run((*engine)->commit(ctx, put("a"))));
    Status const copied = executor.run((*engine)->checkpoint(ctx, folder.root / "copy"));
    ASSERT_TRUE(copied) << copied.error().message();
    ASSERT_TRUE(executor.run((*engine)->commit(ctx, put("b"))));
    EXPECT_FALSE(executor.run((*engine)->checkpoint(ctx, folder.root / "copy")));   // never over another
    EXPECT_EQ((*engine)->failures(), 0U);
    auto copy = open_rocks(folder.root / "copy");
    ASSERT_TRUE(copy) << copy.error().message();
    EXPECT_EQ(keys(**copy, "a", "z"), std::vector<std::string>{"a"});
}

TEST(RocksEngine, ErrorsSayWhatToDo) {
    Folder const folder;
    {
        auto first = open_rocks(folder.path);
        ASSERT_TRUE(first);
        std::string const held = problem(folder.path);
        EXPECT_NE(held.find("in use by another process"), std::string::npos) << held;
        EXPECT_NE(held.find(folder.path.string()), std::string::npos) << held;
    }
    EXPECT_EQ(problem(folder.path), "");

    fs::create_directories(folder.root / "photos");
    std::ofstream(folder.root / "photos" / "cat.jpg") << "meow";
    EXPECT_NE(problem(folder.root / "photos").find("is not a store: it holds cat.jpg"), std::string::npos);
    std::ofstream(folder.root / "file") << "x";
    EXPECT_NE(problem(folder.root / "file" / "store").find("cannot be made"), std::string::npos);

    for (auto const& each : fs::directory_iterator(folder.path)) {
        if (each.path().filename().string().starts_with("MANIFEST"))
            std::ofstream(each.path(), std::ios::binary) << std::string(200, 'x');
    }
    std::string const corrupt = problem(folder.path);
    EXPECT_NE(corrupt.find("is corrupt"), std::string::npos) << corrupt;
}

TEST(RocksEngine, AnotherFormatIsLeftAlone) {
    Folder const folder;
    async::AsioExecutor executor;
    {
        auto engine = open_rocks(folder.path);
        ASSERT_TRUE(engine);
        ASSERT_TRUE(executor.run((*engine)->commit(Context(executor), put("\x01"
                                                                          "format",
                                                                          "aviary-9"))));
    }
    EXPECT_NE(problem(folder.path).find("has format \"aviary-9\""), std::string::npos);
}

// In a process and a mount namespace of its own: a disk of 8 MB is filled, and freed again.
std::string fill_the_disk() {
    Folder const folder;
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return "not permitted";
    if (::mount("tmpfs", folder.root.c_str(), "tmpfs", 0, "size=8m") != 0) return "not permitted";
    struct Unmount {
        fs::path const& where;
        ~Unmount() { ::umount2(where.c_str(), MNT_DETACH); }
    } const unmount{folder.root};
    async::AsioExecutor executor;
    Context const ctx(executor);
    auto engine = open_rocks(folder.path);
    if (!executor.run((*engine)->commit(ctx, put("before")))) return "the first write failed";
    std::ofstream ballast(folder.root / "ballast");
    ballast << std::string(8 << 20, 'x') << std::flush;   // as much as there is room for
    for (int attempt = 0; attempt < 3; ++attempt) {
        Status const full = executor.run((*engine)->commit(ctx, put("large", std::string(6 << 20, 'x'))));
        if (full) return "a write on a full disk succeeded";
        if (!full.error().message().contains("is full: free some space")) return full.error().message();
        if ((*engine)->failures() != static_cast<std::uint64_t>(attempt) + 1) return "failures are not counted";
        if (!(*engine)->get("before")) return "a full disk cannot be read";
    }
    fs::remove(folder.root / "ballast");
    ballast.close();
    Status const mended = executor.run((*engine)->commit(ctx, put("after")));
    if (!mended) return mended.error().message();
    engine->reset();
    engine = open_rocks(folder.path);
    if (!engine) return engine.error().message();
    if (keys(**engine, "a", "z") != std::vector<std::string>{"after", "before"}) return "not what was acknowledged";
    engine->reset();
    return "as it should";
}

TEST(RocksEngineDeathTest, WorksOnWhenAFullDiskHasRoomAgain) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    auto const run = [] {
        std::cerr << fill_the_disk() << std::endl;
        std::_Exit(0);
    };
    EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "as it should|not permitted");
}

}   // namespace
}   // namespace aviary::storage
