#include "users.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/check.h"
#include "core/json/parse.h"
#include "kube/meta/object.h"

namespace aviary::sim {

namespace {

using json::Doc;
using json::Value;

meta::ObjectKey const kWeb{kNamespace, kName};
meta::GroupVersionResource const kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};

constexpr char kPartition[] = R"({"canary":{}})";
constexpr char kCanary[] = R"({"canary":{"enableExtraWorkloadForCanary":true}})";
constexpr char kBlueGreen[] = R"({"blueGreen":{}})";
constexpr char kSteps[] = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";

Value parse(std::string_view text) { return *json::parse_value(text); }

bool unheld(Doc const& partition) {
    return partition.is_string() ? partition.as_string() == "0%" : partition.as_int() == 0;
}

WorkloadKind native(char const* kind, char const* resource, char const* revisions, char const* spec,
                    std::vector<char const*> strategies, bool scales) {
    return {
        {"apps", "v1", kind}, {"apps", "v1", resource}, {"apps", "v1", revisions}, spec, std::move(strategies), scales};
}

}   // namespace

std::vector<WorkloadKind> const& workload_kinds() {
    static std::vector<WorkloadKind> const kinds{
        native("Deployment", "deployments", "replicasets", R"({"replicas":10})", {kPartition, kCanary, kBlueGreen},
               true),
        // An ordered one waits for a pod that fails until somebody deletes it.
        native("StatefulSet", "statefulsets", "controllerrevisions",
               R"({"replicas":10,"podManagementPolicy":"Parallel"})", {kPartition}, true),
        native("DaemonSet", "daemonsets", "controllerrevisions", "{}", {kPartition}, false),
        {{"apps.kruise.io", "v1alpha1", "CloneSet"},
         {"apps.kruise.io", "v1alpha1", "clonesets"},
         {"apps", "v1", "controllerrevisions"},
         R"({"replicas":10,"updateStrategy":{"type":"ReCreate","maxUnavailable":1}})",
         {kPartition},
         true},
    };
    return kinds;
}

WorkloadKind const& workload_kind(std::string_view kind) {
    auto const found = std::ranges::find_if(workload_kinds(), [&](auto const& each) { return each.kind.kind == kind; });
    AVIARY_CHECK(found != workload_kinds().end());
    return *found;
}

Value make_workload(WorkloadKind const& kind, std::string const& image) {
    Value object = with_image(image);
    object["apiVersion"] = kind.resource.api_version();
    object["kind"] = kind.kind.kind;
    object["metadata"] = json::Object{{"name", kName}, {"namespace", kNamespace}};
    object.set({"spec", "selector"}, parse(R"({"matchLabels":{"app":"web"}})"));
    object.set({"spec", "template", "metadata"}, parse(R"({"labels":{"app":"web"}})"));
    Value const more = parse(kind.spec);
    for (auto const& [key, value] : more.object()) object.set({"spec", key}, value);
    return object;
}

Value make_rollout(WorkloadKind const& kind, char const* strategy) {
    Value object = parse(
        R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"demo"},
            "spec":{"workloadRef":{"name":"web"}}})");
    object.set({"spec", "workloadRef", "apiVersion"}, kind.resource.api_version());
    object.set({"spec", "workloadRef", "kind"}, kind.kind.kind);
    Value with_steps = parse(strategy);
    for (auto& [style, each] : with_steps.make_object()) each["steps"] = parse(kSteps);
    object.set({"spec", "strategy"}, std::move(with_steps));
    return object;
}

Value with_image(std::string const& image) {
    Value patch{json::Object()};
    patch.set({"spec", "template", "spec", "containers"},
              json::Array{json::Object{{"name", "main"}, {"image", image}}});
    return patch;
}

std::string image_of(Doc const& workload) {
    return workload.at({"spec", "template", "spec", "containers"})[0]["image"].string();
}

Task<std::string> differs_in(Context ctx, client::Client member, WorkloadKind const& kind, std::string image,
                             std::int64_t replicas) {
    auto const rollout = co_await member.get(ctx, apis::kRollouts, kWeb);
    auto const workload = co_await member.get(ctx, kind.resource, kWeb);
    if (!rollout || !workload) co_return fmt::format("no Rollout or no {}", kind.kind.kind);
    Doc const status = (*rollout)["status"];
    if (status["phase"].as_string() != "Healthy") {
        co_return fmt::format("{} at step {} in {}: {}", status["phase"].as_string(),
                              apis::release_status(*rollout)["currentStepIndex"].as_int(),
                              apis::release_status(*rollout)["currentStepState"].as_string(),
                              status["message"].as_string());
    }
    if (image_of(*workload) != image) co_return fmt::format("has {}, not {}", image_of(*workload), image);
    // Its counts are those of the template before, for the moment between two writes.
    if (workload->at({"status", "observedGeneration"}).as_int() != workload->at({"metadata", "generation"}).as_int())
        co_return "the workload has not been looked at since it was changed";
    bool const daemons = kind.kind.kind == "DaemonSet";
    std::vector<char const*> const counts =
        daemons ? std::vector{"currentNumberScheduled", "updatedNumberScheduled", "numberReady"}
                : std::vector{"replicas", "updatedReplicas", "readyReplicas"};
    for (char const* count : counts) {
        std::int64_t const there = workload->at({"status", count}).as_int();
        if (there != replicas) co_return fmt::format("{} is {}, not {}", count, there, replicas);
    }
    co_return std::string();
}

Task<std::string> leftovers_in(Context ctx, client::Client member, WorkloadKind const& kind) {
    std::string found;
    auto const workloads = co_await member.list(ctx, kind.resource, {.ns = kNamespace});
    auto const revisions = co_await member.list(ctx, kind.revisions, {.ns = kNamespace});
    if (!workloads || !revisions) co_return "they cannot be listed";
    for (auto const& list : {*workloads, *revisions}) {
        for (auto const& [index, object] : list["items"].elements()) {
            for (char const* map : {"annotations", "labels"}) {
                for (auto const& [key, value] : object.at({"metadata", map}).members()) {
                    bool const release =
                        key.find("rollouts.kruise.io/") != std::string_view::npos && key != apis::kWorkloadTypeLabel;
                    if (release) found += fmt::format("{} on {}; ", key, meta::name(object));
                }
            }
        }
    }
    if ((*workloads)["items"].size() != 1)
        co_return found + fmt::format("{} workloads; ", (*workloads)["items"].size());
    Doc const spec = (*workloads)["items"][0]["spec"];
    Doc const strategy = spec[spec["strategy"].exists() ? "strategy" : "updateStrategy"];
    if (spec["paused"].as_bool()) found += "the workload is paused; ";
    std::string const own = parse(kind.spec).at({"updateStrategy", "type"}).string();
    if (strategy["type"].as_string() != (own.empty() ? "RollingUpdate" : own) || strategy["paused"].as_bool() ||
        !unheld(strategy.at({"rollingUpdate", "partition"})) || !unheld(strategy["partition"]))
        found += "the workload's strategy is not its own; ";
    auto const autoscaler = co_await member.get(ctx, kAutoscalers, kWeb);
    if (autoscaler && autoscaler->at({"spec", "scaleTargetRef", "name"}).as_string() != kName)
        found += "the autoscaler is off; ";
    auto const batches = co_await member.list(ctx, apis::kBatchReleases, {.ns = kNamespace});
    if (!batches || (*batches)["items"].size() > 0) found += "a BatchRelease; ";
    co_return found;
}

}   // namespace aviary::sim
