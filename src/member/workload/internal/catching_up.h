// Workload::catch_up, of every kind alike: the freeze, asked late.
#pragma once

#include <optional>
#include <string_view>

#include "member/workload/freeze.h"
#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

// Of a set, but for `old`.
FreezeInputs freeze_inputs(NativeSetInputs const& inputs, std::string_view rollout, std::string_view came_from);

// `before`: what of the spec was another with the version before, which `inputs.came_from` names; `inputs.old` is made
// of it. Absent where there is none, and where `freeze` holds nothing back.
std::optional<control::Write> caught_up(Workload const& workload, json::Value const& before, FreezeInputs inputs,
                                        void (*freeze)(json::Value& object, FreezeInputs const& inputs));

}   // namespace aviary::workload
