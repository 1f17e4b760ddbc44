// RolloutHistory rollouts.kruise.io/v1alpha1: a release as it was. Written where the feature
// gate of its name is on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kRolloutHistories{"rollouts.kruise.io", "v1alpha1", "rollouthistories"};

// An object as it was at the time; `data` is whatever of it was kept.
struct HistoryObject {
    std::string name;
    json::Value data;
};

struct HistoryRollout {
    std::string rollout_id;
    std::string name;
    json::Value data;
};

struct HistoryWorkload {
    std::string api_version, kind, name;
    json::Value data;
};

struct HistoryTraffic {
    std::optional<HistoryObject> ingress;
    std::optional<HistoryObject> http_route;
};

struct RolloutHistorySpec {
    std::optional<HistoryRollout> rollout;
    std::optional<HistoryWorkload> workload;
    std::optional<HistoryObject> service;
    std::optional<HistoryTraffic> traffic_routing;
};

struct HistoryPod {
    std::string name, ip, node_name;
};

struct HistoryStep {
    std::int64_t canary_step_index = 0;   // 1-based
    std::vector<HistoryPod> pods;
};

// The phase of a release that is over.
inline constexpr std::string_view kHistoryCompleted = "completed";
struct RolloutHistoryStatus {
    std::string phase;   // empty before
    std::vector<HistoryStep> canary_steps;
};

struct RolloutHistory {
    RolloutHistorySpec spec;
    RolloutHistoryStatus status;
};

Result<RolloutHistory> read_rollout_history(json::Doc const& object);
json::Value write_rollout_history_spec(RolloutHistorySpec const& spec);
json::Value write_rollout_history_status(RolloutHistoryStatus const& status);

// Ours, beyond upstream's fields, in an annotation of the RolloutHistory: the steps in the order in which the release
// came to them; one that it came to twice is there twice. Times as RFC 3339, empty: not known, or not yet.
inline constexpr std::string_view kHistorySteps = "rollouts.aviary.dev/steps";
// The same of how a release ended that was not completed: its status has one word for every end.
inline constexpr std::string_view kHistoryOutcome = "rollouts.aviary.dev/outcome";
inline constexpr std::string_view kTakenBack = "TakenBack";
inline constexpr std::string_view kReplaced = "Replaced";   // a newer version came
struct StepNote {
    std::int64_t step = 0;   // 1-based
    std::string began;       // its upgrade
    std::string paused;      // its pods were ready, and its requests led
    std::string passed;      // the release went on, back, or was over
    std::string by;          // who let it go on; empty: nobody, or nobody can say
    bool operator==(StepNote const&) const = default;
};
// What cannot be read counts as absent.
std::vector<StepNote> read_step_notes(json::Doc const& history);
std::string write_step_notes(std::vector<StepNote> const& notes);

}   // namespace aviary::apis
