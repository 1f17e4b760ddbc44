#include "app/amc/contexts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "app/amc/internal/test_kubeconfig.h"
#include "app/hub/internal/test_fleet.h"
#include "core/base/strings.h"

namespace aviary::amc {
namespace {

using hub::Fleet;
using json::Doc;
using namespace std::chrono_literals;

// "prod-a*" of one that a pattern means, "prod-a" of one that is named, "prod-a!" of one that cannot be used.
std::string matching(Kubeconfig const& config, std::string const& patterns) {
    async::AsioExecutor executor;
    auto const found = Contexts::matching(executor, config.path(), patterns);
    if (!found) return found.error().message();
    std::string text;
    for (Contexts::Cluster const& each : *found)
        text += fmt::format("{}{}{} ", each.name, each.by_pattern ? "*" : "", each.client ? "" : "!");
    return text;
}

TEST(Contexts, AreChosenByNameAndByPattern) {
    Kubeconfig const config({{"prod-a", "https://a.example:6443", "demo"},
                             {"prod-b", "https://b.example:6443", "demo"},
                             {"prod-b-admin", "https://b.example:6443", ""},
                             {"arn:aws:eks:eu/dev", "https://d.example", "demo"},
                             {"prod-broken", "", ""}});
    EXPECT_EQ(matching(config, "prod-?"), "prod-a* prod-b* ");
    EXPECT_EQ(matching(config, "prod-b,prod-*"), "prod-b prod-a* prod-broken*! ");
    EXPECT_EQ(matching(config, "prod-b*"), "prod-b* prod-broken*! ") << "two contexts of one cluster are one";
    EXPECT_EQ(matching(config, "arn:*"), "arn:aws:eks:eu/dev* ");
    EXPECT_NE(matching(config, "prod-a,staging-*").find("no context like \"staging-*\"; it has prod-a"),
              std::string::npos);
}

TEST(Contexts, HaveOneNamespace) {
    async::AsioExecutor executor;
    Kubeconfig const config({{"a", "https://a.example", "demo"},
                             {"b", "https://b.example", "demo"},
                             {"c", "https://c.example", "web"},
                             {"none", "https://d.example", ""},
                             {"broken", "", "x"}});
    auto const both = Contexts::common_namespace(*Contexts::matching(executor, config.path(), "none,a,b,broken"));
    ASSERT_TRUE(both);
    EXPECT_EQ(*both, "demo");
    auto const mixed = Contexts::common_namespace(*Contexts::matching(executor, config.path(), "a,c"));
    ASSERT_FALSE(mixed);
    EXPECT_NE(mixed.error().message().find("(\"demo\" in a, \"web\" in c): name one by -n"), std::string::npos);
}

Contexts over(Fleet& fleet, std::vector<std::string> const& names) {
    std::vector<Contexts::Cluster> clusters;
    for (std::string const& name : names) {
        auto const wire = std::make_shared<hub::Wire>(fleet.server->transport(name, hub::kAdmin), fleet.ways, name);
        clusters.push_back({.name = name, .client = client::Client(wire, "kubectl-amc"), .by_pattern = true});
    }
    return Contexts(std::move(clusters), 5s);
}

CO_TEST(Contexts, AnswerAsAHubWould) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    Contexts contexts = over(fleet, {"beijing", "fleet", "oslo"});
    auto const discovered = co_await contexts.discovery(ctx, "/apis", {});
    CO_ASSERT_OK(discovered);
    EXPECT_NE(json::write(*discovered).find("rollouts.kruise.io"), std::string::npos);
    auto const answer = co_await contexts.ask(ctx, {.resource = apis::kRollouts, .ns = "demo", .clusters = {}});
    CO_ASSERT_OK(answer);
    CO_ASSERT_TRUE((*answer)["clusters"].size() == 2);
    EXPECT_EQ((*answer)["clusters"][1]["name"].as_string(), "oslo");
    EXPECT_EQ((*answer)["clusters"][1]["items"].size(), 1u);
    auto views = co_await contexts.look(ctx, hub::kWeb, {});
    CO_ASSERT_OK(views);
    CO_ASSERT_TRUE(views->size() == 2);
    EXPECT_EQ((*views)[0].pods.size(), 10u);
    EXPECT_EQ(meta::name((*views)[0].workload), "web");
    auto const none = co_await contexts.look(ctx, {"demo", "nope"}, {});
    CO_ASSERT_TRUE(!none);
    EXPECT_TRUE(none.error().is(ErrorCode::kNotFound)) << none.error().message();
    co_await fleet.stop();
}

// As Kubernetes before 1.30: of discovery in one answer it has v2beta1 alone.
class Older final : public client::Transport {
public:
    explicit Older(std::shared_ptr<client::Transport> inner) : inner_(std::move(inner)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        std::vector<std::string> known;
        for (std::string_view wish : split(request.accept, ',')) {
            if (wish.find(";v=v2;") == std::string_view::npos) known.emplace_back(wish);
        }
        if (known.empty() && !request.accept.empty()) {
            client::Response refused;
            refused.status = 406;
            refused.raw_body = "only the following media types are accepted: application/json";
            co_return refused;
        }
        request.accept = join(known, ",");
        auto response = co_await inner_->send(ctx, std::move(request));
        co_return response;
    }

private:
    std::shared_ptr<client::Transport> inner_;
};

CO_TEST(Contexts, OfOlderVersionsSayWhatTheyServe) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    auto const wire = std::make_shared<Older>(fleet.server->transport("beijing", hub::kAdmin));
    Contexts contexts({{.name = "beijing", .client = client::Client(wire, "kubectl-amc"), .by_pattern = false}}, 5s);
    auto const discovered = co_await contexts.discovery(ctx, "/apis", {});
    CO_ASSERT_OK(discovered);
    EXPECT_NE(json::write(*discovered).find("\"singularResource\":\"rollout\""), std::string::npos);
    co_await fleet.stop();
}

// Whoever watches does not wait for a cluster each time; and it is there again when it is back.
CO_TEST(Contexts, WhoDidNotAnswerIsAskedAgainLater) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing", "oslo"}));
    fleet.ways.slow["oslo"] = 1h;
    Contexts contexts = over(fleet, {"beijing", "oslo"});
    Question const question{.resource = apis::kRollouts, .ns = "demo"};
    Time const before = ctx.now();
    auto answer = co_await contexts.ask(ctx, question);
    CO_ASSERT_OK(answer);
    EXPECT_FALSE((*answer)["clusters"][1]["reachable"].as_bool());
    EXPECT_EQ((*answer)["clusters"][1]["error"].as_string(), "no answer within 5s");
    EXPECT_EQ(ctx.now() - before, 5s);
    answer = co_await contexts.ask(ctx, question);
    CO_ASSERT_OK(answer);
    EXPECT_EQ((*answer)["clusters"][0]["items"].size(), 1u);
    EXPECT_EQ(ctx.now() - before, 5s) << "not a second time";
    fleet.ways.slow.clear();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 10s));
    answer = co_await contexts.ask(ctx, question);
    CO_ASSERT_OK(answer);
    EXPECT_TRUE((*answer)["clusters"][1]["reachable"].as_bool());
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::amc
