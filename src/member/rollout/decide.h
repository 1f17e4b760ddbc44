// What is to be done about one Rollout, one BatchRelease, and one TrafficRouting, at this moment. Pure: the same things
// seen, the same plan. Transitions that wait for nobody are run through at once; a status is written when somebody else
// is waited for, tests what was observed of the fields that people write too, and holds only what changed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "member/traffic/traffic.h"
#include "member/workload/workload.h"

namespace aviary::rollout {

// Another Rollout of the same group, with its BatchRelease.
struct Companion {
    json::Doc rollout;
    json::Doc batch_release;   // absent when there is none
};

struct RolloutSeen {
    json::Doc rollout;
    json::Doc batch_release;                        // of the same name; absent when there is none
    workload::Workload const* workload = nullptr;   // null: not found
    bool kind_supported = true;
    bool kind_served = true;            // by this cluster
    bool unlabelled = false;            // it is there, of a kind whose objects have to say what they are like
    bool held_by_another = false;       // in-progressing names another Rollout, which exists
    bool controlled_by_other = false;   // the workload is held by a live BatchRelease of another name
    std::optional<Time> counts_after;   // a status that differs in counts alone is not written before
    traffic::Seen traffic;              // what its trafficRoutings name
    json::Doc shared_routing;           // the TrafficRouting that it names; absent: there is none
    std::vector<Companion> group;       // those that are in force
    std::string refused;                // what is said against a write of this controller, time and again
};
control::Plan decide_rollout(RolloutSeen const& seen, Time now);

struct BatchReleaseSeen {
    json::Doc batch_release;
    json::Doc rollout;   // whose it is; absent for one made by hand
    workload::Workload const* workload = nullptr;
    std::vector<control::Write> strays;   // of a workload that is gone: take away what was made beside it
    std::optional<Time> counts_after;
    std::string refused;   // as of a Rollout
};
control::Plan decide_batch_release(BatchReleaseSeen const& seen, Time now);

// Somebody let a step go on from its pause.
struct Approval {
    std::string paused_since;   // the lastUpdateTime of that pause
    std::string by;             // the field manager
    bool operator==(Approval const&) const = default;
};
// Whether that is how the Rollout changed: its step went on, and not by the word of who had brought it to the pause.
std::optional<Approval> approval_between(json::Doc const& before, json::Doc const& after);

// What is noted of releases, in objects that nothing is decided by.
struct HistorySeen {
    json::Doc rollout;
    json::Doc workload;                 // absent: there is none
    std::vector<json::Doc> pods;        // of its namespace
    std::vector<json::Doc> histories;   // of this Rollout
    traffic::Seen traffic;
    std::optional<Approval> approval;   // the last that was seen
};
control::Plan decide_history(HistorySeen const& seen);

struct TrafficRoutingSeen {
    json::Doc traffic_routing;
    std::vector<std::string> strays;   // holders that are gone, or name another one
    traffic::Seen traffic;             // what its first objectRef names
    std::optional<Time> rests_since;   // as the last decision answered; absent after a restart
};
struct TrafficRoutingDecision {
    control::Plan plan;
    // Since when what it names is as its phase wants it.
    std::optional<Time> rests_since;
};
TrafficRoutingDecision decide_traffic_routing(TrafficRoutingSeen const& seen, Time now);

}   // namespace aviary::rollout
