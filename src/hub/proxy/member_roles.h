// What the hub may be in a member when it asks there for a person: three fixed groups, aviary:view, aviary:release and
// aviary:admin. Install them in each member with control::install_roles.
#pragma once

#include <vector>

#include "core/json/value.h"

namespace aviary::proxy {

// Lets it be everything.
inline constexpr char kAdminBinding[] = "aviary:admin";

// ClusterRoles and ClusterRoleBindings.
// With `admin`, also what lets the hub be everything for those who administrate the fleet.
std::vector<json::Value> member_roles(bool admin = true);

}   // namespace aviary::proxy
