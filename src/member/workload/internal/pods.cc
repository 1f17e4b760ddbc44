#include "member/workload/internal/pods.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/workload/internal/revisions.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;

// Long enough for a pod that ends when told to; a pod that drains longer than this does not hold a release up.
constexpr Duration kLeaveTime = std::chrono::seconds(5);
// A node takes a pod that has room within moments.
constexpr Duration kTakeTime = std::chrono::seconds(2);

// Of pods that Kruise's controllers change in their place.
constexpr std::string_view kInPlace = "InPlaceUpdateReady";

struct Obstacle {
    int rank;   // the worst first
    std::string reason;
    std::string detail;
    std::string ends_when;
    std::string who;
};

Obstacle pending(Doc const& pod) {
    Doc const scheduled = meta::condition(pod, "PodScheduled");
    std::string const message = scheduled["message"].string();
    if (message.find("nvidia.com/gpu") != std::string::npos || message.find("amd.com/gpu") != std::string::npos) {
        return {2, "InsufficientGPU", message, "a GPU is free for each of them", "cluster owner"};
    }
    return {3, "Unschedulable", message, "a node takes them", "cluster owner"};
}

Obstacle waiting(Doc const& status) {
    Doc const state = status.at({"state", "waiting"});
    std::string_view const reason = state["reason"].as_string();
    std::string const detail =
        fmt::format("container {}: {}", status["name"].as_string(), state["message"].as_string(reason));
    if (reason == "CrashLoopBackOff") return {0, "CrashLooping", detail, "the container stays up", "release owner"};
    if (reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "InvalidImageName") {
        return {1, "ImagePullFailed", detail, "the image can be pulled", "release owner"};
    }
    if (reason == "ContainerCreating" || reason == "PodInitializing")
        return {6, "PullingImage", detail, "the container starts", ""};
    return {4, "NotReady", detail, "the container starts", ""};
}

// It was ready, and is so no more: that turned after its containers had started.
bool was_ready(Doc const& pod) {
    auto const fell = parse_rfc3339(meta::condition(pod, "Ready")["lastTransitionTime"].as_string());
    for (auto const& [key, status] : pod.at({"status", "containerStatuses"}).elements()) {
        auto const started = parse_rfc3339(status.at({"state", "running", "startedAt"}).as_string());
        if (fell && started && !status["ready"].as_bool() && *fell > *started) return true;
    }
    return false;
}

Obstacle obstacle_of(Doc const& pod) {
    if (meta::condition(pod, "PodScheduled")["status"].as_string() == "False") return pending(pod);
    for (char const* list : {"initContainerStatuses", "containerStatuses"}) {
        for (auto const& [key, status] : pod.at({"status", list}).elements()) {
            if (status.at({"state", "waiting"}).exists() && !status["ready"].as_bool()) return waiting(status);
            Doc const terminated = status.at({"state", "terminated"});
            if (terminated.exists() && terminated["exitCode"].as_int() != 0) {
                return {0, "CrashLooping",
                        fmt::format("container {}: exit code {}", status["name"].as_string(),
                                    terminated["exitCode"].as_int()),
                        "the container stays up", "release owner"};
            }
        }
    }
    if (meta::condition(pod, kInPlace)["status"].as_string() == "False")
        return {6, "PullingImage", "is changed in its place", "its containers run the new version", ""};
    if (pod.at({"status", "phase"}).as_string() == "Running") {
        if (was_ready(pod)) return {4, "NotReady", "running, and not ready any more", "it is ready", ""};
        return {5, "LoadingModel", "running, and its readiness probe does not pass yet", "it is ready", ""};
    }
    return {7, "NotReady", "not started yet", "it is ready", ""};
}

}   // namespace

bool is_ready(Doc const& pod) {
    return meta::is_ready(pod) && meta::condition(pod, kInPlace)["status"].as_string("True") == "True";
}

std::pair<std::string, std::string> age_of(Doc const& pod) {
    return {pod.at({"metadata", "creationTimestamp"}).string(), meta::name(pod)};
}

std::optional<Time> starting_until(Doc const& pod, Time now) {
    auto const created = meta::created(pod);
    if (pod.at({"status", "startTime"}).exists() || !created || now >= *created + kTakeTime) return std::nullopt;
    return *created + kTakeTime;
}

std::optional<Time> counted_until(Doc const& pod, Time now) {
    auto const gone = parse_rfc3339(pod.at({"metadata", "deletionTimestamp"}).as_string());
    if (!gone) return std::nullopt;
    auto const grace = std::chrono::seconds(pod.at({"metadata", "deletionGracePeriodSeconds"}).as_int(30));
    Time const until = *gone - grace + kLeaveTime;
    if (until <= now) return std::nullopt;
    return until;
}

std::optional<Time> available_from(Doc const& pod, Duration min_ready) {
    if (!is_ready(pod)) return std::nullopt;
    if (min_ready.count() == 0) return Time::min();
    auto const since = parse_rfc3339(meta::condition(pod, "Ready")["lastTransitionTime"].as_string());
    return since ? *since + min_ready : Time::max();
}

Present count_pods(Facts& facts, std::vector<Doc> const& pods, std::function<bool(Doc const&)> const& is_unit,
                   Duration min_ready, Time now, std::string_view key) {
    Present present;
    auto const settles = [&facts](Time at) { facts.settles_at = std::min(at, facts.settles_at.value_or(at)); };
    for (Doc const& pod : pods) {
        std::optional<Time> const until = counted_until(pod, now);
        if (until) settles(*until);
        present.going = present.going || until.has_value();
        if (!is_active(pod) && !until) continue;
        ++present.pods;
        if (!is_unit(pod)) {
            ++facts.outdated;
            if (!is_active(pod) || meta::label(pod, key) != facts.stable_revision) continue;
            ++facts.stable;
            bool const ready = is_ready(pod);
            if (ready) ++facts.stable_ready;
            if (ready || !facts.stable_pod.exists()) facts.stable_pod = pod;
            continue;
        }
        ++facts.updated;
        std::optional<Time> const from = available_from(pod, min_ready);
        if (!from) continue;
        ++facts.updated_ready;
        if (*from <= now) {
            ++facts.updated_available;
        } else if (*from != Time::max()) {
            settles(*from);
        }
    }
    return present;
}

Write label_pod(Doc const& pod, std::initializer_list<std::pair<std::string_view, std::string_view>> labels,
                std::string why) {
    Write write;
    write.verb = Write::Verb::kStrategicMergePatch;   // which costs a server less than a merge patch
    write.resource = {"", "v1", "pods"};
    write.key = meta::key_of(pod);
    for (auto const& [key, value] : labels) write.body.set({"metadata", "labels", key}, value);
    write.why = std::move(why);
    write.alongside = true;
    return write;
}

Labelling spare_units(std::vector<Doc> const& units, std::string_view rollout_id, Time now) {
    Labelling result;
    for (Doc const& pod : units) {
        bool const spared = meta::label(pod, apis::kNoNeedUpdateLabel) == rollout_id;
        if (!spared && meta::label(pod, apis::kRolloutIdLabel) == rollout_id) continue;
        ++result.labelled;
        if (spared || starting_until(pod, now)) continue;
        result.writes.push_back(label_pod(pod, {{apis::kNoNeedUpdateLabel, rollout_id}},
                                          "the pod has the version that the rollback goes to"));
    }
    return result;
}

Labelling label_units(std::vector<Doc> const& units, std::string_view rollout_id,
                      std::vector<std::int64_t> const& increments, Time now) {
    std::vector<std::int64_t> missing = increments;
    std::vector<Doc> unlabelled, spared;
    Labelling result;
    for (Doc const& pod : units) {
        if (meta::label(pod, apis::kRolloutIdLabel) != rollout_id) {
            std::optional<Time> const until = starting_until(pod, now);
            if (!until) {
                bool const kept = meta::label(pod, apis::kNoNeedUpdateLabel) == rollout_id;
                (kept ? spared : unlabelled).push_back(pod);
            } else if (!result.more_at || *until < *result.more_at) {
                result.more_at = until;
            }
            continue;
        }
        ++result.labelled;
        std::int64_t const batch = parse_int(meta::label(pod, apis::kRolloutBatchIdLabel)).value_or(0);
        if (batch >= 1 && batch <= std::ssize(missing)) --missing[static_cast<std::size_t>(batch - 1)];
    }
    if (!result.more_at) unlabelled.insert(unlabelled.begin(), spared.begin(), spared.end());
    for (std::size_t batch = missing.size(); batch > 0; --batch) {
        for (; missing[batch - 1] > 0 && !unlabelled.empty(); --missing[batch - 1]) {
            result.writes.push_back(
                label_pod(unlabelled.back(),
                          {{apis::kRolloutIdLabel, rollout_id}, {apis::kRolloutBatchIdLabel, std::to_string(batch)}},
                          "label the pod with its batch"));
            unlabelled.pop_back();
            ++result.labelled;
        }
    }
    return result;
}

std::vector<control::Wait> obstacles_of(std::vector<Doc> const& pods) {
    struct Group {
        Obstacle obstacle;
        std::string pod;
        int count = 0;
        std::optional<Time> since;
    };
    std::map<std::pair<int, std::string>, Group> groups;
    for (Doc const& pod : pods) {
        if (!is_active(pod) || is_ready(pod)) continue;
        Obstacle obstacle = obstacle_of(pod);
        Group& group = groups[{obstacle.rank, obstacle.reason}];
        if (group.count++ == 0) {
            group.obstacle = std::move(obstacle);
            group.pod = meta::name(pod);
        }
        auto const created = meta::created(pod);
        if (created && (!group.since || *created < *group.since)) group.since = created;
    }
    std::vector<control::Wait> waits;
    for (auto const& [key, group] : groups) {
        std::string const others = group.count > 1 ? fmt::format(" (and {} more)", group.count - 1) : "";
        waits.push_back({group.obstacle.reason, fmt::format("pod {}{}: {}", group.pod, others, group.obstacle.detail),
                         group.since, group.obstacle.ends_when, group.obstacle.who});
    }
    return waits;
}

}   // namespace aviary::workload
