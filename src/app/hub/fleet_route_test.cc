// The hub's reads across members, as people with few rights ask them.
#include "hub/proxy/fleet_route.h"

#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

std::string const kReads(proxy::kRoot);

control::UserInfo const kBob{"bob", {"system:authenticated"}, {}};
meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};

Task<Result<Doc>> ask(Fleet& fleet, control::UserInfo user, std::string path, client::NameValues query) {
    client::Client const client(fleet.server->transport("fleet", std::move(user)), "test");
    client::Request request;
    request.path = std::move(path);
    request.query = std::move(query);
    auto const response = co_await client.raw(fleet.scope.context(), std::move(request));
    if (!response) co_return std::unexpected(response.error());
    co_return response->body;
}

// Bob may list ConfigMaps and Secrets of namespace demo on the hub, and use the proxy.
Task<Status> admit_bob(Fleet& fleet) {
    Context const ctx = fleet.scope.context();
    CO_TRY(co_await fleet.create({"rbac.authorization.k8s.io", "v1", "roles"},
                                 R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role",
        "metadata":{"name":"bob","namespace":"demo"},"rules":[{"apiGroups":[""],"resources":["configmaps","secrets"],"verbs":["list"]}]})"));
    CO_TRY(co_await fleet.create({"rbac.authorization.k8s.io", "v1", "rolebindings"},
                                 R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding",
        "metadata":{"name":"bob","namespace":"demo"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"bob"},
        "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"bob"}]})"));
    CO_TRY(co_await fleet.at("beijing").create(
        ctx, kSecrets,
        *json::parse_value(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"key","namespace":"demo"},
        "stringData":{"password":"hush"}})")));
    co_return Status{};
}

CO_TEST(FleetRoute, WhatIsReadIsWhatWasAuthorised) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await admit_bob(fleet));
    auto allowed = co_await ask(fleet, kBob, kReads + "resources",
                                {{"version", "v1"}, {"resource", "configmaps"}, {"namespace", "demo"}});
    CO_ASSERT_OK(allowed);
    EXPECT_EQ(json::write((*allowed)["clusters"][0]["error"]), "null") << json::write(*allowed);
    for (auto const& [field, value] : client::NameValues{{"version", "v1/namespaces/demo/secrets/key/"},
                                                         {"version", "v1/namespaces/demo/secrets//"},
                                                         {"version", "v1?x="},
                                                         {"version", "v1 HTTP/1.1\r\nX: y"},
                                                         {"group", "apps/v1"},
                                                         {"resource", "configmaps/../secrets"},
                                                         {"namespace", "demo/secrets/key?x="},
                                                         {"namespace", ".."},
                                                         {"name", "other/secrets"},
                                                         {"name", ".."},
                                                         {"name", "a%2Fb"}}) {
        client::NameValues query;
        for (auto const& [name, plain] : client::NameValues{
                 {"version", "v1"}, {"group", ""}, {"resource", "configmaps"}, {"namespace", "demo"}, {"name", ""}})
            query.emplace_back(name, name == field ? value : plain);
        bool const of_object = field == "namespace" || field == "name";   // whoever may everything may not this
        auto const refused = co_await ask(fleet, of_object ? kAdmin : kBob, kReads + "resources", std::move(query));
        EXPECT_FALSE(refused) << field << " " << value;
        if (!refused) {
            bool const right = refused.error().is(ErrorCode::kBadRequest) || refused.error().is(ErrorCode::kForbidden);
            EXPECT_TRUE(right) << refused.error().message();
        }
    }
    co_await fleet.stop();
}

// In a member the hub is for a person what the person may be there, not what the hub may.
CO_TEST(FleetRoute, AMemberIsAskedAsAFixedUser) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await admit_bob(fleet));
    client::NameValues const query{
        {"version", "v1"}, {"resource", "secrets"}, {"namespace", "demo"}, {"output", "json"}};
    auto const seen = co_await ask(fleet, kBob, kReads + "resources", query);
    CO_ASSERT_OK(seen);
    EXPECT_EQ(json::write(*seen).find("hush"), std::string::npos);
    EXPECT_NE(json::write((*seen)["clusters"][0]["error"]).find("aviary:view"), std::string::npos)
        << json::write(*seen);
    auto const all = co_await ask(fleet, kAdmin, kReads + "resources", query);
    CO_ASSERT_OK(all);
    EXPECT_EQ((*all)["clusters"][0]["items"].size(), 1u) << json::write(*all);
    auto const rollouts =
        co_await ask(fleet, kAdmin, kReads + "clusters/beijing/proxy/apis/rollouts.kruise.io/v1beta1/rollouts", {});
    CO_ASSERT_OK(rollouts);
    EXPECT_EQ((*rollouts)["items"].size(), 1u);
    co_await fleet.stop();
}

// Who approves everywhere must not be told of some clusters alone.
CO_TEST(FleetRoute, AHubThatHasOnlyBegunKnowsAllOrSaysSo) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    for (char const* cluster : {"beijing", "oslo"})
        CO_ASSERT_OK(co_await fleet.until(cluster, "state", "Progressing/1/StepPaused"));
    co_await fleet.stop_hub();
    fleet.ways.late = "fleetbindings";
    fleet.ways.slow = {{"oslo", 3s}};
    fleet.start_hub();
    int answers = 0;
    for (int count = 0; count < 50; ++count) {
        (void)co_await async::sleep_for(ctx, 100ms);
        auto const seen = co_await ask(fleet, kAdmin, kReads + "namespaces/demo/rollouts/web", {});
        if (!seen) continue;
        ++answers;
        EXPECT_EQ((*seen)["clusters"].size(), 2u);
        for (auto const& [index, cluster] : (*seen)["clusters"].elements()) {
            EXPECT_TRUE(cluster["placed"].as_bool()) << json::write(cluster);
            bool const known = cluster["phase"].as_string() == "Progressing";
            EXPECT_TRUE(known || !cluster["reachable"].as_bool() || cluster["error"].exists()) << json::write(cluster);
        }
    }
    EXPECT_GT(answers, 10);
    co_await fleet.stop();
}

CO_TEST(FleetRoute, AClusterNeedNotLetTheHubBeAdministrator) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    fleet.ways.without_admin = {"beijing"};
    auto const pods =
        co_await ask(fleet, kAdmin, kReads + "resources",
                     {{"version", "v1"}, {"resource", "pods"}, {"namespace", "demo"}, {"output", "json"}});
    CO_ASSERT_OK(pods);
    EXPECT_EQ((*pods)["clusters"][0]["items"].size(), 10u) << json::write(*pods);
    auto const secrets = co_await ask(fleet, kAdmin, kReads + "clusters/beijing/proxy/api/v1/secrets", {});
    EXPECT_FALSE(secrets);
    if (!secrets) EXPECT_NE(secrets.error().message().find("beijing has joined without --admin"), std::string::npos);
    co_await fleet.stop();
}

CO_TEST(FleetRoute, ARefusalIsNoSilence) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    auto const list = [&](std::string labels) {
        return ask(fleet, kAdmin, kReads + "resources",
                   {{"version", "v1"}, {"resource", "pods"}, {"namespace", "demo"}, {"labelSelector", labels}});
    };
    auto const refused = co_await list("app in web");
    CO_ASSERT_OK(refused);
    for (auto const& [index, row] : (*refused)["clusters"].elements()) {
        EXPECT_TRUE(row["reachable"].as_bool());
        EXPECT_EQ(row["reason"].as_string(), "BadRequest");
        EXPECT_NE(row["error"].as_string().find("unable to parse requirement"), std::string::npos) << json::write(row);
    }
    fleet.ways.cut.insert("oslo");
    auto const away = co_await list("app=web");
    CO_ASSERT_OK(away);
    EXPECT_TRUE((*away)["clusters"][0]["reachable"].as_bool());
    EXPECT_FALSE((*away)["clusters"][1]["reachable"].as_bool(true)) << json::write(*away);
    co_await fleet.stop();
}

// Deployment and Rollout api in every cluster, beside web and with the same image: two pods, chosen by expressions.
Task<Status> add_api(Fleet& fleet) {
    CO_TRY(co_await fleet.create(
        kDeployments, R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api","namespace":"demo"},
        "spec":{"replicas":2,"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["api","apis"]}]},
        "template":{"metadata":{"labels":{"app":"api"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})"));
    CO_TRY(co_await fleet.create(
        apis::kRollouts,
        R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"api","namespace":"demo"},
        "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"api"},"strategy":{"canary":{
        "steps":[{"replicas":"50%"},{"replicas":"100%"}]}}}})"));
    CO_TRY(co_await fleet.create(kPolicies,
                                 R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy",
        "metadata":{"name":"api","namespace":"demo"},"spec":{"resourceSelectors":[
        {"apiVersion":"apps/v1","kind":"Deployment","name":"api"},
        {"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"api"}]}})"));
    co_return co_await fleet.until("beijing", "v1", "12");
}

CO_TEST(FleetRoute, PodsAreCountedByTheWholeSelector) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await add_api(fleet));
    auto const answer = co_await ask(fleet, kAdmin, kReads + "namespaces/demo/rollouts/api", {});
    CO_ASSERT_OK(answer);
    EXPECT_EQ((*answer)["clusters"][0]["updated"].as_int(), 2) << json::write(*answer);
    co_await fleet.stop();
}

// Between two probes: it is not drawn as it was last seen.
CO_TEST(FleetRoute, OneThatHasGoneSilentIsNotKnownToStandAsItWas) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await add_api(fleet));
    fleet.ways.slow["beijing"] = 10s;
    auto const answer = co_await ask(fleet, kAdmin, kReads + "namespaces/demo/rollouts/api", {});
    CO_ASSERT_OK(answer);
    Doc const row = (*answer)["clusters"][0];
    EXPECT_FALSE(row["reachable"].as_bool(true)) << json::write(row);
    EXPECT_EQ(row["reason"].as_string(), "ClusterUnreachable");
    EXPECT_EQ(row["message"].as_string(), "does not answer: no answer within 5 s");
    EXPECT_EQ(row["updated"].as_int(), 2) << "as it was last seen";
    co_await fleet.stop();
}

// Nothing is known of a workload that a hub that has just begun cannot read: no pods and no end of a release.
CO_TEST(FleetRoute, SaysWhatItCannotReadInACluster) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    for (auto const& [resource, why] : std::map<std::string, std::string>{
             {"deployments", "its deployments cannot be read: User \"hub\" may not list deployments"},
             {"rollouts", "its rollouts cannot be read: User \"hub\" may not list rollouts"}}) {
        co_await fleet.stop_hub();
        fleet.ways.unread = {{"beijing", resource}};
        fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
        auto const answer = co_await ask(fleet, kAdmin, kReads + "namespaces/demo/rollouts/web", {});
        CO_ASSERT_OK(answer);
        Doc const row = (*answer)["clusters"][0];
        EXPECT_EQ(row["state"].as_string(), "Unknown") << json::write(*answer);
        EXPECT_EQ(row["reason"].as_string(), "ReadRefused");
        EXPECT_EQ(row["message"].as_string(), why);
    }
    co_await fleet.stop();
}

CO_TEST(FleetRoute, SaysWhatAClusterWasTakenBackTo) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    auto const row = [&]() -> Task<Doc> {
        auto const answer = co_await ask(fleet, kAdmin, kReads + "namespaces/demo/rollouts/web", {});
        co_return answer ? (*answer)["clusters"][0] : Doc();
    };
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    Doc seen = co_await row();
    EXPECT_EQ(seen["stable"].as_string(), "v1") << json::write(seen);
    EXPECT_TRUE(seen["current"].as_bool());
    EXPECT_FALSE(seen["pinned"].exists());
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"beijing"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    seen = co_await row();
    EXPECT_EQ(seen["reason"].as_string(), "TakenBack") << json::write(seen);
    EXPECT_EQ(seen["message"].as_string(), "pinned to v1, v2 rejected");
    CO_ASSERT_OK(co_await fleet.release("v3"));
    seen = co_await row();
    EXPECT_FALSE(seen["pinned"].exists()) << "a pin is against one version";
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    seen = co_await row();
    EXPECT_EQ(seen["stable"].as_string(), "v1") << json::write(seen);
    EXPECT_FALSE(seen["pinned"].exists());
    co_await fleet.stop();
}

// What explain says is missing, as soon as it says this.
Task<Status> until_problem(Fleet& fleet, std::string rollout, std::string wanted) {
    std::string seen;
    for (int count = 0; count < 500; ++count) {
        auto const answer = co_await ask(fleet, kAdmin, kReads + "namespaces/demo/rollouts/" + rollout, {});
        if (answer) seen = (*answer)["problem"].string();
        if (answer && seen == wanted) co_return Status{};
        CO_TRY(co_await async::sleep_for(fleet.scope.context(), 10ms));
    }
    co_return fail(ErrorCode::kTimeout, fmt::format("it is \"{}\"", seen));
}

CO_TEST(FleetRoute, SaysWhatARolloutThatReachesNoClusterLacks) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.create(
        apis::kRollouts,
        R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"api","namespace":"demo"},
        "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"api"},"strategy":{"canary":{
        "steps":[{"replicas":"50%"},{"replicas":"100%"}]}}}})"));
    CO_ASSERT_OK(co_await until_problem(
        fleet, "api", "spec.workloadRef names deployment/api, which is not in namespace demo of the hub"));
    CO_ASSERT_OK(co_await fleet.create(
        kDeployments, R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api","namespace":"demo"},
        "spec":{"replicas":2,"selector":{"matchLabels":{"app":"api"}},
        "template":{"metadata":{"labels":{"app":"api"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})"));
    CO_ASSERT_OK(co_await until_problem(fleet, "api", "no policy places deployment/api: it is in no cluster"));
    CO_ASSERT_OK(co_await fleet.create(
        kPolicies, R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy",
        "metadata":{"name":"api","namespace":"demo"},"spec":{"placement":{"clusterAffinity":{"clusterNames":["nowhere"]}},
        "resourceSelectors":[{"apiVersion":"apps/v1","kind":"Deployment","name":"api"}]}})"));
    CO_ASSERT_OK(co_await until_problem(
        fleet, "api", "PropagationPolicy demo/api places deployment/api in no cluster: beijing NotInClusterNames"));
    CO_ASSERT_OK(co_await fleet.patch(
        "fleet", kPolicies, R"({"spec":{"placement":{"clusterAffinity":{"clusterNames":["beijing"]}}}})", "api"));
    CO_ASSERT_OK(co_await until_problem(fleet, "api", "no policy places the Rollout: it is in no cluster"));
    CO_ASSERT_OK(co_await until_problem(fleet, "web", ""));
    co_await fleet.stop();
}

CO_TEST(FleetRoute, OfSomeClusters) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    std::string const path = kReads + "namespaces/demo/rollouts/web";
    auto const all = co_await ask(fleet, kAdmin, path, {});
    CO_ASSERT_OK(all);
    EXPECT_EQ((*all)["total"].as_int(), 20);
    auto const one = co_await ask(fleet, kAdmin, path, {{"clusters", "oslo"}});
    CO_ASSERT_OK(one);
    EXPECT_EQ((*one)["total"].as_int(), 10);
    EXPECT_EQ((*one)["clusters"][0]["cluster"].as_string(), "oslo");
    auto const unknown = co_await ask(fleet, kAdmin, path, {{"clusters", "nowhere"}});
    EXPECT_FALSE(unknown);
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
