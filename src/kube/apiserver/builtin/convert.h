// Built-in kinds that are served in more than one version. Pure; thread-safe.
#pragma once

#include <string_view>

#include "core/json/value.h"

namespace aviary::builtin {

// Turns the object into the version: apiVersion, and for HorizontalPodAutoscalers the fields that v1 and v2 name
// differently. Metrics that v1 has no field for travel in its annotation autoscaling.alpha.kubernetes.io/metrics.
void to_version(json::Value& object, std::string_view api_version);

}   // namespace aviary::builtin
