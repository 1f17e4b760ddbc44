#include "kube/simulator/internal/replica_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "core/base/sort.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

// At most so many pods a sync, as burstReplicas.
constexpr std::int64_t kBurst = 500;

// Who goes first when there are too many (ActivePodsWithRanks): smaller tuples go first.
auto deletion_rank(Doc const& pod, std::map<std::string, std::int64_t> const& pods_on_node, Time now) {
    std::string const node = pod.at({"spec", "nodeName"}).string();
    std::string_view const phase = pod.at({"status", "phase"}).as_string();
    int const phase_rank = phase == "Pending" ? 0 : phase == "Running" ? 2 : 1;
    auto const found = pods_on_node.find(node);
    std::int64_t const neighbours = found == pods_on_node.end() ? 0 : found->second;
    Duration const ready_for = is_ready(pod) ? now - ready_since(pod) : Duration(0);
    auto const created = parse_rfc3339(pod.at({"metadata", "creationTimestamp"}).as_string()).value_or(Time());
    return std::tuple(!node.empty(), phase_rank, is_ready(pod), deletion_cost(pod), -neighbours, ready_for,
                      -most_restarts(pod), -created.time_since_epoch().count(), meta::name(pod));
}

Value status_of(Doc const& replica_set, std::vector<Doc> const& active, Time now, Plan& plan) {
    Doc const selector_labels = replica_set.at({"spec", "template", "metadata", "labels"});
    auto const ready_seconds = std::chrono::seconds(replica_set.at({"spec", "minReadySeconds"}).as_int());
    std::int64_t labeled = 0;
    std::int64_t ready = 0;
    std::int64_t available = 0;
    for (Doc const& pod : active) {
        bool all = true;
        for (auto const& [key, value] : selector_labels.members())
            all = all && meta::label(pod, key) == value.as_string();
        labeled += all ? 1 : 0;
        if (!is_ready(pod)) continue;
        ++ready;
        available += is_available(pod, ready_seconds, now) ? 1 : 0;
        await_availability(plan, pod, ready_seconds, now);
    }
    Value status{json::Object{{"replicas", static_cast<std::int64_t>(active.size())}}};
    if (labeled > 0) status["fullyLabeledReplicas"] = labeled;
    if (ready > 0) status["readyReplicas"] = ready;
    if (available > 0) status["availableReplicas"] = available;
    status["observedGeneration"] = meta::generation(replica_set);
    return status;
}

}   // namespace

Plan decide_replica_set(Doc const& replica_set, std::vector<Doc> const& pods, Time now) {
    Plan plan;
    std::vector<Doc> active;
    std::ranges::copy_if(pods, std::back_inserter(active), [](Doc const& pod) { return is_active(pod); });

    Value const status = status_of(replica_set, active, now, plan);
    write_status(plan, kReplicaSets, replica_set, status,
                 {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"});
    if (meta::is_deleting(replica_set)) return plan;

    std::int64_t const wanted = replica_set.at({"spec", "replicas"}).as_int(1);
    std::int64_t const difference = wanted - static_cast<std::int64_t>(active.size());
    Value const self = reference_to(replica_set, kReplicaSet);
    PodNames names(replica_set, pods);
    for (std::int64_t index = 0; index < std::min(difference, kBurst); ++index) {
        std::string const name = names.next();
        Value pod = pod_from_template(replica_set.at({"spec", "template"}), replica_set, kReplicaSet);
        pod.set({"metadata", "name"}, name);
        Write write = creation(kPods, std::move(pod), "too few pods");
        write.ignore_already_exists = true;
        plan.writes.push_back(std::move(write));
        plan.events.push_back({self, "Normal", "SuccessfulCreate", fmt::format("Created pod: {}", name)});
    }
    if (difference < 0) {
        std::map<std::string, std::int64_t> pods_on_node;
        for (Doc const& pod : active) ++pods_on_node[pod.at({"spec", "nodeName"}).string()];
        sort_by(active, [&](Doc const& pod) { return deletion_rank(pod, pods_on_node, now); });
        for (std::int64_t index = 0; index < std::min(-difference, kBurst); ++index) {
            Doc const& pod = active[static_cast<std::size_t>(index)];
            plan.writes.push_back(control::deletion(kPods, pod, "too many pods"));
            plan.events.push_back(
                {self, "Normal", "SuccessfulDelete", fmt::format("Deleted pod: {}", meta::name(pod))});
        }
    }
    return plan;
}

}   // namespace aviary::simulator
