// Pods and the pod templates of workloads.
#include <fmt/format.h>

#include <set>
#include <string>

#include "kube/apiserver/builtin/internal/validate.h"
#include "kube/meta/names.h"
#include "kube/meta/quantity.h"

namespace aviary::builtin::internal {

namespace {

void validate_name_in_list(std::string path, std::string_view name, std::set<std::string_view>& taken, Causes& causes) {
    if (name.empty()) {
        causes.required(std::move(path));
    } else if (auto problem = meta::dns1123_label_problem(name)) {
        causes.invalid(std::move(path), name, *problem);
    } else if (!taken.insert(name).second) {
        causes.duplicate(std::move(path), name);
    }
}

std::set<std::string_view> validate_volumes(std::string const& path, json::Value const& volumes, Causes& causes) {
    std::set<std::string_view> names;
    auto const& list = volumes.array();
    for (std::size_t i = 0; i < list.size(); ++i) {
        validate_name_in_list(child(indexed(path, i), "name"), list[i]["name"].as_string(), names, causes);
        // The name and one source.
        if (list[i].size() > 2) causes.forbidden(indexed(path, i), "may not specify more than 1 volume type");
    }
    return names;
}

void validate_resources(std::string const& path, json::Value const& resources, Causes& causes) {
    for (std::string_view side : {"limits", "requests"}) {
        for (auto const& [name, value] : resources[side].object()) {
            auto quantity = meta::Quantity::parse(value.as_string());
            std::string at = fmt::format("{}.{}[{}]", path, side, name);
            if (!quantity) {
                causes.invalid(
                    at, value,
                    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
            } else if (*quantity < meta::Quantity()) {
                causes.invalid(at, value, "must be greater than or equal to 0");
            }
        }
    }
    for (auto const& [name, value] : resources["requests"].object()) {
        auto request = meta::Quantity::parse(value.as_string());
        auto limit = meta::Quantity::parse(resources.at({"limits", name}).as_string());
        if (request && limit && *request > *limit) {
            causes.invalid(child(path, "requests"), value,
                           fmt::format("must be less than or equal to {} limit of {}", name, limit->to_string()));
        }
    }
}

void validate_container_ports(std::string const& path, json::Value const& ports, Causes& causes) {
    auto const& list = ports.array();
    for (std::size_t i = 0; i < list.size(); ++i) {
        std::string at = indexed(path, i);
        if (list[i]["containerPort"].as_int() == 0) {
            causes.required(child(at, "containerPort"));
        } else {
            causes.expect_port(child(at, "containerPort"), list[i]["containerPort"]);
        }
        causes.expect_one_of(child(at, "protocol"), list[i]["protocol"], {"SCTP", "TCP", "UDP"});
    }
}

void validate_mounts(std::string const& path, json::Value const& mounts, std::set<std::string_view> const& volumes,
                     Causes& causes) {
    auto const& list = mounts.array();
    std::set<std::string_view> paths;
    for (std::size_t i = 0; i < list.size(); ++i) {
        std::string at = indexed(path, i);
        std::string_view volume = list[i]["name"].as_string();
        std::string_view mount = list[i]["mountPath"].as_string();
        if (volume.empty()) {
            causes.required(child(at, "name"));
        } else if (!volumes.contains(volume)) {
            causes.not_found(child(at, "name"), volume);
        }
        if (mount.empty()) {
            causes.required(child(at, "mountPath"));
        } else if (!paths.insert(mount).second) {
            causes.invalid(child(at, "mountPath"), mount, "must be unique");
        }
    }
}

void validate_container(std::string const& path, json::Value const& container,
                        std::set<std::string_view> const& volumes, Causes& causes) {
    if (container["image"].as_string().empty()) causes.required(child(path, "image"));
    causes.expect_one_of(child(path, "imagePullPolicy"), container["imagePullPolicy"],
                         {"Always", "IfNotPresent", "Never"});
    causes.expect_one_of(child(path, "terminationMessagePolicy"), container["terminationMessagePolicy"],
                         {"FallbackToLogsOnError", "File"});
    validate_container_ports(child(path, "ports"), container["ports"], causes);
    validate_mounts(child(path, "volumeMounts"), container["volumeMounts"], volumes, causes);
    validate_resources(child(path, "resources"), container["resources"], causes);
    auto const& env = container["env"].array();
    for (std::size_t i = 0; i < env.size(); ++i) {
        std::string at = indexed(child(path, "env"), i);
        if (env[i]["name"].as_string().empty()) causes.required(child(at, "name"));
        if (env[i].contains("valueFrom") && !env[i]["value"].as_string().empty()) {
            causes.invalid(child(at, "valueFrom"), "", "may not be specified when `value` is not empty");
        }
    }
}

// What may change in a pod that exists: images, deadlines, tolerations, gates.
json::Value fixed_part(json::Value spec) {
    for (std::string_view member :
         {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates", "nodeName"}) {
        spec.erase(member);
    }
    for (std::string_view list : {"containers", "initContainers"}) {
        json::Value* containers = spec.find(list);
        if (!containers || !containers->is_array()) continue;
        for (json::Value& container : containers->make_array()) container.erase("image");
    }
    return spec;
}

}   // namespace

void validate_pod_spec(std::string path, json::Value const& spec, Causes& causes) {
    std::set<std::string_view> volumes = validate_volumes(child(path, "volumes"), spec["volumes"], causes);
    std::set<std::string_view> names;
    auto const& containers = spec["containers"].array();
    if (containers.empty()) causes.required(child(path, "containers"));
    for (std::string_view list : {"containers", "initContainers"}) {
        auto const& entries = spec[list].array();
        for (std::size_t i = 0; i < entries.size(); ++i) {
            std::string at = indexed(child(path, list), i);
            validate_name_in_list(child(at, "name"), entries[i]["name"].as_string(), names, causes);
            validate_container(at, entries[i], volumes, causes);
        }
    }
    causes.expect_one_of(child(path, "restartPolicy"), spec["restartPolicy"], {"Always", "OnFailure", "Never"});
    causes.expect_one_of(child(path, "dnsPolicy"), spec["dnsPolicy"],
                         {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"});
    causes.expect_not_negative(child(path, "terminationGracePeriodSeconds"), spec["terminationGracePeriodSeconds"]);
    validate_labels(child(path, "nodeSelector"), spec["nodeSelector"], causes);
}

void validate_pod(json::Value const& pod, json::Doc const& old, Causes& causes) {
    validate_pod_spec("spec", pod["spec"], causes);
    if (!old.exists()) return;
    json::Value before = old["spec"].thaw();
    bool moved = !before["nodeName"].as_string().empty() && !(before["nodeName"] == pod.at({"spec", "nodeName"}));
    if (moved || !(fixed_part(before) == fixed_part(pod["spec"]))) {
        causes.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
    }
}

}   // namespace aviary::builtin::internal
