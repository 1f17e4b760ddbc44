// The simple JSON paths that printer columns use: .a.b['c'][0][*][?(@.type=="Ready")].
#pragma once

#include <string_view>

#include "core/json/doc.h"

namespace aviary::builtin::internal {

// The first value at the path; absent when there is none or the path is malformed.
json::Doc first_at(json::Doc const& root, std::string_view path);

}   // namespace aviary::builtin::internal
