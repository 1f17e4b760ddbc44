#include "app/hub/join.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "apis/cluster/managed_cluster.h"
#include "apis/rollouts/rollout.h"
#include "app/hub/hub.h"
#include "app/hub/internal/connections.h"
#include "app/process/process.h"
#include "core/base/strings.h"
#include "hub/proxy/member_roles.h"
#include "kube/client/http_transport.h"
#include "kube/client/kubeconfig.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

using json::Array;
using json::Doc;
using json::Object;
using json::Value;
using Resource = meta::GroupVersionResource;

Resource const kServiceAccounts{"", "v1", "serviceaccounts"};
Resource const kSecrets{"", "v1", "secrets"};
Resource const kRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};
Resource const kBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};
constexpr char kAccount[] = "aviary-hub";
constexpr char kRole[] = "aviary:hub";
constexpr char kGranted[] = "aviary:hub-default";
constexpr char kAggregate[] = "fleet.aviary.dev/aggregate-to-hub";
constexpr std::int64_t kTokenSeconds = 365 * 24 * 3600;
constexpr Duration kAtMost = std::chrono::minutes(1);

void say(std::string const& text) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
}

struct Ends {
    client::ServerAccess member_access;
    client::Client member, hub;
};

Result<Ends> connect(async::AsioExecutor& executor, JoinOptions const& options) {
    if (auto const problem = meta::dns1123_label_problem(options.name))
        return fail(ErrorCode::kInvalid, fmt::format("\"{}\": {}", options.name, *problem));
    client::ServerAccess member = TRY(client::load_kubeconfig(options.kubeconfig, options.context));
    client::ServerAccess const hub = TRY(client::load_kubeconfig(options.hub_kubeconfig, options.hub_context));
    if (member.url == hub.url && options.kubeconfig == options.hub_kubeconfig) {
        return fail(
            ErrorCode::kInvalid,
            fmt::format("{} is the hub itself: --kubeconfig names the member, --hub-kubeconfig the hub", hub.url));
    }
    auto to_member = TRY(client::http_transport(executor, member));
    auto to_hub = TRY(client::http_transport(executor, hub));
    return Ends{std::move(member), client::Client(std::move(to_member), "aviary-join"),
                client::Client(std::move(to_hub), "aviary-join")};
}

Value rule(Array groups, Array resources, Array verbs) {
    return Object{{"apiGroups", std::move(groups)}, {"resources", std::move(resources)}, {"verbs", std::move(verbs)}};
}

Value named(char const* api_version, char const* kind, std::string name) {
    Value object{Object{{"apiVersion", api_version}, {"kind", kind}}};
    object.set({"metadata", "name"}, std::move(name));
    return object;
}

// What the hub may do in a member: bring what people propagate by default, see what becomes of it, and ask as one of
// the three users of people's requests. A cluster's owner grants more with roles of the label kAggregate.
std::vector<Value> roles(std::string const& ns) {
    constexpr char kVersion[] = "rbac.authorization.k8s.io/v1";
    Array const all{"get", "list", "watch", "create", "update", "patch", "delete"};
    Array const read{"get", "list", "watch"};
    Array const impersonate{"impersonate"};
    Value role = named(kVersion, "ClusterRole", kRole);
    role.set({"aggregationRule", "clusterRoleSelectors"}, Array{Object{{"matchLabels", Object{{kAggregate, "true"}}}}});
    role["rules"] = Array();
    Value granted = named(kVersion, "ClusterRole", kGranted);
    granted.set({"metadata", "labels", kAggregate}, "true");
    Value people = rule({""}, {"users", "groups"}, impersonate);
    people["resourceNames"] = Array{"aviary:view", "aviary:release", "aviary:admin"};
    granted["rules"] =
        Array{rule({""}, {"namespaces", "services", "configmaps", "serviceaccounts", "persistentvolumeclaims"}, all),
              rule({"apps"}, {"deployments", "statefulsets", "daemonsets"}, all),
              rule({"autoscaling"}, {"horizontalpodautoscalers"}, all),
              rule({"rollouts.kruise.io"}, {"rollouts", "rollouts/status"}, all),
              rule({""}, {"pods", "nodes", "events"}, read),
              rule({"apps"}, {"replicasets"}, read),
              rule({"rollouts.kruise.io"}, {"batchreleases"}, read),
              std::move(people),
              rule({"authentication.k8s.io"}, {"userextras/person"}, impersonate)};
    Value binding = named(kVersion, "ClusterRoleBinding", kRole);
    binding["roleRef"] = Object{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", kRole}};
    binding["subjects"] = Array{Object{{"kind", "ServiceAccount"}, {"name", kAccount}, {"namespace", ns}}};
    return {std::move(role), std::move(granted), std::move(binding)};
}

// Creates the object, or brings what is there in line with it.
Task<Status> ensure(Context ctx, client::Client client, Resource resource, Value object) {
    meta::ObjectKey const key{object.at({"metadata", "namespace"}).string(), object.at({"metadata", "name"}).string()};
    auto done = co_await client.create(ctx, resource, object);
    if (!done && done.error().is(ErrorCode::kAlreadyExists))
        done = co_await client.patch(ctx, resource, key, client::PatchType::kMerge, std::move(object));
    if (done) co_return Status{};
    co_return std::unexpected(done.error().context(fmt::format("{} {}", resource.resource, key.to_string())));
}

Task<Status> forget(Context ctx, client::Client client, Resource resource, meta::ObjectKey key) {
    Status const gone = co_await client.remove(ctx, resource, key);
    if (gone || gone.error().is(ErrorCode::kNotFound)) co_return Status{};
    co_return std::unexpected(gone.error().context(fmt::format("deleting {} {}", resource.resource, key.to_string())));
}

// A token of the hub's account in the member.
Task<Result<std::string>> token(Context ctx, client::Client member, std::string ns) {
    Value request{Object{{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}}};
    request.set({"metadata", "name"}, kAccount);
    request.set({"metadata", "namespace"}, ns);
    request.set({"spec", "expirationSeconds"}, kTokenSeconds);
    client::WriteOptions options;
    options.subresource = "token";
    auto const made = co_await member.create(ctx, kServiceAccounts, std::move(request), options);
    if (!made) co_return std::unexpected(made.error().context("asking for a token"));
    co_return made->at({"status", "token"}).string();
}

Task<Status> make_identity(Context ctx, Ends const& ends, std::string ns) {
    CO_TRY(co_await process::ensure_namespace(ctx, ends.member, ns));
    Value account = named("v1", "ServiceAccount", kAccount);
    account.set({"metadata", "namespace"}, ns);
    CO_TRY(co_await ensure(ctx, ends.member, kServiceAccounts, std::move(account)));
    for (Value& each : roles(ns)) {
        // The cluster fills in what the role aggregates.
        if (each.contains("aggregationRule")) each.erase("rules");
        Resource const resource = each["kind"].as_string() == "ClusterRole" ? kRoles : kBindings;
        CO_TRY(co_await ensure(ctx, ends.member, resource, std::move(each)));
    }
    co_return co_await install_roles(ctx, ends.member, proxy::member_roles());
}

Task<Status> register_member(Context ctx, Ends const& ends, JoinOptions const& options, std::string token) {
    CO_TRY(co_await process::ensure_namespace(ctx, ends.hub, options.ns));
    Value secret = named("v1", "Secret", credentials_name(options.name));
    secret.set({"metadata", "namespace"}, options.ns);
    secret.set({"metadata", "labels", kClusterLabel}, options.name);
    secret.set({"data", "token"}, base64_encode(token));
    CO_TRY(co_await ensure(ctx, ends.hub, kSecrets, std::move(secret)));
    Value cluster = named("cluster.open-cluster-management.io/v1", "ManagedCluster", options.name);
    apis::ManagedClusterSpec spec;
    spec.hub_accepts_client = true;
    spec.managed_cluster_client_configs.push_back({options.server.empty() ? ends.member_access.url : options.server,
                                                   base64_encode(ends.member_access.authority)});
    cluster["spec"] = apis::write_managed_cluster_spec(spec);
    auto const done = co_await ensure(ctx, ends.hub, apis::kManagedClusters, std::move(cluster));
    if (!done && done.error().is(ErrorCode::kNotFound)) {
        co_return fail(ErrorCode::kNotFound,
                       fmt::format("{}: is this a hub? `aviary hub` makes its kinds", done.error().message()));
    }
    co_return done;
}

Task<Status> joining(Context ctx, async::AsioExecutor& executor, JoinOptions options) {
    CO_TRY_ASSIGN(Ends const ends, connect(executor, options));
    Context const limited = ctx.with_timeout(kAtMost);
    CO_TRY(co_await make_identity(limited, ends, options.ns));
    say(fmt::format("{}: identity {}/{} and roles made", options.name, options.ns, kAccount));
    CO_TRY_ASSIGN(std::string secret, co_await token(limited, ends.member, options.ns));
    CO_TRY(co_await register_member(limited, ends, options, std::move(secret)));
    say(fmt::format("hub: managedcluster/{} and secret {}/{} made", options.name, options.ns,
                    credentials_name(options.name)));
    auto const rollouts = co_await ends.member.list(limited, apis::kRollouts, {.limit = 1});
    if (!rollouts && rollouts.error().is(ErrorCode::kNotFound)) {
        say(fmt::format(
            "warning: {} serves no Rollouts: until `aviary member` (or Kruise Rollouts) runs there, new versions "
            "of workloads that have one are held back",
            options.name));
    }
    say(fmt::format("{} has joined", options.name));
    co_return Status{};
}

Task<Status> leaving(Context ctx, async::AsioExecutor& executor, JoinOptions options) {
    CO_TRY_ASSIGN(Ends const ends, connect(executor, options));
    Context const limited = ctx.with_timeout(kAtMost);
    CO_TRY(co_await forget(limited, ends.hub, apis::kManagedClusters, {"", options.name}));
    CO_TRY(co_await forget(limited, ends.hub, kSecrets, {options.ns, credentials_name(options.name)}));
    say(fmt::format("hub: managedcluster/{} and its credentials are gone", options.name));
    for (Value const& each : proxy::member_roles()) {
        Resource const resource = each["kind"].as_string() == "ClusterRole" ? kRoles : kBindings;
        CO_TRY(co_await forget(limited, ends.member, resource, {"", each.at({"metadata", "name"}).string()}));
    }
    CO_TRY(co_await forget(limited, ends.member, kBindings, {"", kRole}));
    for (char const* role : {kRole, kGranted}) CO_TRY(co_await forget(limited, ends.member, kRoles, {"", role}));
    CO_TRY(co_await forget(limited, ends.member, kServiceAccounts, {options.ns, kAccount}));
    say(fmt::format("{}: the hub's identity and roles are gone; what it brought here stays", options.name));
    co_return Status{};
}

}   // namespace

int join(JoinOptions options) {
    return process::run([options = std::move(options)](Context ctx, async::AsioExecutor& executor) {
        return joining(ctx, executor, options);
    });
}

int unjoin(JoinOptions options) {
    return process::run([options = std::move(options)](Context ctx, async::AsioExecutor& executor) {
        return leaving(ctx, executor, options);
    });
}

}   // namespace aviary::hub
