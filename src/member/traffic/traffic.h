// Traffic of one release: the Services, and the objects that lead requests to them, as trafficRoutings[0] names them.
// It knows no Rollout and no workload: it is given revisions, weights and matches, and says what is to be written for
// them to be in force. Pure: made from what was read at one moment.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apis/rollouts/rollout.h"
#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"
#include "member/traffic/route.h"

namespace aviary::traffic {

// One object that leads requests to the Services.
struct Target {
    std::string kind;   // HTTPRoute
    meta::GroupVersionResource resource;
    meta::ObjectKey key;
    bool served = true;       // the cluster has the kind; without it there is nothing that could have been changed
    std::string unreadable;   // why nothing is known of it at this moment; empty: what follows is how it is
    json::Doc live;           // absent: there is none
};

// What an entry names, to be read.
std::vector<Target> targets_of(apis::TrafficRoutingRef const& routing, std::string const& ns);

struct Seen {
    json::Doc stable;   // Services; absent: there is none
    json::Doc canary;
    std::string unreadable;   // of the Services, as of a Target
    std::vector<Target> targets;
};

// What a release says once.
struct Setup {
    apis::TrafficRoutingRef routing;
    meta::ObjectKey owner;      // in whose namespace all of it is
    json::Value reference;      // to the owner, as of its controller
    bool generates = true;      // a canary Service; else no Service is touched
    std::string revision_key;   // the label that tells pods of two versions apart
    std::string stable_revision;
    std::string canary_revision;
    std::map<std::string, std::string> pod_labels;   // that the new version's pods have instead
};

// What one end of it needs. Neither writes nor trouble: it is in force.
struct Outcome {
    std::vector<control::Write> writes;
    std::string trouble;   // why it cannot be, in a sentence; then there are no writes

    bool in_force() const { return writes.empty() && trouble.empty(); }
    // Both ends: of a trouble nothing is written.
    void add(Outcome other);
};

class Traffic {
public:
    Traffic(Setup setup, Seen const& seen, Time now) : setup_(std::move(setup)), seen_(seen), now_(now) {}

    // The stable Service leads to the old version alone.
    Outcome hold_stable() const;
    // Until when that may not be known everywhere; absent: it is, or nothing was changed.
    std::optional<Time> holds_from() const;
    // And the canary Service, to the new one.
    Outcome services() const;
    // All targets: weights or matches.
    Outcome route(std::optional<std::int64_t> weight, json::Doc matches, json::Doc header_modifier) const;
    // Whether anything is routed: a canary Service is there, or a target has been changed.
    bool routed() const;

    // And back.
    Outcome release_stable() const;
    Outcome restore_routes() const;
    Outcome remove_canary() const;

    Duration grace() const;   // how long a change takes to be known everywhere

private:
    std::string canary() const;
    meta::ObjectKey key(std::string const& name) const { return {setup_.owner.ns, name}; }
    Outcome read_services() const;

    Setup setup_;
    Seen const& seen_;
    Time now_;
};

}   // namespace aviary::traffic
