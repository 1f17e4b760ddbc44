// The OpenAPI v2 ("swagger") document of a whole server, and its protobuf form (gnostic's openapi.v2.Document), which
// is all that clients before 1.22 understand.
#pragma once

#include <string>

#include "core/json/value.h"
#include "kube/apiserver/builtin/internal/openapi_types.h"

namespace aviary::builtin::internal {

json::Value swagger_document(Resources const& resources);
std::string swagger_protobuf(json::Value const& swagger);

}   // namespace aviary::builtin::internal
