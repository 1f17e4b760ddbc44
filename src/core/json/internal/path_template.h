// The compiled form of a JSONPath template.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"

namespace aviary::json::internal {

struct PathStep {
    enum class Kind { kField, kWildcard, kRecursive, kSlice, kUnion, kFilter, kLiteral };
    Kind kind = Kind::kField;
    std::string name;                                 // kField
    std::optional<std::int64_t> first, last, every;   // kSlice
    bool single = false;                              // kSlice: [n]
    Doc literal;                                      // kLiteral
    std::vector<std::vector<PathStep>> branches;      // kUnion; kFilter: left and right
    std::string comparison;                           // kFilter; empty: left exists
};

using PathSteps = std::vector<PathStep>;

struct PathSegment {
    enum class Kind { kText, kExpression, kRange };
    Kind kind = Kind::kText;
    std::string text;
    PathSteps steps;
    std::vector<PathSegment> body;   // kRange: for each result of steps
};

struct PathTemplate {
    std::vector<PathSegment> segments;
};

Result<PathTemplate> parse_path_template(std::string_view text);

}   // namespace aviary::json::internal
