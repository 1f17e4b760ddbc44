// Engine: ordered durable bytes. MemoryEngine is the deterministic twin for tests and simulation, RocksEngine the real
// one; one conformance test runs on both. Reads are synchronous and see every completed commit; lives on one loop but
// for the thread that syncs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/async/context.h"
#include "core/async/task.h"
#include "core/observe/metrics.h"

namespace aviary::storage {

// Applied together or not at all.
struct WriteBatch {
    struct Operation {
        enum class Kind { kPut, kErase, kEraseRange } kind;
        std::string key;
        std::string value;   // kEraseRange: the end, exclusive
    };
    std::vector<Operation> operations;
    bool sync = false;   // durable before it completes even where Durability is kNone

    void put(std::string key, std::string value) {
        operations.push_back({Operation::Kind::kPut, std::move(key), std::move(value)});
    }
    void erase(std::string key) { operations.push_back({Operation::Kind::kErase, std::move(key), {}}); }
    void erase_range(std::string begin, std::string end) {
        operations.push_back({Operation::Kind::kEraseRange, std::move(begin), std::move(end)});
    }
    bool empty() const { return operations.empty(); }
};

enum class Durability {
    kCommit,   // completed means synced; many commits share one sync
    kNone,     // completed means handed to the operating system
};

class Engine {
public:
    virtual ~Engine() = default;

    virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;
    // In key order over [begin, end); stops when the visitor answers false. The visitor does not call the engine.
    virtual Status scan(std::string_view begin, std::string_view end,
                        std::function<bool(std::string_view key, std::string_view value)> const& visit) const = 0;
    // Completes on a later turn of the caller's loop once durable, in the order of the calls. Not cancelled by the
    // context: what was handed over is carried out. A failure (a full disk) fails also every commit that was handed
    // over before it was made known, since those may stand on it; commits made later are tried anew. Callers bound what
    // they have under way.
    virtual Task<Status> commit(Context ctx, WriteBatch batch) = 0;
    // How often a failure was made known: when it has changed, no commit that was under way then has succeeded or will.
    virtual std::uint64_t failures() const = 0;
    // Syncs that have happened, for thrift.
    virtual std::uint64_t syncs() const = 0;
    // A consistent copy of everything committed, in a folder that does not exist yet, while work goes on.
    virtual Task<Status> checkpoint(Context ctx, std::string folder) = 0;
};

// Keeps everything in memory. A crash drops what was not yet synced; commits complete after `sync_delay` of the loop's
// time.
class MemoryEngine final : public Engine {
public:
    explicit MemoryEngine(Duration sync_delay = {});
    ~MemoryEngine() override;
    Result<std::optional<std::string>> get(std::string_view key) const override;
    Status scan(std::string_view begin, std::string_view end,
                std::function<bool(std::string_view, std::string_view)> const& visit) const override;
    Task<Status> commit(Context ctx, WriteBatch batch) override;
    std::uint64_t failures() const override;
    std::uint64_t syncs() const override;
    // Unsupported: there is no folder to copy.
    Task<Status> checkpoint(Context ctx, std::string folder) override;

    // What a power cut leaves: the synced state. Commits under way fail, and so do later ones, until restart().
    void crash();
    void restart();
    // Every commit fails from now on, as with a full disk; empty: mended.
    void fail_with(std::string message);

private:
    struct State;
    std::shared_ptr<State> state_;
    Duration sync_delay_;
};

struct RocksOptions {
    Durability durability = Durability::kCommit;
    observe::Metrics metrics;
};

// Opens or creates the folder, for its owner's eyes only. Errors name it: held by another process, not a folder of
// ours, of another format, corrupt, full.
Result<std::unique_ptr<Engine>> open_rocks(std::string folder, RocksOptions options = {});

}   // namespace aviary::storage
