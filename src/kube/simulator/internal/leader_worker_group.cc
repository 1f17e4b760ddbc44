// The pods of a group: how they come and go together.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/leader_worker_set.h"
#include "kube/simulator/internal/leader_worker_set_objects.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

using control::Plan;
using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kAfterStartAnnotation =
    "leaderworkerset.sigs.k8s.io/experimental-recreate-group-after-start";

bool restarted(Doc const& pod) {
    std::string_view const phase = pod.at({"status", "phase"}).as_string();
    if (phase != "Running" && phase != "Pending") return false;
    for (char const* list : {"initContainerStatuses", "containerStatuses"}) {
        for (auto const& [key, status] : pod.at({"status", list}).elements()) {
            if (status["restartCount"].as_int() > 0) return true;
        }
    }
    return false;
}

bool complete(GroupPodView const& view) {
    bool const pending = std::ranges::any_of(
        view.group, [](Doc const& pod) { return pod.at({"status", "phase"}).as_string() == "Pending"; });
    return !pending && std::ssize(view.group) == group_size(view.set);
}

void note(Plan& plan, Doc const& set, std::string reason, std::string message) {
    plan.events.push_back({reference_to(set, kLeaderWorkerSet), "Normal", std::move(reason), std::move(message)});
}

// Of this leader's own group. Pods go at once here: what is left of a leader before it may be going still when the next
// one is there, and would take that along, and so on.
bool is_own(GroupPodView const& view) {
    if (meta::name(view.pod) == meta::name(view.leader)) return true;
    auto const made_by = meta::controller_of(view.pod);
    auto const led_by = meta::controller_of(view.workers);
    return made_by && led_by && made_by->uid == meta::uid(view.workers) && led_by->uid == meta::uid(view.leader);
}

// The leader goes, and its workers before it. True when it does.
bool recreate(GroupPodView const& view, Plan& plan) {
    Doc const given = view.set.at({"spec", "leaderWorkerTemplate", "restartPolicy"});
    if (given.as_string("RecreateGroupOnPodRestart") != "RecreateGroupOnPodRestart") return false;
    if (!restarted(view.pod) && !meta::is_deleting(view.pod)) return false;
    if (!meta::annotation(view.set, kAfterStartAnnotation).empty() && !complete(view)) return false;
    if (!view.leader.exists() || !is_own(view)) return false;
    // One of another revision is a leader that is new already.
    if (meta::label(view.leader, meta::kGroupRevisionLabel) != meta::label(view.pod, meta::kGroupRevisionLabel))
        return false;
    if (meta::is_deleting(view.leader)) return true;
    control::Write write = control::deletion(kPods, view.leader, "a pod of its group went");
    write.delete_options.propagation_policy = "Foreground";
    plan.writes.push_back(std::move(write));
    note(plan, view.set, "RecreateGroupOnPodRestart",
         fmt::format("Worker pod {} failed, deleted leader pod {} to recreate group {}", meta::name(view.pod),
                     meta::name(view.leader), meta::label(view.leader, meta::kGroupIndexLabel)));
    return true;
}

}   // namespace

Plan decide_group_pod(GroupPodView const& view, Time now) {
    Plan plan;
    Doc const& pod = view.pod;
    if (!pod.exists() || !view.set.exists() || recreate(view, plan)) return plan;
    if (meta::label(pod, meta::kWorkerIndexLabel) != "0") return plan;
    std::string const name = meta::name(pod);
    if (!shared_domain(view.set) && !view.service.exists()) {
        plan.writes.push_back(creation(
            kServices, headless_service(view.set, pod, name, meta::label(pod, meta::kGroupIndexLabel)), "its name"));
    }
    if (meta::is_deleting(pod) || group_size(view.set) == 1) return plan;
    if (view.set.at({"spec", "startupPolicy"}).as_string() == "LeaderReady" && !is_ready(pod)) return plan;
    Doc const revision = group_revision(view.revisions, meta::label(pod, meta::kGroupRevisionLabel));
    if (!revision.exists()) {
        plan.requeue_at(now + std::chrono::seconds(1), "the leader's revision");
        return plan;
    }
    if (view.workers.exists()) return plan;
    plan.writes.push_back(creation(kStatefulSets, workers_object(view.set, pod, revision), "the workers"));
    note(plan, view.set, "GroupsProgressing", "Created worker statefulset for leader pod " + name);
    return plan;
}

namespace {

// The number at the end of a pod's name.
std::string ordinal_of_name(std::string const& name) { return name.substr(name.rfind('-') + 1); }

void give_environment(Value& containers, json::Object const& variables) {
    if (!containers.is_array()) return;
    for (Value& container : containers.make_array()) {
        json::Array list;
        for (auto const& [name, value] : variables) list.push_back(json::Object{{"name", name}, {"value", value}});
        for (Value const& own : std::as_const(container)["env"].array()) {
            if (!variables.contains(own["name"].as_string())) list.push_back(own);
        }
        container["env"] = std::move(list);
    }
}

}   // namespace

void complete_group_pod(Value& pod) {
    Value const& seen = pod;
    auto const label = [&](std::string_view key) { return seen.at({"metadata", "labels", key}).string(); };
    auto const annotation = [&](std::string_view key) { return seen.at({"metadata", "annotations", key}).string(); };
    std::string const set = label(meta::kGroupSetLabel);
    if (set.empty() || annotation(kSizeAnnotation).empty()) return;
    std::string const name = seen.at({"metadata", "name"}).string();
    std::string const ns = seen.at({"metadata", "namespace"}).string();
    if (label(meta::kWorkerIndexLabel) == "0") {
        if (label(meta::kGroupIndexLabel).empty())
            pod.set({"metadata", "labels", meta::kGroupIndexLabel}, ordinal_of_name(name));
        if (annotation(kSubdomainAnnotation) == "UniquePerReplica") pod.set({"spec", "subdomain"}, name);
        if (label(meta::kGroupKeyLabel).empty())
            pod.set({"metadata", "labels", meta::kGroupKeyLabel}, fmt::format("{:016x}", fnv1a_64(ns + "/" + name)));
    } else {
        pod.set({"metadata", "labels", meta::kWorkerIndexLabel}, ordinal_of_name(name));
    }
    json::Object const variables{{"LWS_LEADER_ADDRESS", fmt::format("{}-{}.{}.{}", set, label(meta::kGroupIndexLabel),
                                                                    seen.at({"spec", "subdomain"}).as_string(), ns)},
                                 {"LWS_GROUP_SIZE", annotation(kSizeAnnotation)},
                                 {"LWS_WORKER_INDEX", label(meta::kWorkerIndexLabel)}};
    for (char const* list : {"initContainers", "containers"}) {
        if (Value* containers = pod["spec"].find(list)) give_environment(*containers, variables);
    }
}

}   // namespace aviary::simulator
