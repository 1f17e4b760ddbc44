// Annotations of objects that a release routes by: how the field was. As long as one is there the field belongs to the
// rollout controller of its cluster.
#pragma once

#include <string_view>

namespace aviary::apis {

inline constexpr std::string_view kOriginalSelectorAnnotation =
    "rollouts.aviary.dev/original-selector";                                                         // of Services
inline constexpr std::string_view kOriginalRulesAnnotation = "rollouts.aviary.dev/original-rules";   // of routes

}   // namespace aviary::apis
