#include "app/process/serve.h"

#include <csignal>
#include <memory>
#include <utility>

#include "core/async/scope.h"
#include "core/observe/log.h"
#include "core/observe/metrics.h"
#include "core/observe/process.h"

namespace aviary::process {

namespace {

// API servers wait for no answer longer than that.
constexpr Duration kDrainAtMost = std::chrono::seconds(10);

class Health final : public http::Handler {
public:
    Health(observe::Metrics metrics, std::function<std::string()> missing, GatherGauges gauges)
        : metrics_(std::move(metrics)), missing_(std::move(missing)), gauges_(std::move(gauges)) {}

    Task<http::Response> handle(Context ctx, http::Request request, net::Peer) override {
        std::string_view const path = http::path_of(request.target);
        if (path == "/metrics") {
            std::string page = metrics_.text() + observe::process_text();
            if (gauges_) page += observe::text_of(co_await gauges_(ctx));
            co_return http::plain_text(200, std::move(page));
        }
        if (path == "/healthz") co_return http::plain_text(200, "ok\n");
        if (path != "/readyz") co_return http::plain_text(404, "there are /healthz, /readyz and /metrics\n");
        std::string const missing = missing_();
        if (missing.empty()) co_return http::plain_text(200, "ok\n");
        co_return http::plain_text(503, missing + "\n");
    }

private:
    observe::Metrics metrics_;
    std::function<std::string()> missing_;
    GatherGauges gauges_;
};

}   // namespace

Result<std::unique_ptr<http::Server>> health_server(Context const& ctx, async::AsioExecutor& executor,
                                                    Options const& options, std::function<std::string()> missing,
                                                    GatherGauges gauges) {
    auto listener = TRY(net::Listener::listen(executor, options.bind_address, options.health_port));
    return std::make_unique<http::Server>(
        std::move(listener), std::make_shared<Health>(ctx.metrics(), std::move(missing), std::move(gauges)));
}

Task<Status> serve(Context ctx, async::AsioExecutor& executor, Cluster const& cluster, Webhooks& webhooks, Work work) {
    Options const& options = cluster.options;
    bool ending = false;
    auto const missing = [&ending, &work, &webhooks]() -> std::string {
        if (ending) return "it is ending";
        if (std::string lacking = work.missing(); !lacking.empty()) return lacking;
        return webhooks.missing();
    };
    CO_TRY_ASSIGN(auto const health, health_server(ctx, executor, options, missing, work.gauges));

    async::Scope scope(ctx);
    async::Scope leading(ctx);
    scope.spawn(health->run(scope.context()));
    scope.spawn(webhooks.run(scope.context()));
    for (auto const& each : work.always) scope.spawn(each(scope.context()));
    leading.spawn(work.lead(leading.context()));
    ctx.log().info(options.name + " started",
                   {{"server", cluster.server}, {"user", cluster.user}, {"namespace", options.ns}});
    (void)co_await executor.wait_for_signal(ctx, {SIGINT, SIGTERM});

    ending = true;
    ctx.log().info(options.name + " is ending");
    co_await leading.cancel_and_join();
    // Another signal ends it at once.
    if (options.shutdown_delay > Duration(0))
        (void)co_await executor.wait_for_signal(ctx.with_timeout(options.shutdown_delay), {SIGINT, SIGTERM});
    Status const answered = co_await webhooks.drain(ctx.with_timeout(kDrainAtMost));
    if (!answered) ctx.log().warning("ended before everything was answered");
    co_await scope.cancel_and_join();
    co_return Status{};
}

}   // namespace aviary::process
