// A three-way merge of JSON values: what was changed from one to the other, done to a third. Pure.
#pragma once

#include "core/json/value.h"

namespace aviary::apis {

// `original` with what differs between `base` and `edited`. `base` is what `original` looks like where less of it can
// be said: its lists are as long. Elements of a list that were left alone are told by being equal, in their order;
// between them the rest is taken in pairs.
json::Value merge_edit(json::Value const& base, json::Value const& edited, json::Value const& original);

}   // namespace aviary::apis
