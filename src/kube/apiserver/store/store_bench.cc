// Creates per second with fsync beside raw fsyncs per second on the same disk, gets per second, loading, and resident
// memory at 50,000 objects. AVIARY_BENCH_DIR chooses the disk (default: the working directory).
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/async/asio_executor.h"
#include "kube/apiserver/store/store.h"

namespace aviary::store {
namespace {

constexpr int kWorkers = 64;

struct Folder {
    Folder() {
        char const* const where = std::getenv("AVIARY_BENCH_DIR");
        path = std::string(where != nullptr ? where : ".") + "/aviary-bench-XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) std::abort();
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
};

Key key_of(int number) { return {"", "configmaps", "demo", "config-" + std::to_string(number)}; }

json::Value config_map(int number) {
    json::Value object;
    object.set({"apiVersion"}, "v1");
    object.set({"kind"}, "ConfigMap");
    object.set({"metadata", "name"}, key_of(number).name);
    object.set({"metadata", "namespace"}, "demo");
    object.set({"metadata", "uid"}, "2f6b7d1e-8c55-4b0e-9a55-000000" + std::to_string(100'000 + number));
    object.set({"metadata", "creationTimestamp"}, "2026-11-24T12:00:00Z");
    object.set({"data", "key"}, std::string(1024, 'x'));
    return object;
}

std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t total = 0, resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Task<void> worker(Context ctx, Store& store, int& next, int end) {
    while (next < end) {
        int const number = next++;
        if (!co_await store.write(ctx, {Write::Kind::kCreate, key_of(number), config_map(number)})) std::abort();
    }
}

Task<int> create(Context ctx, Store& store, int first, int count) {
    int next = first;
    async::Scope scope(ctx);
    for (int each = 0; each < kWorkers; ++each) scope.spawn(worker(ctx, store, next, first + count));
    co_await scope.join();
    co_return count;
}

void raw_fsyncs(benchmark::State& state) {
    Folder const folder;
    int const file = ::open((folder.path + "/file").c_str(), O_CREAT | O_WRONLY, 0600);
    std::string const block(1024, 'x');
    for (auto _ : state) {
        if (::write(file, block.data(), block.size()) < 0 || ::fdatasync(file) != 0) std::abort();
    }
    ::close(file);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(raw_fsyncs)->MinTime(1)->UseRealTime();

void creates_64_workers(benchmark::State& state) {
    Folder const folder;
    async::AsioExecutor executor;
    auto const durability = state.range(0) != 0 ? storage::Durability::kCommit : storage::Durability::kNone;
    auto const engine = *storage::open_rocks(folder.path + "/store", {.durability = durability});
    auto const store = *Store::open(*engine, "fleet");
    int created = 0;
    for (auto _ : state) created += executor.run(create(Context(executor), *store, created, 5000));
    state.SetItemsProcessed(created);
    state.counters["syncs"] = benchmark::Counter(static_cast<double>(engine->syncs()), benchmark::Counter::kIsRate);
}
BENCHMARK(creates_64_workers)
    ->ArgName("fsync")
    ->Arg(1)
    ->Arg(0)
    ->MinTime(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void gets(benchmark::State& state) {
    async::AsioExecutor executor;
    storage::MemoryEngine engine;
    auto const store = *Store::open(engine, "fleet");
    executor.run(create(Context(executor), *store, 0, 50'000));
    int number = 0;
    for (auto _ : state) benchmark::DoNotOptimize(store->get(key_of(number = (number + 7919) % 50'000)));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(gets);

// Resident memory that 50,000 objects cost all in, as written and after a restart, and how long the restart takes.
void fifty_thousand_objects(benchmark::State& state) {
    constexpr double kMebi = 1024.0 * 1024.0;
    for (auto _ : state) {
        Folder const folder;
        async::AsioExecutor executor;
        ::malloc_trim(0);
        double const before = static_cast<double>(resident_bytes());
        {
            auto const engine = *storage::open_rocks(folder.path + "/store");
            auto const store = *Store::open(*engine, "fleet");
            executor.run(create(Context(executor), *store, 0, 50'000));
            state.counters["MiB_written"] = (static_cast<double>(resident_bytes()) - before) / kMebi;
        }
        ::malloc_trim(0);
        double const again = static_cast<double>(resident_bytes());
        auto const engine = *storage::open_rocks(folder.path + "/store");
        auto const start = std::chrono::steady_clock::now();
        auto const store = *Store::open(*engine, "fleet");
        state.counters["open_s"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        state.counters["MiB_opened"] = (static_cast<double>(resident_bytes()) - again) / kMebi;
        benchmark::DoNotOptimize(store->revision());
    }
}
BENCHMARK(fifty_thousand_objects)->Iterations(1)->Unit(benchmark::kMillisecond);

}   // namespace
}   // namespace aviary::store
