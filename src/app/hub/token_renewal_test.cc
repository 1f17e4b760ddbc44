#include "app/hub/internal/token_renewal.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "app/hub/internal/connections.h"
#include "core/async/co_test.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/control/definitions.h"
#include "kube/meta/object.h"

namespace aviary::hub {
namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;

constexpr Duration kDay = 24h;
meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
meta::ObjectKey const kSecret{"default", "cluster-beijing"};

// As an API server makes them; nobody here checks the signature.
std::string token(Time from, Time ends) {
    auto const seconds = [](Time time) {
        return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
    };
    std::string payload =
        base64_encode(fmt::format(R"({{"iat":{},"exp":{},"sub":"aviary-hub>?"}})", seconds(from), seconds(ends)));
    std::erase(payload, '=');
    std::ranges::replace(payload, '+', '-');
    std::ranges::replace(payload, '/', '_');
    return "head." + payload + ".signature";
}

// A member as far as tokens go.
class Issuer final : public client::Transport {
public:
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        ++asked;
        EXPECT_EQ("/api/v1/namespaces/default/serviceaccounts/aviary-hub/token", request.path);
        client::Response response;
        response.status = status;
        Value answer =
            status == 201 ? Value(json::Object()) : *json::parse_value(R"({"kind":"Status","message":"no"})");
        Time const ends = ctx.now() + life;
        answer.set({"status", "token"}, token(ctx.now(), ends));
        answer.set({"status", "expirationTimestamp"}, format_rfc3339(ends));
        response.body = Doc::freeze(answer);
        co_return response;
    }
    int asked = 0;
    int status = 201;
    Duration life = 100 * kDay;
};

struct World {
    explicit World(Context const& ctx_in) : ctx(ctx_in), scope(ctx_in) {}

    Task<Status> start(Time from, Time ends) {
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(scope.context(),
                                                                  std::make_shared<storage::MemoryEngine>(), {}));
        CO_TRY(co_await control::install_definitions(ctx, hub(), apis::crds()));
        CO_TRY(co_await hub().create(ctx, apis::kManagedClusters, *json::parse_value(R"({"kind":"ManagedCluster",
            "apiVersion":"cluster.open-cluster-management.io/v1","metadata":{"name":"beijing"},
            "spec":{"hubAcceptsClient":true}})")));
        CO_TRY(co_await join(token(from, ends)));
        client::InformerOptions labelled;
        labelled.ns = "default";
        labelled.label_selector = kClusterLabel;
        auto const secrets = std::make_shared<client::Informer>(hub(), kSecrets, labelled);
        renewal = std::make_unique<TokenRenewal>(
            secrets,
            [this](Doc const&) -> Result<std::shared_ptr<client::Transport>> {
                return explaining_refusals(member, "beijing");
            },
            "default");
        scope.spawn(secrets->run(scope.context()));
        scope.spawn(renewal->run(scope.context(), hub()));
        co_return Status{};
    }
    // What joining, and joining again, leaves.
    Task<Status> join(std::string text) {
        Value secret = *json::parse_value(R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"cluster-beijing",
            "namespace":"default","labels":{"fleet.aviary.dev/cluster":"beijing"}}})");
        secret.set({"data", "token"}, base64_encode(text));
        client::WriteOptions force;
        force.force = true;
        CO_TRY(co_await hub().apply(ctx, kSecrets, std::move(secret), force));
        co_return Status{};
    }
    client::Client hub() { return {server->transport("fleet", {"admin", {"system:masters"}, {}}), "test"}; }
    Task<std::string> kept() {
        auto const secret = co_await hub().get(ctx, kSecrets, kSecret);
        co_return secret ? base64_decode(secret->at({"data", "token"}).as_string()).value_or("") : "";
    }
    // "False: what is said"
    Task<std::string> said() {
        auto const object = co_await hub().get(ctx, apis::kManagedClusters, {"", "beijing"});
        if (!object) co_return object.error().message();
        Doc const condition = meta::condition(*object, kTokenRenewed);
        co_return condition.exists() ? condition["status"].string() + ": " + condition["message"].string() : "";
    }
    Task<void> pass(Duration time) { (void)co_await async::sleep_for(ctx, time); }

    Context ctx;
    async::Scope scope;
    std::unique_ptr<apiserver::ApiServer> server;
    std::shared_ptr<Issuer> member = std::make_shared<Issuer>();
    std::unique_ptr<TokenRenewal> renewal;
};

CO_TEST(TokenRenewal, IsDoneWhenHalfOfTheLifeIsOver) {
    World world(ctx);
    Time const ends = ctx.now() + 2 * kDay;
    CO_ASSERT_OK(co_await world.start(ctx.now(), ends));
    co_await world.pass(kDay - 5min);
    EXPECT_EQ(0, world.member->asked);
    std::string text = co_await world.said();
    EXPECT_EQ("", text);
    co_await world.pass(10min);
    EXPECT_EQ(1, world.member->asked);
    text = co_await world.kept();
    auto const life = token_life(text);
    CO_ASSERT_TRUE(life);
    EXPECT_GT(life->ends, ctx.now() + 99 * kDay);
    auto const secret = co_await world.hub().get(ctx, kSecrets, kSecret);
    EXPECT_EQ(format_rfc3339(life->ends), meta::annotation(*secret, kTokenEnds));
    EXPECT_EQ("beijing", meta::label(*secret, kClusterLabel));
    text = co_await world.said();
    EXPECT_EQ("True: The hub's token there ends at " + format_rfc3339(life->ends), text);
    co_await world.pass(kDay);
    EXPECT_EQ(1, world.member->asked);
    co_await world.scope.cancel_and_join();
}

CO_TEST(TokenRenewal, SaysWhyItIsNotAndWhatToDo) {
    World world(ctx);
    world.member->status = 401;
    Time const ends = ctx.now() + kDay;
    CO_ASSERT_OK(co_await world.start(ctx.now() - 2 * kDay, ends));
    co_await world.pass(5s);
    std::string text = co_await world.said();
    EXPECT_EQ(
        "False: The hub's token there ends at " + format_rfc3339(ends) +
            " and cannot be made anew: asking for a token: beijing refuses the hub's credentials, which have ended "
            "or were revoked: `aviary join beijing` makes others",
        text);
    co_await world.pass(25min);
    EXPECT_EQ(3, world.member->asked) << "every ten minutes";
    CO_ASSERT_OK(co_await world.join(token(ctx.now(), ctx.now() + 300 * kDay)));
    co_await world.pass(5s);
    EXPECT_EQ(3, world.member->asked);
    text = co_await world.said();
    EXPECT_EQ("True: The hub's token there ends at " + format_rfc3339(ctx.now() - 5s + 300 * kDay), text);
    co_await world.scope.cancel_and_join();
}

CO_TEST(TokenRenewal, IsDoneAtOnceWhenTheSecretSaysThatItEnds) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start(ctx.now(), ctx.now() + 300 * kDay));
    co_await world.pass(5s);
    Value patch{json::Object()};
    patch.set({"metadata", "annotations", kTokenEnds}, format_rfc3339(ctx.now()));
    CO_ASSERT_OK(co_await world.hub().patch(ctx, kSecrets, kSecret, client::PatchType::kMerge, std::move(patch)));
    co_await world.pass(1s);
    EXPECT_EQ(1, world.member->asked);
    co_await world.pass(kDay);
    EXPECT_EQ(1, world.member->asked);
    co_await world.scope.cancel_and_join();
}

CO_TEST(TokenRenewal, KeepsNothingThatIsNoToken) {
    World world(ctx);
    world.member->life = -kDay;
    std::string const before = token(ctx.now() - 2 * kDay, ctx.now() + kDay);
    CO_ASSERT_OK(co_await world.start(ctx.now() - 2 * kDay, ctx.now() + kDay));
    co_await world.pass(5s);
    std::string const text = co_await world.kept();
    EXPECT_EQ(before, text);
    co_await world.scope.cancel_and_join();
}

TEST(TokenLife, IsThatOfServiceAccountsAlone) {
    Time const from{1'000'000s};
    auto const life = token_life(token(from, from + kDay));
    ASSERT_TRUE(life);
    EXPECT_EQ(from, life->from);
    EXPECT_EQ(from + kDay, life->ends);
    for (char const* text : {"", "opaque", "a.b", "a.!!.c", "a.e30.c", "a.bm9uZQ.c", "a..c"})
        EXPECT_FALSE(token_life(text)) << text;
    EXPECT_FALSE(token_life(token(from, from)));
    EXPECT_FALSE(token_life("a." + std::string(1 << 20, 'A') + ".c"));
}

}   // namespace
}   // namespace aviary::hub
