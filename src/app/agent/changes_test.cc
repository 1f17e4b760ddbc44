// What changes under an agent or beside it: names, tokens, hubs; and those who break the rules.
#include "app/agent/internal/test_world.h"

namespace aviary::agent {
namespace {

// The name that a cluster was given was not the right one: what it asked under that is of no use under the next.
CO_TEST(Link, AnAgentThatIsGivenAnotherNameAsksAnew) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "bejing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_TRUE(world.sites["beijing"].agent->missing().starts_with("the token of bejing is not the hub's"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.sites["beijing"].agent->missing(), "");
    co_await world.stop();
}

// `aviary join --agent --replace`, or a cluster that left and joins again: a certificate of before does not count.
CO_TEST(Link, ANameThatIsJoinedAnewIsForWhoHasTheToken) {
    observe::set_level(observe::Level::kOff);
    for (char const* next : {"oslo", "beijing"}) {
        World world(ctx);
        CO_ASSERT_OK(co_await world.start());
        CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
        CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
        world.start_agent("beijing");
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        CO_ASSERT_OK(co_await world.at("fleet").remove(ctx, apis::kManagedClusters, {"", "beijing"}));
        CO_ASSERT_OK(co_await world.expect("beijing", "new"));
        world.links.cut("beijing");
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        EXPECT_EQ(world.links.clusters(), 0u);
        EXPECT_TRUE(world.sites["beijing"].agent->missing().starts_with("beijing is to join with its token"))
            << world.sites["beijing"].agent->missing();
        CO_ASSERT_OK(co_await world.give(next, "beijing", "new"));
        if (!world.sites.contains(next)) world.start_agent(next);
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        EXPECT_EQ(world.sites[next].agent->missing(), "");
        auto const cluster = co_await world.at("fleet").get(ctx, apis::kManagedClusters, {"", "beijing"});
        CO_ASSERT_OK(cluster);
        EXPECT_EQ(meta::annotation(*cluster, apis::kClusterUid), std::string("uid-of-") + next);
        EXPECT_EQ(world.links.clusters(), 1u);
        co_await world.stop();
    }
}

// While a link stands, too.
CO_TEST(Link, AHubThatHasMovedIsDialledAtOnce) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    EXPECT_EQ(world.dialled, 2);
    // A token is of no interest to whoever has a certificate.
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "another"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.dialled, 2);
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "another", "other.example.com:7444"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.dialled, 3);
    std::string const reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "yes");
    co_await world.stop();
}

Task<void> drive(Context ctx, http::Http2Connection& connection) { (void)co_await connection.run(ctx); }

// Else it would join, over and over.
CO_TEST(Link, ACertificateThatIsOfNoUseIsNotTaken) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    co_await world.stop_hub();
    Switchboard board;
    world.board = &board;
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    auto stream = co_await board.accept(ctx);
    CO_ASSERT_OK(stream);
    http::Http2Connection connection(std::move(*stream));
    async::Scope scope(ctx);
    scope.spawn(drive(scope.context(), connection));
    http::Request question;
    question.target = std::string(apis::kLinkHello);
    auto const said = co_await connection.send(ctx, std::move(question));
    CO_ASSERT_OK(said);
    auto const hello = apis::read_link_hello(*json::parse(said->body));
    CO_ASSERT_OK(hello);
    struct Case {
        char const* name;
        Time begins;
        int status;
    };
    for (Case const& each :
         {Case{"oslo", ctx.now(), 500}, Case{"beijing", ctx.now() - link::kCertificateLasts - 1h, 500},
          Case{"beijing", ctx.now(), 200}}) {
        auto const certificate = crypto::sign(
            world.authority, hello->request,
            {.common_name = apis::agent_name(each.name), .validity = link::kCertificateLasts}, each.begins);
        CO_ASSERT_OK(certificate);
        http::Request answer;
        answer.method = "POST";
        answer.target = std::string(apis::kLinkAnswer);
        answer.body = json::write(apis::write_link_answer({"Certificate", *certificate, "", ""}));
        auto const taken = co_await connection.send(ctx, std::move(answer));
        CO_ASSERT_OK(taken);
        EXPECT_EQ(taken->status, each.status) << each.name << taken->body;
    }
    co_await scope.cancel_and_join();
    co_await world.stop();
}

// What a hub that was replaced, or whose answer was lost, had begun goes on where it was.
CO_TEST(Link, AnotherHubGoesOnWithWhatAnAgentHasAsked) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.serve_requests());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.edit(kSecrets, {kNs, link::token_name("beijing")}, {"metadata", "annotations"},
                                     Object{{link::kApprove, std::string(link::kManual)}}));
    auto const asked = crypto::create_signing_request(apis::agent_name("beijing"));
    CO_ASSERT_OK(asked);
    apis::LinkHello const hello{"beijing", "uid", "1", "secret", asked->request_pem};
    int waits = 0;
    // A person approves; meanwhile the cluster's object changes, as it does.
    auto const waiting = [&](Context, apis::LinkAnswer) -> Task<Status> {
        ++waits;
        CO_TRY_ASSIGN(Doc const all, co_await world.at("fleet").list(ctx, kRequests));
        CO_TRY(co_await world.edit(apis::kManagedClusters, {"", "beijing"}, {"metadata", "labels"},
                                   Object{{"zone", "north"}}));
        Value condition{Object{{"type", "Approved"}, {"status", "True"}}};
        co_return co_await world.edit(kRequests, meta::key_of(all["items"][0]), {"status", "conditions"},
                                      json::Array{std::move(condition)}, "status");
    };
    auto const first = co_await world.enrolment->enrol(ctx, hello, waiting);
    CO_ASSERT_OK(first);
    EXPECT_EQ(first->outcome, apis::link_outcome::kCertificate) << first->message;
    link::Enrolment next(world.at("fleet"), kNs, world.authority, world.authority.certificate_pem);
    auto const second = co_await next.enrol(ctx, hello, waiting);
    CO_ASSERT_OK(second);
    EXPECT_EQ(second->certificate, first->certificate);
    EXPECT_EQ(waits, 1);
    // And it spends the token, though another let the agent in.
    link::Enrolment last(world.at("fleet"), kNs, world.authority, world.authority.certificate_pem);
    CO_ASSERT_OK(co_await last.welcome(ctx, "beijing", hello));
    auto const token = co_await world.at("fleet").get(ctx, kSecrets, {kNs, link::token_name("beijing")});
    EXPECT_FALSE(token);
    co_await world.stop();
}

// Whether the other end has closed it.
Task<bool> ended(Context ctx, net::Stream& stream) {
    std::vector<char> space(1 << 10);
    while (true) {
        auto const count = co_await stream.read_some(ctx.with_timeout(100ms), space);
        if (!count) co_return false;
        if (*count == 0) co_return true;
    }
}

// One that dials and dials, and never says who it is, leaves the places of others alone.
CO_TEST(Link, AMemberHasSoManyLinksAndNoMore) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    auto const secret = co_await world.at("beijing").get(ctx, kSecrets, {kNs, kOwnSecret});
    CO_ASSERT_OK(secret);
    co_await world.stop_agent("beijing");
    std::size_t const most = link::GateLimits().max_of_cluster;
    std::vector<std::unique_ptr<net::Stream>> lines;
    while (lines.size() < 3 * most) lines.push_back(world.dial(read_own(*secret)));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    std::size_t open = 0;
    for (auto const& line : lines) {
        bool const over = co_await ended(ctx, *line);
        open += over ? 0 : 1;
    }
    EXPECT_EQ(open, most);
    bool const newest = co_await ended(ctx, *lines.back());
    EXPECT_FALSE(newest);
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::agent
