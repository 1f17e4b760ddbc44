#include "hub/link/gate.h"

#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

#include "core/async/scope.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::link {

namespace {

using apis::LinkAnswer;
using apis::LinkHello;
using Connection = std::shared_ptr<http::Http2Connection>;

constexpr Duration kAcceptAgain = std::chrono::milliseconds(100);

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

}   // namespace

struct Gate::Impl {
    std::unique_ptr<net::Listener> listener;
    Links& links;
    Enrolment& enrolment;
    GateLimits limits;
    std::size_t all = 0, unknown = 0;
    std::map<std::string, std::vector<async::Event*>> of_cluster;   // what cuts them, the newest last

    Task<Result<Outcome>> greet(Context ctx, std::string cluster, Connection connection) {
        CO_TRY_ASSIGN(LinkHello hello, co_await ask_hello(ctx.with_timeout(limits.hello_timeout), connection));
        Outcome outcome;
        if (cluster.empty()) {
            auto const waiting = [connection](Context inner, LinkAnswer answer) {
                return tell(inner, connection, std::move(answer));
            };
            CO_TRY_ASSIGN(outcome.answer, co_await enrolment.enrol(ctx, std::move(hello), waiting));
        } else {
            CO_TRY_ASSIGN(outcome.answer, co_await enrolment.welcome(ctx, cluster, std::move(hello)));
            outcome.stays = outcome.answer.outcome != apis::link_outcome::kRefused;
        }
        CO_TRY(co_await tell(ctx.with_timeout(limits.hello_timeout), connection, outcome.answer));
        co_return outcome;
    }

    // While the connection lives: greets, and keeps what may stay.
    Task<void> attend(Context ctx, std::string cluster, Connection connection, async::Event& leave) {
        auto const outcome = co_await greet(ctx, cluster, connection);
        if (!outcome) {
            if (ctx.check()) {
                ctx.log().warning("an agent is not greeted",
                                  {{"cluster", cluster}, {"error", outcome.error().message()}});
            }
        } else if (outcome->stays && ctx.check()) {   // else it has been removed already
            ctx.log().info("an agent is linked", {{"cluster", cluster}});
            links.add(cluster, connection, leave);
            co_return;
        } else if (outcome->answer.outcome == apis::link_outcome::kRefused) {
            ctx.log().warning("an agent is refused", {{"cluster", cluster}, {"why", outcome->answer.message}});
        }
        leave.set();
    }

    Task<void> drive(Context ctx, Connection connection, std::string& ended, async::Event& leave) {
        Status const status = co_await connection->run(ctx);
        ended = status ? "its agent has left" : status.error().message();
        leave.set();
    }

    // One member does not take the places of all the others.
    void come(std::string const& cluster, async::Event& leave) {
        auto& known = of_cluster[cluster];
        known.push_back(&leave);
        if (known.size() > limits.max_of_cluster) known[known.size() - 1 - limits.max_of_cluster]->set();
    }

    void go(std::string const& cluster, async::Event& leave) {
        auto const known = of_cluster.find(cluster);
        std::erase(known->second, &leave);
        if (known->second.empty()) of_cluster.erase(known);
    }

    Task<void> keep(Context ctx, std::unique_ptr<net::Stream> stream, std::string cluster) {
        http::Http2Options options;
        options.max_body_bytes = cluster.empty() ? limits.max_hello_bytes : limits.max_answer_bytes;
        auto const connection = std::make_shared<http::Http2Connection>(std::move(stream), options);
        std::string ended = "the hub has cut it";
        async::Event leave;
        if (!cluster.empty()) come(cluster, leave);
        async::Scope scope(ctx);
        scope.spawn(drive(scope.context(), connection, ended, leave));
        scope.spawn(attend(scope.context(), cluster, connection, leave));
        (void)co_await leave.wait(ctx);
        if (!cluster.empty()) {
            links.remove(cluster, connection, ended);
            go(cluster, leave);
        }
        co_await scope.cancel_and_join();
    }

    Task<void> serve(Context ctx, std::unique_ptr<net::Stream> stream) {
        ++all;
        Status const shaken = co_await stream->handshake(ctx.with_timeout(limits.handshake_timeout));
        std::string cluster = shaken ? apis::cluster_of_agent(stream->peer().common_name) : std::string();
        bool const known = !cluster.empty();
        if (shaken && stream->protocol() == apis::kLinkProtocol && (known || unknown < limits.max_unknown)) {
            unknown += known ? 0 : 1;
            co_await keep(ctx, std::move(stream), std::move(cluster));
            unknown -= known ? 0 : 1;
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
        } else if (impl_->all >= impl_->limits.max_links) {
            (*stream)->close();
        } else {
            scope.spawn(impl_->serve(scope.context(), std::move(*stream)));
        }
    }
    impl_->listener->close();
    co_await scope.cancel_and_join();
}

}   // namespace aviary::link
