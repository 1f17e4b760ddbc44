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
};

json::Value make_definition(Definition const& definition);

// One per kind.
Definition rollout_definition();
Definition batch_release_definition();
Definition managed_cluster_definition();
Definition managed_cluster_set_definition();
Definition managed_cluster_set_binding_definition();
Definition fleet_binding_definition(bool namespaced);
Definition decision_definition();
Definition propagation_policy_definition(std::string const& group, bool namespaced);

}   // namespace aviary::apis
