// Validation of built-in kinds beyond their schemas: the essentials, in Kubernetes' words.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/apiserver/builtin/internal/causes.h"

namespace aviary::builtin::internal {

using ValidateFunction = void (*)(json::Value const& object, json::Doc const& old, Causes& causes);

// Null when names and labels are all there is to check.
ValidateFunction validate_function(std::string_view group, std::string_view kind);

// Names (on creation), labels and annotations.
void validate_metadata(std::string_view group, std::string_view kind, json::Value const& object, json::Doc const& old,
                       Causes& causes);

void validate_labels(std::string path, json::Value const& labels, Causes& causes);
void validate_selector(std::string path, json::Value const& selector, Causes& causes);
void validate_pod_spec(std::string path, json::Value const& spec, Causes& causes);   // validate_pod.cc
void validate_pod(json::Value const& pod, json::Doc const& old, Causes& causes);     // validate_pod.cc
// validate_workloads.cc
void validate_deployment(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_replica_set(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_stateful_set(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_daemon_set(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_replication_controller(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_job(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_cron_job(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_autoscaler(json::Value const& object, json::Doc const& old, Causes& causes);
void validate_disruption_budget(json::Value const& object, json::Doc const& old, Causes& causes);

}   // namespace aviary::builtin::internal
