// What the hub leaves in its members of what Git does not say.
#include "app/hub/internal/test_fleet.h"
#include "hub/recovery/record.h"

namespace aviary::hub {
namespace {

constexpr char kWorkload[] = "deployment-web";
constexpr char kRollout[] = "rollout-web";

Task<Result<recovery::Record>> record(Fleet& fleet, std::string cluster, std::string binding) {
    CO_TRY_ASSIGN(Doc const found, co_await fleet.at(cluster).get(fleet.scope.context(), recovery::kConfigMaps,
                                                                  recovery::record_key({"demo", binding})));
    co_return recovery::read_record(found);
}

// "oslo paused; waits"
Task<std::string> said(Fleet& fleet, std::string cluster, std::string binding) {
    auto const found = co_await record(fleet, cluster, binding);
    if (!found) co_return std::string(to_string(found.error().code()));
    std::string text;
    for (apis::BoundCluster const& pin : found->pins)
        text += pin.name + (pin.paused ? " paused; " : pin.revision.empty() ? "; " : " pinned; ");
    for (recovery::OpenDecision const& each : found->decisions) text += each.name;
    co_return text;
}

Task<std::string> until_said(Fleet& fleet, std::string cluster, std::string binding, std::string wanted) {
    std::string text;
    for (int count = 0; count < 600 && (count == 0 || text != wanted); ++count) {
        (void)co_await async::sleep_for(fleet.scope.context(), 100ms);
        text = co_await said(fleet, cluster, binding);
    }
    co_return text;
}

CO_TEST(Recorded, PinsTemplatesAndOpenDecisionsAreInTheMembers) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    std::string text = co_await said(fleet, "beijing", kWorkload);
    EXPECT_EQ(text, "NotFound") << "at rest there is nothing to say";
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    for (std::string const cluster : {"beijing", "oslo"}) {
        auto const found = co_await record(fleet, cluster, kWorkload);
        EXPECT_TRUE(found && found->templates.size() == 2) << cluster;
    }
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"oslo"}, "abort"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v1", "10"));
    text = co_await until_said(fleet, "beijing", kWorkload, "oslo pinned; ");
    EXPECT_EQ(text, "oslo pinned; ");
    // One that cannot be carried out lies where the hub can write.
    fleet.ways.cut = {"oslo"};
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_OK(co_await fleet.decide("Pause", {"oslo"}, "waits"));
    text = co_await until_said(fleet, "beijing", kRollout, "oslo paused; waits");
    EXPECT_EQ(text, "oslo paused; waits");
    fleet.ways.cut = {};
    text = co_await until_said(fleet, "beijing", kRollout, "oslo paused; ");
    EXPECT_EQ(text, "oslo paused; ") << "carried out, it is open no more";
    // The next template ends the pin.
    CO_ASSERT_OK(co_await fleet.release("v3"));
    text = co_await until_said(fleet, "oslo", kWorkload, "");
    EXPECT_EQ(text, "");
    co_await fleet.stop();
}

CO_TEST(Recorded, AReleaseWritesOneInThreeClusters) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"a", "b", "c", "d"}));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"a", "b", "c", "d"}, "one"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    std::size_t copies = 0;
    std::uint64_t writes = 0;
    for (std::string const& cluster : fleet.members) {
        auto const found = co_await record(fleet, cluster, kWorkload);
        copies += found ? 1 : 0;
        auto const all = fleet.hub_writes();
        if (auto const count = all.find(cluster + " patch configmaps"); count != all.end()) writes += count->second;
    }
    EXPECT_EQ(copies, 3u);
    EXPECT_EQ(writes, 3u) << "an approval that is carried out at once is in none";
    // A hub that begins anew finds them right.
    co_await fleet.stop_hub();
    auto const before = fleet.hub_writes();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    auto after = fleet.hub_writes();
    for (std::string const& cluster : fleet.members) {
        std::string const key = cluster + " patch configmaps";
        std::uint64_t const then = before.contains(key) ? before.at(key) : 0;
        EXPECT_EQ(after[key], then) << cluster;
    }
    co_await fleet.stop();
}

CO_TEST(Recorded, AnotherHubWritesNothingAndARecoveredOneItsEpoch) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    co_await fleet.stop_hub();
    auto const in_members = [&fleet] {
        auto writes = fleet.hub_writes();
        std::erase_if(writes, [](auto const& each) { return each.first.starts_with("fleet "); });
        return writes;
    };
    auto const before = in_members();
    fleet.hub_id = "another";
    fleet.start_hub();
    CO_ASSERT_OK(co_await fleet.release("v3"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    auto const after = in_members();
    EXPECT_EQ(after, before);
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await fleet.release("v2"));
    fleet.hub_id = "fleet";
    fleet.epoch = 2;
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    for (std::string const cluster : {"beijing", "oslo"}) {
        Doc const live = co_await fleet.get(cluster, kDeployments);
        EXPECT_TRUE(meta::label(live, "fleet.aviary.dev/generation").starts_with("2.")) << cluster;
        auto const found = co_await record(fleet, cluster, kWorkload);
        EXPECT_TRUE(found && found->epoch == 2) << cluster;
        std::string const state = co_await fleet.show(cluster, "state");
        EXPECT_EQ(state, "Progressing/1/StepPaused") << cluster;
    }
    // The hub before, back after all.
    co_await fleet.stop_hub();
    fleet.epoch = 1;
    auto const recovered = in_members();
    fleet.start_hub();
    CO_ASSERT_OK(co_await fleet.release("v4"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    auto const end = in_members();
    EXPECT_EQ(end, recovered);
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
