// What happens to an object before it is validated, as upstream's strategies and the admission plugins that are always
// on do it: what clients may not set is dropped, what the server assigns is assigned. `old` is absent on creation.
#pragma once

#include <string_view>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::builtin::internal {

using PrepareFunction = void (*)(json::Value& object, json::Doc const& old);

// Null when there is nothing to do beyond what holds for all kinds.
PrepareFunction prepare_function(std::string_view group, std::string_view kind);
// True when a creation loses the status that the client sent.
bool drops_status_on_create(std::string_view group, std::string_view kind);

// "BestEffort", "Burstable" or "Guaranteed".
std::string_view quality_of_service(json::Value const& pod_spec);

}   // namespace aviary::builtin::internal
