#include "app/process/process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "app/process/presence.h"
#include "core/observe/log.h"
#include "core/observe/metrics.h"
#include "kube/client/http_transport.h"
#include "kube/meta/object.h"

namespace aviary::process {

namespace {

using json::Doc;
using json::Object;
using json::Value;

meta::GroupVersionResource const kServices{"", "v1", "services"};
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};

// Other people's writes must not look like ours, nor ours be allowed everything.
void warn_of_masters(Context const& ctx, Doc const& who) {
    for (auto const& [index, group] : who["groups"].elements()) {
        if (group.as_string() != "system:masters") continue;
        ctx.log().warning(
            "this identity is of system:masters: people who use it too are taken for the controller, and "
            "it may do everything; give the controller one of its own",
            {{"user", who["username"].string()}});
    }
}

// Why the cluster does not serve that.
Task<Error> too_old(Context ctx, client::Client const& client) {
    auto const version = co_await client.server_version(ctx);
    std::string const has =
        version ? "it is Kubernetes " + *version : "its version cannot be read: " + version.error().message();
    co_return Error(ErrorCode::kUnsupported,
                    fmt::format("the cluster does not say who we are (SelfSubjectReview): {}, and Kubernetes {} or "
                                "newer is needed",
                                has, kOldestKubernetes));
}

// An API server that finds nothing there refuses what the webhooks guard.
Task<Status> check_address(Context ctx, client::Client client, Options options) {
    if (!options.webhook_url.empty()) {
        auto const where = webhook::endpoint(options.webhook_url);
        if (!where) co_return std::unexpected(where.error().context("--webhook-url"));
        co_return Status{};
    }
    auto const service = co_await client.find(ctx, kServices, {options.ns, options.name});
    if (!service) co_return std::unexpected(service.error().context("reading the webhooks' Service"));
    if (service->exists()) co_return Status{};
    co_return fail(ErrorCode::kInvalid,
                   fmt::format("without --webhook-url the API server asks the Service {}/{}, which is not there",
                               options.ns, options.name));
}

std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

Task<int> run_or_say(Context ctx, async::AsioExecutor& executor,
                     std::function<Task<Status>(Context, async::AsioExecutor&)> body) {
    Status const ended = co_await body(ctx, executor);
    if (ended) co_return 0;
    fmt::print(stderr, "error: {}\n", ended.error().message());
    co_return 1;
}

}   // namespace

Task<Result<std::string>> own_name(Context ctx, client::Client client) {
    auto const who = co_await client.who_am_i(ctx);
    if (!who && who.error().is(ErrorCode::kNotFound)) co_return std::unexpected(co_await too_old(ctx, client));
    if (!who) co_return std::unexpected(who.error().context("asking the cluster who we are"));
    warn_of_masters(ctx, *who);
    co_return (*who)["username"].string();
}

Task<Result<std::string>> cluster_uid(Context ctx, client::Client client) {
    auto const system = co_await client.get(ctx, kNamespaces, {"", "kube-system"});
    if (!system) co_return std::unexpected(system.error().context("reading namespace kube-system"));
    co_return meta::uid(*system);
}

Task<Status> ensure_namespace(Context ctx, client::Client client, std::string name, Object annotations) {
    auto const there = co_await client.find(ctx, kNamespaces, {"", name});
    if (!there) co_return std::unexpected(there.error().context("reading namespace " + name));
    if (there->exists()) co_return Status{};
    Value object{Object{{"apiVersion", "v1"}, {"kind", "Namespace"}}};
    object.set({"metadata", "name"}, name);
    if (annotations.size() > 0) object.set({"metadata", "annotations"}, std::move(annotations));
    auto const created = co_await client.create(ctx, kNamespaces, std::move(object));
    if (created || created.error().is(ErrorCode::kAlreadyExists)) co_return Status{};
    co_return std::unexpected(created.error().context("creating namespace " + name));
}

Result<client::ServerAccess> find_access(Options& options) {
    client::ServerAccess access =
        TRY(client::load_access(options.kubeconfig, options.context, options.service_account_folder));
    if (options.ns.empty()) options.ns = access.of_pod && !access.ns.empty() ? access.ns : kNamespace;
    return access;
}

Task<Result<Cluster>> connect(Context ctx, async::AsioExecutor& executor, Options options) {
    CO_TRY_ASSIGN(client::ServerAccess const access, find_access(options));
    CO_TRY_ASSIGN(auto transport, client::http_transport(executor, access));
    client::Client const client(std::move(transport), options.name);
    CO_TRY_ASSIGN(auto apart, client::http_transport(executor, access));
    client::Client const of_lease(std::move(apart), options.name);
    CO_TRY_ASSIGN(std::string user, co_await own_name(ctx, client));
    CO_TRY(co_await ensure_namespace(ctx, client, options.ns));
    CO_TRY(co_await check_address(ctx, client, options));
    CO_TRY_ASSIGN(webhook::Authority authority,
                  co_await webhook::ensure_authority(ctx, client, authority_secret(options)));
    webhook::Address address{options.webhook_url, options.ns, options.name};
    co_return Cluster{std::move(options), client, of_lease, access.url, std::move(user), std::move(authority),
                      std::move(address)};
}

meta::ObjectKey authority_secret(Options const& options) { return {options.ns, options.name + "-webhooks"}; }

Result<std::unique_ptr<client::Lease>> lease(Context const& ctx, Cluster const& cluster) {
    Options const& options = cluster.options;
    client::LeaseOptions election;
    election.ns = options.ns;
    election.name = options.name;
    election.identity = options.identity.empty() ? host_name() : options.identity;
    if (auto presence = Presence::create(election.identity, ctx.random())) {
        election.identity = presence->identity();
        election.has_ended = [presence = *presence](std::string_view holder) { return presence.has_ended(holder); };
    } else {
        ctx.log().info("a lease of a process that was killed here is waited for",
                       {{"because", presence.error().message()}});
    }
    // A replica elsewhere that was killed is followed within five seconds.
    election.duration = std::chrono::seconds(4);
    election.renew_deadline = std::chrono::seconds(3);
    election.retry_period = std::chrono::seconds(1);
    return client::Lease::create(cluster.of_lease, election);
}

int run(std::function<Task<Status>(Context, async::AsioExecutor&)> body) {
    observe::set_level(observe::Level::kInfo);
    std::signal(SIGPIPE, SIG_IGN);
    observe::Registry registry;
    async::AsioExecutor executor;
    Context const ctx = Context(executor).with_metrics(observe::Metrics(registry));
    return executor.run(run_or_say(ctx, executor, std::move(body)));
}

}   // namespace aviary::process
