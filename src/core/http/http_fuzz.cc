#include "core/async/event.h"
#include "core/async/virtual_executor.h"
#include "core/http/internal/scripted.h"
#include "core/http/server.h"

namespace {

using namespace aviary;

class OneConnection final : public net::Listener {
public:
    explicit OneConnection(std::string bytes) : stream_(std::make_unique<http::Scripted>(std::move(bytes))) {}
    std::uint16_t port() const override { return 1; }
    Task<Result<std::unique_ptr<net::Stream>>> accept(Context ctx) override {
        if (stream_ == nullptr) {
            (void)co_await async::sleep_for(ctx, std::chrono::hours(1));
            co_return fail(ErrorCode::kCancelled, "closed");
        }
        co_return std::move(stream_);
    }
    void close() override {}

private:
    std::unique_ptr<net::Stream> stream_;
};

class Echo final : public http::Handler {
public:
    Task<http::Response> handle(Context, http::Request request, net::Peer) override {
        http::Response response;
        response.body = std::move(request.body);
        co_return response;
    }
};

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    async::VirtualExecutor executor;
    http::Server server(std::make_unique<OneConnection>(std::string(reinterpret_cast<char const*>(data), size)),
                        std::make_shared<Echo>());
    async::Scope scope{Context(executor)};
    scope.spawn(server.run(scope.context()));
    executor.run_for(std::chrono::minutes(1));
    scope.cancel();
    executor.run_for(std::chrono::minutes(10));
    AVIARY_CHECK(scope.running() == 0);
    return 0;
}
