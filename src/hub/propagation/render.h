// What an object of the hub looks like in one member. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apis/fleet/brought.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::propagation {

// One cluster's row of a FleetBinding's spec.
struct Assignment {
    std::string cluster;
    std::optional<std::int64_t> replicas;
    bool paused = false;    // a Rollout: strategy.paused in this cluster
    std::string revision;   // a workload: the pinned template's hash; empty: what is there
    std::string rejected;   // … as long as the hub's template has this hash
    bool operator==(Assignment const&) const = default;
};

struct RenderInput {
    json::Doc source;   // the hub's object
    Assignment assignment;
    std::string hub_id;
    std::optional<json::Value> pod_template;   // instead of the source's: a pinned or stable revision
    json::Doc live;                            // the member's object; absent when there is none
    bool releasing = false;                    // a rollout controller is at work on it
    bool replicas_belong_to_member = false;    // an autoscaler there targets it, or it is labelled so
};

// An object without what its API server, and those who brought it there, keep in it for themselves.
json::Value travelling(json::Doc const& object);
// Labels by which a hub says what it did.
bool is_own_label(std::string_view key);

// The object to apply, with the labels for the hub and the template's hash; seal() adds those that follow from the
// rest.
json::Value render(RenderInput const& input);
// How new the state of a hub is that something in a member was written from: "<epoch>.<version>" on its label. The
// epoch is raised when a hub is recovered from its members; the version is the newest resource version on the hub that
// counted.
struct Generation {
    std::int64_t epoch = 1;
    std::int64_t version = 0;
    auto operator<=>(Generation const&) const = default;
};
// No hub has been recovered so often: what says more was written by somebody else, and nothing could come after it.
inline constexpr std::int64_t kMostEpoch = 1'000'000;
// 0.0 where the label is missing or malformed, or of such an epoch.
Generation generation_of(json::Doc const& live);
// Adds the labels for the render's hash and the generation, and answers the hash.
std::string seal(json::Value& rendered, Generation generation);

// A workload's pod template as it is kept and compared: without what API servers add to it.
json::Value pod_template(json::Doc const& workload);
using apis::short_hash;
// The short hash that names a pod template: equal templates, equal hashes.
std::string template_hash(json::Value const& pod_template);
// Whether `live` says everything that `wanted` says; what a server added by default does not count.
bool says(json::Value const& live, json::Value const& wanted);

// What of `rendered` the manager's apply entry in live.metadata.managedFields does not cover: somebody else has changed
// it since.
struct Lost {
    std::string field;                 // spec.replicas
    std::vector<std::string> owners;   // who has it now
};
std::optional<Lost> first_lost(json::Doc const& live, std::string_view manager, json::Value const& rendered);
// The managers that own the field, e.g. {"spec", "paused"}; through the scale sub-resource too.
std::vector<std::string> owners(json::Doc const& live, std::vector<std::string_view> const& path);
// Also by what an admission there has made of a write of this manager: that is an update under its name.
bool owned_by_other(json::Doc const& live, std::string_view manager, std::vector<std::string_view> const& path);

// metadata.managedFields without what others' updates still claim, beside this manager, of the fields that a release
// steers by; absent when nobody does. Left there, such a field would outlive its end on the hub.
std::optional<json::Value> without_claims_of_releases(json::Doc const& live, std::string_view manager);
// … without what those of the `others` claim of the fields that this manager applies; absent when they claim none.
std::optional<json::Value> without_claims_of(json::Doc const& live, std::string_view manager,
                                             std::function<bool(std::string_view name)> const& others);

}   // namespace aviary::propagation
