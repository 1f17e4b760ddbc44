// YAML documents to JSON trees and back. libyaml ends in the .cc. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/value.h"

namespace aviary::yaml {

struct ParseLimits {
    std::size_t max_bytes = 16 << 20;   // of the text; aliases may stand for four times as many
    std::size_t max_depth = 128;
    std::size_t max_nodes = 1'000'000;   // counts what anchors keep and aliases expand to
};

// All documents of a stream; empty ones are left out. BadRequest with line and column for malformed text, duplicate
// keys, limits and .inf or .nan. Plain scalars follow YAML 1.1 as Kubernetes' tools read it: y/yes/on are true, 010 is
// octal.
Result<std::vector<json::Value>> parse_all(std::string_view text, ParseLimits limits = {});
// Exactly one document.
Result<json::Value> parse(std::string_view text, ParseLimits limits = {});

// As `kubectl -o yaml` prints: block style, keys sorted, folded at 80. Bytes that are not UTF-8 are replaced.
std::string write(json::Value const& value);

}   // namespace aviary::yaml
