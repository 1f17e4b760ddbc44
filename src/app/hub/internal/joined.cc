#include "app/hub/internal/joined.h"

#include <fmt/format.h>

#include <utility>

#include "app/hub/internal/identity_owner.h"
#include "kube/control/roles.h"
#include "kube/meta/gvk.h"

namespace aviary::hub {

using control::role_rule;
using json::Array;
using json::Object;
using json::Value;

namespace {

constexpr char kAggregate[] = "fleet.aviary.dev/aggregate-to-hub";

// Which rollout controller runs there, in which version, and whether it leads.
Array rules_to_know_the_controller() {
    Value record = role_rule({""}, {"configmaps"}, {"get"});
    record["resourceNames"] = Array{"aviary-member"};
    Value lease = role_rule({"coordination.k8s.io"}, {"leases"}, {"get"});
    lease["resourceNames"] = Array{"aviary-member"};
    Value kruise = role_rule({"admissionregistration.k8s.io"}, {"mutatingwebhookconfigurations"}, {"get"});
    kruise["resourceNames"] = Array{"kruise-rollout-mutating-webhook-configuration"};
    return {std::move(record), std::move(lease), std::move(kruise)};
}

Array rules_to_approve() {
    return {role_rule({"rollouts.kruise.io"}, {"rollouts"}, {"get", "list", "watch"}),
            role_rule({"rollouts.kruise.io"}, {"rollouts/status"}, {"patch"}),
            role_rule({"apps", "apps.kruise.io"}, {"deployments", "statefulsets", "daemonsets", "clonesets"}, {"get"}),
            role_rule({"leaderworkerset.x-k8s.io"}, {"leaderworkersets"}, {"get"}),
            role_rule({""}, {"pods"}, {"list"})};
}

Array rules_to_bring() {
    Array const all{"get", "list", "watch", "create", "update", "patch", "delete"};
    Array const read{"get", "list", "watch"};
    return {role_rule({""}, {"namespaces"}, {"get", "list", "watch", "create", "update", "patch"}),
            role_rule({""}, {"services", "configmaps", "serviceaccounts", "persistentvolumeclaims"}, all),
            role_rule({"apps"}, {"deployments", "statefulsets", "daemonsets"}, all),
            role_rule({"apps.kruise.io"}, {"clonesets", "statefulsets"}, all),
            role_rule({"leaderworkerset.x-k8s.io"}, {"leaderworkersets"}, all),
            role_rule({"autoscaling"}, {"horizontalpodautoscalers"}, all),
            role_rule({"rollouts.kruise.io"}, {"rollouts", "rollouts/status"}, all),
            role_rule({""}, {"pods", "nodes", "events"}, read),
            role_rule({"apps"}, {"replicasets"}, read),
            role_rule({"rollouts.kruise.io"}, {"batchreleases"}, read)};
}

}   // namespace

Value named(char const* api_version, char const* kind, std::string name) {
    Value object{Object{{"apiVersion", api_version}, {"kind", kind}}};
    object.set({"metadata", "name"}, std::move(name));
    return object;
}

Value named_in(std::string const& ns, char const* api_version, char const* kind, std::string name) {
    Value object = named(api_version, kind, std::move(name));
    object.set({"metadata", "namespace"}, ns);
    return object;
}

std::vector<Value> hub_identity(std::string const& account, std::string const& ns, Rights rights, std::string hub) {
    Array const impersonate{"impersonate"};
    // The cluster fills in what the role aggregates.
    Value role = named("rbac.authorization.k8s.io/v1", "ClusterRole", kRole);
    role.set({"aggregationRule", "clusterRoleSelectors"}, Array{Object{{"matchLabels", Object{{kAggregate, "true"}}}}});
    Array rules = rights == Rights::kApprove ? rules_to_approve() : rules_to_bring();
    for (Value& each : rules_to_know_the_controller()) rules.push_back(std::move(each));
    Value people = role_rule({""}, {"users", "groups"}, impersonate);
    people["resourceNames"] = Array{"aviary:view"};
    if (rights != Rights::kApprove) people["resourceNames"].push_back("aviary:release");
    if (rights == Rights::kAdmin) people["resourceNames"].push_back("aviary:admin");
    rules.push_back(std::move(people));
    rules.push_back(role_rule({"authentication.k8s.io"}, {"userextras/person"}, impersonate));
    Value granted = control::cluster_role(kGranted, std::move(rules));
    granted.set({"metadata", "labels", kAggregate}, "true");
    Value binding = control::cluster_role_binding(kRole, kRole, control::account_subject(ns, account));
    mark_owner(binding, std::move(hub));
    return {std::move(role), std::move(granted), std::move(binding)};
}

Task<Status> ensure(Context ctx, client::Client client, meta::GroupVersionResource resource, Value object) {
    meta::ObjectKey const key{object.at({"metadata", "namespace"}).string(), object.at({"metadata", "name"}).string()};
    auto done = co_await client.create(ctx, resource, object);
    if (!done && done.error().is(ErrorCode::kAlreadyExists))
        done = co_await client.patch(ctx, resource, key, client::PatchType::kMerge, std::move(object));
    if (done) co_return Status{};
    co_return std::unexpected(done.error().context(fmt::format("{} {}", resource.resource, key.to_string())));
}

Task<Status> forget(Context ctx, client::Client client, meta::GroupVersionResource resource, meta::ObjectKey key) {
    Status const gone = co_await client.remove(ctx, resource, key);
    if (gone || gone.error().is(ErrorCode::kNotFound)) co_return Status{};
    co_return std::unexpected(gone.error().context(fmt::format("deleting {} {}", resource.resource, key.to_string())));
}

}   // namespace aviary::hub
