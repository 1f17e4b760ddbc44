// Which hub the identity in a member is of: the account, roles and bindings that joining makes there have the same
// names whoever joins, so that two hubs would overwrite, and take away, each other's.
#pragma once

#include <string>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::hub {

// `hub` is the uid of the namespace kube-system in the hub's cluster.
void mark_owner(json::Value& object, std::string hub);

// The other hub whose the identity is, by what is written on the account in `ns` and on the binding. Empty: it is of
// `own`, or of nobody that is known: there is none, or an earlier version made it.
Task<Result<std::string>> other_owner(Context ctx, client::Client member, std::string ns, std::string own);

}   // namespace aviary::hub
