// The annotation original-deployment-strategy: what a Deployment's settings were before a blue-green release, and the
// settings that it has meanwhile. No pod of the new version ever counts as available, so the native controller makes
// pods above spec.replicas and takes none of the old ones away.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

inline constexpr std::int64_t kNeverAvailable = 2'147'483'646;   // minReadySeconds
inline constexpr std::int64_t kNoDeadline = 2'147'483'647;       // progressDeadlineSeconds, by Kubernetes' own rules

struct Original {
    json::Value max_unavailable = "25%";
    json::Value max_surge = "25%";
    std::int64_t min_ready_seconds = 0;
    std::int64_t progress_deadline_seconds = 600;
    std::string original_type;   // ours: what spec.strategy.type was, when not RollingUpdate

    std::string to_text() const;
    json::Value rolling_update() const;
    // Gives a Deployment these settings back.
    void restore(JsonPatch& patch) const;
    void restore(json::Value& deployment) const;
    // Takes over what a write wants to change of the settings that hold `held`; they stay in `deployment`.
    void keep(json::Value& deployment, json::Doc const& held);
};

// The settings that a Deployment has.
Original settings_of(json::Doc const& deployment);
// Absent when there is no such annotation, or it cannot be read.
std::optional<Original> parse_original(std::string_view text);
std::optional<Original> original_of(json::Doc const& deployment);
// Why one in the middle of a blue-green release cannot be held as it stands.
Error both_versions(meta::ObjectKey const& workload);
// Whether its settings are those of a blue-green release.
bool never_available(json::Doc const& deployment);

}   // namespace aviary::workload
