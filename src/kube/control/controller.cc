#include "kube/control/controller.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "kube/control/events.h"
#include "kube/meta/object.h"

namespace aviary::control {

namespace {

// Writes of one plan that are under way at once; one connection carries many more.
constexpr int kMostAlongside = 16;
// Clocks of machines are put right now and then, and timers do not know it.
constexpr Duration kLookAtLatest = std::chrono::minutes(1);
// So long a write is refused, again and again, before that is said of it: a server that has just come back refuses what
// it has yet to read rights for.
constexpr Duration kRefusedForGood = std::chrono::seconds(10);

// What a controller does not forget of a key between two looks at it.
struct KeyState {
    bool queued = false;
    MonotonicTime added{};   // when it was queued
    bool running = false;
    bool again = false;   // marked dirty while running
    int failures = 0;
    async::Executor::TimerId timer = 0;
    std::optional<MonotonicTime> due;   // of the timer
    std::vector<Wait> waits;
    std::optional<Error> error;
    std::optional<MonotonicTime> refused_since;   // without a plan that was carried out in between
    std::vector<Write> unsure;                    // writes that may have been carried out: nobody said

    bool idle() const { return !queued && !running && timer == 0 && waits.empty() && !error && unsure.empty(); }
};

// Named as client-go's and controller-runtime's, so that their dashboards work.
struct Counts {
    observe::Gauge depth, active;
    observe::Counter adds, retries, succeeded, failed, errors, requeued;
    observe::Histogram queued, worked, processed;

    Counts() = default;
    Counts(observe::Metrics const& metrics, std::string const& name) {
        observe::Labels const queue{{"name", name}};
        observe::Labels const controller{{"controller", name}};
        depth = metrics.gauge("workqueue_depth", "Keys that wait to be worked on.", queue);
        adds = metrics.counter("workqueue_adds_total", "Keys that were queued.", queue);
        retries = metrics.counter("workqueue_retries_total", "Keys that were queued again after an error.", queue);
        queued = metrics.histogram("workqueue_queue_duration_seconds", "How long keys waited in the queue.", queue);
        processed = metrics.histogram("workqueue_work_duration_seconds", "How long a key was worked on.", queue);
        errors = metrics.counter("controller_runtime_reconcile_errors_total", "Keys whose work ended in an error.",
                                 controller);
        active = metrics.gauge("controller_runtime_active_workers", "Keys that are worked on.", controller);
        worked = metrics.histogram("controller_runtime_reconcile_time_seconds",
                                   "How long a key was worked on, with its writes and until they were read back.",
                                   controller);
        auto const outcome = [&](std::string const& result) {
            return metrics.counter("controller_runtime_reconcile_total", "Keys that were worked on, by outcome.",
                                   {{"controller", name}, {"result", result}});
        };
        succeeded = outcome("success");
        failed = outcome("error");
        requeued = outcome("requeue_after");
    }
};

}   // namespace

struct Controller::Impl {
    Impl(ControllerOptions options, std::unique_ptr<Reconciler> reconciler)
        : options(std::move(options)), reconciler(std::move(reconciler)) {}

    ControllerOptions options;
    std::unique_ptr<Reconciler> reconciler;
    std::map<Key, KeyState> keys;
    std::deque<Key> queue;
    int running = 0;
    async::Event work;   // something is queued, or a worker has ended
    std::map<std::pair<std::string, meta::GroupVersionResource>, client::Informer*> informers;   // by part and resource
    std::vector<client::Informer*> needed, shown;   // before it runs: those that must have synced, and been answered
    std::optional<Context> ctx;                     // while running
    EventRecorder events;
    Counts counts;

    void enqueue(Key const& key) {
        KeyState& state = keys[key];
        if (state.running) {
            state.again = true;
            return;
        }
        if (std::exchange(state.queued, true)) return;
        queue.push_back(key);
        if (ctx) state.added = ctx->monotonic();
        counts.adds.add();
        counts.depth.add(1);
        work.notify();
    }

    void clear_timer(KeyState& state) {
        if (ctx && state.timer != 0) ctx->executor().cancel(state.timer);
        state.timer = 0;
        state.due.reset();
    }

    void enqueue_after(Key const& key, Duration delay) {
        KeyState& state = keys[key];
        MonotonicTime const due = ctx->monotonic() + delay;
        if (state.due && *state.due <= due) return;
        clear_timer(state);
        state.due = due;
        state.timer = ctx->executor().call_at(due, [this, key] {
            KeyState& timed = keys[key];
            timed.timer = 0;
            timed.due.reset();
            enqueue(key);
        });
    }

    // Deciding too early does no harm: what was waited for is looked at again, by the clock as it is then.
    void enqueue_at(Key const& key, Time when) {
        enqueue_after(key, std::clamp<Duration>(when - ctx->now(), Duration(0), kLookAtLatest));
    }

    // Its server answers again: what failed for want of that waits no longer.
    void server_is_back(std::string const& part) {
        for (auto each = informers.lower_bound({part, {}}); each != informers.end() && each->first.first == part;
             ++each)
            each->second->reconnect_if_away();
        // Keys are sorted by part.
        for (auto each = keys.lower_bound({part, {}}); each != keys.end(); ++each) {
            auto& [key, state] = *each;
            if (key.part != part && !part.empty()) break;
            if (!state.error || !(client::may_pass(*state.error) || client::may_settle(*state.error))) continue;
            state.failures = 0;
            if (state.running || state.queued) continue;
            clear_timer(state);
            enqueue(key);
        }
    }

    void watch(client::Informer& informer, std::function<std::vector<Key>(json::Doc const&)> keys_of,
               std::string part) {
        informer.on_return([this, part] { server_is_back(part); });
        informers[{std::move(part), informer.resource()}] = &informer;
        informer.on_change([this, keys_of = std::move(keys_of)](client::Change const& change) {
            if (change.before.exists()) {
                for (Key const& key : keys_of(change.before)) enqueue(key);
            }
            if (change.after.exists()) {
                for (Key const& key : keys_of(change.after)) enqueue(key);
            }
        });
    }

    client::Informer* informer_for(Key const& key, meta::GroupVersionResource const& resource) const {
        auto found = informers.find({key.part, resource});
        if (found == informers.end()) found = informers.find({"", resource});
        return found == informers.end() ? nullptr : found->second;
    }

    // What a plan has written, and what is to be seen of it.
    struct Written {
        std::vector<std::pair<client::Informer*, std::string>> versions;   // the newest of each, in order of use
        std::vector<std::pair<client::Informer*, json::Doc>> removed;      // as the copy has them
        Status outcome;                                                    // of the first that failed
    };

    // `written` outlives it.
    Task<void> carry_out(Context task, Key key, client::Client client, Write write, Written& written) {
        client::Informer* const informer = informer_for(key, write.resource);
        std::string const why = write.why;
        bool const removal = write.verb == Write::Verb::kDelete;
        Write trace;
        trace.resource = write.resource;
        trace.key = write.key;
        Result<json::Doc> const result = co_await perform(task, client, std::move(write));
        if (!result) {
            bool const findable = informer != nullptr && !trace.key.name.empty();
            if (findable && ambiguous(result.error())) keys[key].unsure.push_back(std::move(trace));
            if (written.outcome) written.outcome = std::unexpected(result.error().context(why));
            co_return;
        }
        if (informer != nullptr && removal) written.removed.emplace_back(informer, informer->get(trace.key));
        std::string version = meta::resource_version(*result);
        if (informer == nullptr || version.empty() || removal) co_return;
        // A write that changed nothing answers an old version: the newest counts.
        auto known = std::ranges::find(written.versions, informer, &std::pair<client::Informer*, std::string>::first);
        if (known == written.versions.end()) known = written.versions.insert(written.versions.end(), {informer, {}});
        std::string& newest = known->second;
        if (newest.empty() || client::reached(version, newest)) newest = std::move(version);
    }

    // Carries out the plan's writes; then waits until the informers show them.
    Task<Status> act(Context task, Key key, std::vector<Write> writes) {
        client::Client const client = reconciler->client_for(key);
        Written written;
        for (auto next = writes.begin(); next != writes.end() && written.outcome;) {
            if (!next->alongside) {
                co_await carry_out(task, key, client, std::move(*next++), written);
                continue;
            }
            async::Scope together(task);
            for (int count = 0; next != writes.end() && next->alongside && count < kMostAlongside; ++count)
                together.spawn(carry_out(together.context(), key, client, std::move(*next++), written));
            co_await together.join();
        }
        for (auto const& [informer, version] : written.versions) {
            // On time-out the copy is stale for another reason; deciding again is safe, only less thrifty.
            (void)co_await informer->wait_for(task.with_timeout(options.read_your_writes_timeout), version);
        }
        for (auto const& [informer, object] : written.removed)
            (void)co_await informer->wait_gone(task.with_timeout(options.read_your_writes_timeout), object);
        co_return written.outcome;
    }

    // Of an object, or of who writes it. A test of a patch that does not hold is answered by Invalid, too, with words
    // that name no object.
    static bool is_refusal(Error const& error) {
        std::string_view const message = error.message();
        return error.is(ErrorCode::kForbidden) || error.is(ErrorCode::kBadRequest) ||
               (error.is(ErrorCode::kInvalid) && (message.contains(" is invalid: ") || message.contains("denied")));
    }

    // An answer that did not come says nothing of the write; a refusal does.
    static bool ambiguous(Error const& error) {
        return error.is(ErrorCode::kUnavailable) || error.is(ErrorCode::kTimeout) || error.is(ErrorCode::kInternal);
    }

    // Before a key is decided again whose write may have been carried out: the copy is at least as new as the object.
    Task<Status> catch_up(Context task, Key key) {
        client::Client const client = reconciler->client_for(key);
        while (!keys[key].unsure.empty()) {
            Write const write = keys[key].unsure.back();
            Result<json::Doc> const now = co_await client.get(task, write.resource, write.key);
            if (!now && !now.error().is(ErrorCode::kNotFound))
                co_return std::unexpected(now.error().context("reading what was written"));
            client::Informer* const informer = informer_for(key, write.resource);
            if (!now && informer != nullptr) {
                (void)co_await informer->wait_gone(task.with_timeout(options.read_your_writes_timeout),
                                                   informer->get(write.key));
            } else if (informer != nullptr) {
                (void)co_await informer->wait_for(task.with_timeout(options.read_your_writes_timeout),
                                                  meta::resource_version(*now));
            }
            keys[key].unsure.pop_back();
        }
        co_return Status{};
    }

    // One that does not say since when has lasted since it was first decided.
    static void keep_since(std::vector<Wait>& waits, std::vector<Wait> const& before, Time now) {
        for (Wait& each : waits) {
            if (each.since) continue;
            auto const known = std::ranges::find(before, each.reason, &Wait::reason);
            each.since = known == before.end() ? now : known->since.value_or(now);
        }
    }

    Task<void> work_on(Context task, Key key) {
        MonotonicTime const began = task.monotonic();
        if (!keys[key].unsure.empty()) {
            Status caught_up = co_await catch_up(task, key);
            if (!caught_up) {
                counts.failed.add();
                finish(task, key, std::move(caught_up), {});
                co_return;
            }
        }
        Plan plan = reconciler->decide(key, task.now());
        KeyState& state = keys[key];
        keep_since(plan.waits, state.waits, task.now());
        state.waits = std::move(plan.waits);
        clear_timer(state);
        Status outcome;
        bool const wrote = !plan.writes.empty();
        if (wrote) outcome = co_await act(task, key, std::move(plan.writes));
        if (!outcome) std::erase_if(plan.events, [](EventNote const& each) { return !each.regardless; });
        if (!plan.events.empty()) events.record(task, reconciler->client_for(key), std::move(plan.events));
        double const took = std::chrono::duration<double>(task.monotonic() - began).count();
        counts.worked.record(took);
        counts.processed.record(took);
        if (!outcome) counts.errors.add();
        (!outcome ? counts.failed : plan.requeue ? counts.requeued : counts.succeeded).add();
        finish(task, key, std::move(outcome), plan.requeue);
    }

    void finish(Context const& task, Key const& key, Status outcome, std::optional<Requeue> const& requeue) {
        --running;
        counts.active.add(-1);
        work.notify();
        KeyState& state = keys[key];
        state.running = false;
        if (!ctx) return;
        if (!outcome) {
            bool const conflict = outcome.error().is(ErrorCode::kConflict) ||
                                  (outcome.error().is(ErrorCode::kInvalid) && !options.warns_of_invalid);
            state.error = outcome.error();
            if (is_refusal(*state.error) && !state.refused_since) state.refused_since = ctx->monotonic();
            state.again = false;
            ++state.failures;
            // Ended by somebody else meanwhile: deciding again finds out, or it is no passing thing.
            bool const gone = outcome.error().is(ErrorCode::kNotFound) && state.failures == 1;
            if (!outcome.error().is(ErrorCode::kCancelled)) {
                if (conflict || gone) {
                    task.log().debug("deciding again", {{"controller", options.name},
                                                        {"key", key.object.to_string()},
                                                        {"because", outcome.error().message()}});
                } else {
                    task.log().warning("write failed", {{"controller", options.name},
                                                        {"part", key.part},
                                                        {"key", key.object.to_string()},
                                                        {"error", outcome.error().message()}});
                }
            }
            Duration delay = options.backoff_first * (1LL << std::min(state.failures - 1, 20));
            delay = std::min(delay, options.backoff_last);
            delay = delay / 2 +
                    Duration(static_cast<Duration::rep>(task.random().unit() * static_cast<double>(delay.count()) / 2));
            if (auto const after = outcome.error().retry_after()) delay = std::max<Duration>(delay, *after);
            counts.retries.add();
            enqueue_after(key, delay);
            return;
        }
        state.failures = 0;
        state.error.reset();
        if (requeue) enqueue_at(key, requeue->at);
        // What was said of a refusal is taken back.
        bool const refused = std::exchange(state.refused_since, std::nullopt).has_value();
        if (std::exchange(state.again, false) || refused) enqueue(key);
        if (state.idle()) keys.erase(key);
    }

    Task<void> run(Context outer) {
        async::Scope scope(outer);
        ctx = scope.context();
        counts = Counts(ctx->metrics(), options.name);
        // What was marked before it ran.
        for (Key const& key : queue) keys[key].added = ctx->monotonic();
        counts.adds.add(static_cast<double>(queue.size()));
        counts.depth.add(static_cast<double>(queue.size()));
        events.start(scope);
        // Those that are watched now; others may come while this waits, and decide for themselves.
        std::vector<client::Informer*> const first = needed, also = shown;
        for (client::Informer* informer : first) {
            if (!co_await informer->wait_synced(scope.context())) break;
        }
        for (client::Informer* informer : also) {
            if (!co_await informer->wait_answered(scope.context())) break;
        }
        while (scope.context().check()) {
            while (running < options.concurrency && !queue.empty()) {
                Key key = std::move(queue.front());
                queue.pop_front();
                KeyState& state = keys[key];
                state.queued = false;
                state.running = true;
                ++running;
                counts.depth.add(-1);
                counts.active.add(1);
                counts.queued.record(std::chrono::duration<double>(ctx->monotonic() - state.added).count());
                scope.spawn(work_on(scope.context(), std::move(key)));
            }
            if (!co_await work.wait(scope.context())) break;
        }
        for (auto& [key, state] : keys) clear_timer(state);
        ctx.reset();
        co_await scope.cancel_and_join();
        // The gauges may be shared with others of the same name.
        counts.depth.add(-static_cast<double>(queue.size()));
        counts = {};
    }
};

Controller::Controller(ControllerOptions options, std::unique_ptr<Reconciler> reconciler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(reconciler))) {}

Controller::~Controller() = default;

void Controller::enqueue(Key key) { impl_->enqueue(key); }

void Controller::enqueue_at(Key key, Time when) {
    if (impl_->ctx) impl_->enqueue_at(key, when);
}

void Controller::watch(client::Informer& informer, std::function<std::vector<Key>(json::Doc const&)> keys,
                       std::string part) {
    impl_->watch(informer, std::move(keys), std::move(part));
    impl_->needed.push_back(&informer);
}

void Controller::watch_if_shown(client::Informer& informer, std::function<std::vector<Key>(json::Doc const&)> keys,
                                std::string part) {
    impl_->watch(informer, std::move(keys), std::move(part));
    impl_->shown.push_back(&informer);
}

Task<void> Controller::run(Context ctx) { co_await impl_->run(ctx); }

std::vector<Wait> Controller::waits(Key const& key) const {
    auto const found = impl_->keys.find(key);
    return found == impl_->keys.end() ? std::vector<Wait>() : found->second.waits;
}

std::optional<Error> Controller::last_error(Key const& key) const {
    auto const found = impl_->keys.find(key);
    return found == impl_->keys.end() ? std::nullopt : found->second.error;
}

std::string Controller::refusal(Key const& key) const {
    auto const found = impl_->keys.find(key);
    if (found == impl_->keys.end() || !impl_->ctx) return {};
    KeyState const& state = found->second;
    bool const long_enough = state.refused_since && impl_->ctx->monotonic() - *state.refused_since >= kRefusedForGood;
    return state.error && Impl::is_refusal(*state.error) && long_enough ? state.error->message() : std::string();
}

bool Controller::idle() const { return impl_->queue.empty() && impl_->running == 0; }

}   // namespace aviary::control
