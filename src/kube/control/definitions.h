// Installing CustomResourceDefinitions.
#pragma once

#include <string_view>
#include <vector>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::control {

// What to do about a definition that is there: bring it up to date unless a newer version of this program wrote it, or
// leave it to whoever made it. One that is left has to serve the version that would be stored.
enum class Existing { kUpdate, kLeave };

// Annotation: the version of the program that has brought the definition up to date.
inline constexpr std::string_view kDefinitionsVersion = "fleet.aviary.dev/definitions-version";

// Creates what is missing of these definitions, and waits until all are served.
Task<Status> install_definitions(Context ctx, client::Client client, std::vector<json::Value> definitions,
                                 Existing existing = Existing::kUpdate);

}   // namespace aviary::control
