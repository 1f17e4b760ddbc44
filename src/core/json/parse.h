// Text to documents. simdjson ends in parse.cc. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::json {

struct ParseLimits {
    std::size_t max_bytes = 64 << 20;
    std::size_t max_depth = 128;
};

// BadRequest with line and column for malformed text, duplicate keys and depth over the limit; TooLarge over max_bytes.
Result<Doc> parse(std::string_view text, ParseLimits limits = {});
Result<Value> parse_value(std::string_view text, ParseLimits limits = {});

}   // namespace aviary::json
