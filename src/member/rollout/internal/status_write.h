// Status writes: a JSON Patch of what changed, with tests of what was observed.
#pragma once

#include <initializer_list>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"

namespace aviary::rollout {

// From what was read of `object` to what is wanted, both as statuses written whole; `tested` are paths in the object.
control::Write status_write(json::Doc const& object, meta::GroupVersionResource const& resource,
                            json::Value const& before, json::Value const& after,
                            std::vector<std::vector<std::string_view>> const& tested);

}   // namespace aviary::rollout
