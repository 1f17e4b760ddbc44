// Requests of clients that send built-in kinds as protobuf (`kubectl create` from 1.32, client-go with its protobuf
// content type). Answers are JSON, which all of them accept. Pure; thread-safe.
#pragma once

#include <string_view>

#include "core/base/result.h"
#include "core/json/value.h"

namespace aviary::builtin {

bool is_protobuf(std::string_view content_type);   // application/vnd.kubernetes.protobuf

// The object in a request's body. BadRequest when it is malformed, UnsupportedMediaType when it is of a kind that we
// can read as JSON alone.
Result<json::Value> decode_protobuf(std::string_view body);

}   // namespace aviary::builtin
