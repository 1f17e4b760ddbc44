#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/amc/internal/test_clusters.h"

namespace aviary::amc {
namespace {

using hub::Fleet;
using Answered = Task<std::optional<Result<client::Response>>>;
using namespace std::chrono_literals;

bool is_of_fleet(client::Request const& request) { return request.path.starts_with(proxy::kRoot); }

// A release that goes on for ever, or until somebody approves it.
Task<Status> set_up_crashing(Context ctx, Fleet& fleet) {
    CO_TRY(co_await fleet.set_up({"beijing"}));
    CO_TRY(co_await crash_v2(ctx, fleet, "beijing"));
    CO_TRY(co_await fleet.release("v2"));
    co_return co_await async::sleep_for(ctx, 1min);
}

std::size_t count_of(std::string const& text, std::string const& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
    return count;
}

// The hub goes away twice, is not itself for a moment when it is back, and refuses in the end.
CO_TEST(Watch, OutagesAreSaidOnceEachAndNoEnd) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up_crashing(ctx, fleet));
    Flags flags;
    flags.watch = true;
    std::vector<std::pair<std::string, Command>> const commands{
        {"status", [](Session session) { return status(std::move(session), "web"); }},
        {"tree", [](Session session) { return tree(std::move(session), "web"); }},
        {"get", [](Session session) { return get_resource(std::move(session), "pods", ""); }}};
    for (auto const& [name, command] : commands) {
        int asked = 0;
        auto const answer = [&](Context, client::Request request) -> Answered {
            if (!is_of_fleet(request)) co_return std::nullopt;
            int const number = asked++;
            if (number == 0 || number == 6) co_return std::nullopt;
            if (number < 4) co_return fail(ErrorCode::kUnavailable, "no route");
            if (number == 4) co_return refusal(500, "InternalError");
            if (number == 5) co_return refusal(403, "Forbidden");
            if (number < 9) co_return fail(ErrorCode::kUnavailable, "no route");
            co_return refusal(400, "BadRequest");
        };
        std::string const text = co_await through_hub(fleet, flags, command, answer);
        EXPECT_TRUE(text.starts_with("1\n")) << name << text;
        EXPECT_TRUE(text.ends_with("error: BadRequest\n")) << name << text;
        EXPECT_EQ(count_of(text, "no route"), 2u) << name << text;
        EXPECT_EQ(count_of(text, "error: "), name == "tree" ? 1u : 3u) << name << text;
        EXPECT_EQ(asked, 10) << name;
    }
    co_await fleet.stop();
}

CO_TEST(Watch, WithATimeNoRequestGoesBeyondIt) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up_crashing(ctx, fleet));
    int asked = 0;
    auto const hangs = [&](Context within, client::Request request) -> Answered {
        if (!is_of_fleet(request) || asked++ == 0) co_return std::nullopt;
        Status const slept = co_await async::sleep_for(within, 1h);
        if (!slept) co_return std::unexpected(slept.error());
        co_return std::nullopt;
    };
    Flags flags;
    flags.watch = true;
    flags.watch_timeout = "7s";
    Time const before = ctx.now();
    std::string const text =
        co_await through_hub(fleet, flags, [](Session session) { return status(std::move(session), "web"); }, hangs);
    EXPECT_EQ(ctx.now() - before, 7s);
    EXPECT_TRUE(text.starts_with("5\n") && text.ends_with("\nerror: not done within 7s\n")) << text;
    EXPECT_EQ(count_of(text, "error: "), 1u) << text;
    co_await fleet.stop();
}

Task<void> beijing_hangs(Context ctx, Fleet& fleet) {
    (void)co_await async::sleep_for(ctx, 2s);
    fleet.ways.slow["beijing"] = 1h;
}

// Nor does a cluster that is cut off by that time count as one that is away.
CO_TEST(Watch, WithATimeNoClusterGoesBeyondIt) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await set_up_crashing(ctx, fleet));
    fleet.scope.spawn(beijing_hangs(fleet.scope.context(), fleet));
    Flags flags;
    flags.watch = true;
    flags.watch_timeout = "7s";
    flags.request_timeout = "1h";
    Time const before = ctx.now();
    std::string const text = co_await Clusters{fleet}.add("beijing").run(
        flags, [](Session session) { return status(std::move(session), "web"); });
    EXPECT_EQ(ctx.now() - before, 7s);
    EXPECT_TRUE(text.starts_with("5\n") && text.ends_with("\nerror: not done within 7s\n")) << text;
    EXPECT_EQ(count_of(text, "\n"), 3u) << text;
    co_await fleet.stop();
}

// What is printed meanwhile goes to a terminal.
class OnTerminal {
public:
    OnTerminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)), before_(::dup(1)) {
        EXPECT_TRUE(::grantpt(master_) == 0 && ::unlockpt(master_) == 0);
        slave_ = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
        EXPECT_TRUE(slave_ >= 0 && ::dup2(slave_, 1) == 1);
    }
    // What was.
    std::string end() {
        command_line::flush();
        ::dup2(before_, 1);
        std::string text;
        char buffer[4096];
        for (ssize_t size; (size = ::read(master_, buffer, sizeof buffer)) > 0;)
            text.append(buffer, static_cast<std::size_t>(size));
        for (int each : {master_, slave_, before_}) ::close(each);
        return text;
    }

private:
    int master_, before_, slave_ = -1;
};

Task<int> describe_on_terminal(Session session, std::string resource, std::string name) {
    OnTerminal terminal;
    int const code = co_await describe(session, resource, name);
    session.print(terminal.end());
    co_return code;
}

// The time is over before anything was shown.
CO_TEST(Watch, NothingEndsWithoutAWord) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    Flags flags;
    flags.watch = true;
    flags.watch_timeout = "7s";
    auto const describe_it = [](std::string resource, std::string name = "") -> Command {
        return [=](Session session) { return describe_on_terminal(std::move(session), resource, name); };
    };
    Time const before = ctx.now();
    std::string text = co_await through_hub(fleet, flags, describe_it("statefulsets"));
    EXPECT_EQ(text, "0\nNo resources found in demo namespace.\n");
    EXPECT_EQ(ctx.now() - before, 7s);
    bool answers = true;
    auto const late = [&](Context within, client::Request request) -> Answered {
        if (!is_of_fleet(request)) co_return std::nullopt;
        if (answers) {
            auto response =
                co_await fleet.server->transport("fleet", hub::kAdmin)->send(fleet.scope.context(), request);
            (void)co_await async::sleep_for(within, 1h);
            co_return std::move(response);
        }
        (void)co_await async::sleep_for(within, 1h);
        client::Response away;
        away.body = *json::parse(
            R"({"clusters":[{"name":"beijing","reachable":false,"error":"no route","reason":"ServiceUnavailable"}]})");
        co_return std::move(away);
    };
    text = co_await through_hub(fleet, flags, describe_it("rollouts", "web"), late);
    EXPECT_TRUE(text.starts_with("0\n") && has(text, "Cluster:          beijing")) << text;
    answers = false;
    text = co_await through_hub(fleet, flags, describe_it("rollouts", "web"), late);
    EXPECT_TRUE(text.starts_with("6\n") && has(text, "cluster(beijing): unreachable")) << text;
    co_await fleet.stop();
}

// As without -w.
CO_TEST(Watch, ATreeOfNobodyEndsAsOneLookWould) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"oslo"}));
    fleet.ways.cut.insert("oslo");
    Flags flags;
    for (bool watch : {false, true}) {
        flags.watch = watch;
        std::string const text = co_await Clusters{fleet}.add("oslo").run(
            flags, [](Session session) { return tree(std::move(session), "web"); });
        EXPECT_EQ(text, "6\nerror: no cluster answers: oslo: no route\n");
    }
    co_await fleet.stop();
}

// What may not be read is not what is not there; and a LeaderWorkerSet's pods are found without a selector.
CO_TEST(Describe, OfARolloutSaysWhatIsNotKnown) {
    Fleet fleet(ctx);
    fleet.kind = "LeaderWorkerSet";
    fleet.api_version = "leaderworkerset.x-k8s.io/v1";
    CO_ASSERT_OK(co_await fleet.set_up({"beijing"}));
    co_await fleet.stop_hub();
    Command const describe_web = [](Session session) { return describe(std::move(session), "rollouts", "web"); };
    std::string text = co_await Clusters{fleet}.add("beijing").run(everywhere(), describe_web);
    EXPECT_TRUE(text.starts_with("0\n") && has(text, "Pods:\n  NAME ")) << text;
    fleet.ways.unread["beijing"] = "events";
    text = co_await Clusters{fleet}.add("beijing").run(everywhere(), describe_web);
    EXPECT_TRUE(has(text, "Events:  not known: User \"hub\" may not list events\n")) << text;
    fleet.ways.unread["beijing"] = "web";   // by name
    Command const describe_all = [](Session session) { return describe(std::move(session), "rollouts", ""); };
    text = co_await Clusters{fleet}.add("beijing").run(everywhere(), describe_all);
    EXPECT_TRUE(has(text, "leaderworkerset/web  (not known: User \"hub\" may not list web)\n")) << text;
    EXPECT_TRUE(has(text, "Events:") && !has(text, "Events:  not known")) << text;
    CO_ASSERT_OK(co_await fleet.at("beijing").remove(ctx, fleet.workloads(), hub::kWeb));
    fleet.ways.unread.clear();
    text = co_await Clusters{fleet}.add("beijing").run(everywhere(), describe_all);
    EXPECT_TRUE(has(text, "leaderworkerset/web  (not there)\n")) << text;
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::amc
