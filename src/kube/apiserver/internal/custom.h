// CustomResourceDefinitions: what they serve and what their status says.
#pragma once

#include <memory>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/apiserver/registry.h"

namespace aviary::apiserver {

// One ResourceInfo per served version. Invalid names what is wrong in the definition.
Result<std::vector<std::shared_ptr<ResourceInfo const>>> custom_resources(json::Doc const& definition);
// Fills the names and defaults that may be left out.
void default_definition(json::Value& definition);
std::vector<FieldCause> validate_definition(json::Value const& definition, json::Doc const& old);
// status of an accepted definition: names, stored versions, NamesAccepted and Established.
void establish(json::Value& definition, Time now);

}  // namespace aviary::apiserver
