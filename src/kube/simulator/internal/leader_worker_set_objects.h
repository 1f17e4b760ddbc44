// What LeaderWorkerSets make: StatefulSets, Services and ControllerRevisions.
#pragma once

#include <string>
#include <string_view>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/simulator/internal/leader_worker_set.h"

namespace aviary::simulator {

inline constexpr std::string_view kSizeAnnotation = "leaderworkerset.sigs.k8s.io/size";
inline constexpr std::string_view kReplicasAnnotation = "leaderworkerset.sigs.k8s.io/replicas";
inline constexpr std::string_view kLeaderNameAnnotation = "leaderworkerset.sigs.k8s.io/leader-name";
inline constexpr std::string_view kSubdomainAnnotation = "leaderworkerset.sigs.k8s.io/subdomainPolicy";

std::int64_t group_size(json::Doc const& set);
std::int64_t group_index(json::Doc const& object);   // -1: of no group
// Whether all groups are found under one Service, instead of each under its own.
bool shared_domain(json::Doc const& set);

// What a revision keeps of a set, and the revision.
json::Value group_revision_data(json::Doc const& set);
json::Value group_revision_object(json::Doc const& set, json::Value data, std::string hash, std::int64_t number);

json::Value leaders_object(json::Doc const& set, std::string const& revision, std::int64_t partition,
                           std::int64_t replicas);
// The workers of this leader, by the template of its revision.
json::Value workers_object(json::Doc const& set, json::Doc const& leader, json::Doc const& revision);
// Finds the pods of the set, or of one group; `owner` is the set or the leader.
json::Value headless_service(json::Doc const& set, json::Doc const& owner, std::string name, std::string group);

}   // namespace aviary::simulator
