#include "member/workload/deployment.h"

#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/internal/autoscalers.h"
#include "member/workload/internal/deployment_base.h"
#include "member/workload/internal/original.h"
#include "member/workload/internal/strategy.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;

std::string style_by_marks(DeploymentInputs const& inputs) {
    if (original_of(inputs.deployment)) return std::string(apis::batch::kBlueGreenStyle);
    return std::string(inputs.canaries.empty() ? apis::batch::kPartitionStyle : apis::batch::kCanaryStyle);
}

void remove_canary(Doc const& canary, std::vector<Write>& writes) {
    if (meta::has_finalizer(canary, apis::kCanaryDeploymentFinalizer))
        writes.push_back(without_finalizer(canary, kDeployments, apis::kCanaryDeploymentFinalizer));
    if (meta::is_deleting(canary)) return;
    writes.push_back(control::deletion(kDeployments, canary, "the second Deployment is not needed any more"));
}

}   // namespace

Style style_of_rollout(Doc const& rollout) {
    Doc const canary = rollout.at({"spec", "strategy", "canary"});
    if (rollout.at({"spec", "strategy", "blueGreen"}).is_object())
        return {std::string(apis::batch::kBlueGreenStyle), {}};
    if (!canary["enableExtraWorkloadForCanary"].as_bool()) return {std::string(apis::batch::kPartitionStyle), {}};
    return {std::string(apis::batch::kCanaryStyle), canary["patchPodTemplateMetadata"].thaw()};
}

Style style_of_batch_release(Doc const& batch_release) {
    Doc const plan = batch_release.at({"spec", "releasePlan"});
    std::string style = plan["rollingStyle"].string();
    if (style.empty()) {
        style =
            plan["enableExtraWorkloadForCanary"].as_bool() ? apis::batch::kCanaryStyle : apis::batch::kPartitionStyle;
    }
    return {std::move(style), plan["patchPodTemplateMetadata"].thaw()};
}

std::unique_ptr<Workload> observe_deployment(DeploymentInputs inputs, Style style, Time now) {
    if (style.name.empty()) style.name = style_by_marks(inputs);
    if (style.name == apis::batch::kCanaryStyle) return make_canary(std::move(inputs), std::move(style.patch), now);
    if (style.name == apis::batch::kBlueGreenStyle) return make_blue_green(std::move(inputs), now);
    return make_partition(std::move(inputs), now);
}

std::string promoted_set(Doc const& deployment) {
    std::optional<Strategy> const strategy = strategy_of(deployment);
    return strategy && strategy->style == apis::batch::kCanaryStyle ? strategy->promotes : std::string();
}

std::vector<Write> tidy_deployment(DeploymentInputs const& inputs) {
    std::vector<Write> writes;
    for (Doc const& each : inputs.autoscalers) {
        if (auto on = switch_on(each)) writes.push_back(std::move(*on));
    }
    for (DeploymentInputs const& canary : inputs.canaries) remove_canary(canary.deployment, writes);
    return writes;
}

}   // namespace aviary::workload
