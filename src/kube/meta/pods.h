// Pods and their templates as the controllers of workloads read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/json/doc.h"

namespace aviary::meta {

// What the Deployment controller notes on ReplicaSets and, but for the hash, on Deployments.
inline constexpr std::string_view kTemplateHashLabel = "pod-template-hash";
// On pods of StatefulSets and DaemonSets, and on their ControllerRevisions.
inline constexpr std::string_view kRevisionHashLabel = "controller-revision-hash";
inline constexpr std::string_view kRevisionAnnotation = "deployment.kubernetes.io/revision";
inline constexpr std::string_view kRevisionHistoryAnnotation = "deployment.kubernetes.io/revision-history";
inline constexpr std::string_view kDesiredReplicasAnnotation = "deployment.kubernetes.io/desired-replicas";
inline constexpr std::string_view kMaxReplicasAnnotation = "deployment.kubernetes.io/max-replicas";

// Equal but for the hash label, which controllers add; a null is as good as none.
bool same_template(json::Doc const& left, json::Doc const& right);
// Our own stable hash of a template, for names; `salt` sets apart templates that collide.
std::string template_hash(json::Doc const& pod_template, std::int64_t salt = 0);

bool is_finished(json::Doc const& pod);   // has ended, for good
bool is_active(json::Doc const& pod);     // neither finished nor told to go
bool is_ready(json::Doc const& pod);      // condition Ready

}   // namespace aviary::meta
