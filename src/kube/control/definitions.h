// Installing CustomResourceDefinitions.
#pragma once

#include <vector>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::control {

// What to do about a definition that is there: bring it up to date, or leave it to whoever made it, as long as it
// serves the version that would be stored.
enum class Existing { kUpdate, kLeave };

// Creates what is missing of these definitions, and waits until all are served.
Task<Status> install_definitions(Context ctx, client::Client client, std::vector<json::Value> definitions,
                                 Existing existing = Existing::kUpdate);

}   // namespace aviary::control
