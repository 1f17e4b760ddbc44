#include "core/async/event.h"
#include "core/async/virtual_executor.h"
#include "core/http/server.h"

namespace {

using namespace aviary;

// A connection whose client sends the given bytes in pieces and reads everything.
class Scripted final : public net::Stream {
public:
    explicit Scripted(std::string_view bytes) : bytes_(bytes) {}
    Task<Status> handshake(Context) override { co_return Status{}; }
    Task<Result<std::size_t>> read_some(Context, std::span<char> buffer) override {
        std::size_t const count = std::min({buffer.size(), bytes_.size(), std::size_t{7} + bytes_.size() % 61});
        bytes_.copy(buffer.data(), count);
        bytes_.remove_prefix(count);
        co_return count;
    }
    Task<Status> write(Context, std::string_view) override { co_return Status{}; }
    void close() override {}
    net::Peer const& peer() const override { return peer_; }

private:
    std::string_view bytes_;
    net::Peer peer_;
};

class OneConnection final : public net::Listener {
public:
    explicit OneConnection(std::string_view bytes) : stream_(std::make_unique<Scripted>(bytes)) {}
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
    http::Server server(std::make_unique<OneConnection>(std::string_view(reinterpret_cast<char const*>(data), size)),
                        std::make_shared<Echo>());
    async::Scope scope{Context(executor)};
    scope.spawn(server.run(scope.context()));
    executor.run_for(std::chrono::minutes(1));
    scope.cancel();
    executor.run_for(std::chrono::minutes(10));
    AVIARY_CHECK(scope.running() == 0);
    return 0;
}
