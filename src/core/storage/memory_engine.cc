#include <map>

#include "core/async/event.h"
#include "core/storage/engine.h"

namespace aviary::storage {

namespace {

using Bytes = std::map<std::string, std::string, std::less<>>;

void apply_batch(Bytes& bytes, WriteBatch const& batch) {
    for (WriteBatch::Operation const& operation : batch.operations) {
        switch (operation.kind) {
            case WriteBatch::Operation::Kind::kPut: bytes.insert_or_assign(operation.key, operation.value); break;
            case WriteBatch::Operation::Kind::kErase: bytes.erase(operation.key); break;
            case WriteBatch::Operation::Kind::kEraseRange:
                bytes.erase(bytes.lower_bound(operation.key), bytes.lower_bound(operation.value));
                break;
        }
    }
}

}   // namespace

struct MemoryEngine::State {
    Bytes synced;
    std::uint64_t syncs = 0;
    std::uint64_t life = 0;   // counts crashes: a commit of an earlier life is lost
    std::uint64_t failures = 0;
    bool crashed = false;
    std::string failure;
};

MemoryEngine::MemoryEngine(Duration sync_delay) : state_(std::make_shared<State>()), sync_delay_(sync_delay) {}

MemoryEngine::~MemoryEngine() = default;

Result<std::optional<std::string>> MemoryEngine::get(std::string_view key) const {
    auto const found = state_->synced.find(key);
    if (found == state_->synced.end()) return std::optional<std::string>();
    return std::optional<std::string>(found->second);
}

Status MemoryEngine::scan(std::string_view begin, std::string_view end,
                          std::function<bool(std::string_view, std::string_view)> const& visit) const {
    for (auto each = state_->synced.lower_bound(begin); each != state_->synced.end() && each->first < end; ++each) {
        if (!visit(each->first, each->second)) break;
    }
    return {};
}

Task<Status> MemoryEngine::commit(Context ctx, WriteBatch batch) {
    std::shared_ptr<State> const state = state_;
    std::uint64_t const life = state->life;
    std::uint64_t const failures = state->failures;
    Context const untouched(ctx.executor());
    if (sync_delay_ > Duration(0)) {
        (void)co_await async::sleep_for(untouched, sync_delay_);
    } else {
        (void)co_await async::yield(untouched);
    }
    bool const gone = state->crashed || state->life != life;
    if (gone || !state->failure.empty() || state->failures != failures) {
        if (state->failures == failures) ++state->failures;
        if (gone) co_return fail(ErrorCode::kUnavailable, "the storage is gone");
        if (!state->failure.empty()) co_return fail(ErrorCode::kUnavailable, state->failure);
        co_return fail(ErrorCode::kUnavailable, "an earlier write failed that this one may have stood on");
    }
    apply_batch(state->synced, batch);
    ++state->syncs;
    co_return Status{};
}

Task<Status> MemoryEngine::checkpoint(Context, std::string) {
    co_return fail(ErrorCode::kUnsupported, "storage in memory has no folder to copy");
}

std::uint64_t MemoryEngine::failures() const { return state_->failures; }

std::uint64_t MemoryEngine::syncs() const { return state_->syncs; }

void MemoryEngine::crash() {
    state_->crashed = true;
    ++state_->life;
}

void MemoryEngine::restart() { state_->crashed = false; }

void MemoryEngine::fail_with(std::string message) { state_->failure = std::move(message); }

}   // namespace aviary::storage
