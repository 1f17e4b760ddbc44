#include <fmt/format.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "apis/cluster/managed_cluster.h"
#include "apis/fleet/link.h"
#include "app/command_line/output.h"
#include "app/hub/internal/agents.h"
#include "app/hub/internal/connections.h"
#include "app/hub/internal/joined.h"
#include "app/hub/join.h"
#include "app/process/process.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/yaml/yaml.h"
#include "hub/link/enrolment.h"
#include "hub/proxy/member_roles.h"
#include "kube/client/http_transport.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/retrying.h"
#include "kube/control/roles.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"
#include "member/agent/credentials.h"

namespace aviary::hub {

namespace {

using json::Array;
using json::Doc;
using json::Object;
using json::Value;

meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
constexpr char kAgent[] = "aviary-agent";
constexpr char kIdentity[] = "aviary:agent-identity";
constexpr char kManager[] = "aviary-join";
constexpr Duration kAtMost = std::chrono::minutes(1);

// The manifest goes to stdout, what is said of it does not.
void say(std::string const& text) { fmt::print(stderr, "{}\n", text); }

// Its own two Secrets, and which cluster it is of, are all that it may read and write beside what the hub may.
std::vector<Value> agent_roles(std::string const& ns) {
    Value secrets = control::role_rule({""}, {"secrets"}, {"get", "list", "watch", "update"});
    secrets["resourceNames"] = Array{agent::kOwnSecret, agent::kGivenSecret};
    Value identity = control::role_rule({""}, {"namespaces"}, {"get"});
    identity["resourceNames"] = Array{"kube-system"};
    Value const subject = control::account_subject(ns, kAgent);
    return {control::role(ns, kAgent, {std::move(secrets), control::role_rule({""}, {"secrets"}, {"create"})}),
            control::role_binding(ns, kAgent, kAgent, subject), control::cluster_role(kIdentity, {std::move(identity)}),
            control::cluster_role_binding(kIdentity, kIdentity, subject)};
}

Value deployment(AgentJoinOptions const& options) {
    Value object = named_in(options.ns, "apps/v1", "Deployment", kAgent);
    Object const labels{{"app.kubernetes.io/name", kAgent}};
    Value container{Object{{"name", "agent"}, {"image", options.image}, {"args", Array{"agent"}}}};
    container["ports"] = Array{Object{{"name", "health"}, {"containerPort", 8082}}};
    auto const probe = [](char const* path) {
        return Object{{"httpGet", Object{{"path", path}, {"port", "health"}}}, {"periodSeconds", 5}};
    };
    container["livenessProbe"] = probe("/healthz");
    container["readinessProbe"] = probe("/readyz");
    container["resources"] =
        Object{{"requests", Object{{"cpu", "20m"}, {"memory", "32Mi"}}}, {"limits", Object{{"memory", "256Mi"}}}};
    container["securityContext"] = Object{{"allowPrivilegeEscalation", false},
                                          {"readOnlyRootFilesystem", true},
                                          {"runAsNonRoot", true},
                                          {"capabilities", Object{{"drop", Array{"ALL"}}}}};
    Value pod{Object{{"serviceAccountName", kAgent}, {"containers", Array{std::move(container)}}}};
    object["spec"] = Object{{"replicas", 1}, {"selector", Object{{"matchLabels", labels}}}};
    object.set({"spec", "template", "metadata", "labels"}, labels);
    object.set({"spec", "template", "spec"}, std::move(pod));
    return object;
}

// What the cluster's administrator applies there.
std::vector<Value> objects_of(AgentJoinOptions const& options, std::string hub, Value given) {
    std::vector<Value> objects{named("v1", "Namespace", options.ns),
                               named_in(options.ns, "v1", "ServiceAccount", kAgent)};
    auto const add = [&objects](std::vector<Value> more) {
        for (Value& each : more) objects.push_back(std::move(each));
    };
    add(agent_roles(options.ns));
    add(hub_identity(kAgent, options.ns, rights_of(options.admin, options.approves_only), std::move(hub)));
    add(proxy::member_roles(options.admin));
    objects.push_back(std::move(given));
    objects.push_back(deployment(options));
    return objects;
}

std::string manifest(std::vector<Value> const& objects) {
    std::string text;
    for (Value const& each : objects) text += "---\n" + yaml::write(each);
    return text;
}

// Deletes all of it but the namespace, and what the agent has made.
std::string deletion_of(AgentJoinOptions options) {
    options.admin = true;   // which has most
    std::string own;
    std::string common;
    for (Value const& each : objects_of(options, "", named_in(options.ns, "v1", "Secret", agent::kGivenSecret))) {
        std::string const kind = to_lower(each["kind"].string());
        if (kind == "namespace") continue;
        std::string& line = each["metadata"].contains("namespace") ? own : common;
        line += fmt::format(" {}/{}", kind, each.at({"metadata", "name"}).as_string());
    }
    return fmt::format("kubectl delete --ignore-not-found -n {}{} secret/{}\nkubectl delete --ignore-not-found{}\n",
                       options.ns, own, agent::kOwnSecret, common);
}

struct Place {
    std::string address, authority;
};

Task<Result<Place>> place_of(Context ctx, client::Client hub, std::string ns) {
    auto const map = co_await hub.get(ctx, kConfigMaps, {ns, kAgentsMap});
    if (!map && map.error().is(ErrorCode::kNotFound)) {
        co_return fail(ErrorCode::kNotFound,
                       "the hub takes no agents: it is to run with --agent-address HOST:PORT, where members reach it");
    }
    if (!map) co_return std::unexpected(map.error().context("hub"));
    co_return Place{(*map)["data"]["address"].string(), (*map)["data"]["ca.crt"].string()};
}

// One that the hub reaches by itself is not cut off by mistake.
Task<Status> register_agent(Context ctx, client::Client hub, AgentJoinOptions options) {
    auto const there = co_await hub.get(ctx, apis::kManagedClusters, {"", options.name});
    if (!there && !there.error().is(ErrorCode::kNotFound)) co_return std::unexpected(there.error().context("hub"));
    if (there && !apis::reached_by_link(*there) && !options.replace) {
        co_return fail(
            ErrorCode::kConflict,
            fmt::format("the hub reaches {} by itself: --replace takes the name over for an agent", options.name));
    }
    Value cluster = named("cluster.open-cluster-management.io/v1", "ManagedCluster", options.name);
    cluster.set({"metadata", "annotations", apis::kLinkAnnotation}, apis::kLinkAgent);
    cluster.set({"spec", "hubAcceptsClient"}, true);
    if (there && options.replace) {
        cluster.set({"metadata", "annotations", apis::kClusterUid}, Value());
        cluster.set({"spec", "managedClusterClientConfigs"}, Value());
        CO_TRY(co_await forget(ctx, hub, kSecrets, {options.ns, credentials_name(options.name)}));
    }
    co_return co_await ensure(ctx, hub, apis::kManagedClusters, std::move(cluster));
}

Task<Status> keep_token(Context ctx, client::Client hub, AgentJoinOptions const& options, std::string const& token) {
    Value secret = named_in(options.ns, "v1", "Secret", link::token_name(options.name));
    secret.set({"metadata", "annotations", link::kTokenEnds}, format_rfc3339(ctx.now() + options.token_lasts));
    secret.set({"metadata", "annotations", link::kApprove}, options.manual ? Value(link::kManual) : Value());
    secret.set({"data", "token"}, base64_encode(token));
    co_return co_await ensure(ctx, hub, kSecrets, std::move(secret));
}

Task<Result<client::Client>> connect(async::AsioExecutor& executor, AgentJoinOptions const& options) {
    if (auto const problem = meta::dns1123_label_problem(options.name))
        co_return fail(ErrorCode::kInvalid, fmt::format("\"{}\": {}", options.name, *problem));
    CO_TRY_ASSIGN(client::ServerAccess const access,
                  client::load_kubeconfig(options.hub_kubeconfig, options.hub_context));
    CO_TRY_ASSIGN(auto transport, client::http_transport(executor, access));
    co_return client::Client(client::retrying(std::move(transport)), kManager);
}

Task<Status> joining(Context ctx, async::AsioExecutor& executor, AgentJoinOptions options) {
    CO_TRY_ASSIGN(client::Client const hub, co_await connect(executor, options));
    auto uid = co_await process::cluster_uid(ctx.with_timeout(kAtMost), hub);
    if (!uid) co_return std::unexpected(uid.error().context("hub"));
    CO_TRY_ASSIGN(ExpectedAgent expected, co_await expect_agent(ctx.with_timeout(kAtMost), hub, options));
    say(fmt::format("hub: managedcluster/{} and secret {}/{} made", options.name, options.ns,
                    link::token_name(options.name)));
    say(fmt::format("apply this manifest in {} until {}: its agent dials {}", options.name,
                    format_rfc3339(ctx.now() + options.token_lasts), expected.address));
    if (options.manual)
        say(fmt::format("then `kubectl get csr` on the hub, and `kubectl certificate approve` lets {} in",
                        options.name));
    command_line::print(manifest(objects_of(options, *std::move(uid), std::move(expected.given))));
    co_return Status{};
}

Task<Status> leaving(Context ctx, async::AsioExecutor& executor, AgentJoinOptions options) {
    CO_TRY_ASSIGN(client::Client const hub, co_await connect(executor, options));
    Context const limited = ctx.with_timeout(kAtMost);
    auto const there = co_await hub.get(limited, apis::kManagedClusters, {"", options.name});
    if (there && !apis::reached_by_link(*there)) {
        co_return fail(ErrorCode::kConflict,
                       fmt::format("the hub reaches {0} by itself: `aviary unjoin {0}` without --agent", options.name));
    }
    CO_TRY(co_await forget(limited, hub, apis::kManagedClusters, {"", options.name}));
    CO_TRY(co_await forget(limited, hub, kSecrets, {options.ns, link::token_name(options.name)}));
    say(fmt::format("hub: managedcluster/{} is gone, and its agent is not let in any more", options.name));
    say(fmt::format(
        "in {}, these commands take away what joining made; what the hub brought there stays. Where another "
        "hub has joined it since, run the first one alone: the roles of the second are that hub's by now",
        options.name));
    command_line::print(deletion_of(options));
    co_return Status{};
}

}   // namespace

Task<Result<ExpectedAgent>> expect_agent(Context ctx, client::Client hub, AgentJoinOptions options) {
    CO_TRY_ASSIGN(Place const place, co_await place_of(ctx, hub, options.ns));
    CO_TRY(co_await register_agent(ctx, hub, options));
    std::string const token = crypto::sha256_hex(crypto::random_bytes(32));
    CO_TRY(co_await keep_token(ctx, hub, options, token));
    co_return ExpectedAgent{place.address,
                            agent::write_given(place.address, place.authority, options.name, token, options.ns)};
}

int join_agent(AgentJoinOptions options) { return process::run(joining, std::move(options)); }
int unjoin_agent(AgentJoinOptions options) { return process::run(leaving, std::move(options)); }

}   // namespace aviary::hub
