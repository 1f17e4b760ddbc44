// The CustomResourceDefinitions of all kinds in apis/, made from their field lists; config/crds holds them as files.
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"

namespace aviary::apis {

// Every definition, sorted by name.
std::vector<json::Value> crds();
// Those a member cluster needs: Rollout and BatchRelease.
std::vector<json::Value> member_crds();

}   // namespace aviary::apis
