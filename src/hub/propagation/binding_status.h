// The status of a FleetBinding: how its object stands in the clusters it names. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "hub/propagation/content.h"

namespace aviary::propagation {

struct BindingRow {
    std::string cluster;
    std::string state;   // as decide.h names it, or Unreachable
    std::string reason;
    std::string message;
    std::optional<Time> since;   // empty: not known
};

// Everything of status but what placement says there. A row that says the same as before keeps its time.
json::Value binding_status(json::Doc const& binding, std::vector<BindingRow> const& rows, std::string stable_revision,
                           Content const& content, Time now);

}   // namespace aviary::propagation
