#include "kube/control/roles.h"

#include <utility>

#include "kube/meta/object.h"

namespace aviary::control {

namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr char kGroup[] = "rbac.authorization.k8s.io";

Value named(char const* kind, std::string name) {
    return Object{{"apiVersion", "rbac.authorization.k8s.io/v1"},
                  {"kind", kind},
                  {"metadata", Object{{"name", std::move(name)}}}};
}

Value bound(Value binding, char const* kind, std::string role, Value subject) {
    binding["roleRef"] = Object{{"apiGroup", kGroup}, {"kind", kind}, {"name", std::move(role)}};
    binding["subjects"] = Array{std::move(subject)};
    return binding;
}

}   // namespace

Value role_rule(Array groups, Array resources, Array verbs) {
    return Object{{"apiGroups", std::move(groups)}, {"resources", std::move(resources)}, {"verbs", std::move(verbs)}};
}

Value cluster_role(std::string name, Array rules) {
    Value object = named("ClusterRole", std::move(name));
    object["rules"] = std::move(rules);
    return object;
}

Value cluster_role_binding(std::string name, std::string role, Value subject) {
    return bound(named("ClusterRoleBinding", std::move(name)), "ClusterRole", std::move(role), std::move(subject));
}

Value role(std::string ns, std::string name, Array rules) {
    Value object = named("Role", std::move(name));
    object.set({"metadata", "namespace"}, std::move(ns));
    object["rules"] = std::move(rules);
    return object;
}

Value role_binding(std::string ns, std::string name, std::string role, Value subject) {
    Value object = named("RoleBinding", std::move(name));
    object.set({"metadata", "namespace"}, std::move(ns));
    return bound(std::move(object), "Role", std::move(role), std::move(subject));
}

Value group_subject(std::string group) {
    return Object{{"apiGroup", kGroup}, {"kind", "Group"}, {"name", std::move(group)}};
}

Value account_subject(std::string ns, std::string name) {
    return Object{{"kind", "ServiceAccount"}, {"name", std::move(name)}, {"namespace", std::move(ns)}};
}

Task<Status> install_roles(Context ctx, client::Client client, std::vector<Value> roles) {
    for (Value& role : roles) {
        meta::GroupVersionResource const resource = meta::resource_of(role);
        std::string const name = role.at({"metadata", "name"}).string();
        // A restarted hub writes nothing that is there.
        auto const there = co_await client.find(ctx, resource, {"", name});
        if (!there) co_return std::unexpected(there.error().context("reading " + name));
        if (there->exists()) continue;
        auto const created = co_await client.create(ctx, resource, std::move(role));
        if (!created && !created.error().is(ErrorCode::kAlreadyExists))
            co_return std::unexpected(created.error().context("installing " + name));
    }
    co_return Status{};
}

}   // namespace aviary::control
