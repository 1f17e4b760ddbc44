// The same requests over TLS on loopback, client and server on one loop: HTTP/2 beside HTTP/1.1, by how many are under
// way at once.
#include <benchmark/benchmark.h>

#include "core/async/asio_executor.h"
#include "core/crypto/certificate.h"
#include "core/http/client.h"
#include "core/http/server.h"

namespace aviary::http {
namespace {

constexpr std::size_t kAnswerBytes = 6 << 10;
constexpr int kRequests = 2000;

class Fixed final : public Handler {
public:
    Task<Response> handle(Context, Request, net::Peer) override {
        Response response;
        response.body = std::string(kAnswerBytes, 'x');
        co_return response;
    }
};

Task<void> ask(Context ctx, Client& client, int& left, int& failed) {
    while (left-- > 0) {
        auto const answer = co_await client.send(ctx, {.target = "/"});
        failed += !answer || answer->body.size() != kAnswerBytes;
    }
}

Task<int> load(Context ctx, Client& client, int at_once) {
    int left = kRequests, failed = 0;
    async::Scope scope(ctx);
    for (int each = 0; each < at_once; ++each) scope.spawn(ask(scope.context(), client, left, failed));
    co_await scope.join();
    co_return failed;
}

void requests(benchmark::State& state, net::Protocols protocols) {
    async::AsioExecutor executor;
    Context const ctx(executor);
    auto const authority = *crypto::create_authority("bench-ca", ctx.now());
    auto const keys =
        *crypto::issue(authority, {.common_name = "server", .dns_names = {}, .addresses = {"127.0.0.1"}}, ctx.now());
    auto listener =
        *net::Listener::listen(executor, 0, *net::TlsServer::create(keys.certificate_pem, keys.key_pem, {}, protocols));
    ClientOptions options{.host = "127.0.0.1", .port = listener->port()};
    options.tls = *net::TlsClient::create(authority.certificate_pem, {}, {}, false, protocols);
    Server server(std::move(listener), std::make_shared<Fixed>());
    async::Scope serving(ctx);
    serving.spawn(server.run(serving.context()));
    auto client = std::make_unique<Client>(executor, options);
    int failed = executor.run(load(ctx, *client, static_cast<int>(state.range(0))));   // connections are made
    for (auto _ : state) failed += executor.run(load(ctx, *client, static_cast<int>(state.range(0))));
    client.reset();
    executor.run(serving.cancel_and_join());
    if (failed > 0) state.SkipWithError("requests failed");
    state.SetItemsProcessed(state.iterations() * kRequests);
}

BENCHMARK_CAPTURE(requests, http2, protocols())->Arg(1)->Arg(50)->Arg(200)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(requests, http1, net::Protocols{"http/1.1"})
    ->Arg(1)
    ->Arg(50)
    ->Arg(200)
    ->Unit(benchmark::kMillisecond);

}   // namespace
}   // namespace aviary::http
