#include "app/playground/internal/listen.h"

#include <utility>

namespace aviary::playground {

namespace {

constexpr Duration kLongest = std::chrono::seconds(1);
constexpr Duration kAgain = std::chrono::milliseconds(20);

}   // namespace

Task<Result<std::unique_ptr<net::Listener>>> listen_soon(Context ctx, async::AsioExecutor& executor, std::uint16_t port,
                                                         std::shared_ptr<net::TlsServer> tls) {
    MonotonicTime const until = ctx.monotonic() + kLongest;
    while (true) {
        auto listener = net::Listener::listen(executor, port, tls);
        if (listener || ctx.monotonic() >= until) co_return std::move(listener);
        CO_TRY(co_await async::sleep_for(ctx, kAgain));
    }
}

}   // namespace aviary::playground
