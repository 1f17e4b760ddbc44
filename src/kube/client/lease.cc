#include "kube/client/lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "kube/meta/object.h"

namespace aviary::client {

// What a lease and its fences know together.
struct Fence::Term {
    Clock const* clock = nullptr;   // of the loop, once the lease runs
    bool gained = false;
    std::uint64_t number = 0;
    MonotonicTime deadline{};

    bool held() const { return gained && clock->monotonic() < deadline; }
};

namespace {

meta::GroupVersionResource const kLeases{"coordination.k8s.io", "v1", "leases"};

std::int64_t whole_seconds(Duration duration) { return std::chrono::ceil<std::chrono::seconds>(duration).count(); }

bool is_read(Request const& request) {
    return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
}

// Stops the write when the fence closes, which every renewal puts off.
Task<void> stop_when_closed(Context ctx, Fence fence, async::Scope& sending) {
    while (fence.open()) {
        Status const slept = co_await async::sleep_until(ctx, fence.closes());
        if (!slept) co_return;
    }
    sending.cancel();
}

class FencedTransport final : public Transport {
public:
    FencedTransport(std::shared_ptr<Transport> inner, Fence fence)
        : inner_(std::move(inner)), fence_(std::move(fence)) {}

    Task<Result<Response>> send(Context ctx, Request request) override {
        if (is_read(request)) {
            Result<Response> answer = co_await inner_->send(ctx, std::move(request));
            co_return answer;
        }
        std::string const what = fmt::format("{} {}", request.method, request.path);
        if (!fence_.open()) {
            co_return fail(
                ErrorCode::kUnavailable,
                fmt::format("{} was not sent: this process does not lead by lease {} any more", what, fence_.lease()));
        }
        // A process that stood still and goes on may not have come to its timers yet: the clock is asked too.
        async::Scope sending(ctx.with_limit([fence = fence_] { return !fence.open(); }));
        sending.spawn(stop_when_closed(sending.context(), fence_, sending));
        Result<Response> answer = co_await inner_->send(sending.context(), std::move(request));
        bool const closed = sending.cancelled();
        co_await sending.cancel_and_join();
        if (!answer && closed && ctx.check()) {
            co_return fail(ErrorCode::kTimeout,
                           fmt::format("{} was given up: lease {} was not renewed meanwhile", what, fence_.lease()));
        }
        co_return answer;
    }

private:
    std::shared_ptr<Transport> inner_;
    Fence fence_;
};

}   // namespace

struct Lease::Impl {
    Impl(Client client, LeaseOptions options) : client(std::move(client)), options(std::move(options)) {}

    Client client;
    LeaseOptions options;
    std::string identity;
    std::shared_ptr<Fence::Term> term = std::make_shared<Fence::Term>();
    async::Event turned;    // notified when it was gained or lost
    json::Doc record;       // as last seen; absent when there is none
    MonotonicTime seen{};   // when it last changed before our eyes
    MonotonicTime renewed{};
    observe::Gauge leading;
    bool named = false;   // the record may say that we hold it
    std::string problem;

    meta::ObjectKey key() const { return {options.ns, options.name}; }
    std::string holder() const { return record.at({"spec", "holderIdentity"}).string(); }

    // Until then the holder of the record may go on.
    MonotonicTime expiry() const {
        std::int64_t const seconds = record.at({"spec", "leaseDurationSeconds"}).as_int();
        return seen + (seconds > 0 ? Duration(std::chrono::seconds(seconds)) : options.duration);
    }
    bool taken(MonotonicTime now) const {
        std::string const who = holder();
        if (who.empty() || who == identity || now >= expiry()) return false;
        return !options.has_ended || !options.has_ended(who);
    }

    void observe(json::Doc next, MonotonicTime now) {
        if (!record.exists() || record["spec"] != next["spec"]) seen = now;
        record = next.detach();
    }

    Task<Status> look(Context ctx) {
        auto answer = co_await client.get(ctx, kLeases, key());
        if (!answer && answer.error().is(ErrorCode::kNotFound)) {
            record = {};
            co_return Status{};
        }
        if (!answer) co_return std::unexpected(answer.error());
        observe(std::move(*answer), ctx.monotonic());
        co_return Status{};
    }

    // The record with us as its holder, on top of what was seen.
    json::Value claim(Time now) const {
        bool const ours = holder() == identity;
        // Others see a renewal only by a change: a clock that stands still must not hide it.
        std::string time = format_rfc3339_micro(now);
        for (int step = 1; time == record.at({"spec", "renewTime"}).as_string(); ++step)
            time = format_rfc3339_micro(now + std::chrono::microseconds(step));
        json::Value spec{json::Object()};
        spec["holderIdentity"] = identity;
        spec["leaseDurationSeconds"] = whole_seconds(options.duration);
        spec["renewTime"] = time;
        if (!ours) {
            spec["acquireTime"] = time;
            spec["leaseTransitions"] =
                record.exists() ? record.at({"spec", "leaseTransitions"}).as_int() + 1 : std::int64_t(0);
        }
        return spec;
    }

    // Writes over the record that was seen, and over no other.
    Task<Status> write(Context ctx, json::Value spec) {
        json::Value object{json::Object()};
        object["spec"] = std::move(spec);
        Result<json::Doc> answer = fail(ErrorCode::kInternal, "not sent");
        if (record.exists()) {
            object.set({"metadata", "resourceVersion"}, meta::resource_version(record));
            answer = co_await client.patch(ctx, kLeases, key(), PatchType::kMerge, std::move(object));
        } else {
            object["apiVersion"] = "coordination.k8s.io/v1";
            object["kind"] = "Lease";
            object.set({"metadata", "name"}, options.name);
            object.set({"metadata", "namespace"}, options.ns);
            answer = co_await client.create(ctx, kLeases, std::move(object));
        }
        if (!answer) co_return std::unexpected(answer.error());
        observe(std::move(*answer), ctx.monotonic());
        co_return Status{};
    }

    Task<Status> claim_record(Context ctx) {
        MonotonicTime const sent = ctx.monotonic();
        named = true;
        CO_TRY(co_await write(ctx, claim(ctx.now())));
        renewed = sent;
        term->deadline = sent + options.duration;
        if (std::exchange(term->gained, true)) co_return Status{};
        ++term->number;
        leading.set(1);
        ctx.log().info("leading", {{"lease", key().to_string()}, {"identity", identity}});
        turned.notify();
        co_return Status{};
    }

    void note(Context const& ctx, Status const& outcome) {
        std::string said = outcome ? std::string() : outcome.error().message();
        if (said == problem) return;
        if (!outcome) ctx.log().warning("the lease does not answer", {{"lease", key().to_string()}, {"error", said}});
        problem = std::move(said);
    }

    void lose(Context const& ctx, std::string_view why) {
        if (!std::exchange(term->gained, false)) return;
        leading.set(0);
        ctx.log().info("leading no more", {{"lease", key().to_string()}, {"because", why}});
        turned.notify();
    }

    // Follows the record of somebody else until it is given up, or has not changed for its duration.
    Task<Status> follow(Context ctx) {
        WatchOptions watching{.ns = options.ns, .field_selector = "metadata.name=" + options.name};
        watching.resource_version = meta::resource_version(record);
        auto stream = co_await client.watch(ctx.with_deadline(expiry()), kLeases, watching);
        if (!stream && taken(ctx.monotonic())) co_return std::unexpected(stream.error());
        while (taken(ctx.monotonic())) {
            auto event = co_await (*stream)->next(ctx.with_deadline(expiry()));
            if (!event && !taken(ctx.monotonic())) break;
            if (!event) co_return std::unexpected(event.error());
            if (!*event) co_return fail(ErrorCode::kUnavailable, "the watch has ended");
            json::Doc const& what = **event;
            std::string_view const type = what["type"].as_string();
            if (type == "ERROR") co_return fail(ErrorCode::kGone, what.at({"object", "message"}).string());
            if (type == "DELETED") record = {};
            if (type == "ADDED" || type == "MODIFIED") observe(what["object"], ctx.monotonic());
        }
        co_return Status{};
    }

    // Until it is ours or the context stops.
    Task<void> compete(Context ctx) {
        // A server that lost its store while it had a request may never answer that one, and the next one at once.
        Duration patience = options.retry_period / 2;
        while (ctx.check() && !term->gained) {
            Status outcome = co_await look(ctx.with_timeout(patience));
            if (!ctx.check()) break;
            note(ctx, outcome);
            if (outcome) {
                bool const free = !taken(ctx.monotonic());
                if (free) {
                    outcome = co_await claim_record(ctx.with_timeout(patience));
                } else {
                    named = false;
                    outcome = co_await follow(ctx);
                }
                if (outcome) continue;
            }
            if (!ctx.check()) break;
            ctx.log().debug("not leading", {{"lease", key().to_string()}, {"because", outcome.error().message()}});
            if (outcome.error().is(ErrorCode::kTimeout)) {
                patience = std::min(2 * patience, options.renew_deadline);
                continue;
            }
            // Spread, so that candidates do not go in step; soon, since nobody leads while the server is away.
            (void)co_await async::sleep_for(ctx, ctx.random().around(options.retry_period / 4));
        }
    }

    // One renewal. Gone is for good: the record is somebody else's, or nobody's.
    Task<Status> renew(Context ctx) {
        Status outcome = co_await claim_record(ctx);
        if (outcome) co_return outcome;
        if (!outcome.error().is(ErrorCode::kConflict) && !outcome.error().is(ErrorCode::kNotFound)) co_return outcome;
        // Changed by an earlier renewal whose answer was lost, by a person, or by who took it over.
        CO_TRY(co_await look(ctx));
        std::string const who = holder();
        if (who != identity) {
            co_return fail(ErrorCode::kGone,
                           who.empty() ? "the record was taken away" : fmt::format("{} holds it", who));
        }
        outcome = co_await claim_record(ctx);
        co_return outcome;
    }

    // Until it is lost or the context stops.
    Task<void> hold(Context ctx) {
        Duration wait = options.retry_period;
        while (ctx.check()) {
            MonotonicTime const give_up = renewed + options.renew_deadline;
            (void)co_await async::sleep_for(ctx.with_deadline(give_up), wait);
            if (!ctx.check()) co_return;
            if (ctx.monotonic() >= give_up) {
                lose(ctx, "it could not be renewed in time");
                co_return;
            }
            // Half of the time, so that one answer that is lost leaves time for another try.
            Status const outcome = co_await renew(ctx.with_deadline(give_up).with_timeout(options.renew_deadline / 2));
            wait = outcome ? options.retry_period : options.retry_period / 4;
            if (outcome) problem.clear();
            if (outcome || !ctx.check()) continue;
            if (outcome.error().is(ErrorCode::kGone)) {
                lose(ctx, outcome.error().message());
                co_return;
            }
            ctx.log().warning("lease not renewed",
                              {{"lease", key().to_string()}, {"error", outcome.error().message()}});
        }
    }

    // So that others need not wait. Nobody relies on it here any more.
    Task<void> release(Context ctx) {
        for (int attempt = 0; attempt < 2; ++attempt) {
            if (attempt > 0 || !record.exists()) {
                Status const seen_now = co_await look(ctx);
                if (!seen_now) co_return;
            }
            if (holder() != identity) co_return;
            json::Value spec{json::Object()};
            spec["holderIdentity"] = json::Value();
            spec["leaseDurationSeconds"] = 1;
            std::string const time = format_rfc3339_micro(ctx.now());
            spec["acquireTime"] = time;
            spec["renewTime"] = time;
            Status const outcome = co_await write(ctx, std::move(spec));
            if (outcome) co_return;
            if (!outcome.error().is(ErrorCode::kConflict)) {
                ctx.log().info("lease not released",
                               {{"lease", key().to_string()}, {"error", outcome.error().message()}});
                co_return;
            }
        }
    }

    Task<void> run(Context ctx) {
        term->clock = &ctx.clock();
        leading = ctx.metrics().gauge("leader_election_master_status", "1 while this process leads by the lease.",
                                      {{"name", options.name}});
        leading.set(0);
        if (identity.empty()) identity = options.identity + "_" + ctx.random().uuid();
        while (ctx.check()) {
            co_await compete(ctx);
            if (term->gained) co_await hold(ctx);
        }
        lose(ctx, "it is being released");
        if (std::exchange(named, false)) co_await release(ctx.without_stop().with_timeout(options.retry_period));
    }
};

Result<std::unique_ptr<Lease>> Lease::create(Client client, LeaseOptions options) {
    if (options.ns.empty() || options.name.empty() || options.identity.empty())
        return fail(ErrorCode::kInvalid, "a lease needs a namespace, a name and an identity");
    if (options.retry_period <= Duration(0) || options.renew_deadline <= options.retry_period ||
        options.duration <= options.renew_deadline) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("lease duration {} must be longer than the renew deadline {}, and that longer than the "
                                "retry period {}",
                                format_duration(options.duration), format_duration(options.renew_deadline),
                                format_duration(options.retry_period)));
    }
    return std::unique_ptr<Lease>(new Lease(std::make_unique<Impl>(std::move(client), std::move(options))));
}

Lease::Lease(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lease::~Lease() = default;

Task<void> Lease::run(Context ctx) { co_await impl_->run(ctx); }

bool Lease::held() const { return impl_->term->held(); }
MonotonicTime Lease::deadline() const { return impl_->term->deadline; }
std::uint64_t Lease::term() const { return impl_->term->number; }

Task<Status> Lease::wait_held(Context ctx) {
    while (!held()) CO_TRY(co_await impl_->turned.wait(ctx));
    co_return Status{};
}

Task<Status> Lease::wait_lost(Context ctx, std::uint64_t term) {
    while (held() && this->term() == term) CO_TRY(co_await impl_->turned.wait(ctx));
    co_return Status{};
}

LeaseOptions const& Lease::options() const { return impl_->options; }
std::string const& Lease::identity() const { return impl_->identity; }
std::string Lease::holder() const { return impl_->holder(); }
std::string Lease::problem() const { return impl_->problem; }

Fence Lease::fence(Duration margin) const { return {impl_->term, margin, impl_->key().to_string()}; }

Fence::Fence(std::shared_ptr<Term const> term, Duration margin, std::string lease)
    : term_(std::move(term)), number_(term_->number), margin_(margin), lease_(std::move(lease)) {}

MonotonicTime Fence::closes() const { return term_->deadline - margin_; }

bool Fence::open() const { return number_ == term_->number && term_->held() && term_->clock->monotonic() < closes(); }

std::shared_ptr<Transport> fenced(std::shared_ptr<Transport> transport, Fence fence) {
    return std::make_shared<FencedTransport>(std::move(transport), std::move(fence));
}

Client fenced(Client const& client, Fence fence) { return client.over(fenced(client.transport(), std::move(fence))); }

namespace {

// Ends the term when the lease is lost; ends itself with the term.
Task<void> end_when_lost(Context ctx, Lease& lease, std::uint64_t number, async::Scope& term) {
    Status const lost = co_await lease.wait_lost(ctx, number);
    if (lost) term.cancel();
}

Task<void> run_body(Task<void> body, async::Scope& term, bool& ended) {
    co_await std::move(body);
    ended = true;
    term.cancel();
}

}   // namespace

Task<void> run_as_leader(Context ctx, Lease& lease, std::function<Task<void>(Context)> body) {
    // Without the stop: the lease is kept until the body has ended.
    async::Scope keeping(ctx.without_stop());
    keeping.spawn(lease.run(keeping.context()));
    bool done = false;
    while (!done && ctx.check()) {
        Status const gained = co_await lease.wait_held(ctx);
        if (!gained) break;
        std::uint64_t const number = lease.term();
        async::Scope term(ctx);
        bool ended = false;
        term.spawn(run_body(body(term.context()), term, ended));
        term.spawn(end_when_lost(term.context(), lease, number, term));
        co_await term.join();
        // A body that ended because it was told to has not ended by itself.
        done = ended && lease.held() && lease.term() == number;
    }
    co_await keeping.cancel_and_join();
}

}   // namespace aviary::client
