// Releases that another rollout-id begins while the template stays as it is, of every kind.
#include <set>
#include <vector>

#include "app/member/internal/test_native_sets.h"

namespace aviary::member {
namespace {

struct Cluster : SetStoryWorld {
    using SetStoryWorld::SetStoryWorld;

    // The annotation begins a release; the label is its id, or the annotation where there is none.
    Task<Status> ask_for(std::string id, std::vector<char const*> where = {"labels", "annotations"}) {
        Value patch{json::Object()};
        for (char const* map : where) patch.set({"metadata", map, apis::kRolloutIdLabel}, id);
        co_return co_await change(std::move(patch));
    }
    // How many pods each batch of this release has.
    Task<Batches> batches(std::string id) {
        return batches_of([id](std::string const& each) { return each == id; });
    }
    Task<std::set<std::string>> pods() {
        std::set<std::string> uids;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements()) uids.insert(meta::uid(pod));
        co_return uids;
    }
    // As a hub tells it from one that there is something to go back from.
    Task<bool> comes_from_nowhere() {
        Doc const rollout = co_await get(apis::kRollouts);
        Doc const workload = co_await live();
        co_return apis::begun_by_id_alone(rollout, workload);
    }
    // But for the id, which is the user's.
    Task<std::string> left() {
        std::string const all = co_await marks();
        std::string found;
        for (std::string_view each : split(all, ';')) {
            if (each.find(apis::kRolloutIdLabel) == std::string_view::npos) found += each;
        }
        co_return std::string(trim(found));
    }
};

CO_TEST(RolloutIds, BeginAReleaseOfTheSameTemplateInSteps) {
    for (SetStory const& each : every_kind()) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin_of_ten());
        std::set<std::string> const pods = co_await cluster.pods();
        for (std::string const& id : {std::string("7"), std::string("8")}) {
            CO_ASSERT_OK(co_await cluster.ask_for(id));
            CO_ASSERT_OK(co_await cluster.paused_at(1));
            EXPECT_EQ(co_await cluster.batches(id), (Batches{{"1", 1}}));
            EXPECT_EQ(co_await cluster.comes_from_nowhere(), std::string_view(each.kind) != "DaemonSet");
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
            EXPECT_EQ(co_await cluster.state(), "Progressing/1/StepPaused/InRolling");
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.paused_at(2));
            EXPECT_EQ(co_await cluster.batches(id), (Batches{{"1", 1}, {"2", 4}}));
            co_await cluster.stop_member();   // a controller that comes anew goes on
            cluster.start_member();
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
            EXPECT_EQ(co_await cluster.batches(id), (Batches{{"1", 1}, {"2", 4}, {"3", 5}}));
            EXPECT_EQ(co_await cluster.left(), "");
        }
        EXPECT_EQ(co_await cluster.pods(), pods) << "no pod was replaced";
        co_await cluster.stop();
    }
}

CO_TEST(RolloutIds, InTheAnnotationAloneLabelThePodsToo) {
    for (SetStory const& each : every_kind()) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin_of_ten());
        CO_ASSERT_OK(co_await cluster.ask_for("7", {"annotations"}));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.batches("7"), (Batches{{"1", 1}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        EXPECT_EQ(co_await cluster.batches("7"), (Batches{{"1", 1}, {"2", 4}}));
        co_await cluster.stop();
    }
}

// The step stays, and its pods are of the other release from then on.
CO_TEST(RolloutIds, ThatChangeInTheMiddleLabelThePodsAnew) {
    for (SetStory const& each : every_kind()) {
        for (char const* where : {"labels", "annotations"}) {
            SCOPED_TRACE(each.resource.api_version() + " " + each.kind + " " + where);
            Cluster cluster(ctx, each);
            CO_ASSERT_OK(co_await cluster.begin_of_ten());
            CO_ASSERT_OK(co_await cluster.ask_for("7", {where}));
            CO_ASSERT_OK(co_await cluster.put("v2"));
            CO_ASSERT_OK(co_await cluster.paused_at(1));
            EXPECT_FALSE(co_await cluster.comes_from_nowhere());
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.paused_at(2));
            EXPECT_EQ(co_await cluster.batches("7"), (Batches{{"1", 1}, {"2", 4}}));
            std::set<std::string> const pods = co_await cluster.pods();
            CO_ASSERT_OK(co_await cluster.ask_for("8", {where}));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
            EXPECT_EQ(co_await cluster.state(), "Progressing/2/StepPaused/InRolling");
            EXPECT_EQ(co_await cluster.batches("7"), Batches{});
            EXPECT_EQ(co_await cluster.batches("8"), (Batches{{"1", 1}, {"2", 4}}));
            EXPECT_EQ(co_await cluster.pods(), pods) << "no pod was replaced";
            CO_ASSERT_OK(co_await cluster.approve());
            CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
            CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
            EXPECT_EQ(co_await cluster.images(), (Images{{"v2", 10}}));
            EXPECT_EQ(co_await cluster.batches("8"), (Batches{{"1", 1}, {"2", 4}, {"3", 5}}));
            EXPECT_EQ(co_await cluster.left(), "");
            co_await cluster.stop();
        }
    }
}

// What came in the middle is released from the version that all pods had, and goes back to it at once.
CO_TEST(RolloutIds, ATemplateInTheMiddleBeginsAtTheFirstStepAndGoesBackAtOnce) {
    for (SetStory const& each : every_kind()) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin_of_ten());
        CO_ASSERT_OK(co_await cluster.ask_for("7"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        CO_ASSERT_OK(co_await cluster.put("v2"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 9}, {"v2", 1}}));
        Doc const status = (co_await cluster.get(apis::kRollouts)).at({"status", "canaryStatus"});
        EXPECT_NE(status["stableRevision"].string(), "");
        EXPECT_NE(status["stableRevision"].string(), status["podTemplateHash"].string());
        CO_ASSERT_OK(co_await cluster.put("v1"));
        CO_ASSERT_OK(co_await cluster.until("Healthy/1/StepPaused/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        EXPECT_EQ(co_await cluster.left(), "");
        co_await cluster.stop();
    }
}

// Kruise's suite begins one so: the label, and in-progressing by hand, which names nobody.
CO_TEST(RolloutIds, OfAWorkloadThatIsMarkedByHandHaveTheirStepsToo) {
    for (SetStory const& each : every_kind()) {
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(co_await cluster.begin_of_ten());
        CO_ASSERT_OK(co_await cluster.change(*json::parse_value(
            R"({"metadata":{"labels":{"rollouts.kruise.io/rollout-id":"7"},
            "annotations":{"rollouts.kruise.io/in-progressing":"true"}}})")));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.batches("7"), (Batches{{"1", 1}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/3/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        EXPECT_EQ(co_await cluster.left(), "");
        co_await cluster.stop();
    }
}

CO_TEST(RolloutIds, SideBySideMakeNoPod) {
    for (SetStory const& each : every_kind()) {
        if (each.kind != std::string_view("Deployment") && each.kind != std::string_view("CloneSet")) continue;
        SCOPED_TRACE(each.resource.api_version() + " " + each.kind);
        Cluster cluster(ctx, each);
        CO_ASSERT_OK(
            co_await cluster.begin_of_ten(R"({"blueGreen":{}})", R"([{"replicas":"20%"},{"replicas":"50%"}])"));
        CO_ASSERT_OK(co_await cluster.ask_for("7"));
        CO_ASSERT_OK(co_await cluster.paused_at(1));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.paused_at(2));
        EXPECT_EQ(co_await cluster.batches("7"), (Batches{{"1", 2}, {"2", 3}}));
        CO_ASSERT_OK(co_await cluster.approve());
        CO_ASSERT_OK(co_await cluster.until("Healthy/2/Completed/Completed"));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
        EXPECT_EQ(co_await cluster.images(), (Images{{"v1", 10}}));
        EXPECT_EQ(co_await cluster.left(), "");
        co_await cluster.stop();
    }
}

// There is nothing to choose between: the Service leads to all pods.
CO_TEST(RolloutIds, SideBySideNoRequestIsLedElsewhere) {
    for (SetStory const& each : every_kind()) {
        if (each.kind != std::string_view("Deployment")) continue;
        for (char const* style : {"blueGreen", "canary"}) {
            Cluster cluster(ctx, each);
            CO_ASSERT_OK(co_await cluster.begin_of_ten(
                fmt::format(R"({{"{}":{{"enableExtraWorkloadForCanary":true,"trafficRoutings":[{{"service":"web",
                "ingress":{{"name":"web"}},"gracePeriodSeconds":1}}]}}}})",
                            style),
                R"([{"replicas":"20%","traffic":"20%"},{"replicas":"50%"}])"));
            CO_ASSERT_OK(co_await cluster.client->create(
                ctx, {"", "v1", "services"},
                *json::parse_value(
                    R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},
                "spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})")));
            CO_ASSERT_OK(co_await cluster.client->create(
                ctx, {"networking.k8s.io", "v1", "ingresses"},
                *json::parse_value(R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress",
                "metadata":{"name":"web","namespace":"default"},"spec":{"rules":[{"http":{"paths":[{"path":"/",
                "pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}})")));
            CO_ASSERT_OK(co_await cluster.ask_for("7"));
            CO_ASSERT_OK(co_await cluster.paused_at(1));
            auto const services = co_await cluster.client->list(ctx, {"", "v1", "services"}, {.ns = "default"});
            auto const ingresses =
                co_await cluster.client->list(ctx, {"networking.k8s.io", "v1", "ingresses"}, {.ns = "default"});
            CO_ASSERT_OK(services);
            CO_ASSERT_OK(ingresses);
            EXPECT_EQ((*services)["items"].size(), 1u) << style;
            EXPECT_EQ((*ingresses)["items"].size(), 1u) << style;
            EXPECT_EQ(json::write((*services)["items"][0].at({"spec", "selector"})), R"({"app":"web"})") << style;
            co_await cluster.stop();
        }
    }
}

}   // namespace
}   // namespace aviary::member
