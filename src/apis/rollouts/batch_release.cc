#include "apis/rollouts/batch_release.h"

#include "apis/internal/definition.h"
#include "apis/internal/fields_rollout.h"
#include "kube/meta/object.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<ReleaseBatch> = object(
    "", field("canaryReplicas", &ReleaseBatch::canary_replicas, "Cumulative.", {.required = true, .always = true}));
template <>
constexpr auto fields<ReleasePlan> = object(
    "Batches and a cursor.", field("batches", &ReleasePlan::batches, ""),
    field("batchPartition", &ReleasePlan::batch_partition, "0-based; absent: promote everything and finalise."),
    field("rolloutID", &ReleasePlan::rollout_id, ""), field("failureThreshold", &ReleasePlan::failure_threshold, ""),
    field("finalizingPolicy", &ReleasePlan::finalizing_policy, ""),
    field("patchPodTemplateMetadata", &ReleasePlan::patch_pod_template_metadata, ""),
    field("rollingStyle", &ReleasePlan::rolling_style, ""),
    field("enableExtraWorkloadForCanary", &ReleasePlan::enable_extra_workload_for_canary, "", {.always = true}));
template <>
constexpr auto fields<BatchReleaseSpec> =
    object("", field("workloadRef", &BatchReleaseSpec::workload_ref, ""),
           field("releasePlan", &BatchReleaseSpec::release_plan, "", {.required = true, .always = true}));
template <>
constexpr auto fields<BatchCanaryStatus> =
    object("", field("batchState", &BatchCanaryStatus::batch_state, ""),
           field("currentBatch", &BatchCanaryStatus::current_batch, "", {.always = true}),
           field("batchReadyTime", &BatchCanaryStatus::batch_ready_time, ""),
           field("updatedReplicas", &BatchCanaryStatus::updated_replicas, ""),
           field("updatedReadyReplicas", &BatchCanaryStatus::updated_ready_replicas, ""),
           field("noNeedUpdateReplicas", &BatchCanaryStatus::no_need_update_replicas, ""));
template <>
constexpr auto fields<BatchReleaseStatus> =
    object("", field("conditions", &BatchReleaseStatus::conditions, ""),
           field("canaryStatus", &BatchReleaseStatus::canary_status, ""),
           field("stableRevision", &BatchReleaseStatus::stable_revision, ""),
           field("updateRevision", &BatchReleaseStatus::update_revision, ""),
           field("observedGeneration", &BatchReleaseStatus::observed_generation, ""),
           field("observedRolloutID", &BatchReleaseStatus::observed_rollout_id, ""),
           field("observedWorkloadReplicas", &BatchReleaseStatus::observed_workload_replicas, ""),
           field("collisionCount", &BatchReleaseStatus::collision_count, ""),
           field("observedReleasePlanHash", &BatchReleaseStatus::observed_release_plan_hash, ""),
           field("phase", &BatchReleaseStatus::phase, ""), field("message", &BatchReleaseStatus::message, ""));

}   // namespace aviary::json

namespace aviary::apis {

Result<BatchRelease> read_batch_release(json::Doc const& object) {
    BatchRelease release;
    auto spec = json::read<BatchReleaseSpec>(object["spec"], "spec");
    if (!spec) {
        // As of a Rollout.
        json::Value readable = object["spec"].thaw();
        json::Value& plan = readable["releasePlan"];
        json::erase_unreadable(plan, "failureThreshold");
        if (meta::is_deleting(object)) plan.make_object().erase("batches");
        spec = json::read<BatchReleaseSpec>(json::Doc::freeze(readable), "spec");
    }
    release.spec = TRY(std::move(spec));
    release.status = TRY(json::read<BatchReleaseStatus>(object["status"], "status"));
    return release;
}

json::Value write_batch_release_spec(BatchReleaseSpec const& spec) { return json::to_value(spec); }
json::Value write_batch_release_status(BatchReleaseStatus const& status) { return json::to_value(status); }

Definition batch_release_definition() {
    Definition definition;
    definition.group = "rollouts.kruise.io";
    definition.version = "v1beta1";
    definition.kind = "BatchRelease";
    definition.plural = "batchreleases";
    definition.description = "The child of a Rollout that moves pods.";
    definition.spec = json::schema_of<BatchReleaseSpec>();
    definition.status = json::schema_of<BatchReleaseStatus>();
    definition.columns = {{"KIND", "string", ".spec.workloadRef.kind"},
                          {"PHASE", "string", ".status.phase"},
                          {"BATCH", "integer", ".status.canaryStatus.currentBatch"},
                          {"BATCH-STATE", "string", ".status.canaryStatus.batchState"},
                          {"AGE", "date", ".metadata.creationTimestamp"}};
    definition.older = {older_batch_release(definition)};
    return definition;
}

}   // namespace aviary::apis
