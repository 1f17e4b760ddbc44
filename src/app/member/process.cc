#include "app/member/process.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "apis/crds.h"
#include "app/member/internal/webhooks.h"
#include "app/member/member.h"
#include "app/process/conversion.h"
#include "app/process/serve.h"
#include "app/process/webhooks.h"
#include "core/async/scope.h"
#include "kube/control/definitions.h"
#include "kube/webhook/handler.h"

namespace aviary::member {

namespace {

constexpr Duration kAgain = std::chrono::seconds(10);

// By who leads: of replicas of several versions it is that one which runs the releases.
Task<void> say_who_leads(Context ctx, client::Client client, std::string ns) {
    while (ctx.check()) {
        Status const said = co_await announce(ctx, client, ns);
        if (said || !ctx.check()) co_return;
        ctx.log().warning("the hub is not told which version leads here", {{"error", said.error().message()}});
        // Roles of before, that know nothing of it.
        if (said.error().is(ErrorCode::kForbidden)) co_return;
        (void)co_await async::sleep_for(ctx, kAgain);
    }
}

// Each term has controllers of its own, and all their writes are fenced by the lease.
// `leading` points at the Member of a term.
Task<void> lead(Context ctx, process::Cluster const& cluster, client::Lease& lease, process::Webhooks& webhooks,
                rollout::Features features, Member const*& leading) {
    co_await client::run_as_leader(
        ctx, lease, [&cluster, &lease, &webhooks, features, &leading](Context term) -> Task<void> {
            client::Client const client = client::fenced(cluster.client, lease.fence(process::kFenceMargin));
            Member member(client, cluster.user, cluster.options.ns, features);
            async::Scope scope(term);
            scope.spawn(webhooks.lead(scope.context(), client));
            scope.spawn(say_who_leads(scope.context(), client, cluster.options.ns));
            leading = &member;
            co_await member.run(term);
            leading = nullptr;
            co_await scope.cancel_and_join();
        });
}

// Those of releases are told by the replica that leads, alone.
Task<std::vector<observe::Gauges>> gauges(Context ctx, Member const* member) {
    co_return member == nullptr ? std::vector<observe::Gauges>() : member->gauges(ctx.now());
}

Task<Status> serve(Context ctx, async::AsioExecutor& executor, process::Options options, rollout::Features features) {
    for (std::string const& note : features.notes) ctx.log().info(note);
    Context const starting = ctx.with_timeout(process::kStartAtMost);
    CO_TRY_ASSIGN(process::Cluster const cluster, co_await process::connect(starting, executor, options));
    CO_TRY(co_await control::install_definitions(starting, cluster.client, apis::member_crds(),
                                                 control::Existing::kLeave));
    CO_TRY_ASSIGN(std::unique_ptr<client::Lease> const lease, process::lease(ctx, cluster));
    Guards guards(cluster.client, cluster.user, features);
    process::WebhookParts parts{.handler = webhook::make_handler(guards.admissions(), process::converter()),
                                .registered = {}};
    parts.registered = [&cluster, features](std::string const& authorities) {
        std::vector<json::Value> wanted = webhook::configurations(
            cluster.options.name, webhook_rules(cluster.user, features), cluster.address, authorities);
        std::ranges::move(process::converted_definitions(cluster.address, authorities), std::back_inserter(wanted));
        return wanted;
    };
    CO_TRY_ASSIGN(auto const webhooks, process::Webhooks::create(ctx, executor, cluster, std::move(parts)));

    Member const* leading = nullptr;
    process::Work work;
    work.missing = [&guards, &lease]() -> std::string {
        if (!guards.ready()) return "Rollouts and ReplicaSets are being listed";
        return lease->problem().empty() ? "" : "nobody can lead: " + lease->problem();
    };
    work.always.emplace_back([&guards](Context each) { return guards.run(each); });
    work.lead = [&](Context term) { return lead(term, cluster, *lease, *webhooks, features, leading); };
    work.gauges = [&leading](Context each) { return gauges(std::move(each), leading); };
    co_return co_await process::serve(ctx, executor, cluster, *webhooks, std::move(work));
}

}   // namespace

int run(process::Options options, rollout::Features features) {
    return process::run([options = std::move(options), features](Context ctx, async::AsioExecutor& executor) {
        return serve(std::move(ctx), executor, options, features);
    });
}

}   // namespace aviary::member
