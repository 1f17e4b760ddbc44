// Custom objects that lead requests, as Istio's VirtualService: a script makes the routed object of the original one.
// Pure.
#pragma once

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/lua/sandbox.h"
#include "member/traffic/route.h"
#include "member/traffic/scripts.h"

namespace aviary::traffic {

// The object as it should be now; `live` itself where nothing is to change. The script runs on the original, into which
// others' changes are taken over first; what they change of the release's own is written back. Invalid with script and
// line where it fails.
Result<json::Doc> routed_custom(json::Doc const& live, Route const& route, lua::Script const& script,
                                ScriptRunner* runner = nullptr);
// With everything of ours gone, and others' changes kept: byte for byte the original where there are none. `live`
// itself where it was never routed.
Result<json::Doc> restored_custom(json::Doc const& live);

}   // namespace aviary::traffic
