// Documents to text.
#pragma once

#include <string>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::json {

// Compact, members in their order.
std::string write(Doc const& doc);
std::string write(Value const& value);
void append(std::string& out, Doc const& doc);
void append(std::string& out, Value const& value);
// Members sorted by key: equal documents give equal text, for digests.
std::string write_canonical(Value const& value);
// Indented, as `kubectl -o json` prints.
std::string write_pretty(Value const& value, int indent = 4);
// A string with its quotes and escapes.
void append_string(std::string& out, std::string_view text);

}   // namespace aviary::json
