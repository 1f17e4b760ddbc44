#include "app/amc/internal/test_clusters.h"

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
