// The data text behind builtin.h and what is read from it.
#pragma once

#include <string_view>

#include "core/json/doc.h"

namespace aviary::builtin::internal {

// {"version", "resources": […], "types": {name: OpenAPI v3 schema}, "empties": {name: [field]},
// "numbers": {name: protobuf field numbers}, "roles": […]}
extern std::string_view const kFactsText;

// The text, parsed on first use.
json::Doc const& facts();

inline constexpr std::string_view kSchemaPrefix = "#/components/schemas/";
inline constexpr std::string_view kMetaTypes = "io.k8s.apimachinery.pkg.apis.meta.v1.";

// The name a schema refers to, directly or by its only allOf; empty when it refers to none.
std::string_view reference_of(json::Doc const& schema);

}   // namespace aviary::builtin::internal
