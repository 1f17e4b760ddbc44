// Roles and their bindings, of a cluster and of one namespace, as documents, and their installation.
#pragma once

#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::control {

json::Value role_rule(json::Array groups, json::Array resources, json::Array verbs);
json::Value cluster_role(std::string name, json::Array rules);
json::Value cluster_role_binding(std::string name, std::string role, json::Value subject);
json::Value role(std::string ns, std::string name, json::Array rules);
json::Value role_binding(std::string ns, std::string name, std::string role, json::Value subject);
json::Value group_subject(std::string group);
json::Value account_subject(std::string ns, std::string name);   // a ServiceAccount

// Creates what is missing of these roles and bindings; those that are there belong to the cluster's owner.
Task<Status> install_roles(Context ctx, client::Client client, std::vector<json::Value> roles);

}   // namespace aviary::control
