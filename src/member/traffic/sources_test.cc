#include "member/traffic/sources.h"

#include "core/async/co_test.h"
#include "core/async/event.h"
#include "core/async/scope.h"

namespace aviary::traffic {
namespace {

using namespace std::chrono_literals;

// A server that does not answer; knows when it was asked for what.
class Silent final : public client::Transport {
public:
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        asked[request.path].push_back(ctx.monotonic());
        co_return fail(ErrorCode::kUnavailable, "connection refused");
    }
    std::map<std::string, std::vector<MonotonicTime>> asked;
};

// A copy that is behind for longer than a controller waits for its own write would be decided with: routes would stay
// as a release has them while its pods go.
CO_TEST(TrafficSources, AskAgainWithinSecondsAlsoAfterALongSilence) {
    auto const server = std::make_shared<Silent>();
    Sources sources(client::Client(server, "test"), "aviary-system");
    apis::TrafficRoutingRef routing;
    routing.service = "web";
    routing.gateway.emplace();
    routing.gateway->http_route_name = "web";
    async::Scope scope(ctx);
    scope.spawn(sources.run(scope.context()));
    sources.want(routing);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5min));
    for (char const* path : {"/api/v1/services", "/apis/gateway.networking.k8s.io/v1/httproutes"}) {
        auto const& times = server->asked[path];
        CO_ASSERT_TRUE(times.size() > 2);
        for (std::size_t index = 1; index < times.size(); ++index)
            EXPECT_LE(times[index] - times[index - 1], Duration(2s)) << path;
    }
    co_await scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::traffic
