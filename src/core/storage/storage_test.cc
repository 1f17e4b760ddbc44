#include <filesystem>

#include "core/async/asio_executor.h"
#include "core/async/co_test.h"
#include "core/storage/engine.h"

namespace aviary::storage {
namespace {

std::vector<std::string> keys(Engine const& engine, std::string_view begin, std::string_view end) {
    std::vector<std::string> result;
    EXPECT_TRUE(engine.scan(begin, end, [&](std::string_view key, std::string_view) {
        result.emplace_back(key);
        return true;
    }));
    return result;
}

// What every engine must do.
Task<void> conforms(Context ctx, Engine& engine) {
    WriteBatch first;
    for (char const* key : {"b", "a", "d", "c"}) first.put(key, std::string("v") + key);
    CO_ASSERT_OK(co_await engine.commit(ctx, std::move(first)));
    EXPECT_EQ(**engine.get("a"), "va");
    EXPECT_FALSE(engine.get("x")->has_value());
    EXPECT_EQ(keys(engine, "a", "d"), (std::vector<std::string>{"a", "b", "c"}));
    WriteBatch second;
    second.erase("a");
    second.erase_range("b", "d");
    second.put("e", std::string("\0\xff", 2));
    CO_ASSERT_OK(co_await engine.commit(ctx, std::move(second)));
    EXPECT_EQ(keys(engine, "a", "z"), (std::vector<std::string>{"d", "e"}));
    EXPECT_EQ(**engine.get("e"), std::string("\0\xff", 2));
}

CO_TEST(MemoryEngine, Conforms) {
    MemoryEngine engine;
    co_await conforms(ctx, engine);
}

struct Folder {
    Folder() : path(std::filesystem::temp_directory_path() / ("aviary-" + Random(static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this)) ^ static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())).uuid())) {}
    ~Folder() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
};

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
    EXPECT_EQ(keys(**engine, "a", "z"), (std::vector<std::string>{"d", "e"}));
}

TEST(RocksEngine, ASecondProcessIsToldWhoHoldsTheFolder) {
    Folder const folder;
    auto first = open_rocks(folder.path);
    ASSERT_TRUE(first);
    auto second = open_rocks(folder.path);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message().find("in use by another process"), std::string::npos) << second.error().message();
}

Task<void> commit_one(Context ctx, Engine& engine, std::string key, std::vector<bool>& outcomes) {
    WriteBatch batch;
    batch.put(key, "v");
    Status const outcome = co_await engine.commit(ctx, std::move(batch));
    outcomes.push_back(outcome.has_value());
}

CO_TEST(MemoryEngine, ACrashDropsWhatWasNotSynced) {
    MemoryEngine engine(std::chrono::milliseconds(5));
    std::vector<bool> outcomes;
    async::Scope scope(ctx);
    scope.spawn(commit_one(ctx, engine, "a", outcomes));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, std::chrono::milliseconds(6)));
    scope.spawn(commit_one(ctx, engine, "b", outcomes));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, std::chrono::milliseconds(2)));
    engine.crash();
    engine.restart();
    co_await scope.join();
    EXPECT_EQ(outcomes, (std::vector<bool>{true, false}));
    EXPECT_EQ(keys(engine, "a", "z"), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace aviary::storage
