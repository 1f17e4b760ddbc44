// The cells of built-in kinds for `kubectl get`, one function per kind, in the order of the kind's columns.
#pragma once

#include <string_view>

#include "kube/apiserver/registry.h"

namespace aviary::builtin::internal {

// Null when the kind shows name and creation time alone.
apiserver::RowFunction row_function(std::string_view group, std::string_view kind);

json::Array pod_row(json::Doc const& pod, Time now);                 // rows_pod.cc
json::Array autoscaler_row(json::Doc const& autoscaler, Time now);   // rows_autoscaler.cc

// rows_workloads.cc
json::Array pod_template_row(json::Doc const& object, Time now);
json::Array replication_controller_row(json::Doc const& object, Time now);
json::Array deployment_row(json::Doc const& object, Time now);
json::Array replica_set_row(json::Doc const& object, Time now);
json::Array stateful_set_row(json::Doc const& object, Time now);
json::Array daemon_set_row(json::Doc const& object, Time now);
json::Array controller_revision_row(json::Doc const& object, Time now);
json::Array job_row(json::Doc const& object, Time now);
json::Array cron_job_row(json::Doc const& object, Time now);
json::Array disruption_budget_row(json::Doc const& object, Time now);

// rows_network.cc
json::Array service_row(json::Doc const& object, Time now);
json::Array endpoints_row(json::Doc const& object, Time now);
json::Array endpoint_slice_row(json::Doc const& object, Time now);
json::Array ingress_row(json::Doc const& object, Time now);
json::Array ingress_class_row(json::Doc const& object, Time now);
json::Array network_policy_row(json::Doc const& object, Time now);

// rows_cluster.cc
json::Array node_row(json::Doc const& object, Time now);
json::Array event_row(json::Doc const& object, Time now);
json::Array namespace_row(json::Doc const& object, Time now);
json::Array secret_row(json::Doc const& object, Time now);
json::Array service_account_row(json::Doc const& object, Time now);
json::Array config_map_row(json::Doc const& object, Time now);
json::Array volume_row(json::Doc const& object, Time now);
json::Array volume_claim_row(json::Doc const& object, Time now);
json::Array quota_row(json::Doc const& object, Time now);
json::Array role_binding_row(json::Doc const& object, Time now);
json::Array lease_row(json::Doc const& object, Time now);
json::Array priority_class_row(json::Doc const& object, Time now);
json::Array storage_class_row(json::Doc const& object, Time now);
json::Array webhook_row(json::Doc const& object, Time now);
json::Array api_service_row(json::Doc const& object, Time now);

}   // namespace aviary::builtin::internal
