// YAML documents to JSON trees and back. libyaml ends in the .cc. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/value.h"

namespace aviary::yaml {

struct ParseLimits {
    std::size_t max_bytes = 16 << 20;
    std::size_t max_depth = 128;
    std::size_t max_nodes = 1'000'000;   // counts what aliases expand to
};

// All documents of a stream; empty ones are left out. BadRequest with line and column for malformed text, duplicate
// keys and limits. Plain scalars follow YAML 1.1 as Kubernetes' tools read it: yes/no/on/off are booleans, 010 is
// octal.
Result<std::vector<json::Value>> parse_all(std::string_view text, ParseLimits limits = {});
// Exactly one document.
Result<json::Value> parse(std::string_view text, ParseLimits limits = {});

// Block style, keys sorted, as `kubectl -o yaml` prints.
std::string write(json::Value const& value);

}   // namespace aviary::yaml
