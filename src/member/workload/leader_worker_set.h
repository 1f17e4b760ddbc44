// LeaderWorkerSets, the workload of inference over several nodes: a unit is a whole group, a leader and its workers.
// Held by the partition of their rolloutStrategy; their own controller rolls them, the highest groups first, as many at
// a time as maxUnavailable and maxSurge say. It keeps no word of what it has seen in the status, and no count of groups
// that are new and ready: what is there is counted from its ControllerRevisions and the pods' labels.
#pragma once

#include <memory>
#include <vector>

#include "core/json/doc.h"
#include "kube/meta/groups.h"
#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

using meta::is_leader_worker_set;
using meta::kGroupRevisionLabel;
using meta::kGroupSetLabel;
using meta::kLeaderWorkerSet;
using meta::kLeaderWorkerSets;
using meta::same_groups;

std::unique_ptr<Workload> observe_leader_worker_set(NativeSetInputs inputs, Time now);

// The newest revision with what this set says; absent: there is none.
json::Doc group_revision(json::Doc const& set, std::vector<json::Doc> const& revisions);

}   // namespace aviary::workload
