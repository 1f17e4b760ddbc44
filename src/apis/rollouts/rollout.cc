#include "apis/rollouts/rollout.h"

#include "apis/internal/definition.h"
#include "apis/internal/fields_rollout.h"
#include "apis/internal/fields_traffic.h"
#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<Pause> =
    object("What ends the step: empty means an approval.",
           field("duration", &Pause::duration, "Seconds; 0 goes on at once.", {.format = "int32"}));
template <>
constexpr auto fields<CanaryStep> =
    object("One batch of a canary release.",
           field("replicas", &CanaryStep::replicas,
                 "Pods on the new version: a number, or a share of spec.replicas rounded up."),
           field("traffic", &CanaryStep::traffic, "Share of requests to the new version: 20%."),
           field("matches", &CanaryStep::matches,
                 "Requests that go to the new version: those for which one entry holds. Then the share does not count.",
                 {.max_items = 16}),
           field("requestHeaderModifier", &CanaryStep::request_header_modifier, ""),
           field("pause", &CanaryStep::pause, "What ends the step.", {.always = true}));
template <>
constexpr auto fields<CanaryStrategy> = object(
    "Batch after batch of the workload's own pods.", field("steps", &CanaryStrategy::steps, "", {.max_items = 50}),
    field("trafficRoutings", &CanaryStrategy::traffic_routings, "One at most."),
    field("failureThreshold", &CanaryStrategy::failure_threshold, "Pods of a batch that may be unready."),
    field("patchPodTemplateMetadata", &CanaryStrategy::patch_pod_template_metadata,
          "What the second Deployment's pods have beside the workload's own metadata."),
    field("enableExtraWorkloadForCanary", &CanaryStrategy::enable_extra_workload_for_canary,
          "The new version's pods are in a second Deployment until the end."),
    field("trafficRoutingRef", &CanaryStrategy::traffic_routing_ref,
          "The TrafficRouting that this release shares with others."),
    field("disableGenerateCanaryService", &CanaryStrategy::disable_generate_canary_service, ""));
template <>
constexpr auto fields<BlueGreenStrategy> = object(
    "The new version in pods above spec.replicas.", field("steps", &BlueGreenStrategy::steps, "", {.max_items = 50}),
    field("trafficRoutings", &BlueGreenStrategy::traffic_routings, "One at most."),
    field("failureThreshold", &BlueGreenStrategy::failure_threshold, "Pods of a batch that may be unready."),
    field("trafficRoutingRef", &BlueGreenStrategy::traffic_routing_ref,
          "The TrafficRouting that this release shares with others."),
    field("disableGenerateCanaryService", &BlueGreenStrategy::disable_generate_canary_service, ""));
template <>
constexpr auto fields<RolloutStrategy> =
    object("How versions change.", field("paused", &RolloutStrategy::paused, "Pauses the whole rollout."),
           field("canary", &RolloutStrategy::canary, ""), field("blueGreen", &RolloutStrategy::blue_green, ""));
template <>
constexpr auto fields<RolloutSpec> =
    object("A release plan for one workload.", field("workloadRef", &RolloutSpec::workload_ref, "", {.required = true}),
           field("disabled", &RolloutSpec::disabled, "", {.default_json = "false"}),
           field("strategy", &RolloutSpec::strategy, "", {.required = true}));
template <>
constexpr auto fields<CanaryStatus> = object(
    "Where the release stands.", field("observedWorkloadGeneration", &CanaryStatus::observed_workload_generation, ""),
    field("observedRolloutID", &CanaryStatus::observed_rollout_id, ""),
    field("rolloutHash", &CanaryStatus::rollout_hash, ""), field("stableRevision", &CanaryStatus::stable_revision, ""),
    field("canaryRevision", &CanaryStatus::canary_revision, "", {.always = true}),
    field("podTemplateHash", &CanaryStatus::pod_template_hash, "", {.always = true}),
    field("canaryReplicas", &CanaryStatus::canary_replicas, "", {.always = true}),
    field("canaryReadyReplicas", &CanaryStatus::canary_ready_replicas, "", {.always = true}),
    field("currentStepIndex", &CanaryStatus::current_step_index, "1-based."),
    field("nextStepIndex", &CanaryStatus::next_step_index, "-1: there is none.", {.always = true}),
    field("currentStepState", &CanaryStatus::current_step_state, "", {.always = true}),
    field("finalisingStep", &CanaryStatus::finalising_step, "", {.always = true}),
    field("message", &CanaryStatus::message, ""),
    field("lastUpdateTime", &CanaryStatus::last_update_time, "Where a pause begins.", {.format = "date-time"}));
template <>
constexpr auto fields<BlueGreenStatus> = object(
    "Where a blue-green release stands.",
    field("observedWorkloadGeneration", &CanaryStatus::observed_workload_generation, ""),
    field("observedRolloutID", &CanaryStatus::observed_rollout_id, ""),
    field("rolloutHash", &CanaryStatus::rollout_hash, ""), field("stableRevision", &CanaryStatus::stable_revision, ""),
    field("updatedRevision", &CanaryStatus::canary_revision, "", {.always = true}),
    field("podTemplateHash", &CanaryStatus::pod_template_hash, "", {.always = true}),
    field("updatedReplicas", &CanaryStatus::canary_replicas, "", {.always = true}),
    field("updatedReadyReplicas", &CanaryStatus::canary_ready_replicas, "", {.always = true}),
    field("currentStepIndex", &CanaryStatus::current_step_index, "1-based."),
    field("nextStepIndex", &CanaryStatus::next_step_index, "-1: there is none.", {.always = true}),
    field("currentStepState", &CanaryStatus::current_step_state, "", {.always = true}),
    field("finalisingStep", &CanaryStatus::finalising_step, "", {.always = true}),
    field("message", &CanaryStatus::message, ""),
    field("lastUpdateTime", &CanaryStatus::last_update_time, "Where a pause begins.", {.format = "date-time"}));
template <>
constexpr auto fields<RolloutStatus> =
    object("Where the rollout stands.", field("observedGeneration", &RolloutStatus::observed_generation, ""),
           field("phase", &RolloutStatus::phase, ""), field("message", &RolloutStatus::message, ""),
           field("conditions", &RolloutStatus::conditions, ""),
           field("currentStepIndex", &RolloutStatus::current_step_index, "", {.always = true}),
           field("currentStepState", &RolloutStatus::current_step_state, "", {.always = true}),
           field("canaryStatus", &RolloutStatus::canary_status, ""),
           field("blueGreenStatus", &RolloutStatus::blue_green_status, ""));

}   // namespace aviary::json

namespace aviary::apis {

namespace {

// A failureThreshold that cannot be read tolerates no unready pod, as none (upstream, allowedUnavailable); and no step
// holds up a Rollout that is on its way out.
Result<RolloutSpec> read_spec(json::Doc const& object) {
    auto spec = json::read<RolloutSpec>(object["spec"], "spec");
    if (spec) return spec;
    json::Value readable = object["spec"].thaw();
    for (std::string_view style : {"canary", "blueGreen"}) {
        json::Value& strategy = readable["strategy"][style];
        json::erase_unreadable(strategy, "failureThreshold");
        if (!meta::is_deleting(object) || !strategy["steps"].is_array()) continue;
        for (json::Value& step : strategy["steps"].make_array()) json::erase_unreadable(step, "replicas");
    }
    return json::read<RolloutSpec>(json::Doc::freeze(readable), "spec");
}

}   // namespace

Result<Rollout> read_rollout(json::Doc const& object) {
    Rollout rollout;
    rollout.spec = TRY(read_spec(object));
    rollout.status = TRY(json::read<RolloutStatus>(object["status"], "status"));
    return rollout;
}

json::Value write_rollout_status(RolloutStatus const& status) { return json::to_value(status); }

std::string_view release_status_name(json::Doc const& rollout) {
    bool const blue_green = rollout.at({"status", "blueGreenStatus"}).is_object() ||
                            rollout.at({"spec", "strategy", "blueGreen"}).is_object();
    return blue_green ? "blueGreenStatus" : "canaryStatus";
}

json::Doc release_status(json::Doc const& rollout) { return rollout.at({"status", release_status_name(rollout)}); }

std::string_view release_revision_name(json::Doc const& rollout) {
    return release_status_name(rollout) == "canaryStatus" ? "canaryRevision" : "updatedRevision";
}

std::string release_revision(json::Doc const& rollout) {
    return release_status(rollout)[release_revision_name(rollout)].string();
}

std::string revision_of_pod(json::Doc const& pod) {
    std::string const group = meta::label(pod, meta::kGroupRevisionLabel);
    if (!group.empty()) return group;
    std::string const hash = meta::label(pod, meta::kTemplateHashLabel);
    return hash.empty() ? meta::label(pod, meta::kRevisionHashLabel) : hash;
}

bool is_of_revision(json::Doc const& pod, std::string_view revision) {
    std::string const own = revision_of_pod(pod);
    return !revision.empty() && (own == revision || own.ends_with("-" + std::string(revision)));
}

bool new_version_refused(json::Doc const& rollout) {
    return rollout.at({"status", "phase"}).as_string() == phase::kProgressing &&
           rollout.at({"status", "message"}).as_string() == kNewVersionRefused;
}

std::string hindrance(json::Doc const& rollout, std::string_view kind) {
    std::string const message = release_status(rollout)["message"].string();
    std::string const reason = ", " + std::string(kind) + ": ";
    std::size_t const found = message.find(reason);
    return found == std::string::npos ? std::string() : message.substr(found + reason.size());
}

bool switched_off(json::Doc const& autoscaler) {
    return autoscaler.at({"spec", "scaleTargetRef", "name"}).as_string().ends_with(kSwitchedOffSuffix);
}

std::string scaled_name(json::Doc const& autoscaler) {
    std::string name = autoscaler.at({"spec", "scaleTargetRef", "name"}).string();
    if (switched_off(autoscaler)) name.resize(name.size() - kSwitchedOffSuffix.size());
    return name;
}

bool not_routed(json::Doc const& rollout) {
    return rollout.at({"status", "message"}).as_string().starts_with(kNotRouted);
}

std::string holding_healthy_until(json::Doc const& rollout) {
    std::string const message = rollout.at({"status", "message"}).string();
    std::size_t const found = message.find(kHoldingHealthy);
    return found == std::string::npos ? std::string() : message.substr(found + kHoldingHealthy.size());
}

bool waits_for_group(json::Doc const& rollout) {
    return rollout.at({"status", "message"}).as_string().find(kWaitsForGroup) != std::string_view::npos;
}

json::Doc release_steps(json::Doc const& rollout) {
    json::Doc const strategy = rollout.at({"spec", "strategy"});
    return (strategy["blueGreen"].is_object() ? strategy["blueGreen"] : strategy["canary"])["steps"];
}

std::optional<TrafficRoutingRef> traffic_routing_of(json::Doc const& rollout) {
    json::Doc const strategy = rollout.at({"spec", "strategy"});
    json::Doc const first =
        (strategy["blueGreen"].is_object() ? strategy["blueGreen"] : strategy["canary"])["trafficRoutings"][0];
    auto const routing = json::read<TrafficRoutingRef>(first, "trafficRoutings[0]");
    return first.exists() && routing ? std::optional(*routing) : std::nullopt;
}

bool has_extra_workload(json::Doc const& rollout) {
    json::Doc const spec = rollout["spec"];
    return spec.at({"workloadRef", "kind"}).as_string() == "Deployment" &&
           !spec.at({"strategy", "blueGreen"}).is_object() &&
           spec.at({"strategy", "canary", "enableExtraWorkloadForCanary"}).as_bool();
}

std::string shared_routing_name(json::Doc const& rollout) {
    json::Doc const strategy = rollout.at({"spec", "strategy"});
    json::Doc const ref =
        (strategy["blueGreen"].is_object() ? strategy["blueGreen"] : strategy["canary"])["trafficRoutingRef"];
    std::string name = meta::annotation(rollout, kTrafficRoutingAnnotation);
    return name.empty() ? ref.string() : name;
}

std::optional<std::int64_t> parse_traffic(std::string_view text) {
    if (!text.ends_with('%')) return std::nullopt;
    auto const percent = parse_int(text.substr(0, text.size() - 1));
    return percent && *percent >= 0 && *percent <= 100 ? percent : std::nullopt;
}

bool begun_by_id_alone(json::Doc const& rollout, json::Doc const& workload) {
    if (rollout.at({"status", "phase"}).as_string() != phase::kProgressing) return false;
    if (meta::condition_is_true(rollout, condition::kRolledBack)) return false;
    // While one is taken back its revisions are equal, too.
    std::string_view const why = meta::condition(rollout, condition::kProgressing)["reason"].as_string();
    if (why != reason::kInRolling && why != reason::kPaused) return false;
    // Of a DaemonSet upstream's controller notes no stable revision, in no release.
    if (workload["kind"].as_string() == "DaemonSet") return false;
    // LeaderWorkerSets do not say it.
    json::Doc const seen = workload.at({"status", "observedGeneration"});
    if (seen.exists() && seen.as_int() < meta::generation(workload)) return false;
    std::string_view const stable = release_status(rollout)["stableRevision"].as_string();
    if (!stable.empty() && stable != release_revision(rollout)) return false;
    json::Doc const counts = workload["status"];
    return counts["replicas"].as_int() > 0 && counts["updatedReplicas"].as_int() >= counts["replicas"].as_int();
}

bool taken_back_by_deadline(json::Doc const& rollout) {
    json::Doc const succeeded = meta::condition(rollout, condition::kSucceeded);
    return succeeded["status"].as_string() == "False" && succeeded["reason"].as_string() == reason::kDeadlineExceeded;
}

RolloutCondition const* find_condition(std::vector<RolloutCondition> const& conditions, std::string_view type) {
    for (RolloutCondition const& condition : conditions) {
        if (condition.type == type) return &condition;
    }
    return nullptr;
}

Definition rollout_definition() {
    Definition definition;
    definition.group = "rollouts.kruise.io";
    definition.version = "v1beta1";
    definition.kind = "Rollout";
    definition.plural = "rollouts";
    definition.description = "How a workload goes from one version to the next, step by step.";
    definition.spec = json::schema_of<RolloutSpec>();
    definition.status = json::schema_of<RolloutStatus>();
    // Names and paths as Kruise Rollouts prints them.
    definition.columns = {
        {"STATUS", "string", ".status.phase", "The rollout status phase"},
        {"CANARY_STEP", "integer", ".status.currentStepIndex", "The rollout canary status step"},
        {"CANARY_STATE", "string", ".status.currentStepState", "The rollout canary status step state"},
        {"MESSAGE", "string", ".status.message", "The rollout canary status message"},
        {"AGE", "date", ".metadata.creationTimestamp"}};
    definition.older = {older_rollout(definition)};
    return definition;
}

}   // namespace aviary::apis
