#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "core/async/wait.h"
#include "core/storage/engine.h"

namespace aviary::storage {

namespace {

constexpr std::string_view kFormatKey = "\x01" "format";
constexpr std::string_view kFormat = "aviary-1";

Error error_of(rocksdb::Status const& status, std::string const& folder) {
    std::string const text = status.ToString();
    if (status.IsNoSpace() || text.contains("No space left")) {
        return Error(ErrorCode::kUnavailable, fmt::format("the disk of {} is full: free some space and restart", folder));
    }
    if (text.contains("lock")) {
        return Error(ErrorCode::kUnavailable, fmt::format("{} is in use by another process: stop that one, or use another --data-dir", folder));
    }
    if (status.IsCorruption()) {
        return Error(ErrorCode::kInternal, fmt::format("the store in {} is corrupt: {}; restore a backup, or move the folder away to start afresh", folder, text));
    }
    return Error(ErrorCode::kUnavailable, fmt::format("the store in {} failed: {}", folder, text));
}

rocksdb::Options rocks_options() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kLZ4Compression;
    options.write_buffer_size = 4 << 20;
    options.max_write_buffer_number = 2;
    options.max_open_files = 64;
    options.keep_log_file_num = 1;
    options.info_log_level = rocksdb::ERROR_LEVEL;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.max_total_wal_size = 32 << 20;
    options.max_background_jobs = 2;
    // A torn last record of the log is an unacknowledged write; anything else wrong is corruption and is said so.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(4 << 20);
    table.cache_index_and_filter_blocks = true;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

class RocksEngine final : public Engine {
public:
    RocksEngine(std::unique_ptr<rocksdb::DB> db, std::string folder, RocksOptions options)
        : db_(std::move(db)), folder_(std::move(folder)), options_(options), writer_([this] { write_groups(); }) {}

    ~RocksEngine() override {
        {
            std::lock_guard const lock(mutex_);
            stopping_ = true;
        }
        wakeup_.notify_one();
        writer_.join();
    }

    Result<std::optional<std::string>> get(std::string_view key) const override {
        std::string value;
        rocksdb::Status const status = db_->Get(rocksdb::ReadOptions(), slice(key), &value);
        if (status.IsNotFound()) return std::optional<std::string>();
        if (!status.ok()) return std::unexpected(error_of(status, folder_));
        return std::optional<std::string>(std::move(value));
    }

    Status scan(std::string_view begin, std::string_view end,
                std::function<bool(std::string_view, std::string_view)> const& visit) const override {
        rocksdb::ReadOptions reading;
        reading.fill_cache = false;
        std::unique_ptr<rocksdb::Iterator> const each(db_->NewIterator(reading));
        for (each->Seek(slice(begin)); each->Valid(); each->Next()) {
            std::string_view const key(each->key().data(), each->key().size());
            if (key >= end) break;
            if (!visit(key, {each->value().data(), each->value().size()})) break;
        }
        if (!each->status().ok()) return std::unexpected(error_of(each->status(), folder_));
        return {};
    }

    Task<Status> commit(Context ctx, WriteBatch batch) override {
        // Without the context's stop: what was handed over is carried out and answered.
        async::Waiter waiter{Context(ctx.executor())};
        Pending pending{std::move(batch), &ctx.executor(), &waiter};
        {
            std::lock_guard const lock(mutex_);
            queue_.push_back(std::move(pending));
        }
        wakeup_.notify_one();
        Status outcome = co_await waiter;
        co_return outcome;
    }

    std::uint64_t syncs() const override { return syncs_.load(std::memory_order_relaxed); }

private:
    struct Pending {
        WriteBatch batch;
        async::Executor* executor;
        async::Waiter* waiter;
    };
    static rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

    static void add(rocksdb::WriteBatch& group, WriteBatch const& batch) {
        for (WriteBatch::Operation const& operation : batch.operations) {
            switch (operation.kind) {
                case WriteBatch::Operation::Kind::kPut: group.Put(operation.key, operation.value); break;
                case WriteBatch::Operation::Kind::kErase: group.Delete(operation.key); break;
                case WriteBatch::Operation::Kind::kEraseRange: group.DeleteRange(operation.key, operation.value); break;
            }
        }
    }

    // The writer's thread: whatever has queued up while the last sync ran becomes one batch and one sync.
    void write_groups() {
        std::optional<Error> broken;   // after a failed batch nothing that was made later may succeed
        while (true) {
            std::deque<Pending> group;
            {
                std::unique_lock lock(mutex_);
                wakeup_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
                if (queue_.empty()) return;
                group.swap(queue_);
            }
            rocksdb::WriteBatch batch;
            for (Pending const& pending : group) add(batch, pending.batch);
            if (!broken) {
                rocksdb::WriteOptions writing;
                writing.sync = options_.durability == Durability::kCommit;
                rocksdb::Status const status = db_->Write(writing, &batch);
                if (writing.sync) syncs_.fetch_add(1, std::memory_order_relaxed);
                if (!status.ok()) broken = error_of(status, folder_);
            }
            for (Pending const& pending : group) {
                pending.executor->post([waiter = pending.waiter, broken] {
                    if (broken) {
                        waiter->fail(*broken);
                    } else {
                        waiter->wake();
                    }
                });
            }
        }
    }

    std::unique_ptr<rocksdb::DB> db_;
    std::string folder_;
    RocksOptions options_;
    std::mutex mutex_;
    std::condition_variable wakeup_;
    std::deque<Pending> queue_;
    bool stopping_ = false;
    std::atomic<std::uint64_t> syncs_ = 0;
    std::thread writer_;   // last: starts when all else is there
};

}  // namespace

Result<std::unique_ptr<Engine>> open_rocks(std::string folder, RocksOptions options) {
    rocksdb::DB* raw = nullptr;
    rocksdb::Status const status = rocksdb::DB::Open(rocks_options(), folder, &raw);
    if (!status.ok()) return std::unexpected(error_of(status, folder));
    std::unique_ptr<rocksdb::DB> db(raw);
    std::string format;
    rocksdb::Status const found = db->Get(rocksdb::ReadOptions(), rocksdb::Slice(kFormatKey.data(), kFormatKey.size()), &format);
    if (found.IsNotFound()) {
        rocksdb::WriteOptions writing;
        writing.sync = true;
        rocksdb::Status const written = db->Put(writing, rocksdb::Slice(kFormatKey.data(), kFormatKey.size()), rocksdb::Slice(kFormat.data(), kFormat.size()));
        if (!written.ok()) return std::unexpected(error_of(written, folder));
    } else if (!found.ok()) {
        return std::unexpected(error_of(found, folder));
    } else if (format != kFormat) {
        return fail(ErrorCode::kUnsupported, fmt::format("the store in {} has format \"{}\", this program reads \"{}\": use the program that wrote it", folder, format, kFormat));
    }
    return std::unique_ptr<Engine>(std::make_unique<RocksEngine>(std::move(db), std::move(folder), options));
}

}  // namespace aviary::storage
