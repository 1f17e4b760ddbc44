#include "app/amc/internal/test_clusters.h"
#include "core/async/scope.h"

namespace aviary::amc {
namespace {

using hub::Fleet;
using json::Value;
using namespace std::chrono_literals;

meta::GroupVersionResource const kGadgets{"test.aviary.dev", "v1", "gadgets"};

// Gadgets whose columns are in this order.
std::vector<Value> gadgets(std::vector<std::string> const& columns) {
    Value definition = *json::parse_value(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"gadgets.test.aviary.dev"},"spec":{"group":"test.aviary.dev","scope":"Namespaced",
        "names":{"plural":"gadgets","singular":"gadget","kind":"Gadget","listKind":"GadgetList"},
        "versions":[{"name":"v1","served":true,"storage":true,"additionalPrinterColumns":[],
        "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})");
    Value shown{json::Array()};
    for (std::string const& column : columns)
        shown.push_back(json::Object{{"name", column}, {"type", "string"}, {"jsonPath", ".spec." + to_lower(column)}});
    Value version = definition.at({"spec", "versions"})[0];
    version["additionalPrinterColumns"] = std::move(shown);
    definition["spec"]["versions"] = json::Array{std::move(version)};
    return {definition};
}

Task<Status> add_gadget(Fleet& fleet, std::string cluster, std::vector<std::string> columns) {
    Context const ctx = fleet.scope.context();
    CO_TRY(co_await control::install_definitions(ctx, fleet.at(cluster), gadgets(columns)));
    CO_TRY(co_await fleet.at(cluster).create(ctx, kGadgets,
                                             *json::parse_value(R"({"apiVersion":"test.aviary.dev/v1","kind":"Gadget",
        "metadata":{"name":"one","namespace":"demo"},"spec":{"mode":"fast","size":"big","owner":"me"}})")));
    co_return Status{};
}

Command get(std::string resource, std::string name = "") {
    return [=](Session session) { return get_resource(std::move(session), resource, name); };
}

// Clusters are not all of one version: what is under a header is of that column, and each column has one.
CO_TEST(Get, ColumnsAreByName) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await add_gadget(fleet, "beijing", {"Mode", "Size"}));
    CO_ASSERT_OK(co_await add_gadget(fleet, "oslo", {"Size", "Mode", "MODE", "Owner"}));
    Flags flags = everywhere();
    flags.no_headers = false;
    std::string const text = co_await Clusters{fleet}.add("beijing").add("oslo").run(flags, get("gadgets"));
    EXPECT_EQ(text,
              "0\n"
              "NAME   CLUSTER   MODE   SIZE   MODE     OWNER    ADOPTION\n"
              "one    beijing   fast   big    <none>   <none>   N\n"
              "one    oslo      fast   big    fast     me       N\n");
    co_await fleet.stop();
}

// The hub need not serve what its members have: InferencePools, VirtualServices, CloneSets.
CO_TEST(Get, AKindThatMembersAloneServe) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await add_gadget(fleet, "oslo", {"Mode"}));
    std::string text = co_await through_hub(fleet, everywhere(), get("gadgets"));
    EXPECT_EQ(text, "0\none   oslo   fast   N\n");
    text = co_await through_hub(fleet, everywhere(), get("gizmos"));
    EXPECT_EQ(text, "1\nerror: the server doesn't have a resource type \"gizmos\", nor has beijing, nor has oslo\n");
    fleet.ways.slow["beijing"] = 1h;
    text = co_await through_hub(fleet, everywhere(), get("gadgets"));
    EXPECT_TRUE(has(text, "one   oslo   fast   N\n")) << text;
    fleet.ways.slow.clear();
    fleet.ways.cut.insert("oslo");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    text = co_await through_hub(fleet, everywhere(), get("gadgets"));
    EXPECT_EQ(text, "1\nerror: the server doesn't have a resource type \"gadgets\", nor has beijing\n");
    Flags flags;
    flags.members = {"oslo"};
    text = co_await through_hub(fleet, flags, get("gadgets"));
    EXPECT_EQ(
        text,
        "1\nerror: the server doesn't have a resource type \"gadgets\", and no member answers that may have it\n");
    co_await fleet.stop();
}

// Each cluster that is named is answered for; of all clusters most need not have it.
CO_TEST(Get, OneObjectThatNotAllHave) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await add_gadget(fleet, "beijing", {"Mode"}));
    CO_ASSERT_OK(co_await control::install_definitions(ctx, fleet.at("oslo"), gadgets({"Mode"})));
    Flags flags = everywhere();
    std::string text = co_await through_hub(fleet, flags, get("gadgets", "one"));
    EXPECT_EQ(text, "0\none   beijing   fast   N\nnot in 1 of 2 clusters: oslo\n");
    flags.output = "name";
    text = co_await through_hub(fleet, flags, get("gadgets", "one"));
    EXPECT_EQ(text, "0\ngadget.test.aviary.dev/one\nnot in 1 of 2 clusters: oslo\n");
    flags = Flags();
    flags.no_headers = true;
    flags.members = {"beijing,oslo"};
    text = co_await through_hub(fleet, flags, get("gadgets", "one"));
    EXPECT_EQ(text, "2\none   beijing   fast   N\ncluster(oslo): gadgets.test.aviary.dev \"one\" not found\n");
    flags.members = {"oslo"};
    text = co_await through_hub(fleet, flags, get("gadgets", "one"));
    EXPECT_EQ(text, "1\nerror: gadgets.test.aviary.dev \"one\" not found in namespace demo of any cluster\n");
    flags.members = {"beijing"};
    text = co_await through_hub(fleet, flags, get("gadgets", "one"));
    EXPECT_EQ(text, "0\none   beijing   fast   N\n");
    flags.selector = "a=b";
    text = co_await through_hub(fleet, flags, get("gadgets", "one"));
    EXPECT_EQ(text, "1\nerror: -l and --field-selector choose among several objects: leave them out with a name\n");
    co_await fleet.stop();
}

// Bob may list Deployments on the hub, for a while.
Task<Status> admit_bob(Fleet& fleet) {
    CO_TRY(co_await fleet.create({"rbac.authorization.k8s.io", "v1", "roles"},
                                 R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role",
        "metadata":{"name":"bob","namespace":"demo"},"rules":[{"apiGroups":["apps"],"resources":["deployments"],"verbs":["list"]}]})"));
    CO_TRY(co_await fleet.create({"rbac.authorization.k8s.io", "v1", "rolebindings"},
                                 R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding",
        "metadata":{"name":"bob","namespace":"demo"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"bob"},
        "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"bob"}]})"));
    co_return Status{};
}

Task<void> oslo_goes_away(Context ctx, Fleet& fleet) {
    (void)co_await async::sleep_for(ctx, 2s);
    fleet.ways.cut.insert("oslo");
    (void)co_await async::sleep_for(ctx, 60s);
    (void)co_await fleet.at("fleet").remove(ctx, {"rbac.authorization.k8s.io", "v1", "rolebindings"}, {"demo", "bob"});
}

// Who watches is told of a cluster that goes, once; and does not watch for ever what nobody answers.
CO_TEST(Get, WatchingTellsWhatClustersDoNotSay) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await admit_bob(fleet));
    Flags flags = everywhere();
    flags.watch = true;
    std::string text = co_await through_hub(fleet, flags, get("deployments", "nope"));
    EXPECT_EQ(text, "1\nerror: deployments.apps \"nope\" not found in namespace demo of any cluster\n");
    flags.selector = "app in web";
    text = co_await through_hub(fleet, flags, get("deployments"));
    EXPECT_TRUE(text.starts_with("1\nerror: unable to parse requirement")) << text;
    flags.selector.clear();
    fleet.scope.spawn(oslo_goes_away(fleet.scope.context(), fleet));
    text = co_await through_hub(fleet, flags, get("deployments"), {"bob", {"system:authenticated"}, {}});
    std::size_t const told = text.find("cluster(oslo): unreachable for ");
    EXPECT_NE(told, std::string::npos) << text;
    EXPECT_EQ(text.find("cluster(oslo)", told + 1), std::string::npos) << text;
    EXPECT_TRUE(has(text, "forbidden")) << "the end: " << text;
    co_await fleet.stop();
}

// An API server leaves out of a list's items what all of them are.
CO_TEST(PrintObjects, HaveTheirKind) {
    Fleet fleet(ctx);
    Flags flags = everywhere();
    flags.output = "yaml";
    std::string const text = co_await Clusters{fleet}.run(flags, [](Session session) -> Task<int> {
        Value items{json::Array{json::Object{{"metadata", json::Object{{"name", "web"}}}}}};
        auto const printed = session.print_objects(std::move(items), hub::kDeployments, "Deployment");
        co_return printed && *printed ? kDone : kFailed;
    });
    EXPECT_TRUE(has(text, "- apiVersion: apps/v1\n  kind: Deployment\n  metadata:\n    name: web\n")) << text;
}

// What is not there, then numbers, then text: 3 < 10 < "25%" < 3 would be no order.
CO_TEST(Sort, HasNumbersBeforeText) {
    Fleet fleet(ctx);
    Flags flags = everywhere();
    flags.sort_by = "{.value}";
    std::string const text = co_await Clusters{fleet}.run(flags, [](Session session) -> Task<int> {
        std::vector<json::Doc> objects;
        for (char const* each : {R"({"value":"25%"})", R"({"value":10})", R"({"value":"b"})", R"({"value":3})", "{}"})
            objects.push_back(*json::parse(each));
        if (!session.sort(objects)) co_return kFailed;
        for (json::Doc const& each : objects) session.print(json::write(each["value"]) + " ");
        co_return kDone;
    });
    EXPECT_EQ(text, "0\nnull 3 10 \"25%\" \"b\" ");
}

CO_TEST(Sort, IsRefusedByAFieldThatNoObjectHas) {
    Fleet fleet(ctx);
    Flags flags = everywhere();
    flags.sort_by = "{.metadata.naem}";
    std::string const text = co_await Clusters{fleet}.run(flags, [](Session session) -> Task<int> {
        std::vector<json::Doc> none;
        std::vector<json::Doc> one{*json::parse(R"({"metadata":{"name":"web"}})")};
        if (!session.sort(none)) co_return kPartial;
        auto const sorted = session.sort(one);
        session.print(sorted ? "sorted" : sorted.error().message());
        co_return kDone;
    });
    EXPECT_EQ(text, "0\n--sort-by {.metadata.naem}: no object has that field");
}

CO_TEST(Where, AClusterThatIsNamedTwiceIsOne) {
    Flags flags;
    flags.members = {"beijing,oslo", "oslo", " beijing"};
    auto const session = Session::over(ctx.executor(), flags, {});
    CO_ASSERT_OK(session);
    auto const names = session->named_members();
    CO_ASSERT_OK(names);
    EXPECT_EQ(*names, (std::vector<std::string>{"beijing", "oslo"}));
    co_return;
}

}   // namespace
}   // namespace aviary::amc
