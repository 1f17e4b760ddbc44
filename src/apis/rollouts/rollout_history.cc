#include "apis/rollouts/rollout_history.h"

#include "apis/internal/definition.h"
#include "core/json/fields.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<HistoryObject> =
    object("", field("name", &HistoryObject::name, "", {.required = true}), field("data", &HistoryObject::data, ""));
template <>
constexpr auto fields<HistoryRollout> =
    object("", field("rolloutID", &HistoryRollout::rollout_id, "", {.required = true}),
           field("name", &HistoryRollout::name, "", {.required = true}), field("data", &HistoryRollout::data, ""));
template <>
constexpr auto fields<HistoryWorkload> =
    object("", field("apiVersion", &HistoryWorkload::api_version, ""), field("kind", &HistoryWorkload::kind, ""),
           field("name", &HistoryWorkload::name, "", {.required = true}), field("data", &HistoryWorkload::data, ""));
template <>
constexpr auto fields<HistoryTraffic> =
    object("", field("ingress", &HistoryTraffic::ingress, ""), field("httpRoute", &HistoryTraffic::http_route, ""));
template <>
constexpr auto fields<RolloutHistorySpec> =
    object("What took part.", field("rollout", &RolloutHistorySpec::rollout, ""),
           field("workload", &RolloutHistorySpec::workload, ""), field("service", &RolloutHistorySpec::service, ""),
           field("trafficRouting", &RolloutHistorySpec::traffic_routing, ""));
template <>
constexpr auto fields<HistoryPod> = object("", field("name", &HistoryPod::name, ""), field("ip", &HistoryPod::ip, ""),
                                           field("nodeName", &HistoryPod::node_name, ""));
template <>
constexpr auto fields<HistoryStep> =
    object("", field("canaryStepIndex", &HistoryStep::canary_step_index, "1-based.", {.format = "int32"}),
           field("pods", &HistoryStep::pods, ""));
template <>
constexpr auto fields<RolloutHistoryStatus> =
    object("", field("phase", &RolloutHistoryStatus::phase, ""),
           field("canarySteps", &RolloutHistoryStatus::canary_steps, "The pods of each step."));
template <>
constexpr auto fields<StepNote> = object("", field("step", &StepNote::step, ""), field("began", &StepNote::began, ""),
                                         field("paused", &StepNote::paused, ""), field("passed", &StepNote::passed, ""),
                                         field("by", &StepNote::by, ""));

}   // namespace aviary::json

namespace aviary::apis {

Result<RolloutHistory> read_rollout_history(json::Doc const& object) {
    RolloutHistory history;
    history.spec = TRY(json::read<RolloutHistorySpec>(object["spec"], "spec"));
    history.status = TRY(json::read<RolloutHistoryStatus>(object["status"], "status"));
    return history;
}

json::Value write_rollout_history_spec(RolloutHistorySpec const& spec) { return json::to_value(spec); }
json::Value write_rollout_history_status(RolloutHistoryStatus const& status) { return json::to_value(status); }

std::vector<StepNote> read_step_notes(json::Doc const& history) {
    std::string const text = meta::annotation(history, kHistorySteps);
    if (text.empty()) return {};
    auto const list = json::parse(text);
    if (!list) return {};
    return json::read<std::vector<StepNote>>(*list, std::string(kHistorySteps)).value_or(std::vector<StepNote>());
}

std::string write_step_notes(std::vector<StepNote> const& notes) { return json::write(json::to_value(notes)); }

Definition rollout_history_definition() {
    Definition definition;
    definition.group = kRolloutHistories.group;
    definition.version = kRolloutHistories.version;
    definition.kind = "RolloutHistory";
    definition.plural = kRolloutHistories.resource;
    definition.description = "A release as it was. Stored, not acted upon: nobody writes one.";
    definition.spec = json::schema_of<RolloutHistorySpec>();
    definition.status = json::schema_of<RolloutHistoryStatus>();
    return definition;
}

}   // namespace aviary::apis
