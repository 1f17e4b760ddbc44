#include "hub/proxy/member_roles.h"

#include <string>
#include <utility>

#include "kube/control/roles.h"

namespace aviary::proxy {

namespace {

using json::Array;
using json::Value;

Value binding(std::string name, std::string role, std::string group) {
    return control::cluster_role_binding(std::move(name), std::move(role), control::group_subject(std::move(group)));
}

}   // namespace

std::vector<Value> member_roles(bool admin) {
    using control::cluster_role;
    using control::role_rule;
    Array const read{"get", "list", "watch"};
    std::vector<Value> result{
        // Beside what "view" has, which knows neither the cluster's own objects nor ours; never Secrets.
        cluster_role("aviary:fleet-view", {role_rule({"rollouts.kruise.io"}, {"*"}, read),
                                           role_rule({""}, {"nodes", "namespaces", "persistentvolumes"}, read),
                                           role_rule({"apiextensions.k8s.io"}, {"customresourcedefinitions"}, read)}),
        cluster_role("aviary:fleet-release",
                     {role_rule({"rollouts.kruise.io"}, {"rollouts", "rollouts/status"}, {"update", "patch"})}),
        binding("aviary:view", "view", "aviary:view"),
        binding("aviary:fleet-view", "aviary:fleet-view", "aviary:view"),
        binding("aviary:release", "view", "aviary:release"),
        binding("aviary:release-view", "aviary:fleet-view", "aviary:release"),
        binding("aviary:fleet-release", "aviary:fleet-release", "aviary:release"),
    };
    if (admin) result.push_back(binding(kAdminBinding, "cluster-admin", "aviary:admin"));
    return result;
}

}   // namespace aviary::proxy
