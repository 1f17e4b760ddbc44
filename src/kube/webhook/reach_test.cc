#include "kube/webhook/reach.h"

#include "core/async/co_test.h"
#include "core/async/scope.h"

namespace aviary::webhook {
namespace {

using namespace std::chrono_literals;

// Answers a write as it is told to.
class Server final : public client::Transport {
public:
    Task<Result<client::Response>> send(Context, client::Request request) override {
        dry = request.query_value("dryRun") == "All";
        if (!problem.empty()) co_return std::unexpected(Error(code, problem));
        client::Response response;
        response.status = 201;
        response.body = request.body;
        co_return response;
    }
    bool dry = false;
    ErrorCode code = ErrorCode::kInternal;
    std::string problem;
};

CO_TEST(Reach, ARefusalIsAnAnswer) {
    auto const server = std::make_shared<Server>();
    Reach reach(client::Client(server, "test"), {"example.com", "v1", "things"},
                json::Object{{"apiVersion", "example.com/v1"},
                             {"kind", "Thing"},
                             {"metadata", json::Object{{"name", "probe"}, {"namespace", "demo"}}}});
    EXPECT_NE("", reach.missing());
    server->problem =
        R"(Internal error occurred: failed calling webhook "x": dial tcp 10.0.0.4:9444: connection refused)";
    async::Scope scope(ctx);
    scope.spawn(reach.run(scope.context()));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_TRUE(server->dry);
    EXPECT_NE(std::string::npos, reach.missing().find("connection refused")) << reach.missing();
    server->problem = R"(admission webhook "x" denied the request: no hub leads)";
    server->code = ErrorCode::kUnavailable;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    EXPECT_EQ("", reach.missing());
    server->problem = "no route";
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 15s));
    EXPECT_NE("", reach.missing());
    server->problem.clear();
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2s));
    EXPECT_EQ("", reach.missing());
    co_await scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::webhook
