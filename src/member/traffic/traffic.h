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
#include "member/traffic/scripts.h"

namespace aviary::traffic {

// kPool: an InferencePool for the new version. It is the user's own, is read, and never written.
enum class Provider { kGateway, kIngress, kCanaryIngress, kCustom, kPool };

// One object that leads requests to the Services.
struct Target {
    Provider provider = Provider::kGateway;
    std::string kind;                      // HTTPRoute
    meta::GroupVersionResource resource;   // of a custom object without its name, until discovery has told it
    meta::ObjectKey key;
    bool served = true;       // the cluster has the kind; without it there is nothing that could have been changed
    std::string unreadable;   // why nothing is known of it at this moment; empty: what follows is how it is
    json::Doc live;           // absent: there is none

    std::string label() const;   // "HTTPRoute.gateway.networking.k8s.io/web", whatever the version
};

// What an entry names, to be read; with an Ingress also the one that is made beside it.
std::vector<Target> targets_of(apis::TrafficRoutingRef const& routing, std::string const& ns);
// The InferencePools that have to be there as well for a step to be routed by this route.
std::vector<Target> canary_pools_of(json::Doc const& route, std::string const& service);

struct Seen {
    json::Doc stable;   // Services; absent: there is none
    json::Doc canary;
    std::string unreadable;   // of the Services, as of a Target
    std::vector<Target> targets;
    json::Doc scripts;   // the ConfigMap; absent: there is none
    std::string scripts_unreadable;
    ScriptRunner* runner = nullptr;   // null: no failure of a script is remembered
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
    json::Doc stable_pod;                            // one that was seen, ready if any was; absent: none
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

    // Whether all that a step is routed by can be read, is there, and has a script where it needs one. Writes nothing.
    Outcome ready() const;
    // The stable Service leads to the old version alone. What was seen of pods may be old: where `stable_pod` is going,
    // or is not of that version any more, nothing is written.
    Outcome hold_stable() const;
    // Until when that may not be known everywhere; absent: it is, or nothing was changed.
    std::optional<Time> holds_from() const;
    // The canary Service leads to the new one.
    Outcome canary_service() const;
    // Until when that may not be known everywhere, since it was made; absent: it is.
    std::optional<Time> canary_from() const;
    // Both.
    Outcome services() const;
    // All targets: weights or matches.
    Outcome route(std::optional<std::int64_t> weight, json::Doc matches, json::Doc header_modifier) const;
    // Whether anything is routed: a canary Service is there, or a target has been changed.
    bool routed() const;

    // And back.
    Outcome release_stable() const;
    Outcome restore_routes() const;
    Outcome remove_canary() const;

    std::string const& revision_key() const { return setup_.revision_key; }
    Duration grace() const;   // how long a change takes to be known everywhere

private:
    std::optional<Time> known_from(std::optional<Time> changed) const;
    std::string canary() const;
    Result<json::Doc> routed_ingress(Target const& stable, json::Doc const& beside, Route const& route) const;
    Result<json::Doc> routed_object(Target const& target, Route const& route) const;
    Result<lua::Script> script_for(Target const& target) const;
    Outcome ready(Target const& target) const;
    Outcome route_one(Target const& target, Route const& route) const;
    Outcome restore_one(Target const& target) const;
    Outcome remove_made(json::Doc const& live, meta::GroupVersionResource const& resource, std::string why) const;
    Target const* beside(Target const& ingress) const;
    Status read_scripts() const;
    meta::ObjectKey key(std::string const& name) const { return {setup_.owner.ns, name}; }
    Outcome read_services() const;

    Setup setup_;
    Seen const& seen_;
    Time now_;
};

}   // namespace aviary::traffic
