#include "kube/simulator/internal/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/strings.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/deployment_sync.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

bool older(ReplicaSet const* left, ReplicaSet const* right) {
    auto const key = [](ReplicaSet const* set) {
        return std::pair(set->doc.at({"metadata", "creationTimestamp"}).string(), set->name());
    };
    return key(left) < key(right);
}

}   // namespace

Sync::Sync(Doc const& deployment, std::vector<Doc> const& replica_sets, std::vector<Doc> const& pods, Time now)
    : deployment(deployment), pods(pods), now(now) {
    status = deployment["status"].thaw();
    if (!status.is_object()) status = json::Object();
    sets.reserve(replica_sets.size() + 1);   // pointers into it stay good when one is created
    for (Doc const& doc : replica_sets) {
        sets.push_back({doc, doc.at({"spec", "replicas"}).as_int(1), doc.at({"status", "replicas"}).as_int(),
                        doc.at({"status", "readyReplicas"}).as_int(),
                        doc.at({"status", "availableReplicas"}).as_int()});
    }
    for (ReplicaSet& set : sets) old.push_back(&set);
    std::ranges::sort(old, older);
    for (ReplicaSet* set : old) {
        if (meta::same_template(set->doc.at({"spec", "template"}), deployment.at({"spec", "template"}))) {
            fresh = set;
            break;
        }
    }
    std::erase(old, fresh);
}

std::vector<ReplicaSet*> Sync::all() const {
    std::vector<ReplicaSet*> result = old;
    if (fresh != nullptr) result.push_back(fresh);
    return result;
}

std::int64_t Sync::sum(std::vector<ReplicaSet*> const& sets, std::int64_t ReplicaSet::* field) {
    std::int64_t total = 0;
    for (ReplicaSet const* set : sets) total += set->*field;
    return total;
}

std::pair<std::int64_t, std::int64_t> Sync::surge_and_unavailable() const {
    if (!rolling) return {0, 0};
    Doc const update = deployment.at({"spec", "strategy", "rollingUpdate"});
    std::int64_t const surge = meta::scaled(update["maxSurge"], replicas, true, "25%");
    std::int64_t unavailable = meta::scaled(update["maxUnavailable"], replicas, false, "25%");
    if (surge == 0 && unavailable == 0) unavailable = 1;
    return {surge, std::min(unavailable, replicas)};
}

void Sync::event(std::string type, std::string reason, std::string message) {
    plan.events.push_back(
        {reference_to(deployment, kDeployment), std::move(type), std::move(reason), std::move(message)});
}

void Sync::scale(ReplicaSet& set, std::int64_t to, bool notes_too) {
    if (!notes_too && set.replicas == to) return;
    auto const [surge, unavailable] = surge_and_unavailable();
    std::string const desired = std::to_string(replicas);
    std::string const maximum = std::to_string(replicas + surge);
    bool const size_changes = set.replicas != to;
    bool const notes_change = meta::annotation(set.doc, meta::kDesiredReplicasAnnotation) != desired ||
                              meta::annotation(set.doc, meta::kMaxReplicasAnnotation) != maximum;
    if (!size_changes && !notes_change) return;
    Write write;
    write.verb = Write::Verb::kMergePatch;
    write.resource = kReplicaSets;
    write.key = {ns, set.name()};
    write.body.set({"metadata", "annotations", meta::kDesiredReplicasAnnotation}, desired);
    write.body.set({"metadata", "annotations", meta::kMaxReplicasAnnotation}, maximum);
    write.body.set({"metadata", "resourceVersion"}, meta::resource_version(set.doc));
    if (size_changes) write.body.set({"spec", "replicas"}, to);
    write.why = "scale";
    plan.writes.push_back(std::move(write));
    if (size_changes) {
        event("Normal", "ScalingReplicaSet",
              fmt::format("Scaled {} replica set {} from {} to {}", to > set.replicas ? "up" : "down", set.name(),
                          set.replicas, to));
    }
    set.replicas = to;
}

std::int64_t Sync::new_size(std::int64_t current) const {
    if (!rolling) return replicas;
    std::int64_t const limit = replicas + surge_and_unavailable().first;
    std::int64_t const pods = sum(all(), &ReplicaSet::replicas);
    if (pods >= limit) return current;
    return current + std::min(limit - pods, replicas - current);
}

bool Sync::scaling_event() const {
    for (ReplicaSet const* set : all()) {
        std::string const desired = meta::annotation(set->doc, meta::kDesiredReplicasAnnotation);
        if (set->replicas > 0 && !desired.empty() && desired != std::to_string(replicas)) return true;
    }
    return false;
}

void Sync::scale_only() {
    std::vector<ReplicaSet*> active;
    for (ReplicaSet* set : all()) {
        if (set->replicas > 0) active.push_back(set);
    }
    if (active.size() <= 1) {
        ReplicaSet* only = !active.empty()    ? active.front()
                           : fresh != nullptr ? fresh
                           : old.empty()      ? nullptr
                                              : old.back();
        if (only != nullptr && only->replicas != replicas) scale(*only, replicas);
        return;
    }
    bool const saturated = fresh != nullptr && fresh->replicas == replicas &&
                           meta::annotation(fresh->doc, meta::kDesiredReplicasAnnotation) == std::to_string(replicas) &&
                           fresh->available == replicas;
    if (saturated) {
        for (ReplicaSet* set : old) {
            if (set->replicas > 0) scale(*set, 0);
        }
        return;
    }
    if (rolling) scale_in_proportion(active);
}

void Sync::scale_in_proportion(std::vector<ReplicaSet*> active) {
    std::int64_t const total = sum(active, &ReplicaSet::replicas);
    std::int64_t const allowed = replicas > 0 ? replicas + surge_and_unavailable().first : 0;
    std::int64_t const to_add = allowed - total;
    // Larger first; of equal size the newer one first when growing, the older one when shrinking.
    std::ranges::sort(active, [&](ReplicaSet const* left, ReplicaSet const* right) {
        if (left->replicas != right->replicas) return left->replicas > right->replicas;
        return to_add > 0 ? older(right, left) : older(left, right);
    });
    std::vector<std::int64_t> sizes;
    std::int64_t added = 0;
    for (ReplicaSet const* set : active) {
        std::int64_t share = 0;
        std::int64_t const left = to_add - added;
        if (to_add != 0 && left != 0)
            share = to_add > 0 ? std::min(fraction(*set, allowed), left) : std::max(fraction(*set, allowed), left);
        sizes.push_back(set->replicas + share);
        added += share;
    }
    if (to_add != 0 && !active.empty()) sizes.front() = std::max<std::int64_t>(0, sizes.front() + to_add - added);
    for (std::size_t index = 0; index < active.size(); ++index) scale(*active[index], sizes[index], true);
}

// What a set gains or loses so that it keeps its part of the whole, which it has noted when it was scaled last.
std::int64_t Sync::fraction(ReplicaSet const& set, std::int64_t allowed) const {
    if (replicas == 0) return -set.replicas;
    std::int64_t before = parse_int(meta::annotation(set.doc, meta::kMaxReplicasAnnotation)).value_or(0);
    if (before == 0) before = deployment.at({"status", "replicas"}).as_int();
    if (before == 0) return 0;
    double const size = static_cast<double>(set.replicas * allowed) / static_cast<double>(before);
    return static_cast<std::int64_t>(std::floor(size + 0.5)) - set.replicas;
}

bool Sync::roll_new() {
    if (fresh->replicas == replicas) return false;
    std::int64_t const size = fresh->replicas > replicas ? replicas : new_size(fresh->replicas);
    bool const changes = size != fresh->replicas;
    scale(*fresh, size);
    return changes;
}

bool Sync::roll_old() {
    if (sum(old, &ReplicaSet::replicas) == 0) return false;
    std::int64_t const minimum = replicas - max_unavailable();
    std::int64_t const new_unavailable = fresh->replicas - fresh->available;
    std::int64_t const may_remove = sum(all(), &ReplicaSet::replicas) - minimum - new_unavailable;
    if (may_remove <= 0) return false;
    std::vector<ReplicaSet*> active = old;
    std::erase_if(active, [](ReplicaSet const* set) { return set->replicas == 0; });
    bool changed = false;
    std::int64_t cleaned = 0;
    for (ReplicaSet* set : active) {   // unhealthy pods first: they serve nobody
        if (cleaned >= may_remove) break;
        std::int64_t const count = std::min(may_remove - cleaned, set->replicas - set->available);
        // One that still counts pods which it was told to take away is an error, and nothing more is done.
        if (count < 0) return false;
        if (count == 0) continue;
        scale(*set, set->replicas - count);
        cleaned += count;
        changed = true;
    }
    std::int64_t left = sum(active, &ReplicaSet::available) + fresh->available - minimum;
    for (ReplicaSet* set : active) {
        if (left <= 0) break;
        std::int64_t const count = std::min(set->replicas, left);
        if (count <= 0) continue;
        scale(*set, set->replicas - count);
        left -= count;
        changed = true;
    }
    return changed;
}

bool Sync::old_pods_run() const {
    if (sum(old, &ReplicaSet::actual) > 0) return true;
    return std::ranges::any_of(pods, [this](Doc const& pod) {
        bool const current = fresh != nullptr && meta::is_controlled_by(pod, fresh->doc);
        return !current && !is_finished(pod);
    });
}

void Sync::recreate() {
    bool scaled = false;
    for (ReplicaSet* set : old) {
        if (set->replicas == 0) continue;
        scale(*set, 0);
        scaled = true;
    }
    if (scaled || old_pods_run()) return;
    ensure_new();
    if (fresh->replicas != replicas) scale(*fresh, replicas);
}

void Sync::clean_up_history() {
    std::int64_t const keep = deployment.at({"spec", "revisionHistoryLimit"}).as_int(10);
    std::vector<ReplicaSet*> candidates;
    for (ReplicaSet* set : old) {
        if (!meta::is_deleting(set->doc)) candidates.push_back(set);
    }
    std::int64_t surplus = static_cast<std::int64_t>(candidates.size()) - keep;
    if (surplus <= 0) return;
    auto const revision = [](ReplicaSet const* set) {
        return std::pair(parse_int(meta::annotation(set->doc, meta::kRevisionAnnotation)).value_or(0), set->name());
    };
    std::ranges::sort(candidates, {}, revision);
    for (ReplicaSet* set : candidates) {
        if (surplus-- <= 0) return;
        bool const in_use = set->actual != 0 || set->replicas != 0 ||
                            meta::generation(set->doc) > set->doc.at({"status", "observedGeneration"}).as_int();
        if (in_use) continue;
        Write write;
        write.verb = Write::Verb::kDelete;
        write.resource = kReplicaSets;
        write.key = {ns, set->name()};
        write.ignore_not_found = true;
        write.why = "revision history";
        plan.writes.push_back(std::move(write));
    }
}

Plan Sync::run() {
    if (!meta::is_deleting(deployment)) {
        report_pause();
        if (paused || scaling_event()) {
            if (fresh != nullptr) refresh_new();
            scale_only();
            if (paused) clean_up_history();
            count();
        } else if (!rolling) {
            recreate();
            count();
            if (complete(status)) clean_up_history();
            report_progress();
        } else {
            ensure_new();
            if (!roll_new()) roll_old();
            count();
            if (complete(status)) clean_up_history();
            report_progress();
        }
    } else {
        count();
    }
    write_status();
    return std::move(plan);
}

Plan decide_deployment(Doc const& deployment, std::vector<Doc> const& replica_sets, std::vector<Doc> const& pods,
                       Time now) {
    return Sync(deployment, replica_sets, pods, now).run();
}

bool recreates(Doc const& deployment) {
    return deployment.at({"spec", "strategy", "type"}).as_string() == "Recreate" &&
           !deployment.at({"spec", "paused"}).as_bool();
}

}   // namespace aviary::simulator
