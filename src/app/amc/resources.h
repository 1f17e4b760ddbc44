// Resources by the names that people type, and their objects in all chosen clusters.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/amc/session.h"
#include "kube/meta/gvk.h"

namespace aviary::amc {

struct Served {
    meta::GroupVersionResource resource;
    std::string kind;
    bool namespaced = true;
    std::vector<std::string> names;   // that mean it: "deployments", "deployment", "deploy"
};

// What a group of aggregated discovery serves, each in the best version that has it.
void add_served(std::vector<Served>& served, json::Doc const& group);
// What the hub serves, in the order of its discovery.
Task<Result<std::vector<Served>>> served_resources(Session session);
// "deploy", "deployments", "deployments.apps", "Deployment".
Task<Result<Served>> find_resource(Session session, std::string text);
// The same for what members are asked for, which they alone may serve: one object (no name: all), in one namespace.
Task<Result<Served>> find_asked(Session session, std::string resource, std::string name);
// The hub's answer for the chosen clusters: {clusters: [{name, reachable, since, table | items}]}.
Task<Result<json::Doc>> fetch(Session session, Served served, std::string name, bool table);

// ---- of such an answer ----

// Whole objects, each with the cluster it is from, which is kept in an annotation.
std::vector<json::Doc> items_of(json::Doc const& answer);
std::string cluster_of(json::Doc const& item);
// How long a cluster has been away, for STATUS columns and errors.
std::string away(json::Doc const& cluster, Time now);
// Why a cluster gives no objects, or none of the name that it was asked for by -m.
struct Trouble {
    enum class What { kAway, kRefused, kNone } what;
    std::string cluster, text;
};
std::vector<Trouble> troubles(Session const& session, json::Doc const& answer, Time now);
// Says so; the exit code. `each`: those that -m names have to have one.
int report(Session const& session, json::Doc const& answer, Time now, bool any_rows, bool each = true);

// "rollouts", "rollout", "Rollout", "rollouts.rollouts.kruise.io".
bool means_rollouts(std::string_view kind);
// "x" of "x", "rollouts/x", "rollout.rollouts.kruise.io/x"; an Error for what is no Rollout.
Result<std::string> rollout_name(std::string const& text);

// "deploy/web" is two words in one. An Error where it is no kind and name, or not all that is asked for.
Status split_name(std::string& resource, std::string& name);

}   // namespace aviary::amc
