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
// What the schemas ask for that is not enforced.
std::vector<std::string> definition_warnings(json::Value const& definition);
// Which of the definition's names the other one has; empty when none.
std::string name_conflict(json::Doc const& definition, json::Doc const& other);
// status of a definition: names, stored versions, NamesAccepted and Established; `conflict` says whose names it cannot
// have.
void establish(json::Value& definition, std::string const& conflict, Time now);

// Keeps a definition until its instances are gone.
inline constexpr char kDefinitionFinalizer[] = "customresourcecleanup.apiextensions.k8s.io";
inline constexpr char kDefinitionGroup[] = "apiextensions.k8s.io";
inline constexpr char kDefinitions[] = "customresourcedefinitions";

}   // namespace aviary::apiserver
