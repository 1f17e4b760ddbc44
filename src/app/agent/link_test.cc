// An agent and the hub's gate over lines in memory, against API servers of both: in virtual time.
#include <gtest/gtest.h>

#include <deque>

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "core/async/co_test.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/http/internal/pipe.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/storage/engine.h"
#include "hub/link/gate.h"
#include "kube/apiserver/http_frontend.h"
#include "kube/apiserver/server.h"
#include "kube/client/informer.h"
#include "kube/control/definitions.h"
#include "kube/meta/object.h"
#include "member/agent/agent.h"

namespace aviary::agent {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Object;
using json::Value;

control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};
meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
meta::GroupVersionResource const kRequests{"certificates.k8s.io", "v1", "certificatesigningrequests"};
constexpr char kNs[] = "aviary-system";

// Where lines that are dialled come out.
class Switchboard final : public net::Listener {
public:
    std::uint16_t port() const override { return 0; }
    Task<Result<std::unique_ptr<net::Stream>>> accept(Context ctx) override {
        while (waiting.empty()) CO_TRY(co_await came.wait(ctx));
        std::unique_ptr<net::Stream> stream = std::move(waiting.front());
        waiting.pop_front();
        co_return stream;
    }
    void close() override {}

    std::deque<std::unique_ptr<net::Stream>> waiting;
    async::Event came;
};

// A member with its agent.
struct Site {
    std::unique_ptr<Agent> agent;
    std::unique_ptr<async::Scope> scope;
};

struct World {
    explicit World(Context const& ctx) : scope(ctx) {}

    Task<Status> start() {
        Context const ctx = scope.context();
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {}));
        for (char const* cluster : {"fleet", "beijing", "oslo"}) {
            CO_TRY(co_await server->ensure_cluster(ctx, cluster));
            Value ns{Object{{"apiVersion", "v1"}, {"kind", "Namespace"}}};
            ns.set({"metadata", "name"}, kNs);
            CO_TRY(co_await at(cluster).create(ctx, kNamespaces, std::move(ns)));
        }
        CO_TRY(co_await control::install_definitions(ctx, at("fleet"), apis::crds()));
        CO_TRY_ASSIGN(authority, crypto::create_authority("test", ctx.now()));
        handler = apiserver::http_handler(*server);
        start_hub();
        co_return Status{};
    }
    void start_hub() {
        enrolment = std::make_unique<link::Enrolment>(at("fleet"), kNs, authority);
        auto listener = std::make_unique<Switchboard>();
        board = listener.get();
        gate = std::make_unique<link::Gate>(std::move(listener), links, *enrolment);
        hub_scope = std::make_unique<async::Scope>(scope.context());
        hub_scope->spawn(gate->run(hub_scope->context()));
    }
    Task<void> stop_hub() {
        board = nullptr;
        co_await hub_scope->cancel_and_join();
    }
    Task<void> stop() {
        for (auto& [name, site] : sites) co_await site.scope->cancel_and_join();
        co_await hub_scope->cancel_and_join();
        co_await scope.cancel_and_join();
    }

    client::Client at(std::string const& cluster) { return {server->transport(cluster, kAdmin), "test"}; }
    client::Client through(std::string const& cluster) { return {links.transport(cluster), "hub"}; }

    // What `aviary join NAME --agent` makes on the hub.
    Task<Status> expect(std::string name, std::string token, Duration lasts = 1h) {
        Context const ctx = scope.context();
        Value cluster{Object{{"apiVersion", "cluster.open-cluster-management.io/v1"}, {"kind", "ManagedCluster"}}};
        cluster.set({"metadata", "name"}, name);
        cluster.set({"metadata", "annotations", apis::kLinkAnnotation}, apis::kLinkAgent);
        cluster.set({"spec", "hubAcceptsClient"}, true);
        CO_TRY(co_await at("fleet").create(ctx, apis::kManagedClusters, std::move(cluster)));
        Value secret{Object{{"apiVersion", "v1"}, {"kind", "Secret"}}};
        secret.set({"metadata", "name"}, link::token_name(name));
        secret.set({"metadata", "namespace"}, kNs);
        secret.set({"metadata", "annotations", link::kTokenEnds}, format_rfc3339(ctx.now() + lasts));
        secret.set({"data", "token"}, base64_encode(token));
        CO_TRY(co_await at("fleet").create(ctx, kSecrets, std::move(secret)));
        co_return Status{};
    }
    // And what it makes in the member: `as` is the name it says it has.
    Task<Status> give(std::string member, std::string as, std::string token, std::string hub = "hub.example.com:7444") {
        Value secret{Object{{"apiVersion", "v1"}, {"kind", "Secret"}}};
        secret.set({"metadata", "name"}, kGivenSecret);
        secret.set({"metadata", "namespace"}, kNs);
        secret["data"] = Object{{"hub", base64_encode(hub)},
                                {"ca.crt", base64_encode(authority.certificate_pem)},
                                {"cluster", base64_encode(as)},
                                {"token", base64_encode(token)}};
        client::WriteOptions force;
        force.force = true;
        CO_TRY(co_await at(member).apply(scope.context(), kSecrets, std::move(secret), force));
        co_return Status{};
    }
    // CertificateSigningRequests, as far as a definition goes.
    Task<Status> serve_requests() {
        Value const definition = *json::parse_value(R"({"apiVersion":"apiextensions.k8s.io/v1",
            "kind":"CustomResourceDefinition","metadata":{"name":"certificatesigningrequests.certificates.k8s.io"},
            "spec":{"group":"certificates.k8s.io","scope":"Cluster","names":{"plural":"certificatesigningrequests",
            "singular":"certificatesigningrequest","kind":"CertificateSigningRequest"},"versions":[{"name":"v1",
            "served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object",
            "x-kubernetes-preserve-unknown-fields":true}}}]}})");
        co_return co_await control::install_definitions(scope.context(), at("fleet"), {definition});
    }
    Task<Status> edit(meta::GroupVersionResource resource, meta::ObjectKey key, std::vector<std::string> where,
                      Value what, std::string subresource = "") {
        Value patch{Object()};
        patch.set({where[0], where[1]}, std::move(what));
        client::WriteOptions options;
        options.subresource = std::move(subresource);
        CO_TRY(co_await at("fleet").patch(scope.context(), resource, key, client::PatchType::kMerge, std::move(patch),
                                          options));
        co_return Status{};
    }
    void start_agent(std::string const& member) {
        Site& site = sites[member];
        client::Exchange api = [this, member](Context ctx, http::Request request,
                                              bool) -> Task<Result<http::Response>> {
            request.target = "/clusters/" + member + request.target;
            co_return co_await handler->handle(ctx, std::move(request),
                                               {.common_name = "admin", .organisations = {"system:masters"}});
        };
        site.agent = std::make_unique<Agent>(
            at(member), std::move(api),
            [this](Context, Given, Own own) -> Task<Result<std::unique_ptr<net::Stream>>> {
                if (board == nullptr) co_return fail(ErrorCode::kUnavailable, "nobody listens");
                ++dialled;
                co_return dial(own);
            },
            AgentOptions{kNs, "uid-of-" + member, "1"});
        site.scope = std::make_unique<async::Scope>(scope.context());
        site.scope->spawn(site.agent->run(site.scope->context()));
    }
    Task<void> stop_agent(std::string member) {
        co_await sites[member].scope->cancel_and_join();
        sites.erase(member);
    }
    // TLS would have checked the certificate, and shown whose it is.
    std::unique_ptr<net::Stream> dial(Own const& own) {
        auto [here, there] = http::Pipe::make();
        auto const life = crypto::life_of({own.certificate, own.key});
        there->with_peer({.common_name = life ? life->common_name : ""});
        for (auto* end : {here.get(), there.get()}) end->speak(std::string(apis::kLinkProtocol));
        line = there.get();
        board->waiting.push_back(std::move(there));
        board->came.notify();
        return std::move(here);
    }
    // Whether the hub reaches the member, or why not.
    Task<std::string> reaches(std::string member) {
        auto const answer = co_await through(member).get(scope.context(), kNamespaces, {"", "default"});
        co_return answer ? "yes" : answer.error().message();
    }

    std::unique_ptr<apiserver::ApiServer> server;
    std::shared_ptr<http::Handler> handler;
    crypto::KeyPair authority;
    link::Links links;
    std::unique_ptr<link::Enrolment> enrolment;
    std::unique_ptr<link::Gate> gate;
    Switchboard* board = nullptr;
    http::Pipe* line = nullptr;   // the last, at the hub's end
    int dialled = 0;
    std::map<std::string, Site> sites;
    std::unique_ptr<async::Scope> hub_scope;
    async::Scope scope;
};

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
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
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
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
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
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
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
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    for (Duration const away : {1s, 20s, 50s}) {
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

CO_TEST(Link, CertificatesAreMadeAnewBeforeTheyEnd) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
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

CO_TEST(Link, TheAgentsOwnSecretsAreNotTheHubs) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
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
    CO_ASSERT_OK(co_await world.start());
    CO_ASSERT_OK(co_await world.expect("beijing", "secret"));
    CO_ASSERT_OK(co_await world.give("beijing", "beijing", "secret"));
    world.start_agent("beijing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
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
    link::Enrolment next(world.at("fleet"), kNs, world.authority);
    auto const second = co_await next.enrol(ctx, hello, waiting);
    CO_ASSERT_OK(second);
    EXPECT_EQ(second->certificate, first->certificate);
    EXPECT_EQ(waits, 1);
    // And it spends the token, though another let the agent in.
    link::Enrolment last(world.at("fleet"), kNs, world.authority);
    CO_ASSERT_OK(co_await last.welcome(ctx, "beijing", hello));
    auto const token = co_await world.at("fleet").get(ctx, kSecrets, {kNs, link::token_name("beijing")});
    EXPECT_FALSE(token);
    co_await world.stop();
}

}   // namespace
}   // namespace aviary::agent
