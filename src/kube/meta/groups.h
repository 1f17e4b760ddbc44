// LeaderWorkerSets (leaderworkerset.x-k8s.io): pods in groups of a leader and its workers, as their own controller
// labels them and keeps their revisions.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::meta {

inline GroupVersionResource const kLeaderWorkerSets{"leaderworkerset.x-k8s.io", "v1", "leaderworkersets"};
inline constexpr std::string_view kLeaderWorkerSet = "LeaderWorkerSet";

// On pods, StatefulSets and ControllerRevisions.
inline constexpr std::string_view kGroupSetLabel = "leaderworkerset.sigs.k8s.io/name";
inline constexpr std::string_view kGroupIndexLabel = "leaderworkerset.sigs.k8s.io/group-index";
inline constexpr std::string_view kWorkerIndexLabel = "leaderworkerset.sigs.k8s.io/worker-index";   // of a leader "0"
inline constexpr std::string_view kGroupKeyLabel = "leaderworkerset.sigs.k8s.io/group-key";
inline constexpr std::string_view kGroupRevisionLabel = "leaderworkerset.sigs.k8s.io/template-revision-hash";

// Of spec: what a revision of one is.
inline constexpr std::string_view kGroupTemplate = "leaderWorkerTemplate";
inline constexpr std::string_view kGroupNetwork = "networkConfig";

// Whether this object is one, or a reference names one.
bool is_leader_worker_set(json::Doc const& object);
// What a set's spec, or that of a revision's data, says of groups, to be compared. Fields that say nothing are left
// out, and the network is there: their controller writes both down where it fills them in.
json::Value groups_of(json::Doc const& spec);
// Equal for objects of other kinds.
bool same_groups(json::Doc const& left, json::Doc const& right);

// The template of a workload's pods; of a LeaderWorkerSet that of its workers.
json::Doc pod_template_of(json::Doc const& workload);
// Which pods and ControllerRevisions may be a workload's, as a label selector; empty: it does not say.
Result<std::string> pod_selector_of(json::Doc const& workload);

}   // namespace aviary::meta
