// Custom objects that lead requests, as Istio's VirtualService: a script makes the routed object of the original one.
// Pure.
#pragma once

#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/lua/sandbox.h"
#include "member/traffic/route.h"

namespace aviary::traffic {

// {"spec","labels","annotations"} as they were before the release, in upstream's form: a release that one controller
// has begun the other one ends.
inline constexpr std::string_view kOriginalConfiguration = "rollouts.kruise.io/original-spec-configuration";
// The merge patch from there to what was written last. What differs from it in the live object is somebody else's
// change. Where it is missing, as after upstream's controller, there is none.
inline constexpr std::string_view kRoutedChanges = "rollouts.aviary.dev/routed-changes";

// The object as it should be now; `live` itself where nothing is to change. The script runs on the original, into which
// others' changes are taken over first; what they change of the release's own is written back. Invalid with script and
// line where it fails.
Result<json::Doc> routed_custom(json::Doc const& live, Route const& route, lua::Script const& script);
// With everything of ours gone, and others' changes kept: byte for byte the original where there are none. `live`
// itself where it was never routed.
Result<json::Doc> restored_custom(json::Doc const& live);

}   // namespace aviary::traffic
