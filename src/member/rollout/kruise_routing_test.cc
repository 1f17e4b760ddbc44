// What Kruise Rollouts gets stuck in: blue-green style without a canary Service, with traffic in its first step.
#include <gtest/gtest.h>

#include "member/rollout/internal/routed_cluster.h"

namespace aviary::rollout {
namespace {

TEST(KruiseRouting, BlueGreenGoesOnWithoutACanaryService) {
    RoutedCluster cluster(
        R"({"blueGreen":{"disableGenerateCanaryService":true,"trafficRoutings":[{"service":"web","gracePeriodSeconds":3,
        "customNetworkRefs":[{"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","name":"web"}]}]}})",
        R"([{"replicas":"50%","traffic":"20%"},{"replicas":"100%","traffic":"60%"}])", false);
    cluster.create("virtualservices", "web",
                   *json::parse_value(
                       R"({"kind":"VirtualService","spec":{"http":[{"route":[{"destination":{"host":"web"}}]}]}})"));
    cluster.keep();
    cluster.begin();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10 v2=5");
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 open mesh=80/20");
    cluster.next();
    EXPECT_EQ(cluster.look(), "v1=10 v2=10 open mesh=40/60");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
    cluster.expect_restored();
}

// Anybody may write the status. A third version waits for as long as somebody likes.
TEST(KruiseRouting, AStepThatThereIsNotIsNotLookedAt) {
    for (char const* index : {"7", "0", "-3"}) {
        RoutedCluster cluster(blue_green());
        cluster.begin();
        cluster.release("v3");
        cluster.settle_all();
        cluster.edit_rollout(
            fmt::format(R"({{"status":{{"blueGreenStatus":{{"currentStepIndex":{},"nextStepIndex":-1}}}}}})", index),
            true);
        cluster.settle_all();
        EXPECT_EQ(cluster.message(), apis::kNewVersionRefused) << index;
    }
}

// Also at the end requests are told apart by the header that the step changes.
TEST(KruiseRouting, BlueGreenWithOneServiceAndARouteEnds) {
    std::string const modifier = R"("requestHeaderModifier":{"set":[{"name":"version","value":"new"}]})";
    RoutedCluster cluster(
        R"({"blueGreen":{"disableGenerateCanaryService":true,"trafficRoutings":[{"service":"web","gracePeriodSeconds":3,
        "gateway":{"httpRouteName":"web"}}]}})",
        R"([{"replicas":"50%","traffic":"20%",)" + modifier + R"(},{"replicas":"100%","traffic":"60%",)" + modifier +
            "}]");
    cluster.begin();
    EXPECT_EQ(cluster.look(), "v1=10 v2=5 open 80/20");
    cluster.next();
    EXPECT_EQ(cluster.look(), "v1=10 v2=10 open 40/60");
    cluster.next();
    EXPECT_EQ(cluster.show(), "Healthy/2/Completed v2=10");
    EXPECT_LT(cluster.first("v1=10 v2=10 open 0/100"), cluster.history.size());
    cluster.expect_restored();
}

}   // namespace
}   // namespace aviary::rollout
