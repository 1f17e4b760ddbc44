#include <fmt/format.h>

#include <algorithm>

#include "core/json/parse.h"
#include "kube/apiserver/store/internal/layout.h"
#include "kube/apiserver/store/internal/state.h"

namespace aviary::store {

namespace {

// How much of the log one step reads: it runs on the loop.
constexpr std::size_t kMaxRecords = 2048;
constexpr std::size_t kMaxEvents = 128;

Result<EventPointer> read_event(Revision revision, layout::StoredEvent const& stored) {
    auto event = std::make_shared<Event>();
    event->revision = revision;
    event->type = stored.type;
    event->key = layout::parse_key(stored.key);
    event->object = TRY(json::parse(stored.object_json));
    if (!stored.previous_json.empty()) event->previous = TRY(json::parse(stored.previous_json));
    return event;
}

Error too_old(Revision from, Revision floor) {
    return Error(ErrorCode::kGone, fmt::format("too old resource version: {} ({})", from, floor));
}

}   // namespace

Result<std::unique_ptr<Watch>> Store::watch(std::string group, std::string resource, std::string ns, Revision from) {
    // From the future: of a store that is no more. The client lists again.
    if (from > impl_->visible) {
        return fail(ErrorCode::kGone, fmt::format("too large resource version: {}, current: {}", from, impl_->visible));
    }
    Topic& topic = impl_->topic(layout::prefix(group, resource));
    if (from < topic.floor && from < impl_->floor) return std::unexpected(too_old(from, impl_->floor));
    auto impl = std::make_shared<Watch::Impl>();
    impl->store = impl_;
    impl->topic = &topic;
    impl->prefix = layout::prefix(group, resource, ns);
    impl->ns = std::move(ns);
    impl->id = ++impl_->last_watch;
    impl->cursor = impl->handed_out = from;
    topic.watches.emplace(impl->id, impl.get());
    return std::unique_ptr<Watch>(new Watch(std::move(impl)));
}

Watch::Watch(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Watch::~Watch() { impl_->topic->watches.erase(impl_->id); }

// Moves the cursor to just before the next wanted event; false when there is none in memory.
bool Watch::Impl::skip_unwanted() {
    if (cursor < topic->floor) return false;
    auto each =
        std::ranges::upper_bound(topic->events, cursor, {}, [](EventPointer const& event) { return event->revision; });
    for (; each != topic->events.end(); ++each) {
        if (wants(**each)) return true;
        cursor = (*each)->revision;
    }
    return false;
}

Status Watch::Impl::read_log() {
    if (cursor < store->floor) return std::unexpected(too_old(cursor, store->floor));
    std::optional<Error> problem;
    std::size_t records = 0;
    Revision last = store->visible;
    auto const visit = [&](std::string_view key, std::string_view value) {
        Revision const revision = layout::revision_of_log_key(key);
        auto const stored = layout::decode_event(value);
        if (!stored) {
            problem = stored.error();
            return false;
        }
        if (stored->key.starts_with(prefix)) {
            auto event = read_event(revision, *stored);
            if (!event) {
                problem = event.error();
                return false;
            }
            from_log.push_back(std::move(*event));
        }
        last = revision;
        bool const more = ++records < kMaxRecords && from_log.size() < kMaxEvents;
        return more;
    };
    TRY(store->engine.scan(layout::log_key(store->cluster, cursor + 1),
                           layout::log_key(store->cluster, store->visible + 1), visit));
    if (problem) return std::unexpected(*problem);
    // Stopped by its own bound: the rest is for the next step. Otherwise the log has no more.
    bool const whole = records < kMaxRecords && from_log.size() < kMaxEvents;
    cursor = whole ? store->visible : last;
    return {};
}

Result<EventPointer> Watch::poll() {
    Impl& impl = *impl_;
    if (impl.store->closed) return fail(ErrorCode::kUnavailable, "the cluster was closed");
    if (impl.from_log.empty() && impl.cursor < impl.topic->floor) TRY(impl.read_log());
    if (!impl.from_log.empty()) {
        EventPointer event = std::move(impl.from_log.front());
        impl.from_log.pop_front();
        impl.handed_out = event->revision;
        return event;
    }
    if (!impl.skip_unwanted()) return EventPointer();
    EventPointer const event = *std::ranges::upper_bound(impl.topic->events, impl.cursor, {},
                                                         [](EventPointer const& each) { return each->revision; });
    impl.cursor = impl.handed_out = event->revision;
    return event;
}

Task<Result<EventPointer>> Watch::next(Context ctx) {
    std::shared_ptr<Impl> const impl = impl_;
    while (true) {
        CO_TRY_ASSIGN(EventPointer event, poll());
        if (event) co_return event;
        if (has_pending()) {
            CO_TRY(co_await async::yield(ctx));   // the log is long: let others in between
        } else {
            CO_TRY(co_await impl->readable.wait(ctx));
        }
    }
}

bool Watch::has_pending() const {
    return !impl_->from_log.empty() || impl_->cursor < impl_->topic->floor || impl_->skip_unwanted();
}

Revision Watch::seen() const { return has_pending() ? impl_->handed_out : impl_->store->visible; }

}   // namespace aviary::store
