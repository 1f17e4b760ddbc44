// The keys and words of Kruise Rollouts, as tools write and read them.
#include <gtest/gtest.h>

#include <string_view>
#include <utility>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"

namespace aviary::apis {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

TEST(KruiseWords, LabelsAnnotationsAndFinalizers) {
    for (auto const& [here, upstream] : std::initializer_list<Pair>{
             {kWorkloadTypeLabel, "rollouts.kruise.io/workload-type"},
             {kInProgressingAnnotation, "rollouts.kruise.io/in-progressing"},
             {kRolloutIdLabel, "rollouts.kruise.io/rollout-id"},
             {kRolloutBatchIdLabel, "rollouts.kruise.io/rollout-batch-id"},
             {kNoNeedUpdateLabel, "rollouts.kruise.io/no-need-update"},
             {kControlInfoAnnotation, "batchrelease.rollouts.kruise.io/control-info"},
             {kStableRevisionLabel, "rollouts.kruise.io/stable-revision"},
             {kAdvancedDeploymentLabel, "rollouts.kruise.io/controlled-by-advanced-deployment-controller"},
             {kDeploymentStrategyAnnotation, "rollouts.kruise.io/deployment-strategy"},
             {kDeploymentExtraStatusAnnotation, "rollouts.kruise.io/deployment-extra-status"},
             {kOriginalDeploymentStrategyAnnotation, "rollouts.kruise.io/original-deployment-strategy"},
             {kCanaryDeploymentLabel, "rollouts.kruise.io/canary-deployment"},
             {kCanaryDeploymentFinalizer, "finalizer.rollouts.kruise.io/batch-release"},
             {kDaemonSetRevisionAnnotation, "rollouts.kruise.io/daemonset-revision"},
             {kDaemonSetControlAnnotation, "rollouts.kruise.io/daemonset-advanced-control"},
             {kDaemonSetStrategyAnnotation, "rollouts.kruise.io/daemonset-original-update-strategy"},
             {kRolloutHashAnnotation, "rollouts.kruise.io/hash"},
             {kRollbackInBatchAnnotation, "rollouts.kruise.io/rollback-in-batch"},
             {kTrafficRoutingAnnotation, "rollouts.kruise.io/trafficrouting"},
             {kRollingStyleAnnotation, "rollouts.kruise.io/rolling-style"},
             {kRolloutFinalizer, "rollouts.kruise.io/rollout"},
             {kBatchReleaseFinalizer, "rollouts.kruise.io/batch-release-finalizer"},
             {kSwitchedOffSuffix, "-DisableByRollout"},
         })
        EXPECT_EQ(here, upstream);
}

TEST(KruiseWords, PhasesReasonsAndStates) {
    for (auto const& [here, upstream] : std::initializer_list<Pair>{
             {phase::kInitial, "Initial"},
             {phase::kHealthy, "Healthy"},
             {phase::kProgressing, "Progressing"},
             {phase::kTerminating, "Terminating"},
             {phase::kDisabled, "Disabled"},
             {phase::kDisabling, "Disabling"},
             {phase::kPreparing, "Preparing"},
             {phase::kFinalizing, "Finalizing"},
             {phase::kCompleted, "Completed"},
             {condition::kProgressing, "Progressing"},
             {condition::kSucceeded, "Succeeded"},
             {condition::kTerminating, "Terminating"},
             {reason::kInitializing, "Initializing"},
             {reason::kInRolling, "InRolling"},
             {reason::kFinalising, "Finalising"},
             {reason::kCompleted, "Completed"},
             {reason::kCancelling, "Cancelling"},
             {reason::kPaused, "Paused"},
             {reason::kInTerminating, "InTerminating"},
             {step::kBeforeUpgrade, "BeforeStepUpgrade"},
             {step::kUpgrade, "StepUpgrade"},
             {step::kTrafficRouting, "StepTrafficRouting"},
             {step::kMetricsAnalysis, "StepMetricsAnalysis"},
             {step::kPaused, "StepPaused"},
             {step::kReady, "StepReady"},
             {step::kCompleted, "Completed"},
             {finalising::kRouteTrafficToNew, "FinalisingStepRouteTrafficToNew"},
             {finalising::kRouteTrafficToStable, "FinalisingStepRouteTrafficToStable"},
             {finalising::kRestoreStableService, "RestoreStableService"},
             {finalising::kRemoveCanaryService, "RemoveCanaryService"},
             {finalising::kResumeWorkload, "ResumeWorkload"},
             {finalising::kReleaseWorkloadControl, "ReleaseWorkloadControl"},
             {finalising::kEnd, "END"},
             {batch::kUpgrading, "Upgrading"},
             {batch::kVerifying, "Verifying"},
             {batch::kReady, "Ready"},
             {batch::kWaitResume, "WaitResume"},
             {batch::kImmediate, "Immediate"},
             {batch::kPartitionStyle, "Partition"},
             {batch::kCanaryStyle, "Canary"},
             {batch::kBlueGreenStyle, "BlueGreen"},
         })
        EXPECT_EQ(here, upstream);
    EXPECT_EQ(kFrozenPartition, 32767);
    EXPECT_EQ(kDefaultGracePeriod, 3);
}

}   // namespace
}   // namespace aviary::apis
