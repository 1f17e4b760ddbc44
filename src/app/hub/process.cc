#include "app/hub/process.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "apis/fleet/link.h"
#include "apis/rollouts/rollout.h"
#include "app/hub/audit_log.h"
#include "app/hub/hub.h"
#include "app/hub/internal/agents.h"
#include "app/hub/internal/connections.h"
#include "app/hub/internal/fleet_identity.h"
#include "app/hub/internal/front_proxy.h"
#include "app/hub/internal/leading_pod.h"
#include "app/hub/internal/serving.h"
#include "app/hub/internal/token_renewal.h"
#include "app/process/conversion.h"
#include "app/process/serve.h"
#include "app/process/webhooks.h"
#include "core/async/scope.h"
#include "core/async/wait.h"
#include "core/base/strings.h"
#include "hub/placement/cluster_sets.h"
#include "hub/proxy/fleet_gauges.h"
#include "hub/proxy/paths.h"
#include "kube/apiserver/aggregated.h"
#include "kube/control/access_review.h"
#include "kube/control/definitions.h"
#include "kube/control/roles.h"
#include "kube/meta/object.h"
#include "kube/webhook/handler.h"

namespace aviary::hub {

namespace {

using json::Doc;
using json::Object;
using json::Value;

constexpr Duration kAgain = std::chrono::seconds(5);

// Ours are brought up to date; those of others stay theirs.
Task<Status> install_kinds(Context ctx, client::Client client, propagation::Mode mode) {
    std::vector<Value> ours;
    std::vector<Value> others;
    for (Value& definition : apis::crds()) {
        std::string_view const group = definition.at({"spec", "group"}).as_string();
        bool const own = group == "fleet.aviary.dev";
        bool const policy = !own && group != apis::kRollouts.group && group != apis::kManagedClusters.group;
        bool const sets = definition.at({"spec", "names", "kind"}).as_string().starts_with("ManagedClusterSet");
        if ((policy || sets) && mode == propagation::Mode::kAttached) continue;   // nothing would be done about one
        (own ? ours : others).push_back(std::move(definition));
    }
    CO_TRY(co_await control::install_definitions(ctx, client, std::move(ours)));
    co_return co_await control::install_definitions(ctx, client, std::move(others), control::Existing::kLeave);
}

// Whoever is known may ask: what is answered is decided by what one may read of the fleet.
std::vector<Value> hub_roles() {
    constexpr char kName[] = "aviary:fleet-reads";
    return {control::cluster_role(kName, {control::role_rule({std::string(proxy::kGroup)}, {"*"}, {"*"})}),
            control::cluster_role_binding(kName, kName, control::group_subject("system:authenticated"))};
}

// Where the API server asks: with a Service in front the Service's, else that of the address.
int port(process::Options const& options) {
    auto const where = webhook::endpoint(options.webhook_url);
    return where ? where->port : 443;
}

// A Service can stand for names and for addresses of IPv4 alone.
Status check_address(process::Options const& options) {
    auto const where = webhook::endpoint(options.webhook_url);
    if (!where || !where->host.contains(':')) return {};
    return fail(ErrorCode::kInvalid,
                fmt::format("--webhook-url {}: an API server asks for the hub's reads by a Service that stands for the "
                            "address, which cannot be one of IPv6: give it a name",
                            options.webhook_url));
}

Status check_mode(ProcessOptions const& options) {
    if (options.mode != "attach" || !options.require_set_binding) return {};
    return fail(ErrorCode::kInvalid,
                "--require-clusterset-binding limits where policies place, and --mode attach places nothing: leave one "
                "of the two out");
}

Value api_service(process::Options const& options, std::string const& authorities) {
    Value object{Object{{"apiVersion", "apiregistration.k8s.io/v1"}, {"kind", "APIService"}}};
    object.set({"metadata", "name"}, fmt::format("{}.{}", proxy::kVersion, proxy::kGroup));
    object["spec"] =
        Object{{"group", std::string(proxy::kGroup)},
               {"version", std::string(proxy::kVersion)},
               {"groupPriorityMinimum", 100},
               {"versionPriority", 10},
               {"caBundle", base64_encode(authorities)},
               {"service", Object{{"namespace", options.ns}, {"name", options.name}, {"port", port(options)}}}};
    return object;
}

// An APIService names a Service alone: for a hub at an address of its own that is one which stands for the address.
Task<Status> ensure_service(Context ctx, client::Client client, process::Options options, std::string host) {
    Value object{Object{{"apiVersion", "v1"}, {"kind", "Service"}}};
    object.set({"metadata", "name"}, options.name);
    object.set({"metadata", "namespace"}, options.ns);
    object["spec"] = Object{{"type", "ExternalName"}, {"externalName", std::move(host)}};
    client::WriteOptions force;
    force.force = true;
    auto const applied =
        co_await client.apply(ctx, meta::GroupVersionResource{"", "v1", "services"}, std::move(object), force);
    if (!applied) co_return std::unexpected(applied.error().context("service " + options.name));
    co_return Status{};
}

// Asks this hub itself whether it may, where an earlier one has registered its webhooks: again until it answers.
Task<void> make_default_sets(Context ctx, client::Client client) {
    while (ctx.check()) {
        Status const made = co_await placement::ensure_default_sets(ctx, client);
        if (made) co_return;
        ctx.log().warning("the sets of clusters that every fleet has are not made",
                          {{"error", made.error().message()}});
        (void)co_await async::sleep_for(ctx, kAgain);
    }
}

// What the leader alone makes: replicas may want it differently.
Task<void> beside_leading(Context term, client::Client client, process::Options options, std::string host,
                          placement::Allowed allowed, process::Webhooks& webhooks, TokenRenewal& renewal,
                          Agents& agents) {
    async::Scope scope(term);
    scope.spawn(agents.run(scope.context(), client));
    scope.spawn(renewal.run(scope.context(), client));
    scope.spawn(webhooks.lead(scope.context(), client));
    if (allowed == placement::Allowed::kBoundSets) scope.spawn(make_default_sets(scope.context(), client));
    if (!options.pod.empty()) scope.spawn(mark_leading_pod(scope.context(), client, {options.ns, options.pod}));
    while (!options.webhook_url.empty()) {
        Status const made = co_await ensure_service(term, client, options, host);
        if (made) break;
        term.log().warning("the hub's Service is not made", {{"error", made.error().message()}});
        if (!co_await async::sleep_for(term, kAgain)) break;
    }
    co_await scope.join();
}

// A cluster that is not of the fleet any more has no link to it, nor has one whose name stands for another by now.
void cut_who_leaves(Hub& hub, link::Links& links) {
    hub.members().managed_clusters().on_change([&links](client::Change const& change) {
        bool const stays =
            change.after.at({"spec", "hubAcceptsClient"}).as_bool() && apis::reached_by_link(change.after);
        std::string const before = meta::annotation(change.before, apis::kClusterUid);
        bool const same = before.empty() || before == meta::annotation(change.after, apis::kClusterUid);
        if (!stays || !same) links.cut(meta::name(change.object()));
    });
}

// Not before the credentials are read: clusters without them are tried again much later.
Task<void> lead(Context ctx, Connections const& connections, client::Lease& lease, LeasedHub parts) {
    while (!connections.synced()) {
        if (!co_await async::sleep_for(ctx, std::chrono::milliseconds(10))) co_return;
    }
    co_await run_with_lease(ctx, lease, std::move(parts));
}

// Those of the fleet are told by the hub that leads, alone.
Task<std::vector<observe::Gauges>> gauges(Context ctx, std::shared_ptr<Hub> hub) {
    if (!hub) co_return std::vector<observe::Gauges>();
    auto all = co_await proxy::fleet_gauges(std::move(ctx), {hub, &hub->propagator()});
    co_return all;
}

Task<Status> serve(Context ctx, async::AsioExecutor& executor, ProcessOptions options) {
    CO_TRY(check_address(options.cluster));
    CO_TRY(check_mode(options));
    Context const starting = ctx.with_timeout(process::kStartAtMost);
    CO_TRY_ASSIGN(process::Cluster const cluster, co_await process::connect(starting, executor, options.cluster));
    process::Options const& own = cluster.options;
    propagation::Mode const mode = options.mode == "attach" ? propagation::Mode::kAttached : propagation::Mode::kFull;
    placement::Allowed const allowed =
        options.require_set_binding ? placement::Allowed::kBoundSets : placement::Allowed::kEverywhere;
    CO_TRY(co_await install_kinds(starting, cluster.client, mode));
    CO_TRY(co_await control::install_roles(starting, cluster.client, hub_roles()));
    CO_TRY_ASSIGN(auto const front, co_await FrontProxy::read(starting, cluster.client));
    // The fleet's identity: that of the cluster whose API it is, unless it was recovered.
    CO_TRY_ASSIGN(std::string const id, co_await process::cluster_uid(starting, cluster.client));
    CO_TRY_ASSIGN(std::unique_ptr<client::Lease> const lease, process::lease(ctx, cluster));
    LeasedHub parts{.client = cluster.client,
                    .hub_id = id,
                    .identity = {own.ns, kIdentityName},
                    .connect = {},
                    .mode = mode,
                    .allowed = allowed,
                    .ns = own.ns,
                    .margin = process::kFenceMargin};
    if (!options.audit_log.empty()) {
        CO_TRY_ASSIGN(auto log, AuditLog::open(options.audit_log, ctx.metrics()));
        parts.audit = AuditLog::sink(std::move(log));
    }
    CO_TRY_ASSIGN(auto const agents,
                  co_await Agents::create(starting, executor, cluster.client,
                                          {own.ns, options.agent_address, own.bind_address, options.agent_port}));
    Connections connections(executor, cluster.client, own.ns, *agents);
    Serving serving(control::make_subject_access_reviewer(cluster.client), cluster.user);
    parts.connect = [&connections](Doc const& object) { return connections.connect(object); };
    std::weak_ptr<Hub> leading;
    parts.serving = [&serving, &leading, &agents](std::shared_ptr<Hub> hub) {
        leading = hub;
        if (hub) cut_who_leaves(*hub, agents->links());
        serving.lead(std::move(hub));
    };
    auto const wake = [&leading](std::string const& member) {
        if (auto const hub = leading.lock()) hub->members().wake(member);
    };
    connections.on_change(wake);
    agents->links().on_change(wake);

    auto const missing = [&serving, &connections, &own, &lease]() -> std::string {
        if (!connections.synced()) return "the clusters' credentials are being listed";
        if (serving.leads()) return "";
        if (lease->held()) return "the fleet is being read";
        if (std::string problem = lease->problem(); !problem.empty()) return "nobody can lead: " + problem;
        // Pods are asked by a Service that leads to the one that leads.
        return own.pod.empty() ? "another hub leads" : "";
    };
    apiserver::AggregatedApi api{std::string(proxy::kGroup),
                                 std::string(proxy::kVersion),
                                 {"resources", "rollouts", "clusters"},
                                 [&front] { return front->proxy(); },
                                 [&serving] { return serving.route(); },
                                 missing};
    process::WebhookParts asked{.handler = apiserver::make_aggregated_handler(
                                    std::move(api), webhook::make_handler(serving.admissions(), process::converter())),
                                .client_authority = front->authority(),
                                .registered = {}};
    asked.registered = [&cluster, &own, mode, allowed](std::string const& authorities) {
        std::vector<Value> wanted =
            webhook::configurations(own.name, webhook_rules(cluster.user, mode, allowed), cluster.address, authorities);
        wanted.push_back(api_service(own, authorities));
        std::ranges::move(process::converted_definitions(cluster.address, authorities), std::back_inserter(wanted));
        return wanted;
    };
    CO_TRY_ASSIGN(auto const webhooks, process::Webhooks::create(ctx, executor, cluster, std::move(asked)));
    std::vector<std::string> const hosts = webhook::hosts(cluster.address);
    TokenRenewal renewal(connections.secrets(), parts.connect, own.ns);
    parts.beside = [&own, &hosts, allowed, &webhooks, &renewal, &agents](Context term, client::Client client) {
        return beside_leading(term, std::move(client), own, hosts.front(), allowed, *webhooks, renewal, *agents);
    };

    process::Work work;
    work.missing = missing;
    work.always.emplace_back([&connections](Context each) { return connections.run(each); });
    work.always.emplace_back([&serving](Context each) { return serving.run(each); });
    work.always.emplace_back([&front, &webhooks](Context each) {
        return front->run(std::move(each), [&webhooks](std::string const& authority) {
            return webhooks->replace_client_authority(authority);
        });
    });
    work.lead = [&](Context term) { return lead(term, connections, *lease, parts); };
    work.gauges = [&leading](Context each) { return gauges(std::move(each), leading.lock()); };
    co_return co_await process::serve(ctx, executor, cluster, *webhooks, std::move(work));
}

}   // namespace

int run(ProcessOptions options) { return process::run(serve, std::move(options)); }

}   // namespace aviary::hub
