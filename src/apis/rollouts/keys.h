// The labels, annotations, finalizers and words of OpenKruise Rollouts. Part of the API: spelled as upstream spells
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace aviary::apis {

inline constexpr std::string_view kRolloutsGroup = "rollouts.kruise.io";

// On workloads.
inline constexpr std::string_view kWorkloadTypeLabel = "rollouts.kruise.io/workload-type";
inline constexpr std::string_view kInProgressingAnnotation = "rollouts.kruise.io/in-progressing";
inline constexpr std::string_view kControlInfoAnnotation = "batchrelease.rollouts.kruise.io/control-info";
inline constexpr std::string_view kStableRevisionLabel = "rollouts.kruise.io/stable-revision";
inline constexpr std::string_view kAdvancedDeploymentLabel =
    "rollouts.kruise.io/controlled-by-advanced-deployment-controller";
inline constexpr std::string_view kDeploymentStrategyAnnotation = "rollouts.kruise.io/deployment-strategy";
inline constexpr std::string_view kDeploymentExtraStatusAnnotation = "rollouts.kruise.io/deployment-extra-status";
inline constexpr std::string_view kOriginalDeploymentStrategyAnnotation =
    "rollouts.kruise.io/original-deployment-strategy";

// On DaemonSets: the versions of the release as {"canary-revision","stable-revision"}, how far it is as {"partition",
// "batch-revision"} with the partition a text, and the type of their own updateStrategy.
inline constexpr std::string_view kDaemonSetRevisionAnnotation = "rollouts.kruise.io/daemonset-revision";
inline constexpr std::string_view kDaemonSetControlAnnotation = "rollouts.kruise.io/daemonset-advanced-control";
inline constexpr std::string_view kDaemonSetStrategyAnnotation =
    "rollouts.kruise.io/daemonset-original-update-strategy";

// Of the second Deployment of canary style: names the Deployment that it stands beside.
inline constexpr std::string_view kCanaryDeploymentLabel = "rollouts.kruise.io/canary-deployment";
inline constexpr std::string_view kCanaryDeploymentFinalizer = "finalizer.rollouts.kruise.io/batch-release";

// On the end of the name that a HorizontalPodAutoscaler scales, while a blue-green release is on.
inline constexpr std::string_view kSwitchedOffSuffix = "-DisableByRollout";

// On pods; the id also stands on workloads, as a label or an annotation.
inline constexpr std::string_view kRolloutIdLabel = "rollouts.kruise.io/rollout-id";
inline constexpr std::string_view kRolloutNameLabel = "rollouts.kruise.io/rollout-name";   // of RolloutHistories
inline constexpr std::string_view kRolloutBatchIdLabel = "rollouts.kruise.io/rollout-batch-id";
inline constexpr std::string_view kNoNeedUpdateLabel = "rollouts.kruise.io/no-need-update";

// On Rollouts and BatchReleases.
inline constexpr std::string_view kRolloutHashAnnotation = "rollouts.kruise.io/hash";
inline constexpr std::string_view kRollbackInBatchAnnotation = "rollouts.kruise.io/rollback-in-batch";
inline constexpr std::string_view kTrafficRoutingAnnotation = "rollouts.kruise.io/trafficrouting";
inline constexpr std::string_view kRollingStyleAnnotation = "rollouts.kruise.io/rolling-style";   // of v1alpha1
// The object in the version that it was converted from, where this one has no field for some of it.
inline constexpr std::string_view kConversionAnnotation = "rollouts.aviary.dev/converted-from";
// Of TrafficRoutings: their own, and one for each Rollout whose release holds it, before the Rollout's name.
inline constexpr std::string_view kTrafficRoutingFinalizer = "rollouts.kruise.io/trafficrouting";
inline constexpr std::string_view kHolderFinalizers = "progressing.rollouts.kruise.io/";
inline constexpr std::size_t kLongestHolder = 63;   // what Kubernetes lets stand behind the slash
// What a Rollout asks of its steps beside its fields (step_limits.h).
inline constexpr std::string_view kProgressDeadlineAnnotation = "rollouts.aviary.dev/progress-deadline-seconds";
inline constexpr std::string_view kOnDeadlineAnnotation = "rollouts.aviary.dev/on-deadline";
inline constexpr std::string_view kHealthySecondsAnnotation = "rollouts.aviary.dev/healthy-seconds";
// Rollouts of one namespace that have the same one move from step to step together.
inline constexpr std::string_view kGroupAnnotation = "rollouts.aviary.dev/group";
inline constexpr std::string_view kRolloutFinalizer = "rollouts.kruise.io/rollout";
inline constexpr std::string_view kBatchReleaseFinalizer = "rollouts.kruise.io/batch-release-finalizer";

// The partition of a StatefulSet that holds all of a new version back: above every ordinal.
inline constexpr std::int64_t kFrozenPartition = 32767;

namespace phase {
inline constexpr std::string_view kInitial = "Initial";
inline constexpr std::string_view kHealthy = "Healthy";
inline constexpr std::string_view kProgressing = "Progressing";
inline constexpr std::string_view kTerminating = "Terminating";
inline constexpr std::string_view kDisabled = "Disabled";
inline constexpr std::string_view kDisabling = "Disabling";
// Of BatchReleases, beside Progressing; Finalizing also of TrafficRoutings.
inline constexpr std::string_view kPreparing = "Preparing";
inline constexpr std::string_view kFinalizing = "Finalizing";
inline constexpr std::string_view kCompleted = "Completed";
}   // namespace phase

namespace condition {
inline constexpr std::string_view kProgressing = "Progressing";
inline constexpr std::string_view kSucceeded = "Succeeded";
inline constexpr std::string_view kTerminating = "Terminating";
// Not upstream's:
inline constexpr std::string_view kStalled = "Stalled";         // reason kDeadlineExceeded
inline constexpr std::string_view kRolledBack = "RolledBack";   // reason kInBatches; also while that goes on
inline constexpr std::string_view kWriteRefused = "WriteRefused";
}   // namespace condition

// Of the conditions Progressing and Terminating.
namespace reason {
inline constexpr std::string_view kInitializing = "Initializing";
inline constexpr std::string_view kInRolling = "InRolling";
inline constexpr std::string_view kFinalising = "Finalising";
inline constexpr std::string_view kCompleted = "Completed";
inline constexpr std::string_view kCancelling = "Cancelling";
inline constexpr std::string_view kPaused = "Paused";
inline constexpr std::string_view kInTerminating = "InTerminating";
inline constexpr std::string_view kDeadlineExceeded = "ProgressDeadlineExceeded";
inline constexpr std::string_view kInBatches = "InBatches";
}   // namespace reason

namespace step {
inline constexpr std::string_view kBeforeUpgrade = "BeforeStepUpgrade";
inline constexpr std::string_view kUpgrade = "StepUpgrade";
inline constexpr std::string_view kTrafficRouting = "StepTrafficRouting";
inline constexpr std::string_view kMetricsAnalysis = "StepMetricsAnalysis";
inline constexpr std::string_view kPaused = "StepPaused";
inline constexpr std::string_view kReady = "StepReady";
inline constexpr std::string_view kCompleted = "Completed";
}   // namespace step

namespace finalising {
inline constexpr std::string_view kRouteTrafficToNew = "FinalisingStepRouteTrafficToNew";
inline constexpr std::string_view kRouteTrafficToStable = "FinalisingStepRouteTrafficToStable";
inline constexpr std::string_view kRestoreStableService = "RestoreStableService";
inline constexpr std::string_view kRemoveCanaryService = "RemoveCanaryService";
inline constexpr std::string_view kResumeWorkload = "ResumeWorkload";
inline constexpr std::string_view kReleaseWorkloadControl = "ReleaseWorkloadControl";
inline constexpr std::string_view kEnd = "END";
}   // namespace finalising

// What becomes of a step that makes no progress within its time.
namespace on_deadline {
inline constexpr std::string_view kPause = "Pause";         // it stays until somebody acts; the default
inline constexpr std::string_view kRollback = "Rollback";   // the stable version comes back
inline constexpr std::string_view kReport = "Report";       // it is said, and the step goes on when it can
}   // namespace on_deadline

namespace batch {
inline constexpr std::string_view kUpgrading = "Upgrading";
inline constexpr std::string_view kVerifying = "Verifying";
inline constexpr std::string_view kReady = "Ready";
inline constexpr std::string_view kWaitResume = "WaitResume";
inline constexpr std::string_view kImmediate = "Immediate";
inline constexpr std::string_view kPartitionStyle = "Partition";
inline constexpr std::string_view kCanaryStyle = "Canary";
inline constexpr std::string_view kBlueGreenStyle = "BlueGreen";
}   // namespace batch

}   // namespace aviary::apis
