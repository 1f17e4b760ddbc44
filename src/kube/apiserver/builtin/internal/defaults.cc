// Defaults of everything but pods.
#include "kube/apiserver/builtin/internal/defaults.h"

#include <array>

#include "core/base/strings.h"

namespace aviary::builtin::internal {

namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";

json::Value const& at(json::Value const& value, std::string_view member) { return value[member]; }

template <class Function>
void each(json::Value* list, Function function) {
    if (!list || !list->is_array()) return;
    for (json::Value& element : list->make_array()) function(element);
}

void default_template(json::Value& spec) { default_pod_spec(spec["template"]["spec"]); }

void default_deployment(json::Value& object) {
    json::Value& spec = object["spec"];
    default_template(spec);
    set_default(spec, "replicas", 1);
    set_default(spec, "revisionHistoryLimit", 10);
    set_default(spec, "progressDeadlineSeconds", 600);
    json::Value& strategy = spec["strategy"];
    set_default(strategy, "type", "RollingUpdate");
    if (at(strategy, "type").as_string() == "RollingUpdate") {
        json::Value& rolling = strategy["rollingUpdate"];
        set_default(rolling, "maxUnavailable", "25%");
        set_default(rolling, "maxSurge", "25%");
    }
}

void default_replica_set(json::Value& object) {
    default_template(object["spec"]);
    set_default(object["spec"], "replicas", 1);
}

void default_replication_controller(json::Value& object) {
    json::Value& spec = object["spec"];
    set_default(spec, "replicas", 1);
    json::Value const& read = spec;
    if (!read["template"].is_object()) return;
    default_template(spec);
    json::Value labels = read.at({"template", "metadata", "labels"});
    if (labels.size() == 0) return;
    if (at(spec, "selector").size() == 0) spec["selector"] = labels;
    json::Value& metadata = object["metadata"];
    if (at(metadata, "labels").size() == 0) metadata["labels"] = labels;
}

void default_volume_claim(json::Value& claim) {
    set_default(claim["spec"], "volumeMode", "Filesystem");
    set_default(claim["status"], "phase", "Pending");
}

void default_stateful_set(json::Value& object) {
    json::Value& spec = object["spec"];
    default_template(spec);
    set_default(spec, "podManagementPolicy", "OrderedReady");
    json::Value& strategy = spec["updateStrategy"];
    bool typed = !at(strategy, "type").as_string().empty();
    set_default(strategy, "type", "RollingUpdate");
    bool rolling = at(strategy, "type").as_string() == "RollingUpdate";
    if (rolling && (!typed || at(strategy, "rollingUpdate").is_object())) {
        set_default(strategy["rollingUpdate"], "partition", 0);
        set_default(strategy["rollingUpdate"], "maxUnavailable", 1);
    }
    json::Value& retention = spec["persistentVolumeClaimRetentionPolicy"];
    set_default(retention, "whenDeleted", "Retain");
    set_default(retention, "whenScaled", "Retain");
    set_default(spec, "replicas", 1);
    set_default(spec, "revisionHistoryLimit", 10);
    each(spec.find("volumeClaimTemplates"), [](json::Value& claim) {
        set_default(claim, "apiVersion", "v1");
        set_default(claim, "kind", "PersistentVolumeClaim");
        default_volume_claim(claim);
    });
}

void default_daemon_set(json::Value& object) {
    json::Value& spec = object["spec"];
    default_template(spec);
    json::Value& strategy = spec["updateStrategy"];
    set_default(strategy, "type", "RollingUpdate");
    if (at(strategy, "type").as_string() == "RollingUpdate") {
        set_default(strategy["rollingUpdate"], "maxUnavailable", 1);
        set_default(strategy["rollingUpdate"], "maxSurge", 0);
    }
    set_default(spec, "revisionHistoryLimit", 10);
}

void default_job(json::Value& object) {
    json::Value& spec = object["spec"];
    default_template(spec);
    if (!spec.contains("completions") && !spec.contains("parallelism")) spec["completions"] = 1;
    set_default(spec, "parallelism", 1);
    set_default(spec, "backoffLimit", spec.contains("backoffLimitPerIndex") ? 2147483647 : 6);
    set_default(spec, "completionMode", "NonIndexed");
    set_default(spec, "suspend", false);
    set_default(spec, "podReplacementPolicy", spec.contains("podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
    set_default(spec, "manualSelector", false);
    json::Value labels = std::as_const(spec).at({"template", "metadata", "labels"});
    json::Value& metadata = object["metadata"];
    if (labels.size() > 0 && at(metadata, "labels").size() == 0) metadata["labels"] = std::move(labels);
}

void default_cron_job(json::Value& object) {
    json::Value& spec = object["spec"];
    default_template(spec["jobTemplate"]["spec"]);
    set_default(spec, "concurrencyPolicy", "Allow");
    set_default(spec, "suspend", false);
    set_default(spec, "successfulJobsHistoryLimit", 3);
    set_default(spec, "failedJobsHistoryLimit", 1);
}

void default_pod_template(json::Value& object) { default_template(object); }

void default_autoscaler_v1(json::Value& object) {
    set_default(object["spec"], "minReplicas", 1);
    set_default(object["spec"], "targetCPUUtilizationPercentage", 80);
}

void default_scaling_rules(json::Value& rules, bool up) {
    set_default(rules, "selectPolicy", "Max");
    if (up) set_default(rules, "stabilizationWindowSeconds", 0);
    if (at(rules, "policies").size() > 0) return;
    json::Array policies;
    if (up) policies.push_back(json::Object{{"type", "Pods"}, {"value", 4}, {"periodSeconds", 15}});
    policies.push_back(json::Object{{"type", "Percent"}, {"value", 100}, {"periodSeconds", 15}});
    rules["policies"] = std::move(policies);
}

void default_autoscaler_v2(json::Value& object) {
    json::Value& spec = object["spec"];
    set_default(spec, "minReplicas", 1);
    if (at(spec, "metrics").size() == 0) {
        json::Object target{{"type", "Utilization"}, {"averageUtilization", 80}};
        json::Object resource{{"name", "cpu"}, {"target", std::move(target)}};
        json::Array metrics;
        metrics.push_back(json::Object{{"type", "Resource"}, {"resource", std::move(resource)}});
        spec["metrics"] = std::move(metrics);
    }
    if (json::Value* behavior = spec.find("behavior"); behavior && behavior->is_object()) {
        default_scaling_rules((*behavior)["scaleUp"], true);
        default_scaling_rules((*behavior)["scaleDown"], false);
    }
}

void default_secret(json::Value& object) {
    set_default(object, "type", "Opaque");
    json::Value const* texts = object.find("stringData");
    if (!texts) return;
    json::Value given = *texts;
    object.erase("stringData");
    for (auto const& [key, text] : given.object())
        object["data"][std::string_view(key)] = base64_encode(text.as_string());
}

void default_namespace(json::Value& object) {
    std::string name = std::as_const(object).at({"metadata", "name"}).string();
    if (!name.empty()) object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    set_default(object["status"], "phase", "Active");
}

void default_node(json::Value& object) {
    json::Value* status = object.find("status");
    if (!status || !status->contains("capacity") || at(*status, "allocatable").size() > 0) return;
    json::Value capacity = at(*status, "capacity");
    (*status)["allocatable"] = std::move(capacity);
}

void default_persistent_volume(json::Value& object) {
    set_default(object["status"], "phase", "Pending");
    set_default(object["spec"], "persistentVolumeReclaimPolicy", "Retain");
    set_default(object["spec"], "volumeMode", "Filesystem");
    if (json::Value* host_path = object["spec"].find("hostPath"); host_path && !host_path->contains("type")) {
        (*host_path)["type"] = "";
    }
}

void fill_missing(json::Value& target, json::Value const& source) {
    for (auto const& [name, value] : source.object()) {
        if (!target.contains(name)) target[std::string_view(name)] = value;
    }
}

void default_limit_range(json::Value& object) {
    each(object["spec"].find("limits"), [](json::Value& item) {
        if (at(item, "type").as_string() != "Container") return;
        item["default"].make_object();
        item["defaultRequest"].make_object();
        fill_missing(item["default"], json::Value(at(item, "max")));
        fill_missing(item["defaultRequest"], json::Value(at(item, "default")));
        fill_missing(item["defaultRequest"], json::Value(at(item, "min")));
    });
}

void default_endpoints(json::Value& object) {
    each(object.find("subsets"), [](json::Value& subset) {
        each(subset.find("ports"), [](json::Value& port) { set_default(port, "protocol", "TCP"); });
    });
}

void default_endpoint_slice(json::Value& object) {
    each(object.find("ports"), [](json::Value& port) {
        set_default(port, "name", "");
        set_default(port, "protocol", "TCP");
    });
}

void default_binding(json::Value& object) {
    if (json::Value* role = object.find("roleRef")) set_default(*role, "apiGroup", kRbac);
    each(object.find("subjects"), [](json::Value& subject) {
        std::string_view kind = at(subject, "kind").as_string();
        if (kind == "User" || kind == "Group") set_default(subject, "apiGroup", kRbac);
    });
}

void default_network_policy(json::Value& object) {
    json::Value& spec = object["spec"];
    for (std::string_view direction : {"ingress", "egress"}) {
        each(spec.find(direction), [](json::Value& rule) {
            each(rule.find("ports"), [](json::Value& port) { set_default(port, "protocol", "TCP"); });
        });
    }
    if (at(spec, "policyTypes").size() > 0) return;
    json::Array types{"Ingress"};
    if (at(spec, "egress").size() > 0) types.push_back("Egress");
    spec["policyTypes"] = std::move(types);
}

void default_ingress_class(json::Value& object) {
    if (json::Value* parameters = object["spec"].find("parameters")) set_default(*parameters, "scope", "Cluster");
}

void default_storage_class(json::Value& object) {
    set_default(object, "reclaimPolicy", "Delete");
    set_default(object, "volumeBindingMode", "Immediate");
}

void default_priority_class(json::Value& object) { set_default(object, "preemptionPolicy", "PreemptLowerPriority"); }

void default_webhook(json::Value& hook) {
    set_default(hook, "failurePolicy", "Fail");
    set_default(hook, "matchPolicy", "Equivalent");
    set_default(hook, "namespaceSelector", json::Object());
    set_default(hook, "objectSelector", json::Object());
    set_default(hook, "timeoutSeconds", 10);
    json::Value* client = hook.find("clientConfig");
    if (json::Value* service = client ? client->find("service") : nullptr) set_default(*service, "port", 443);
    each(hook.find("rules"), [](json::Value& rule) { set_default(rule, "scope", "*"); });
}

void default_validating_webhooks(json::Value& object) { each(object.find("webhooks"), default_webhook); }

void default_mutating_webhooks(json::Value& object) {
    each(object.find("webhooks"), [](json::Value& hook) {
        default_webhook(hook);
        set_default(hook, "reinvocationPolicy", "Never");
    });
}

void default_api_service(json::Value& object) {
    if (json::Value* service = object["spec"].find("service")) set_default(*service, "port", 443);
}

void default_custom_resource(json::Value& object) {
    json::Value& spec = object["spec"];
    json::Value& names = spec["names"];
    std::string kind = at(names, "kind").string();
    set_default(names, "singular", to_lower(kind));
    if (!kind.empty()) set_default(names, "listKind", kind + "List");
    if (!at(spec, "conversion").is_object()) spec["conversion"] = json::Object{{"strategy", "None"}};
    json::Value& conversion = spec["conversion"];
    json::Value* webhook = conversion.find("webhook");
    json::Value* client = webhook ? webhook->find("clientConfig") : nullptr;
    if (json::Value* service = client ? client->find("service") : nullptr) set_default(*service, "port", 443);
}

struct Entry {
    std::string_view group, version, kind;
    DefaultFunction function;
};

constexpr std::array kEntries{
    Entry{"", "v1", "Pod", default_pod},
    Entry{"", "v1", "PodTemplate", default_pod_template},
    Entry{"", "v1", "ReplicationController", default_replication_controller},
    Entry{"", "v1", "Service", default_service},
    Entry{"", "v1", "Secret", default_secret},
    Entry{"", "v1", "Namespace", default_namespace},
    Entry{"", "v1", "Node", default_node},
    Entry{"", "v1", "PersistentVolume", default_persistent_volume},
    Entry{"", "v1", "PersistentVolumeClaim", default_volume_claim},
    Entry{"", "v1", "LimitRange", default_limit_range},
    Entry{"", "v1", "Endpoints", default_endpoints},
    Entry{"apps", "v1", "Deployment", default_deployment},
    Entry{"apps", "v1", "ReplicaSet", default_replica_set},
    Entry{"apps", "v1", "StatefulSet", default_stateful_set},
    Entry{"apps", "v1", "DaemonSet", default_daemon_set},
    Entry{"batch", "v1", "Job", default_job},
    Entry{"batch", "v1", "CronJob", default_cron_job},
    Entry{"autoscaling", "v1", "HorizontalPodAutoscaler", default_autoscaler_v1},
    Entry{"autoscaling", "v2", "HorizontalPodAutoscaler", default_autoscaler_v2},
    Entry{"discovery.k8s.io", "v1", "EndpointSlice", default_endpoint_slice},
    Entry{kRbac, "v1", "RoleBinding", default_binding},
    Entry{kRbac, "v1", "ClusterRoleBinding", default_binding},
    Entry{"networking.k8s.io", "v1", "NetworkPolicy", default_network_policy},
    Entry{"networking.k8s.io", "v1", "IngressClass", default_ingress_class},
    Entry{"storage.k8s.io", "v1", "StorageClass", default_storage_class},
    Entry{"scheduling.k8s.io", "v1", "PriorityClass", default_priority_class},
    Entry{"admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", default_validating_webhooks},
    Entry{"admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", default_mutating_webhooks},
    Entry{"apiregistration.k8s.io", "v1", "APIService", default_api_service},
    Entry{"apiextensions.k8s.io", "v1", "CustomResourceDefinition", default_custom_resource},
};

}   // namespace

void default_service(json::Value& object) {
    json::Value& spec = object["spec"];
    set_default(spec, "sessionAffinity", "None");
    if (at(spec, "sessionAffinity").as_string() == "None") spec.erase("sessionAffinityConfig");
    if (at(spec, "sessionAffinity").as_string() == "ClientIP") {
        set_default(spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds", 10800);
    }
    set_default(spec, "type", "ClusterIP");
    each(spec.find("ports"), [](json::Value& port) {
        set_default(port, "protocol", "TCP");
        json::Value const& target = at(port, "targetPort");
        bool none = target.is_null() || (target.is_int() && target.as_int() == 0) ||
                    (target.is_string() && target.as_string().empty());
        std::int64_t number = at(port, "port").as_int();
        if (none) port["targetPort"] = number;
    });
    std::string type = at(spec, "type").string();
    bool external =
        type == "NodePort" || type == "LoadBalancer" || (type == "ClusterIP" && at(spec, "externalIPs").size() > 0);
    if (external) set_default(spec, "externalTrafficPolicy", "Cluster");
    if (type != "ExternalName") set_default(spec, "internalTrafficPolicy", "Cluster");
    if (type == "LoadBalancer") set_default(spec, "allocateLoadBalancerNodePorts", true);
}

DefaultFunction default_function(std::string_view group, std::string_view version, std::string_view kind) {
    for (Entry const& entry : kEntries) {
        if (entry.group == group && entry.version == version && entry.kind == kind) return entry.function;
    }
    return nullptr;
}

}   // namespace aviary::builtin::internal
