#include "users.h"

#include <fmt/format.h>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "reading.h"

namespace aviary::sim {

namespace {

using json::Doc;
using json::Value;

meta::ObjectKey const kWeb{kNamespace, kName};
meta::GroupVersionResource const kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};

Task<std::string> pods_differ(Context ctx, client::Client member, std::string image, std::int64_t count) {
    auto const pods = co_await member.list(ctx, kPods, {.ns = kNamespace});
    if (!pods) co_return "the pods cannot be listed";
    auto const there = static_cast<std::int64_t>((*pods)["items"].size());
    if (there != count) co_return fmt::format("{} pods, not {}", there, count);
    for (auto const& [index, pod] : (*pods)["items"].elements()) {
        if (image_of_pod(pod) != image) co_return fmt::format("{} has {}", meta::name(pod), image_of_pod(pod));
    }
    co_return std::string();
}

// What a server makes of a spec that people wrote, but for how many it wants and in which version.
Task<Doc> spec_as_written(Context ctx, client::Client member, WorkloadKind const& kind, Doc spec) {
    Value workload = make_workload(kind, image_of(Doc::freeze(json::Object{{"spec", spec.thaw()}})));
    workload.set({"metadata", "name"}, "as-written");
    workload.set({"spec", "replicas"}, spec["replicas"].thaw());
    auto const made = co_await member.create(ctx, kind.resource, std::move(workload), {.dry_run = true});
    co_return made ? (*made)["spec"].detach() : Doc();
}

}   // namespace

Task<std::string> differs_in(Context ctx, client::Client member, WorkloadKind const& kind, std::string image) {
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
    // Its Rollout says so a moment later.
    if (!meta::annotation(*workload, apis::kInProgressingAnnotation).empty())
        co_return "a release of it begins, or ends";
    // Its counts are those of the template before, for the moment between two writes; of groups nothing says so.
    if (kind.groups()) {
        std::string const what = co_await pods_differ(ctx, member, image, kind.replicas * kind.pods);
        if (!what.empty()) co_return what;
    } else if (workload->at({"status", "observedGeneration"}).as_int() !=
               workload->at({"metadata", "generation"}).as_int()) {
        co_return "the workload has not been looked at since it was changed";
    }
    std::vector<char const*> const counts =
        kind.daemons() ? std::vector{"currentNumberScheduled", "updatedNumberScheduled", "numberReady"}
                       : std::vector{"replicas", "updatedReplicas", "readyReplicas"};
    for (char const* count : counts) {
        std::int64_t const there = workload->at({"status", count}).as_int();
        if (there != kind.replicas) co_return fmt::format("{} is {}, not {}", count, there, kind.replicas);
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
    Doc const own = co_await spec_as_written(ctx, member, kind, spec);
    if (own != spec) found += fmt::format("its spec is {}, not {}; ", json::write(spec), json::write(own));
    auto const autoscaler = co_await member.get(ctx, kAutoscalers, kWeb);
    if (autoscaler && autoscaler->at({"spec", "scaleTargetRef", "name"}).as_string() != kName)
        found += "the autoscaler is off; ";
    auto const batches = co_await member.list(ctx, apis::kBatchReleases, {.ns = kNamespace});
    if (!batches || (*batches)["items"].size() > 0) found += "a BatchRelease; ";
    co_return found;
}

Task<std::string> stable_version_in(Context ctx, client::Client member, WorkloadKind const& kind) {
    auto const there = co_await member.get(ctx, apis::kRollouts, kWeb);
    auto const revisions = co_await member.list(ctx, kind.revisions, {.ns = kNamespace});
    if (!there || !revisions || phase_of(*there) != "Progressing") co_return std::string();
    co_return version_of_revision(*revisions, apis::release_status(*there)["stableRevision"].as_string());
}

Task<Status> autoscale_in(Context ctx, client::Client member, WorkloadKind const& kind, std::int64_t least,
                          std::int64_t most) {
    Value autoscaler = parse(
        R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web","namespace":"demo"},
            "spec":{"scaleTargetRef":{"name":"web"}}})");
    autoscaler.set({"spec", "scaleTargetRef", "apiVersion"}, kind.resource.api_version());
    autoscaler.set({"spec", "scaleTargetRef", "kind"}, kind.kind.kind);
    autoscaler.set({"spec", "minReplicas"}, least);
    autoscaler.set({"spec", "maxReplicas"}, most);
    CO_TRY(co_await member.create(ctx, kAutoscalers, std::move(autoscaler)));
    co_return Status{};
}

Task<Status> bound_in(Context ctx, client::Client member, std::int64_t least, std::int64_t most) {
    Value patch{json::Object()};
    patch.set({"spec", "minReplicas"}, least);
    patch.set({"spec", "maxReplicas"}, most);
    CO_TRY(co_await member.patch(ctx, kAutoscalers, kWeb, client::PatchType::kMerge, std::move(patch)));
    co_return Status{};
}

std::int64_t some_replicas(Random& random, WorkloadKind const& kind) {
    return (4 + static_cast<std::int64_t>(random.below(12))) / kind.pods;
}

std::int64_t nothing_or_some(Extras& extras, WorkloadKind const& kind, Doc const& workload) {
    std::int64_t const some =
        std::max<std::int64_t>(2, (1 + static_cast<std::int64_t>(extras.random().below(12))) / kind.pods);
    return workload.at({"spec", "replicas"}).as_int() == 0 ? some : 0;
}

}   // namespace aviary::sim
