// Kubernetes' JSONPath: `{.status.phase}`, `{.items[*].metadata.name}`, `{.conditions[?(@.type=="Ready")].status}`,
// `{range .items[*]}{.name}{"\n"}{end}`, as kubectl's -o jsonpath and the printer columns of definitions use it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"

namespace aviary::json {

namespace internal {
struct PathTemplate;
}

// A compiled template; immutable, cheap to copy.
class Path {
public:
    // Text with expressions in braces. BadRequest says at which character it cannot be understood.
    static Result<Path> parse_template(std::string_view text);
    // One expression without braces, as printer columns and --sort-by have it: `.metadata.name`; braces are taken too.
    static Result<Path> parse(std::string_view text);

    // What the template prints: results of one expression joined by a space, objects as JSON with sorted keys, absent
    // fields as nothing. BadRequest for what kubectl refuses too: an index out of bounds, types that do not compare.
    Result<std::string> print(Doc const& document) const;
    // All results in order. Text outside of braces is left out.
    Result<std::vector<Doc>> find(Doc const& document) const;

private:
    explicit Path(std::shared_ptr<internal::PathTemplate const> compiled) : compiled_(std::move(compiled)) {}
    std::shared_ptr<internal::PathTemplate const> compiled_;
};

}   // namespace aviary::json
