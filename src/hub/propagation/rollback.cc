#include "hub/propagation/rollback.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/fleet/fleet_binding.h"
#include "core/base/strings.h"
#include "hub/placement/bindings.h"
#include "hub/propagation/internal/named.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
#include "hub/propagation/release_state.h"
#include "hub/propagation/render.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::Write;
using json::Doc;
using json::Value;

// A patch that fails when the object has changed since it was seen, and that changes nothing.
Write only_if_current(meta::GroupVersionResource const& resource, Doc const& object) {
    Write write;
    write.resource = resource;
    write.key = meta::key_of(object);
    write.body.set({"metadata", "resourceVersion"}, meta::resource_version(object));
    write.why = "still as it was seen";
    return write;
}

Write finalizer_write(Doc const& rollout, bool wanted, std::string why) {
    Value finalizers{json::Array()};
    for (auto const& [index, finalizer] : rollout.at({"metadata", "finalizers"}).elements()) {
        if (finalizer.as_string() != placement::kOnDeleteFinalizer) finalizers.push_back(finalizer.thaw());
    }
    if (wanted) finalizers.push_back(placement::kOnDeleteFinalizer);
    Write write = only_if_current(kRollouts, rollout);
    write.body.set({"metadata", "finalizers"}, std::move(finalizers));
    write.why = std::move(why);
    return write;
}

struct Deciding {
    RollbackSeen const& seen;
    Rollback out;
    std::string hub_template = template_hash(pod_template(seen.workload));
    std::vector<std::string> waiting;

    RollbackCluster const* find(std::string const& name) const {
        auto const found = std::ranges::find(seen.clusters, name, &RollbackCluster::name);
        return found == seen.clusters.end() ? nullptr : &*found;
    }

    // What releases goes back to where it comes from, what is at rest stays. Where nothing tells, it is what the others
    // come from. Empty: the hub's own.
    std::string back(RollbackCluster const& cluster, bool held) const {
        bool const has_it = meta::label(cluster.workload, kTemplateLabel) == hub_template;
        std::string before = !held && has_it ? hub_template : version_before(cluster.workload, hub_template);
        if (before.empty()) {
            std::vector<Doc> others;
            for (RollbackCluster const& other : seen.clusters) {
                if (other.name != cluster.name && other.workload.exists()) others.push_back(other.workload);
            }
            before = stable_elsewhere(others, hub_template, seen.binding.at({"status", "stableRevision"}).string());
        }
        return before == hub_template ? std::string() : before;
    }

    bool ours(RollbackCluster const& cluster) const {
        std::string const hub = meta::label(cluster.workload, kHubLabel);
        if (!cluster.workload.exists() || hub == seen.hub_id) return true;
        return hub.empty() && seen.binding.at({"spec", "conflictResolution"}).as_string() == "Overwrite";
    }

    // Keeps what has not begun from beginning, and leaves the rest to the members' own Rollouts.
    bool hold(apis::BoundCluster& bound, RollbackCluster const& cluster) const {
        apis::BoundCluster const before = bound;
        if (!cluster.known) {
            // Whatever it has: it may have all of the new version, or be in the middle.
            if (bound.rejected != hub_template) bound.revision.clear();
            bound.rejected = hub_template;
            return !(bound == before);
        }
        bool const begun = releasing(cluster.workload);
        bool const is_frozen = frozen(cluster.workload) && !begun;
        std::string revision =
            is_frozen ? stable_template(cluster.workload) : meta::label(cluster.workload, kTemplateLabel);
        if (revision.empty()) revision = back(cluster, false);
        if (begun && revision == hub_template) return false;
        bound.revision = revision == hub_template ? std::string() : revision;
        bound.rejected = bound.revision.empty() ? std::string() : hub_template;
        return !(bound == before);
    }

    // Pins one cluster to that, or ends a pin that has not come to rest either; false when nothing changes.
    bool pin(apis::BoundCluster& bound, RollbackCluster const& cluster) {
        if (!cluster.known || !cluster.answers) {
            waiting.push_back(cluster.name + " (does not answer)");
            return false;
        }
        bool const held = holds_back(cluster.rollout, cluster.workload);
        if (held) {
            std::string const reason = cluster.reason.empty() ? "" : "; " + cluster.reason;
            waiting.push_back(fmt::format("{} (releasing{})", cluster.name, reason));
        }
        // What is being closed has gone through, or back, already.
        if (held && rollout_closing(cluster.rollout)) return false;
        std::string const revision = back(cluster, held);
        bool const there = meta::label(cluster.workload, kTemplateLabel) == revision;
        if (held && !there && !revision.empty() && !seen.kept(revision)) {
            waiting.back() = fmt::format(
                "{} (the hub does not keep {} to go back to: approve it there, put that "
                "version into the hub's workload again, or annotate Hold or Release)",
                cluster.name, revision);
            return false;
        }
        apis::BoundCluster const before = bound;
        bound.revision = revision;
        bound.rejected = revision.empty() ? std::string() : hub_template;
        return !(bound == before);
    }

    bool pin_all(bool holds) {
        auto read = apis::read_fleet_binding(seen.binding);
        if (!read || !seen.binding.exists() || !seen.workload.exists()) return false;
        bool changed = false;
        for (apis::BoundCluster& bound : read->spec.clusters) {
            // One that left the fleet keeps what it has.
            RollbackCluster const* const cluster = find(bound.name);
            if (cluster == nullptr || !ours(*cluster)) continue;
            changed = (holds ? hold(bound, *cluster) : pin(bound, *cluster)) || changed;
        }
        if (changed) {
            out.plan.writes.push_back(placement::clusters_write(
                seen.binding, read->spec, fmt::format("on-delete: {}", holds ? "Hold" : "Rollback")));
        }
        return changed;
    }

    // True where it is, as seen.
    bool note_word(std::string const& word) {
        bool const bound = seen.own_binding.exists() && !meta::is_deleting(seen.own_binding);
        if (!bound || meta::annotation(seen.own_binding, kOnDelete) == word) return true;
        Write note = only_if_current(placement::binding_resource(meta::key_of(seen.own_binding)), seen.own_binding);
        note.body.set({"metadata", "annotations", kOnDelete}, word);
        note.why = "on-delete: " + word;
        out.plan.writes.push_back(std::move(note));
        return false;
    }

    // Lets go what is as it should be; a template or a cluster that came meanwhile is looked at first.
    void let_go() {
        if (seen.workload.exists() && seen.binding.exists()) {
            out.plan.writes.push_back(only_if_current(seen.resource, seen.workload));
            out.plan.writes.push_back(
                only_if_current(placement::binding_resource(meta::key_of(seen.binding)), seen.binding));
        }
        out.plan.writes.push_back(finalizer_write(seen.rollout, false, "nothing goes through without it"));
        out.goes = true;
    }

    Rollback run() {
        std::string const word = meta::annotation(seen.rollout, kOnDelete);
        bool const wanted = is_word_on_delete(word);
        bool const marked = meta::has_finalizer(seen.rollout, placement::kOnDeleteFinalizer);
        if (!wanted) {
            if (marked) out.plan.writes.push_back(finalizer_write(seen.rollout, false, "nothing is to be done first"));
            return std::move(out);
        }
        if (!meta::is_deleting(seen.rollout)) {
            if (!marked) out.plan.writes.push_back(finalizer_write(seen.rollout, true, "on-delete: " + word));
            return std::move(out);
        }
        if (!marked) return std::move(out);
        bool const changed = is_done_first(word) && pin_all(word == "Hold");
        if (!waiting.empty()) {
            out.message = fmt::format("to be deleted once the stable version is back; waits for {}", named(waiting));
        } else if (!changed && note_word(word)) {
            let_go();
            if (!seen.let_go_failed.empty()) out.message = "cannot let go: " + seen.let_go_failed;
        }
        return std::move(out);
    }
};

}   // namespace

Rollback decide_rollback(RollbackSeen const& seen) { return Deciding{.seen = seen, .out = {}, .waiting = {}}.run(); }

HeldBack held_back(RollbackSeen const& seen) {
    HeldBack held;
    auto const read = apis::read_fleet_binding(seen.binding);
    if (!read || !seen.binding.exists() || !seen.workload.exists()) return held;
    if (meta::annotation(seen.workload, kUnguarded) == "allow") return held;
    Deciding const deciding{.seen = seen, .out = {}, .waiting = {}};
    for (apis::BoundCluster const& bound : read->spec.clusters) {
        RollbackCluster const* const cluster = deciding.find(bound.name);
        if (cluster == nullptr || !deciding.ours(*cluster)) continue;
        bool const pinned = bound.rejected == deciding.hub_template;
        if (!cluster->known) {
            if (!pinned) held.unknown.push_back(bound.name);
            continue;
        }
        bool const stays = pinned && bound.revision.empty();
        if (stays || !cluster->workload.exists() || releasing(cluster->workload)) continue;
        std::string const& wanted = pinned ? bound.revision : deciding.hub_template;
        if (meta::label(cluster->workload, kTemplateLabel) != wanted) held.waiting.push_back(bound.name);
    }
    return held;
}

}   // namespace aviary::propagation
