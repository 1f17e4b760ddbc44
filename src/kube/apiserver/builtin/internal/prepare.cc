#include "kube/apiserver/builtin/internal/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/internal/defaults.h"
#include "kube/meta/quantity.h"

namespace aviary::builtin::internal {

namespace {

json::Value toleration(std::string_view key) {
    return json::Object{{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}};
}

// The admission plugins ServiceAccount, Priority and DefaultTolerationSeconds, without token volumes.
void admit_pod(json::Value& spec) {
    set_default(spec, "serviceAccountName", "default");
    std::string account = std::as_const(spec)["serviceAccountName"].string();
    set_default(spec, "serviceAccount", account);
    set_default(spec, "priority", 0);
    set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
    for (std::string_view key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
        auto const& present = std::as_const(spec)["tolerations"].array();
        bool tolerated = std::ranges::any_of(present, [&](json::Value const& entry) {
            std::string_view effect = entry["effect"].as_string();
            std::string_view of = entry["key"].as_string();
            return (of == key || of.empty()) && (effect == "NoExecute" || effect.empty());
        });
        if (!tolerated) spec["tolerations"].push_back(toleration(key));
    }
}

void prepare_pod(json::Value& pod, json::Doc const& old) {
    if (old.exists()) return;
    admit_pod(pod["spec"]);
    std::string_view quality = quality_of_service(std::as_const(pod)["spec"]);
    pod["status"] = json::Object{{"phase", "Pending"}, {"qosClass", quality}};
}

void prepare_namespace(json::Value& object, json::Doc const& old) {
    if (old.exists()) return;
    json::Value& finalizers = object["spec"]["finalizers"];
    bool present = std::ranges::any_of(std::as_const(finalizers).array(),
                                       [](json::Value const& entry) { return entry.as_string() == "kubernetes"; });
    if (!present) finalizers.push_back("kubernetes");
    object["status"] = json::Object{{"phase", "Active"}};
}

void prepare_volume(json::Value& object, json::Doc const& old) {
    if (!old.exists()) object["status"] = json::Object{{"phase", "Pending"}};
}

// The server counts a DaemonSet's templates; apps/v1 has the count as an annotation.
void prepare_daemon_set(json::Value& object, json::Doc const& old) {
    constexpr std::string_view kAnnotation = "deprecated.daemonset.template.generation";
    json::Value const& read = object;
    std::int64_t generation = parse_int(old.exists() ? old.at({"metadata", "annotations"})[kAnnotation].as_string()
                                                     : read.at({"metadata", "annotations", kAnnotation}).as_string())
                                  .value_or(0);
    bool const changed = old.exists() && !(old.at({"spec", "template"}).thaw() == read.at({"spec", "template"}));
    generation = std::max<std::int64_t>(generation, old.exists() ? 0 : 1) + (changed ? 1 : 0);
    object.set({"metadata", "annotations", kAnnotation}, std::to_string(generation));
}

void prepare_job(json::Value& object, json::Doc const& old) {
    json::Value const& read = object;
    if (old.exists() || read.at({"spec", "manualSelector"}).as_bool()) return;
    std::string uid = read.at({"metadata", "uid"}).string();
    std::string name = read.at({"metadata", "name"}).string();
    json::Value& labels = object["spec"]["template"]["metadata"]["labels"];
    set_default(labels, "batch.kubernetes.io/job-name", name);
    set_default(labels, "job-name", name);
    set_default(labels, "batch.kubernetes.io/controller-uid", uid);
    set_default(labels, "controller-uid", uid);
    set_default(object["spec"]["selector"]["matchLabels"], "batch.kubernetes.io/controller-uid", uid);
}

// Stand-ins for the allocators of addresses and node ports: stable numbers from the service's name. Two services may
// share one by chance, which matters to nobody as no packets flow.
std::string cluster_address(std::string_view service) {
    std::uint32_t number = fnv1a_32(service) % 0xFFFF0 + 10;   // 10.96.0.0/12 without its first addresses
    return fmt::format("10.{}.{}.{}", 96 + (number >> 16), (number >> 8) & 255, number & 255);
}

void carry_over(json::Value& spec, json::Doc const& old_spec, std::string_view member) {
    if (!spec.contains(member) && old_spec.contains(member)) spec[member] = old_spec[member].thaw();
}

void assign_node_ports(json::Value& spec, json::Doc const& old_spec, std::string_view service) {
    json::Value* ports = spec.find("ports");
    if (!ports || !ports->is_array()) return;
    for (json::Value& port : ports->make_array()) {
        json::Value const& read = port;
        if (read["nodePort"].as_int() != 0) continue;
        std::int64_t number = 0;
        for (auto [_, before] : old_spec["ports"].elements()) {
            bool same = before["port"].as_int() == read["port"].as_int() &&
                        before["protocol"].as_string() == read["protocol"].as_string();
            if (same) number = before["nodePort"].as_int();
        }
        if (number == 0) number = 30000 + fnv1a_32(fmt::format("{}:{}", service, read["port"].as_int())) % 2768;
        port["nodePort"] = number;
    }
}

void prepare_service(json::Value& object, json::Doc const& old) {
    json::Value& spec = object["spec"];
    json::Doc old_spec = old["spec"];
    std::string type = std::as_const(spec)["type"].string();
    std::string service = fmt::format("{}/{}", std::as_const(object).at({"metadata", "namespace"}).as_string(),
                                      std::as_const(object).at({"metadata", "name"}).as_string());
    if (type == "ExternalName") {
        for (std::string_view member : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) spec.erase(member);
        return;
    }
    for (std::string_view member : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"}) {
        carry_over(spec, old_spec, member);
    }
    json::Value const& listed = std::as_const(spec)["clusterIPs"][0];
    std::string address = listed.is_string() ? listed.string() : cluster_address(service);
    set_default(spec, "clusterIP", address);
    address = std::as_const(spec)["clusterIP"].string();
    if (std::as_const(spec)["clusterIPs"].size() == 0) spec["clusterIPs"] = json::Array{address};
    if (std::as_const(spec)["ipFamilies"].size() == 0) {
        spec["ipFamilies"] = json::Array{address.find(':') == std::string::npos ? "IPv4" : "IPv6"};
    }
    set_default(spec, "ipFamilyPolicy", "SingleStack");
    bool balanced = type == "LoadBalancer" && std::as_const(spec)["allocateLoadBalancerNodePorts"].as_bool(true);
    if (type == "NodePort" || balanced) assign_node_ports(spec, old_spec, service);
}

struct Entry {
    std::string_view group, kind;
    PrepareFunction function;
};

constexpr std::array kEntries{
    Entry{"", "Pod", prepare_pod},
    Entry{"", "Namespace", prepare_namespace},
    Entry{"", "Service", prepare_service},
    Entry{"", "PersistentVolume", prepare_volume},
    Entry{"", "PersistentVolumeClaim", prepare_volume},
    Entry{"apps", "DaemonSet", prepare_daemon_set},
    Entry{"batch", "Job", prepare_job},
};

}   // namespace

PrepareFunction prepare_function(std::string_view group, std::string_view kind) {
    for (Entry const& entry : kEntries) {
        if (entry.group == group && entry.kind == kind) return entry.function;
    }
    return nullptr;
}

bool drops_status_on_create(std::string_view group, std::string_view kind) {
    // Kubelets register with their status in one request.
    return !(group.empty() && kind == "Node");
}

std::string_view quality_of_service(json::Value const& pod_spec) {
    bool any = false;
    bool guaranteed = true;
    for (std::string_view list : {"containers", "initContainers"}) {
        for (json::Value const& container : pod_spec[list].array()) {
            for (std::string_view resource : {"cpu", "memory"}) {
                auto amount = [&](std::string_view side) {
                    auto quantity = meta::Quantity::parse(container.at({"resources", side, resource}).as_string());
                    return quantity.value_or(meta::Quantity());
                };
                meta::Quantity requests = amount("requests");
                meta::Quantity limits = amount("limits");
                bool limited = limits > meta::Quantity();
                any = any || limited || requests > meta::Quantity();
                guaranteed = guaranteed && limited && requests == limits;
            }
        }
    }
    if (!any) return "BestEffort";
    return guaranteed ? "Guaranteed" : "Burstable";
}

}   // namespace aviary::builtin::internal
