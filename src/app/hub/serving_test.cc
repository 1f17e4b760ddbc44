// What a leading hub answers, as clusters come and go and as its term ends.
#include "app/hub/internal/serving.h"

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "core/async/co_test.h"
#include "core/observe/log.h"
#include "core/storage/engine.h"
#include "hub/proxy/paths.h"
#include "kube/apiserver/server.h"
#include "kube/control/definitions.h"
#include "kube/webhook/handler.h"

namespace aviary::hub {
namespace {

using namespace std::chrono_literals;
using json::Value;

control::UserInfo const kAdmin{"admin", {"system:masters", "system:authenticated"}, {}};

// Lets nothing pass when cut.
class Line final : public client::Transport {
public:
    explicit Line(std::shared_ptr<client::Transport> inner) : inner_(std::move(inner)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        if (cut) co_return fail(ErrorCode::kUnavailable, "no route");
        auto answer = co_await inner_->send(ctx, std::move(request));
        co_return answer;
    }
    bool cut = false;

private:
    std::shared_ptr<client::Transport> inner_;
};

// Allows everything, when it is let.
class Waiting final : public control::AccessReviewer {
public:
    Task<Result<bool>> allowed(Context ctx, control::UserInfo, control::Attributes) override {
        ++asked;
        CO_TRY(co_await answer.wait(ctx));
        co_return true;
    }
    async::Event answer;
    int asked = 0;
};

struct World {
    explicit World(Context const& ctx) : scope(ctx) {}
    Task<Status> start(std::vector<std::string> clusters) {
        Context const ctx = scope.context();
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {}));
        client::Client const fleet = at("fleet");
        CO_TRY(co_await control::install_definitions(ctx, fleet, apis::crds()));
        for (std::string const& cluster : clusters) {
            CO_TRY(co_await server->ensure_cluster(ctx, cluster));
            CO_TRY(co_await register_cluster(ctx, fleet, cluster, "https://127.0.0.1/clusters/" + cluster));
        }
        to_lease = std::make_shared<Line>(server->transport("fleet", kAdmin));
        client::LeaseOptions options;
        options.name = "aviary-hub";
        options.identity = "one";
        CO_TRY_ASSIGN(lease, client::Lease::create(client::Client(to_lease, "aviary-hub"), options));
        LeasedHub parts{.client = fleet,
                        .hub_id = "fleet",
                        .connect = [this](json::Doc const& cluster) -> Result<std::shared_ptr<client::Transport>> {
                            auto line = std::make_shared<Line>(server->transport(meta::name(cluster), kAdmin));
                            line->cut = meta::name(cluster) == "nowhere";
                            return line;
                        },
                        .serving =
                            [this](std::shared_ptr<Hub> hub) {
                                if (hub) term = hub;
                                serving.lead(std::move(hub));
                            }};
        scope.spawn(serving.run(ctx));
        scope.spawn(run_with_lease(ctx, *lease, std::move(parts)));
        co_return Status{};
    }
    client::Client at(std::string const& cluster) { return {server->transport(cluster, kAdmin), "test"}; }
    Task<Status> accept(bool accepted) {
        Value patch{json::Object()};
        patch.set({"spec", "hubAcceptsClient"}, accepted);
        CO_TRY(co_await at("fleet").patch(scope.context(), apis::kManagedClusters, {"", "oslo"},
                                          client::PatchType::kMerge, std::move(patch)));
        co_return Status{};
    }

    std::unique_ptr<apiserver::ApiServer> server;
    std::shared_ptr<Waiting> reviewer = std::make_shared<Waiting>();
    Serving serving{reviewer, "hub"};
    std::shared_ptr<Line> to_lease;
    std::unique_ptr<client::Lease> lease;
    std::weak_ptr<Hub> term;
    async::Scope scope;
};

Task<void> read_settings(Context ctx, std::shared_ptr<apiserver::Route> route, std::optional<int>& status) {
    client::Request request;
    request.path = std::string(proxy::kRoot) + "resources";
    request.query = {{"version", "v1"}, {"resource", "configmaps"}, {"namespace", "default"}};
    client::Response const response = co_await route->handle(ctx, kAdmin, std::move(request));
    status = response.status;
}

CO_TEST(Serving, ARequestUnderWayOutlivesTheTerm) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start({"beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_TRUE(world.serving.leads());
    std::optional<int> status;
    world.scope.spawn(read_settings(world.scope.context(), world.serving.route(), status));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    EXPECT_EQ(world.reviewer->asked, 1);
    world.to_lease->cut = true;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_FALSE(world.serving.leads());
    EXPECT_TRUE(world.serving.route() == nullptr);
    EXPECT_FALSE(world.term.expired()) << "the request reads from it";
    world.reviewer->answer.set();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_TRUE(status.has_value());
    EXPECT_TRUE(world.term.expired());
    co_await world.scope.cancel_and_join();
    observe::set_level(observe::Level::kWarning);
}

CO_TEST(Serving, ClustersThatComeAndGoKeepNobodyFromWriting) {
    observe::set_level(observe::Level::kOff);
    World world(ctx);
    CO_ASSERT_OK(co_await world.start({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await world.accept(false));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_TRUE(world.serving.leads()) << "of one that is not accepted nothing is known";
    for (bool const accepted : {true, false}) {
        CO_ASSERT_OK(co_await world.accept(accepted));
        for (int count = 0; count < 50; ++count) {
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 50ms));
            EXPECT_TRUE(world.serving.leads()) << accepted << " " << count;
        }
    }
    CO_ASSERT_OK(co_await register_cluster(ctx, world.at("fleet"), "nowhere", "https://127.0.0.1/clusters/nowhere"));
    for (int count = 0; count < 200; ++count) {
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 50ms));
        EXPECT_TRUE(world.serving.leads()) << count;
    }
    co_await world.scope.cancel_and_join();
    observe::set_level(observe::Level::kWarning);
}

CO_TEST(Serving, WhatIsNotBelowTheRootIsNotThere) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start({}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    for (std::string const path : {"/apis/proxy.fleet.aviary.dev/v1alpha1", "/apis", "/"}) {
        client::Request request;
        request.method = "DELETE";
        request.path = path;
        client::Response const response = co_await world.serving.route()->handle(ctx, kAdmin, std::move(request));
        EXPECT_EQ(response.status, 404) << path;
    }
    co_await world.scope.cancel_and_join();
}

// People's writes of a record are refused; the hub's own wait for nobody.
TEST(HubWebhooks, AreNotAskedAboutWhatTheHubRecords) {
    int records = 0;
    for (webhook::Rule const& rule : webhook_rules("alice's hub")) {
        bool const record = rule.resources.front() == "decisions/status";
        records += record ? 1 : 0;
        EXPECT_EQ(rule.condition, record ? "request.userInfo.username != 'alice\\'s hub'" : "") << rule.name;
    }
    EXPECT_EQ(records, 1);
}

// Whatever else is written about a cluster does not wait for a hub.
TEST(HubWebhooks, AreAskedAboutClustersThatMoveToAnotherSet) {
    auto const about_clusters = [](placement::Allowed allowed) {
        std::vector<webhook::Rule> found;
        for (webhook::Rule const& rule : webhook_rules("hub", propagation::Mode::kFull, allowed)) {
            if (rule.resources == std::vector<std::string>{"managedclusters"}) found.push_back(rule);
        }
        return found;
    };
    EXPECT_TRUE(about_clusters(placement::Allowed::kEverywhere).empty());
    std::vector<webhook::Rule> const found = about_clusters(placement::Allowed::kBoundSets);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].path, webhook::kValidatePath);
    EXPECT_EQ(found[0].groups, std::vector<std::string>{"cluster.open-cluster-management.io"});
    EXPECT_EQ(found[0].version, "v1");
    EXPECT_EQ(found[0].operations, (std::vector<std::string>{"CREATE", "UPDATE"}));
    EXPECT_TRUE(found[0].cluster_scoped);
    EXPECT_TRUE(found[0].required);
    EXPECT_NE(found[0].condition.find("labels['cluster.open-cluster-management.io/clusterset'] : '') != (oldObject"),
              std::string::npos)
        << found[0].condition;
}

}   // namespace
}   // namespace aviary::hub
