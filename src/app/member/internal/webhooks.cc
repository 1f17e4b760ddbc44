#include "app/member/internal/webhooks.h"

#include <fmt/format.h>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/validate.h"
#include "kube/webhook/handler.h"
#include "member/workload/clone_set.h"
#include "member/workload/leader_worker_set.h"

namespace aviary::member {

namespace {

using json::Array;
using json::Object;

// A write that changes neither a template nor a workload in progress, nor takes away the label by which we are asked,
// waits for nobody.
std::string marks_condition(std::string const& controller_user) {
    auto const annotated = [](char const* object, std::string_view key) {
        return fmt::format("(has({0}.metadata.annotations) && '{1}' in {0}.metadata.annotations)", object, key);
    };
    return fmt::format(
        "({} && ({} || {} || {} || "
        "!(has(object.metadata.labels) && '{}' in object.metadata.labels)))",
        webhook::by_others(controller_user), annotated("object", apis::kInProgressingAnnotation),
        annotated("oldObject", apis::kInProgressingAnnotation), annotated("object", apis::kRolloutIdLabel),
        apis::kWorkloadTypeLabel);
}

std::string freeze_condition(std::string const& controller_user) {
    return "object.spec.template != oldObject.spec.template || " + marks_condition(controller_user);
}

// Of LeaderWorkerSets: what a revision of theirs is.
std::string freeze_groups_condition(std::string const& controller_user) {
    return "object.spec.leaderWorkerTemplate != oldObject.spec.leaderWorkerTemplate || "
           "has(object.spec.networkConfig) != has(oldObject.spec.networkConfig) || "
           "(has(object.spec.networkConfig) && object.spec.networkConfig != oldObject.spec.networkConfig) || " +
           marks_condition(controller_user);
}

// Of custom kinds, which say what they are like: whatever is served, so none of it waits for us without that label.
webhook::Rule freeze_labelled(std::string const& controller_user) {
    webhook::Rule rule{"freeze-labelled.rollouts.aviary.dev", webhook::kMutatePath, {"*"}, "*", {"UPDATE"}, {"*"}};
    rule.object_selector["matchLabels"] =
        Object{{std::string(apis::kWorkloadTypeLabel), std::string(apis::kStatefulSetType)}};
    // The others have webhooks of their own; pods have a copy of the label where their template has it.
    rule.condition = fmt::format(
        "request.resource.group.contains('.') && !(request.resource.group in ['{}', '{}']) && "
        "has(object.spec) && has(oldObject.spec) && has(object.spec.template) && has(oldObject.spec.template) && ({})",
        workload::kKruiseGroup, workload::kLeaderWorkerSets.group, freeze_condition(controller_user));
    return rule;
}

}   // namespace

std::vector<webhook::Rule> webhook_rules(std::string const& controller_user, rollout::Features features) {
    // Those that a Rollout points at carry the label: no other workload waits for this webhook.
    webhook::Rule freeze{"freeze.rollouts.aviary.dev",
                         webhook::kMutatePath,
                         {"apps"},
                         "v1",
                         {"UPDATE"},
                         {"deployments", "statefulsets", "daemonsets"}};
    freeze.object_selector["matchExpressions"] =
        Array{Object{{"key", std::string(apis::kWorkloadTypeLabel)}, {"operator", "Exists"}}};
    freeze.condition = freeze_condition(controller_user);
    // A cluster that does not have Kruise's kinds never asks.
    webhook::Rule kruise = freeze;
    kruise.name = "freeze-kruise.rollouts.aviary.dev";
    kruise.groups = {std::string(workload::kKruiseGroup)};
    kruise.version = "v1alpha1";
    kruise.other_versions = {"v1beta1"};
    kruise.resources = {"clonesets", "statefulsets", "daemonsets"};
    webhook::Rule groups = freeze;
    groups.name = "freeze-groups.rollouts.aviary.dev";
    groups.groups = {workload::kLeaderWorkerSets.group};
    groups.resources = {workload::kLeaderWorkerSets.resource};
    groups.condition = freeze_groups_condition(controller_user);
    webhook::Rule validate{"validate.rollouts.aviary.dev", webhook::kValidatePath,
                           {"rollouts.kruise.io"},         "v1beta1",
                           {"CREATE", "UPDATE"},           {"rollouts"}};
    // What is wrong is said in the names that it is written in.
    validate.other_versions = {"v1alpha1"};
    // An approval in an emergency does not wait for a controller that is down.
    webhook::Rule approve{"approve.rollouts.aviary.dev",
                          webhook::kValidatePath,
                          {"rollouts.kruise.io"},
                          "v1beta1",
                          {"UPDATE"},
                          {"rollouts/status"}};
    approve.required = false;
    approve.condition = webhook::by_others(controller_user);
    // What slips by while the controller is down is looked at by it afterwards.
    webhook::Rule routing{"routing.rollouts.aviary.dev", webhook::kValidatePath, {"rollouts.kruise.io"}, "v1alpha1",
                          {"CREATE", "UPDATE"},          {"trafficroutings"}};
    routing.required = false;
    std::vector<webhook::Rule> rules{freeze, kruise, groups, validate, approve, routing};
    if (features.labelled_kinds) rules.push_back(freeze_labelled(controller_user));
    return rules;
}

}   // namespace aviary::member
