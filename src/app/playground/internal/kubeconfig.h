// The kubeconfig of a start over that of the start before: what a person has set in it stays. Pure.
#pragma once

#include "core/json/value.h"

namespace aviary::playground {

// `fresh` has this start's contexts, `before` is the file as it is. Kept are contexts' namespaces and users, the
// current context, and what is not ours: clusters of earlier starts, by their URL, go.
json::Value merge_kubeconfig(json::Value const& before, json::Value fresh);

}   // namespace aviary::playground
