#include "kube/simulator/internal/kubelet.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr std::string_view kStart = "simulator.aviary.dev/start";
constexpr std::string_view kBehaviour = "simulator.aviary.dev/behaviour";
constexpr std::string_view kImages = "simulator.aviary.dev/images";

constexpr Duration kSoonestFailure = std::chrono::seconds(10);

bool has_image(Doc const& pod, std::string_view part) {
    for (auto const& [key, container] : pod.at({"spec", "containers"}).elements()) {
        if (container["image"].as_string().contains(part)) return true;
    }
    return false;
}

// The pod's own annotation, or its node's where that is meant for this pod's image.
std::string told(Doc const& pod, Doc const& node, std::string_view key) {
    std::string own = meta::annotation(pod, key);
    if (!own.empty()) return own;
    std::string const images = meta::annotation(node, kImages);
    return images.empty() || has_image(pod, images) ? meta::annotation(node, key) : std::string();
}

Doc condition_of(Doc const& pod, std::string_view type) {
    for (auto const& [key, condition] : pod.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == type) return condition;
    }
    return {};
}

Value condition(Doc const& pod, std::string_view type, bool value, std::string_view reason, std::string message,
                std::string const& stamp) {
    Doc const before = condition_of(pod, type);
    std::string_view const text = value ? "True" : "False";
    Value result{json::Object{{"type", type}, {"status", text}, {"lastProbeTime", nullptr}}};
    result["lastTransitionTime"] = before["status"].as_string() == text ? before["lastTransitionTime"].string() : stamp;
    if (!reason.empty()) result["reason"] = reason;
    if (!message.empty()) result["message"] = std::move(message);
    return result;
}

// What one look at the pod comes to.
struct Picture {
    std::string phase = "Pending";
    bool ready = false;
    std::string waiting;   // reason of a waiting container
    std::string message;
    std::int64_t restarts = 0;
    bool failed = false;    // the phase Failed, for good
    bool crashed = false;   // has a last state
};

std::string unready_containers(Doc const& pod) {
    std::string names;
    for (auto const& [key, container] : pod.at({"spec", "containers"}).elements()) {
        if (!names.empty()) names += ' ';
        names += container["name"].as_string();
    }
    return fmt::format("containers with unready status: [{}]", names);
}

// Addresses are stable for a uid: 10.x.y.z of the pod network.
std::string pod_ip(Doc const& pod) {
    std::uint32_t const hash = fnv1a_32(meta::uid(pod));
    return fmt::format("10.{}.{}.{}", 128 + (hash >> 16 & 63), hash >> 8 & 255, 1 + (hash & 255) % 254);
}

Value container_status(Doc const& pod, Doc const& container, Picture const& picture, std::string const& started) {
    std::string const name = container["name"].string();
    std::string const image = container["image"].string();
    Value status{
        json::Object{{"name", name}, {"ready", picture.ready}, {"restartCount", picture.restarts}, {"image", image}}};
    bool const running = picture.waiting.empty() && !picture.failed;
    status["started"] = running;
    status["imageID"] = running || picture.restarts > 0
                            ? Value(image + "@sha256:" + fmt::format("{:064x}", fnv1a_64(image)))
                            : Value("");
    if (running || picture.restarts > 0)
        status["containerID"] = fmt::format(
            "containerd://{:064x}", fnv1a_64(meta::uid(pod) + name) + static_cast<std::uint64_t>(picture.restarts));
    Value const terminated =
        json::Object{{"exitCode", 1}, {"reason", "Error"}, {"startedAt", started}, {"finishedAt", started}};
    if (picture.failed) {
        status["state"] = json::Object{{"terminated", terminated}};
    } else if (running) {
        status["state"] = json::Object{{"running", json::Object{{"startedAt", started}}}};
    } else {
        Value waiting{json::Object{{"reason", picture.waiting}}};
        if (!picture.message.empty()) waiting["message"] = picture.message;
        status["state"] = json::Object{{"waiting", waiting}};
    }
    status["lastState"] = picture.crashed ? Value(json::Object{{"terminated", terminated}}) : Value(json::Object());
    return status;
}

Value status_for(Doc const& pod, Doc const& node, Picture const& picture, Time since, Time now) {
    std::string const stamp = format_rfc3339(now);
    std::string const unready = unready_containers(pod);
    std::string_view const reason = picture.ready ? "" : "ContainersNotReady";
    Value status{json::Object()};
    status["phase"] = picture.phase;
    json::Array conditions;
    conditions.push_back(condition(pod, "Initialized", true, "", "", stamp));
    conditions.push_back(condition(pod, "Ready", picture.ready, reason, picture.ready ? "" : unready, stamp));
    conditions.push_back(condition(pod, "ContainersReady", picture.ready, reason, picture.ready ? "" : unready, stamp));
    conditions.push_back(condition(pod, "PodScheduled", true, "", "", stamp));
    status["conditions"] = std::move(conditions);
    std::string const host = node.at({"status", "addresses"})[0]["address"].string();
    status["hostIP"] = host;
    if (picture.phase != "Pending") {
        status["podIP"] = pod_ip(pod);
        status["podIPs"] = json::Array{json::Object{{"ip", pod_ip(pod)}}};
    }
    status["startTime"] = format_rfc3339(since);
    std::string started = stamp;
    if (auto const before = pod.at({"status", "containerStatuses"})[0].at({"state", "running", "startedAt"});
        before.exists())
        started = before.string();
    json::Array containers;
    for (auto const& [key, container] : pod.at({"spec", "containers"}).elements()) {
        containers.push_back(container_status(pod, container, picture, started));
    }
    status["containerStatuses"] = std::move(containers);
    return status;
}

// Restarts happen at 10 s, 30 s, 70 s …: the delay doubles up to five minutes (kubelet back-off).
Picture crash_looping(Duration since_start, Plan& plan, Time started, std::string const& pod_name) {
    Picture picture;
    picture.phase = "Running";
    picture.waiting = "CrashLoopBackOff";
    picture.crashed = true;
    picture.restarts = 1;
    Duration delay = std::chrono::seconds(10);
    Duration passed = delay;
    while (passed <= since_start && picture.restarts < 1000) {
        ++picture.restarts;
        delay = std::min<Duration>(delay * 2, std::chrono::minutes(5));
        passed += delay;
    }
    picture.message =
        fmt::format("back-off {} restarting failed container of pod {}", format_duration(delay), pod_name);
    plan.requeue_at(started + passed, "restart of a crashed container");
    return picture;
}

Picture look(Doc const& pod, Doc const& node, Duration pod_start, Time since, Time now, Plan& plan) {
    Picture picture;
    std::string const behaviour = told(pod, node, kBehaviour);
    if (behaviour == "image-pull-error") {
        picture.waiting = "ImagePullBackOff";
        picture.message = "Back-off pulling image";
        return picture;
    }
    Duration const start = parse_duration(told(pod, node, kStart)).value_or(pod_start);
    Time const up = since + start;
    if (up > now) {
        plan.requeue_at(up, "pod start");
        picture.waiting = "ContainerCreating";
        return picture;
    }
    if (behaviour == "fail") {
        // Each is replaced at once: one that did not run a while would make pods without end.
        Time const failed = std::max(up, since + kSoonestFailure);
        if (failed > now) {
            plan.requeue_at(failed, "pod failure");
            picture.phase = "Running";
            return picture;
        }
        picture.phase = "Failed";
        picture.failed = true;
        return picture;
    }
    if (behaviour == "crash-loop") return crash_looping(now - up, plan, up, meta::name(pod));
    picture.phase = "Running";
    picture.ready = behaviour != "never-ready";
    return picture;
}

Write removal(Doc const& pod, std::string why) {
    Write write = control::deletion(kPods, pod, std::move(why));
    write.delete_options.grace_period_seconds = 0;
    return write;
}

}   // namespace

Plan decide_collection(std::vector<Doc> pods) {
    Plan plan;
    std::erase_if(pods, [](Doc const& pod) { return meta::is_deleting(pod) || !is_finished(pod); });
    std::ranges::sort(pods, {}, [](Doc const& pod) {
        return std::pair(pod.at({"metadata", "creationTimestamp"}).string(), meta::name(pod));
    });
    for (std::size_t index = 0; index + kMostFinished < pods.size(); ++index)
        plan.writes.push_back(removal(pods[index], "too many pods have ended"));
    return plan;
}

Plan decide_pod(Doc const& pod, Doc const& node, Duration pod_start, Time since, Time now) {
    Plan plan;
    if (!pod.exists() || !pod.at({"spec", "nodeName"}).exists()) return plan;
    if (meta::is_deleting(pod)) {
        plan.writes.push_back(removal(pod, "containers have stopped"));
        return plan;
    }
    if (!node.exists()) return plan;
    if (is_finished(pod)) return plan;

    Picture const picture = look(pod, node, pod_start, since, now, plan);
    Value const status = status_for(pod, node, picture, since, now);

    std::size_t const writes = plan.writes.size();
    write_status(plan, kPods, pod, status);
    if (plan.writes.size() == writes) return plan;

    Value const self = reference_to(pod, "v1", "Pod");
    if (picture.waiting == "CrashLoopBackOff") {
        plan.events.push_back({self, "Warning", "BackOff", picture.message});
    } else if (picture.waiting == "ImagePullBackOff") {
        plan.events.push_back({self, "Warning", "Failed", "Error: ImagePullBackOff"});
    }
    return plan;
}

}   // namespace aviary::simulator
