#include "core/async/event.h"
#include "core/async/virtual_executor.h"
#include "core/http/http2.h"
#include "core/http/internal/scripted.h"

namespace {

using namespace aviary;

// A body in parts.
class Parts final : public http::BodyStream {
public:
    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        if (++given_ > 5) co_return std::optional<std::string>();
        CO_TRY(co_await async::sleep_for(ctx, std::chrono::seconds(1)));
        co_return std::optional(std::string(1000, 'p'));
    }

private:
    int given_ = 0;
};

class Echo final : public http::Handler {
public:
    Task<http::Response> handle(Context, http::Request request, net::Peer) override {
        http::Response response;
        if (request.method == "PUT") response.stream = std::make_unique<Parts>();
        response.headers = std::move(request.headers);
        response.body = std::move(request.body);
        co_return response;
    }
};

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

Task<void> serve(Context ctx, std::string bytes) {
    http::Http2Limits const limits{
        .max_header_bytes = 2048, .max_body_bytes = 4096, .max_streams = 5, .max_resets = 20, .max_idle_frames = 100};
    (void)co_await http::serve_http2(ctx, std::make_unique<http::Lasting>(std::move(bytes)), std::make_shared<Echo>(),
                                     limits);
}

Task<void> run(Context ctx, http::Http2Connection& connection) { (void)co_await connection.run(ctx); }

Task<void> ask(Context ctx, http::Http2Connection& connection, std::string method, bool stream) {
    auto const answer =
        co_await connection.send(ctx, {.method = std::move(method), .body = std::string(100, 'b')}, stream);
    if (!answer) co_return;
    AVIARY_CHECK(answer->body.size() <= 4096);
    while (answer->stream) {
        auto const part = co_await answer->stream->next(ctx);
        if (!part || !*part) co_return;
    }
}

// Everything ends in time, whatever the peer says.
template <class Start>
void play(Start start) {
    async::VirtualExecutor executor;
    async::Scope scope{Context(executor)};
    start(scope);
    executor.run_for(std::chrono::minutes(10));
    scope.cancel();
    executor.run_for(std::chrono::minutes(10));
    AVIARY_CHECK(scope.running() == 0);
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    std::string const bytes(reinterpret_cast<char const*>(data), size);
    play([&](async::Scope& scope) { scope.spawn(serve(scope.context(), bytes)); });
    play([&](async::Scope& scope) {
        scope.spawn(serve(scope.context(), std::string(kPreface, sizeof kPreface - 1) + bytes));
    });
    auto const connection = std::make_unique<http::Http2Connection>(
        std::make_unique<http::Lasting>(bytes), http::Http2Options{.max_header_bytes = 2048, .max_body_bytes = 4096});
    play([&](async::Scope& scope) {
        scope.spawn(run(scope.context(), *connection));
        for (char const* method : {"GET", "HEAD", "PUT"}) {
            scope.spawn(ask(scope.context(), *connection, method, false));
            scope.spawn(ask(scope.context(), *connection, method, true));
        }
    });
    return 0;
}
