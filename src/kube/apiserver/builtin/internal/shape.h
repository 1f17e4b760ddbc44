// How the API server writes objects of built-in types: which members vanish when they hold nothing, which are always
// there, and the canonical forms of quantities and times. Built from the facts on first use of a type; thread-safe.
#pragma once

#include <string_view>

#include "core/json/value.h"

namespace aviary::builtin::internal {

struct Shape;

// Of a type by its schema name ("io.k8s.api.core.v1.Pod"). Lives as long as the process.
Shape const* shape_of(std::string_view type);

// Brings a value into the form in which upstream would write it after decoding: nulls and empty optional members go,
// members without a pointer behind them come with their zero value. Texts that are no quantity or time stay as they
// are.
void canonicalise(json::Value& value, Shape const* shape);

}   // namespace aviary::builtin::internal
