#include "app/agent/process.h"

#include <csignal>
#include <utility>

#include "app/process/serve.h"
#include "core/async/scope.h"
#include "core/observe/log.h"
#include "kube/client/http_transport.h"
#include "member/agent/agent.h"

namespace aviary::agent {

namespace {

Task<Status> serve(Context ctx, async::AsioExecutor& executor, ProcessOptions options) {
    process::Options& own = options.cluster;
    Context const starting = ctx.with_timeout(process::kStartAtMost);
    CO_TRY_ASSIGN(client::ServerAccess const access, process::find_access(own));
    CO_TRY_ASSIGN(client::Exchange api, client::http_exchange(executor, access));
    client::Client const member(client::transport_over(api, client::host_of(access)), own.name);
    CO_TRY_ASSIGN(std::string uid, co_await process::cluster_uid(starting, member));
    Agent agent(member, std::move(api), dial_by(executor), {own.ns, std::move(uid), options.version});
    CO_TRY_ASSIGN(auto const health, process::health_server(ctx, executor, own, [&agent] { return agent.missing(); }));
    async::Scope scope(ctx);
    scope.spawn(health->run(scope.context()));
    scope.spawn(agent.run(scope.context()));
    ctx.log().info("agent started", {{"server", access.url}});
    (void)co_await executor.wait_for_signal(scope.context(), {SIGINT, SIGTERM});
    co_await scope.cancel_and_join();
    co_return Status{};
}

}   // namespace

int run(ProcessOptions options) { return process::run(serve, std::move(options)); }

}   // namespace aviary::agent
