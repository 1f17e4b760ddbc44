// The compiled forms of a built-in type's schema, each made once per process. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/json/doc.h"
#include "kube/apiserver/registry.h"

namespace aviary::builtin::internal {

// The schema of a type by name, as it stands in the facts; absent when there is none.
json::Doc type_schema(std::string_view type);

// The numbers of a type's fields in protobuf; absent when it is not known in protobuf.
json::Doc field_numbers(std::string_view type);
// The type of a kind that requests carry ("apps/v1", "Deployment"); empty when there is none.
std::string type_of_kind(std::string_view api_version, std::string_view kind);

std::shared_ptr<schema::Schema const> structural_schema(std::string_view type);
std::shared_ptr<patch::TypeNode const> type_tree(std::string_view type);

}   // namespace aviary::builtin::internal
