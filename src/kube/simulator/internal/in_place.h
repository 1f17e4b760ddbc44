// In-place updates as Kruise's workloads make them: a pod gets new images and metadata and stays the pod that it is.
// Meanwhile its readiness gate holds it out of Services.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// Where a pod is in its life, as Kruise's controllers note it on the pod.
inline constexpr std::string_view kLifecycleState = "lifecycle.apps.kruise.io/state";
inline constexpr std::string_view kPreparingNormal = "PreparingNormal";
inline constexpr std::string_view kNormal = "Normal";
inline constexpr std::string_view kUpdating = "Updating";
std::string lifecycle_state(json::Doc const& pod);
// Sets the state in `object`, which is a pod or a patch of one.
void set_lifecycle_state(json::Value& object, std::string_view state, Time now);

control::Write lifecycle_write(json::Doc const& pod, std::string_view state, Time now);

void add_readiness_gate(json::Value& pod);
// The gate is open, or there is none.
bool passes_readiness_gate(json::Doc const& pod);

struct InPlaceChange {
    std::map<std::string, std::string> images;   // by container
    json::Value metadata{json::Object()};        // a merge patch of labels and annotations
};
// What turns a pod of the one template into one of the other; nothing when that takes a new pod.
std::optional<InPlaceChange> in_place_change(json::Doc const& from, json::Doc const& to);

// Closes the gate, and changes the pod: `labels` are those of the revision that it goes to. With a grace period the
// images follow later (refresh_in_place).
struct InPlaceUpdate {
    InPlaceChange change;
    std::string revision;
    std::map<std::string, std::string> labels;
    std::int64_t grace_seconds = 0;
};
void update_in_place(control::Plan& plan, json::Doc const& pod, InPlaceUpdate const& update, Time now);
// Ends the grace period of an update, and opens the gate once the containers run what they should.
void refresh_in_place(control::Plan& plan, json::Doc const& pod, Time now);
bool in_grace_period(json::Doc const& pod);
// Whether the containers have followed the last update.
bool is_updated_in_place(json::Doc const& pod);

}   // namespace aviary::simulator
