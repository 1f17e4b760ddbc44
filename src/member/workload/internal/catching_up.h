// Workload::catch_up, of every kind alike: the freeze, asked late.
#pragma once

#include <optional>
#include <string>

#include "member/workload/freeze.h"
#include "member/workload/workload.h"

namespace aviary::workload {

// `inputs.old` is the workload as it was with the version before, which `inputs.came_from` names. Absent where `freeze`
// holds nothing back.
std::optional<control::Write> caught_up(Workload const& workload, FreezeInputs const& inputs,
                                        void (*freeze)(json::Value& object, FreezeInputs const& inputs));

}   // namespace aviary::workload
