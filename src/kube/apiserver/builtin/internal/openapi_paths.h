// The operations of resources, from which OpenAPI of both versions is written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/apiserver/builtin/internal/openapi_types.h"

namespace aviary::builtin::internal {

struct Parameter {
    std::string_view name;
    std::string_view in;     // "query" or "path"
    std::string_view type;   // "string", "integer", "boolean"
};

struct Operation {
    std::string_view method;   // "get", "post" …
    std::string id;
    std::string_view action;   // "list", "watchlist", "post", "patch" …
    std::string group, version, kind;
    std::vector<Parameter> query;
    std::string body;     // schema of the request's body; empty: none
    std::string answer;   // schema of the answer
    std::string tag;
};

struct PathItem {
    std::string path;
    std::vector<Parameter> parameters;   // of the path
    std::vector<Operation> operations;
};

std::vector<PathItem> paths_for(Resources const& resources);

inline constexpr std::string_view kPatchTypes[] = {"application/json-patch+json", "application/merge-patch+json",
                                                   "application/strategic-merge-patch+json",
                                                   "application/apply-patch+yaml"};
// Those that a path's kind understands: strategic merge is for built-in kinds.
bool understands(Operation const& operation, std::string_view patch_type);

}   // namespace aviary::builtin::internal
