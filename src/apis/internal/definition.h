// Puts a CustomResourceDefinition together from the schemas of a kind's spec and status.
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"

namespace aviary::apis {

struct PrinterColumn {
    std::string name, type, json_path;
    std::string description = {};
    int priority = 0;
    std::string format = {};
};

struct Definition {
    std::string group, version, kind, plural;
    std::vector<std::string> short_names = {};
    bool namespaced = true;
    std::string description;
    json::Value spec, status;   // schemas; a null status: no status
    std::vector<PrinterColumn> columns = {};
    std::vector<Definition> older = {};   // versions that are served beside, and converted by our webhook
};

json::Value make_definition(Definition const& definition);

// v1alpha1 beside the kind's v1beta1, from whose schemas it follows.
Definition older_rollout(Definition const& stored);
Definition older_batch_release(Definition const& stored);

// One per kind.
Definition rollout_definition();
Definition batch_release_definition();
Definition traffic_routing_definition();
Definition rollout_history_definition();
Definition managed_cluster_definition();
Definition managed_cluster_set_definition();
Definition managed_cluster_set_binding_definition();
Definition fleet_binding_definition(bool namespaced);
Definition decision_definition();
Definition propagation_policy_definition(std::string const& group, bool namespaced);

}   // namespace aviary::apis
