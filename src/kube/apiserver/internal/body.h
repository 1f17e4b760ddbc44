// Request bodies as documents: JSON, YAML and Kubernetes' protobuf, within the server's limits. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "kube/apiserver/server.h"

namespace aviary::apiserver {

// UnsupportedMediaType for other types, BadRequest for malformed bodies and too deep ones, TooLarge.
Result<json::Doc> parse_body(std::string const& body, std::string_view type, Options const& options);

}   // namespace aviary::apiserver
