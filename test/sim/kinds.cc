#include "kinds.h"

#include <fmt/format.h>

#include <set>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/validate.h"
#include "app/member/internal/test_game_sets.h"
#include "core/json/parse.h"

namespace aviary::sim {

namespace {

using json::Value;

constexpr Style kPartition{R"({"canary":{}})"};
constexpr Style kCanary{R"({"canary":{"enableExtraWorkloadForCanary":true}})"};
constexpr Style kBlueGreen{R"({"blueGreen":{}})"};
// Kruise's controller makes pods beside the old ones in steps up to half of them, or all at once.
constexpr Style kBlueGreenToHalf{R"({"blueGreen":{}})",
                                 R"([{"replicas":"10%"},{"replicas":"30%"},{"replicas":"50%"}])"};
constexpr Style kBlueGreenAtOnce{R"({"blueGreen":{}})",
                                 R"([{"replicas":"100%"},{"replicas":"100%"},{"replicas":"100%"}])"};

meta::GroupVersionResource const kControllerRevisions{"apps", "v1", "controllerrevisions"};

WorkloadKind native(char const* kind, char const* resource, char const* revisions, char const* spec,
                    std::vector<Style> styles, bool scales) {
    return {{"apps", "v1", kind}, {"apps", "v1", resource}, {"apps", "v1", revisions}, spec, std::move(styles), scales};
}

WorkloadKind kruise(char const* version, char const* kind, char const* resource, char const* spec,
                    std::vector<Style> styles = {kPartition}, bool scales = true) {
    return {{"apps.kruise.io", version, kind},
            {"apps.kruise.io", version, resource},
            kControllerRevisions,
            spec,
            std::move(styles),
            scales};
}

WorkloadKind gated(WorkloadKind kind) {
    kind.gated = true;
    return kind;
}

}   // namespace

Value parse(std::string_view text) { return *json::parse_value(text); }

std::vector<WorkloadKind> const& workload_kinds() {
    static std::vector<WorkloadKind> const kinds{
        native("Deployment", "deployments", "replicasets", R"({"replicas":10})", {kPartition, kCanary, kBlueGreen},
               true),
        // An ordered one waits for a pod that fails until somebody deletes it.
        native("StatefulSet", "statefulsets", "controllerrevisions",
               R"({"replicas":10,"podManagementPolicy":"Parallel"})", {kPartition}, true),
        native("DaemonSet", "daemonsets", "controllerrevisions", "{}", {kPartition}, false),
        kruise("v1alpha1", "CloneSet", "clonesets",
               R"({"replicas":10,"updateStrategy":{"type":"ReCreate","maxUnavailable":1}})",
               {kPartition, kBlueGreenToHalf, kBlueGreenAtOnce}),
        {{"leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet"},
         {"leaderworkerset.x-k8s.io", "v1", "leaderworkersets"},
         kControllerRevisions,
         R"({"replicas":5,"leaderWorkerTemplate":{"size":2}})",
         {kPartition},
         true,
         2,
         5},
        kruise("v1beta1", "StatefulSet", "statefulsets",
               R"({"replicas":10,"serviceName":"web","podManagementPolicy":"Parallel"})"),
        kruise("v1alpha1", "DaemonSet", "daemonsets", "{}", {kPartition}, false),
        // Of a kind that says by its label what it is like; its pods are made by a StatefulSet.
        {{"example.org", "v1", "GameSet"},
         member::kGameSets,
         kControllerRevisions,
         R"({"replicas":10,"serviceName":"web","podManagementPolicy":"Parallel",
             "updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}}})",
         {kPartition},
         true},
    };
    return kinds;
}

std::vector<WorkloadKind> const& older_kinds() {
    static std::vector<WorkloadKind> const kinds{
        kruise("v1alpha1", "StatefulSet", "statefulsets",
               R"({"replicas":10,"serviceName":"web","podManagementPolicy":"Parallel"})")};
    return kinds;
}

std::vector<WorkloadKind> const& ordered_kinds() {
    static std::vector<WorkloadKind> const kinds{
        native("StatefulSet", "statefulsets", "controllerrevisions",
               R"({"replicas":10,"podManagementPolicy":"OrderedReady"})", {kPartition}, true),
        kruise("v1beta1", "StatefulSet", "statefulsets",
               R"({"replicas":10,"serviceName":"web","podManagementPolicy":"OrderedReady"})")};
    return kinds;
}

std::vector<WorkloadKind> const& in_place_kinds() {
    static std::vector<WorkloadKind> const kinds{
        kruise("v1alpha1", "CloneSet", "clonesets",
               R"({"replicas":10,"updateStrategy":{"type":"InPlaceIfPossible","maxUnavailable":1}})"),
        gated(kruise("v1beta1", "StatefulSet", "statefulsets",
                     R"({"replicas":10,"serviceName":"web","podManagementPolicy":"Parallel",
             "updateStrategy":{"rollingUpdate":{"podUpdatePolicy":"InPlaceIfPossible"}}})"))};
    return kinds;
}

bool is_workload(std::string const& group_resource) {
    static std::set<std::string> const kAll = [] {
        std::set<std::string> all;
        for (WorkloadKind const& each : workload_kinds()) all.insert(each.resource.group_resource());
        return all;
    }();
    return kAll.contains(group_resource);
}

std::string name_of(WorkloadKind const& kind) {
    return fmt::format("{} ({})", kind.kind.kind, kind.resource.group_resource());
}

Value make_workload(WorkloadKind const& kind, std::string const& image) {
    Value object{json::Object{{"apiVersion", kind.resource.api_version()}, {"kind", kind.kind.kind}}};
    object["metadata"] = json::Object{{"name", kName}, {"namespace", kNamespace}};
    if (kind.custom()) object.set({"metadata", "labels", apis::kWorkloadTypeLabel}, apis::kStatefulSetType);
    object["spec"] = parse(kind.spec);
    Value pods = with_image(kind, image);
    if (kind.groups()) {
        Value& template_of = pods["spec"]["leaderWorkerTemplate"]["workerTemplate"];
        template_of["metadata"] = parse(R"({"labels":{"app":"web"}})");
        object.set({"spec", "leaderWorkerTemplate", "workerTemplate"}, std::move(template_of));
        return object;
    }
    object.set({"spec", "selector"}, parse(R"({"matchLabels":{"app":"web"}})"));
    object.set({"spec", "template"}, std::move(pods["spec"]["template"]));
    object.set({"spec", "template", "metadata"}, parse(R"({"labels":{"app":"web"}})"));
    if (kind.gated)
        object.set({"spec", "template", "spec", "readinessGates"},
                   parse(R"([{"conditionType":"InPlaceUpdateReady"}])"));
    return object;
}

Value make_rollout(WorkloadKind const& kind, Style const& style) {
    Value object = parse(
        R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"demo"},
            "spec":{"workloadRef":{"name":"web"}}})");
    object.set({"spec", "workloadRef", "apiVersion"}, kind.resource.api_version());
    object.set({"spec", "workloadRef", "kind"}, kind.kind.kind);
    Value with_steps = parse(style.strategy);
    for (auto& [name, each] : with_steps.make_object()) each["steps"] = parse(style.steps);
    object.set({"spec", "strategy"}, std::move(with_steps));
    return object;
}

Value with_image(WorkloadKind const& kind, std::string const& image) {
    Value patch{json::Object()};
    json::Array containers{json::Object{{"name", "main"}, {"image", image}}};
    if (kind.groups()) {
        patch.set({"spec", "leaderWorkerTemplate", "workerTemplate", "spec", "containers"}, std::move(containers));
    } else {
        patch.set({"spec", "template", "spec", "containers"}, std::move(containers));
    }
    return patch;
}

}   // namespace aviary::sim
