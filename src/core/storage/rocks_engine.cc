#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "core/async/wait.h"
#include "core/storage/engine.h"

namespace aviary::storage {

namespace {

constexpr std::string_view kFormatKey =
    "\x01"
    "format";
constexpr std::string_view kFormat = "aviary-1";

Error error_of(rocksdb::Status const& status, std::string const& folder) {
    std::string const text = status.ToString();
    if (status.IsNoSpace() || text.contains("No space left")) {
        return Error(ErrorCode::kUnavailable,
                     fmt::format("the disk of {} is full: free some space and try again", folder));
    }
    if (text.contains("Permission denied") || text.contains("Read-only file system")) {
        return Error(ErrorCode::kUnavailable,
                     fmt::format("{} cannot be written: {}; change its owner or use another folder", folder, text));
    }
    if (status.IsIOError() && text.contains("/LOCK")) {
        return Error(ErrorCode::kConflict,
                     fmt::format("{} is in use by another process: stop that one, or use another folder", folder));
    }
    // A file that the store names and that is not there is no better than one with wrong bytes in it.
    if (status.IsCorruption() || text.contains("No such file")) {
        return Error(
            ErrorCode::kInternal,
            fmt::format("the store in {} is corrupt: {}; restore a backup, or move the folder away to start afresh",
                        folder, text));
    }
    return Error(ErrorCode::kUnavailable, fmt::format("the store in {} failed: {}", folder, text));
}

// RocksDB's own log file ends the process once a full disk has refused it a line; errors reach us by status.
class SilentLogger final : public rocksdb::Logger {
public:
    using rocksdb::Logger::Logv;
    void Logv(char const*, va_list) override {}
};

rocksdb::Options rocks_options() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.info_log = std::make_shared<SilentLogger>();
    // Everything is read once, at the start: files may pile up before they are merged, and the youngest, which soon
    // are, are not compressed.
    options.level0_file_num_compaction_trigger = 12;
    options.level0_slowdown_writes_trigger = 32;
    options.level0_stop_writes_trigger = 48;
    options.compression_per_level = {rocksdb::kNoCompression, rocksdb::kLZ4Compression};
    options.write_buffer_size = 4 << 20;
    options.max_write_buffer_number = 2;
    options.max_open_files = 64;
    options.max_manifest_file_size = 4 << 20;
    // Idle means idle: no statistics, no periodic work.
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.max_total_wal_size = 32 << 20;
    options.max_background_jobs = 2;
    options.allow_concurrent_memtable_write = false;   // there is one writer
    // A torn last record of the log is an unacknowledged write; anything else wrong is corruption and is said so.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(4 << 20);
    table.cache_index_and_filter_blocks = true;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

// One thing for the writer's thread: a batch, or a copy to make once all before it is written.
struct Job {
    WriteBatch batch;
    std::string checkpoint;       // the folder; empty: a batch
    std::uint64_t failures = 0;   // failures known when it was handed over
    async::Executor* executor = nullptr;
    async::Waiter* waiter = nullptr;
    std::optional<Error> error;
};

class RocksEngine final : public Engine {
public:
    RocksEngine(std::unique_ptr<rocksdb::DB> db, std::string folder, RocksOptions options)
        : db_(std::move(db)),
          folder_(std::move(folder)),
          options_(options),
          sequence_(db_->GetLatestSequenceNumber()),
          writer_([this] { run_writer(); }) {}

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
        std::shared_lock const lock(db_mutex_);
        if (!db_) return std::unexpected(*broken_);
        rocksdb::Status const status = db_->Get(rocksdb::ReadOptions(), slice(key), &value);
        if (status.IsNotFound()) return std::optional<std::string>();
        if (!status.ok()) return std::unexpected(error_of(status, folder_));
        return std::optional<std::string>(std::move(value));
    }

    // Ends by comparison: iterate_upper_bound over range tombstones is wrong in RocksDB before 7.10.
    Status scan(std::string_view begin, std::string_view end,
                std::function<bool(std::string_view, std::string_view)> const& visit) const override {
        rocksdb::ReadOptions reading;
        reading.fill_cache = false;
        std::shared_lock const lock(db_mutex_);
        if (!db_) return std::unexpected(*broken_);
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
        Job job;
        job.batch = std::move(batch);
        Status outcome = co_await hand_over(ctx, std::move(job));
        co_return outcome;
    }

    Task<Status> checkpoint(Context ctx, std::string folder) override {
        Job job;
        job.checkpoint = std::move(folder);
        Status outcome = co_await hand_over(ctx, std::move(job));
        co_return outcome;
    }

    std::uint64_t failures() const override { return failures_; }
    std::uint64_t syncs() const override { return syncs_.load(std::memory_order_relaxed); }

private:
    Task<Status> hand_over(Context ctx, Job job) {
        // Without the context's stop: what was handed over is carried out and answered.
        async::Waiter waiter{Context(ctx.executor())};
        bool const batch = job.checkpoint.empty();
        std::uint64_t const known = failures_;
        job.failures = known;
        job.executor = &ctx.executor();
        job.waiter = &waiter;
        {
            std::lock_guard const lock(mutex_);
            queue_.push_back(std::move(job));
        }
        wakeup_.notify_one();
        Status outcome = co_await waiter;
        // Made known here and not earlier: all that succeeded before has resumed by now.
        if (!outcome && batch && failures_ == known) ++failures_;
        co_return outcome;
    }

    static void add(rocksdb::WriteBatch& group, WriteBatch const& batch) {
        for (WriteBatch::Operation const& operation : batch.operations) {
            switch (operation.kind) {
                case WriteBatch::Operation::Kind::kPut: group.Put(operation.key, operation.value); break;
                case WriteBatch::Operation::Kind::kErase: group.Delete(operation.key); break;
                case WriteBatch::Operation::Kind::kEraseRange: group.DeleteRange(operation.key, operation.value); break;
            }
        }
    }

    // Whatever has queued up while the last sync ran becomes one batch and one sync.
    void run_writer() {
        while (true) {
            std::deque<Job> jobs;
            {
                std::unique_lock lock(mutex_);
                wakeup_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
                if (queue_.empty()) return;
                jobs.swap(queue_);
            }
            for (std::size_t first = 0; first < jobs.size();) {
                std::size_t last = first + 1;
                if (!jobs[first].checkpoint.empty()) {
                    copy_to(jobs[first]);
                } else {
                    while (last < jobs.size() && jobs[last].checkpoint.empty()) ++last;
                    write_group(jobs, first, last);
                }
                first = last;
            }
            answer(jobs);
        }
    }

    void write_group(std::deque<Job>& jobs, std::size_t first, std::size_t last) {
        rocksdb::WriteBatch group;
        std::size_t taken = 0;
        bool sync = options_.durability == Durability::kCommit;
        for (std::size_t each = first; each < last; ++each) {
            if (last_error_ && jobs[each].failures <= failed_up_to_) {
                jobs[each].error = last_error_;
            } else {
                add(group, jobs[each].batch);
                sync = sync || jobs[each].batch.sync;
                ++taken;
            }
        }
        if (taken == 0) return;
        std::optional<Error> error;
        if (broken_) error = reopen();
        if (!error) {
            rocksdb::WriteOptions writing;
            writing.sync = sync;
            rocksdb::Status const status = db_->Write(writing, &group);
            if (sync) {
                syncs_.fetch_add(1, std::memory_order_relaxed);
                sync_count_.add();
            }
            commit_count_.add(static_cast<double>(taken));
            if (status.ok()) {
                sequence_ = db_->GetLatestSequenceNumber();
                return;
            }
            error = error_of(status, folder_);
            close_broken(*error);
        }
        failure_count_.add();
        last_error_ = error;
        failed_up_to_ = jobs[last - 1].failures;
        for (std::size_t each = first; each < last; ++each) jobs[each].error = error;
    }

    // RocksDB does not resume after every failure of its log, so a store that failed is closed and opened anew. Until
    // that succeeds it is open for reading, if it can be.
    void close_broken(Error error) {
        std::unique_lock const lock(db_mutex_);
        broken_ = std::move(error);
        db_.reset();
        rocksdb::DB* raw = nullptr;
        if (rocksdb::DB::OpenForReadOnly(rocks_options(), folder_, &raw).ok()) db_.reset(raw);
    }

    // What keeps it broken, if anything does.
    std::optional<Error> reopen() {
        {
            std::unique_lock const lock(db_mutex_);
            db_.reset();
            rocksdb::DB* raw = nullptr;
            rocksdb::Status const status = rocksdb::DB::Open(rocks_options(), folder_, &raw);
            if (status.ok()) {
                db_.reset(raw);
                if (db_->GetLatestSequenceNumber() <= sequence_) {
                    broken_.reset();
                    return std::nullopt;
                }
                broken_ =
                    Error(ErrorCode::kUnavailable, fmt::format("the store in {} failed in a way that leaves the "
                                                               "outcome of the last writes open: restart this program",
                                                               folder_));
            } else {
                broken_ = error_of(status, folder_);
            }
        }
        close_broken(*broken_);
        return broken_;
    }

    void copy_to(Job& job) {
        if (broken_) {
            job.error = broken_;
            return;
        }
        rocksdb::Checkpoint* raw = nullptr;
        rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &raw);
        std::unique_ptr<rocksdb::Checkpoint> const copy(raw);
        if (status.ok()) status = copy->CreateCheckpoint(job.checkpoint);
        if (!status.ok()) job.error = error_of(status, job.checkpoint);
    }

    // One turn of each loop answers all of its jobs.
    static void answer(std::deque<Job>& jobs) {
        for (std::size_t first = 0; first < jobs.size();) {
            async::Executor* const executor = jobs[first].executor;
            std::vector<std::pair<async::Waiter*, std::optional<Error>>> answers;
            for (; first < jobs.size() && jobs[first].executor == executor; ++first) {
                answers.emplace_back(jobs[first].waiter, std::move(jobs[first].error));
            }
            executor->post([answers = std::move(answers)] {
                for (auto const& [waiter, error] : answers) error ? waiter->fail(*error) : waiter->wake();
            });
        }
    }

    mutable std::shared_mutex db_mutex_;   // whoever reads, or opens anew
    std::unique_ptr<rocksdb::DB> db_;      // read-only while broken; null when not even that works
    std::optional<Error> broken_;          // changed by the writer, under db_mutex_
    std::string folder_;
    RocksOptions options_;
    std::uint64_t failures_ = 0;   // the loop's
    // The writer's own.
    std::optional<Error> last_error_;
    std::uint64_t failed_up_to_ = 0;         // jobs that knew no more failures than this fail with the last error
    rocksdb::SequenceNumber sequence_ = 0;   // of the last write that succeeded
    std::mutex mutex_;
    std::condition_variable wakeup_;
    std::deque<Job> queue_;
    bool stopping_ = false;
    std::atomic<std::uint64_t> syncs_ = 0;
    observe::Counter const commit_count_ = options_.metrics.counter(
        "aviary_storage_commits_total", "Commits handed to the store; those that came together share a sync.");
    observe::Counter const sync_count_ =
        options_.metrics.counter("aviary_storage_syncs_total", "Times the log of the store was synced to disk.");
    observe::Counter const failure_count_ =
        options_.metrics.counter("aviary_storage_failures_total", "Writes to the store that failed.");
    std::thread writer_;   // last: starts when all else is there
};

// A folder with other things in it is not ours to fill.
Status prepare_folder(std::string const& folder) {
    namespace fs = std::filesystem;
    std::error_code error;
    bool const created = fs::create_directories(folder, error);
    if (error)
        return fail(ErrorCode::kUnavailable,
                    fmt::format("{} cannot be made: {}; use another folder", folder, error.message()));
    if (created) {
        fs::permissions(folder, fs::perms::owner_all, error);
        return {};
    }
    if (fs::exists(fs::path(folder) / "CURRENT", error)) return {};
    for (auto each = fs::directory_iterator(folder, error); !error && each != fs::directory_iterator();
         each.increment(error)) {
        std::string const name = each->path().filename();
        // What a first start that was cut short leaves.
        bool const ours = name == "LOCK" || name == "IDENTITY" || name.starts_with("LOG") ||
                          name.starts_with("MANIFEST-") || name.ends_with(".dbtmp") || name.ends_with(".log");
        if (!ours) {
            return fail(ErrorCode::kInvalid,
                        fmt::format("{} is not a store: it holds {}; use another folder", folder, name));
        }
    }
    return {};
}

}   // namespace

Result<std::unique_ptr<Engine>> open_rocks(std::string folder, RocksOptions options) {
    TRY(prepare_folder(folder));
    rocksdb::DB* raw = nullptr;
    rocksdb::Status const status = rocksdb::DB::Open(rocks_options(), folder, &raw);
    if (!status.ok()) return std::unexpected(error_of(status, folder));
    std::unique_ptr<rocksdb::DB> db(raw);
    std::string format;
    rocksdb::Status const found = db->Get(rocksdb::ReadOptions(), slice(kFormatKey), &format);
    if (found.IsNotFound()) {
        rocksdb::WriteOptions writing;
        writing.sync = true;
        rocksdb::Status const written = db->Put(writing, slice(kFormatKey), slice(kFormat));
        if (!written.ok()) return std::unexpected(error_of(written, folder));
    } else if (!found.ok()) {
        return std::unexpected(error_of(found, folder));
    } else if (format != kFormat) {
        return fail(
            ErrorCode::kUnsupported,
            fmt::format("the store in {} has format \"{}\", this program reads \"{}\": use the program that wrote it",
                        folder, format, kFormat));
    }
    return std::unique_ptr<Engine>(std::make_unique<RocksEngine>(std::move(db), std::move(folder), options));
}

}   // namespace aviary::storage
