// What somebody else has changed in an object that a release had changed, carried over to how it was before.
#pragma once

#include "core/json/value.h"

namespace aviary::traffic {

// `original` with the changes that lead from `written`, which was made of it, to `live`. What the release itself has
// put in, or has given another value, stays the release's: a change of it is dropped. Elements of lists are paired by
// likeness, so they may move, come and go on both sides. Where nothing was changed the result is `original` itself.
json::Value carried_over(json::Value const& original, json::Value const& written, json::Value const& live);

// Whether `live` says all that `wanted` says; more in objects, as an API server's defaults, does not matter.
bool says_all(json::Value const& live, json::Value const& wanted);

}   // namespace aviary::traffic
