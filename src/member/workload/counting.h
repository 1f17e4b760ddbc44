// How many units a step asks for, and whether most of a workload's have its version. Units are what a workload kind
// counts: pods of a Deployment.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/json/doc.h"
#include "kube/meta/int_or_percent.h"

namespace aviary::workload {

// The share of `replicas`, rounded up and clamped to 0…replicas.
std::int64_t share_of(meta::IntOrPercent const& step, std::int64_t replicas);
// … of a Deployment: a percentage other than "100%" leaves at least one old pod when there are two or more.
std::int64_t deployment_share_of(meta::IntOrPercent const& step, std::int64_t replicas);

// Whether there are units, and at least half have the workload's own version, as these fields of its status say.
bool most_updated(json::Doc const& status, std::string_view units, std::string_view updated);

}   // namespace aviary::workload
