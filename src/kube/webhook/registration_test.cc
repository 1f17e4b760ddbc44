#include "kube/webhook/registration.h"

#include "core/async/co_test.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/observe/log.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"
#include "kube/webhook/authority.h"
#include "kube/webhook/configuration.h"

namespace aviary::webhook {
namespace {

using namespace std::chrono_literals;
using client::PatchType;
using json::Doc;
using json::Value;

meta::GroupVersionResource const kConfigurations{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"};
meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
meta::ObjectKey const kName{"", "guard"};
meta::ObjectKey const kSecret{"default", "guard-ca"};

Value parsed(std::string_view text) { return *json::parse_value(text); }

Value configuration() {
    return parsed(R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration",
        "metadata":{"name":"guard"},"webhooks":[{"name":"guard.example.com","admissionReviewVersions":["v1"],
        "clientConfig":{"caBundle":"Y2E=","url":"https://127.0.0.1:9443/mutate"},"failurePolicy":"Fail",
        "matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{},"reinvocationPolicy":"Never",
        "rules":[{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["UPDATE"],"resources":["deployments"],
        "scope":"Namespaced"}],"sideEffects":"None","timeoutSeconds":5}]})");
}

struct World {
    explicit World(Context const& ctx) : scope(ctx) {}
    Task<Status> start() {
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(scope.context(),
                                                                  std::make_shared<storage::MemoryEngine>(), {}));
        co_return Status{};
    }
    client::Client client() { return {server->transport("fleet", {"admin", {"system:masters"}, {}}), "test"}; }

    async::Scope scope;
    std::unique_ptr<apiserver::ApiServer> server;
};

CO_TEST(Registration, IsMadeAndPutRight) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    client::Client const client = world.client();
    Registration registration(client, {configuration()});
    EXPECT_NE("", registration.missing());
    world.scope.spawn(registration.run(world.scope.context()));
    world.scope.spawn(registration.lead(world.scope.context(), client));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_EQ("", registration.missing());

    Value other = parsed(R"({"metadata":{"labels":{"team":"a"}},"webhooks":null})");
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigurations, kName, PatchType::kMerge, std::move(other)));
    (void)co_await async::sleep_for(ctx, 1s);
    auto const back = co_await client.get(ctx, kConfigurations, kName);
    CO_ASSERT_OK(back);
    EXPECT_EQ(1U, (*back)["webhooks"].size());
    EXPECT_EQ("a", meta::label(*back, "team"));

    CO_ASSERT_OK(co_await client.remove(ctx, kConfigurations, kName));
    (void)co_await async::sleep_for(ctx, 1s);
    CO_ASSERT_OK(co_await client.get(ctx, kConfigurations, kName));
    EXPECT_EQ("", registration.missing());
    co_await world.scope.cancel_and_join();
}

meta::GroupVersionResource const kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
meta::ObjectKey const kWidgets{"", "widgets.demo.example.com"};

Value widgets(std::vector<std::string> const& versions) {
    Value object = parsed(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"widgets.demo.example.com"},"spec":{"group":"demo.example.com","scope":"Namespaced",
        "names":{"plural":"widgets","kind":"Widget"},"versions":[]}})");
    for (std::string const& version : versions) {
        Value each = parsed(R"({"served":true,"schema":{"openAPIV3Schema":{"type":"object"}}})");
        each["name"] = version;
        each["storage"] = version == "v1";
        object["spec"]["versions"].push_back(each);
    }
    return object;
}

Value converted(std::string const& authority) {
    Value object = widgets({"v1alpha1", "v1"});
    object["spec"]["conversion"] = conversion({"https://127.0.0.1:9443", "", ""}, authority);
    return object;
}

CO_TEST(Registration, AddsVersionsAndConversionToADefinition) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    client::Client const client = world.client();
    Registration registration(client, {converted("one")});
    world.scope.spawn(registration.run(world.scope.context()));
    world.scope.spawn(registration.lead(world.scope.context(), client));
    (void)co_await async::sleep_for(ctx, 1s);
    auto const none = co_await client.get(ctx, kDefinitions, kWidgets);
    EXPECT_FALSE(none) << "it is not ours to make";
    EXPECT_TRUE(registration.trusts("one")) << "one that is not there asks nobody";
    CO_ASSERT_OK(co_await client.create(ctx, kDefinitions, widgets({"v1"})));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_EQ("", registration.missing());
    auto const made = co_await client.get(ctx, kDefinitions, kWidgets);
    CO_ASSERT_OK(made);
    EXPECT_EQ(2U, made->at({"spec", "versions"}).size());
    Doc const config = made->at({"spec", "conversion", "webhook", "clientConfig"});
    EXPECT_EQ("https://127.0.0.1:9443/convert", config["url"].as_string());
    EXPECT_TRUE(registration.trusts("one"));
    EXPECT_FALSE(registration.trusts("two"));

    registration.want({converted("two")});
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_TRUE(registration.trusts("two"));
    Value nobody = parsed(R"({"spec":{"conversion":{"strategy":"None","webhook":null}}})");
    CO_ASSERT_OK(co_await client.patch(ctx, kDefinitions, kWidgets, PatchType::kMerge, std::move(nobody)));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_EQ("", registration.missing());
    EXPECT_TRUE(registration.trusts("two"));
    co_await world.scope.cancel_and_join();
}

CO_TEST(Registration, LeavesADefinitionThatOthersConvert) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    client::Client const client = world.client();
    Value theirs = widgets({"v1"});
    theirs["spec"]["conversion"] = conversion({"", "kruise-rollout", "webhook"}, "theirs");
    theirs["spec"]["conversion"]["webhook"]["clientConfig"].erase("url");
    CO_ASSERT_OK(co_await client.create(ctx, kDefinitions, theirs));
    auto const before = co_await client.get(ctx, kDefinitions, kWidgets);
    Registration registration(client, {converted("one")});
    world.scope.spawn(registration.run(world.scope.context()));
    world.scope.spawn(registration.lead(world.scope.context(), client));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_EQ("", registration.missing());
    EXPECT_TRUE(registration.trusts("one"));
    auto const after = co_await client.get(ctx, kDefinitions, kWidgets);
    CO_ASSERT_OK(after);
    EXPECT_EQ(meta::resource_version(*before), meta::resource_version(*after));
    co_await world.scope.cancel_and_join();
}

CO_TEST(Registration, GoesOnWhereDefinitionsMayNotBeRead) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    Value role =
        parsed(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"guard"},
        "rules":[{"apiGroups":["admissionregistration.k8s.io"],"resources":["*"],"verbs":["*"]}]})");
    Value binding = parsed(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding",
        "metadata":{"name":"guard"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"guard"},
        "subjects":[{"kind":"User","name":"guard"}]})");
    CO_ASSERT_OK(co_await world.client().create(ctx, meta::resource_of(role), role));
    CO_ASSERT_OK(co_await world.client().create(ctx, meta::resource_of(binding), binding));
    CO_ASSERT_OK(co_await world.client().create(ctx, kDefinitions, widgets({"v1"})));
    client::Client const client(world.server->transport("fleet", {"guard", {}, {}}), "test");
    Registration registration(client, {configuration(), converted("ca")});
    world.scope.spawn(registration.run(world.scope.context()));
    world.scope.spawn(registration.lead(world.scope.context(), client));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_EQ("", registration.missing());
    EXPECT_TRUE(registration.trusts("ca"));
    CO_ASSERT_OK(co_await client.get(ctx, kConfigurations, kName));
    co_await world.scope.cancel_and_join();
}

CO_TEST(Registration, WritesNothingThatIsThere) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    client::Client const client = world.client();
    CO_ASSERT_OK(co_await client.create(ctx, kConfigurations, configuration()));
    auto const before = co_await client.get(ctx, kConfigurations, kName);
    Registration registration(client, {configuration()});
    world.scope.spawn(registration.run(world.scope.context()));
    world.scope.spawn(registration.lead(world.scope.context(), client));
    (void)co_await async::sleep_for(ctx, 1s);
    auto const after = co_await client.get(ctx, kConfigurations, kName);
    CO_ASSERT_OK(after);
    EXPECT_EQ(meta::resource_version(*before), meta::resource_version(*after));
    co_await world.scope.cancel_and_join();
}

CO_TEST(Registration, IsOfTheOneWhoLeads) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    client::Client const client = world.client();
    Registration one(client, {configuration()});
    Value wanted = configuration();
    wanted["webhooks"].make_array()[0].set({"clientConfig", "url"}, "https://127.0.0.2:9443/mutate");
    Registration other(client, {wanted});
    async::Scope term(world.scope.context());
    world.scope.spawn(one.run(world.scope.context()));
    world.scope.spawn(other.run(world.scope.context()));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_NE("", other.missing());
    auto const nothing = co_await client.get(ctx, kConfigurations, kName);
    EXPECT_FALSE(nothing);
    term.spawn(one.lead(term.context(), client));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_EQ("", one.missing());
    EXPECT_EQ("", other.missing()) << "it is another's to say how they should be";
    auto const first = co_await client.get(ctx, kConfigurations, kName);
    CO_ASSERT_OK(first);
    (void)co_await async::sleep_for(ctx, 60s);
    auto const later = co_await client.get(ctx, kConfigurations, kName);
    CO_ASSERT_OK(later);
    EXPECT_EQ(meta::resource_version(*first), meta::resource_version(*later));
    co_await term.cancel_and_join();
    world.scope.spawn(other.lead(world.scope.context(), client));
    (void)co_await async::sleep_for(ctx, 1s);
    auto const taken = co_await client.get(ctx, kConfigurations, kName);
    CO_ASSERT_OK(taken);
    EXPECT_EQ("https://127.0.0.2:9443/mutate", (*taken)["webhooks"][0].at({"clientConfig", "url"}).as_string());
    co_await world.scope.cancel_and_join();
}

CO_TEST(Registration, SaysWhyNot) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    class Refuses final : public control::Admission {
        std::string_view name() const override { return "refuses"; }
        bool matches(control::AdmissionRequest const& request) const override {
            return request.resource.resource == "mutatingwebhookconfigurations";
        }
        Task<Status> mutate(Context, control::AdmissionRequest&) override { co_return Status{}; }
        Task<Status> validate(Context, control::AdmissionRequest const&) override {
            co_return fail(ErrorCode::kInvalid, "a port is missing");
        }
    };
    world.server->add_admission("fleet", std::make_shared<Refuses>());
    observe::set_level(observe::Level::kOff);
    Registration registration(world.client(), {configuration()});
    world.scope.spawn(registration.run(world.scope.context()));
    world.scope.spawn(registration.lead(world.scope.context(), world.client()));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_NE(std::string::npos, registration.missing().find("a port is missing")) << registration.missing();
    co_await world.scope.cancel_and_join();
    observe::set_level(observe::Level::kWarning);
}

CO_TEST(Authority, IsOneForAllReplicas) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const first = co_await ensure_authority(ctx, world.client(), kSecret);
    CO_ASSERT_OK(first);
    auto const second = co_await ensure_authority(ctx, world.client(), kSecret);
    CO_ASSERT_OK(second);
    EXPECT_EQ(first->keys.certificate_pem, second->keys.certificate_pem);
    EXPECT_EQ(first->keys.key_pem, second->keys.key_pem);
    co_await world.scope.cancel_and_join();
}

CO_TEST(Authority, IsMadeAnewBeforeItEnds) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const ending = crypto::create_authority("old", ctx.now(), std::chrono::hours(24 * 20));
    Value secret =
        parsed(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"guard-ca","namespace":"default"}})");
    secret.set({"data", "ca.crt"}, base64_encode(ending->certificate_pem));
    secret.set({"data", "ca.key"}, base64_encode(ending->key_pem));
    CO_ASSERT_OK(co_await world.client().create(ctx, kSecrets, std::move(secret)));
    auto const made = co_await ensure_authority(ctx, world.client(), kSecret);
    CO_ASSERT_OK(made);
    EXPECT_NE(ending->certificate_pem, made->keys.certificate_pem);
    EXPECT_EQ(ending->certificate_pem, made->previous_pem);
    auto const again = co_await ensure_authority(ctx, world.client(), kSecret);
    CO_ASSERT_OK(again);
    EXPECT_EQ(made->keys.certificate_pem, again->keys.certificate_pem);
    EXPECT_EQ(made->previous_pem, again->previous_pem);
    auto const kept = co_await world.client().get(ctx, kSecrets, kSecret);
    CO_ASSERT_OK(kept);
    EXPECT_EQ(base64_encode(made->keys.certificate_pem), kept->at({"data", "ca.crt"}).as_string());
    co_await world.scope.cancel_and_join();
}

CO_TEST(Authority, SaysWhyItCannotBeKept) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const nowhere = co_await ensure_authority(ctx, world.client(), {"nowhere", "guard-ca"});
    EXPECT_EQ("keeping secret nowhere/guard-ca: namespaces \"nowhere\" not found", nowhere.error().message());
    co_await world.scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::webhook
