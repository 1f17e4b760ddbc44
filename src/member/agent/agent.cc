#include "member/agent/agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/http/http2.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/client/informer.h"
#include "kube/meta/object.h"
#include "kube/meta/status.h"
#include "member/agent/verdict.h"

namespace aviary::agent {

namespace {

using apis::LinkAnswer;
using json::Doc;

meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
constexpr Duration kFirstBackoff = std::chrono::milliseconds(100);
// A hub that is back has its members within a second, however long it was away: to dial a port where nobody listens
// costs next to nothing, and where nothing answers at all a dial lasts for ten seconds by itself.
constexpr Duration kShortBackoff = std::chrono::milliseconds(250);
constexpr Duration kShortFor = std::chrono::minutes(1);
constexpr Duration kLastBackoff = std::chrono::milliseconds(600);
constexpr Duration kRefusedBackoff = std::chrono::seconds(60);   // nothing but a person changes that
constexpr Duration kStood = std::chrono::seconds(2);             // a link that did is no failed attempt
constexpr Duration kDialAtMost = std::chrono::seconds(10);
constexpr Duration kWriteAtMost = std::chrono::seconds(10);
constexpr std::uint32_t kMostStreams = 1'000;   // a watch of each kind, and what people ask

http::Response answer_with(int status, json::Value const& body) {
    http::Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", "application/json");
    response.body = json::write(body);
    return response;
}

bool is_watch(std::string_view target) {
    std::size_t const query = target.find('?');
    return query != std::string_view::npos && target.substr(query).contains("watch=true");
}

}   // namespace

struct Agent::Impl {
    client::Client member;
    client::Exchange api;
    Dial dial;
    AgentOptions options;
    client::Informer given_secret;
    async::Event changed;
    std::string problem = "the agent has not dialled yet";
    bool linked = false, refused = false, heard_of_hub = false;
    bool by_token = false;    // though there is a certificate: that was refused
    std::string used_token;   // the last that the hub has answered
    std::string lapsed;       // what is said before why it is refused: that its certificate does not count any more

    Impl(client::Client of_member, client::Exchange to_api, Dial by, AgentOptions with)
        : member(std::move(of_member)),
          api(std::move(to_api)),
          dial(std::move(by)),
          options(std::move(with)),
          given_secret(member, kSecrets, client::only({options.ns, kGivenSecret})) {
        given_secret.on_change([this](client::Change const&) { changed.notify(); });
    }

    Task<Status> keep(Context ctx, Own const& own) const {
        Context const limited = ctx.with_timeout(kWriteAtMost);
        auto done = co_await member.update(limited, kSecrets, write_own(own, options.ns));
        if (!done && done.error().is(ErrorCode::kNotFound))
            done = co_await member.create(limited, kSecrets, write_own(own, options.ns));
        if (!done) co_return std::unexpected(done.error().context(fmt::format("keeping secret {}", kOwnSecret)));
        co_return Status{};
    }

    Task<Result<Own>> own(Context ctx) const {
        auto const secret = co_await member.find(ctx.with_timeout(kWriteAtMost), kSecrets, {options.ns, kOwnSecret});
        if (!secret) co_return std::unexpected(secret.error().context(fmt::format("reading secret {}", kOwnSecret)));
        co_return read_own(*secret);
    }

    // One connection to the hub, from dialling to its end. Ok: at once again.
    Task<Status> attempt(Context ctx, Given given);
    Task<Status> heard(Context ctx, Given const& given, LinkAnswer answer, Own& own);
    // Ends the connection when what was given for it has changed.
    Task<void> mind(Context ctx, Given given, Errand errand, async::Scope& connection);
    Result<Given> given() const { return read_given(given_secret.get({options.ns, kGivenSecret})); }
};

namespace {

// What the hub asks over one connection: who this is, and then the cluster's API.
class LinkHandler final : public http::Handler {
public:
    using Heard = std::function<Task<Status>(Context, LinkAnswer)>;
    LinkHandler(client::Exchange api, std::string const& ns, apis::LinkHello hello, Heard heard)
        : api_(std::move(api)),
          secrets_(fmt::format("/namespaces/{}/secrets", ns)),
          hello_(std::move(hello)),
          heard_(std::move(heard)) {}

    Task<http::Response> handle(Context ctx, http::Request request, net::Peer) override {
        std::string_view const path = http::path_of(request.target);
        if (path == apis::kLinkHello) co_return answer_with(200, apis::write_link_hello(hello_));
        if (path == apis::kLinkAnswer && request.method == "POST") co_return co_await hear(ctx, std::move(request));
        co_return co_await forward(ctx, std::move(request));
    }

private:
    Task<http::Response> hear(Context ctx, http::Request request) {
        auto const object = json::parse(request.body);
        auto answer = object ? apis::read_link_answer(*object) : std::unexpected(object.error());
        if (!answer) co_return answer_with(400, meta::to_status(answer.error()));
        Status const done = co_await heard_(ctx, std::move(*answer));
        if (!done) co_return answer_with(500, meta::to_status(done.error()));
        co_return answer_with(200, json::Value(json::Object()));
    }

    // The hub is whoever the agent is here, whatever it shows; but what the agent keeps is not the hub's.
    Task<http::Response> forward(Context ctx, http::Request request) {
        auto const path = percent_decode(http::path_of(request.target), false);
        if (!path || path->contains(secrets_)) {
            co_return answer_with(
                403, meta::to_status(
                         Error(ErrorCode::kForbidden, "the Secrets beside the agent are not the hub's to read")));
        }
        std::erase_if(request.headers, [](auto const& header) {
            return iequals(header.first, "Authorization") || iequals(header.first, "Host");
        });
        bool const stream = is_watch(request.target);
        auto answer = co_await api_(ctx, std::move(request), stream);
        if (answer) co_return std::move(*answer);
        co_return answer_with(
            503, meta::to_status(
                     Error(ErrorCode::kUnavailable, fmt::format("the agent of {} does not reach its API server: {}",
                                                                hello_.cluster, answer.error().message()))));
    }

    client::Exchange api_;
    std::string secrets_;   // the path of those in the agent's namespace
    apis::LinkHello hello_;
    Heard heard_;
};

}   // namespace

// What the hub says is kept before it is answered.
Task<Status> Agent::Impl::heard(Context ctx, Given const& given, LinkAnswer answer, Own& own) {
    using namespace apis::link_outcome;
    heard_of_hub = true;
    if (answer.outcome == kCertificate) {
        Own next = renewed(own, answer);
        CO_TRY(crypto::life_of({next.certificate, next.key}));
        // Joining with it would begin again at once.
        if (plan_of(given, next, ctx.now()).errand == Errand::kJoin)
            co_return fail(ErrorCode::kInvalid, "the hub's certificate is of another name or over: compare the clocks");
        CO_TRY(co_await keep(ctx, next));
        bool const joined = own.certificate.empty();
        own = std::move(next);
        ctx.log().info("a certificate from the hub", {});
        if (joined) co_return Status{};
    } else if (answer.outcome == kLinked && brings_authority(given, own, answer)) {
        own.authority = answer.authority;
        CO_TRY(co_await keep(ctx, own));
        ctx.log().info("the hub's next authority", {});
    }
    linked = answer.outcome == kLinked || answer.outcome == kCertificate;
    refused = answer.outcome == kRefused;
    std::string said = linked ? std::string() : lapsed + answer.message;
    if (said != problem && linked) ctx.log().info("linked to the hub", {});
    if (said != problem && !linked) ctx.log().warning("not linked to the hub", {{"why", said}});
    problem = std::move(said);
    co_return Status{};
}

Task<void> Agent::Impl::mind(Context ctx, Given given, Errand errand, async::Scope& connection) {
    while (true) {
        auto now = this->given();
        if (now && errand != Errand::kJoin) now->token = given.token;   // it is not shown
        if (now && *now != given) co_return connection.cancel();
        Status const told = co_await changed.wait(ctx);
        if (!told) co_return;
    }
}

Task<Status> Agent::Impl::attempt(Context ctx, Given given) {
    refused = heard_of_hub = false;
    CO_TRY_ASSIGN(Own mine, co_await own(ctx));
    bool const instead = std::exchange(by_token, false);
    std::string const before = problem;
    Plan const plan = instead ? Plan{} : plan_of(given, mine, ctx.now());
    bool const asks = plan.errand != Errand::kLink;
    // What was asked under another name is of no use.
    if (asks && crypto::common_name_of(mine.next_request).value_or("") != apis::agent_name(given.cluster)) {
        CO_TRY_ASSIGN(auto const made, crypto::create_signing_request(apis::agent_name(given.cluster)));
        mine.next_request = made.request_pem;
        mine.next_key = made.key_pem;
        CO_TRY(co_await keep(ctx, mine));
    }
    std::string const lapse = instead ? "" : crypto::lapse(mine.certificate, ctx.now());
    lapsed = lapse.empty() ? "" : fmt::format("the agent's certificate {}; ", lapse);
    if (plan.errand == Errand::kJoin) mine.certificate = mine.key = "";   // kept until there is another
    apis::LinkHello hello{given.cluster, options.cluster_uid, options.version,
                          plan.errand == Errand::kJoin ? given.token : "", asks ? mine.next_request : ""};
    CO_TRY_ASSIGN(auto stream, co_await dial(ctx.with_timeout(kDialAtMost), given, mine));
    if (stream->protocol() != apis::kLinkProtocol) {
        co_return fail(ErrorCode::kUnavailable,
                       fmt::format("{}:{} is no hub's place for agents", given.host, given.port));
    }
    Context const until = plan.errand == Errand::kJoin ? ctx : ctx.with_timeout(plan.until - ctx.now());
    auto const handler = std::make_shared<LinkHandler>(api, options.ns, std::move(hello),
                                                       [this, &given, &mine](Context inner, LinkAnswer answer) {
                                                           return heard(inner, given, std::move(answer), mine);
                                                       });
    http::Http2Limits limits;
    limits.idle_timeout = Duration::zero();
    limits.max_streams = kMostStreams;
    async::Scope connection(until);
    connection.spawn(mind(connection.context(), given, plan.errand, connection));
    Status const ended = co_await http::serve_http2(connection.context(), std::move(stream), handler, limits);
    Ended result{.errand = plan.errand, .instead = instead, .given_changed = connection.cancelled()};
    co_await connection.cancel_and_join();
    result.linked = std::exchange(linked, false);
    result.refused = refused;
    result.heard = heard_of_hub;
    result.certificate = !mine.certificate.empty();
    result.over = !until.check() && ctx.check();
    result.in_order = ended.has_value();
    result.token_left = !given.token.empty() && given.token != used_token;
    Verdict const verdict = verdict_of(result);
    if (verdict.token_answered) used_token = given.token;
    if (verdict.says_what_it_said) problem = before;
    by_token = verdict.next == Next::kByToken;
    if (verdict.next != Next::kLater) co_return Status{};
    if (!ended) co_return ended;
    co_return fail(ErrorCode::kUnavailable, problem.empty() ? "the hub has ended the link" : problem);
}

Agent::Agent(client::Client member, client::Exchange api, Dial dial, AgentOptions options)
    : impl_(std::make_unique<Impl>(std::move(member), std::move(api), std::move(dial), std::move(options))) {}

Agent::~Agent() = default;

std::string Agent::missing() const { return impl_->problem; }

Task<void> Agent::run(Context ctx) {
    Impl& impl = *impl_;
    async::Scope scope(ctx);
    scope.spawn(impl.given_secret.run(scope.context()));
    (void)co_await impl.given_secret.wait_synced(ctx);
    Duration backoff = kFirstBackoff;
    MonotonicTime failing_since = ctx.monotonic();
    while (ctx.check()) {
        auto const given = impl.given();
        if (!given) {
            impl.problem = given.error().message();
            ctx.log().warning("the agent cannot dial", {{"why", impl.problem}});
            (void)co_await impl.changed.wait(ctx);
            continue;
        }
        MonotonicTime const began = ctx.monotonic();
        Status const done = co_await impl.attempt(ctx, *given);
        if (!ctx.check()) break;
        auto const by_now = impl.given();
        if (done || (by_now && *by_now != *given)) continue;
        if (!impl.refused && done.error().message() != impl.problem)
            ctx.log().warning("no link to the hub", {{"why", done.error().message()}});
        impl.problem = done.error().message();
        if (ctx.monotonic() - began > kStood) {
            backoff = kFirstBackoff;
            failing_since = ctx.monotonic();
        }
        Duration const wait = impl.refused ? kRefusedBackoff : backoff;
        bool const lasts = ctx.monotonic() - failing_since > kShortFor;
        backoff = std::min(backoff * 2, lasts ? kLastBackoff : kShortBackoff);
        (void)co_await impl.changed.wait(ctx.with_timeout(ctx.random().around(wait)));
    }
    co_await scope.cancel_and_join();
}

Agent::Dial dial_by(async::AsioExecutor& executor) {
    return [&executor](Context ctx, Given given, Own own) -> Task<Result<std::unique_ptr<net::Stream>>> {
        std::string const authority = own.authority.empty() ? given.authority : given.authority + own.authority;
        CO_TRY_ASSIGN(auto tls, net::TlsClient::create(authority, own.certificate, own.key, false,
                                                       {std::string(apis::kLinkProtocol)}));
        co_return co_await net::connect(ctx, executor, given.host, given.port, std::move(tls));
    };
}

}   // namespace aviary::agent
