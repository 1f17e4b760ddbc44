#include "core/base/strings.h"
#include "kube/apiserver/internal/test_server.h"

namespace aviary::apiserver {
namespace {

using client::PatchType;
using json::Doc;
using json::Value;

Value deployment() {
    return parsed(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
}

CO_TEST(Write, CreationFillsInAndRefuses) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    auto const made = co_await client.create(ctx, kDeployments, deployment());
    CO_ASSERT_OK(made);
    EXPECT_EQ(1, meta::generation(*made));
    EXPECT_EQ(1, made->at({"spec", "replicas"}).as_int());
    EXPECT_EQ("RollingUpdate", made->at({"spec", "strategy", "type"}).as_string());
    auto const again = co_await client.create(ctx, kDeployments, deployment());
    EXPECT_EQ("deployments.apps \"web\" already exists", again.error().message());

    Value generated = config_map("");
    generated.set({"metadata", "generateName"}, "x-");
    auto const named = co_await client.create(ctx, kConfigMaps, generated);
    CO_ASSERT_OK(named);
    EXPECT_TRUE(meta::name(*named).starts_with("x-"));
    EXPECT_EQ(7u, meta::name(*named).size());

    auto const bad_name = co_await client.create(ctx, kConfigMaps, config_map("Not_Good"));
    EXPECT_TRUE(bad_name.error().is(ErrorCode::kInvalid));
    EXPECT_TRUE(
        bad_name.error().message().starts_with("ConfigMap \"Not_Good\" is invalid: metadata.name: Invalid value: "
                                               "\"Not_Good\": a lowercase RFC 1123 subdomain"))
        << bad_name.error().message();
    Value lost = config_map("a");
    lost.set({"metadata", "namespace"}, "nowhere");
    auto const nowhere = co_await client.create(ctx, kConfigMaps, lost);
    EXPECT_EQ("namespaces \"nowhere\" not found", nowhere.error().message());
    auto const tried = co_await client.create(ctx, kConfigMaps, config_map("dry"), {.dry_run = true});
    CO_ASSERT_OK(tried);
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "dry"}));
    co_await test.stop();
}

CO_TEST(Write, UnknownFieldsAreWarnedOrRefused) {
    TestServer test(ctx);
    co_await test.start();
    Value object = deployment();
    object.set({"spec", "template", "spec", "imagee"}, "x");
    auto const warned = co_await test.send(
        TestServer::request("POST", "/apis/apps/v1/namespaces/default/deployments", {{"dryRun", "All"}}, object));
    EXPECT_EQ(201, warned.status);
    std::string warning;
    for (auto const& [name, value] : warned.headers) warning = name == "Warning" ? value : warning;
    EXPECT_EQ("299 - \"unknown field \\\"spec.template.spec.imagee\\\"\"", warning);
    auto const strict = co_await test.send(TestServer::request("POST", "/apis/apps/v1/namespaces/default/deployments",
                                                               {{"fieldValidation", "Strict"}}, object));
    EXPECT_EQ(400, strict.status);
    EXPECT_EQ(
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field "
        "\"spec.template.spec.imagee\"",
        strict.body["message"].as_string());
    auto const ignored = co_await test.send(TestServer::request("POST", "/apis/apps/v1/namespaces/default/deployments",
                                                                {{"fieldValidation", "Ignore"}}, object));
    EXPECT_EQ(201, ignored.status);
    EXPECT_TRUE(ignored.headers.empty());
    EXPECT_FALSE(ignored.body.at({"spec", "template", "spec", "imagee"}).exists());
    co_await test.stop();
}

CO_TEST(Write, UpdatesGuardVersionsAndCountGenerations) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    auto const made = co_await client.create(ctx, kDeployments, deployment());
    CO_ASSERT_OK(made);
    Value next = made->thaw();
    next.set({"spec", "replicas"}, 5);
    next.set({"status", "replicas"}, 99);
    auto const changed = co_await client.update(ctx, kDeployments, next);
    CO_ASSERT_OK(changed);
    EXPECT_EQ(2, meta::generation(*changed));
    EXPECT_FALSE(changed->at({"status", "replicas"}).exists());
    auto const stale = co_await client.update(ctx, kDeployments, next);
    EXPECT_EQ(
        "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your "
        "changes to the latest version and try again",
        stale.error().message());

    auto const same = co_await client.update(ctx, kDeployments, changed->thaw());
    CO_ASSERT_OK(same);
    EXPECT_EQ(meta::resource_version(*changed), meta::resource_version(*same));

    Value status = changed->thaw();
    status.set({"status", "replicas"}, 5);
    status.set({"spec", "replicas"}, 77);
    auto const reported = co_await client.update(ctx, kDeployments, status, {.subresource = "status"});
    CO_ASSERT_OK(reported);
    EXPECT_EQ(5, reported->at({"status", "replicas"}).as_int());
    EXPECT_EQ(5, reported->at({"spec", "replicas"}).as_int());
    EXPECT_EQ(2, meta::generation(*reported));

    Value other = reported->thaw();
    other["metadata"]["uid"] = "11111111-1111-1111-1111-111111111111";
    other["metadata"].erase("resourceVersion");
    auto const wrong = co_await client.update(ctx, kDeployments, other);
    EXPECT_TRUE(wrong.error().is(ErrorCode::kConflict));
    EXPECT_TRUE(wrong.error().message().contains("Precondition failed: UID")) << wrong.error().message();
    co_await test.stop();
}

Task<void> patch_to(Context ctx, client::Client client, Result<Doc>& answer) {
    answer = co_await client.patch(ctx, kConfigMaps, {"default", "a"}, client::PatchType::kMerge,
                                   parsed(R"({"data":{"k":"new"}})"));
}

// A patch that changes nothing any more answers with what another write made: only once that is on the disk.
CO_TEST(Write, WhatChangesNothingWaitsForWhatItFound) {
    auto const engine = std::make_shared<storage::MemoryEngine>(std::chrono::milliseconds(5));
    auto opened = co_await ApiServer::open(ctx, engine, {});
    CO_ASSERT_OK(opened);
    client::Client const client((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("a")));
    for (bool const power_cut : {false, true}) {
        async::Scope scope(ctx);
        Result<Doc> first = Doc(), second = Doc();
        scope.spawn(patch_to(scope.context(), client, first));
        (void)co_await async::sleep_for(ctx, std::chrono::milliseconds(1));
        scope.spawn(patch_to(scope.context(), client, second));
        (void)co_await async::sleep_for(ctx, std::chrono::milliseconds(1));
        if (power_cut) engine->crash();
        co_await scope.join();
        EXPECT_EQ(first.has_value(), !power_cut);
        EXPECT_EQ(second.has_value(), !power_cut);
        if (!power_cut) {
            CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "a"}, client::PatchType::kMerge,
                                               parsed(R"({"data":{"k":"old"}})")));
        }
    }
}

CO_TEST(Write, PatchesOfEveryKind) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kDeployments, deployment()));
    meta::ObjectKey const web{"default", "web"};
    auto const strategic = co_await client.patch(
        ctx, kDeployments, web, PatchType::kStrategicMerge,
        parsed(
            R"({"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s"},{"name":"main","image":"v2"}]}}}})"));
    CO_ASSERT_OK(strategic);
    EXPECT_EQ(2u, strategic->at({"spec", "template", "spec", "containers"}).size());
    auto const merged = co_await client.patch(ctx, kDeployments, web, PatchType::kMerge,
                                              parsed(R"({"metadata":{"annotations":{"a":"b"}}})"));
    CO_ASSERT_OK(merged);
    EXPECT_EQ("b", meta::annotation(*merged, "a"));
    EXPECT_EQ(meta::generation(*strategic) + 1, meta::generation(*merged));   // a Deployment's annotations count
    auto const listed = co_await client.patch(
        ctx, kDeployments, web, PatchType::kJson,
        parsed(
            R"([{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":4}])"));
    CO_ASSERT_OK(listed);
    EXPECT_EQ(4, listed->at({"spec", "replicas"}).as_int());
    auto const failed = co_await client.patch(ctx, kDeployments, web, PatchType::kJson,
                                              parsed(R"([{"op":"test","path":"/spec/replicas","value":1}])"));
    EXPECT_TRUE(failed.error().is(ErrorCode::kInvalid)) << failed.error().message();
    auto const stale = co_await client.patch(ctx, kDeployments, web, PatchType::kMerge,
                                             parsed(R"({"metadata":{"resourceVersion":"1"},"spec":{"replicas":9}})"));
    EXPECT_TRUE(stale.error().is(ErrorCode::kConflict));
    auto const scaled = co_await client.patch(ctx, kDeployments, web, PatchType::kMerge,
                                              parsed(R"({"spec":{"replicas":7}})"), {.subresource = "scale"});
    CO_ASSERT_OK(scaled);
    EXPECT_EQ("Scale", (*scaled)["kind"].as_string());
    EXPECT_EQ(7, scaled->at({"spec", "replicas"}).as_int());
    EXPECT_EQ("app=web", scaled->at({"status", "selector"}).as_string());
    auto const unknown = co_await test.send(TestServer::request(
        "PATCH", "/apis/apps/v1/namespaces/default/deployments/web", {}, json::Object(), "application/json"));
    EXPECT_EQ(415, unknown.status);
    co_await test.stop();
}

CO_TEST(Write, ApplyCreatesKeepsOwnersAndConflicts) {
    TestServer test(ctx);
    co_await test.start();
    auto const hub = test.admin().named("hub");
    auto const first = co_await hub.apply(ctx, kDeployments, deployment());
    CO_ASSERT_OK(first);
    EXPECT_EQ("Apply", (*first)["metadata"]["managedFields"][0]["operation"].as_string());
    auto const same = co_await hub.apply(ctx, kDeployments, deployment());
    CO_ASSERT_OK(same);
    EXPECT_EQ(meta::resource_version(*first), meta::resource_version(*same));

    auto const member = test.admin().named("member");
    Value frozen = parsed(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},"spec":{"paused":true}})");
    CO_ASSERT_OK(co_await member.apply(ctx, kDeployments, frozen));
    Value mine = deployment();
    mine.set({"spec", "paused"}, false);
    auto const conflict = co_await hub.apply(ctx, kDeployments, mine);
    EXPECT_TRUE(conflict.error().is(ErrorCode::kConflict));
    EXPECT_TRUE(conflict.error().message().starts_with("Apply failed with 1 conflict: conflict with \"member\""))
        << conflict.error().message();
    CO_ASSERT_TRUE(conflict.error().causes().size() == 1);
    EXPECT_EQ(".spec.paused", conflict.error().causes()[0].field);
    auto const forced = co_await hub.apply(ctx, kDeployments, mine, {.force = true});
    CO_ASSERT_OK(forced);
    auto const dropped = co_await hub.apply(ctx, kDeployments, deployment());
    CO_ASSERT_OK(dropped);
    EXPECT_FALSE(dropped->at({"spec", "paused"}).as_bool());

    auto const anonymous = co_await test.send(TestServer::request(
        "PATCH", "/apis/apps/v1/namespaces/default/deployments/web", {}, deployment(), "application/apply-patch+yaml"));
    EXPECT_EQ(422, anonymous.status);
    co_await test.stop();
}

CO_TEST(Delete, FinalizersHoldAndTheLastOneEnds) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    Value object = config_map("a");
    object.set({"metadata", "finalizers"}, json::Array{"example.com/hold"});
    auto const made = co_await client.create(ctx, kConfigMaps, object);
    CO_ASSERT_OK(made);
    auto const wrong = co_await client.remove(ctx, kConfigMaps, {"default", "a"}, {.uid = "other"});
    EXPECT_TRUE(wrong.error().is(ErrorCode::kConflict));
    CO_ASSERT_OK(co_await client.remove(ctx, kConfigMaps, {"default", "a"}));
    auto const held = co_await client.get(ctx, kConfigMaps, {"default", "a"});
    CO_ASSERT_OK(held);
    EXPECT_TRUE(meta::is_deleting(*held));
    auto const added =
        co_await client.patch(ctx, kConfigMaps, {"default", "a"}, PatchType::kMerge,
                              parsed(R"({"metadata":{"finalizers":["example.com/hold","example.com/more"]}})"));
    EXPECT_TRUE(added.error().message().contains("no new finalizers can be added if the object is being deleted"))
        << added.error().message();
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "a"}, PatchType::kMerge,
                                       parsed(R"({"metadata":{"finalizers":null}})")));
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "a"}));
    co_await test.stop();
}

CO_TEST(Delete, PodsWaitForTheirNode) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    Value const pod = parsed(
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},"spec":{"containers":[{"name":"c","image":"i"}]}})");
    CO_ASSERT_OK(co_await client.create(ctx, kPods, pod));
    Value binding = parsed(
        R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p","namespace":"default"},"target":{"kind":"Node","name":"n1"}})");
    CO_ASSERT_OK(co_await client.create(ctx, kPods, binding, {.subresource = "binding"}));
    auto const twice = co_await client.create(ctx, kPods, binding, {.subresource = "binding"});
    EXPECT_TRUE(twice.error().is(ErrorCode::kConflict)) << twice.error().message();
    CO_ASSERT_OK(co_await client.remove(ctx, kPods, {"default", "p"}));
    auto const ending = co_await client.get(ctx, kPods, {"default", "p"});
    CO_ASSERT_OK(ending);
    EXPECT_EQ(30, ending->at({"metadata", "deletionGracePeriodSeconds"}).as_int());
    EXPECT_EQ("n1", ending->at({"spec", "nodeName"}).as_string());
    CO_ASSERT_OK(co_await client.remove(ctx, kPods, {"default", "p"}, {.grace_period_seconds = 0}));
    EXPECT_FALSE(co_await client.get(ctx, kPods, {"default", "p"}));
    co_await test.stop();
}

CO_TEST(Delete, CollectionsGoBySelector) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    for (char const* name : {"a", "b", "c"}) {
        Value object = config_map(name);
        if (std::string_view(name) != "b") object.set({"metadata", "labels"}, json::Object{{"go", "yes"}});
        CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, object));
    }
    auto const gone = co_await test.send(
        TestServer::request("DELETE", "/api/v1/namespaces/default/configmaps", {{"labelSelector", "go=yes"}}));
    EXPECT_EQ(200, gone.status);
    EXPECT_EQ(2u, gone.body["items"].size());
    auto const left = co_await client.list(ctx, kConfigMaps, {.ns = "default"});
    EXPECT_EQ(1u, (*left)["items"].size());
    co_await test.stop();
}

// Refuses, and changes what it lets through.
class Plugin final : public control::Admission {
public:
    std::string_view name() const override { return "plugin"; }
    bool matches(control::AdmissionRequest const& request) const override {
        return request.resource.resource == "configmaps";
    }
    Task<Status> mutate(Context, control::AdmissionRequest& request) override {
        request.object.set({"data", "seen"}, request.user.name);
        request.warnings.push_back("seen");
        co_return Status{};
    }
    Task<Status> validate(Context, control::AdmissionRequest const& request) override {
        if (request.object.at({"data", "k"}).as_string() == "bad")
            co_return fail(ErrorCode::kForbidden, "bad is refused");
        co_return Status{};
    }
};

CO_TEST(Admission, MayChangeRefuseAndWarn) {
    TestServer test(ctx);
    co_await test.start();
    test.server->add_admission("fleet", std::make_shared<Plugin>());
    auto const client = test.admin();
    auto const made = co_await client.create(ctx, kConfigMaps, config_map("a"));
    CO_ASSERT_OK(made);
    EXPECT_EQ("admin", made->at({"data", "seen"}).as_string());
    EXPECT_EQ("bad is refused", (co_await client.create(ctx, kConfigMaps, config_map("b", "bad"))).error().message());
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "b"}));
    co_await test.stop();
}

CO_TEST(Write, WhatIsStoredSurvivesARestart) {
    auto const engine = std::make_shared<storage::MemoryEngine>();
    std::string version;
    {
        TestServer test(ctx);
        test.engine = engine;
        co_await test.start();
        auto const made = co_await test.admin().create(ctx, kConfigMaps, config_map("a"));
        CO_ASSERT_OK(made);
        version = meta::resource_version(*made);
        co_await test.stop();
    }
    TestServer test(ctx);
    test.engine = engine;
    co_await test.start();
    auto const read = co_await test.admin().get(ctx, kConfigMaps, {"default", "a"});
    CO_ASSERT_OK(read);
    EXPECT_EQ(version, meta::resource_version(*read));
    co_await test.stop();
}

// A sub-resource has the verbs that it has; what the path leaves out or says too much is nothing.
CO_TEST(Write, NoVerbFallsThroughToAnotherResource) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    Value const pod = parsed(
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},"spec":{"containers":[{"name":"a","image":"a"}]}})");
    auto const made = co_await client.create(ctx, kPods, pod);
    CO_ASSERT_OK(made);
    std::string const pods = "/api/v1/namespaces/default/pods";
    Value changed = made->thaw();
    changed.set({"metadata", "labels"}, json::Object{{"a", "b"}});
    std::vector<client::Request> requests;
    for (char const* subresource : {"/p/binding", "/p/eviction"}) {
        requests.push_back(TestServer::request("GET", pods + subresource));
        requests.push_back(TestServer::request("PUT", pods + subresource, {}, changed));
        requests.push_back(TestServer::request("PATCH", pods + subresource, {},
                                               parsed(R"({"metadata":{"labels":{"a":"b"}}})"),
                                               "application/merge-patch+json"));
        requests.push_back(TestServer::request("DELETE", pods + subresource));
    }
    for (char const* path : {"//status", "//binding", "/p/status/more"}) {
        requests.push_back(TestServer::request("DELETE", pods + path));
        requests.push_back(TestServer::request("GET", pods + path));
        requests.push_back(TestServer::request("GET", pods + path, {{"watch", "1"}}));
    }
    requests.push_back(TestServer::request("GET", "/api/v1/namespaces//pods"));
    requests.push_back(TestServer::request("GET", "/apis//v1/pods"));
    requests.push_back(TestServer::request("PATCH", "/api/v1/namespaces/default/finalize", {},
                                           parsed(R"({"metadata":{"labels":{"a":"b"}}})"),
                                           "application/merge-patch+json"));
    for (client::Request const& request : requests) {
        auto const response = co_await test.send(request);
        EXPECT_TRUE(response.status == 404 || response.status == 405)
            << request.method << " " << request.path << ": " << response.status << json::write(response.body);
    }
    auto const after = co_await client.get(ctx, kPods, {"default", "p"});
    CO_ASSERT_OK(after);
    EXPECT_EQ(meta::resource_version(*made), meta::resource_version(*after));
    co_await test.stop();
}

// `kubectl drain --dry-run=server` evicts with the options inside.
CO_TEST(Delete, AnEvictionObeysItsOwnOptions) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(
        ctx, kPods,
        parsed(
            R"({"metadata":{"name":"p","namespace":"default"},"spec":{"nodeName":"n","containers":[{"name":"a","image":"a"}]}})")));
    auto const evict = [](std::string_view options) {
        return TestServer::request("POST", "/api/v1/namespaces/default/pods/p/eviction", {},
                                   parsed(fmt::format(R"({{"deleteOptions":{}}})", options)));
    };
    auto const tried = co_await test.send(evict(R"({"dryRun":["All"]})"));
    EXPECT_EQ(201, tried.status);
    auto const untouched = co_await client.get(ctx, kPods, {"default", "p"});
    CO_ASSERT_OK(untouched);
    EXPECT_FALSE(meta::is_deleting(*untouched));
    for (char const* wrong : {R"({"dryRun":["Some"]})", R"({"propagationPolicy":"Sideways"})"}) {
        auto const refused = co_await test.send(evict(wrong));
        EXPECT_EQ(422, refused.status) << wrong;
    }
    auto const evicted = co_await test.send(evict(R"({"gracePeriodSeconds":-5})"));
    EXPECT_EQ(201, evicted.status);
    auto const going = co_await client.get(ctx, kPods, {"default", "p"});
    CO_ASSERT_OK(going);
    EXPECT_EQ(1, going->at({"metadata", "deletionGracePeriodSeconds"}).as_int());
    co_await test.stop();
}

// Nobody reads 20,000 of them, and few clients take as much header.
CO_TEST(Write, WarningsAreCutAsUpstreamCutsThem) {
    TestServer test(ctx);
    co_await test.start();
    auto const warned = [](client::Response const& response) {
        std::vector<std::string> warnings;
        for (auto const& [name, value] : response.headers) {
            if (name == "Warning") warnings.push_back(value);
        }
        return warnings;
    };
    Value object = config_map("a");
    for (int number = 0; number < 20'000; ++number) object["unknown" + std::to_string(number)] = nullptr;
    for (int number = 0; number < 20'000; ++number) object["other" + std::to_string(number)] = 1;
    std::string const path = "/api/v1/namespaces/default/configmaps";
    auto const many = co_await test.send(TestServer::request("POST", path, {}, object));
    EXPECT_EQ(201, many.status);
    EXPECT_EQ("299 - \"unknown field \\\"other0\\\"\"", warned(many).at(0));
    EXPECT_LT(warned(many).size(), 300u);
    auto const strict = co_await test.send(TestServer::request("POST", path, {{"fieldValidation", "Strict"}}, object));
    EXPECT_EQ(400, strict.status);
    EXPECT_LT(strict.body["message"].as_string().size(), 5000u);
    Value wide = config_map("b");
    for (int number = 0; number < 20; ++number) wide[std::string(300, 'x') + std::to_string(number)] = 1;
    auto const cut = co_await test.send(TestServer::request("POST", path, {}, wide));
    EXPECT_EQ(16u, warned(cut).size());
    for (std::string const& each : warned(cut)) EXPECT_LT(each.size(), 300u);
    Value few = config_map("c");
    few[std::string(300, 'x')] = 1;
    auto const whole = co_await test.send(TestServer::request("POST", path, {}, few));
    EXPECT_TRUE(warned(whole).at(0).contains(std::string(300, 'x')));
    co_await test.stop();
}

}   // namespace
}   // namespace aviary::apiserver
