// Joining, linking, and linking again.
#include "app/agent/internal/test_world.h"

namespace aviary::agent {
namespace {

CO_TEST(Link, AnAgentJoinsWithItsTokenOnceAndLinksByItsCertificateFromThenOn) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    std::string reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "no agent of beijing is linked to this hub");
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.sites["beijing"].agent->missing(), "");
    reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "yes");
    EXPECT_EQ(world.dialled, 2);
    auto const token = co_await world.at("fleet").get(ctx, kSecrets, {kNs, link::token_name("beijing")});
    CO_ASSERT_TRUE(!token);
    EXPECT_TRUE(token.error().is(ErrorCode::kNotFound));
    auto const cluster = co_await world.at("fleet").get(ctx, apis::kManagedClusters, {"", "beijing"});
    CO_ASSERT_OK(cluster);
    EXPECT_EQ(meta::annotation(*cluster, apis::kClusterUid), "uid-of-beijing");
    co_await world.stop_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "no agent of beijing is linked to this hub: the peer closed the connection");
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "yes");
    EXPECT_EQ(world.dialled, 3);
    co_await world.stop();
}

CO_TEST(Link, WhoIsNotExpectedIsRefusedAndSaysWhy) {
    observe::set_level(observe::Level::kOff);
    struct Case {
        char const* as;
        char const* token;
        Duration lasts;
        char const* why;
    };
    for (Case const& each : {Case{"beijing", "guess", 1h, "the token of beijing is not the hub's"},
                             Case{"beijing", "", 1h, "the token of beijing is not the hub's"},
                             Case{"beijing", "secret", -1s, "the token of beijing is over"},
                             Case{"oslo", "secret", 1h, "the token of oslo is not the hub's"}}) {
        World world(ctx);
        CO_ASSERT_OK(co_await world.start());
        CO_ASSERT_OK(co_await world.expect("beijing", "secret", each.lasts));
        CO_ASSERT_OK(co_await world.give("beijing", each.as, each.token));
        world.start_agent("beijing");
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        EXPECT_TRUE(world.sites["beijing"].agent->missing().starts_with(each.why))
            << world.sites["beijing"].agent->missing();
        EXPECT_EQ(world.dialled, 1);
        EXPECT_EQ(world.links.clusters(), 0u);
        co_await world.stop();
    }
}

// A token that is brought later is used at once, not when the agent would have asked again.
CO_TEST(Link, ANewTokenWakesTheAgent) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.sites["beijing"].agent->missing(),
              "secret aviary-agent-hub is missing: `aviary join NAME --agent` on the hub makes it");
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "old"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.dialled, 1);
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    std::string const reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "yes");
    co_await world.stop();
}

CO_TEST(Link, AnotherClusterDoesNotTakeOverAName) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    // With the same token, which the hub would take once more, and with the certificate itself.
    auto own = co_await world.at("beijing").get(ctx, kSecrets, {kNs, kOwnSecret});
    CO_ASSERT_OK(own);
    CO_ASSERT_OK(co_await world.at("oslo").create(ctx, kSecrets, write_own(read_own(*own), kNs)));
    CO_ASSERT_OK(co_await world.give("oslo", "beijing", "secret"));
    world.start_agent("oslo");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_TRUE(world.sites["oslo"].agent->missing().starts_with("beijing is another cluster in this fleet"))
        << world.sites["oslo"].agent->missing();
    // Its certificate is of no use under another name, and it has no token of that.
    CO_ASSERT_OK(co_await world.expect("oslo", "other"));
    CO_ASSERT_OK(co_await world.give("oslo", "oslo", "secret"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_TRUE(world.sites["oslo"].agent->missing().starts_with("the token of oslo is not the hub's"));
    EXPECT_EQ(world.links.clusters(), 1u);
    co_await world.stop();
}

CO_TEST(Link, AClusterThatIsNotAcceptedAnyMoreIsRefused) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    CO_ASSERT_OK(co_await world.at("fleet").remove(ctx, apis::kManagedClusters, {"", "beijing"}));
    world.links.cut("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_TRUE(world.sites["beijing"].agent->missing().starts_with("no cluster beijing joins this fleet"))
        << world.sites["beijing"].agent->missing();
    std::string const reached = co_await world.reaches("beijing");
    EXPECT_TRUE(reached.starts_with("no agent of beijing is linked to this hub"));
    co_await world.stop();
}

// The copy of a resource goes on where it was: what did not change is not asked for again.
CO_TEST(Link, AfterACutNothingIsListedAgain) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    client::Informer informer(world.through("beijing"), kConfigMaps);
    async::Scope scope(ctx);
    scope.spawn(informer.run(scope.context()));
    CO_ASSERT_OK(co_await informer.wait_synced(ctx.with_timeout(5s)));
    auto const lists = [&world] {
        std::uint64_t count = 0;
        for (auto const& each : world.server->request_counts()) {
            if (each.cluster == "beijing" && each.resource == "configmaps" && each.verb == "list") count += each.count;
        }
        return count;
    };
    std::uint64_t const before = lists();
    for (bool const hub_restarts : {false, true}) {
        if (hub_restarts) {
            co_await world.stop_hub();
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        } else {
            world.line->close();
        }
        Value map{Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}}};
        map.set({"metadata", "name"}, hub_restarts ? "second" : "first");
        map.set({"metadata", "namespace"}, "default");
        CO_ASSERT_OK(co_await world.at("beijing").create(ctx, kConfigMaps, std::move(map)));
        MonotonicTime const back = ctx.monotonic();
        if (hub_restarts) world.start_hub();
        std::string const name = hub_restarts ? "second" : "first";
        while (!informer.get({"default", name}).exists() && ctx.monotonic() < back + 10s)
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 10ms));
        EXPECT_TRUE(informer.get({"default", name}).exists());
    }
    EXPECT_EQ(lists(), before);
    co_await scope.cancel_and_join();
    co_await world.stop();
}

// A hub that is back has its members within a second.
CO_TEST(Link, AHubThatIsBackIsDialledAtOnce) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    for (Duration const away : {1s, 20s, 50s, 600s, 607s, 613s}) {
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
        co_await world.stop_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, away));
        world.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        std::string const reached = co_await world.reaches("beijing");
        EXPECT_EQ(reached, "yes") << away.count();
    }
    co_await world.stop();
}

// Also one that comes and goes: its store is being mended, say.
CO_TEST(Link, AHubThatComesAndGoesIsDialledAtOnce) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    for (int count = 0; count < 20; ++count) {
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 4s));
        co_await world.stop_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 4s));
        world.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
        std::string const reached = co_await world.reaches("beijing");
        EXPECT_EQ(reached, "yes") << count;
    }
    co_await world.stop();
}

CO_TEST(Link, CertificatesAreMadeAnewBeforeTheyEnd) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    auto const ends = [&]() -> Task<Time> {
        auto const secret = co_await world.at("beijing").get(ctx, kSecrets, {kNs, kOwnSecret});
        Own const own = read_own(*secret);
        co_return crypto::life_of({own.certificate, own.key})->ends;
    };
    Time const first = co_await ends();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, link::kCertificateLasts / 2));
    Time const half = co_await ends();
    EXPECT_EQ(half, first);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, link::kCertificateLasts / 5));
    Time const later = co_await ends();
    EXPECT_GT(later, first + link::kCertificateLasts / 2);
    std::string reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "yes");
    // For as long as it takes: also when the line is cut at last.
    CO_ASSERT_OK(co_await async::sleep_for(ctx, link::kCertificateLasts));
    Time const last = co_await ends();
    EXPECT_GT(last, ctx.now());
    world.line->close();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    reached = co_await world.reaches("beijing");
    EXPECT_EQ(reached, "yes");
    EXPECT_EQ(world.sites["beijing"].agent->missing(), "");
    co_await world.stop();
}

// Down for a season: what it shows counts no more, and its token is spent. Both ends say so, and what to do.
CO_TEST(Link, AnAgentWhoseCertificateIsOverSaysSoAndJoinsAnew) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    co_await world.stop_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, link::kCertificateLasts + 24h));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::string said = world.sites["beijing"].agent->missing();
    EXPECT_TRUE(said.starts_with("the agent's certificate ended at ")) << said;
    EXPECT_TRUE(
        said.ends_with("the token of beijing is not the hub's: `aviary join beijing --agent` on the hub makes "
                       "another"))
        << said;
    said = co_await world.reaches("beijing");
    EXPECT_EQ(said,
              "no agent of beijing is linked to this hub: one without a certificate that counts was refused: the token "
              "of beijing is not the hub's: `aviary join beijing --agent` on the hub makes another");
    // As `aviary join beijing --agent` does, with a token of its own.
    CO_ASSERT_OK(co_await world.admit("beijing", "another"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "another"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    said = co_await world.reaches("beijing");
    EXPECT_EQ(said, "yes");
    EXPECT_EQ(world.sites["beijing"].agent->missing(), "");
    co_await world.stop();
}

// Ahead of the first certificate that is under it: else nobody could be told any more.
CO_TEST(Link, ANextAuthorityIsHeardOfOnEveryLink) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    auto const next = crypto::create_authority("next", ctx.now());
    CO_ASSERT_OK(next);
    std::string const both = world.authority.certificate_pem + next->certificate_pem;
    struct Case {
        std::string more, kept;
    };
    for (Case const& each : {Case{next->certificate_pem, both}, Case{"", world.authority.certificate_pem}}) {
        co_await world.stop_hub();
        world.more_trust = each.more;
        world.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
        std::string const reached = co_await world.reaches("beijing");
        EXPECT_EQ(reached, "yes");
        auto const secret = co_await world.at("beijing").get(ctx, kSecrets, {kNs, kOwnSecret});
        CO_ASSERT_OK(secret);
        Own const own = read_own(*secret);
        EXPECT_EQ(own.authority, each.kept);
        EXPECT_TRUE(crypto::life_of({own.certificate, own.key}));
    }
    co_await world.stop();
}

CO_TEST(Link, TheAgentsOwnSecretsAreNotTheHubs) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start_linked());
    for (char const* path :
         {"/api/v1/namespaces/aviary-system/secrets/aviary-agent", "/api/v1/namespaces/aviary%2dsystem/secrets",
          "/api/v1/namespaces/aviary-system/secret%73?watch=true"}) {
        client::Request request;
        request.path = path;
        auto const answer = co_await world.links.transport("beijing")->send(ctx, std::move(request));
        CO_ASSERT_OK(answer);
        EXPECT_EQ(answer->status, 403) << path;
    }
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::agent
