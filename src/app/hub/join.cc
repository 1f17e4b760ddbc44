#include "app/hub/join.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "apis/cluster/managed_cluster.h"
#include "apis/fleet/link.h"
#include "apis/rollouts/rollout.h"
#include "app/command_line/output.h"
#include "app/hub/hub.h"
#include "app/hub/internal/connections.h"
#include "app/hub/internal/identity_owner.h"
#include "app/hub/internal/joined.h"
#include "app/hub/internal/own_namespace.h"
#include "app/hub/internal/token_renewal.h"
#include "app/process/process.h"
#include "core/base/strings.h"
#include "core/base/version.h"
#include "hub/clusters/controller.h"
#include "hub/proxy/member_roles.h"
#include "kube/client/http_transport.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/retrying.h"
#include "kube/control/roles.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

using command_line::print_line;
using json::Array;
using json::Doc;
using json::Object;
using json::Value;
using Resource = meta::GroupVersionResource;

Resource const kSecrets{"", "v1", "secrets"};
Resource const kServiceAccounts{"", "v1", "serviceaccounts"};
Resource const kRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};
Resource const kLocalRoles{"rbac.authorization.k8s.io", "v1", "roles"};
Resource const kLocalBindings{"rbac.authorization.k8s.io", "v1", "rolebindings"};
Resource const kBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};
constexpr char kOwnToken[] = "aviary:hub-token";
constexpr Duration kAtMost = std::chrono::minutes(1);

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
    return Ends{std::move(member), client::Client(client::retrying(std::move(to_member)), "aviary-join"),
                client::Client(client::retrying(std::move(to_hub)), "aviary-join")};
}

// A token is for nobody but the cluster: neither by plain text nor to a server that nobody checks.
Status check_way(std::string const& url, client::ServerAccess const& access) {
    if (!url.starts_with("https://"))
        return fail(ErrorCode::kInvalid, fmt::format("{}: the hub sends its token to members by https alone", url));
    if (!access.insecure || !access.authority.empty()) return {};
    return fail(ErrorCode::kInvalid,
                fmt::format("context \"{}\" has insecure-skip-tls-verify: the hub would send its token to whoever "
                            "answers; give it certificate-authority",
                            access.context));
}

// Whether releases there are run by something that this program knows to work with. Before anything is made.
Task<Status> check_controller(Context ctx, Ends const& ends, JoinOptions const& options) {
    CO_TRY_ASSIGN(auto const found, co_await clusters::find_controller(ctx, ends.member, options.ns));
    clusters::Verdict const verdict = clusters::judge(found, *parse_version(program_version()));
    if (found.controller.name.empty()) co_return Status{};
    // Which version the hub has is not known here.
    bool const known = found.controller.name == apis::controller::kKruise;
    if (verdict.status == "False" && known)
        co_return fail(ErrorCode::kUnsupported, fmt::format("{}: {}", options.name, verdict.message));
    bool const supported = verdict.status == "True";
    print_line(fmt::format("{}{}: {}", supported ? "" : "warning: ", options.name, verdict.message));
    co_return Status{};
}

struct Identities {
    std::string member, hub;
    std::string registered;   // that of the member of this name by now; empty: none, or not known
    bool by_link = false;     // and its agent dials
};

// That the two clusters are two, and which cluster the name stands for.
Task<Result<Identities>> identities(Context ctx, Ends const& ends, std::string name) {
    Identities found;
    auto const member = co_await process::cluster_uid(ctx, ends.member);
    if (!member) co_return std::unexpected(member.error().context(name));
    auto const hub = co_await process::cluster_uid(ctx, ends.hub);
    if (!hub) co_return std::unexpected(hub.error().context("hub"));
    found.member = *member;
    found.hub = *hub;
    if (found.member == *hub)
        co_return fail(ErrorCode::kInvalid,
                       "this is the hub itself: --kubeconfig names the member, --hub-kubeconfig the hub");
    auto const there = co_await ends.hub.find(ctx, apis::kManagedClusters, {"", name});
    if (!there) co_return std::unexpected(there.error().context("hub"));
    found.registered = meta::annotation(*there, apis::kClusterUid);
    found.by_link = apis::reached_by_link(*there);
    co_return found;
}

// A name that is mistyped stands for none, and the cluster that --kubeconfig names would lose the hub's identity.
Task<Status> check_no_other(Context ctx, Ends const& ends, Identities const& found, std::string name) {
    auto const all = co_await ends.hub.list(ctx, apis::kManagedClusters, {});
    if (!all) co_return std::unexpected(all.error().context("hub"));
    for (auto const& [index, each] : (*all)["items"].elements()) {
        if (meta::name(each) == name || meta::annotation(each, apis::kClusterUid) != found.member) continue;
        co_return fail(
            ErrorCode::kConflict,
            fmt::format("--kubeconfig names {0}, not {1}: `aviary unjoin {0}` takes that one out of the fleet",
                        meta::name(each), name));
    }
    co_return Status{};
}

Status check_same(Identities const& found, JoinOptions const& options, char const* otherwise) {
    if (options.replace || found.registered.empty() || found.registered == found.member) return {};
    return fail(ErrorCode::kConflict,
                fmt::format("{} is another cluster in this fleet (kube-system has uid {} there, and {} here): {}",
                            options.name, found.registered, found.member, otherwise));
}

// The hub's own token, before that ends, and nobody else's.
std::vector<Value> token_roles(std::string const& ns) {
    Value renewing = control::role_rule({""}, {"serviceaccounts/token"}, {"create"});
    renewing["resourceNames"] = Array{kMemberAccount};
    return {control::role(ns, kOwnToken, {std::move(renewing)}),
            control::role_binding(ns, kOwnToken, kOwnToken, control::account_subject(ns, kMemberAccount))};
}

// One identity is one hub's. Answers which other one it is taken from; empty: none.
Task<Result<std::string>> check_owner(Context ctx, Ends const& ends, JoinOptions const& options, std::string own) {
    CO_TRY_ASSIGN(std::string other, co_await other_owner(ctx, ends.member, options.ns, std::move(own)));
    if (other.empty() || options.replace) co_return other;
    co_return fail(ErrorCode::kConflict,
                   fmt::format("{} is of another hub's fleet (the namespace kube-system of that hub has uid {}): "
                               "`aviary unjoin` there first, or --replace takes it over, and that hub's credentials "
                               "are worth nothing any more",
                               options.name, other));
}

Task<Status> make_identity(Context ctx, Ends const& ends, JoinOptions const& options, std::string hub) {
    CO_TRY(co_await make_namespace(ctx, ends.member, options.ns));
    Value account = named_in(options.ns, "v1", "ServiceAccount", kMemberAccount);
    mark_owner(account, hub);
    CO_TRY(co_await ensure(ctx, ends.member, kServiceAccounts, std::move(account)));
    std::vector<Value> roles =
        hub_identity(kMemberAccount, options.ns, rights_of(options.admin, options.approves_only), std::move(hub));
    std::ranges::move(token_roles(options.ns), std::back_inserter(roles));
    for (Value& each : roles) {
        Resource const resource = meta::resource_of(each);
        CO_TRY(co_await ensure(ctx, ends.member, resource, std::move(each)));
    }
    // What an earlier `join --admin` has left.
    if (!options.admin) CO_TRY(co_await forget(ctx, ends.member, kBindings, {"", proxy::kAdminBinding}));
    co_return co_await control::install_roles(ctx, ends.member, proxy::member_roles(options.admin));
}

Task<Status> register_member(Context ctx, Ends const& ends, JoinOptions const& options, Identities found) {
    Value cluster = named("cluster.open-cluster-management.io/v1", "ManagedCluster", options.name);
    cluster.set({"metadata", "annotations", apis::kClusterUid}, found.member);
    if (found.by_link)
        cluster.set({"metadata", "annotations", apis::kLinkAnnotation}, Value());   // from now on this way
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

Task<Status> keep_token(Context ctx, Ends const& ends, JoinOptions const& options, Token token) {
    CO_TRY(co_await process::ensure_namespace(ctx, ends.hub, options.ns));
    Value secret = named_in(options.ns, "v1", "Secret", credentials_name(options.name));
    secret.set({"metadata", "labels", kClusterLabel}, options.name);
    secret.set({"metadata", "annotations", kTokenEnds}, token.ends);
    secret.set({"data", "token"}, base64_encode(token.text));
    co_return co_await ensure(ctx, ends.hub, kSecrets, std::move(secret));
}

void say_end(JoinOptions const& options, Token const& token, Time now) {
    print_line(fmt::format("its token ends at {}; the hub makes it anew when half of that time is over", token.ends));
    auto const ends = parse_rfc3339(token.ends);
    if (ends && *ends >= now + std::chrono::seconds(kTokenSeconds) - std::chrono::hours(1)) return;
    print_line(
        fmt::format("warning: {} gives shorter tokens than the year that was asked for: after a hub was away for that "
                    "long, join again",
                    options.name));
}

Task<Status> joining(Context ctx, async::AsioExecutor& executor, JoinOptions options) {
    CO_TRY_ASSIGN(Ends const ends, connect(executor, options));
    Context const limited = ctx.with_timeout(kAtMost);
    CO_TRY(check_way(options.server.empty() ? ends.member_access.url : options.server, ends.member_access));
    CO_TRY_ASSIGN(Identities const found, co_await identities(limited, ends, options.name));
    CO_TRY(check_same(found, options, "--replace makes it stand for this one"));
    CO_TRY_ASSIGN(std::string const before, co_await check_owner(limited, ends, options, found.hub));
    CO_TRY(co_await check_controller(limited, ends, options));
    // Its tokens end with the account.
    if (!before.empty()) CO_TRY(co_await forget(limited, ends.member, kServiceAccounts, {options.ns, kMemberAccount}));
    CO_TRY(co_await make_identity(limited, ends, options, found.hub));
    print_line(fmt::format("{}: identity {}/{} and roles made", options.name, options.ns, kMemberAccount));
    if (!before.empty())
        print_line(
            fmt::format("{}: it was of the hub whose namespace kube-system has uid {}, which has no access any more",
                        options.name, before));
    CO_TRY_ASSIGN(Token const made, co_await request_token(limited, ends.member, options.ns));
    // Neither of two clusters may get the other's token.
    bool const another = !found.registered.empty() && found.registered != found.member;
    if (another) {
        CO_TRY(co_await forget(limited, ends.hub, kSecrets, {options.ns, credentials_name(options.name)}));
        CO_TRY(co_await register_member(limited, ends, options, found));
    }
    CO_TRY(co_await keep_token(limited, ends, options, made));
    CO_TRY(co_await register_member(limited, ends, options, found));
    print_line(fmt::format("hub: managedcluster/{} and secret {}/{} made", options.name, options.ns,
                           credentials_name(options.name)));
    say_end(options, made, ctx.now());
    auto const rollouts = co_await ends.member.list(limited, apis::kRollouts, {.limit = 1});
    if (!rollouts && rollouts.error().is(ErrorCode::kNotFound)) {
        print_line(fmt::format(
            "warning: {} serves no Rollouts: until `aviary member` (or Kruise Rollouts) runs there, new versions "
            "of workloads that have one are held back",
            options.name));
    }
    print_line(fmt::format("{} has joined", options.name));
    co_return Status{};
}

Task<Status> forget_identity(Context limited, Ends const& ends, JoinOptions const& options) {
    for (Value const& each : proxy::member_roles()) {
        CO_TRY(co_await forget(limited, ends.member, meta::resource_of(each),
                               {"", each.at({"metadata", "name"}).string()}));
    }
    CO_TRY(co_await forget(limited, ends.member, kBindings, {"", kRole}));
    for (Resource const& each : {kLocalBindings, kLocalRoles})
        CO_TRY(co_await forget(limited, ends.member, each, {options.ns, kOwnToken}));
    for (char const* role : {kRole, kGranted}) CO_TRY(co_await forget(limited, ends.member, kRoles, {"", role}));
    CO_TRY(co_await forget(limited, ends.member, kServiceAccounts, {options.ns, kMemberAccount}));
    co_return Status{};
}

// Answers which other hub's the identity is, and then it stays; empty: it is gone. Without the hub's own uid none is
// known to be its own.
Task<Result<std::string>> leave_member(Context ctx, Ends const& ends, JoinOptions const& options,
                                       Result<Identities> found) {
    if (!found) co_return std::unexpected(found.error());
    CO_TRY_ASSIGN(std::string other, co_await other_owner(ctx, ends.member, options.ns, found->hub));
    if (other.empty()) CO_TRY(co_await forget_identity(ctx, ends, options));
    co_return other;
}

Task<Status> leaving(Context ctx, async::AsioExecutor& executor, JoinOptions options) {
    CO_TRY_ASSIGN(Ends const ends, connect(executor, options));
    Context const limited = ctx.with_timeout(kAtMost);
    // A member that is away, for good maybe, can leave the fleet.
    auto const found = co_await identities(ctx.with_timeout(kAtMost / 2), ends, options.name);
    if (found) {
        CO_TRY(check_same(*found, options, "--kubeconfig names another one"));
        CO_TRY(co_await check_no_other(limited, ends, *found, options.name));
    }
    if (!found && !found.error().is(ErrorCode::kUnavailable) && !found.error().is(ErrorCode::kTimeout))
        co_return std::unexpected(found.error());
    CO_TRY(co_await forget(limited, ends.hub, apis::kManagedClusters, {"", options.name}));
    CO_TRY(co_await forget(limited, ends.hub, kSecrets, {options.ns, credentials_name(options.name)}));
    print_line(fmt::format("hub: managedcluster/{} and its credentials are gone", options.name));
    auto const other = co_await leave_member(ctx.with_timeout(kAtMost), ends, options, found);
    if (!other) {
        co_return std::unexpected(other.error().context(
            fmt::format("the hub's side is done, {} is not: run this again when it is back", options.name)));
    }
    if (!other->empty()) {
        print_line(
            fmt::format("{}: the identity there stays: it is of another hub, whose namespace kube-system has uid {}",
                        options.name, *other));
        co_return Status{};
    }
    print_line(fmt::format("{}: the hub's identity and roles are gone; what it brought here stays", options.name));
    auto const kept = co_await forget_namespace(ctx.with_timeout(kAtMost), ends.member, options.ns);
    if (!kept) {
        print_line(fmt::format("{}: the namespace {} stays: {}", options.name, options.ns, kept.error().message()));
    } else if (!kept->empty()) {
        print_line(fmt::format("{}: the namespace {} stays, as {} is in it", options.name, options.ns, *kept));
    }
    co_return Status{};
}

}   // namespace

int join(JoinOptions options) { return process::run(joining, std::move(options)); }
int unjoin(JoinOptions options) { return process::run(leaving, std::move(options)); }

}   // namespace aviary::hub
