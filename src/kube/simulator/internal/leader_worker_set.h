// Decides one sync of one LeaderWorkerSet and of one pod of its groups, as the controllers of leaderworkerset.x-k8s.io
// (0.8) do. A group is a leader, which a StatefulSet of the set's name makes, and the workers of a StatefulSet that the
// leader pod owns. Not simulated: subgroups, exclusive topologies, gang scheduling.
#pragma once

#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"
#include "kube/meta/groups.h"

namespace aviary::simulator {

struct LeaderWorkerSetView {
    json::Doc set;
    json::Doc leaders;                  // the StatefulSet of its name; absent: there is none
    std::vector<json::Doc> workers;     // StatefulSets that carry its name
    std::vector<json::Doc> pods;        // that carry its name
    std::vector<json::Doc> revisions;   // that it controls
    json::Doc service;                  // of its name
};
// Pure.
control::Plan decide_leader_worker_set(LeaderWorkerSetView const& view, Time now);

struct GroupPodView {
    json::Doc pod;
    json::Doc set;
    json::Doc leader;                   // of the pod's group; absent: there is none
    std::vector<json::Doc> group;       // all pods of the group
    json::Doc workers;                  // the StatefulSet of the leader's name
    std::vector<json::Doc> revisions;   // that the set controls
    json::Doc service;                  // of the pod's name
};
// The group starts together and, when its restartPolicy says so, goes as a whole. Pure.
control::Plan decide_group_pod(GroupPodView const& view, Time now);

// What the webhook of LeaderWorkerSets adds to a pod of a group when it is made: which one it is, in labels and in the
// environment of its containers. Others stay as they are.
void complete_group_pod(json::Value& pod);

// The newest of the revisions with this hash; absent: there is none.
json::Doc group_revision(std::vector<json::Doc> const& revisions, std::string_view hash);

}   // namespace aviary::simulator
