// The label by which the hub's Service finds the replica that leads: the others have nothing to answer with.
#pragma once

#include <string>

#include "core/async/task.h"
#include "kube/client/client.h"

namespace aviary::hub {

inline constexpr char kLeadingLabel[] = "fleet.aviary.dev/leading";

// Takes the label from whoever had it and gives it to this pod; tries again until that has worked or the context stops.
// The client is that of a term: a leader that is none any more marks nobody.
Task<void> mark_leading_pod(Context ctx, client::Client client, meta::ObjectKey pod);

}   // namespace aviary::hub
