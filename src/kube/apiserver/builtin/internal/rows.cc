#include "kube/apiserver/builtin/internal/rows.h"

#include <array>

namespace aviary::builtin::internal {

namespace {

struct Entry {
    std::string_view group, kind;
    json::Array (*row)(json::Doc const&, Time);
};

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
constexpr std::string_view kNetworking = "networking.k8s.io";
constexpr std::string_view kWebhooks = "admissionregistration.k8s.io";

constexpr std::array kEntries{
    Entry{"", "Pod", pod_row},
    Entry{"", "PodTemplate", pod_template_row},
    Entry{"", "ReplicationController", replication_controller_row},
    Entry{"", "Service", service_row},
    Entry{"", "Endpoints", endpoints_row},
    Entry{"", "Node", node_row},
    Entry{"", "Event", event_row},
    Entry{"events.k8s.io", "Event", event_row},
    Entry{"", "Namespace", namespace_row},
    Entry{"", "Secret", secret_row},
    Entry{"", "ServiceAccount", service_account_row},
    Entry{"", "ConfigMap", config_map_row},
    Entry{"", "PersistentVolume", volume_row},
    Entry{"", "PersistentVolumeClaim", volume_claim_row},
    Entry{"", "ResourceQuota", quota_row},
    Entry{"apps", "Deployment", deployment_row},
    Entry{"apps", "ReplicaSet", replica_set_row},
    Entry{"apps", "StatefulSet", stateful_set_row},
    Entry{"apps", "DaemonSet", daemon_set_row},
    Entry{"apps", "ControllerRevision", controller_revision_row},
    Entry{"batch", "Job", job_row},
    Entry{"batch", "CronJob", cron_job_row},
    Entry{"autoscaling", "HorizontalPodAutoscaler", autoscaler_row},
    Entry{"policy", "PodDisruptionBudget", disruption_budget_row},
    Entry{kRbac, "RoleBinding", role_binding_row},
    Entry{kRbac, "ClusterRoleBinding", role_binding_row},
    Entry{kNetworking, "Ingress", ingress_row},
    Entry{kNetworking, "IngressClass", ingress_class_row},
    Entry{kNetworking, "NetworkPolicy", network_policy_row},
    Entry{"discovery.k8s.io", "EndpointSlice", endpoint_slice_row},
    Entry{"coordination.k8s.io", "Lease", lease_row},
    Entry{"scheduling.k8s.io", "PriorityClass", priority_class_row},
    Entry{"storage.k8s.io", "StorageClass", storage_class_row},
    Entry{kWebhooks, "MutatingWebhookConfiguration", webhook_row},
    Entry{kWebhooks, "ValidatingWebhookConfiguration", webhook_row},
    Entry{"apiregistration.k8s.io", "APIService", api_service_row},
};

}   // namespace

apiserver::RowFunction row_function(std::string_view group, std::string_view kind) {
    for (Entry const& entry : kEntries) {
        if (entry.group == group && entry.kind == kind) return entry.row;
    }
    return {};
}

}   // namespace aviary::builtin::internal
