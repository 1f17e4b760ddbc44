#include "hub/propagation/aggregate.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/release_pods.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/patch.h"
#include "hub/propagation/internal/named.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using json::Doc;
using json::Value;

bool observed(Reported const& each) {
    return each.current && each.live.exists() &&
           each.live.at({"status", "observedGeneration"}).as_int() >= meta::generation(each.live);
}

Value workload_status(Doc const& source, std::vector<Reported> const& reported, Time now) {
    Value status{json::Object()};
    bool all_current = !reported.empty();
    bool available = !reported.empty();
    for (Reported const& each : reported) {
        all_current = all_current && observed(each);
        for (char const* field :
             {"replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas",
              "currentReplicas", "updatedReadyReplicas", "updatedAvailableReplicas", "expectedUpdatedReplicas"}) {
            // What a kind does not count its definition may not have.
            Doc const count = each.live.at({"status", field});
            if (count.exists() || status.contains(field) || source.at({"status", field}).exists())
                status[field] = status[field].as_int() + count.as_int();
        }
        available = available && meta::condition_is_true(each.live, "Available");
    }
    status["observedGeneration"] =
        all_current ? meta::generation(source) : source.at({"status", "observedGeneration"}).as_int();
    if (source["kind"].as_string() != "Deployment") return status;   // others have no such condition
    Value conditions = source.at({"status", "conditions"}).thaw();
    meta::set_condition(conditions, "Available", available ? "True" : "False",
                        available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                        available ? "The workload has minimum availability in every cluster."
                                  : "The workload lacks minimum availability in some cluster.",
                        now);
    status["conditions"] = conditions;
    return status;
}

// How far a cluster is: who is furthest behind speaks for the fleet.
std::tuple<int, std::int64_t, int> progress(Doc const& rollout) {
    std::string_view const phase = rollout.at({"status", "phase"}).as_string();
    if (phase == "Healthy") return {2, 0, 0};
    if (phase != "Progressing") return {0, 0, 0};
    Doc const release = apis::release_status(rollout);
    std::string_view const state = release["currentStepState"].as_string();
    int const rank = state == "Completed" ? 3 : state == "StepReady" ? 2 : state == "StepPaused" ? 1 : 0;
    return {1, release["currentStepIndex"].as_int(), rank};
}

// A member's word, which may be anything: only what has the shape of the API is said on.
Value release_status(Doc const& rollout) {
    auto const read = apis::read_rollout(rollout);
    return read ? apis::write_rollout_status(read->status)[apis::release_status_name(rollout)] : Value();
}

// Of a release that was taken back by a person, who knows, there is nothing to tell; nor of one whose version is not
// wanted any more, where it was put right by putting the one before back.
bool is_failure(apis::RolloutCondition const& condition, Reported const& each) {
    if (condition.type == apis::condition::kStalled) return condition.status == "True";
    return each.lacks_newest && condition.type == apis::condition::kSucceeded && condition.status == "False" &&
           condition.reason == apis::reason::kDeadlineExceeded;
}

// Where a step has run out of its time, or a release was taken back for that, for tools that read conditions.
void add_failure(Value& conditions, std::string_view type, std::vector<Reported> const& present) {
    std::vector<std::string> clusters;
    apis::RolloutCondition said;
    for (Reported const& each : present) {
        auto const read = apis::read_rollout(each.live);
        if (!read) continue;
        auto const* const found = apis::find_condition(read->status.conditions, type);
        if (found == nullptr || !is_failure(*found, each)) continue;
        if (clusters.empty()) said = *found;
        clusters.push_back(each.cluster);
    }
    if (clusters.empty()) return;
    std::string const more = clusters.size() > 1 ? fmt::format(" (and {} more clusters)", clusters.size() - 1) : "";
    Value condition{json::Object{{"type", type}, {"status", said.status}}};
    condition["reason"] = shortened(said.reason, kMaxMessage);
    condition["message"] = shortened(fmt::format("{}{}: {}", clusters.front(), more, said.message), kMaxMessage);
    for (auto const& [field, time] : {std::pair("lastUpdateTime", said.last_update_time),
                                      std::pair("lastTransitionTime", said.last_transition_time)}) {
        if (parse_rfc3339(time)) condition[field] = time;
    }
    if (!conditions.is_array()) conditions = json::Array();
    conditions.push_back(std::move(condition));
}

Value rollout_status(Doc const& source, std::vector<Reported> const& reported) {
    Value status{json::Object()};
    std::vector<Reported> present;
    std::vector<std::string> missing;
    std::vector<std::string> away;
    std::vector<std::string> taken_back;
    for (Reported const& each : reported) {
        if (each.away) away.push_back(each.cluster);
        if (each.taken_back) taken_back.push_back(each.cluster);
        if (each.live.exists()) {
            present.push_back(each);
        } else if (!each.away) {
            missing.push_back(each.cluster);
        }
    }
    std::string const silent =
        away.empty() ? "" : fmt::format("{} {} not answer", named(away), away.size() == 1 ? "does" : "do");
    if (present.empty()) {
        status["phase"] = "Initial";
        status["message"] = reported.empty() ? "placed in no cluster"
                            : silent.empty() ? "not in any cluster yet"
                                             : silent;
        status["currentStepIndex"] = 0;
        status["currentStepState"] = "";
        status["canaryStatus"] = nullptr;
        status["blueGreenStatus"] = nullptr;
        status["conditions"] = nullptr;
        return status;
    }
    auto const behind = std::ranges::min_element(present, {}, [](Reported const& each) { return progress(each.live); });
    Doc const from = behind->live["status"];
    // What is healthy without the hub's newest version, and does not answer, is not known to be fine.
    std::size_t const healthy = static_cast<std::size_t>(std::ranges::count_if(present, [](Reported const& each) {
        return (each.current || !each.away) && each.live.at({"status", "phase"}).as_string() == "Healthy";
    }));
    bool const all_current = std::ranges::all_of(reported, observed);
    bool const all_healthy = healthy == reported.size();
    bool const only_missing = from["phase"].as_string() == "Healthy" && !all_healthy;
    status["phase"] = only_missing ? "Initial" : from["phase"].as_string("Initial");
    status["currentStepIndex"] = apis::release_status(behind->live)["currentStepIndex"].as_int();
    status["currentStepState"] = apis::release_status(behind->live)["currentStepState"].as_string();
    // A merge patch: the part that another strategy had goes.
    std::string const part(apis::release_status_name(behind->live));
    bool const blue_green = part == "blueGreenStatus";
    status[blue_green ? "canaryStatus" : "blueGreenStatus"] = nullptr;
    status[part] = release_status(behind->live);
    if (status[part].is_object()) {
        apis::ReleasePodFields const fields = apis::release_pod_fields(part);
        for (std::string_view const field : {fields.updated, fields.ready}) {
            std::int64_t total = 0;
            for (Reported const& each : present) total += apis::release_status(each.live)[field].as_int();
            status[part][field] = total;
        }
    }
    std::string message = all_healthy ? fmt::format("healthy in all {} clusters", reported.size())
                                      : fmt::format("{} of {} clusters healthy", healthy, reported.size());
    if (!all_healthy && !only_missing)
        message += fmt::format("; {} is furthest behind: {}", behind->cluster,
                               shortened(from["message"].as_string(), kMaxMessage));
    if (taken_back.size() > 1 && taken_back.size() == reported.size()) {
        message += "; taken back in all of them";
    } else if (!taken_back.empty()) {
        message += fmt::format("; taken back in {}", named(taken_back));
    }
    if (!missing.empty()) message += fmt::format("; not in {} yet", named(missing));
    if (!silent.empty()) message += "; " + silent;
    status["message"] = std::move(message);
    status["conditions"] = nullptr;
    for (std::string_view const type : {apis::condition::kStalled, apis::condition::kSucceeded})
        add_failure(status["conditions"], type, present);
    status["observedGeneration"] =
        all_current ? meta::generation(source) : source.at({"status", "observedGeneration"}).as_int();
    return status;
}

bool says_nothing(Value const& value) {
    return value.is_null() || (value.is_int() && value.as_int() == 0) ||
           (value.is_string() && value.as_string().empty()) ||
           ((value.is_array() || value.is_object()) && value.size() == 0);
}

}   // namespace

Value aggregate(Doc const& source, std::vector<Reported> const& reported, Time now) {
    std::string_view const kind = source["kind"].as_string();
    if (kind == "Rollout") return rollout_status(source, reported);
    if (kind == "Deployment" || kind == "StatefulSet" || kind == "ReplicaSet" || kind == "CloneSet" ||
        kind == "LeaderWorkerSet")
        return workload_status(source, reported, now);
    return json::Object();
}

Value status_changes(Doc const& object, Value const& wanted) {
    Value changes{json::Object()};
    Value const before = object["status"].thaw();
    for (auto const& [field, value] : wanted.object()) {
        Value const* own = before.find(field);
        if (own == nullptr) {
            if (!says_nothing(value)) changes[field] = value;
        } else if (own->is_object() && value.is_object()) {
            Value patch = json::create_merge_patch(*own, value);
            if (patch.size() > 0) changes[field] = std::move(patch);
        } else if (!(*own == value)) {
            changes[field] = value;
        }
    }
    return changes;
}

}   // namespace aviary::propagation
