// What lies in members for a hub that is lost: of each object that has more to it than Git says (pins, open Decisions,
// earlier templates) one ConfigMap beside the object, the same in a few of its clusters. Pure. docs/adr/0008.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "apis/fleet/decision.h"
#include "apis/fleet/fleet_binding.h"
#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::recovery {

inline meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
// On such a ConfigMap; the value is "binding".
inline constexpr std::string_view kRecordLabel = "fleet.aviary.dev/record";
inline constexpr char kRecordSelector[] = "fleet.aviary.dev/record=binding";
inline constexpr std::size_t kCopies = 3;                     // clusters that have one, where there are as many
inline constexpr std::size_t kMostRecordBytes = 512u << 10;   // a ConfigMap may have a megabyte
inline constexpr Duration kDecisionCarriedOut = std::chrono::seconds(2);   // most are by then
inline constexpr Duration kDecisionsKept = std::chrono::hours(24 * 29);    // for sure, on a hub

// A Decision that is not settled.
struct OpenDecision {
    std::string name;
    std::string created;   // RFC 3339
    apis::DecisionSpec spec;
    apis::DecisionStatus status;
    bool operator==(OpenDecision const&) const = default;
};

struct Record {
    std::string hub;
    std::int64_t epoch = 1;
    // Of the hub's object and of its FleetBinding, when this was written: which of two records is newer.
    std::int64_t source_generation = 0;
    std::int64_t binding_generation = 0;
    apis::BoundResource resource;
    std::vector<apis::BoundCluster> pins;   // the binding's clusters that are paused or pinned; by name
    std::string hub_template;               // hash of the hub's; empty: no workload, or none that a Rollout selects
    std::map<std::string, json::Value> templates;   // by hash: what is or was there, and what a cluster is pinned to
    std::vector<OpenDecision> decisions;            // on this Rollout; by name
};

// Where a binding's record lies.
meta::ObjectKey record_key(meta::ObjectKey const& binding);
meta::ObjectKey binding_of(Record const& record);

// The ConfigMap, owned by the object `live` that it is about in this member, with which it ends.
json::Value write_record(Record const& record, json::Doc const& live);
// An Error says what is wrong with it: members are not trusted.
Result<Record> read_record(json::Doc const& config_map);

// What a hub knows of one of its objects.
struct RecordSeen {
    std::string hub;
    std::int64_t epoch = 1;
    json::Doc binding;
    json::Doc source;                   // the hub's object
    std::vector<json::Doc> decisions;   // all on this Rollout
    bool released = false;              // a workload that a Rollout selects
    std::set<std::string> used;         // hashes of templates that members have, or come from
    std::function<std::optional<json::Value>(std::string_view hash)> kept;   // among the hub's revisions
    std::vector<Record> copies;                                              // in members
};

Record record_of(RecordSeen const& seen, Time now);
// When an open Decision that is not in the record yet is old enough for it; absent: there is none.
std::optional<Time> more_at(RecordSeen const& seen, Time now);
// Whether there is anything in it that Git and the object in the member do not say.
bool says_something(Record const& record);
// Whether the copy need not be written again to say what is wanted.
bool covers(Record const& copy, Record const& wanted);
// Whether the copy was written by a newer state than this hub has: one that is recovered, or is yet to be.
bool ahead(Record const& copy, RecordSeen const& seen, Time now);

}   // namespace aviary::recovery
