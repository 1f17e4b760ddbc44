// From the records in members back to a hub: which of them count, and what is to be written on the hub. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "hub/recovery/record.h"
#include "kube/control/plan.h"

namespace aviary::recovery {

// A record as it was found in a member.
struct Found {
    std::string cluster;
    json::Doc config_map;
};

struct Rebuilt {
    std::vector<Record> records;        // one of each binding, in their order
    std::set<std::string> hubs;         // all that wrote one; more than one: two fleets in one cluster
    std::int64_t epoch = 0;             // the highest
    std::vector<std::string> remarks;   // "shanghai: demo/aviary-record-…: …": what was left out, and why
};

// Of each binding the newest record counts, wherever it lies: by epoch, by the generation of the binding and by that of
// the object. Members that disagree although theirs are as new have all their Decisions, and else what the first one
// has. With `hub` the records of that one alone.
Rebuilt rebuild(std::vector<Found> const& found, std::string const& hub = {});

// What the hub has by now; all by the binding's key.
struct HubSide {
    std::string hub;
    std::int64_t epoch = 1;
    std::map<meta::ObjectKey, json::Doc> bindings, sources;
    std::map<meta::ObjectKey, meta::GroupVersionResource> resources;   // of the sources
    std::vector<json::Doc> decisions, revisions;
};

// One binding, brought back.
struct Restored {
    enum class Outcome { kRestored, kSame, kNewerHere, kNotBound };
    meta::ObjectKey binding;
    Outcome outcome = Outcome::kRestored;
    // In this order: a pin ends with a template that is not the one it is against.
    std::vector<control::Write> revisions, source, pins, decisions;
    std::vector<std::string> lines;   // what that is, for people
};

// Only where the members are ahead of the hub; `begun` are bindings that were, and that are half restored perhaps.
std::vector<Restored> decide_recovery(HubSide const& hub, Rebuilt const& rebuilt, Time now,
                                      std::set<meta::ObjectKey> const& begun = {});

}   // namespace aviary::recovery
