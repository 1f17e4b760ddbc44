#include "hub/recovery/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/json/patch.h"
#include "hub/placement/bindings.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
#include "hub/propagation/render.h"
#include "kube/meta/object.h"

namespace aviary::recovery {

namespace {

using control::Write;
using json::Doc;
using json::Value;

auto rank(Record const& record) {
    return std::tuple(record.epoch, record.binding_generation, record.source_generation);
}

// As new as the one that is there: a hub that ended between two copies has written one of them.
void merge(Record& record, Record const& other, std::string const& where, std::vector<std::string>& remarks) {
    if (!covers(record, other) && !covers(other, record))
        remarks.push_back(where +
                          ": says something else than another cluster's, which is as new: their decisions are "
                          "put together, of the rest the first counts");
    for (OpenDecision const& each : other.decisions) {
        if (std::ranges::count(record.decisions, each.name, &OpenDecision::name) == 0) record.decisions.push_back(each);
    }
    std::ranges::sort(record.decisions, {}, &OpenDecision::name);
    record.templates.insert(other.templates.begin(), other.templates.end());
}

std::string shown(apis::BoundCluster const& cluster) {
    std::string text = cluster.name;
    if (cluster.paused) text += " paused";
    if (!cluster.revision.empty()) text += fmt::format(" pinned to {}", cluster.revision);
    if (!cluster.rejected.empty()) text += fmt::format(", {} rejected", cluster.rejected);
    return text;
}

std::string shown(OpenDecision const& decision) {
    std::string clusters;
    for (apis::DecisionTarget const& each : decision.spec.targets)
        clusters += (clusters.empty() ? "" : ", ") + each.cluster;
    return fmt::format("decision {}: {} in {} by {}, until {}", decision.name, decision.spec.action, clusters,
                       decision.spec.requester ? decision.spec.requester->username : "somebody",
                       decision.spec.expires_at);
}

struct Restoring {
    HubSide const& hub;
    Record const& record;
    Doc binding, source;
    Restored out;

    std::set<std::string> kept() const {
        std::set<std::string> hashes;
        for (Doc const& each : hub.revisions) {
            if (meta::is_controlled_by(each, source)) hashes.insert(meta::label(each, propagation::kTemplateLabel));
        }
        return hashes;
    }

    void restore_templates() {
        std::set<std::string> const known = kept();
        std::int64_t number = static_cast<std::int64_t>(known.size());
        for (auto const& [hash, text] : record.templates) {
            // The hub keeps that one itself, as soon as it has it.
            if (known.contains(hash) || hash == record.hub_template) continue;
            out.revisions.push_back(propagation::keep_revision(source, hash, text, ++number));
            out.lines.push_back(fmt::format("template {} kept", hash));
        }
        auto const wanted = record.templates.find(record.hub_template);
        std::string const has = propagation::template_hash(propagation::pod_template(source));
        if (wanted == record.templates.end() || has == record.hub_template) return;
        Write write;
        write.verb = Write::Verb::kJsonPatch;
        write.resource = hub.resources.at(out.binding);
        write.key = meta::key_of(source);
        json::PatchBuilder patch;
        patch.test("/metadata/resourceVersion", meta::resource_version(source));
        patch.replace(fmt::format("/spec/{}", propagation::template_path(source).back()), wanted->second);
        write.body = patch.take();
        write.why = "the template that the members have";
        out.source.push_back(std::move(write));
        out.lines.push_back(fmt::format("template {} instead of {}: a newer one is released once it is applied again",
                                        record.hub_template, has));
    }

    void restore_pins() {
        auto read = apis::read_fleet_binding(binding);
        if (!read) return;
        apis::FleetBindingSpec spec = read->spec;
        for (apis::BoundCluster& cluster : spec.clusters) {
            auto const pin = std::ranges::find(record.pins, cluster.name, &apis::BoundCluster::name);
            bool const none = pin == record.pins.end();
            cluster.paused = !none && pin->paused;
            cluster.paused_by = none ? "" : pin->paused_by;
            cluster.revision = none ? "" : pin->revision;
            cluster.rejected = none ? "" : pin->rejected;
        }
        for (apis::BoundCluster const& pin : record.pins) {
            bool const placed = std::ranges::count(spec.clusters, pin.name, &apis::BoundCluster::name) > 0;
            if (!placed) out.lines.push_back(fmt::format("{}: not placed there any more: left out", shown(pin)));
        }
        if (spec == read->spec) return;
        for (apis::BoundCluster const& cluster : spec.clusters) {
            auto const before = std::ranges::find(read->spec.clusters, cluster.name, &apis::BoundCluster::name);
            bool const same = *before == cluster;
            bool const free = !cluster.paused && cluster.revision.empty() && cluster.rejected.empty();
            if (!same) out.lines.push_back(free ? cluster.name + " pinned no more" : shown(cluster));
        }
        out.pins.push_back(placement::clusters_write(binding, spec, "recovered"));
    }

    // A status comes behind its Decision: what is done would be done again before.
    static void leave_out_finished(OpenDecision& decision) {
        std::set<std::string> done;
        for (apis::DecisionClusterStatus const& each : decision.status.clusters) {
            if (apis::finished(each.outcome)) done.insert(each.cluster);
        }
        std::erase_if(decision.spec.targets, [&](auto const& each) { return done.contains(each.cluster); });
        std::erase_if(decision.status.clusters, [&](auto const& each) { return done.contains(each.cluster); });
    }

    void restore_decisions() {
        std::vector<OpenDecision> decisions = record.decisions;
        std::ranges::sort(decisions, {}, [](OpenDecision const& each) { return std::tie(each.created, each.name); });
        for (OpenDecision& each : decisions) {
            leave_out_finished(each);
            meta::ObjectKey const key{record.resource.ns, each.name};
            bool const there =
                std::ranges::any_of(hub.decisions, [&](Doc const& object) { return meta::key_of(object) == key; });
            if (there || each.spec.targets.empty()) continue;
            Write create;
            create.verb = Write::Verb::kCreate;
            create.resource = apis::kDecisions;
            create.key = key;
            create.body = json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"}, {"kind", "Decision"}};
            create.body["spec"] = apis::write_decision_spec(each.spec);
            create.ignore_already_exists = true;
            create.why = "recovered";
            Write status;
            status.resource = apis::kDecisions;
            status.key = key;
            status.subresource = "status";
            status.body["status"] = apis::write_decision_status(each.status);
            status.why = "recovered";
            out.decisions.push_back(std::move(create));
            out.decisions.push_back(std::move(status));
            out.lines.push_back(shown(each));
        }
    }
};

}   // namespace

Rebuilt rebuild(std::vector<Found> const& found, std::string const& hub) {
    Rebuilt rebuilt;
    std::map<meta::ObjectKey, Record> newest;
    for (Found const& each : found) {
        std::string const where =
            fmt::format("{}: configmap {}", each.cluster, meta::key_of(each.config_map).to_string());
        auto record = read_record(each.config_map);
        if (!record) {
            rebuilt.remarks.push_back(fmt::format("{}: left out: {}", where, record.error().message()));
            continue;
        }
        if (!hub.empty() && record->hub != hub) {
            rebuilt.remarks.push_back(fmt::format("{}: left out: it is of hub {}", where, record->hub));
            continue;
        }
        rebuilt.hubs.insert(record->hub);
        rebuilt.epoch = std::max(rebuilt.epoch, record->epoch);
        auto const [known, first] = newest.try_emplace(binding_of(*record), *record);
        if (first) continue;
        if (rank(*record) == rank(known->second)) {
            merge(known->second, *record, where, rebuilt.remarks);
        } else {
            bool const older = rank(*record) < rank(known->second);
            bool const same = older ? covers(known->second, *record) : covers(*record, known->second);
            if (!same) {
                rebuilt.remarks.push_back(where + (older ? ": older than another cluster's, which counts"
                                                         : ": newer than another cluster's: this one counts"));
            }
            if (!older) known->second = std::move(*record);
        }
    }
    for (auto& [key, record] : newest) rebuilt.records.push_back(std::move(record));
    return rebuilt;
}

std::vector<Restored> decide_recovery(HubSide const& hub, Rebuilt const& rebuilt, Time now,
                                      std::set<meta::ObjectKey> const& begun) {
    std::vector<Restored> result;
    for (Record const& record : rebuilt.records) {
        Restored one;
        one.binding = binding_of(record);
        auto const binding = hub.bindings.find(one.binding);
        auto const source = hub.sources.find(one.binding);
        bool const bound = binding != hub.bindings.end() && source != hub.sources.end() && source->second.exists();
        if (!bound) {
            one.outcome = Restored::Outcome::kNotBound;
            one.lines.push_back("not placed by this hub: apply its manifest and its policy");
            result.push_back(std::move(one));
            continue;
        }
        RecordSeen seen;
        seen.hub = hub.hub;
        seen.epoch = hub.epoch;
        seen.binding = binding->second;
        seen.source = source->second;
        seen.decisions = hub.decisions;
        if (!begun.contains(one.binding) && !ahead(record, seen, now)) {
            one.outcome = Restored::Outcome::kNewerHere;
            one.lines.push_back("this hub is not behind: left as it is");
            result.push_back(std::move(one));
            continue;
        }
        Restoring restoring{hub, record, binding->second, source->second, std::move(one)};
        if (propagation::template_in(source->second).exists()) restoring.restore_templates();
        restoring.restore_pins();
        restoring.restore_decisions();
        if (restoring.out.lines.empty()) {
            restoring.out.outcome = Restored::Outcome::kSame;
            restoring.out.lines.push_back("as it was");
        }
        result.push_back(std::move(restoring.out));
    }
    return result;
}

}   // namespace aviary::recovery
