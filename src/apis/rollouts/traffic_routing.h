// TrafficRouting rollouts.kruise.io/v1alpha1: what becomes of the requests to a Service while any Rollout that names it
// has a release on, as for releases that several workloads go through together.
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
    std::optional<std::int64_t> weight;   // percent
    std::optional<HeaderModifier> request_header_modifier;
    std::vector<HttpRouteMatch> matches;   // upstream's have headers alone
};

struct TrafficRoutingSpec {
    std::vector<TrafficRoutingRef> object_ref;   // the first one alone counts
    TrafficRoutingStrategy strategy;
};

struct TrafficRoutingStatus {
    std::int64_t observed_generation = 0;
    std::string phase;   // Initial | Healthy | Progressing | Finalizing | Terminating
    std::string message;
    bool operator==(TrafficRoutingStatus const&) const = default;
};

struct TrafficRouting {
    TrafficRoutingSpec spec;
    TrafficRoutingStatus status;
};

// The Rollouts whose releases hold it, by its finalizers.
std::vector<std::string> holders_of(json::Doc const& traffic_routing);

// Its status.message, by phase. Instead of them: kNotRouted, and why.
namespace routing_message {
inline constexpr std::string_view kInitial = "TrafficRouting is Initializing";
inline constexpr std::string_view kHealthy = "TrafficRouting is Healthy";
inline constexpr std::string_view kProgressing = "TrafficRouting is Progressing";
inline constexpr std::string_view kFinalizing = "TrafficRouting is Finalizing";
inline constexpr std::string_view kTerminating = "TrafficRouting is Terminating";
}   // namespace routing_message

Result<TrafficRouting> read_traffic_routing(json::Doc const& object);
json::Value write_traffic_routing_spec(TrafficRoutingSpec const& spec);
json::Value write_traffic_routing_status(TrafficRoutingStatus const& status);

}   // namespace aviary::apis
