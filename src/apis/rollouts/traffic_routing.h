// TrafficRouting rollouts.kruise.io/v1alpha1: traffic of services whose own workload is not released. Stored, not acted
// upon: a Rollout that names one is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apis/rollouts/rollout.h"
#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kTrafficRoutings{"rollouts.kruise.io", "v1alpha1", "trafficroutings"};

struct TrafficRoutingStrategy {
    std::optional<std::int64_t> weight;    // percent
    json::Value request_header_modifier;   // Gateway API HTTPHeaderFilter
    std::vector<json::Value> matches;      // of headers alone
};

struct TrafficRoutingSpec {
    std::vector<TrafficRoutingRef> object_ref;   // the first one alone counts
    TrafficRoutingStrategy strategy;
};

struct TrafficRoutingStatus {
    std::int64_t observed_generation = 0;
    std::string phase;   // Initial | Healthy | Progressing | Finalizing | Terminating
    std::string message;
};

struct TrafficRouting {
    TrafficRoutingSpec spec;
    TrafficRoutingStatus status;
};

Result<TrafficRouting> read_traffic_routing(json::Doc const& object);
json::Value write_traffic_routing_spec(TrafficRoutingSpec const& spec);
json::Value write_traffic_routing_status(TrafficRoutingStatus const& status);

}   // namespace aviary::apis
