#include "apis/fleet/decision.h"

#include "apis/internal/definition.h"
#include "core/json/fields.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<RolloutReference> =
    object("The Rollout.", field("apiVersion", &RolloutReference::api_version, ""),
           field("kind", &RolloutReference::kind, ""), field("name", &RolloutReference::name, "", {.required = true}));
template <>
constexpr auto fields<ReleaseReference> =
    object("What is released.",
           field("digest", &ReleaseReference::digest, "sha256 of the workload's template and the strategy."));
template <>
constexpr auto fields<DecisionTarget> = object(
    "What the person saw of one cluster; carried out only while it is still so.",
    field("cluster", &DecisionTarget::cluster, "", {.required = true}),
    field("rolloutUID", &DecisionTarget::rollout_uid, ""), field("step", &DecisionTarget::step, "", {.minimum = 1}),
    field("revision", &DecisionTarget::revision, ""), field("pausedSince", &DecisionTarget::paused_since, ""));
template <>
constexpr auto fields<Requester> =
    object("Who decided; stamped by the server.", field("username", &Requester::username, ""),
           field("groups", &Requester::groups, ""));
template <>
constexpr auto fields<DecisionSpec> = object(
    "One person's word; immutable.", field("rolloutRef", &DecisionSpec::rollout_ref, "", {.required = true}),
    field("release", &DecisionSpec::release, ""),
    field("action", &DecisionSpec::action, "",
          {.required = true, .one_of = {"Approve", "Reject", "Pause", "Resume", "Abort", "Undo", "Jump", "Retry"}}),
    field("selection", &DecisionSpec::selection,
          "What was typed; InMember where the hub records what was approved in a member itself."),
    field("toStep", &DecisionSpec::to_step, "Of a jump: the step to go to.", {.minimum = 1, .maximum = 50}),
    field("targets", &DecisionSpec::targets, "What it meant at that moment; never grows.",
          {.required = true, .max_items = 1000}),
    field("reason", &DecisionSpec::reason, "", {.max_length = 4096}),
    field("expiresAt", &DecisionSpec::expires_at, "When an attempt ends; not its effect.", {.format = "date-time"}),
    field("requester", &DecisionSpec::requester, ""),
    field("nonce", &DecisionSpec::nonce, "Tells two equal commands apart."));
template <>
constexpr auto fields<DecisionClusterStatus> = object(
    "How it went in one cluster.", field("cluster", &DecisionClusterStatus::cluster, ""),
    field("outcome", &DecisionClusterStatus::outcome, "Applied, Stale, Refused, Waiting, Expired or Unreachable."),
    field("from", &DecisionClusterStatus::from, ""), field("to", &DecisionClusterStatus::to, ""),
    field("message", &DecisionClusterStatus::message, ""), field("at", &DecisionClusterStatus::at, ""));
template <>
constexpr auto fields<DecisionStatus> = object(
    "How it went.", field("outcome", &DecisionStatus::outcome, "Pending, Applied, Partial, Failed or Expired."),
    field("origin", &DecisionStatus::origin, "Hub, or Member for a step that was approved in the member itself."),
    field("clusters", &DecisionStatus::clusters, ""));

}   // namespace aviary::json

namespace aviary::apis {

Result<Decision> read_decision(json::Doc const& object) {
    Decision decision;
    decision.spec = TRY(json::read<DecisionSpec>(object["spec"], "spec"));
    decision.status = TRY(json::read<DecisionStatus>(object["status"], "status"));
    return decision;
}

json::Value write_decision_spec(DecisionSpec const& spec) { return json::to_value(spec); }
json::Value write_decision_status(DecisionStatus const& status) { return json::to_value(status); }

Definition decision_definition() {
    Definition definition;
    definition.group = "fleet.aviary.dev";
    definition.version = "v1alpha1";
    definition.kind = "Decision";
    definition.plural = "decisions";
    definition.description = "One person's word on a release, bound to what that person saw.";
    definition.spec = json::schema_of<DecisionSpec>();
    definition.status = json::schema_of<DecisionStatus>();
    definition.columns = {{"ROLLOUT", "string", ".spec.rolloutRef.name"},
                          {"ACTION", "string", ".spec.action"},
                          {"OUTCOME", "string", ".status.outcome"},
                          {"BY", "string", ".spec.requester.username"},
                          {"AGE", "date", ".metadata.creationTimestamp"}};
    return definition;
}

}   // namespace aviary::apis
