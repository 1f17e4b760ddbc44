// The OpenAPI v3 document of one group and version.
#pragma once

#include "core/json/value.h"
#include "kube/apiserver/builtin/internal/openapi_types.h"

namespace aviary::builtin::internal {

json::Value v3_document(Resources const& resources);

}   // namespace aviary::builtin::internal
