#include "hub/link/gate.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>

#include "core/async/scope.h"
#include "core/async/turns.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::link {

namespace {

using apis::LinkAnswer;
using apis::LinkHello;
using Connection = std::shared_ptr<http::Http2Connection>;

constexpr Duration kAcceptAgain = std::chrono::milliseconds(100);
constexpr Duration kWarnEvery = std::chrono::minutes(1);

// Its address without the port.
std::string source_of(net::Peer const& peer) { return peer.address.substr(0, peer.address.rfind(':')); }

Task<Result<LinkHello>> ask_hello(Context ctx, Connection connection) {
    http::Request request;
    request.target = std::string(apis::kLinkHello);
    CO_TRY_ASSIGN(http::Response const response, co_await connection->send(ctx, std::move(request), false));
    if (response.status != 200) co_return fail(ErrorCode::kInvalid, "it does not say who it is");
    CO_TRY_ASSIGN(json::Doc const object, json::parse(response.body));
    co_return apis::read_link_hello(object);
}

Task<Status> tell(Context ctx, Connection connection, LinkAnswer answer) {
    http::Request request;
    request.method = "POST";
    request.target = std::string(apis::kLinkAnswer);
    request.headers = {{"Content-Type", "application/json"}};
    request.body = json::write(apis::write_link_answer(answer));
    CO_TRY_ASSIGN(http::Response const response, co_await connection->send(ctx, std::move(request), false));
    if (response.status == 200) co_return Status{};
    co_return fail(ErrorCode::kUnavailable, fmt::format("it does not take the answer: {}", response.body));
}

// Who of the certificate's cluster may stay: what comes of a hello.
struct Outcome {
    LinkAnswer answer;
    bool stays = false;
};

// Of one address.
struct Source {
    explicit Source(std::size_t at_once) : turns(at_once) {}
    std::size_t count = 0;
    async::Turns turns;
};

// Of one connection.
struct Guest {
    std::string cluster;     // whose certificate it has shown; empty: none
    std::string waits_for;   // the cluster that it waits to be, for a person
    std::string ended = "the hub has cut it";
    async::Event leave;   // set: it is to go
};

}   // namespace

struct Gate::Impl {
    std::unique_ptr<net::Listener> listener;
    Links& links;
    Enrolment& enrolment;
    GateLimits limits;
    std::size_t all = 0, unknown = 0, handshakes = 0;
    std::map<std::string, Source> sources;   // of those that have not shaken hands
    std::map<std::string, Guest*> waiting;   // by the cluster
    async::Turns welcomes{limits.max_welcomes};
    std::optional<MonotonicTime> warned;

    // Why there is no place for one more that comes from there; empty: there is.
    std::string full(std::string const& source) const {
        if (all >= limits.max_links) return fmt::format("{} are there", all);
        if (handshakes >= limits.max_handshakes) return fmt::format("{} shake hands", handshakes);
        auto const same = sources.find(source);
        if (same == sources.end() || same->second.count < limits.max_handshakes_of_source) return {};
        return fmt::format("{} from {} shake hands", same->second.count, source);
    }

    void turn_away(Context const& ctx, std::string const& why) {
        if (warned && ctx.monotonic() < *warned + kWarnEvery) return;
        warned = ctx.monotonic();
        ctx.log().warning("connections of agents are turned away", {{"because", why}});
    }

    // It has shown the token, so it does not take the place of those that have yet to.
    Task<Status> let_wait(Context ctx, Connection connection, std::string cluster, Guest& guest, LinkAnswer answer) {
        auto const same = waiting.find(cluster);
        if (same != waiting.end()) {
            same->second->leave.set();
        } else if (waiting.size() >= limits.max_waiting) {
            co_return fail(ErrorCode::kUnavailable, fmt::format("{} agents wait for a person already", waiting.size()));
        }
        waiting[cluster] = &guest;
        guest.waits_for = std::move(cluster);
        --unknown;
        co_return co_await tell(std::move(ctx), std::move(connection), std::move(answer));
    }

    void forget(Guest const& guest) {
        if (!guest.cluster.empty()) return;
        if (guest.waits_for.empty()) {
            --unknown;
        } else if (auto const found = waiting.find(guest.waits_for);
                   found != waiting.end() && found->second == &guest) {
            waiting.erase(found);
        }
    }

    Task<Result<LinkAnswer>> welcome(Context ctx, std::string cluster, LinkHello hello) {
        auto const turn = co_await welcomes.take(ctx);
        if (!turn) co_return std::unexpected(turn.error());
        co_return co_await enrolment.welcome(std::move(ctx), std::move(cluster), std::move(hello));
    }

    Task<Result<Outcome>> greet(Context ctx, Connection connection, Guest& guest) {
        CO_TRY_ASSIGN(LinkHello hello, co_await ask_hello(ctx.with_timeout(limits.hello_timeout), connection));
        Outcome outcome;
        if (guest.cluster.empty()) {
            auto const let = [this, connection, &guest, cluster = hello.cluster](Context inner, LinkAnswer answer) {
                return let_wait(std::move(inner), connection, cluster, guest, std::move(answer));
            };
            Context const limited = ctx.with_timeout(limits.waiting_timeout);
            std::string const named = hello.cluster;
            CO_TRY_ASSIGN(outcome.answer, co_await enrolment.enrol(limited, std::move(hello), let));
            if (outcome.answer.outcome == apis::link_outcome::kRefused)
                links.note_refused(named, outcome.answer.message);
        } else {
            CO_TRY_ASSIGN(outcome.answer, co_await welcome(ctx, guest.cluster, std::move(hello)));
            outcome.stays = outcome.answer.outcome != apis::link_outcome::kRefused;
        }
        CO_TRY(co_await tell(ctx.with_timeout(limits.hello_timeout), connection, outcome.answer));
        co_return outcome;
    }

    // While the connection lives: greets, and keeps what may stay.
    Task<void> attend(Context ctx, Connection connection, Guest& guest) {
        std::string const& cluster = guest.cluster;
        auto const outcome = co_await greet(ctx, connection, guest);
        if (!outcome) {
            if (ctx.check()) {
                ctx.log().warning("an agent is not greeted",
                                  {{"cluster", cluster}, {"error", outcome.error().message()}});
            }
        } else if (outcome->stays && ctx.check()) {   // else it has been removed already
            ctx.log().info("an agent is linked", {{"cluster", cluster}});
            links.add(cluster, guest.leave, connection);
            co_return;
        } else if (outcome->answer.outcome == apis::link_outcome::kRefused) {
            ctx.log().warning("an agent is refused", {{"cluster", cluster}, {"why", outcome->answer.message}});
        }
        guest.leave.set();
    }

    Task<void> drive(Context ctx, Connection connection, Guest& guest) {
        Status const status = co_await connection->run(ctx);
        guest.ended = status ? "its agent has left" : status.error().message();
        guest.leave.set();
    }

    Task<void> keep(Context ctx, std::unique_ptr<net::Stream> stream, Guest& guest) {
        bool const known = !guest.cluster.empty();
        http::Http2Options options;
        options.max_body_bytes = known ? limits.max_answer_bytes : limits.max_hello_bytes;
        auto const connection = std::make_shared<http::Http2Connection>(std::move(stream), options);
        // One member does not take the places of all the others.
        if (known) links.come(guest.cluster, guest.leave, limits.max_of_cluster);
        async::Scope scope(ctx);
        scope.spawn(drive(scope.context(), connection, guest));
        scope.spawn(attend(scope.context(), connection, guest));
        (void)co_await guest.leave.wait(ctx);
        if (known) links.remove(guest.cluster, guest.leave, guest.ended);
        co_await scope.cancel_and_join();
    }

    // Counted from when it is accepted.
    void begin(std::string const& source) {
        ++all;
        ++handshakes;
        ++sources.try_emplace(source, limits.handshakes_of_source_at_once).first->second.count;
    }

    Task<Status> in_turn(Context ctx, net::Stream& stream, async::Turns& turns) {
        auto const turn = co_await turns.take(ctx);
        if (!turn) co_return std::unexpected(turn.error());
        co_return co_await stream.handshake(std::move(ctx));
    }

    Task<bool> shake_hands(Context ctx, net::Stream& stream, std::string source) {
        auto const from = sources.find(source);
        Status const shaken = co_await in_turn(ctx.with_timeout(limits.handshake_timeout), stream, from->second.turns);
        --handshakes;
        if (--from->second.count == 0) sources.erase(from);
        co_return shaken&& stream.protocol() == apis::kLinkProtocol;
    }

    Task<void> serve(Context ctx, std::unique_ptr<net::Stream> stream, std::string source) {
        bool const shaken = co_await shake_hands(ctx, *stream, std::move(source));
        Guest guest;
        if (shaken) guest.cluster = apis::cluster_of_agent(stream->peer().common_name);
        if (shaken && (!guest.cluster.empty() || unknown < limits.max_unknown)) {
            unknown += guest.cluster.empty() ? 1 : 0;
            co_await keep(ctx, std::move(stream), guest);
            forget(guest);
        } else {
            stream->close();
        }
        --all;
    }
};

Gate::Gate(std::unique_ptr<net::Listener> listener, Links& links, Enrolment& enrolment, GateLimits limits)
    : impl_(std::make_unique<Impl>(std::move(listener), links, enrolment, limits)) {}

Gate::~Gate() = default;

Task<void> Gate::run(Context ctx) {
    async::Scope scope(ctx);
    while (ctx.check()) {
        auto stream = co_await impl_->listener->accept(ctx);
        if (!stream) {
            // Out of file descriptors, say.
            (void)co_await async::sleep_for(ctx, kAcceptAgain);
            continue;
        }
        std::string source = source_of((*stream)->peer());
        if (std::string const why = impl_->full(source); !why.empty()) {
            (*stream)->close();
            impl_->turn_away(ctx, why);
            continue;
        }
        impl_->begin(source);
        scope.spawn(impl_->serve(scope.context(), std::move(*stream), std::move(source)));
    }
    impl_->listener->close();
    co_await scope.cancel_and_join();
}

}   // namespace aviary::link
