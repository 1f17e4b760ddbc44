// What /metrics of a hub says of the fleet, beside what explain says of it at the same moment.
#include "hub/proxy/fleet_gauges.h"

#include "app/hub/internal/joined.h"
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

Task<std::string> page(Fleet& fleet) {
    auto const all = co_await proxy::fleet_gauges(fleet.scope.context(), {fleet.hub, &fleet.hub->propagator()});
    co_return observe::text_of(all);
}

// "AwaitingApproval 90; …" of what one cluster waits for; the seconds are whole.
Task<std::string> waits(Fleet& fleet, std::string cluster) {
    auto const all = co_await proxy::fleet_gauges(fleet.scope.context(), {fleet.hub, &fleet.hub->propagator()});
    std::string text;
    for (observe::Gauges const& gauges : all) {
        if (gauges.name != "aviary_rollout_wait_seconds") continue;
        for (observe::Sample const& sample : gauges.samples) {
            if (sample.labels.at("cluster") == cluster)
                text += fmt::format("{} {};", sample.labels.at("reason"), static_cast<int>(sample.value));
        }
    }
    co_return text;
}

Task<std::string> explained(Fleet& fleet, std::string cluster) {
    auto const answer = co_await fleet.explained();
    if (!answer) co_return answer.error().message();
    for (auto const& [index, row] : (*answer)["clusters"].elements()) {
        if (row["cluster"].as_string() == cluster) co_return row["reason"].string();
    }
    co_return "no row";
}

CO_TEST(FleetGauges, WaitsInTheWordsOfExplain) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 90s));
    std::string const text = co_await page(fleet);
    std::string const beijing = R"({cluster="beijing",namespace="demo",)";
    EXPECT_TRUE(text.contains("aviary_rollout_step" + beijing + "rollout=\"web\"} 1\n")) << text;
    std::string const pods = "aviary_rollout_pods" + beijing + "rollout=\"web\",state=";
    EXPECT_TRUE(text.contains(pods + "\"updated\"} 1\n") && text.contains(pods + "\"ready\"} 1\n")) << text;
    EXPECT_TRUE(text.contains("aviary_member_last_seen_seconds{cluster=\"oslo\"} 0\n")) << text;
    EXPECT_TRUE(text.contains("aviary_rollout_series_left_out 0\n")) << text;
    // The pause is written in whole seconds.
    std::string const waited = co_await waits(fleet, "beijing");
    EXPECT_TRUE(waited == "AwaitingApproval 90;" || waited == "AwaitingApproval 91;") << waited;

    CO_ASSERT_OK(co_await fleet.decide("Pause", {"beijing"}, "pause"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_TRUE((co_await waits(fleet, "beijing")).starts_with("Paused ")) << co_await waits(fleet, "beijing");
    EXPECT_EQ(co_await explained(fleet, "beijing"), "Paused");

    fleet.ways.cut.insert("oslo");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const away = co_await waits(fleet, "oslo");
    EXPECT_TRUE(away.starts_with("ClusterUnreachable ")) << away;
    EXPECT_EQ(co_await explained(fleet, "oslo"), "ClusterUnreachable");
    std::string const now = co_await page(fleet);
    EXPECT_FALSE(now.contains("aviary_member_last_seen_seconds{cluster=\"oslo\"} 0\n")) << now;
    EXPECT_TRUE(now.contains("aviary_member_last_seen_seconds{cluster=\"beijing\"} 0\n")) << now;

    // A hub that is started anew knows from the registry since when.
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 600s));
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    for (observe::Gauges const& gauges : co_await proxy::fleet_gauges(ctx, {fleet.hub, &fleet.hub->propagator()})) {
        if (gauges.name != "aviary_member_last_seen_seconds") continue;
        for (observe::Sample const& sample : gauges.samples) {
            if (sample.labels.at("cluster") == "oslo") {
                EXPECT_GT(sample.value, 600);
            } else {
                EXPECT_EQ(sample.value, 0);
            }
        }
    }
    co_await fleet.stop();
}

// Pods are looked at for it.
CO_TEST(FleetGauges, SaysWhatPodsWaitFor) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", kDeployments, R"({"spec":{"template":{"metadata":{"annotations":{
        "simulator.aviary.dev/behaviour":"image-pull-error"}},"spec":{"containers":[{"name":"main","image":"v2"}]}}}})"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    EXPECT_TRUE((co_await waits(fleet, "beijing")).starts_with("ImagePullFailed ")) << co_await waits(fleet, "beijing");
    EXPECT_EQ(co_await explained(fleet, "beijing"), "ImagePullFailed");
    // … and those of a cluster that is slow to answer are not waited for for long.
    fleet.ways.slow["beijing"] = 60s;
    Time const before = ctx.now();
    EXPECT_TRUE((co_await waits(fleet, "beijing")).starts_with("NotReady ")) << co_await waits(fleet, "beijing");
    EXPECT_LT(ctx.now() - before, 10s);
    co_await fleet.stop();
}

// Whatever it is that a release waits for: without a controller it does not come.
CO_TEST(FleetGauges, ASilentControllerIsSeenAlsoWhileNoPodIsWaitedFor) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.patch("fleet", apis::kRollouts, R"({"spec":{"strategy":{"canary":{"steps":[
        {"replicas":1,"pause":{"duration":3600}},{"replicas":"100%"}]}}}})"));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    EXPECT_TRUE((co_await waits(fleet, "beijing")).starts_with("Soaking ")) << co_await waits(fleet, "beijing");
    client::Client const beijing = fleet.at("beijing");
    CO_ASSERT_OK(co_await ensure(ctx, beijing, kNamespaces, named("v1", "Namespace", "aviary-system")));
    CO_ASSERT_OK(
        co_await beijing.create(ctx, {"coordination.k8s.io", "v1", "leases"},
                                *json::parse_value(R"({"metadata":{"name":"aviary-member","namespace":"aviary-system"},
        "spec":{"holderIdentity":"gone","leaseDurationSeconds":15,"renewTime":"2020-01-01T00:00:00.000000Z"}})")));
    EXPECT_TRUE((co_await waits(fleet, "beijing")).starts_with("ControllerAbsent "))
        << co_await waits(fleet, "beijing");
    EXPECT_EQ(co_await explained(fleet, "beijing"), "ControllerAbsent");
    co_await fleet.stop();
}

// Of what says no time itself: an alert waits for it to have lasted.
CO_TEST(FleetGauges, SaysHowLongAClusterRefusesToBeRead) {
    for (std::string const resource : {"rollouts", "deployments"}) {
        Fleet fleet(ctx);
        CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
        co_await fleet.stop_hub();
        fleet.ways.unread = {{"beijing", resource}};
        fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 600s));
        std::string const waited = co_await waits(fleet, "beijing");
        EXPECT_TRUE(waited.starts_with("ReadRefused 59") || waited.starts_with("ReadRefused 60"))
            << resource << " " << waited;
        co_await fleet.stop();
    }
}

CO_TEST(FleetGauges, ARolloutThatHasJustComeHasNotWaitedAsLongAsItsWorkload) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"bare"}, {"bare"}));
    CO_ASSERT_OK(co_await control::install_definitions(ctx, fleet.at("bare"), apis::member_crds()));
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 600s));
    CO_ASSERT_OK(co_await fleet.at("bare").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    std::string const waited = co_await waits(fleet, "bare");
    EXPECT_TRUE(waited == "ControllerAbsent 60;" || waited == "ControllerAbsent 59;") << waited;
    co_await fleet.stop();
}

CO_TEST(FleetGauges, ARolloutThatIsGoneHasNoSeries) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    std::string const text = co_await page(fleet);
    EXPECT_TRUE(text.contains(R"(aviary_rollout_step{cluster="beijing",namespace="demo",rollout="web"} 0)")) << text;
    EXPECT_FALSE(text.contains("aviary_rollout_wait_seconds{") || text.contains("aviary_rollout_pods{")) << text;
    CO_ASSERT_OK(co_await fleet.at("fleet").remove(ctx, apis::kRollouts, kWeb));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    EXPECT_FALSE((co_await page(fleet)).contains("aviary_rollout_step{")) << co_await page(fleet);
    co_await fleet.stop();
}

CO_TEST(FleetGauges, EndsOfDecisionsAndRefusalsOfTheGuardAreCounted) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    Fleet fleet(ctx.with_metrics(metrics));
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    auto const ended = [&](char const* action, char const* outcome) {
        return metrics.counter("aviary_decision_outcome_total", "", {{"action", action}, {"outcome", outcome}}).value();
    };
    EXPECT_TRUE(metrics.text().contains(R"(aviary_decision_outcome_total{action="Undo",outcome="Expired"} 0)"));
    EXPECT_TRUE(metrics.text().contains(R"(aviary_guard_refused_total{reason="RolloutNotPlaced"} 0)"));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "first"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 3s));
    EXPECT_EQ(ended("Approve", "Applied"), 1);
    // What ended before is not counted again by the next hub.
    co_await fleet.stop_hub();
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_EQ(ended("Approve", "Applied"), 1);

    fleet.ways.cut.insert("oslo");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"oslo"}, "second", 60s));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 120s));
    EXPECT_EQ(ended("Approve", "Expired"), 1) << co_await fleet.outcome("second");
    co_await fleet.stop();
}

CO_TEST(FleetGauges, TheGuardsRefusalsAreCountedOnce) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    Fleet fleet(ctx.with_metrics(metrics));
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "bare"}, {"bare"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    EXPECT_EQ(metrics.counter("aviary_guard_refused_total", "", {{"reason", "ControllerAbsent"}}).value(), 1);
    EXPECT_TRUE((co_await waits(fleet, "bare")).starts_with("ControllerAbsent ")) << co_await waits(fleet, "bare");
    EXPECT_EQ(co_await explained(fleet, "bare"), "ControllerAbsent");
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
