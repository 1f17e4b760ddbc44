// The labels, annotations and field managers by which the hub marks what it propagates. Part of the API.
#pragma once

#include <array>
#include <string_view>

#include "apis/fleet/brought.h"
#include "apis/fleet/hold.h"
#include "apis/rollouts/approver.h"

namespace aviary::propagation {

// Field managers in members.
inline constexpr std::string_view kManager = "aviary-hub";
inline constexpr std::string_view kFreezeManager = "aviary-freeze";

// Labels on every propagated object (labels, because an annotation would raise a Deployment's generation).
using apis::kHubLabel;
inline constexpr std::string_view kRenderLabel = "fleet.aviary.dev/render";   // hash of what was applied
inline constexpr std::string_view kGenerationLabel =
    "fleet.aviary.dev/generation";   // <epoch>.<resource version on the hub>, see render.h
// Labels on propagated workloads.
using apis::kReplacedLabel;
using apis::kStableLabel;
using apis::kTemplateLabel;
// The workload's generation with which the one came that replaced it. A member that has observed this has looked at it.
inline constexpr std::string_view kReplacedAtLabel = "fleet.aviary.dev/replaced-at";
// All of them.
inline constexpr std::array kOwnLabels{kHubLabel,    kRenderLabel,   kGenerationLabel, kTemplateLabel,
                                       kStableLabel, kReplacedLabel, kReplacedAtLabel};

// Annotations that users set on hub objects.
inline constexpr std::string_view kOnDelete = "fleet.aviary.dev/on-delete";    // Rollback | Release | Hold
inline constexpr std::string_view kUnguarded = "fleet.aviary.dev/unguarded";   // allow
using apis::kHold;                                                             // also on member objects
inline constexpr std::string_view kAdopt = "fleet.aviary.dev/adopt";           // kubectl | karmada: see adopt.h
inline constexpr std::string_view kRetainReplicas = "fleet.aviary.dev/retain-replicas";                     // label
inline constexpr std::string_view kKarmadaRetainReplicas = "resourcetemplate.karmada.io/retain-replicas";   // label

using apis::kApprovedDirectly;   // annotation on a member's Rollout

// What the rollout controller of a member writes (Kruise Rollouts, "Every annotation, label and finalizer").
inline constexpr std::string_view kInProgressing = "rollouts.kruise.io/in-progressing";

}   // namespace aviary::propagation
