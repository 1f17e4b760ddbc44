// Role-based access control over the roles and bindings of one cluster.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/json/doc.h"
#include "kube/apiserver/store/store.h"
#include "kube/control/authorizer.h"

namespace aviary::apiserver {

class Rbac final : public control::Authorizer {
public:
    explicit Rbac(store::Store& store);

    bool allowed(control::UserInfo const& user, control::Attributes const& attributes) const override;
    // Whether the user holds every one of these rules already: nobody grants more than he has.
    bool covers(control::UserInfo const& user, std::string const& ns, json::Doc const& rules) const;
    // The rules of a role, aggregation included; absent when there is no such role.
    json::Doc rules_of(std::string const& kind, std::string const& ns, std::string const& name) const;
    // All rules that hold for the user in a namespace.
    std::vector<json::Doc> rules_for(control::UserInfo const& user, std::string const& ns) const;

private:
    struct Grant {
        std::string ns;       // empty: cluster-wide
        json::Doc rules;
    };
    std::vector<Grant> const& grants(control::UserInfo const& user) const;

    store::Store& store_;
    mutable std::map<std::string, std::vector<Grant>> cache_;   // by user and groups; dropped when a role or binding changes
};

}  // namespace aviary::apiserver
