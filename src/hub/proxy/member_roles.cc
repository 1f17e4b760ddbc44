#include "hub/proxy/member_roles.h"

#include <string>

namespace aviary::proxy {

namespace {

using json::Array;
using json::Object;
using json::Value;

Value named(char const* kind, std::string name) {
    return Object{{"apiVersion", "rbac.authorization.k8s.io/v1"},
                  {"kind", kind},
                  {"metadata", Object{{"name", std::move(name)}}}};
}

Value rule(Array groups, Array resources, Array verbs) {
    return Object{{"apiGroups", std::move(groups)}, {"resources", std::move(resources)}, {"verbs", std::move(verbs)}};
}

Value role(char const* name, Array rules) {
    Value object = named("ClusterRole", name);
    object["rules"] = std::move(rules);
    return object;
}

Value binding(std::string const& name, char const* role, char const* group) {
    Value object = named("ClusterRoleBinding", name);
    object["roleRef"] = Object{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", role}};
    object["subjects"] = Array{Object{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Group"}, {"name", group}}};
    return object;
}

}   // namespace

std::vector<Value> member_roles(bool admin) {
    Array const read{"get", "list", "watch"};
    std::vector<Value> result{
        // Beside what "view" has, which knows neither the cluster's own objects nor ours; never Secrets.
        role("aviary:fleet-view",
             {rule({"rollouts.kruise.io"}, {"*"}, read), rule({""}, {"nodes", "namespaces", "persistentvolumes"}, read),
              rule({"apiextensions.k8s.io"}, {"customresourcedefinitions"}, read)}),
        role("aviary:fleet-release",
             {rule({"rollouts.kruise.io"}, {"rollouts", "rollouts/status"}, {"update", "patch"})}),
        binding("aviary:view", "view", "aviary:view"),
        binding("aviary:fleet-view", "aviary:fleet-view", "aviary:view"),
        binding("aviary:release", "view", "aviary:release"),
        binding("aviary:release-view", "aviary:fleet-view", "aviary:release"),
        binding("aviary:fleet-release", "aviary:fleet-release", "aviary:release"),
    };
    if (admin) result.push_back(binding("aviary:admin", "cluster-admin", "aviary:admin"));
    return result;
}

}   // namespace aviary::proxy
