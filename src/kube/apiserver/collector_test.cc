#include "kube/apiserver/internal/expiry.h"
#include "kube/apiserver/internal/test_server.h"

namespace aviary::apiserver {
namespace {

using namespace std::chrono_literals;
using client::PatchType;
using json::Doc;
using json::Value;

Value owned(std::string_view name, Doc const& owner, bool blocks = true) {
    Value object = config_map(name);
    Value reference = meta::controller_reference(owner);
    reference["blockOwnerDeletion"] = blocks;
    object.set({"metadata", "ownerReferences"}, json::Array{std::move(reference)});
    return object;
}

CO_TEST(Collector, DependentsGoWithTheirOwner) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    auto const owner = co_await client.create(ctx, kConfigMaps, config_map("owner"));
    auto const child = co_await client.create(ctx, kConfigMaps, owned("child", *owner));
    CO_ASSERT_OK(child);
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, owned("grandchild", *child)));
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("stranger")));
    CO_ASSERT_OK(co_await client.remove(ctx, kConfigMaps, {"default", "owner"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    auto const left = co_await client.list(ctx, kConfigMaps, {.ns = "default"});
    CO_ASSERT_TRUE((*left)["items"].size() == 1);
    EXPECT_EQ("stranger", meta::name((*left)["items"][0]));
    // One whose owner is gone already does not stay.
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, owned("late", *owner)));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "late"}));
    co_await test.stop();
}

CO_TEST(Collector, ForegroundWaitsForThoseThatBlock) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    auto const owner = co_await client.create(ctx, kConfigMaps, config_map("owner"));
    Value held = owned("held", *owner);
    held.set({"metadata", "finalizers"}, json::Array{"example.com/hold"});
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, held));
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, owned("loose", *owner, false)));
    CO_ASSERT_OK(co_await client.remove(ctx, kConfigMaps, {"default", "owner"}, {.propagation_policy = "Foreground"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    auto const waiting = co_await client.get(ctx, kConfigMaps, {"default", "owner"});
    CO_ASSERT_OK(waiting);
    EXPECT_TRUE(meta::has_finalizer(*waiting, "foregroundDeletion"));
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "loose"}));
    auto const child = co_await client.get(ctx, kConfigMaps, {"default", "held"});
    CO_ASSERT_OK(child);
    EXPECT_TRUE(meta::is_deleting(*child));
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "held"}, PatchType::kJson,
                                       parsed(R"([{"op":"remove","path":"/metadata/finalizers/0"}])")));
    (void)co_await async::sleep_for(ctx, 100ms);
    auto const after = co_await client.get(ctx, kConfigMaps, {"default", "owner"});
    EXPECT_FALSE(after) << json::write(*after);
    co_await test.stop();
}

CO_TEST(Collector, OrphansStay) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    auto const owner = co_await client.create(ctx, kConfigMaps, config_map("owner"));
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, owned("child", *owner)));
    CO_ASSERT_OK(co_await client.remove(ctx, kConfigMaps, {"default", "owner"}, {.propagation_policy = "Orphan"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "owner"}));
    auto const child = co_await client.get(ctx, kConfigMaps, {"default", "child"});
    CO_ASSERT_OK(child);
    EXPECT_FALSE(child->at({"metadata", "ownerReferences"}).exists());
    co_await test.stop();
}

CO_TEST(Namespaces, TheirContentsGoFirst) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    auto const ns = co_await client.create(
        ctx, kNamespaces, parsed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}})"));
    CO_ASSERT_OK(ns);
    EXPECT_EQ("kubernetes", ns->at({"spec", "finalizers"})[0].as_string());
    EXPECT_EQ("demo", meta::label(*ns, "kubernetes.io/metadata.name"));
    Value inside = config_map("a");
    inside.set({"metadata", "namespace"}, "demo");
    inside.set({"metadata", "finalizers"}, json::Array{"example.com/hold"});
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, inside));
    CO_ASSERT_OK(co_await client.remove(ctx, kNamespaces, {"", "demo"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    auto const waiting = co_await client.get(ctx, kNamespaces, {"", "demo"});
    CO_ASSERT_OK(waiting);
    EXPECT_EQ("Terminating", waiting->at({"status", "phase"}).as_string());
    EXPECT_EQ("Some resources are remaining: configmaps. has 1 resource instances",
              meta::condition(*waiting, "NamespaceContentRemaining")["message"].as_string());
    EXPECT_EQ("Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
              meta::condition(*waiting, "NamespaceFinalizersRemaining")["message"].as_string());
    Value more = config_map("b");
    more.set({"metadata", "namespace"}, "demo");
    auto const refused = co_await client.create(ctx, kConfigMaps, more);
    EXPECT_EQ(
        "configmaps \"b\" is forbidden: unable to create new content in namespace demo because it is being terminated",
        refused.error().message());
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"demo", "a"}, PatchType::kMerge,
                                       parsed(R"({"metadata":{"finalizers":null}})")));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kNamespaces, {"", "demo"}));
    auto const kept = co_await client.remove(ctx, kNamespaces, {"", "kube-system"});
    EXPECT_EQ("namespaces \"kube-system\" is forbidden: this namespace may not be deleted", kept.error().message());
    co_await test.stop();
}

CO_TEST(Events, GoAnHourAfterTheirLastChange) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    meta::GroupVersionResource const events{"", "v1", "events"};
    Value const event = parsed(R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"e","namespace":"default"},
      "involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"reason":"Started","count":1})");
    CO_ASSERT_OK(co_await client.create(ctx, events, event));
    (void)co_await async::sleep_for(ctx, 59min);
    CO_ASSERT_OK(co_await client.patch(ctx, events, {"default", "e"}, PatchType::kMerge, parsed(R"({"count":2})")));
    (void)co_await async::sleep_for(ctx, 59min);
    EXPECT_TRUE(co_await client.get(ctx, events, {"default", "e"}));
    (void)co_await async::sleep_for(ctx, 2min);
    EXPECT_FALSE(co_await client.get(ctx, events, {"default", "e"}));
    co_await test.stop();
}

CO_TEST(Collector, IdleMeansNoWrites) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    CO_ASSERT_OK(co_await test.admin().create(ctx, kConfigMaps, config_map("a")));
    (void)co_await async::sleep_for(ctx, 1s);
    auto const syncs = test.engine->syncs();
    (void)co_await async::sleep_for(ctx, 1h);
    EXPECT_EQ(syncs, test.engine->syncs());
    co_await test.stop();
}

Value with_owner(std::string_view name, std::string_view api_version, std::string_view kind, std::string_view owner,
                 std::string_view uid) {
    Value object = config_map(name);
    object.set({"metadata", "ownerReferences"},
               json::Array{json::Object{{"apiVersion", api_version}, {"kind", kind}, {"name", owner}, {"uid", uid}}});
    return object;
}

Value gadgets() {
    return parsed(
        R"({"metadata":{"name":"gadgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
      "names":{"plural":"gadgets","kind":"Gadget"},"versions":[{"name":"v1","served":true,"storage":true,
      "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})");
}

// Whether an owner is gone is known only of a kind that is served, in the version that the reference says.
CO_TEST(Collector, WhatCannotBeJudgedStays) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, with_owner("kind", "example.com/v1", "Gadget", "g", "u-1")));
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, with_owner("version", "apps/v9", "Deployment", "d", "u-2")));
    auto const owner = co_await client.create(ctx, kConfigMaps, config_map("owner"));
    CO_ASSERT_OK(owner);
    Value role = parsed(R"({"metadata":{"name":"wide"},"rules":[]})");
    role.set({"metadata", "ownerReferences"}, json::Array{meta::controller_reference(*owner)});
    CO_ASSERT_OK(co_await client.create(ctx, kClusterRoles, role));
    (void)co_await async::sleep_for(ctx, 100ms);
    // Its owner going away makes it no more judgeable.
    CO_ASSERT_OK(co_await client.remove(ctx, kConfigMaps, {"default", "owner"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_TRUE(co_await client.get(ctx, kConfigMaps, {"default", "kind"}));
    EXPECT_TRUE(co_await client.get(ctx, kConfigMaps, {"default", "version"}));
    EXPECT_TRUE(co_await client.get(ctx, kClusterRoles, {"", "wide"}));
    // Judged as soon as the kind is known.
    CO_ASSERT_OK(co_await client.create(ctx, kCrds, gadgets()));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "kind"}));
    EXPECT_TRUE(co_await client.get(ctx, kConfigMaps, {"default", "version"}));
    co_await test.stop();
}

CO_TEST(Collector, DependentsGoWithTheDefinitionOfTheirOwner) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kCrds, gadgets()));
    auto const owner = co_await client.create(ctx, {"example.com", "v1", "gadgets"},
                                              parsed(R"({"metadata":{"name":"g","namespace":"default"}})"));
    CO_ASSERT_OK(owner);
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, owned("child", *owner)));
    CO_ASSERT_OK(co_await client.remove(ctx, kCrds, {"", "gadgets.example.com"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kCrds, {"", "gadgets.example.com"}));
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "child"}));
    co_await test.stop();
}

// Who waits for his dependents waits for those alone that nobody else holds.
CO_TEST(Collector, ForegroundLetsGoOfWhatOthersOwn) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    auto const dying = co_await client.create(ctx, kConfigMaps, config_map("dying"));
    auto const living = co_await client.create(ctx, kConfigMaps, config_map("living"));
    Value shared = owned("shared", *dying);
    Value second = meta::controller_reference(*living);
    second["controller"] = false;
    shared["metadata"]["ownerReferences"].push_back(second);
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, shared));
    CO_ASSERT_OK(co_await client.remove(ctx, kConfigMaps, {"default", "dying"}, {.propagation_policy = "Foreground"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "dying"}));
    auto const kept = co_await client.get(ctx, kConfigMaps, {"default", "shared"});
    CO_ASSERT_OK(kept);
    Doc const owners = kept->at({"metadata", "ownerReferences"});
    CO_ASSERT_TRUE(owners.size() == 1);
    EXPECT_EQ("living", owners[0]["name"].as_string());
    co_await test.stop();
}

CO_TEST(Collector, ForegroundEndsWhenNothingBlocksAnyMore) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    for (char const* patch :
         {R"([{"op":"remove","path":"/metadata/ownerReferences"}])",
          R"([{"op":"replace","path":"/metadata/ownerReferences/0/blockOwnerDeletion","value":false}])"}) {
        auto const owner = co_await client.create(ctx, kConfigMaps, config_map("owner"));
        Value held = owned("held", *owner);
        held.set({"metadata", "finalizers"}, json::Array{"example.com/hold"});
        CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, held));
        CO_ASSERT_OK(
            co_await client.remove(ctx, kConfigMaps, {"default", "owner"}, {.propagation_policy = "Foreground"}));
        (void)co_await async::sleep_for(ctx, 100ms);
        EXPECT_TRUE(co_await client.get(ctx, kConfigMaps, {"default", "owner"}));
        CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "held"}, PatchType::kJson, parsed(patch)));
        (void)co_await async::sleep_for(ctx, 100ms);
        EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "owner"})) << patch;
        CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "held"}, PatchType::kJson,
                                           parsed(R"([{"op":"remove","path":"/metadata/finalizers"}])")));
        (void)co_await async::sleep_for(ctx, 100ms);
    }
    co_await test.stop();
}

CO_TEST(Collector, ForegroundEndsInACircle) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    auto const client = test.admin();
    auto const first = co_await client.create(ctx, kConfigMaps, config_map("first"));
    auto const second = co_await client.create(ctx, kConfigMaps, owned("second", *first));
    CO_ASSERT_OK(second);
    Value back{json::Object()};
    back.set({"metadata", "ownerReferences"}, owned("first", *second).at({"metadata", "ownerReferences"}));
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "first"}, PatchType::kMerge, back));
    CO_ASSERT_OK(co_await client.remove(ctx, kConfigMaps, {"default", "first"}, {.propagation_policy = "Foreground"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "first"}));
    EXPECT_FALSE(co_await client.get(ctx, kConfigMaps, {"default", "second"}));
    co_await test.stop();
}

// Refuses to delete what is in namespace "a".
class Keeper final : public control::Admission {
public:
    std::string_view name() const override { return "keeper"; }
    bool matches(control::AdmissionRequest const& request) const override {
        return request.operation == control::Operation::kDelete && request.key.ns == "a";
    }
    Task<Status> validate(Context, control::AdmissionRequest const&) override {
        co_return fail(ErrorCode::kForbidden, "kept");
    }
};

CO_TEST(Namespaces, OneThatIsHeldUpHoldsUpNoOther) {
    TestServer test(ctx);
    co_await test.start();
    test.server->add_admission("fleet", std::make_shared<Keeper>());
    test.run_controllers();
    auto const client = test.admin();
    for (char const* ns : {"a", "b"}) {
        Value object{json::Object()};
        object.set({"metadata", "name"}, ns);
        CO_ASSERT_OK(co_await client.create(ctx, kNamespaces, object));
        Value inside = config_map("inside");
        inside.set({"metadata", "namespace"}, ns);
        CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, inside));
    }
    CO_ASSERT_OK(co_await client.remove(ctx, kNamespaces, {"", "a"}));
    (void)co_await async::sleep_for(ctx, 1500ms);
    CO_ASSERT_OK(co_await client.remove(ctx, kNamespaces, {"", "b"}));
    (void)co_await async::sleep_for(ctx, 100ms);
    EXPECT_FALSE(co_await client.get(ctx, kNamespaces, {"", "b"}));
    auto const held = co_await client.get(ctx, kNamespaces, {"", "a"});
    CO_ASSERT_OK(held);
    EXPECT_TRUE(meta::condition_is_true(*held, "NamespaceDeletionContentFailure"));
    co_await test.stop();
}

TEST(Expiry, HasOneEntryForEachHoweverOftenItChanges) {
    Expiry expiry;
    store::Key const often{"", "events", "default", "often"};
    store::Key const once{"", "events", "default", "once"};
    MonotonicTime const start{};
    expiry.set(once, 1, start + 1s);
    for (int revision = 2; revision < 1000; ++revision)
        expiry.set(often, static_cast<store::Revision>(revision), start + revision * 1ms);
    EXPECT_EQ(expiry.size(), 2u);
    EXPECT_EQ(expiry.next(), start + 999ms);
    EXPECT_FALSE(expiry.take(start + 998ms));
    EXPECT_EQ(expiry.take(start + 2s), (std::pair{often, store::Revision{999}}));
    expiry.forget(once);
    EXPECT_EQ(expiry.size(), 0u);
    EXPECT_FALSE(expiry.take(start + 2s));
    EXPECT_FALSE(expiry.next());
}

}   // namespace
}   // namespace aviary::apiserver
