// The kinds of workload that the users of a simulation release, as their owners write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::sim {

inline constexpr char kNamespace[] = "demo";
inline constexpr char kName[] = "web";
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};

// Of text that is well-formed.
json::Value parse(std::string_view text);

// Of a Rollout: three steps, of which each waits.
struct Style {
    char const* strategy;   // without steps
    char const* steps = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";
};

struct WorkloadKind {
    meta::GroupVersionKind kind;
    meta::GroupVersionResource resource;
    meta::GroupVersionResource revisions;   // what its controller keeps of each version
    char const* spec;                       // beside selector and template
    std::vector<Style> styles;
    bool scales = true;
    std::int64_t pods = 1;   // of each of its replicas
    std::int64_t replicas = 10;
    bool gated = false;   // its owner gives its pods the gate that keeps them out of service while they change

    bool daemons() const { return !scales; }
    bool groups() const { return pods > 1; }
    bool custom() const { return resource.group == "example.org"; }
};
std::vector<WorkloadKind> const& workload_kinds();
// Others of the same resources, which only some seeds have.
std::vector<WorkloadKind> const& older_kinds();
std::vector<WorkloadKind> const& ordered_kinds();
std::vector<WorkloadKind> const& in_place_kinds();
// "statefulsets.apps.kruise.io" and the others.
bool is_workload(std::string const& group_resource);

// "Deployment (deployments.apps)"
std::string name_of(WorkloadKind const& kind);

// Its first version, and a Rollout of it in this style.
json::Value make_workload(WorkloadKind const& kind, std::string const& image);
json::Value make_rollout(WorkloadKind const& kind, Style const& style);
// The merge patch that gives it another version.
json::Value with_image(WorkloadKind const& kind, std::string const& image);

}   // namespace aviary::sim
