// How the stable version is put back into a workload of any kind.
#pragma once

#include <string_view>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

inline constexpr char kTakeBack[] = "take the release back";

// Of the workload as it was seen; see Workload::take_back. What its pods are to be like again is still to be set, where
// that is not a template like other kinds'.
JsonPatch taking_back(json::Doc const& workload, std::string_view hold);
JsonPatch taking_back(json::Doc const& workload, json::Value stable_template, std::string_view hold);

}   // namespace aviary::workload
