// The namespace that joining makes in a member for the hub's account, and leaving takes away again.
#pragma once

#include <string>

#include "core/async/task.h"
#include "kube/client/client.h"

namespace aviary::hub {

// Where it is missing it is made, and marked as made here.
Task<Status> make_namespace(Context ctx, client::Client member, std::string name);

// Takes it away where it has that mark, and no more than Kubernetes puts into every namespace: nobody else's are lost
// with it. Answers what keeps it, "deployments aviary-member"; empty: it is gone, or it was not made here.
Task<Result<std::string>> forget_namespace(Context ctx, client::Client member, std::string name);

}   // namespace aviary::hub
