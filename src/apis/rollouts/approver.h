// Who let a step of a Rollout go on, as far as the Rollout tells.
#pragma once

#include <string_view>

#include "core/json/doc.h"

namespace aviary::apis {

// Annotation: who approved there without the hub, and why (hub/decision/evidence.h).
inline constexpr std::string_view kApprovedDirectly = "fleet.aviary.dev/approved-directly";

// The entry of metadata.managedFields that wrote the state which the step is in; absent: nobody can say.
json::Doc step_writer(json::Doc const& rollout);

}   // namespace aviary::apis
