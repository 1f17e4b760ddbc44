#include "kube/apiserver/internal/served.h"
#include "kube/apiserver/internal/test_server.h"

namespace aviary::apiserver {
namespace {

using client::PatchType;
using json::Value;

meta::GroupVersionResource const kWidgets{"demo.example.com", "v1", "widgets"};
meta::GroupVersionResource const kOldWidgets{"demo.example.com", "v1beta1", "widgets"};

Value definition() {
    return parsed(
        R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.demo.example.com"},
      "spec":{"group":"demo.example.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[
        {"name":"v1","served":true,"storage":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.size.wanted","statusReplicasPath":".status.replicas"}},
         "additionalPrinterColumns":[{"name":"Mode","type":"string","jsonPath":".spec.mode"}],
         "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","required":["mode"],"properties":{
            "mode":{"type":"string","enum":["a","b"]},"size":{"type":"object","default":{},"properties":{"wanted":{"type":"integer","default":2,"minimum":0}}}}},
            "status":{"type":"object","properties":{"replicas":{"type":"integer"}}}}}}},
        {"name":"v1beta1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})");
}

Value widget(std::string_view name, std::string_view mode = "a") {
    return parsed(fmt::format(
        R"({{"apiVersion":"demo.example.com/v1","kind":"Widget","metadata":{{"name":"{}","namespace":"default"}},"spec":{{"mode":"{}"}},"status":{{"replicas":9}}}})",
        name, mode));
}

CO_TEST(Custom, ServedAtOnceWithDefaultsAndValidation) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    EXPECT_FALSE(co_await client.list(ctx, kWidgets, {}));
    auto const defined = co_await client.create(ctx, kCrds, definition());
    CO_ASSERT_OK(defined);
    EXPECT_TRUE(meta::condition_is_true(*defined, "Established"));
    EXPECT_EQ("widget", defined->at({"spec", "names", "singular"}).as_string());
    EXPECT_EQ("v1", defined->at({"status", "storedVersions"})[0].as_string());

    auto const made = co_await client.create(ctx, kWidgets, widget("w"));
    CO_ASSERT_OK(made);
    EXPECT_EQ(2, made->at({"spec", "size", "wanted"}).as_int());
    EXPECT_FALSE((*made)["status"].exists());   // its sub-resource alone writes it
    auto const wrong = co_await client.create(ctx, kWidgets, widget("x", "c"));
    EXPECT_EQ(
        "Widget.demo.example.com \"x\" is invalid: spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        wrong.error().message());
    auto const empty =
        co_await client.patch(ctx, kWidgets, {"default", "w"}, PatchType::kMerge, parsed(R"({"spec":{"mode":null}})"));
    EXPECT_EQ("Widget.demo.example.com \"w\" is invalid: spec.mode: Required value", empty.error().message());
    auto const strategic =
        co_await client.patch(ctx, kWidgets, {"default", "w"}, PatchType::kStrategicMerge, parsed("{}"));
    EXPECT_TRUE(strategic.error().is(ErrorCode::kUnsupportedMediaType));
    co_await test.stop();
}

CO_TEST(Custom, AStatusBeforeTheMetadataChangesNothing) {
    TestServer test(ctx);
    co_await test.start();
    CO_ASSERT_OK(co_await test.admin().create(ctx, kCrds, definition()));
    Value const first = parsed(
        R"({"status":{"replicas":1},"spec":{"mode":"a"},"metadata":{"name":"w","namespace":"default"},"kind":"Widget","apiVersion":"demo.example.com/v1"})");
    auto const made = co_await test.admin().create(ctx, kWidgets, first);
    CO_ASSERT_OK(made);
    EXPECT_EQ(1, meta::generation(*made));
    EXPECT_FALSE(made->contains("generation"));
    EXPECT_FALSE(made->contains("status"));
    co_await test.stop();
}

CO_TEST(Custom, StatusScaleAndVersions) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kCrds, definition()));
    auto const made = co_await client.create(ctx, kWidgets, widget("w"));
    CO_ASSERT_OK(made);
    auto const status =
        co_await client.patch(ctx, kWidgets, {"default", "w"}, PatchType::kMerge,
                              parsed(R"({"spec":{"mode":"b"},"status":{"replicas":3}})"), {.subresource = "status"});
    CO_ASSERT_OK(status);
    EXPECT_EQ(3, status->at({"status", "replicas"}).as_int());
    EXPECT_EQ("a", status->at({"spec", "mode"}).as_string());
    EXPECT_EQ(1, meta::generation(*status));
    auto const scale = co_await client.patch(ctx, kWidgets, {"default", "w"}, PatchType::kMerge,
                                             parsed(R"({"spec":{"replicas":6}})"), {.subresource = "scale"});
    CO_ASSERT_OK(scale);
    EXPECT_EQ(3, scale->at({"status", "replicas"}).as_int());
    auto const scaled = co_await client.get(ctx, kWidgets, {"default", "w"});
    EXPECT_EQ(6, scaled->at({"spec", "size", "wanted"}).as_int());
    EXPECT_EQ(2, meta::generation(*scaled));
    auto const old = co_await client.get(ctx, kOldWidgets, {"default", "w"});
    CO_ASSERT_OK(old);
    EXPECT_EQ("demo.example.com/v1beta1", (*old)["apiVersion"].as_string());
    EXPECT_EQ(meta::uid(*scaled), meta::uid(*old));
    co_await test.stop();
}

CO_TEST(Custom, BadDefinitionsAreRefusedByField) {
    TestServer test(ctx);
    co_await test.start();
    Value wrong = definition();
    wrong.set({"metadata", "name"}, "gadgets.demo.example.com");
    auto const name = co_await test.admin().create(ctx, kCrds, wrong);
    EXPECT_TRUE(name.error().message().contains("must be spec.names.plural+\".\"+spec.group"))
        << name.error().message();
    Value webhook = definition();
    webhook.set({"spec", "conversion", "strategy"}, "Webhook");
    auto const conversion = co_await test.admin().create(ctx, kCrds, webhook);
    EXPECT_TRUE(conversion.error().message().contains(
        "spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook"))
        << conversion.error().message();
    CO_ASSERT_OK(co_await test.admin().create(ctx, kCrds, definition()));
    // The same kind under another plural: it may not be served.
    Value rival = definition();
    rival.set({"metadata", "name"}, "gizmos.demo.example.com");
    rival.set({"spec", "names", "plural"}, "gizmos");
    auto const conflict = co_await test.admin().create(ctx, kCrds, rival);
    CO_ASSERT_OK(conflict);
    EXPECT_EQ("False", meta::condition(*conflict, "NamesAccepted")["status"].as_string());
    EXPECT_FALSE(co_await test.admin().list(ctx, {"demo.example.com", "v1", "gizmos"}, {}));
    co_await test.stop();
}

CO_TEST(Custom, DeletingTheDefinitionDeletesItsInstances) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kCrds, definition()));
    Value held = widget("held");
    held.set({"metadata", "finalizers"}, json::Array{"example.com/hold"});
    CO_ASSERT_OK(co_await client.create(ctx, kWidgets, held));
    CO_ASSERT_OK(co_await client.create(ctx, kWidgets, widget("free")));
    CO_ASSERT_OK(co_await client.remove(ctx, kCrds, {"", "widgets.demo.example.com"}));
    (void)co_await async::sleep_for(ctx, std::chrono::milliseconds(100));
    EXPECT_FALSE(co_await client.get(ctx, kWidgets, {"default", "free"}));
    auto const refused = co_await client.create(ctx, kWidgets, widget("late"));
    EXPECT_EQ("create not allowed while custom resource definition is terminating", refused.error().message());
    CO_ASSERT_OK(co_await client.patch(ctx, kWidgets, {"default", "held"}, PatchType::kMerge,
                                       parsed(R"({"metadata":{"finalizers":null}})")));
    (void)co_await async::sleep_for(ctx, std::chrono::milliseconds(100));
    EXPECT_FALSE(co_await client.get(ctx, kCrds, {"", "widgets.demo.example.com"}));
    EXPECT_FALSE(co_await client.list(ctx, kWidgets, {}));
    co_await test.stop();
}

// A kind of one's own may be called as a built-in one is.
CO_TEST(Custom, NamesakesOfNamespacesAndDefinitionsEndAlone) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    for (char const* plural : {"namespaces", "customresourcedefinitions"}) {
        Value namesake = definition();
        namesake.set({"metadata", "name"}, std::string(plural) + ".demo.example.com");
        namesake.set({"spec", "scope"}, "Cluster");
        namesake.set({"spec", "names"}, json::Object{{"plural", plural}, {"kind", std::string("Own") + plural}});
        CO_ASSERT_OK(co_await client.create(ctx, kCrds, namesake));
        meta::GroupVersionResource const own{"demo.example.com", "v1", plural};
        Value object = parsed(
            R"({"metadata":{"name":"victim","finalizers":["example.com/hold"]},"spec":{"mode":"a","group":"","names":{"plural":"configmaps"}}})");
        CO_ASSERT_OK(co_await client.create(ctx, own, object));
    }
    CO_ASSERT_OK(co_await client.create(ctx, kNamespaces, parsed(R"({"metadata":{"name":"victim"}})")));
    Value kept = config_map("kept");
    kept.set({"metadata", "namespace"}, "victim");
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, kept));
    for (char const* plural : {"namespaces", "customresourcedefinitions"}) {
        auto const deleted =
            co_await test.send(TestServer::request("DELETE", std::string("/apis/demo.example.com/v1/") + plural));
        EXPECT_EQ(200, deleted.status) << json::write(deleted.body);
    }
    (void)co_await async::sleep_for(ctx, std::chrono::seconds(1));
    EXPECT_TRUE(co_await client.get(ctx, kConfigMaps, {"victim", "kept"}));
    EXPECT_TRUE(co_await client.get(ctx, kNamespaces, {"", "victim"}));
    co_await test.stop();
}

// A name that is taken later is not accepted, but what was served stays served, and so does what it owns.
CO_TEST(Custom, WhatIsEstablishedStaysEstablished) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kCrds, definition()));
    Value other = definition();
    other.set({"metadata", "name"}, "gadgets.demo.example.com");
    other.set({"spec", "names"}, json::Object{{"plural", "gadgets"}, {"kind", "Gadget"}});
    CO_ASSERT_OK(co_await client.create(ctx, kCrds, other));
    auto const owner = co_await client.create(ctx, kWidgets, widget("w"));
    CO_ASSERT_OK(owner);
    Value child = config_map("child");
    child.set({"metadata", "ownerReferences"}, json::Array{meta::controller_reference(*owner)});
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, child));
    auto const taken = co_await client.patch(ctx, kCrds, {"", "widgets.demo.example.com"}, PatchType::kMerge,
                                             parsed(R"({"spec":{"names":{"singular":"gadget"}}})"));
    CO_ASSERT_OK(taken);
    EXPECT_FALSE(meta::condition_is_true(*taken, "NamesAccepted"));
    EXPECT_TRUE(meta::condition_is_true(*taken, "Established"));
    EXPECT_EQ("widget", taken->at({"status", "acceptedNames", "singular"}).as_string());
    auto const engine = test.engine;
    co_await test.stop();

    TestServer again(ctx);
    again.engine = engine;
    co_await again.start();
    again.run_controllers();
    (void)co_await async::sleep_for(ctx, std::chrono::seconds(1));
    EXPECT_TRUE(co_await again.admin().get(ctx, kWidgets, {"default", "w"}));
    EXPECT_TRUE(co_await again.admin().get(ctx, kConfigMaps, {"default", "child"}));
    co_await again.stop();
}

TEST(Catalog, KeepsNothingOfDefinitionsThatAreNoMore) {
    Catalog catalog;
    std::shared_ptr<Served const> served;
    for (int version = 0; version < 100; ++version) {
        Value changed = definition();
        changed.set({"spec", "names", "shortNames"}, json::Array{"w" + std::to_string(version)});
        served = catalog.serve({json::Doc::freeze(changed)});
        EXPECT_EQ(2u, served->custom().size());
    }
    EXPECT_LE(catalog.size(), 2u);
}

TEST(Catalog, KeepsTheLastListsWhereItIsAskedTo) {
    Catalog catalog(2);
    auto const serve = [&catalog](std::string name) {
        Value changed = definition();
        changed.set({"spec", "names", "shortNames"}, json::Array{std::move(name)});
        return catalog.serve({json::Doc::freeze(changed)}).get();
    };
    Served const* const first = serve("a");
    EXPECT_EQ(serve("a"), first);
    serve("b");
    EXPECT_EQ(serve("a"), first);
    serve("c");
    serve("d");
    serve("d");
    EXPECT_EQ(catalog.size(), 2u) << "of c and d";
}

}   // namespace
}   // namespace aviary::apiserver
