#include "kube/apiserver/builtin/internal/validate.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <set>
#include <string>

#include "core/base/strings.h"
#include "kube/meta/names.h"

namespace aviary::builtin::internal {

namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
constexpr std::size_t kMaxAnnotationBytes = 256 * 1024;

std::optional<std::string> name_problem(std::string_view group, std::string_view kind, std::string_view name) {
    if (group == kRbac) return meta::path_segment_problem(name);
    if (group.empty() && (kind == "Namespace" || kind == "Service")) return meta::dns1123_label_problem(name);
    return meta::dns1123_subdomain_problem(name);
}

std::string key_path(std::string_view member, std::string_view key) { return fmt::format("{}[{}]", member, key); }

bool is_review(std::string_view group) { return group == "authorization.k8s.io" || group == "authentication.k8s.io"; }

void validate_annotations(json::Value const& annotations, Causes& causes) {
    std::size_t bytes = 0;
    for (auto const& [key, value] : annotations.object()) {
        if (auto problem = meta::label_key_problem(to_lower(key)))
            causes.invalid("metadata.annotations", key, *problem);
        bytes += key.size() + value.as_string().size();
    }
    if (bytes > kMaxAnnotationBytes) causes.too_long("metadata.annotations", "may not be more than 262144 bytes");
}

void validate_service_ports(json::Value const& spec, Causes& causes) {
    std::set<std::string_view> names;
    auto const& ports = spec["ports"].array();
    for (std::size_t i = 0; i < ports.size(); ++i) {
        std::string path = indexed("spec.ports", i);
        std::string_view name = ports[i]["name"].as_string();
        if (name.empty()) {
            if (ports.size() > 1) causes.required(child(path, "name"));
        } else if (auto problem = meta::dns1123_label_problem(name)) {
            causes.invalid(child(path, "name"), name, *problem);
        } else if (!names.insert(name).second) {
            causes.duplicate(child(path, "name"), name);
        }
        causes.expect_port(child(path, "port"), ports[i]["port"]);
        causes.expect_one_of(child(path, "protocol"), ports[i]["protocol"], {"SCTP", "TCP", "UDP"});
        if (ports[i]["targetPort"].is_int()) causes.expect_port(child(path, "targetPort"), ports[i]["targetPort"]);
    }
}

void validate_service(json::Value const& object, json::Doc const& old, Causes& causes) {
    json::Value const& spec = object["spec"];
    std::string_view type = spec["type"].as_string();
    bool headless = spec["clusterIP"].as_string() == "None";
    causes.expect_one_of("spec.type", spec["type"], {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
    causes.expect_one_of("spec.sessionAffinity", spec["sessionAffinity"], {"ClientIP", "None"});
    if (type == "ExternalName") {
        if (spec["externalName"].as_string().empty()) causes.required("spec.externalName");
    } else if (spec["ports"].size() == 0 && !headless) {
        causes.required("spec.ports");
    }
    if (type == "LoadBalancer" && headless) {
        causes.invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services");
    }
    validate_service_ports(spec, causes);
    validate_labels("spec.selector", spec["selector"], causes);
    std::string_view before = old.at({"spec", "clusterIP"}).as_string();
    bool had = old.exists() && !before.empty() && old.at({"spec", "type"}).as_string() != "ExternalName";
    if (had && type != "ExternalName" && spec["clusterIP"].as_string() != before) {
        causes.invalid("spec.clusterIPs[0]", json::Array{spec["clusterIP"]}, "may not change once set");
    }
}

// ConfigMaps and Secrets.
void validate_keys(json::Value const& object, json::Doc const& old, Causes& causes) {
    for (std::string_view member : {"data", "binaryData"}) {
        for (auto const& [key, value] : object[member].object()) {
            bool good = !key.empty() && key.size() <= 253 && key != "." && !key.starts_with("..");
            for (char c : key)
                good = good && (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.');
            if (!good) {
                causes.invalid(
                    key_path(member, key), key,
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
            }
        }
    }
    if (!old["immutable"].as_bool()) return;
    if (!object["immutable"].as_bool()) causes.forbidden("immutable", "field is immutable when `immutable` is set");
    for (std::string_view member : {"data", "binaryData"}) {
        if (!(object[member] == old[member].thaw()))
            causes.forbidden(std::string(member), "field is immutable when `immutable` is set");
    }
}

void validate_secret(json::Value const& object, json::Doc const& old, Causes& causes) {
    validate_keys(object, old, causes);
    for (auto const& [key, value] : object["data"].object()) {
        if (!base64_decode(value.as_string()))
            causes.invalid(key_path("data", key), "<secret contents redacted>", "must be base64");
    }
    if (old.exists()) causes.expect_unchanged("type", object["type"], old["type"].thaw());
}

void validate_role_binding(json::Value const& object, json::Doc const& old, Causes& causes) {
    if (object.at({"roleRef", "name"}).as_string().empty()) causes.required("roleRef.name");
    bool cluster = object["kind"].as_string() == "ClusterRoleBinding";
    if (cluster) {
        causes.expect_one_of("roleRef.kind", object.at({"roleRef", "kind"}), {"ClusterRole"});
    } else {
        causes.expect_one_of("roleRef.kind", object.at({"roleRef", "kind"}), {"Role", "ClusterRole"});
    }
    auto const& subjects = object["subjects"].array();
    for (std::size_t i = 0; i < subjects.size(); ++i) {
        std::string path = indexed("subjects", i);
        if (subjects[i]["name"].as_string().empty()) causes.required(child(path, "name"));
        causes.expect_one_of(child(path, "kind"), subjects[i]["kind"], {"ServiceAccount", "User", "Group"});
        bool account = subjects[i]["kind"].as_string() == "ServiceAccount";
        if (account && cluster && subjects[i]["namespace"].as_string().empty())
            causes.required(child(path, "namespace"));
    }
    if (old.exists() && !(object["roleRef"] == old["roleRef"].thaw())) {
        causes.invalid("roleRef", object["roleRef"], "cannot change roleRef");
    }
}

void validate_lease(json::Value const& object, json::Doc const&, Causes& causes) {
    json::Value const& seconds = object.at({"spec", "leaseDurationSeconds"});
    if (seconds.is_int() && seconds.as_int() <= 0)
        causes.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0");
    json::Value const& transitions = object.at({"spec", "leaseTransitions"});
    if (transitions.as_int() < 0)
        causes.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0");
}

struct Entry {
    std::string_view group, kind;
    ValidateFunction function;
};

constexpr std::array kEntries{
    Entry{"", "Pod", validate_pod},
    Entry{"", "Service", validate_service},
    Entry{"", "ConfigMap", validate_keys},
    Entry{"", "Secret", validate_secret},
    Entry{"", "ReplicationController", validate_replication_controller},
    Entry{"apps", "Deployment", validate_deployment},
    Entry{"apps", "ReplicaSet", validate_replica_set},
    Entry{"apps", "StatefulSet", validate_stateful_set},
    Entry{"apps", "DaemonSet", validate_daemon_set},
    Entry{"batch", "Job", validate_job},
    Entry{"batch", "CronJob", validate_cron_job},
    Entry{"autoscaling", "HorizontalPodAutoscaler", validate_autoscaler},
    Entry{"policy", "PodDisruptionBudget", validate_disruption_budget},
    Entry{kRbac, "RoleBinding", validate_role_binding},
    Entry{kRbac, "ClusterRoleBinding", validate_role_binding},
    Entry{"coordination.k8s.io", "Lease", validate_lease},
};

}   // namespace

ValidateFunction validate_function(std::string_view group, std::string_view kind) {
    for (Entry const& entry : kEntries) {
        if (entry.group == group && entry.kind == kind) return entry.function;
    }
    return nullptr;
}

void validate_metadata(std::string_view group, std::string_view kind, json::Value const& object, json::Doc const& old,
                       Causes& causes) {
    json::Value const& metadata = object["metadata"];
    std::string_view name = metadata["name"].as_string();
    if (!old.exists() && !is_review(group)) {
        if (name.empty()) {
            causes.required("metadata.name", "name or generateName is required");
        } else if (auto problem = name_problem(group, kind, name)) {
            causes.invalid("metadata.name", name, *problem);
        }
    }
    validate_labels("metadata.labels", metadata["labels"], causes);
    validate_annotations(metadata["annotations"], causes);
}

void validate_labels(std::string path, json::Value const& labels, Causes& causes) {
    for (auto const& [key, value] : labels.object()) {
        if (auto problem = meta::label_key_problem(key)) causes.invalid(path, key, *problem);
        if (auto problem = meta::label_value_problem(value.as_string())) causes.invalid(path, value, *problem);
    }
}

void validate_selector(std::string path, json::Value const& selector, Causes& causes) {
    validate_labels(child(path, "matchLabels"), selector["matchLabels"], causes);
    auto const& requirements = selector["matchExpressions"].array();
    for (std::size_t i = 0; i < requirements.size(); ++i) {
        std::string at = indexed(child(path, "matchExpressions"), i);
        std::string_view op = requirements[i]["operator"].as_string();
        bool values = requirements[i]["values"].size() > 0;
        if (op == "In" || op == "NotIn") {
            if (!values) causes.required(child(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
        } else if (op == "Exists" || op == "DoesNotExist") {
            if (values)
                causes.forbidden(child(at, "values"),
                                 "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        } else {
            causes.invalid(child(at, "operator"), op, "not a valid selector operator");
        }
        std::string_view key = requirements[i]["key"].as_string();
        if (auto problem = meta::label_key_problem(key)) causes.invalid(child(at, "key"), key, *problem);
    }
}

}   // namespace aviary::builtin::internal
