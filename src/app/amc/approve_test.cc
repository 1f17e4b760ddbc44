#include "app/amc/approve.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apis/rollouts/rollout_history.h"
#include "app/amc/direct.h"
#include "app/amc/internal/test_clusters.h"
#include "app/amc/set_image.h"
#include "app/hub/internal/test_attached.h"

namespace aviary::amc {
namespace {

using hub::Doc;
using hub::Fleet;
using namespace std::chrono_literals;

TEST(ProblemWithoutHub, SaysWhatToDoInstead) {
    Flags flags;
    EXPECT_EQ(problem_without_hub(flags), "") << "there is a hub";
    flags.direct = true;
    EXPECT_NE(problem_without_hub(flags).find("which member by --context"), std::string::npos);
    flags.context = "beijing";
    flags.ns = "demo";
    EXPECT_EQ(problem_without_hub(flags), "");
    flags.all_members = true;
    EXPECT_NE(problem_without_hub(flags).find("by --context, not -m, -M"), std::string::npos);
    flags.contexts = "prod-*";
    EXPECT_EQ(problem_without_hub(flags), "--direct is for one --context; leave it out with --contexts");
    flags.direct = false;
    EXPECT_NE(problem_without_hub(flags).find("one of both"), std::string::npos);
    flags.context.clear();
    EXPECT_EQ(problem_without_hub(flags), "");
    flags.cluster_selector = "a=b";
    EXPECT_NE(problem_without_hub(flags).find("--cluster-selector is not supported without a hub"), std::string::npos);
}

// A controller there that writes the status late, from an older copy: what people write is gone so many times.
class OlderCopy final : public control::Admission {
public:
    std::string_view name() const override { return "older-copy"; }
    bool matches(control::AdmissionRequest const& request) const override {
        return request.resource == apis::kRollouts && request.subresource == "status" &&
               request.user.name == hub::kAdmin.name && lost < times;
    }
    Task<Status> mutate(Context, control::AdmissionRequest& request) override {
        ++lost;
        request.object["status"] = request.old_object["status"].thaw();
        co_return Status{};
    }
    int times = 0, lost = 0;
};

CO_TEST(ApproveWithoutHub, AllThatArePaused) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo", "paris"}));
    co_await fleet.stop_hub();
    Flags flags = everywhere();
    flags.reason = "p95 ok";
    std::string said = co_await Clusters{fleet}.add("beijing").add("oslo").approve(flags);
    EXPECT_EQ(said.substr(0, said.find("note:")),
              "0\n"
              "beijing  1/3  approved  moving to 50% (5 of 10 pods)\n"
              "oslo     1/3  approved  moving to 50% (5 of 10 pods)\n");
    for (char const* each : {"beijing", "oslo"}) {
        CO_ASSERT_OK(co_await fleet.until(each, "state", "Progressing/2/StepPaused"));
        Doc const rollout = co_await fleet.get(each, apis::kRollouts);
        EXPECT_TRUE(has(meta::annotation(rollout, "fleet.aviary.dev/approved-directly"), R"("reason":"p95 ok")"));
    }
    std::string const other = co_await fleet.show("paris", "state");
    EXPECT_EQ(other, "Progressing/1/StepPaused") << "nobody has named it";
    // Mixed steps: each at its own; and one of them refuses another.
    flags.step = 1;
    said = co_await Clusters{fleet}.add("beijing").add("oslo").add("paris").approve(flags);
    EXPECT_TRUE(has(said, "2\nbeijing  2/3  refused   at step 2, not step 1\n")) << said;
    EXPECT_TRUE(has(said, "error: 1 approved, 2 refused")) << said;
    said = co_await Clusters{fleet}.add("beijing").add("oslo").approve(flags);
    EXPECT_TRUE(has(said, "4\n") && has(said, "no cluster is paused at step 1")) << said;
    co_await fleet.stop();
}

CO_TEST(ApproveWithoutHub, OneThatIsAwayHoldsUpNobody) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo", "paris"}));
    co_await fleet.stop_hub();
    fleet.ways.cut.insert("oslo");
    fleet.ways.slow["paris"] = 1h;
    Time const before = ctx.now();
    std::string said = co_await Clusters{fleet}.add("beijing").add("oslo").add("paris").approve(everywhere());
    EXPECT_LT(ctx.now() - before, 10s);
    EXPECT_TRUE(has(said, "2\nbeijing  1/3  approved     moving to")) << said;
    EXPECT_TRUE(has(said, "oslo     -    unreachable  no route\n")) << said;
    EXPECT_TRUE(has(said, "paris    -    unreachable  no answer within 5s\n")) << said;
    EXPECT_TRUE(has(said, "error: 1 approved, 2 unreachable")) << said;
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    Flags lenient = everywhere();
    lenient.allow_unreachable = true;
    said = co_await Clusters{fleet}.add("beijing").add("oslo").approve(lenient);
    EXPECT_TRUE(said.starts_with("0\nbeijing  2/3  approved") && has(said, "note: 1 approved, 1 unreachable\n"))
        << said;
    said = co_await Clusters{fleet}.add("oslo").approve(everywhere());
    EXPECT_TRUE(has(said, "6\nerror: no cluster answers: oslo: no route")) << said;
    Flags flags = everywhere();
    flags.allow_unreachable = true;
    said = co_await Clusters{fleet}.add("oslo").approve(flags);
    EXPECT_TRUE(said.starts_with("0\n")) << said;
    co_await fleet.stop();
}

// -M is what looks right; who names a cluster has looked at it.
CO_TEST(ApproveWithoutHub, PodsThatAreNotReadyAreApprovedByNameAlone) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await crash_v2(ctx, fleet, "beijing"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    std::string said = co_await Clusters{fleet}.add("beijing").approve(everywhere());
    EXPECT_TRUE(has(said, "4\nbeijing  1/3  not-yet  1 of 1 v2 pods CrashLooping")) << said;
    EXPECT_TRUE(has(said, "-m beijing approves it all the same")) << said;
    Flags named;
    named.members = {"beijing"};
    said = co_await Clusters{fleet}.add("beijing").approve(named);
    EXPECT_TRUE(has(said, "warning: beijing: 1 of 1 v2 pods CrashLooping")) << said;
    EXPECT_TRUE(said.starts_with("0\n")) << said;
    co_await fleet.stop();
}

CO_TEST(ApproveWithoutHub, AHubIsNoMember) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    std::string said = co_await Clusters{fleet}.add("fleet").add("beijing").approve(everywhere());
    EXPECT_TRUE(has(said, "note: context fleet is a hub: it is left out")) << said;
    EXPECT_TRUE(said.starts_with("0\nbeijing  1/3  approved")) << said;
    Flags flags;
    flags.direct = true;
    flags.context = "fleet";
    said = co_await Clusters{fleet}.add("fleet", false).approve(flags);
    EXPECT_TRUE(has(said, "1\nerror: context fleet is a hub")) << said;
    co_await fleet.stop();
}

CO_TEST(ApproveWithoutHub, SaysWhatAClusterRefusesAndWhatIsNotThere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    co_await fleet.stop_hub();
    Flags flags = everywhere();
    flags.dry_run = "server";
    std::string said = co_await Clusters{fleet}.add("beijing").approve(flags);
    EXPECT_TRUE(said.starts_with("0\nbeijing  1/3  approved (server dry run)")) << said;
    flags.dry_run = "client";
    said = co_await Clusters{fleet}.add("beijing").add("oslo").approve(flags);
    EXPECT_TRUE(has(said, "# beijing\n- op: test") && has(said, "---\n# oslo\n")) << said;
    flags = everywhere();
    flags.as = "nobody";
    said = co_await Clusters{fleet}.add("beijing").approve(flags);
    EXPECT_TRUE(has(said, "1\nbeijing  -  failed") && has(said, "forbidden")) << said;
    std::string const state = co_await fleet.show("beijing", "state");
    EXPECT_EQ(state, "Progressing/1/StepPaused");
    Flags named;
    named.members = {"berlin"};
    said = co_await Clusters{fleet}.add("beijing").approve(named);
    EXPECT_TRUE(has(said, "-m berlin: no such context")) << said;
    CO_ASSERT_OK(co_await fleet.at("oslo").patch(ctx, apis::kRollouts, hub::kWeb, client::PatchType::kMerge,
                                                 *json::parse_value(R"({"metadata":{"finalizers":null}})")));
    CO_ASSERT_OK(co_await fleet.at("oslo").remove(ctx, apis::kRollouts, hub::kWeb));
    named.members = {"oslo,beijing"};
    named.no_headers = true;
    said = co_await Clusters{fleet}.add("beijing").add("oslo").approve(named);
    EXPECT_TRUE(has(said, "oslo     -    refused   there is no such Rollout in this cluster")) << said;
    EXPECT_TRUE(has(said, "beijing  1/3  approved")) << said;
    co_await fleet.stop();
}

CO_TEST(WithoutHub, WhatAnOlderCopyOverwritesIsSentAgain) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    auto const controller = std::make_shared<OlderCopy>();
    fleet.server->add_admission("beijing", controller);
    controller->times = 2;
    std::string said = co_await Clusters{fleet}.add("beijing").approve(everywhere());
    EXPECT_TRUE(said.starts_with("0\nbeijing  1/3  approved  moving to 50%")) << said;
    EXPECT_EQ(controller->lost, 2);
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    Flags flags = everywhere();
    flags.to = 1;
    controller->times = 4;
    said = co_await Clusters{fleet}.add("beijing").decide("Jump", flags);
    EXPECT_EQ(said, "0\nbeijing  2/3  jumped  back to step 1; pods stay as they are\n");
    EXPECT_EQ(controller->lost, 4);
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    // On by two, and to the next, which is no jump.
    flags.to = 3;
    controller->times = 5;
    said = co_await Clusters{fleet}.add("beijing").decide("Jump", flags);
    EXPECT_TRUE(said.starts_with("0\nbeijing  1/3  jumped  moving to 100%")) << said;
    EXPECT_EQ(controller->lost, 5);
    CO_ASSERT_OK(co_await fleet.until("beijing", "v2", "10"));
    co_await fleet.stop();
}

CO_TEST(WithoutHub, AJumpSaysThatNobodyTakesItUp) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    auto const controller = std::make_shared<OlderCopy>();
    fleet.server->add_admission("beijing", controller);
    controller->times = 1000;
    Flags flags = everywhere();
    flags.to = 3;
    flags.timeout = "5s";
    std::string said = co_await Clusters{fleet}.add("beijing").decide("Jump", flags);
    EXPECT_TRUE(
        has(said, "5\nbeijing  1/3  jumped  stored; the rollout controller there has not taken it up within 5s"))
        << said;
    EXPECT_GT(controller->lost, 5);
    flags.wait = false;
    controller->lost = 999;
    said = co_await Clusters{fleet}.add("beijing").decide("Jump", flags);
    EXPECT_TRUE(said.starts_with("0\nbeijing  1/3  jumped  moving to 100%")) << said;
    co_await fleet.stop();
}

CO_TEST(WithoutHub, HistoryIsWhatTheClustersHaveKept) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    co_await fleet.stop_hub();
    std::string said = co_await Clusters{fleet}.add("beijing").add("oslo").decide("History", {});
    EXPECT_TRUE(said.starts_with("0\nNo history of web: ")) << said;
    EXPECT_TRUE(has(said, "runs with --feature-gates RolloutHistory=true")) << said;
    auto const keep = [&](std::string cluster, std::string name, std::string rollout, std::string image,
                          std::string status) -> Task<Status> {
        std::string const object = fmt::format(
            R"({{"apiVersion":"rollouts.kruise.io/v1alpha1","kind":"RolloutHistory","metadata":{{"name":"{0}","namespace":"demo"}},
            "spec":{{"rollout":{{"rolloutID":"id-{0}","name":"{1}","data":{{"strategy":{{"canary":{{"steps":[{{}},{{}},{{}}]}}}}}}}},
            "workload":{{"apiVersion":"apps/v1","kind":"Deployment","name":"web","data":{{"template":{{"spec":{{"containers":[
            {{"name":"main","image":"{2}"}}]}}}}}}}}}}}})",
            name, rollout, image);
        CO_TRY(co_await fleet.at(cluster).create(ctx, apis::kRolloutHistories, *json::parse_value(object)));
        client::WriteOptions options;
        options.subresource = "status";
        CO_TRY(co_await fleet.at(cluster).patch(ctx, apis::kRolloutHistories, {"demo", name}, client::PatchType::kMerge,
                                                *json::parse_value(R"({"status":)" + status + "}"), options));
        co_return Status{};
    };
    CO_ASSERT_OK(co_await keep(
        "beijing", "web-1", "web", "v1",
        R"({"phase":"completed","canarySteps":[{"canaryStepIndex":1,"pods":[{"name":"a"}]},{"canaryStepIndex":3,"pods":[{"name":"b"},{"name":"c"}]}]})"));
    apis::StepNote const first{1, "2026-09-21T14:00:00Z", "2026-09-21T14:02:00Z", "2026-09-21T14:12:00Z", "alice"};
    apis::StepNote const second{3, "2026-09-21T14:12:00Z", "", "2026-09-21T14:13:00Z", ""};
    json::Value noted{json::Object()};
    noted.set({"metadata", "annotations", apis::kHistorySteps}, apis::write_step_notes({first, second}));
    CO_ASSERT_OK(co_await fleet.at("beijing").patch(ctx, apis::kRolloutHistories, {"demo", "web-1"},
                                                    client::PatchType::kMerge, noted));
    CO_ASSERT_OK(co_await keep("beijing", "other-1", "other", "v1", "{}"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    CO_ASSERT_OK(co_await keep("oslo", "web-2", "web", "v2", "{}"));
    Flags flags;
    flags.no_headers = true;
    said = co_await Clusters{fleet}.add("beijing").add("oslo").decide("History", flags);
    EXPECT_TRUE(has(said,
                    "0\n60s     Release   -       beijing   3     Completed     -     v1 of deployment/web; 3 steps, 3 "
                    "pods noted; took 13m\n"))
        << said;
    EXPECT_TRUE(has(said, "Step      alice   beijing   1     Passed        10m   ready after 2m\n")) << said;
    EXPECT_TRUE(has(said, "Step      -       beijing   3     Passed        -")) << said;
    EXPECT_TRUE(has(
        said, "Release   -       oslo      -     Progressing   -     v2 of deployment/web; 3 steps, 0 pods noted\n"))
        << said;
    EXPECT_FALSE(has(said, "other")) << said;
    flags.output = "wide";
    flags.no_headers = false;
    flags.members = {"oslo"};
    said = co_await Clusters{fleet}.add("beijing").add("oslo").decide("History", flags);
    EXPECT_TRUE(has(said, "OUTCOME       RELEASE    REASON   WAITED   MESSAGE\n")) << said;
    EXPECT_TRUE(has(said, "id-web-2")) << said;
    EXPECT_FALSE(has(said, "beijing")) << said;
    json::Value ended{json::Object()};
    ended.set({"metadata", "annotations", apis::kHistoryOutcome}, apis::kTakenBack);
    CO_ASSERT_OK(co_await fleet.at("oslo").patch(ctx, apis::kRolloutHistories, {"demo", "web-2"},
                                                 client::PatchType::kMerge, ended));
    said = co_await Clusters{fleet}.add("oslo").decide("History", flags);
    EXPECT_TRUE(has(said, "TakenBack")) << said;
    // One that is away is told, and what the others have is shown.
    fleet.ways.cut.insert("oslo");
    said = co_await Clusters{fleet}.add("beijing").add("oslo").decide("History", {});
    EXPECT_TRUE(said.starts_with("2\nAGE")) << said;
    EXPECT_TRUE(has(said, "cluster(oslo): unreachable: no route")) << said;
    flags = {};
    flags.output = "name";
    said = co_await Clusters{fleet}.add("beijing").decide("History", flags);
    EXPECT_EQ(said, "0\nrollouthistory.rollouts.kruise.io/web-1\n");
    CO_ASSERT_OK(co_await fleet.at("beijing").patch(ctx, apis::kRollouts, hub::kWeb, client::PatchType::kMerge,
                                                    *json::parse_value(R"({"metadata":{"finalizers":null}})")));
    CO_ASSERT_OK(co_await fleet.at("beijing").remove(ctx, apis::kRollouts, hub::kWeb));
    CO_ASSERT_OK(co_await fleet.at("beijing").remove(ctx, apis::kRolloutHistories, {"demo", "web-1"}));
    said = co_await Clusters{fleet}.add("beijing").decide("History", {});
    EXPECT_TRUE(has(said, "1\nerror: rollouts.rollouts.kruise.io \"web\" not found")) << said;
    co_await fleet.stop();
}

// Over a command that shows the release.
Task<std::string> shown(Fleet& fleet, Task<int> (*command)(Session, std::string)) {
    std::string said = co_await Clusters{fleet}.add("beijing").run(
        {}, [command](Session session) { return command(std::move(session), "web"); });
    co_return said;
}

CO_TEST(WithoutHub, WhatWasTakenBackSaysSoAndIsNotTakenBackOnceMore) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    std::string said = co_await Clusters{fleet}.add("beijing").decide("Undo", everywhere());
    EXPECT_EQ(said, "0\nbeijing  1/3  undone  going back to v1\n");
    said = co_await Clusters{fleet}.add("beijing").decide("Undo", everywhere());
    EXPECT_TRUE(has(said, "4\nbeijing  1/3  done  goes back to v1 already\nerror: nothing to undo")) << said;
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "10"));
    for (char const* action : {"Undo", "Abort"}) {
        said = co_await Clusters{fleet}.add("beijing").decide(action, everywhere());
        EXPECT_TRUE(has(said, "4\nbeijing  1/3  done  is back on v1 already\n")) << action << said;
    }
    said = co_await shown(fleet, status);
    EXPECT_EQ(said, "1\nbeijing step 1/3 Completed: TakenBack pinned to v1, v2 rejected\n");
    said = co_await shown(fleet, explain);
    EXPECT_TRUE(has(said, "pinned to v1, v2 rejected   on v2: 0/10   ready: ")) << said;
    EXPECT_TRUE(has(said, "Completed  TakenBack  -      another version is released  service owner\n")) << said;
    // Scaled since, it is no other version.
    CO_ASSERT_OK(co_await fleet.patch("beijing", hub::kDeployments, R"({"spec":{"replicas":11}})"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "v1", "11"));
    said = co_await shown(fleet, status);
    EXPECT_TRUE(has(said, "TakenBack pinned to v1, v2 rejected")) << said;
    co_await fleet.stop();
}

CO_TEST(WithoutHub, AnUndoOfAFinishedReleaseIsNotUndoneByTheNext) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    Flags to_the_end = everywhere();
    to_the_end.to = 3;
    std::string said = co_await Clusters{fleet}.add("beijing").decide("Jump", to_the_end);
    EXPECT_TRUE(said.starts_with("0\n")) << said;
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    said = co_await shown(fleet, status);
    EXPECT_EQ(said, "0\nbeijing step 3/3 Healthy\n");
    said = co_await Clusters{fleet}.add("beijing").decide("Undo", everywhere());
    EXPECT_EQ(said, "0\nbeijing  3/3  undone  going back to v1\n");
    said = co_await Clusters{fleet}.add("beijing").decide("Undo", everywhere());
    EXPECT_TRUE(has(said, "  done  goes back to v1 already")) << said;
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    said = co_await Clusters{fleet}.add("beijing").decide("Undo", everywhere());
    EXPECT_TRUE(has(said,
                    "4\nbeijing  1/3  done  goes back to v1 already, in steps: approve them, or end that with "
                    "`abort`\n"))
        << said;
    said = co_await shown(fleet, explain);
    EXPECT_TRUE(has(said, "undo v2 -> v1   on v2: 9/10")) << said;
    EXPECT_TRUE(has(said, "AwaitingApproval  0s     approved: back to v1  approver")) << said;
    // To its end, and it is back; or it is ended, and v2 is there as before.
    said = co_await Clusters{fleet}.add("beijing").decide("Jump", to_the_end);
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    said = co_await shown(fleet, status);
    EXPECT_EQ(said, "1\nbeijing step 3/3 Completed: TakenBack pinned to v1, v2 rejected\n");
    said = co_await Clusters{fleet}.add("beijing").decide("Undo", everywhere());
    EXPECT_TRUE(has(said, "4\nbeijing  3/3  done  is back on v1 already\n")) << said;
    said = co_await Clusters{fleet}.add("beijing").run(
        everywhere(), [](Session session) { return set_image(std::move(session), "deploy/web", {"main=v3"}); });
    EXPECT_TRUE(said.starts_with("0\n")) << said;
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    said = co_await Clusters{fleet}.add("beijing").decide("Jump", to_the_end);
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    said = co_await shown(fleet, status);
    EXPECT_EQ(said, "0\nbeijing step 3/3 Healthy\n") << "a newer version is there";
    said = co_await Clusters{fleet}.add("beijing").decide("Undo", everywhere());
    EXPECT_EQ(said, "0\nbeijing  3/3  undone  going back to v1\n");
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    said = co_await Clusters{fleet}.add("beijing").decide("Abort", everywhere());
    EXPECT_EQ(said, "0\nbeijing  1/3  aborted  going back to v3\n");
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    said = co_await shown(fleet, status);
    EXPECT_TRUE(has(said, "TakenBack pinned to v3, v1 rejected\n")) << said;
    co_await fleet.stop();
}

// The simulated controllers release CloneSets as Kruise's do.
CO_TEST(WithoutHub, AnImageOfACustomKindIsSet) {
    Fleet fleet(ctx);
    fleet.kind = "CloneSet";
    fleet.api_version = "apps.kruise.io/v1alpha1";
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await fleet.patch(
        "beijing", fleet.workloads(),
        R"({"metadata":{"annotations":{"fleet.aviary.dev/hold":"2999-01-01T00:00:00Z;me;alone"}}})"));
    for (char const* what : {"clonesets/web", "rollouts/web"}) {
        std::string const image = what[0] == 'c' ? "v2" : "v3";
        std::string const said = co_await Clusters{fleet}.add("beijing").run(
            everywhere(), [&](Session session) { return set_image(std::move(session), what, {"main=" + image}); });
        EXPECT_EQ(said, "0\nbeijing  -  set  image of cloneset/web set\n");
        CO_ASSERT_OK(co_await fleet.until("beijing", image, "1"));
    }
    co_await fleet.stop();
}

// v1beta1 is preferred there, and has none of them.
CO_TEST(Get, FindsWhatOnlyAnotherVersionHas) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    for (char const* resource : {"rollouthistories", "trafficroutings", "trafficrouting", "rollouts"}) {
        std::string const said = co_await Clusters{fleet}.add("beijing").run(
            {}, [&](Session session) { return get_resource(std::move(session), resource, ""); });
        EXPECT_TRUE(said.starts_with("0\n")) << said;
    }
    co_await fleet.stop();
}

// Whether anything could be sent, and why not, is what a dry run is asked for.
CO_TEST(WithoutHub, AClientDryRunSaysWhatCannotBeDone) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    co_await fleet.stop_hub();
    fleet.ways.unread["oslo"] = "replicasets";
    Flags flags = everywhere();
    flags.dry_run = "client";
    std::string said = co_await Clusters{fleet}.add("beijing").add("oslo").decide("Abort", flags);
    EXPECT_TRUE(said.starts_with("2\n# beijing\n") &&
                said.ends_with("error: oslo: User \"hub\" may not list replicasets\n"))
        << said;
    said = co_await Clusters{fleet}.add("oslo").decide("Abort", flags);
    EXPECT_EQ(said, "1\nerror: oslo: User \"hub\" may not list replicasets\n");
    co_await fleet.stop();
}

// As carrying it out would end: those that are away or refused count, too.
CO_TEST(WithoutHub, AClientDryRunSaysOfEachClusterWhyNothingIsSent) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo", "paris"}));
    co_await fleet.stop_hub();
    Flags flags;
    flags.members = {"paris"};
    std::string said = co_await Clusters{fleet}.add("paris").approve(flags);
    CO_ASSERT_OK(co_await fleet.until("paris", "state", "Progressing/2/StepPaused"));
    fleet.ways.cut.insert("oslo");
    flags = everywhere();
    flags.dry_run = "client";
    flags.to = 3;
    for (char const* action : {"Approve", "Jump", "Pause"}) {
        said = co_await Clusters{fleet}.add("beijing").add("oslo").decide(action, flags);
        EXPECT_TRUE(said.starts_with("2\n# beijing\n") && said.ends_with("\nerror: oslo: no route\n"))
            << action << said;
        Flags lenient = flags;
        lenient.allow_unreachable = true;
        said = co_await Clusters{fleet}.add("beijing").add("oslo").decide(action, lenient);
        EXPECT_TRUE(said.starts_with("0\n# beijing\n") && said.ends_with("\nnote: oslo: no route\n")) << action << said;
    }
    flags.step = 1;
    said = co_await Clusters{fleet}.add("beijing").add("paris").approve(flags);
    EXPECT_TRUE(said.starts_with("2\n# beijing\n") && said.ends_with("\nerror: paris: at step 2, not step 1\n"))
        << said;
    co_await fleet.stop();
}

// Nothing was sent: it is away as one that did not answer before, whatever it was asked.
CO_TEST(WithoutHub, OneThatGoesWhileItsVersionsAreReadIsUnreachable) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    auto const way = std::make_shared<Intercepted>(
        fleet.server->transport("beijing", hub::kAdmin),
        [](Context, client::Request request) -> Task<std::optional<Result<client::Response>>> {
            if (!request.path.ends_with("/replicasets")) co_return std::nullopt;
            co_return fail(ErrorCode::kUnavailable, "connection reset");
        });
    Clusters clusters{fleet};
    clusters.list.push_back({.name = "beijing", .client = client::Client(way, "kubectl-amc"), .by_pattern = true});
    Flags flags = everywhere();
    for (char const* action : {"Abort", "Undo"}) {
        std::string const said = co_await clusters.decide(action, flags);
        EXPECT_TRUE(said.starts_with("6\nbeijing  1/3  unreachable  connection reset\nerror: ")) << said;
    }
    flags.allow_unreachable = true;
    std::string said = co_await clusters.decide("Abort", flags);
    EXPECT_EQ(said, "0\nbeijing  1/3  unreachable  connection reset\nnote: 0 aborted, 1 unreachable\n");
    flags.allow_unreachable = false;
    flags.dry_run = "client";
    said = co_await clusters.decide("Abort", flags);
    EXPECT_EQ(said, "6\nerror: beijing: connection reset\n");
    co_await fleet.stop();
}

// The workload that it has there is no one's that this name leads to.
CO_TEST(WithoutHub, WhereThereIsNoRolloutNothingIsUndone) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await hub::deliver_paused(fleet, {"beijing", "oslo"}, propagation::Mode::kAttached));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await fleet.at("oslo").remove(ctx, apis::kRollouts, hub::kWeb));
    CO_ASSERT_OK(co_await fleet.until("oslo", "v2", "10"));
    Clusters clusters{fleet};
    clusters.add("beijing").add("oslo");
    Flags flags = everywhere();
    flags.dry_run = "server";
    std::string said = co_await clusters.decide("Undo", flags);
    EXPECT_EQ(said, "0\nbeijing  1/3  undone (server dry run)  going back to v1\n");
    flags.members = {"beijing", "oslo"};
    flags.all_members = false;
    said = co_await clusters.decide("Undo", flags);
    EXPECT_EQ(said,
              "2\n"
              "beijing  1/3  undone (server dry run)  going back to v1\n"
              "oslo     -    refused                  there is no such Rollout in this cluster\n"
              "error: 1 undone, 1 refused\n");
    co_await fleet.stop();
}

// A hold has room for it, of what a hub has brought; a jump and a resume leave no word.
CO_TEST(WithoutHub, AReasonThatIsKeptNowhereIsSaid) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await hub::deliver_paused(fleet, {"beijing"}, propagation::Mode::kAttached));
    Flags flags = everywhere();
    flags.reason = "p95";
    flags.dry_run = "server";
    flags.to = 3;
    for (auto const& [action, note] : std::vector<std::pair<std::string, std::string>>{
             {"Jump", "note: without a hub jump keeps --reason nowhere\n"},
             {"Resume", "note: without a hub resume keeps --reason nowhere\n"},
             {"Pause", "note: --reason is kept nowhere where no hub has brought the Rollout\n"},
             {"Abort", "note: --reason is kept nowhere where no hub has brought the workload\n"}}) {
        std::string const said = co_await Clusters{fleet}.add("beijing").decide(action, flags);
        EXPECT_TRUE(said.starts_with("0\n") && said.ends_with(note)) << said;
    }
    co_await fleet.stop();
}

// By name a cluster goes on although its pods are not well, with a word of that.
CO_TEST(WithoutHub, AJumpOverPodsThatAreNotReadyIsWarnedOf) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    CO_ASSERT_OK(co_await crash_v2(ctx, fleet, "beijing"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1min));
    Flags flags;
    flags.members = {"beijing"};
    flags.no_headers = true;
    flags.dry_run = "server";
    flags.to = 3;
    std::string const said = co_await Clusters{fleet}.add("beijing").decide("Jump", flags);
    EXPECT_TRUE(said.starts_with("0\n") && has(said, "warning: beijing: ")) << said;
    co_await fleet.stop();
}

// What a script's variable that is not set leaves is not a word for all of them.
CO_TEST(Where, ANameThatIsEmptyIsNoCluster) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    std::string const wanted = "1\nerror: say where: -m CONTEXT[,CONTEXT], or -M for all that --contexts means\n";
    std::vector<std::function<Task<int>(Session)>> const commands{
        [](Session session) { return approve_without_hub(std::move(session), "web"); },
        [](Session session) { return decide_without_hub(std::move(session), "Pause", "web"); },
        [](Session session) { return get_resource(std::move(session), "rollouts", ""); },
        [](Session session) { return explain(std::move(session), "web"); },
        [](Session session) { return history(std::move(session), "web"); },
        [](Session session) { return set_image(std::move(session), "deploy/web", {"main=web:v3"}); },
        [](Session session) { return list_clusters(std::move(session)); }};
    std::vector<std::vector<std::string>> const empty{{""}, {" "}, {","}, {"beijing", ""}, {"beijing,"}};
    for (std::vector<std::string> const& names : empty) {
        for (auto const& command : commands) {
            Flags flags;
            flags.members = names;
            std::string const said = co_await Clusters{fleet}.add("beijing").run(flags, command);
            EXPECT_EQ(said, wanted);
        }
    }
    std::string const state = co_await fleet.show("beijing", "state");
    EXPECT_EQ(state, "Progressing/1/StepPaused");
    co_await fleet.stop();
}

CO_TEST(Get, AnObjectIsInOneNamespace) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    co_await fleet.stop_hub();
    Flags flags;
    flags.all_namespaces = true;
    flags.output = "name";
    auto const get = [](std::string resource, std::string name) {
        return [=](Session session) { return get_resource(std::move(session), resource, name); };
    };
    std::string said = co_await Clusters{fleet}.add("beijing").run(flags, get("deploy", "web"));
    std::string const wanted = "1\nerror: a resource cannot be retrieved by name across all namespaces\n";
    EXPECT_EQ(said, wanted);
    said = co_await Clusters{fleet}.add("beijing").run(flags, get("rollouts/web", ""));
    EXPECT_EQ(said, wanted);
    said = co_await Clusters{fleet}.add("beijing").run(
        flags, [](Session session) { return describe(std::move(session), "deploy/web", ""); });
    EXPECT_EQ(said, wanted);
    said = co_await Clusters{fleet}.add("beijing").run(flags, get("namespaces", "demo"));
    EXPECT_EQ(said, "0\nnamespace/demo\n") << "it is in none";
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::amc
