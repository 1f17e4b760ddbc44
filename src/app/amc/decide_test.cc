#include "app/amc/complete.h"
#include "app/amc/internal/test_clusters.h"
#include "app/amc/set_image.h"
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

Command undo(std::string action, std::string rollout = "web") {
    return [=](Session session) {
        return session.without_hub() ? decide_without_hub(std::move(session), action, rollout)
                                     : decide(std::move(session), action, rollout);
    };
}

// An undo may take back what is in no release as well, and says so; an abort would not.
CO_TEST(Group, AnUndoNamesWhatIsInNoReleaseToo) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await add_decode(ctx, fleet));
    Flags flags = everywhere();
    flags.dry_run = "server";
    std::string text = co_await through_hub(fleet, flags, undo("Abort"));
    EXPECT_TRUE(text.starts_with("0\nbeijing ") && !has(text, "same group")) << text;
    flags.all_members = false;
    flags.cluster_selector = "kubernetes.io/metadata.name in (beijing)";
    CO_ASSERT_OK(co_await fleet.at("fleet").patch(
        ctx, apis::kManagedClusters, {"", "beijing"}, client::PatchType::kMerge,
        *json::parse_value(R"({"metadata":{"labels":{"kubernetes.io/metadata.name":"beijing"}}})")));
    text = co_await through_hub(fleet, flags, undo("Undo"));
    EXPECT_TRUE(
        text.ends_with("decode is of the same group, llm, and not taken back by this; if it is to go back as "
                       "well: kubectl amc rollout undo decode -n demo --cluster-selector "
                       "'kubernetes.io/metadata.name in (beijing)'\n"))
        << text;
    // Where nothing is done, too: the others are where they are.
    Flags really = everywhere();
    text = co_await through_hub(fleet, really, undo("Abort"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "phase", "Healthy"));
    CO_ASSERT_OK(co_await fleet.patch("fleet", hub::kDeployments,
                                      R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v2"}]}}}})",
                                      "decode"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    text = co_await through_hub(fleet, really, undo("Abort"));
    EXPECT_TRUE(text.starts_with("4\nbeijing ") && has(text, "decode is of the same group")) << text;
    co_await fleet.stop();
}

// The Rollouts are those of the clusters; of one that cannot be read nobody knows.
CO_TEST(Group, IsKnownWithoutAHubToo) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await fleet.release("v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await add_decode(ctx, fleet));
    co_await fleet.stop_hub();
    Flags flags = everywhere();
    flags.dry_run = "server";
    auto const both = [&] { return Clusters{fleet}.add("beijing").add("oslo"); };
    std::string text = co_await both().run(flags, undo("Abort"));
    EXPECT_TRUE(text.starts_with("0\nbeijing ") && !has(text, "same group")) << text;
    text = co_await both().run(flags, undo("Undo"));
    EXPECT_TRUE(
        text.ends_with("decode is of the same group, llm, and not taken back by this; if it is to go back as "
                       "well: kubectl amc rollout undo decode -n demo -M --contexts '*'\n"))
        << text;
    fleet.ways.unread["oslo"] = "decode";
    text = co_await both().run(flags, undo("Abort"));
    EXPECT_TRUE(has(text, "decode is of the same group")) << text;
    fleet.ways.unread.clear();
    Flags direct;
    direct.direct = true;
    direct.context = "oslo";
    direct.no_headers = true;
    text = co_await Clusters{fleet}.add("oslo", false).run(direct, undo("Undo"));
    EXPECT_TRUE(text.ends_with("undo decode -n demo --direct --context oslo\n")) << text;
    co_await fleet.stop();
}

// ---- what becomes of a Decision ----

bool is_about_decisions(client::Request const& request) { return has(request.path, "/decisions"); }

Task<void> hub_is_back(Context ctx, Fleet& fleet, Duration after) {
    (void)co_await async::sleep_for(ctx, after);
    fleet.start_hub();
}

// --timeout is of what is waited for, --request-timeout of each request.
CO_TEST(Decide, WaitsForAsLongAsItIsTold) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    Flags flags = everywhere();
    auto const hub_goes = [&](Duration after) -> Intercepted::Answer {
        return [&fleet, after](Context, client::Request request) -> Task<std::optional<Result<client::Response>>> {
            if (request.method != "POST" || !is_about_decisions(request)) co_return std::nullopt;
            co_await fleet.stop_hub();
            fleet.scope.spawn(hub_is_back(fleet.scope.context(), fleet, after));
            co_return std::nullopt;
        };
    };
    flags.timeout = "5m";
    std::string text = co_await through_hub(fleet, flags, approve(), hub_goes(70s));
    EXPECT_EQ(text, "0\nbeijing  1/3  approved  moving to 50% (5 of 10 pods)\n");
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    flags.timeout = "40s";
    Time const before = ctx.now();
    text = co_await through_hub(fleet, flags, approve(), hub_goes(50s));
    EXPECT_TRUE(text.starts_with("5\nbeijing  2/3  sent") && has(text, "error: not settled within 40s; it goes on:"))
        << text;
    EXPECT_EQ(ctx.now() - before, 40s);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    co_await fleet.stop();
}

// A watch that fails, or says that it is too old, is no end: the Decision is looked at. Where it may not be, that is
// the reason, and no deadline is.
CO_TEST(Decide, WhatMayNotBeWatchedIsLookedAt) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    Flags flags = everywhere();
    int watches = 0, gets = 0;
    bool readable = true;
    Intercepted::Answer const answer = [&](Context,
                                           client::Request request) -> Task<std::optional<Result<client::Response>>> {
        if (request.method != "GET" || !is_about_decisions(request)) co_return std::nullopt;
        bool const watch = request.has_query("watch");
        ++(watch ? watches : gets);
        if (readable && !watch) co_return std::nullopt;
        client::Response refused;
        refused.status = 403;
        refused.body = *json::parse(
            R"({"kind":"Status","status":"Failure","reason":"Forbidden","code":403,"message":"decisions is forbidden"})");
        co_return std::move(refused);
    };
    std::string text = co_await through_hub(fleet, flags, approve(), answer);
    EXPECT_EQ(text, "0\nbeijing  1/3  approved  moving to 50% (5 of 10 pods)\n");
    EXPECT_LE(watches, 3);
    EXPECT_GE(gets, 1);
    readable = false;
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    text = co_await through_hub(fleet, flags, approve(), answer);
    EXPECT_TRUE(text.starts_with("1\nbeijing  2/3  sent") && has(text, "error: recorded as decision/web-") &&
                text.ends_with(", and what becomes of it cannot be seen: decisions is forbidden\n"))
        << text;
    co_await fleet.stop();
}

// It reads rights and kinds first. Its watches end when it goes, with a word or without.
CO_TEST(Decide, AHubThatHasJustComeBackIsLookedAtAgain) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    Flags flags = everywhere();
    flags.timeout = "5m";
    std::vector<Result<client::Response>> gets;
    int asked = 0;
    Intercepted::Answer const answer = [&](Context,
                                           client::Request request) -> Task<std::optional<Result<client::Response>>> {
        if (request.method != "GET" || !is_about_decisions(request)) co_return std::nullopt;
        if (request.has_query("watch")) co_return fail(ErrorCode::kUnavailable, "connection reset");
        std::size_t const number = static_cast<std::size_t>(asked++);
        if (number >= gets.size()) co_return std::nullopt;
        co_return std::move(gets[number]);
    };
    gets.emplace_back(fail(ErrorCode::kUnavailable, "no route"));
    gets.emplace_back(refusal(403, "Forbidden"));
    gets.emplace_back(refusal(401, "Unauthorized"));
    gets.emplace_back(refusal(404, "NotFound"));
    std::string text = co_await through_hub(fleet, flags, approve(), answer);
    EXPECT_EQ(text, "0\nbeijing  1/3  approved  moving to 50% (5 of 10 pods)\n");
    EXPECT_EQ(asked, 5);
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    // It was back before anybody looked.
    asked = 0;
    gets.clear();
    gets.emplace_back(refusal(403, "Forbidden"));
    text = co_await through_hub(fleet, flags, approve(), answer);
    EXPECT_TRUE(text.starts_with("0\nbeijing  2/3  approved")) << text;
    co_await fleet.stop();
}

// Nothing says that a connection is dead: a watch that is silent is looked past, and at the end in any case.
CO_TEST(Decide, ASilentWatchIsLookedPast) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    Intercepted::Answer const answer = [](Context within,
                                          client::Request request) -> Task<std::optional<Result<client::Response>>> {
        if (!is_about_decisions(request) || !request.has_query("watch")) co_return std::nullopt;
        Status const slept = co_await async::sleep_for(within, 1h);
        if (!slept) co_return std::unexpected(slept.error());
        co_return std::nullopt;
    };
    Flags flags = everywhere();
    flags.timeout = "5m";
    Time before = ctx.now();
    std::string text = co_await through_hub(fleet, flags, approve(), answer);
    EXPECT_EQ(text, "0\nbeijing  1/3  approved  moving to 50% (5 of 10 pods)\n");
    EXPECT_LE(ctx.now() - before, 35s);
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    flags.timeout = "10s";
    before = ctx.now();
    text = co_await through_hub(fleet, flags, approve(), answer);
    EXPECT_TRUE(text.starts_with("0\nbeijing  2/3  approved")) << text;
    EXPECT_EQ(ctx.now() - before, 10s);
    co_await fleet.stop();
}

// It is known by the name that it was to have.
CO_TEST(Decide, WhatGotNoAnswerMayBeRecorded) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    auto const lost = [&](bool arrives) -> Intercepted::Answer {
        return [&fleet, arrives](Context, client::Request request) -> Task<std::optional<Result<client::Response>>> {
            if (request.method != "POST" || !is_about_decisions(request)) co_return std::nullopt;
            auto const way = fleet.server->transport("fleet", hub::kAdmin);
            if (arrives) (void)co_await way->send(fleet.scope.context(), std::move(request));
            co_return fail(ErrorCode::kUnavailable, "connection reset");
        };
    };
    std::string text = co_await through_hub(fleet, everywhere(), approve(), lost(true));
    EXPECT_EQ(text, "0\nbeijing  1/3  approved  moving to 50% (5 of 10 pods)\n");
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    text = co_await through_hub(fleet, everywhere(), approve(), lost(false));
    EXPECT_TRUE(text.starts_with("1\nerror: decision/web-") &&
                has(text, " may be recorded or not (connection reset): kubectl -n demo get decision web-"))
        << text;
    co_await fleet.stop();
}

// As without a hub.
CO_TEST(Decide, ADryRunEndsAsItWouldEnd) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    Flags flags;
    flags.no_headers = true;
    flags.members = {"oslo"};
    std::string text = co_await through_hub(fleet, flags, approve());
    CO_ASSERT_OK(co_await fleet.until("oslo", "state", "Progressing/2/StepPaused"));
    flags = everywhere();
    flags.dry_run = "server";
    flags.step = 1;
    text = co_await through_hub(fleet, flags, approve());
    EXPECT_EQ(text,
              "2\n"
              "beijing  1/3  approved (server dry run)  \n"
              "oslo     2/3  refused                    at step 2, not step 1\n"
              "error: 1 approved, 1 refused\n");
    flags.dry_run = "client";
    text = co_await through_hub(fleet, flags, approve());
    EXPECT_TRUE(text.starts_with("2\napiVersion: fleet.aviary.dev/v1alpha1\nkind: Decision\n") &&
                text.ends_with("\nerror: oslo: at step 2, not step 1\n"))
        << text;
    flags.members = {"beijing"};
    flags.all_members = false;
    text = co_await through_hub(fleet, flags, approve());
    EXPECT_TRUE(text.starts_with("0\napiVersion: ") && !has(text, "error: ")) << text;
    co_await fleet.stop();
}

// A pause there takes nothing of the hub's away.
CO_TEST(Decide, WhatWasPausedInTheClusterIsSaidToBeResumedThere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    Flags flags;
    flags.members = {"beijing"};
    flags.reason = "p95";
    std::string text = co_await Clusters{fleet}.add("beijing").decide("Pause", flags);
    EXPECT_TRUE(text.starts_with("0\n")) << text;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    text =
        co_await through_hub(fleet, everywhere(), [](Session session) { return explain(std::move(session), "web"); });
    EXPECT_TRUE(has(text, "\nnext:  kubectl amc rollout resume rollouts/web -n demo --direct --context beijing\n"))
        << text;
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

// What a cluster does not say is not that it is in no release.
CO_TEST(Decide, UndoFastSaysWhichClusterDoesNotSayWhereTo) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await hub::deliver_paused(fleet, {"beijing"}, propagation::Mode::kAttached));
    Flags fast = everywhere();
    fast.fast = true;
    char const* row = R"({"clusters":[{"name":"beijing","reachable":true,"error":"forbidden","reason":"Forbidden"}]})";
    Intercepted::Answer const answer = [&](Context,
                                           client::Request request) -> Task<std::optional<Result<client::Response>>> {
        if (!request.path.ends_with("/resources")) co_return std::nullopt;
        client::Response response;
        if (row != nullptr) response.body = *json::parse(row);
        if (row == nullptr) co_return fail(ErrorCode::kUnavailable, "gone");
        co_return std::move(response);
    };
    std::string text = co_await through_hub(fleet, fast, undo("Undo"), answer);
    EXPECT_EQ(text, "1\nerror: where to is not known (beijing: forbidden): `jump --to` says the step by hand\n");
    row = R"({"clusters":[{"name":"beijing","reachable":false,"error":"no route","reason":"ServiceUnavailable"}]})";
    text = co_await through_hub(fleet, fast, undo("Undo"), answer);
    EXPECT_TRUE(text.starts_with("6\nerror: where to is not known (beijing: unreachable: no route)")) << text;
    Flags lenient = fast;
    lenient.allow_unreachable = true;
    text = co_await through_hub(fleet, lenient, undo("Undo"), answer);
    EXPECT_TRUE(text.starts_with("0\nnote: where to is not known (beijing: unreachable: no route)")) << text;
    row = R"({"clusters":[]})";
    text = co_await through_hub(fleet, fast, undo("Undo"), answer);
    EXPECT_EQ(text, "4\nerror: no release is in progress in any chosen cluster\n");
    row = nullptr;
    text = co_await through_hub(fleet, fast, undo("Undo"), answer);
    EXPECT_EQ(text, "1\nerror: gone\n");
    text = co_await through_hub(fleet, everywhere(), undo("Undo"));
    EXPECT_TRUE(has(text, "which only approves it and jumps (undo --fast is a jump): undo it where")) << text;
    co_await fleet.stop();
}

// The hub has that version, and no cluster goes on to it.
CO_TEST(SetImage, OfAVersionThatWasTakenBackSaysWhere) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    Flags flags;
    auto const set_v2 = [](std::string what) {
        return [what](Session session) { return set_image(std::move(session), what, {"main=v2"}); };
    };
    EXPECT_EQ(co_await through_hub(fleet, flags, set_v2("deploy/web")), "0\nit has that image already\n");
    CO_ASSERT_OK(co_await fleet.decide("Abort", {"oslo"}, "back"));
    CO_ASSERT_OK(co_await fleet.until("oslo", "phase", "Healthy"));
    for (char const* what : {"deploy/web", "rollouts/web"}) {
        EXPECT_EQ(
            co_await through_hub(fleet, flags, set_v2(what)),
            "0\nit has that image already\nnote: it was taken back in oslo, and stays so until the template changes: "
            "another image, or `kubectl rollout restart` to release this one again\n");
    }
    co_await fleet.stop();
}

// Times are whole seconds, and names say nothing of the order.
CO_TEST(Decide, HistoryHasTheWordsOfOneSecondByTheirSteps) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    auto const add = [&](char const* name, char const* action, int step) {
        std::string const pause =
            step > 0 ? fmt::format(R"(,"step":{},"revision":"r","pausedSince":"2026-01-02T03:04:05Z")", step) : "";
        return fleet.create(
            apis::kDecisions,
            fmt::format(R"({{"apiVersion":"fleet.aviary.dev/v1alpha1","kind":"Decision","metadata":{{"name":"{0}",
            "namespace":"demo"}},"spec":{{"rolloutRef":{{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout",
            "name":"web"}},"action":"{1}","selection":"Named","nonce":"{0}","targets":[{{"cluster":"beijing",
            "rolloutUID":"u"{2}}}]}}}})",
                        name, action, pause));
    };
    CO_ASSERT_OK(co_await add("web-0", "Pause", 0));
    CO_ASSERT_OK(co_await add("web-b", "Approve", 1));
    CO_ASSERT_OK(co_await add("web-a", "Approve", 2));
    Flags flags;
    flags.output = "name";
    std::string const text =
        co_await through_hub(fleet, flags, [](Session session) { return history(std::move(session), "web"); });
    EXPECT_EQ(text,
              "0\ndecision.fleet.aviary.dev/web-b\ndecision.fleet.aviary.dev/web-a\n"
              "decision.fleet.aviary.dev/web-0\n");
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

// An attached hub has none of its own.
CO_TEST(Complete, RolloutsThatOthersHaveBroughtHaveNames) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await hub::deliver_paused(fleet, {"beijing", "oslo"}, propagation::Mode::kAttached));
    std::string const text = co_await through_hub(fleet, {}, [](Session session) -> Task<int> {
        auto const names = co_await rollout_names(session);
        for (cli::Candidate const& each : names) session.print(each.text + "\n");
        co_return kDone;
    });
    EXPECT_EQ(text, "0\nweb\n");
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::amc
