// Role-based access control over the roles and bindings of one cluster.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/apiserver/store/store.h"
#include "kube/control/authorizer.h"

namespace aviary::apiserver {

// One rbac.authorization.k8s.io PolicyRule, ready to be matched.
struct Rule {
    std::vector<std::string> verbs, groups, resources, names, paths;

    static Rule from(json::Doc const& rule);
    bool permits(control::Attributes const& wanted) const;
    json::Value to_value() const;
    // As Kubernetes prints a rule in refusals: {APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}
    std::string to_string() const;
};
using Rules = std::vector<Rule>;
Rules rules_from(json::Doc const& list);

class Rbac final : public control::Authorizer {
public:
    explicit Rbac(store::Store& store);

    bool allowed(control::UserInfo const& user, control::Attributes const& attributes) const override;
    // What of these rules the user does not hold himself: nobody grants more than he has.
    Rules missing(control::UserInfo const& user, std::string const& ns, Rules const& rules) const;
    // The rules of a role, aggregation included; null when there is no such role.
    std::shared_ptr<Rules const> rules_of(std::string_view kind, std::string const& ns, std::string const& name) const;
    // All rules that hold for the user in a namespace.
    Rules rules_for(control::UserInfo const& user, std::string const& ns) const;

private:
    struct Grant {
        std::string ns;   // empty: cluster-wide
        std::shared_ptr<Rules const> rules;
    };
    std::vector<Grant> const& grants(control::UserInfo const& user) const;

    store::Store& store_;
    // By user and groups, and by role; dropped when a role or binding changes.
    mutable std::map<std::string, std::vector<Grant>, std::less<>> grants_;
    mutable std::map<std::string, std::shared_ptr<Rules const>, std::less<>> roles_;
};

}   // namespace aviary::apiserver
