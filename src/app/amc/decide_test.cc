#include "app/amc/internal/test_clusters.h"
#include "app/hub/internal/test_attached.h"

namespace aviary::amc {
namespace {

using hub::Fleet;
using namespace std::chrono_literals;

Command approve() {
    return [](Session session) { return decide(std::move(session), "Approve", "web"); };
}

// After somebody else has approved beijing.
Task<void> oslo_is_read_again(Context ctx, Fleet& fleet) {
    (void)co_await async::sleep_for(ctx, 1s);
    (void)co_await fleet.decide("Approve", {"beijing"}, "other");
    (void)co_await async::sleep_for(ctx, 2s);
    fleet.ways.unread.clear();
}

// It answers, and reads rights and kinds first.
CO_TEST(Decide, AClusterThatHasJustComeBackIsWaitedFor) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    co_await fleet.stop_hub();
    fleet.ways.unread["oslo"] = "rollouts";
    fleet.start_hub();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    fleet.scope.spawn(oslo_is_read_again(fleet.scope.context(), fleet));
    std::string const text = co_await through_hub(fleet, everywhere(), approve());
    EXPECT_EQ(text,
              "0\n"
              "beijing  1/3  approved  moving to 50% (5 of 10 pods) (somebody else was faster)\n"
              "oslo     1/3  approved  moving to 50% (5 of 10 pods)\n");
    std::string const state = co_await fleet.show("beijing", "state");
    EXPECT_EQ(state, "Progressing/2/StepPaused") << "nobody has seen it there";
    co_await fleet.stop();
}

// A Deployment with a Rollout of its own, of the same group as web, in each cluster and healthy there.
Task<Status> add_decode(Context ctx, Fleet& fleet) {
    CO_TRY(co_await fleet.patch("fleet", apis::kRollouts,
                                R"({"metadata":{"annotations":{"rollouts.aviary.dev/group":"llm"}}})"));
    CO_TRY(co_await fleet.create(hub::kDeployments, R"({"apiVersion":"apps/v1","kind":"Deployment",
        "metadata":{"name":"decode","namespace":"demo"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"decode"}},
        "template":{"metadata":{"labels":{"app":"decode"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})"));
    CO_TRY(co_await fleet.create(apis::kRollouts, R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout",
        "metadata":{"name":"decode","namespace":"demo","annotations":{"rollouts.aviary.dev/group":"llm"}},
        "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"decode"},
        "strategy":{"canary":{"steps":[{"replicas":"50%"},{"replicas":"100%"}]}}}})"));
    CO_TRY(co_await fleet.create(hub::kPolicies, R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1",
        "kind":"PropagationPolicy","metadata":{"name":"decode","namespace":"demo"},"spec":{"resourceSelectors":[
        {"apiVersion":"apps/v1","kind":"Deployment","name":"decode"},
        {"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"decode"}]}})"));
    co_return co_await async::sleep_for(ctx, 10s);
}

// Both of a group are released, and one is taken back: the other stays at its step unless somebody takes it back, too.
CO_TEST(Decide, AnAbortNamesThoseOfTheGroupThatAreNotTakenBack) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await add_decode(ctx, fleet));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.patch("fleet", hub::kDeployments,
                                      R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v2"}]}}}})",
                                      "decode"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    auto const abort = [](std::string rollout) {
        return [rollout](Session session) { return decide(std::move(session), "Abort", rollout); };
    };
    Flags flags = everywhere();
    flags.dry_run = "server";
    std::string const other =
        "decode is of the same group, llm, and not taken back by this: kubectl amc rollout abort "
        "decode -n demo -M\n";
    std::string text = co_await through_hub(fleet, flags, abort("web"));
    EXPECT_TRUE(text.starts_with("0\nbeijing ") && text.ends_with(other)) << text;
    text = co_await through_hub(fleet, everywhere(), abort("decode"));
    EXPECT_TRUE(text.starts_with("0\nbeijing ") && has(text, "web is of the same group, llm")) << text;
    text = co_await through_hub(fleet, flags, abort("web"));
    EXPECT_TRUE(text.starts_with("0\nbeijing ") && !has(text, "same group")) << text;
    co_await fleet.stop();
}

// It is a jump, which an attached hub carries out; where to, the clusters' own Rollouts say.
CO_TEST(Decide, UndoFastOfWhatOthersHaveBroughtIsAJump) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await hub::deliver_paused(fleet, {"beijing", "oslo"}, propagation::Mode::kAttached));
    Command const undo = [](Session session) { return decide(std::move(session), "Undo", "web"); };
    Flags fast = everywhere();
    fast.fast = true;
    std::string text = co_await through_hub(fleet, fast, undo);
    EXPECT_EQ(text, "4\nerror: there is no step without traffic before step 1: abort takes the release back\n");
    text = co_await through_hub(fleet, everywhere(), approve());
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/2/StepPaused"));
    text = co_await through_hub(fleet, everywhere(), undo);
    EXPECT_TRUE(text.starts_with("4\nerror: web was brought to its clusters by something else than this hub")) << text;
    text = co_await through_hub(fleet, fast, undo);
    EXPECT_EQ(text,
              "0\n"
              "beijing  2/3  jumped  back to step 1; pods stay as they are\n"
              "oslo     2/3  jumped  back to step 1; pods stay as they are\n");
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    co_await fleet.stop();
}

// Times are whole seconds, and names say nothing of the order.
CO_TEST(Decide, HistoryHasTheWordsOfOneSecondByTheirSteps) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    for (auto const& [name, step] : {std::pair("web-b", 1), {"web-a", 2}}) {
        CO_ASSERT_OK(co_await fleet.create(
            apis::kDecisions,
            fmt::format(R"({{"apiVersion":"fleet.aviary.dev/v1alpha1","kind":"Decision","metadata":{{"name":"{}",
            "namespace":"demo"}},"spec":{{"rolloutRef":{{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout",
            "name":"web"}},"action":"Approve","selection":"Named","nonce":"{}","targets":[{{"cluster":"beijing",
            "rolloutUID":"u","step":{},"revision":"r","pausedSince":"2026-01-02T03:04:05Z"}}]}}}})",
                        name, step, step)));
    }
    Flags flags;
    flags.output = "name";
    std::string const text =
        co_await through_hub(fleet, flags, [](Session session) { return history(std::move(session), "web"); });
    EXPECT_EQ(text, "0\ndecision.fleet.aviary.dev/web-b\ndecision.fleet.aviary.dev/web-a\n");
    co_await fleet.stop();
}

// What becomes of each cluster, for a script to read; a form that is none is refused before anything is decided.
CO_TEST(Decide, PrintsADocumentWhereOneIsAskedFor) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    Flags flags = everywhere();
    for (char const* form : {"toml", "jsonpath={.clusters["}) {
        flags.output = form;
        std::string const text = co_await through_hub(fleet, flags, approve());
        EXPECT_TRUE(text.starts_with("1\nerror: ")) << text;
    }
    std::string const state = co_await fleet.show("beijing", "state");
    EXPECT_EQ(state, "Progressing/1/StepPaused");
    flags.output = "jsonpath={range .clusters[*]}{.cluster} {.step} {.result}{\"\\n\"}{end}";
    flags.members = {"beijing"};
    flags.all_members = false;
    std::string text = co_await through_hub(fleet, flags, approve());
    EXPECT_EQ(text, "0\nbeijing 1/3 approved\n");
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    flags.output = "jsonpath={.clusters[5].result}";
    text = co_await through_hub(fleet, flags, approve());
    EXPECT_TRUE(text.starts_with("1\nbeijing  2/3  approved") && has(text, "error: ")) << text;
    flags.output = "name";
    text = co_await through_hub(fleet, flags, approve());
    EXPECT_TRUE(text.starts_with("4\nerror: ")) << text;
    flags.members = {"oslo"};
    flags.dry_run = "server";
    text = co_await through_hub(fleet, flags, approve());
    EXPECT_EQ(text, "0\n") << "nothing is recorded";
    flags.dry_run.clear();
    flags.output = "json";
    flags.members = {"oslo"};
    text = co_await Clusters{fleet}.add("beijing").add("oslo").approve(flags);
    EXPECT_TRUE(has(text, R"("result": "approved")")) << text;
    flags.step = 1;
    text = co_await through_hub(fleet, flags, approve());
    EXPECT_TRUE(text.starts_with("4\n{") && has(text, R"("result": "refused")")) << text;
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::amc
