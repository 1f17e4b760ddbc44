#include "hub/recovery/record.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/placement/bindings.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/propagator.h"
#include "hub/propagation/render.h"
#include "kube/meta/object.h"

namespace aviary::recovery {

namespace {

using json::Doc;
using json::Value;

constexpr std::int64_t kVersion = 1;   // of the form
constexpr std::size_t kDeepest = 64;
constexpr std::size_t kLongestName = 200;   // of a binding, in the record's
constexpr char kAbout[] =
    "Kept by the hub of the fleet, to be rebuilt from if it is lost: aviary hub recover --from-members";

bool pinned(apis::BoundCluster const& cluster) {
    return cluster.paused || !cluster.revision.empty() || !cluster.rejected.empty();
}

bool is_open(apis::DecisionStatus const& status) { return status.outcome == apis::outcome::kPending; }

// From when on it belongs into a record, if it is still open then: at once where a cluster is away.
Time recorded_from(Doc const& decision) {
    for (auto const& [index, cluster] : decision.at({"status", "clusters"}).elements()) {
        std::string_view const outcome = cluster["outcome"].as_string();
        if (outcome == apis::outcome::kWaiting || outcome == apis::outcome::kUnreachable) return Time();
    }
    auto const created = meta::created(decision);
    return created ? *created + kDecisionCarriedOut : Time();
}

Value write_decision(OpenDecision const& decision) {
    Value object{json::Object{{"name", decision.name}, {"created", decision.created}}};
    object["spec"] = apis::write_decision_spec(decision.spec);
    object["status"] = apis::write_decision_status(decision.status);
    return object;
}

Result<OpenDecision> read_decision(Doc const& entry, apis::BoundResource const& resource) {
    apis::Decision read = TRY(apis::read_decision(entry));
    OpenDecision decision{entry["name"].string(), entry["created"].string(), std::move(read.spec),
                          std::move(read.status)};
    bool const of_this = resource.kind == "Rollout" && decision.spec.rollout_ref.name == resource.name;
    if (decision.name.empty() || !of_this)
        return fail(ErrorCode::kInvalid, fmt::format("decision \"{}\" is not about {}", decision.name, resource.name));
    return decision;
}

// What it says is taken at its word nowhere else, so it has to fit together.
Status read_templates(Doc const& templates, Record& record) {
    for (auto const& [hash, each] : templates.members()) {
        Value text = each.thaw();
        if (propagation::template_hash(text) != hash)
            return fail(ErrorCode::kInvalid, fmt::format("template {} is another one", hash));
        record.templates.emplace(hash, std::move(text));
    }
    return {};
}

}   // namespace

meta::ObjectKey record_key(meta::ObjectKey const& binding) {
    std::string name = binding.name.substr(0, kLongestName);
    if (name != binding.name) name += fmt::format("-{:016x}", fnv1a_64(binding.name));
    return {binding.ns, "aviary-record-" + name};
}

meta::ObjectKey binding_of(Record const& record) {
    return placement::binding_key(propagation::kind_of(record.resource), {record.resource.ns, record.resource.name});
}

Value write_record(Record const& record, Doc const& live) {
    Value text{json::Object{{"version", kVersion},
                            {"hub", record.hub},
                            {"epoch", record.epoch},
                            {"sourceGeneration", record.source_generation},
                            {"bindingGeneration", record.binding_generation}}};
    apis::FleetBindingSpec binding;
    binding.resource = record.resource;
    binding.clusters = record.pins;
    text["binding"] = apis::write_fleet_binding_spec(binding);
    if (!record.hub_template.empty()) text["hubTemplate"] = record.hub_template;
    for (auto const& [hash, each] : record.templates) text.set({"templates", hash}, each);
    text["decisions"] = json::Array();
    for (OpenDecision const& each : record.decisions) text["decisions"].push_back(write_decision(each));

    meta::ObjectKey const key = record_key(binding_of(record));
    Value object{json::Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}}};
    object.set({"metadata", "name"}, key.name);
    object.set({"metadata", "namespace"}, key.ns);
    object.set({"metadata", "labels", kRecordLabel}, "binding");
    object.set({"metadata", "ownerReferences"},
               json::Array{meta::to_value({live["apiVersion"].string(), live["kind"].string(), meta::name(live),
                                           meta::uid(live), false, false})});
    object["data"] = json::Object{{"about", kAbout}, {"record", json::write(text)}};
    return object;
}

Result<Record> read_record(Doc const& config_map) {
    std::string const text = config_map.at({"data", "record"}).string();
    Doc const read = TRY(json::parse(text, {.max_bytes = kMostRecordBytes, .max_depth = kDeepest}));
    std::int64_t const version = read["version"].as_int();
    if (version != kVersion) {
        return fail(
            ErrorCode::kUnsupported,
            fmt::format("it has version {}, this program reads {}: use the hub's own version", version, kVersion));
    }
    Record record;
    record.hub = read["hub"].string();
    record.epoch = read["epoch"].as_int();
    record.source_generation = read["sourceGeneration"].as_int();
    record.binding_generation = read["bindingGeneration"].as_int();
    if (record.hub.empty() || record.epoch < 1 || record.epoch > propagation::kMostEpoch)
        return fail(ErrorCode::kInvalid, "it names no hub and epoch");
    Value wrapped{json::Object()};
    wrapped["spec"] = read["binding"].thaw();
    apis::FleetBinding binding = TRY(apis::read_fleet_binding(Doc::freeze(wrapped)));
    record.resource = std::move(binding.spec.resource);
    record.pins = std::move(binding.spec.clusters);
    if (record_key(binding_of(record)) != meta::key_of(config_map) || record.resource.ns.empty()) {
        return fail(ErrorCode::kInvalid, fmt::format("it is about {} {}/{}, and lies where another one belongs",
                                                     record.resource.kind, record.resource.ns, record.resource.name));
    }
    record.hub_template = read["hubTemplate"].string();
    TRY(read_templates(read["templates"], record));
    for (auto const& [index, entry] : read["decisions"].elements())
        record.decisions.push_back(TRY(read_decision(entry, record.resource)));
    return record;
}

Record record_of(RecordSeen const& seen, Time now) {
    Record record;
    record.hub = seen.hub;
    record.epoch = seen.epoch;
    record.source_generation = meta::generation(seen.source);
    record.binding_generation = meta::generation(seen.binding);
    std::set<std::string> wanted;
    if (auto const binding = apis::read_fleet_binding(seen.binding)) {
        record.resource = binding->spec.resource;
        for (apis::BoundCluster const& each : binding->spec.clusters) {
            if (!pinned(each)) continue;
            record.pins.push_back(each);
            record.pins.back().replicas.reset();   // placement finds them anew
            wanted.insert(each.revision);
        }
    }
    if (propagation::template_in(seen.source).exists() && (seen.released || !record.pins.empty())) {
        Value own = propagation::pod_template(seen.source);
        record.hub_template = propagation::template_hash(own);
        record.templates.emplace(record.hub_template, std::move(own));
        wanted.insert(seen.used.begin(), seen.used.end());
    }
    for (std::string const& hash : wanted) {
        if (hash.empty() || record.templates.contains(hash)) continue;
        auto text = seen.kept(hash);
        for (Record const& copy : seen.copies) {
            auto const there = copy.templates.find(hash);
            if (!text && there != copy.templates.end()) text = there->second;
        }
        if (text) record.templates.emplace(hash, std::move(*text));
    }
    for (Doc const& object : seen.decisions) {
        auto const decision = apis::read_decision(object);
        if (!decision || !is_open(decision->status) || now < recorded_from(object)) continue;
        record.decisions.push_back({meta::name(object), object.at({"metadata", "creationTimestamp"}).string(),
                                    decision->spec, decision->status});
    }
    std::ranges::sort(record.decisions, {}, &OpenDecision::name);
    return record;
}

std::optional<Time> more_at(RecordSeen const& seen, Time now) {
    std::optional<Time> first;
    for (Doc const& object : seen.decisions) {
        Time const from = recorded_from(object);
        if (now >= from || (first && *first <= from)) continue;
        auto const decision = apis::read_decision(object);
        if (decision && is_open(decision->status)) first = from;
    }
    return first;
}

bool says_something(Record const& record) {
    return !record.pins.empty() || !record.decisions.empty() || record.templates.size() > 1;
}

bool covers(Record const& copy, Record const& wanted) {
    bool const same = copy.hub == wanted.hub && copy.epoch == wanted.epoch &&
                      copy.hub_template == wanted.hub_template && copy.resource.uid == wanted.resource.uid &&
                      copy.pins == wanted.pins && copy.decisions == wanted.decisions;
    return same &&
           std::ranges::all_of(wanted.templates, [&](auto const& each) { return copy.templates.contains(each.first); });
}

bool ahead(Record const& copy, RecordSeen const& seen, Time now) {
    if (copy.hub != seen.hub) return true;
    if (copy.epoch != seen.epoch) return copy.epoch > seen.epoch;
    // About an object of this name that was there before: nothing to be compared with.
    if (copy.resource.uid != seen.binding.at({"spec", "resource", "uid"}).as_string()) return false;
    if (copy.binding_generation > meta::generation(seen.binding) ||
        copy.source_generation > meta::generation(seen.source))
        return true;
    return std::ranges::any_of(copy.decisions, [&](OpenDecision const& each) {
        auto const created = parse_rfc3339(each.created);
        bool const kept = created && now < *created + kDecisionsKept;
        return kept &&
               std::ranges::none_of(seen.decisions, [&](Doc const& object) { return meta::name(object) == each.name; });
    });
}

}   // namespace aviary::recovery
