// How one cluster's answer about a resource stands in that of the fleet. Pure.
#pragma once

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::proxy {

// Into {name, reachable, …}: `table`, or `items` of what is an object or a list; else `error` and `reason`, and it is
// not `reachable` when there was no answer.
void put_answer(json::Value& row, Result<json::Doc> const& answer, bool table);

}   // namespace aviary::proxy
