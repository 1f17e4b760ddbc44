// Annotations of objects that a release routes by: how the field was. As long as one is there the field belongs to the
// rollout controller of its cluster.
#pragma once

#include <string_view>

namespace aviary::apis {

inline constexpr std::string_view kOriginalSelectorAnnotation =
    "rollouts.aviary.dev/original-selector";                                                         // of Services
inline constexpr std::string_view kOriginalRulesAnnotation = "rollouts.aviary.dev/original-rules";   // of routes

// Of custom objects: {"spec","labels","annotations"} as they were before the release, in upstream's form: a release
// that one controller has begun the other one ends.
inline constexpr std::string_view kOriginalConfiguration = "rollouts.kruise.io/original-spec-configuration";
// And the merge patch from there to what was written last. What differs from it in the live object is somebody else's
// change. Where it is missing, as after upstream's controller, there is none.
inline constexpr std::string_view kRoutedChanges = "rollouts.aviary.dev/routed-changes";

}   // namespace aviary::apis
