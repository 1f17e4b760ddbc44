// Validation of Rollouts that are written in v1alpha1. Pure; validate_rollout() asks it.
#pragma once

#include <vector>

#include "apis/rollouts/validate.h"
#include "core/base/error.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::apis {

std::vector<FieldCause> validate_older_rollout(json::Value const& rollout, json::Doc const& old,
                                               std::vector<json::Doc> const& others, WorkloadKinds kinds);

}   // namespace aviary::apis
