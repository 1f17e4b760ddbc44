// What the hub may be in a member when it asks there for a person: three fixed groups, aviary:view, aviary:release and
// aviary:admin. Install them in each member with hub::install_roles.
#pragma once

#include <vector>

#include "core/json/value.h"

namespace aviary::proxy {

// ClusterRoles and ClusterRoleBindings.
std::vector<json::Value> member_roles();

}   // namespace aviary::proxy
