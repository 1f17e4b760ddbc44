#include "kube/simulator/internal/clone_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <tuple>

#include "core/base/sort.h"
#include "core/base/strings.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/pods.h"
#include "kube/meta/selector.h"
#include "kube/simulator/internal/clone_set_sync.h"
#include "kube/simulator/internal/in_place.h"

namespace aviary::simulator {

using control::Plan;
using json::Doc;

namespace {

constexpr std::string_view kSpecifiedDelete = "apps.kruise.io/specified-delete";

int phase_rank(Doc const& pod) {
    std::string_view const phase = pod.at({"status", "phase"}).as_string();
    return phase == "Pending" ? 0 : phase == "Running" ? 2 : 1;
}

// The less a pod has served, the earlier it is taken: smaller tuples first.
auto youth(Doc const& pod) {
    std::int64_t const ready = is_ready(pod) ? ready_since(pod).time_since_epoch().count() : 0;
    std::int64_t const created = meta::created(pod).value_or(Time()).time_since_epoch().count();
    return std::tuple(-ready, -most_restarts(pod), -created, meta::name(pod));
}

// Which pod is updated next.
auto update_order(Doc const& pod) {
    return std::tuple(pod.at({"spec", "nodeName"}).exists(), phase_rank(pod), is_ready(pod), youth(pod));
}

// Of pods on one node all but the last to go are worth less, the first the least.
std::map<std::string, std::int64_t> ranks_on_nodes(std::vector<Doc> const& pods) {
    std::map<std::string, std::vector<Doc>> by_node;
    for (Doc const& pod : pods) {
        if (std::string node = pod.at({"spec", "nodeName"}).string(); !node.empty())
            by_node[std::move(node)].push_back(pod);
    }
    std::map<std::string, std::int64_t> ranks;
    for (auto& [node, there] : by_node) {
        sort_by(there, [](Doc const& pod) {
            return std::tuple(phase_rank(pod), is_ready(pod), deletion_cost(pod), youth(pod));
        });
        for (std::size_t index = 0; index + 1 < there.size(); ++index)
            ranks[meta::uid(there[index])] = static_cast<std::int64_t>(there.size() - 1 - index);
    }
    return ranks;
}

}   // namespace

std::string short_hash(std::string_view revision) {
    return std::string(revision.substr(revision.find_last_of('-') + 1));
}

std::map<std::string, std::string> revision_labels(std::string const& revision) {
    return {{std::string(meta::kRevisionHashLabel), revision},
            {std::string(meta::kTemplateHashLabel), short_hash(revision)}};
}

CloneSetSync::CloneSetSync(CloneSetView const& view, Time now) : view(view), now(now) {
    std::ranges::copy_if(view.pods, std::back_inserter(pods), [](Doc const& pod) { return is_active(pod); });
}

// A percentage keeps at least one old pod, and below 100% lets at least one be new.
std::int64_t CloneSetSync::partition_of(Doc const& field, std::int64_t replicas) {
    std::int64_t kept = meta::scaled(field, replicas, true, "0");
    if (replicas > 1 && kept == replicas && field.is_string() && field.as_string() != "100%") kept = replicas - 1;
    return std::clamp<std::int64_t>(kept, 0, replicas);
}

bool CloneSetSync::updated(Doc const& pod) const {
    return short_hash(meta::label(pod, meta::kRevisionHashLabel)) == short_hash(revision.update);
}

bool CloneSetSync::leaving(Doc const& pod) const {
    if (pod.at({"metadata", "labels", kSpecifiedDelete}).exists()) return true;
    auto const named = set.at({"spec", "scaleStrategy", "podsToDelete"}).elements();
    return std::ranges::any_of(named, [&](auto const& each) { return each.second.as_string() == meta::name(pod); });
}

bool CloneSetSync::available(Doc const& pod, std::chrono::seconds ready_for) const {
    std::string const state = lifecycle_state(pod);
    if (!state.empty() && state != kNormal) return false;
    return pod.at({"status", "phase"}).as_string() == "Running" && is_available(pod, ready_for, now) &&
           passes_readiness_gate(pod);
}

// How many pods there may be for a while beyond spec.replicas: for those that leave, or for those that are to be
// updated.
std::int64_t CloneSetSync::surge(Count const& old, Count const& fresh, std::int64_t most, std::int64_t max_unavailable,
                                 std::int64_t& of_old) const {
    std::int64_t const going = old.leaving + fresh.leaving;
    std::int64_t const unavailable = old.unavailable + fresh.unavailable;
    std::int64_t const for_leaving = std::clamp<std::int64_t>(unavailable + going - max_unavailable, 0, going);
    std::int64_t const too_old = old.all - partition;
    std::int64_t const too_few_new = replicas - partition - fresh.all;
    std::int64_t const for_updates = too_old > 0 && too_few_new > 0 ? std::min(too_old, too_few_new) : 0;
    std::int64_t const used = std::min(most, std::max(for_leaving, for_updates));
    if (for_leaving >= for_updates) of_old = std::clamp<std::int64_t>(for_leaving - fresh.leaving, 0, used);
    return used;
}

CloneSetSync::Diffs CloneSetSync::diffs() const {
    std::int64_t const max_surge = paused ? 0 : meta::scaled(strategy["maxSurge"], replicas, true, "0");
    std::int64_t const max_unavailable = meta::scaled(strategy["maxUnavailable"], replicas, max_surge == 0, "20%");
    std::int64_t const max_missing =
        meta::scaled(set.at({"spec", "scaleStrategy", "maxUnavailable"}), replicas, true, std::to_string(INT32_MAX));
    Count old;
    Count fresh;
    for (Doc const& pod : pods) {
        Count& mine = updated(pod) ? fresh : old;
        ++mine.all;
        if (leaving(pod)) {
            ++mine.leaving;
        } else if (!available(pod, min_ready)) {
            ++mine.unavailable;
        }
    }
    std::int64_t surge_of_old = 0;
    std::int64_t const surging = max_surge > 0 ? surge(old, fresh, max_surge, max_unavailable, surge_of_old) : 0;
    auto const total = static_cast<std::int64_t>(pods.size());
    std::int64_t const leave = old.leaving + fresh.leaving;
    std::int64_t const unavailable = old.unavailable + fresh.unavailable;
    Diffs result;
    if (replicas + surging > total) {
        result.missing = replicas + surging - total;
        result.missing_old = std::max<std::int64_t>(partition + surge_of_old - old.all, 0);
        result.creatable = std::clamp<std::int64_t>(max_missing - unavailable, 0, result.missing);
    }
    if (total - leave > replicas + surging) {
        result.surplus = total - leave - replicas - surging;
        result.surplus_old = std::max<std::int64_t>(old.all - old.leaving - partition - surge_of_old, 0);
    }
    if (leave > 0 || result.surplus > 0)
        result.removable = std::max<std::int64_t>(max_unavailable + total - replicas - unavailable, 0);
    result.updates =
        std::clamp<std::int64_t>(replicas - partition - fresh.all, 0, std::max<std::int64_t>(old.all - partition, 0));
    result.max_unavailable = max_unavailable + total - replicas;
    return result;
}

// Which are too many: old ones as long as there are more of them than the partition keeps.
std::vector<Doc> CloneSetSync::surplus(Diffs const& wanted) const {
    std::vector<Doc> result;
    auto const choose = [&](bool fresh, std::int64_t count) {
        std::vector<Doc> candidates;
        std::ranges::copy_if(pods, std::back_inserter(candidates),
                             [&](Doc const& pod) { return updated(pod) == fresh; });
        auto const ranks = ranks_on_nodes(candidates);
        sort_by(candidates, [&](Doc const& pod) {
            auto const rank = ranks.find(meta::uid(pod));
            return std::tuple(pod.at({"spec", "nodeName"}).exists(), phase_rank(pod), available(pod, min_ready),
                              is_ready(pod), deletion_cost(pod), rank == ranks.end() ? 0 : -rank->second, youth(pod));
        });
        candidates.resize(std::min(candidates.size(), static_cast<std::size_t>(count)));
        std::ranges::move(candidates, std::back_inserter(result));
    };
    std::int64_t const of_old = std::min(wanted.surplus, wanted.surplus_old);
    choose(false, of_old);
    choose(true, wanted.surplus - of_old);
    return result;
}

// Pods that are not ready go whatever the limit is.
bool CloneSetSync::remove_ready(std::vector<Doc> const& chosen, std::int64_t limit) {
    bool any = false;
    for (Doc const& pod : chosen) {
        if (available(pod, std::chrono::seconds(0)) && limit-- <= 0) continue;
        remove(pod, leaving(pod) ? "it was told to go" : "too many pods");
        any = true;
    }
    return any;
}

bool CloneSetSync::scale() {
    Diffs const wanted = diffs();
    if (wanted.missing > wanted.creatable) {
        event("Warning", "ScaleUpLimited",
              fmt::format("scaleUp is limited because of scaleStrategy.maxUnavailable, limit: {}", wanted.creatable));
    }
    if (wanted.missing > 0) {
        create(wanted.creatable, std::min(wanted.creatable, wanted.missing_old));
        return wanted.creatable > 0;
    }
    std::vector<Doc> going;
    std::ranges::copy_if(pods, std::back_inserter(going), [this](Doc const& pod) { return leaving(pod); });
    if (!going.empty()) return remove_ready(going, wanted.removable);
    return wanted.surplus > 0 && remove_ready(surplus(wanted), wanted.removable);
}

bool CloneSetSync::refresh() {
    bool moved = false;
    for (Doc const& pod : pods) {
        refresh_in_place(plan, pod, now);
        std::string const state = lifecycle_state(pod);
        if (state != kPreparingNormal && (state != kUpdating || !is_updated_in_place(pod))) continue;
        plan.writes.push_back(lifecycle_write(pod, kNormal, now));
        moved = true;
    }
    return moved;
}

void CloneSetSync::update() {
    if (refresh() || paused) return;
    Diffs const wanted = diffs();
    std::vector<Doc> waiting;
    std::int64_t unavailable = 0;
    std::int64_t unavailable_new = 0;
    for (Doc const& pod : pods) {
        if (!available(pod, min_ready)) {
            ++unavailable;
            unavailable_new += updated(pod) ? 1 : 0;
        }
        if (!updated(pod) && !in_grace_period(pod)) waiting.push_back(pod);
    }
    sort_by(waiting, update_order);
    std::int64_t taken = 0;
    for (Doc const& pod : waiting) {
        if (taken >= wanted.updates || unavailable_new + taken >= wanted.max_unavailable) return;
        if (available(pod, min_ready) && unavailable++ >= wanted.max_unavailable) return;
        ++taken;
        if (!update_pod(pod)) return;
    }
}

bool CloneSetSync::update_pod(Doc const& pod) {
    bool const only_in_place = strategy_type == "InPlaceOnly";
    if (only_in_place || strategy_type == "InPlaceIfPossible") {
        std::string const hash = short_hash(meta::label(pod, meta::kRevisionHashLabel));
        auto const before =
            std::ranges::find(view.revisions, hash, [](Doc const& each) { return short_hash(meta::name(each)); });
        auto change = before == view.revisions.end()
                          ? std::nullopt
                          : in_place_change(template_of((*before)["data"].thaw()), set.at({"spec", "template"}));
        if (change) {
            update_in_place(plan, pod,
                            {std::move(*change), revision.update, revision_labels(revision.update),
                             strategy.at({"inPlaceUpdateStrategy", "gracePeriodSeconds"}).as_int()},
                            now);
            event("Normal", "SuccessfulUpdatePodInPlace",
                  fmt::format("successfully update pod {} in-place(revision {})", meta::name(pod), revision.update));
            return true;
        }
    }
    if (only_in_place) return false;
    if (pod.at({"metadata", "labels", kSpecifiedDelete}).exists()) return true;
    control::Write write;
    write.resource = kPods;
    write.key = meta::key_of(pod);
    write.body.set({"metadata", "labels", kSpecifiedDelete}, "true");
    write.why = "an update";
    plan.writes.push_back(std::move(write));
    event("Normal", "SuccessfulUpdatePodReCreate",
          fmt::format("successfully patch pod {} specified-delete for update(revision {})", meta::name(pod),
                      revision.update));
    return true;
}

void CloneSetSync::report() {
    std::int64_t ready = 0;
    std::int64_t serving = 0;
    std::int64_t fresh = 0;
    std::int64_t fresh_ready = 0;
    std::int64_t fresh_serving = 0;
    for (Doc const& pod : pods) {
        bool const is_new = updated(pod);
        bool const runs =
            pod.at({"status", "phase"}).as_string() == "Running" && is_ready(pod) && passes_readiness_gate(pod);
        bool const serves = available(pod, min_ready);
        ready += runs ? 1 : 0;
        serving += serves ? 1 : 0;
        fresh += is_new ? 1 : 0;
        fresh_ready += is_new && runs ? 1 : 0;
        fresh_serving += is_new && serves ? 1 : 0;
        await_availability(plan, pod, min_ready, now);
    }
    auto const total = static_cast<std::int64_t>(pods.size());
    bool const done = fresh == total && total == replicas;
    json::Value status{json::Object{{"observedGeneration", meta::generation(set)},
                                    {"replicas", total},
                                    {"readyReplicas", ready},
                                    {"availableReplicas", serving},
                                    {"updatedReplicas", fresh},
                                    {"updatedReadyReplicas", fresh_ready},
                                    {"updateRevision", revision.update},
                                    {"currentRevision", done ? revision.update : revision.current},
                                    {"collisionCount", revision.collisions}}};
    if (fresh_serving > 0) status["updatedAvailableReplicas"] = fresh_serving;
    if (replicas > partition) status["expectedUpdatedReplicas"] = replicas - partition;
    if (auto const selector = meta::LabelSelector::from_object(set.at({"spec", "selector"})))
        status["labelSelector"] = selector->to_string();
    write_status(plan, kCloneSets, set, status, {"updatedAvailableReplicas", "expectedUpdatedReplicas"});
}

Plan CloneSetSync::run() {
    auto found = active_revisions(set, view.kind, view.revisions, view.find);
    if (!found) return std::move(plan);
    revision = std::move(*found);
    std::ranges::move(revision.writes, std::back_inserter(plan.writes));
    if (!meta::is_deleting(set) && !scale()) update();
    report();
    forget_removed();
    truncate_history();
    return std::move(plan);
}

Plan decide_clone_set(CloneSetView const& view, Time now) { return CloneSetSync(view, now).run(); }

}   // namespace aviary::simulator
