#include "hub/clusters/members.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::clusters {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};
control::UserInfo const kHubUser{"hub", {"system:masters"}, {}};
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
meta::GroupVersionResource const kWidgets{"example.com", "v1", "widgets"};
meta::GroupVersionResource const kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

struct Network {
    bool up = true;
    bool connects = true;
    bool silent = false;   // takes what it is asked, and does not answer
    std::string why = "no route";
    int connected = 0;
    int requests = 0;
    std::string forbidden;                             // what begins with this path
    std::string unready;                               // what /readyz says with status 500
    std::function<Task<void>(Context)> before_patch;   // once
};

class Wire final : public client::Transport {
public:
    Wire(std::shared_ptr<client::Transport> inner, Network& network) : inner_(std::move(inner)), network_(network) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        ++network_.requests;
        if (!network_.up) co_return fail(ErrorCode::kUnavailable, network_.why);
        if (network_.silent) CO_TRY(co_await async::sleep_for(ctx, 1h));
        if (!network_.forbidden.empty() && request.path.starts_with(network_.forbidden))
            co_return fail(ErrorCode::kForbidden, request.path + " is forbidden");
        if (!network_.unready.empty() && request.path == "/readyz") {
            client::Response response;
            response.status = 500;
            response.content_type = "text/plain";
            response.raw_body = network_.unready;
            co_return response;
        }
        if (request.method == "PATCH" && network_.before_patch)
            co_await std::exchange(network_.before_patch, nullptr)(ctx);
        auto response = co_await inner_->send(ctx, std::move(request));
        if (response && response->watch)
            response->watch = std::make_unique<Stream>(std::move(response->watch), network_);
        co_return response;
    }

private:
    // Breaks with the network.
    class Stream final : public client::WatchStream {
    public:
        Stream(std::unique_ptr<client::WatchStream> inner, Network& network)
            : inner_(std::move(inner)), network_(network) {}
        Task<Result<std::optional<Doc>>> next(Context ctx) override {
            while (network_.up && ctx.check()) {
                auto event = co_await inner_->next(ctx.with_timeout(100ms));
                if (event || !event.error().is(ErrorCode::kTimeout)) co_return event;
            }
            CO_TRY(ctx.check());
            co_return fail(ErrorCode::kUnavailable, "connection lost");
        }

    private:
        std::unique_ptr<client::WatchStream> inner_;
        Network& network_;
    };

    std::shared_ptr<client::Transport> inner_;
    Network& network_;
};

// A hub with the registry, and clusters that it reaches over wires that may be cut.
struct Fleet {
    explicit Fleet(Context ctx) : scope(ctx) {}

    Task<Status> start() {
        Context const ctx = scope.context();
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {}));
        for (char const* cluster : {"beijing", "oslo"}) CO_TRY(co_await server->ensure_cluster(ctx, cluster));
        for (Value const& crd : apis::crds()) {
            if (crd.at({"spec", "names", "plural"}).as_string() != "managedclusters") continue;
            CO_TRY(co_await at("fleet").create(ctx, kCrds, crd));
        }
        start_members();
        co_return Status{};
    }
    void start_members() {
        members = std::make_unique<Members>(
            client::Client(std::make_shared<Wire>(server->transport("fleet", kHubUser), hub), "aviary-hub"),
            [this](Doc const& object) -> Result<std::shared_ptr<client::Transport>> {
                std::string const name = meta::name(object);
                Network& network = networks[name];
                if (!network.connects) return fail(ErrorCode::kNotFound, "its Secret is missing");
                ++network.connected;
                return std::make_shared<Wire>(server->transport(name, kHubUser), network);
            },
            "aviary-system");
        members->on_standing([this](Member& member) {
            heard.push_back(fmt::format("{} {}", member.name(), member.reachable() ? "answers" : "does not"));
        });
        members_scope = std::make_unique<async::Scope>(scope.context());
        members_scope->spawn(members->run(members_scope->context()));
    }
    Task<void> stop_members() {
        co_await members_scope->cancel_and_join();
        members.reset();
    }
    Task<void> stop() {
        co_await stop_members();
        co_await scope.cancel_and_join();
    }

    client::Client at(std::string const& cluster) const {
        return client::Client(server->transport(cluster, kAdmin), "test");
    }
    Task<Status> add(std::string name, bool accepted = true) {
        Value object = *json::parse_value(fmt::format(
            R"({{"apiVersion":"cluster.open-cluster-management.io/v1","kind":"ManagedCluster","metadata":{{"name":"{}"}},
            "spec":{{"hubAcceptsClient":{},"managedClusterClientConfigs":[{{"url":"https://one"}}]}}}})",
            name, accepted));
        CO_TRY(co_await at("fleet").create(scope.context(), apis::kManagedClusters, std::move(object)));
        co_return co_await async::sleep_for(scope.context(), 100ms);
    }
    Task<Status> edit(std::string name, std::string patch) {
        CO_TRY(co_await at("fleet").patch(scope.context(), apis::kManagedClusters, {"", name},
                                          client::PatchType::kMerge, *json::parse_value(patch)));
        co_return co_await async::sleep_for(scope.context(), 100ms);
    }
    // What a member's controller says of itself.
    Task<Status> announce(std::string name, std::string version) {
        apis::Controller const controller{"aviary", std::move(version), {"a", "b"}};
        client::Client const client = at(name);
        CO_TRY_ASSIGN(Doc const ns, co_await client.find(scope.context(), kNamespaces, {"", "aviary-system"}));
        if (!ns.exists()) {
            Value object = *json::parse_value(R"({"metadata":{"name":"aviary-system"}})");
            CO_TRY(co_await client.create(scope.context(), kNamespaces, std::move(object)));
        }
        CO_TRY(co_await client.apply(scope.context(), {"", "v1", "configmaps"},
                                     apis::write_controller_record("aviary-system", controller)));
        co_return Status{};
    }
    // "region=north rollouts.aviary.dev/controller=aviary "
    Task<std::string> claims(std::string name) {
        auto const object = co_await at("fleet").get(scope.context(), apis::kManagedClusters, {"", name});
        std::string text;
        if (!object) co_return text;
        for (auto const& [index, each] : object->at({"status", "clusterClaims"}).elements())
            text += each["name"].string() + "=" + each["value"].string() + " ";
        co_return text;
    }
    Task<void> claim(std::string name, std::string text) {
        client::WriteOptions options;
        options.subresource = "status";
        (void)co_await at("fleet").patch(scope.context(), apis::kManagedClusters, {"", name}, client::PatchType::kMerge,
                                         *json::parse_value(R"({"status":{"clusterClaims":)" + text + "}}"), options);
    }
    // "True/ManagedClusterAvailable since 00:00:10 after the start"
    Task<Doc> condition(std::string name, std::string_view type) {
        auto const object = co_await at("fleet").get(scope.context(), apis::kManagedClusters, {"", name});
        co_return object ? meta::condition(*object, type) : Doc();
    }
    Task<std::string> available(std::string name) {
        Doc const found = co_await condition(name, apis::kClusterAvailable);
        co_return found["status"].string() + "/" + found["reason"].string();
    }
    std::uint64_t writes() const {
        std::uint64_t count = 0;
        for (auto const& each : server->request_counts()) {
            if (each.user == kHubUser.name && each.verb == "patch") count += each.count;
        }
        return count;
    }

    async::Scope scope;
    std::unique_ptr<apiserver::ApiServer> server;
    Network hub;
    std::map<std::string, Network> networks;
    std::vector<std::string> heard;
    std::unique_ptr<Members> members;
    std::unique_ptr<async::Scope> members_scope;
};

using Heard = std::vector<std::string>;

CO_TEST(Members, SaysWhetherTheyAnswerWhenThatChanges) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    std::string text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "True/ManagedClusterAvailable");
    for (std::string_view type : {apis::kHubAccepted, apis::kClusterJoined}) {
        Doc const found = co_await fleet.condition("beijing", type);
        EXPECT_EQ(found["status"].as_string(), "True") << type;
    }
    Member* const member = fleet.members->find("beijing");
    CO_ASSERT_TRUE(member != nullptr);
    EXPECT_TRUE(member->reachable());
    EXPECT_EQ(member->version(), "v1.32.0");
    EXPECT_EQ(fleet.heard, Heard{"beijing answers"});
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1h));
    EXPECT_EQ(fleet.writes(), 1u) << "once, however often it is asked";

    fleet.networks["beijing"].up = false;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 11s));
    text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "False/ClusterUnreachable");
    Doc const problem = co_await fleet.condition("beijing", apis::kClusterAvailable);
    EXPECT_NE(problem["message"].as_string().find("no route"), std::string_view::npos);
    Doc const joined = co_await fleet.condition("beijing", apis::kClusterJoined);
    EXPECT_EQ(joined["status"].as_string(), "True") << "it has not left";
    EXPECT_FALSE(member->reachable());
    Time const since = member->since();
    EXPECT_GT(since + 11s, ctx.now());
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10min));
    EXPECT_EQ(member->since(), since);
    EXPECT_EQ(fleet.writes(), 2u);
    EXPECT_EQ(member->problem(), "no route");

    // It is there, and takes us for nobody.
    fleet.networks["beijing"].why = "the credentials have ended";
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    Doc const other = co_await fleet.condition("beijing", apis::kClusterAvailable);
    EXPECT_EQ(other["message"].as_string(), "the credentials have ended");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10min));
    EXPECT_EQ(fleet.writes(), 3u);
    EXPECT_EQ(member->since(), since);

    fleet.networks["beijing"].up = true;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "True/ManagedClusterAvailable");
    EXPECT_EQ(fleet.heard, (Heard{"beijing answers", "beijing does not", "beijing answers"}));
    EXPECT_EQ(fleet.writes(), 4u);
    EXPECT_EQ(member->problem(), "");
    co_await fleet.stop();
}

CO_TEST(Members, SaysOfOneThatIsSilentHowLongItWasWaitedFor) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    fleet.networks["beijing"].silent = true;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 16s));
    std::string const text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "False/ClusterUnreachable");
    EXPECT_EQ(fleet.members->find("beijing")->problem(), "no answer within 5 s");
    co_await fleet.stop();
}

// An API server without its etcd answers what it knows by heart, and to no write.
CO_TEST(Members, OneThatIsNotReadyDoesNotCountAsThere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    Network& network = fleet.networks["beijing"];
    network.unready =
        "[+]ping ok\n[-]etcd failed: reason withheld\n[-]etcd-readiness failed: reason withheld\n"
        "readyz check failed\n";
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 11s));
    std::string text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "False/ClusterUnreachable");
    Member* const member = fleet.members->find("beijing");
    CO_ASSERT_TRUE(member != nullptr);
    EXPECT_EQ(member->problem(), "its API server is not ready: etcd, etcd-readiness");
    network.unready = "no healthy\nupstream\n";   // of what stands before it
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 11s));
    EXPECT_EQ(member->problem(), "the server answered with status 500: no healthy upstream");
    network.unready.clear();
    network.forbidden = "/readyz";   // how it is, is its own affair
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "True/ManagedClusterAvailable");
    co_await fleet.stop();
}

// However long it was away: the probe that is answered wakes the copies, and a watch that breaks wakes the probe.
CO_TEST(Members, CopiesAreRightAsSoonAsOneIsBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    Member& member = *fleet.members->find("beijing");
    fleet.members->want(member, kNamespaces);
    fleet.members->want_labelled(member, kNamespaces, "team=a", [](client::Informer&) {});
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    for (Duration const away : {Duration(3s), Duration(1min), Duration(1h)}) {
        fleet.networks["beijing"].up = false;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 500ms));
        EXPECT_FALSE(member.reachable()) << "it need not wait for the next probe";
        std::string const name = fmt::format("after-{}", away.count());
        CO_ASSERT_OK(co_await fleet.at("beijing").create(
            ctx, kNamespaces,
            *json::parse_value(fmt::format(R"({{"metadata":{{"name":"{}","labels":{{"team":"a"}}}}}})", name))));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, away));
        EXPECT_FALSE(member.get(kNamespaces, {"", name}).exists());
        int const asked = fleet.networks["beijing"].requests;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        EXPECT_LE(fleet.networks["beijing"].requests, asked + 25) << "in ten seconds";
        fleet.networks["beijing"].up = true;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 1100ms));
        EXPECT_TRUE(member.reachable());
        EXPECT_TRUE(member.get(kNamespaces, {"", name}).exists()) << away.count();
        EXPECT_TRUE(member.labelled(kNamespaces, "team=a")->get({"", name}).exists()) << away.count();
    }
    co_await fleet.stop();
}

CO_TEST(Members, AnotherHubAddsNothingToWhatIsSaid) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    co_await fleet.stop_members();
    fleet.start_members();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    EXPECT_TRUE(fleet.members->find("beijing")->reachable());
    EXPECT_EQ(fleet.writes(), 1u);
    co_await fleet.stop();
}

// What the hub before has said stays, until its agent has had the time to dial this one.
CO_TEST(Members, OneWhoseAgentDialsIsGivenTheTime) {
    for (bool const comes : {true, false}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.start());
        CO_ASSERT_OK(co_await fleet.add("beijing"));
        CO_ASSERT_OK(
            co_await fleet.edit("beijing", R"({"metadata":{"annotations":{"fleet.aviary.dev/link":"Agent"}}})"));
        co_await fleet.stop_members();
        fleet.networks["beijing"].up = false;
        std::uint64_t const before = fleet.writes();
        fleet.start_members();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 9s));
        EXPECT_FALSE(fleet.members->find("beijing")->reachable());
        EXPECT_EQ(fleet.members->find("beijing")->problem(), "no route") << "whoever asks is told meanwhile";
        EXPECT_EQ(fleet.writes(), before);
        fleet.networks["beijing"].up = comes;
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        std::string const text = co_await fleet.available("beijing");
        EXPECT_EQ(text, comes ? "True/ManagedClusterAvailable" : "False/ClusterUnreachable");
        EXPECT_EQ(fleet.writes(), before + (comes ? 0 : 1));
        co_await fleet.stop();
    }
}

CO_TEST(Members, WhatCouldNotBeSaidIsSaidLater) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    fleet.networks["beijing"].up = false;
    fleet.hub.up = false;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 15s));
    std::string text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "True/ManagedClusterAvailable");
    fleet.hub.up = true;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 15s));
    text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "False/ClusterUnreachable");
    co_await fleet.stop();
}

CO_TEST(Members, SaysWhichControllerRunsThere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.announce("beijing", "0.1.0"));
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    std::string text = co_await fleet.claims("beijing");
    EXPECT_EQ(text,
              "rollouts.aviary.dev/controller=aviary rollouts.aviary.dev/controller-version=0.1.0 "
              "rollouts.aviary.dev/capabilities=a,b kubeversion.open-cluster-management.io=v1.32.0 ");
    Doc supported = co_await fleet.condition("beijing", apis::kControllerSupported);
    EXPECT_EQ(supported["status"].as_string(), "True");
    EXPECT_EQ(fleet.members->find("beijing")->controller_problem(), "");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10min));
    EXPECT_EQ(fleet.writes(), 1u);

    // Another program leads there: that is seen though nothing else changes.
    CO_ASSERT_OK(co_await fleet.announce("beijing", "77.0.0"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 75s));
    text = co_await fleet.claims("beijing");
    EXPECT_NE(text.find("controller-version=77.0.0 "), std::string::npos) << text;
    supported = co_await fleet.condition("beijing", apis::kControllerSupported);
    EXPECT_EQ(supported["reason"].as_string(), "ControllerTooNew");
    EXPECT_EQ(fleet.members->find("beijing")->controller_problem(), supported["message"].as_string());
    EXPECT_EQ(fleet.writes(), 2u);

    // While it does not answer it is as it was.
    fleet.networks["beijing"].up = false;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5min));
    std::string const away = co_await fleet.claims("beijing");
    EXPECT_EQ(away, text);
    co_await fleet.stop();
}

// OCM's agents write the whole list; whoever came first, nobody's claims are lost, and nobody is answered.
CO_TEST(Members, ClaimsOfOthersStay) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    fleet.hub.before_patch = [&fleet](Context) -> Task<void> {
        co_await fleet.claim("beijing", R"([{"name":"region","value":"north"}])");
    };
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    std::string text = co_await fleet.claims("beijing");
    EXPECT_EQ(text, "region=north kubeversion.open-cluster-management.io=v1.32.0 ");
    std::uint64_t const before = fleet.writes();
    co_await fleet.claim("beijing", R"([{"name":"region","value":"south"}])");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10min));
    EXPECT_EQ(fleet.writes(), before) << "an agent that writes only its own is left alone";
    CO_ASSERT_OK(co_await fleet.announce("beijing", "0.1.0"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 75s));
    text = co_await fleet.claims("beijing");
    EXPECT_TRUE(text.starts_with("region=south rollouts.aviary.dev/controller=aviary ")) << text;
    EXPECT_EQ(fleet.writes(), before + 1);
    co_await fleet.stop();
}

// An identity that an earlier `aviary join` made.
CO_TEST(Members, WhatMayNotBeReadIsNotKnown) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    fleet.networks["beijing"].forbidden = "/api/v1/namespaces/aviary-system";
    fleet.networks["oslo"].forbidden = "/apis/admissionregistration.k8s.io";
    CO_ASSERT_OK(co_await fleet.announce("oslo", "0.1.0"));
    for (char const* name : {"beijing", "oslo"}) CO_ASSERT_OK(co_await fleet.add(name));
    Doc known = co_await fleet.condition("beijing", apis::kControllerSupported);
    EXPECT_EQ(known["status"].as_string(), "Unknown");
    EXPECT_NE(known["message"].as_string().find("join again"), std::string_view::npos) << known["message"].as_string();
    std::string const available = co_await fleet.available("beijing");
    EXPECT_EQ(available, "True/ManagedClusterAvailable");
    known = co_await fleet.condition("oslo", apis::kControllerSupported);
    EXPECT_EQ(known["status"].as_string(), "True") << "the record is enough";
    co_await fleet.stop();
}

CO_TEST(Members, KruisesControllerIsFoundWhereHelmHasPutIt) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    for (char const* ns : {"kruise-rollout", "elsewhere"}) {
        CO_ASSERT_OK(co_await fleet.at("beijing").create(
            ctx, kNamespaces, *json::parse_value(fmt::format(R"({{"metadata":{{"name":"{}"}}}})", ns))));
        std::string const version = ns == std::string("elsewhere") ? "v0.6.1" : "v0.6.2";
        CO_ASSERT_OK(co_await fleet.at("beijing").create(
            ctx, {"apps", "v1", "deployments"},
            *json::parse_value(fmt::format(
                R"({{"metadata":{{"name":"kruise-rollout-controller-manager","namespace":"{}"}},
                "spec":{{"selector":{{"matchLabels":{{"app":"k"}}}},"template":{{"metadata":{{"labels":{{"app":"k"}}}},
                "spec":{{"containers":[{{"name":"manager","image":"openkruise/kruise-rollout:{}"}}]}}}}}}}})",
                ns, version))));
    }
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    Doc supported = co_await fleet.condition("beijing", apis::kControllerSupported);
    EXPECT_EQ(supported["message"].as_string(), "Kruise Rollouts 0.6.2");
    CO_ASSERT_OK(co_await fleet.at("beijing").create(
        ctx, {"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"},
        *json::parse_value(
            R"({"metadata":{"name":"kruise-rollout-mutating-webhook-configuration"},"webhooks":[{"name":"a.kruise.io",
            "admissionReviewVersions":["v1"],"sideEffects":"None","clientConfig":{"service":{"namespace":"elsewhere","name":"w"}}}]})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 75s));
    supported = co_await fleet.condition("beijing", apis::kControllerSupported);
    EXPECT_EQ(supported["reason"].as_string(), "ControllerTooOld");
    std::string const text = co_await fleet.claims("beijing");
    EXPECT_EQ(text,
              "rollouts.aviary.dev/controller=kruise-rollouts rollouts.aviary.dev/controller-version=0.6.1 "
              "kubeversion.open-cluster-management.io=v1.32.0 ");
    co_await fleet.stop();
}

CO_TEST(Members, OnlyThoseThatAreAccepted) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing", false));
    EXPECT_EQ(fleet.members->find("beijing"), nullptr);
    EXPECT_EQ(fleet.networks["beijing"].connected, 0);
    CO_ASSERT_OK(co_await fleet.edit("beijing", R"({"spec":{"hubAcceptsClient":true}})"));
    CO_ASSERT_TRUE(fleet.members->find("beijing") != nullptr);
    // Not accepted any more: the hub keeps away from it.
    CO_ASSERT_OK(co_await fleet.edit("beijing", R"({"spec":{"hubAcceptsClient":false}})"));
    EXPECT_EQ(fleet.members->find("beijing"), nullptr);
    int const asked = fleet.networks["beijing"].requests;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    EXPECT_EQ(fleet.networks["beijing"].requests, asked);
    co_await fleet.stop();
}

CO_TEST(Members, OneThatLeavesIsForgottenAndMayComeAgain) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    CO_ASSERT_OK(co_await fleet.add("oslo"));
    Member* const first = fleet.members->find("beijing");
    fleet.members->want(*first, kNamespaces);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_GT(first->informer(kNamespaces)->objects().size(), 0u);
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kManagedClusters, {"", "beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(fleet.members->find("beijing"), nullptr);
    EXPECT_EQ(fleet.members->all().size(), 1u);
    int const asked = fleet.networks["beijing"].requests;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    EXPECT_EQ(fleet.networks["beijing"].requests, asked) << "nothing of it goes on";
    // Who still holds it may: it has nothing any more and starts nothing.
    EXPECT_EQ(first->informer(kNamespaces)->objects().size(), 0u);
    fleet.members->want(*first, kWidgets);
    EXPECT_EQ(first->informer(kWidgets), nullptr);

    fleet.heard.clear();
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    Member* const second = fleet.members->find("beijing");
    CO_ASSERT_TRUE(second != nullptr);
    EXPECT_NE(second, first);
    EXPECT_TRUE(second->reachable());
    EXPECT_EQ(fleet.heard, Heard{"beijing answers"});
    fleet.members->want(*second, kNamespaces);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_GT(second->informer(kNamespaces)->objects().size(), 0u);
    co_await fleet.stop();
}

CO_TEST(Members, OneThatIsReachedOtherwiseIsConnectedToAnew) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    CO_ASSERT_OK(co_await fleet.edit("beijing", R"({"metadata":{"labels":{"region":"cn"}}})"));
    EXPECT_EQ(fleet.networks["beijing"].connected, 1);
    CO_ASSERT_OK(co_await fleet.edit("beijing", R"({"spec":{"managedClusterClientConfigs":[{"url":"https://two"}]}})"));
    EXPECT_EQ(fleet.networks["beijing"].connected, 2);
    EXPECT_TRUE(fleet.members->find("beijing")->reachable());
    co_await fleet.stop();
}

CO_TEST(Members, WhyOneCannotBeConnectedToIsSaidAndItIsTriedAgain) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    fleet.networks["beijing"].connects = false;
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    // It is one of the members, that does not answer.
    Member* const unconnected = fleet.members->find("beijing");
    CO_ASSERT_TRUE(unconnected != nullptr);
    EXPECT_FALSE(unconnected->reachable());
    EXPECT_EQ(unconnected->problem(), "its Secret is missing");
    Doc const problem = co_await fleet.condition("beijing", apis::kClusterAvailable);
    EXPECT_EQ(problem["reason"].as_string(), "ConnectFailed");
    EXPECT_EQ(problem["message"].as_string(), "its Secret is missing");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10min));
    EXPECT_EQ(fleet.writes(), 1u);
    fleet.networks["beijing"].connects = true;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 11s));
    std::string const text = co_await fleet.available("beijing");
    EXPECT_EQ(text, "True/ManagedClusterAvailable");
    co_await fleet.stop();
}

CO_TEST(Members, KnowWhatTheyServe) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    Member& member = *fleet.members->find("beijing");
    EXPECT_EQ(member.serving(kWidgets), Member::Serving::kUnknown);
    EXPECT_FALSE(member.get(kWidgets, {"demo", "a"}).exists());
    int informers = 0;
    fleet.members->on_informer([&](Member&, client::Informer&) { ++informers; });
    fleet.heard.clear();
    fleet.members->want(member, kWidgets);
    fleet.members->want(member, kWidgets);
    EXPECT_EQ(informers, 1);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    EXPECT_EQ(member.serving(kWidgets), Member::Serving::kNotServed);
    EXPECT_EQ(fleet.heard, Heard{"beijing answers"}) << "its standing has changed";
    EXPECT_EQ(member.other_versions(kWidgets), "");
    CO_ASSERT_OK(co_await fleet.at("beijing").create(
        ctx, kCrds,
        *json::parse_value(
            R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
        "spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    EXPECT_EQ(member.serving(kWidgets), Member::Serving::kServed);
    CO_ASSERT_OK(co_await fleet.at("beijing").create(
        ctx, kWidgets,
        *json::parse_value(
            R"({"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"default"}})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_TRUE(member.get(kWidgets, {"default", "a"}).exists());
    meta::GroupVersionResource const newer{"example.com", "v2", "widgets"};
    fleet.members->want(member, newer);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    EXPECT_EQ(member.serving(newer), Member::Serving::kNotServed);
    EXPECT_EQ(member.other_versions(newer), "v1");
    co_await fleet.stop();
}

// Copies of one cluster's objects say nothing of the other's.
CO_TEST(Members, ANameThatStandsForAnotherClusterIsConnectedToAnew) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.start());
    CO_ASSERT_OK(co_await fleet.add("beijing"));
    CO_ASSERT_OK(
        co_await fleet.edit("beijing", R"({"metadata":{"annotations":{"fleet.aviary.dev/cluster-uid":"one"}}})"));
    int const before = fleet.networks["beijing"].connected;
    CO_ASSERT_OK(co_await fleet.edit("beijing", R"({"metadata":{"annotations":{"zone":"north"}}})"));
    EXPECT_EQ(fleet.networks["beijing"].connected, before);
    CO_ASSERT_OK(
        co_await fleet.edit("beijing", R"({"metadata":{"annotations":{"fleet.aviary.dev/cluster-uid":"two"}}})"));
    EXPECT_EQ(fleet.networks["beijing"].connected, before + 1);
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::clusters
