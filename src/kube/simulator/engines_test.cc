#include "kube/simulator/engines.h"

#include <gtest/gtest.h>

#include "core/async/co_test.h"
#include "core/async/scope.h"
#include "core/json/parse.h"
#include "core/net/stream.h"
#include "kube/simulator/internal/engine.h"
#include "kube/simulator/internal/kubelet.h"

namespace aviary::simulator {
namespace {

using json::Doc;
using namespace std::chrono_literals;

http::Request post(std::string target, std::string body) {
    return {.method = "POST", .target = std::move(target), .headers = {}, .body = std::move(body)};
}

Task<std::string> read_all(Context ctx, http::Response& response) {
    if (!response.stream) co_return response.body;
    std::string text;
    while (true) {
        auto part = co_await response.stream->next(ctx);
        if (!part || !*part) break;
        text += **part;
    }
    co_return text;
}

CO_TEST(Engine, StreamsTokensAndCountsThem) {
    Engine engine("vllm:v2", "web-1", 20ms);
    auto const begun = ctx.now();
    auto streamed = co_await engine.handle(
        ctx, post("/v1/completions", R"({"prompt":"how many","max_tokens":3,"stream":true})"), {});
    EXPECT_EQ(streamed.status, 200);
    EXPECT_EQ(http::find_header(streamed.headers, "x-served-by"), "web-1");
    auto const metrics = [ctx, &engine]() -> Task<std::string> {
        co_return (co_await engine.handle(ctx, {.method = "GET", .target = "/metrics", .headers = {}, .body = ""}, {}))
            .body;
    };
    std::string text = co_await metrics();
    EXPECT_TRUE(text.contains("vllm:num_requests_running{engine=\"0\",model_name=\"vllm:v2\"} 1\n")) << text;
    text = co_await read_all(ctx, streamed);
    EXPECT_EQ(ctx.now() - begun, 60ms);
    EXPECT_TRUE(text.starts_with(R"(data: {"id":"cmpl-web-1-1","object":"text_completion","model":"vllm:v2")")) << text;
    EXPECT_TRUE(text.ends_with("data: [DONE]\n\n")) << text;
    streamed.stream.reset();
    text = co_await metrics();
    for (char const* line :
         {"vllm:num_requests_running{engine=\"0\",model_name=\"vllm:v2\"} 0\n",
          "vllm:request_success_total{engine=\"0\",model_name=\"vllm:v2\",finished_reason=\"length\"} 1\n",
          "vllm:prompt_tokens_total{engine=\"0\",model_name=\"vllm:v2\"} 2\n",
          "vllm:generation_tokens_total{engine=\"0\",model_name=\"vllm:v2\"} 3\n"})
        EXPECT_TRUE(text.contains(line)) << line << text;
}

CO_TEST(Engine, AnswersAtOnceAndRefusesWhatItCannotTake) {
    Engine engine("vllm:v2", "web-1", {});
    auto whole = co_await engine.handle(
        ctx, post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hello"}],"max_tokens":2})"), {});
    auto const body = json::parse(whole.body);
    CO_ASSERT_OK(body);
    EXPECT_EQ((*body)["choices"][0].at({"message", "content"}).as_string(), " one two");
    EXPECT_EQ(body->at({"usage", "completion_tokens"}).as_int(), 2);
    struct Case {
        http::Request request;
        int status;
        std::string_view message;
    };
    for (Case const& each :
         {Case{post("/v1/completions", "{"), 400, "the body: "}, Case{post("/v1/completions", "{}"), 400, "prompt: "},
          Case{post("/v1/completions", R"({"prompt":"a","max_tokens":100000})"), 400, "must be 1 to 4096, got 100000"},
          Case{{.method = "GET", .target = "/v1/completions", .headers = {}, .body = ""}, 405, "Method Not Allowed"},
          Case{{.method = "GET", .target = "/", .headers = {}, .body = ""}, 404, "there are /v1/completions"}}) {
        auto const refused = co_await engine.handle(ctx, each.request, {});
        EXPECT_EQ(refused.status, each.status);
        EXPECT_TRUE(refused.body.contains(each.message)) << refused.body;
    }
}

Doc pod(char const* more,
        char const* containers = R"([{"name":"vllm","image":"vllm:v2","ports":[{"containerPort":18123}],
        "lifecycle":{"preStop":{"sleep":{"seconds":3}}}}])") {
    json::Value object = *json::parse_value(
        R"({"metadata":{"name":"web-1","namespace":"demo","uid":"a","annotations":{"simulator.aviary.dev/engine":"vllm"}},
        "spec":{"nodeName":"n"},"status":{"phase":"Running"}})");
    object["spec"]["containers"] = *json::parse_value(containers);
    json::Value const changes = *json::parse_value(more);
    for (auto const& [key, value] : changes.object()) object["metadata"][key] = value;
    return Doc::freeze(object);
}

TEST(Kubelet, LetsPreStopHooksSleepBeforeThePodGoes) {
    Doc const node = *json::parse(R"({"metadata":{"name":"n"}})");
    Time const asked = *parse_rfc3339("2026-01-01T00:00:00Z");
    auto const at = [&](char const* deletion, Duration later) {
        return decide_pod(pod(deletion), node, 0s, asked, asked + later);
    };
    char const* const usual = R"({"deletionTimestamp":"2026-01-01T00:00:30Z","deletionGracePeriodSeconds":30})";
    EXPECT_TRUE(at(usual, 1s).writes.empty());
    ASSERT_TRUE(at(usual, 1s).requeue);
    EXPECT_EQ(at(usual, 1s).requeue->at, asked + 4s);
    EXPECT_EQ(at(usual, 4s).writes.size(), 1U);
    // No longer than its grace period.
    char const* const soon = R"({"deletionTimestamp":"2026-01-01T00:00:01Z","deletionGracePeriodSeconds":1})";
    EXPECT_EQ(at(soon, 1s).writes.size(), 1U);
}

TEST(Engines, ListenAtThePodsAddressUntilThePodIsGone) {
    async::AsioExecutor executor;
    Engines engines(executor);
    Doc const served = pod("{}");
    std::string const address = pod_address(served);
    EXPECT_TRUE(address.starts_with("127.")) << address;
    auto const reached = [&](Context ctx) -> Task<bool> {
        co_return (co_await net::connect(ctx, executor, address, 18123)).has_value();
    };
    auto const story = [&](Context ctx) -> Task<void> {
        async::Scope scope(ctx);
        scope.spawn(engines.run(scope.context()));
        (void)co_await async::yield(ctx);
        engines.start(served, address);
        engines.start(served, address);
        EXPECT_TRUE(co_await reached(ctx));
        engines.stop(served);
        for (int turn = 0; turn < 5; ++turn) (void)co_await async::yield(ctx);
        EXPECT_FALSE(co_await reached(ctx));
        // The pod's containers may serve again.
        engines.start(served, address);
        EXPECT_TRUE(co_await reached(ctx));
        engines.stop(served);
        for (int turn = 0; turn < 5; ++turn) (void)co_await async::yield(ctx);
        engines.start(pod("{}", R"([{"name":"init"},{"name":"vllm","ports":[{"containerPort":18123}]}])"), address);
        EXPECT_TRUE(co_await reached(ctx)) << "the port is that of another container";
        co_await scope.cancel_and_join();
    };
    executor.run(story(Context(executor)));
}

}   // namespace
}   // namespace aviary::simulator
