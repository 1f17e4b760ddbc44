// BatchRelease rollouts.kruise.io/v1beta1: the child of a Rollout that moves pods; batches and a cursor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apis/rollouts/rollout.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kBatchReleases{"rollouts.kruise.io", "v1beta1", "batchreleases"};

struct ReleaseBatch {
    meta::IntOrPercent canary_replicas;   // cumulative
    bool operator==(ReleaseBatch const&) const = default;
};

struct ReleasePlan {
    std::vector<ReleaseBatch> batches;
    std::optional<std::int64_t> batch_partition;   // cursor, 0-based; absent: promote everything and finalise
    std::string rollout_id;
    std::optional<meta::IntOrPercent> failure_threshold;
    std::string finalizing_policy;   // WaitResume | Immediate
    std::optional<PatchPodTemplateMetadata> patch_pod_template_metadata;
    std::string rolling_style;   // Partition | Canary | BlueGreen
    bool enable_extra_workload_for_canary = false;
};

struct BatchReleaseSpec {
    std::optional<WorkloadRef> workload_ref;
    ReleasePlan release_plan;
};

struct BatchCanaryStatus {
    std::string batch_state;   // Upgrading | Verifying | Ready
    std::int64_t current_batch = 0;
    std::string batch_ready_time;   // RFC 3339
    std::int64_t updated_replicas = 0;
    std::int64_t updated_ready_replicas = 0;
    std::optional<std::int64_t> no_need_update_replicas;
    bool operator==(BatchCanaryStatus const&) const = default;
};

struct BatchReleaseStatus {
    std::vector<RolloutCondition> conditions;
    BatchCanaryStatus canary_status;
    std::string stable_revision;
    std::string update_revision;
    std::int64_t observed_generation = 0;
    std::string observed_rollout_id;
    std::int64_t observed_workload_replicas = 0;
    std::optional<std::int64_t> collision_count;
    std::string observed_release_plan_hash;
    std::string phase;   // Preparing | Progressing | Finalizing | Completed
    std::string message;
    bool operator==(BatchReleaseStatus const&) const = default;
};

struct BatchRelease {
    BatchReleaseSpec spec;
    BatchReleaseStatus status;
};

Result<BatchRelease> read_batch_release(json::Doc const& object);
json::Value write_batch_release_spec(BatchReleaseSpec const& spec);
json::Value write_batch_release_status(BatchReleaseStatus const& status);

}   // namespace aviary::apis
