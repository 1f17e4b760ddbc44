#include "network.h"

#include <utility>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/json/parse.h"
#include "kube/meta/status.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;

std::unexpected<Error> lost() { return fail(ErrorCode::kUnavailable, "connection lost"); }

Duration up_to(Context const& ctx, Duration most) {
    return Duration(static_cast<Duration::rep>(ctx.random().unit() * static_cast<double>(most.count())));
}

// Waits while the process stands still; its own timers and stops do not run then either.
Task<bool> thaw(Context ctx, Process const& process) {
    bool const frozen = ctx.monotonic() < process.faults.frozen;
    while (ctx.monotonic() < process.faults.frozen && !process.dead)
        (void)co_await async::sleep_for(Context(ctx.executor()), 100ms);
    co_return frozen;
}

// The caller's context, ended also by the server's death.
class Bound {
public:
    Bound(Context const& ctx, ServerLife const& life)
        : both_(ctx.stop()),
          link_(life.end.token(), [this] { both_.request_stop(); }),
          ctx_(ctx.with_stop(both_.token())) {}
    Context const& context() const { return ctx_; }

private:
    async::StopSource both_;
    async::StopCallback link_;
    Context ctx_;
};

class WireWatch final : public client::WatchStream {
public:
    WireWatch(std::unique_ptr<client::WatchStream> inner, std::shared_ptr<ServerLife> life,
              std::shared_ptr<Process> process, std::string cluster, std::string path, Ear& ear)
        : inner_(std::move(inner)),
          life_(std::move(life)),
          process_(std::move(process)),
          cluster_(std::move(cluster)),
          path_(std::move(path)),
          ear_(ear) {}

    Task<Result<std::optional<json::Doc>>> next(Context ctx) override {
        if (life_->dead) co_return lost();
        Bound bound(ctx, *life_);
        auto event = co_await inner_->next(bound.context());
        co_await thaw(ctx, *process_);
        if (life_->dead || process_->dead || process_->faults.partitioned) co_return lost();
        if (!event || !*event) co_return std::move(event);
        if (ctx.random().unit() < process_->faults.cut_watch) co_return lost();
        if (process_->faults.delay > Duration(0))
            CO_TRY(co_await async::sleep_for(ctx, up_to(ctx, process_->faults.delay)));
        if (process_->dead) co_return lost();
        ear_.delivered(*process_, cluster_, path_, **event);
        co_return std::move(event);
    }

private:
    std::unique_ptr<client::WatchStream> inner_;
    std::shared_ptr<ServerLife> life_;
    std::shared_ptr<Process> process_;
    std::string cluster_;
    std::string path_;
    Ear& ear_;
};

class Wire final : public client::Transport {
public:
    Wire(std::shared_ptr<Server const> server, std::string cluster, std::string user, std::shared_ptr<Process> process,
         Ear& ear)
        : server_(std::move(server)),
          cluster_(std::move(cluster)),
          user_(std::move(user)),
          process_(std::move(process)),
          ear_(ear) {}

    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        bool const write = request.method != "GET";
        if (process_->dead) co_return lost();
        bool const frozen = co_await thaw(ctx, *process_);
        if (frozen) {
            // It has passed every check before this one; only a deadline still speaks up.
            ctx = ctx.without_stop();
            CO_TRY(ctx.check());
        }
        if (write && at(process_->dies_before_write)) {
            process_->die();
            co_return lost();
        }
        ear_.sent(*process_, cluster_, request);
        Faults const& faults = process_->faults;
        Random& random = ctx.random();
        if (faults.delay > Duration(0)) CO_TRY(co_await async::sleep_for(ctx, up_to(ctx, faults.delay)));
        if (process_->dead) co_return lost();
        if (faults.partitioned || random.unit() < faults.lose_request) {
            CO_TRY(co_await async::sleep_for(ctx, 100ms));
            co_return lost();
        }
        if (random.unit() < faults.refuse) co_return refusal(random, write);
        if (request.has_query("watch") && random.unit() < faults.gone)
            co_return answer(Error(ErrorCode::kGone, "too old resource version"));
        std::shared_ptr<ServerLife> const life = *server_;
        if (!life) co_return fail(ErrorCode::kUnavailable, "connection refused");
        bool const twice = write && random.unit() < faults.repeat;
        client::Request const copy = request;
        auto response = co_await carry(ctx, life, std::move(request), false);
        if (!response) co_return std::move(response);
        if (twice) {
            CO_TRY(co_await async::sleep_for(ctx, up_to(ctx, faults.delay)));
            if (!life->dead) (void)co_await carry(ctx, life, copy, true);
        }
        if (write && at(process_->dies_after_write)) process_->die();
        co_await thaw(ctx, *process_);
        if (process_->dead || random.unit() < faults.lose_answer) co_return lost();
        if (response->watch) {
            response->watch =
                std::make_unique<WireWatch>(std::move(response->watch), life, process_, cluster_, copy.path, ear_);
        } else if (faults.delay > Duration(0)) {
            CO_TRY(co_await async::sleep_for(ctx, up_to(ctx, faults.delay)));
        }
        if (process_->dead) co_return lost();
        ear_.answered(*process_, cluster_, copy, *response);
        co_return std::move(response);
    }

private:
    static bool at(int& countdown) { return countdown > 0 && --countdown == 0; }

    Task<Result<client::Response>> carry(Context ctx, std::shared_ptr<ServerLife> life, client::Request request,
                                         bool again) {
        ear_.arrived(*process_, cluster_, request, again);
        bool const write = request.method != "GET";
        Bound bound(ctx, *life);
        ++life->in_flight;
        auto response = co_await life->connect(cluster_, user_)->send(bound.context(), std::move(request));
        --life->in_flight;
        if (life->dead) co_return lost();
        // The answer is on its way when the server dies: what it said must stand.
        if (write && response && response->ok() && at(life->dies_after_write)) life->die();
        co_return std::move(response);
    }

    static client::Response answer(Error const& error) {
        client::Response response;
        response.status = http_status(error.code());
        response.body = json::Doc::freeze(meta::to_status(error));
        return response;
    }
    static client::Response refusal(Random& random, bool write) {
        std::uint64_t const which = random.below(write ? 3 : 2);
        if (which == 0) return answer(Error(ErrorCode::kTooManyRequests, "too many requests").with_retry_after(1s));
        if (which == 1) return answer(Error(ErrorCode::kInternal, "internal error"));
        return answer(
            Error(ErrorCode::kConflict,
                  "the object has been modified; please apply your changes to the latest version and try again"));
    }

    std::shared_ptr<Server const> server_;
    std::string cluster_;
    std::string user_;
    std::shared_ptr<Process> process_;
    Ear& ear_;
};

}   // namespace

std::shared_ptr<client::Transport> make_wire(std::shared_ptr<Server const> server, std::string cluster,
                                             std::string user, std::shared_ptr<Process> process, Ear& ear) {
    return std::make_shared<Wire>(std::move(server), std::move(cluster), std::move(user), std::move(process), ear);
}

}   // namespace aviary::sim
