// Namespaces that place only in clusters of sets that are bound there.
#include "apis/cluster/managed_cluster_set.h"
#include "app/hub/hub.h"
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

#define STOP_FLEET() co_await fleet.stop()

Task<Status> in_set(Fleet& fleet, std::string cluster, std::string set) {
    Value patch{json::Object()};
    patch.set({"metadata", "labels", apis::kClusterSetLabel}, set);
    CO_TRY(co_await fleet.at("fleet").patch(fleet.scope.context(), apis::kManagedClusters, {"", cluster},
                                            client::PatchType::kMerge, std::move(patch)));
    co_return Status{};
}

Task<Status> bind(Fleet& fleet, std::string set) {
    co_return co_await fleet.create(
        apis::kManagedClusterSetBindings,
        fmt::format(
            R"({{"apiVersion":"cluster.open-cluster-management.io/v1beta2","kind":"ManagedClusterSetBinding","metadata":{{"name":"{0}","namespace":"demo"}},"spec":{{"clusterSet":"{0}"}}}})",
            set));
}

Task<Status> unbind(Fleet& fleet, std::string set) {
    co_return co_await fleet.at("fleet").remove(fleet.scope.context(), apis::kManagedClusterSetBindings, {"demo", set});
}

// beijing in the set gpu, oslo in no set of its own; demo may use both, and has v1 everywhere.
Task<Status> set_up(Fleet& fleet) {
    CO_TRY(co_await fleet.set_up({"beijing", "oslo"}));
    CO_TRY(co_await fleet.create(
        apis::kManagedClusterSets,
        R"({"apiVersion":"cluster.open-cluster-management.io/v1beta2","kind":"ManagedClusterSet","metadata":{"name":"gpu"}})"));
    CO_TRY(co_await in_set(fleet, "beijing", "gpu"));
    CO_TRY(co_await placement::ensure_default_sets(fleet.scope.context(), fleet.at("fleet")));
    CO_TRY(co_await bind(fleet, "gpu"));
    CO_TRY(co_await bind(fleet, "default"));
    // A hub that had no such limit is followed by one that has.
    co_await fleet.stop_hub();
    fleet.allowed = placement::Allowed::kBoundSets;
    fleet.start_hub();
    co_return Status{};
}

Task<std::string> reasons(Fleet& fleet) {
    auto const binding =
        co_await fleet.at("fleet").get(fleet.scope.context(), apis::kFleetBindings, {"demo", "deployment-web"});
    if (!binding) co_return binding.error().message();
    std::string text;
    for (auto const& [index, cluster] : binding->at({"spec", "clusters"}).elements())
        text += cluster["name"].string() + " ";
    for (auto const& [index, row] : binding->at({"status", "rejected"}).elements())
        text += fmt::format("{} {} ", row["name"].as_string(), row["reason"].as_string());
    co_return text;
}

CO_TEST(Tenancy, WhatIsBoundDecidesWhereANamespaceIs) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up(fleet));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::string text = co_await reasons(fleet);
    EXPECT_EQ(text, "beijing oslo ");
    CO_ASSERT_OK(co_await unbind(fleet, "default"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    text = co_await reasons(fleet);
    EXPECT_EQ(text, "beijing oslo ClusterSetNotBound ");
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    // A cluster that changes its set, and a set that comes to be bound.
    CO_ASSERT_OK(co_await in_set(fleet, "oslo", "gpu"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "10"));
    CO_ASSERT_OK(co_await in_set(fleet, "oslo", "default"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    CO_ASSERT_OK(co_await bind(fleet, "global"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "10"));
    STOP_FLEET();
}

CO_TEST(Tenancy, WithoutAPolicyWhatIsNotBoundDoesNotStay) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up(fleet));
    for (char const* policy : {"deployment", "rollout"})
        CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, kPolicies, {"demo", policy}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "10"));
    CO_ASSERT_OK(co_await unbind(fleet, "default"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "0"));
    std::string const text = co_await reasons(fleet);
    EXPECT_EQ(text, "beijing oslo ClusterSetNotBound ");
    STOP_FLEET();
}

CO_TEST(Tenancy, InTheMiddleOfAReleaseNothingIsUnbound) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up(fleet));
    CO_ASSERT_OK(co_await fleet.until_all("phase", "Healthy"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    Status refused = co_await unbind(fleet, "default");
    EXPECT_TRUE(!refused && refused.error().message().contains("is releasing in oslo and cannot be un-placed there"))
        << (refused ? "allowed" : refused.error().message());
    refused = co_await fleet.at("fleet").remove(ctx, apis::kManagedClusterSets, {"", "gpu"});
    EXPECT_TRUE(!refused && refused.error().message().contains("is releasing in beijing and cannot be un-placed there"))
        << (refused ? "allowed" : refused.error().message());
    // Another set that it is in lets it stay.
    CO_ASSERT_OK(co_await bind(fleet, "global"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    CO_ASSERT_OK(co_await unbind(fleet, "default"));
    Images const counts = co_await fleet.images("oslo");
    EXPECT_EQ(counts, (Images{{"v1", 9}, {"v2", 1}}));
    STOP_FLEET();
}

}   // namespace
}   // namespace aviary::hub
