// What upstream fills in when a client says nothing, kind by kind. Each takes a whole object.
#pragma once

#include <string_view>

#include "core/json/value.h"

namespace aviary::builtin::internal {

using DefaultFunction = void (*)(json::Value& object);

// Null when the kind has no defaults beyond its shape.
DefaultFunction default_function(std::string_view group, std::string_view version, std::string_view kind);

// Sets the member when it is absent, null or an empty text.
void set_default(json::Value& object, std::string_view member, json::Value value);
// Defaults of a pod's spec wherever it stands; templates get no more than this.
void default_pod_spec(json::Value& spec);
void default_pod(json::Value& pod);
void default_service(json::Value& service);

}   // namespace aviary::builtin::internal
