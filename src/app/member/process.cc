#include "app/member/process.h"

#include <csignal>
#include <utility>

#include "apis/crds.h"
#include "app/member/internal/webhooks.h"
#include "app/member/member.h"
#include "core/async/scope.h"
#include "core/observe/log.h"
#include "kube/control/definitions.h"
#include "kube/webhook/handler.h"
#include "kube/webhook/registration.h"

namespace aviary::member {

namespace {

// Each term has controllers of its own, and all their writes are fenced by the lease.
Task<void> lead(Context ctx, process::Cluster const& cluster, client::Lease& lease,
                webhook::Registration& registration) {
    co_await client::run_as_leader(ctx, lease, [&cluster, &lease, &registration](Context term) -> Task<void> {
        client::Client const client = client::fenced(cluster.client, lease.fence());
        Member member(client, cluster.user);
        async::Scope scope(term);
        scope.spawn(registration.lead(scope.context(), client));
        co_await member.run(term);
        co_await scope.cancel_and_join();
    });
}

Task<Status> serve(Context ctx, async::AsioExecutor& executor, process::Options options) {
    Context const starting = ctx.with_timeout(process::kStartAtMost);
    CO_TRY_ASSIGN(process::Cluster const cluster, co_await process::connect(starting, executor, options));
    CO_TRY(co_await control::install_definitions(starting, cluster.client, apis::member_crds(),
                                                 control::Existing::kLeave));
    CO_TRY_ASSIGN(std::unique_ptr<client::Lease> const lease, process::lease(options, cluster));
    Guards guards(cluster.client, cluster.user);
    CO_TRY_ASSIGN(auto const webhooks, process::webhook_server(executor, options, cluster,
                                                               webhook::make_handler(guards.admissions()), ctx.now()));
    webhook::Registration registration(
        cluster.client,
        webhook::configurations(options.name, webhook_rules(), cluster.address, cluster.authority.bundle()));
    auto const reach = process::reach(options, cluster);
    auto const missing = [&guards, &registration, &reach]() -> std::string {
        if (!guards.ready()) return "Rollouts and ReplicaSets are being listed";
        if (std::string lacking = registration.missing(); !lacking.empty()) return lacking;
        return reach->missing();
    };
    CO_TRY_ASSIGN(auto const health, process::health_server(ctx, executor, options, missing));

    async::Scope scope(ctx);
    scope.spawn(health->run(scope.context()));
    scope.spawn(guards.run(scope.context()));
    scope.spawn(webhooks->run(scope.context()));
    scope.spawn(registration.run(scope.context()));
    scope.spawn(reach->run(scope.context()));
    scope.spawn(lead(scope.context(), cluster, *lease, registration));
    ctx.log().info("member controller started", {{"server", cluster.server}, {"user", cluster.user}});
    (void)co_await executor.wait_for_signal(scope.context(), {SIGINT, SIGTERM});
    co_await scope.cancel_and_join();
    co_return Status{};
}

}   // namespace

int run(process::Options options) {
    return process::run([options = std::move(options)](Context ctx, async::AsioExecutor& executor) {
        return serve(ctx, executor, options);
    });
}

}   // namespace aviary::member
