// Validation of PropagationPolicies beyond their schema. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/json/value.h"

namespace aviary::apis {

// What is wrong, or not supported, by JSON path; adds warnings for fields that are accepted and ignored.
std::vector<FieldCause> validate_policy(json::Value const& policy, std::vector<std::string>& warnings);

}   // namespace aviary::apis
