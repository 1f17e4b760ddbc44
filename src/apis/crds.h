// The CustomResourceDefinitions of all kinds in apis/, made from their field lists; config/crds holds them as files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/value.h"

namespace aviary::apis {

// The Service that definitions name as they come; where the webhooks of a member are. It is asked at /convert.
inline constexpr std::string_view kConverterNamespace = "aviary-system";
inline constexpr std::string_view kConverter = "aviary-member";

// Every definition, sorted by name.
std::vector<json::Value> crds();
// Those a member cluster needs: Rollout, BatchRelease, TrafficRouting and RolloutHistory. The first two have their
// versions converted by a webhook at kConverter, which nobody trusts until whoever answers there says how.
std::vector<json::Value> member_crds();

}   // namespace aviary::apis
