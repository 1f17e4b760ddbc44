#include "kube/simulator/internal/daemon_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/sort.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/daemon_set_sync.h"
#include "kube/simulator/internal/node_fit.h"

namespace aviary::simulator {

using control::Plan;
using json::Doc;

namespace {

constexpr std::string_view kGenerationLabel = "pod-template-generation";
constexpr Duration kFirstDelay = std::chrono::seconds(1);
constexpr Duration kLongestDelay = std::chrono::minutes(15);

// Those on a node first, then the oldest.
void sort_oldest_first(std::vector<Doc>& pods) {
    sort_by(pods, [](Doc const& pod) {
        return std::tuple(!pod.at({"spec", "nodeName"}).exists(), pod.at({"metadata", "creationTimestamp"}).string(),
                          meta::name(pod));
    });
}

}   // namespace

Time FailedPods::replaced_at(std::string const& key, Time now) {
    auto const [entry, fresh] = entries_.try_emplace(key, Entry{kFirstDelay, now});
    if (fresh) return now;
    if (now - entry->second.last > 2 * kLongestDelay) {
        entry->second = {kFirstDelay, now};
    } else if (now - entry->second.last < entry->second.delay) {
        return entry->second.last + entry->second.delay;
    } else {
        entry->second = {std::min(2 * entry->second.delay, kLongestDelay), now};
    }
    return now;
}

DaemonSetSync::DaemonSetSync(DaemonSetView const& view, FailedPods& failed, Time now,
                             meta::GroupVersionResource resource)
    : view(view), failed(failed), now(now), resource(std::move(resource)) {
    for (Doc const& node : view.nodes) nodes.emplace(meta::name(node), node);
    for (Doc const& pod : view.pods) {
        if (is_finished(pod) && meta::is_deleting(pod)) continue;
        if (std::string node = node_of(pod); !node.empty()) pods_of[std::move(node)].push_back(pod);
    }
    tolerations = elements_of(Doc::freeze(daemon_tolerations(pod_template["spec"])));
}

DaemonSetSync::Place DaemonSetSync::place(Doc const& node) const {
    std::string_view const named = pod_template.at({"spec", "nodeName"}).as_string();
    if (!named.empty() && named != meta::name(node)) return {};
    if (!matches_node(pod_template["spec"], node)) return {};
    return {!repels(node, tolerations, {"NoSchedule", "NoExecute"}), !repels(node, tolerations, {"NoExecute"})};
}

std::int64_t DaemonSetSync::desired() const {
    return std::ranges::count_if(view.nodes, [this](Doc const& node) { return place(node).runs; });
}

bool DaemonSetSync::updated(Doc const& pod) const {
    return meta::label(pod, meta::kRevisionHashLabel) == hash ||
           (!template_generation.empty() && meta::label(pod, kGenerationLabel) == template_generation);
}

DaemonSetSync::Pair DaemonSetSync::pair_on(std::vector<Doc> const& pods) const {
    Pair pair;
    for (Doc const& pod : pods) {
        if (meta::is_deleting(pod)) continue;
        Doc& mine = updated(pod) ? pair.updated : pair.old;
        pair.crowded = pair.crowded || mine.exists();
        mine = pod;
    }
    return pair;
}

std::int64_t DaemonSetSync::surge(std::int64_t total) const {
    return rolling ? meta::scaled(strategy.at({"rollingUpdate", "maxSurge"}), total, true, "0") : 0;
}

bool DaemonSetSync::settle_ended(Doc const& node, Doc const& pod, std::vector<Doc>& surplus) {
    if (!is_finished(pod)) return false;
    bool const has_failed = pod.at({"status", "phase"}).as_string() == "Failed";
    if (has_failed) {
        std::string const key = fmt::format("{}/{}/{}", meta::uid(set),
                                            set.at({"status", "observedGeneration"}).as_int(), meta::name(node));
        if (Time const at = failed.replaced_at(key, now); at > now) {
            plan.requeue_at(at, "pods fail on a node");
            return true;
        }
    }
    event(has_failed ? "Warning" : "Normal", has_failed ? "FailedDaemonPod" : "SucceededDaemonPod",
          fmt::format("Found {} daemon pod {}/{} on node {}, will try to {} it", has_failed ? "failed" : "succeeded",
                      meta::ns(pod), meta::name(pod), meta::name(node), has_failed ? "kill" : "delete"));
    surplus.push_back(pod);
    return true;
}

// One old pod that is ready may stand beside one new one that is not available yet.
void DaemonSetSync::prune_surged(std::vector<Doc> running, std::vector<Doc>& surplus) const {
    sort_oldest_first(running);
    Doc fresh;
    Doc old;
    for (Doc const& pod : running) {
        Doc& oldest = meta::label(pod, meta::kRevisionHashLabel) == hash ? fresh : old;
        if (oldest.exists()) {
            surplus.push_back(pod);
        } else {
            oldest = pod;
        }
    }
    if (fresh.exists() && old.exists() && (!is_ready(old) || available(fresh))) surplus.push_back(old);
}

void DaemonSetSync::manage_node(Doc const& node, std::vector<std::string>& missing, std::vector<Doc>& surplus) {
    Place const here = place(node);
    auto const found = pods_of.find(meta::name(node));
    if (found == pods_of.end()) {
        if (here.runs) missing.push_back(meta::name(node));
        return;
    }
    std::vector<Doc> running;
    for (Doc const& pod : found->second) {
        if (meta::is_deleting(pod)) continue;
        if (!here.stays) {
            surplus.push_back(pod);
        } else if (!settle_ended(node, pod, surplus)) {
            running.push_back(pod);
        }
    }
    if (!here.stays) return;
    if (surge(1) > 0) {
        if (running.empty() && here.runs) missing.push_back(meta::name(node));
        if (running.size() > 1) prune_surged(std::move(running), surplus);
        return;
    }
    sort_oldest_first(running);
    for (std::size_t index = 1; index < running.size(); ++index) surplus.push_back(running[index]);
}

bool DaemonSetSync::manage() {
    std::vector<std::string> missing;
    std::vector<Doc> surplus;
    for (auto const& [name, node] : nodes) manage_node(node, missing, surplus);
    for (auto const& [name, pods] : pods_of) {
        if (nodes.contains(name)) continue;
        for (Doc const& pod : pods) {
            if (!pod.at({"spec", "nodeName"}).exists()) surplus.push_back(pod);
        }
    }
    missing = to_create(std::move(missing));
    for (std::string const& node : missing) create(node);
    for (Doc const& pod : surplus) remove(pod, "it should not run there");
    return !missing.empty() || !surplus.empty();
}

DaemonSetSync::PodsByNode DaemonSetSync::to_update() const {
    PodsByNode result = pods_of;
    for (auto const& [name, node] : nodes) {
        if (place(node).runs) result.try_emplace(name);
    }
    return result;
}

void DaemonSetSync::update_by_removal(std::int64_t max_unavailable) {
    std::int64_t unavailable = 0;
    std::vector<Doc> replaceable;
    std::vector<Doc> candidates;
    for (auto const& [name, pods] : to_update()) {
        Pair const pair = pair_on(pods);
        if (pair.crowded || pair.old.exists() == pair.updated.exists()) {
            ++unavailable;
        } else if (pair.updated.exists()) {
            unavailable += available(pair.updated) ? 0 : 1;
        } else if (!available(pair.old)) {
            replaceable.push_back(pair.old);
            ++unavailable;
        } else {
            candidates.push_back(pair.old);
        }
    }
    for (Doc const& pod : replaceable) replace(pod, "an update of a pod that serves nobody");
    std::int64_t budget = max_unavailable - unavailable;
    for (Doc const& pod : candidates) {
        if (budget-- <= 0) return;
        replace(pod, "an update");
    }
}

void DaemonSetSync::update_by_surge(std::int64_t max_surge, std::int64_t desired) {
    std::int64_t surging = 0;
    std::int64_t serving = 0;
    std::vector<std::string> allowed;
    std::vector<std::string> candidates;
    std::vector<Doc> misplaced;
    for (auto const& [name, pods] : to_update()) {
        Pair const pair = pair_on(pods);
        if (pair.crowded) {
            ++surging;
            continue;
        }
        Doc const& counted = pair.old.exists() ? pair.old : pair.updated;
        serving += counted.exists() && available(counted) ? 1 : 0;
        if (!pair.old.exists()) continue;
        if (pair.updated.exists()) {
            if (available(pair.updated)) {
                remove(pair.old, "its successor is available");
            } else {
                ++surging;
            }
            continue;
        }
        auto const node = nodes.find(name);
        bool const runs = node != nodes.end() && place(node->second).runs;
        if (!available(pair.old)) {
            if (runs) {
                allowed.push_back(name);
            } else {
                remove(pair.old, "it should not run there");
            }
        } else if (runs) {
            candidates.push_back(name);
        } else {
            misplaced.push_back(pair.old);
        }
    }
    for (std::string const& node : allowed) create(node);
    for (std::string const& node : candidates) {
        if (surging++ >= max_surge) break;
        create(node);
    }
    for (Doc const& pod : misplaced) {
        if (serving-- <= desired) break;
        remove(pod, "it should not run there");
    }
}

void DaemonSetSync::update_pods() {
    if (!rolling) return;
    std::int64_t const wanted = desired();
    std::int64_t unavailable = meta::scaled(strategy.at({"rollingUpdate", "maxUnavailable"}), wanted, true, "0");
    std::int64_t const surging = surge(wanted);
    if (wanted > 0 && unavailable == 0 && surging == 0) unavailable = 1;
    if (surging == 0) return update_by_removal(unavailable);
    update_by_surge(surging, wanted);
}

void DaemonSetSync::count_status() {
    std::int64_t desired = 0;
    std::int64_t scheduled = 0;
    std::int64_t misscheduled = 0;
    std::int64_t ready = 0;
    std::int64_t updates = 0;
    std::int64_t serving = 0;
    for (auto const& [name, node] : nodes) {
        auto const found = pods_of.find(name);
        if (!place(node).runs) {
            misscheduled += found != pods_of.end() ? 1 : 0;
            continue;
        }
        ++desired;
        if (found == pods_of.end()) continue;
        ++scheduled;
        std::vector<Doc> pods = found->second;
        sort_oldest_first(pods);
        ready += is_ready(pods.front()) ? 1 : 0;
        serving += available(pods.front()) ? 1 : 0;
        updates += updated(pods.front()) ? 1 : 0;
        for (Doc const& pod : pods) await_availability(plan, pod, min_ready, now);
    }
    status["currentNumberScheduled"] = scheduled;
    status["numberMisscheduled"] = misscheduled;
    status["desiredNumberScheduled"] = desired;
    status["numberReady"] = ready;
    status["observedGeneration"] = meta::generation(set);
    if (updates > 0) status["updatedNumberScheduled"] = updates;
    if (serving > 0) status["numberAvailable"] = serving;
    if (desired > serving) status["numberUnavailable"] = desired - serving;
}

void DaemonSetSync::report(bool /*managed*/) {
    count_status();
    write_status(plan, resource, set, status, {"updatedNumberScheduled", "numberAvailable", "numberUnavailable"});
}

Plan DaemonSetSync::run() {
    if (meta::is_deleting(set) || !settle_revisions()) return std::move(plan);
    bool const managed = manage();
    if (!managed) update_pods();
    truncate_history();
    report(managed);
    return std::move(plan);
}

Plan decide_daemon_set(DaemonSetView const& view, FailedPods& failed, Time now) {
    return DaemonSetSync(view, failed, now).run();
}

}   // namespace aviary::simulator
