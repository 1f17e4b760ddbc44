#include "kube/simulator/internal/kubelet.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/base/sort.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/simulator/engines.h"
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

// As a patch that merges: a reason and a message of before go.
Value condition(Doc const& pod, std::string_view type, bool value, std::string_view reason, std::string_view message,
                std::string const& stamp) {
    Doc const before = meta::condition(pod, type);
    std::string_view const text = value ? "True" : "False";
    Value result{json::Object{{"type", type}, {"status", text}}};
    result["lastTransitionTime"] = before["status"].as_string() == text ? before["lastTransitionTime"].string() : stamp;
    result["reason"] = reason.empty() ? Value() : Value(reason);
    result["message"] = message.empty() ? Value() : Value(message);
    return result;
}

// Others may have conditions on the pod too: what is compared is the kubelet's alone.
bool has_condition(Doc const& pod, Value const& wanted) {
    Doc const before = meta::condition(pod, wanted["type"].as_string());
    for (char const* field : {"status", "reason", "message"}) {
        if (before[field].as_string() != wanted[field].as_string()) return false;
    }
    return true;
}

// Why a pod whose containers are ready is not: conditions that spec.readinessGates name are not True.
std::string closed_gates(Doc const& pod) {
    std::string reasons;
    for (auto const& [key, gate] : pod.at({"spec", "readinessGates"}).elements()) {
        std::string_view const type = gate["conditionType"].as_string();
        Doc const condition = meta::condition(pod, type);
        if (condition["status"].as_string() == "True") continue;
        if (!reasons.empty()) reasons += ", ";
        reasons += condition.exists()
                       ? fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}", type,
                                     condition["status"].as_string())
                       : fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.", type);
    }
    return reasons;
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

// As runtimes name what they have pulled.
std::string tagged(std::string image) {
    std::size_t const name = image.rfind('/') + 1;   // a colon before it is that of the registry's port
    return image.find(':', name) != std::string::npos ? image : image + ":latest";
}

// When the preStop hooks of its containers have slept, at most for its grace period. Times are whole seconds, and a
// kubelet begins when it hears of it: one more.
Time hooks_end(Doc const& pod) {
    auto const killed = parse_rfc3339(pod.at({"metadata", "deletionTimestamp"}).as_string());
    if (!killed || pod.at({"status", "phase"}).as_string() != "Running") return Time::min();
    std::int64_t longest = 0;
    for (auto const& [key, container] : pod.at({"spec", "containers"}).elements())
        longest = std::max(longest, container.at({"lifecycle", "preStop", "sleep", "seconds"}).as_int());
    if (longest == 0) return Time::min();
    auto const grace = std::chrono::seconds(pod.at({"metadata", "deletionGracePeriodSeconds"}).as_int());
    return std::min(*killed, *killed - grace + std::chrono::seconds(longest + 1));
}

// A container that waits for an image that the pod got in place is still the one before.
Value container_status(Doc const& pod, Doc const& container, Picture const& picture, std::string const& stamp) {
    std::string const name = container["name"].string();
    Doc before;
    for (auto const& [key, each] : pod.at({"status", "containerStatuses"}).elements()) {
        if (each["name"].as_string() == name) before = each;
    }
    bool const running = picture.waiting.empty() && !picture.failed;
    bool const had_run = !before["imageID"].as_string().empty();
    std::string const image = had_run && !running ? before["image"].string() : tagged(container["image"].string());
    bool const replaced = had_run && image != before["image"].as_string();
    std::int64_t const restarts =
        picture.restarts > 0 ? picture.restarts : before["restartCount"].as_int() + (replaced ? 1 : 0);
    std::string started = before.at({"state", "running", "startedAt"}).string();
    if (started.empty() || replaced) started = stamp;
    Value status{json::Object{{"name", name}, {"ready", picture.ready}, {"restartCount", restarts}, {"image", image}}};
    status["started"] = running;
    status["imageID"] = running || restarts > 0 || had_run
                            ? Value(image + "@sha256:" + fmt::format("{:064x}", fnv1a_64(image)))
                            : Value("");
    if (running || restarts > 0 || had_run)
        status["containerID"] =
            fmt::format("containerd://{:064x}", fnv1a_64(meta::uid(pod) + name) + static_cast<std::uint64_t>(restarts));
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

// Conditions are those that change.
Value status_for(Doc const& pod, Doc const& node, Picture const& picture, Time since, Time now) {
    std::string const stamp = format_rfc3339(now);
    std::string const unready = picture.ready ? "" : unready_containers(pod);
    std::string_view const reason = picture.ready ? "" : "ContainersNotReady";
    std::string const closed = picture.ready ? closed_gates(pod) : "";
    Value status{json::Object()};
    status["phase"] = picture.phase;
    json::Array conditions;
    conditions.push_back(condition(pod, "Initialized", true, "", "", stamp));
    conditions.push_back(closed.empty() ? condition(pod, "Ready", picture.ready, reason, unready, stamp)
                                        : condition(pod, "Ready", false, "ReadinessGatesNotReady", closed, stamp));
    conditions.push_back(condition(pod, "ContainersReady", picture.ready, reason, unready, stamp));
    conditions.push_back(condition(pod, "PodScheduled", true, "", "", stamp));
    std::erase_if(conditions, [&](Value const& each) { return has_condition(pod, each); });
    if (!conditions.empty()) status["conditions"] = std::move(conditions);
    std::string const host = node.at({"status", "addresses"})[0]["address"].string();
    status["hostIP"] = host;
    if (picture.phase != "Pending") {
        std::string const address = pod_address(pod);
        status["podIP"] = address;
        status["podIPs"] = json::Array{json::Object{{"ip", address}}};
    }
    status["startTime"] = pod.at({"status", "startTime"}).as_string(format_rfc3339(since));
    json::Array containers;
    for (auto const& [key, container] : pod.at({"spec", "containers"}).elements())
        containers.push_back(container_status(pod, container, picture, stamp));
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
    if (pod.at({"status", "phase"}).as_string() == "Running") picture.phase = "Running";
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

bool serves(Doc const& pod, Plan const& plan) {
    bool ready = pod.at({"status", "containerStatuses"})[0]["ready"].as_bool();
    for (Write const& write : plan.writes) {
        Value const& next = write.body.at({"status", "containerStatuses"});
        if (next.is_array()) ready = next.size() > 0 && next.array().front()["ready"].as_bool();
    }
    return ready;
}

// 10.128.0.0/10 is the network of pods; with an engine, that answers on this machine's.
std::string pod_address(Doc const& pod) {
    std::uint32_t const hash = fnv1a_32(meta::uid(pod));
    std::uint32_t const host = 1 + (hash & 255) % 254;
    if (asks_for_engine(pod)) return fmt::format("127.{}.{}.{}", 64 + (hash >> 16 & 63), hash >> 8 & 255, host);
    return fmt::format("10.{}.{}.{}", 128 + (hash >> 16 & 63), hash >> 8 & 255, host);
}

std::string images_of(Doc const& containers) {
    std::string images;
    for (auto const& [key, container] : containers.elements())
        images += fmt::format("{}={} ", container["name"].as_string(), tagged(container["image"].string()));
    return images;
}

Plan decide_collection(std::vector<Doc> pods) {
    Plan plan;
    std::erase_if(pods, [](Doc const& pod) { return meta::is_deleting(pod) || !is_finished(pod); });
    sort_by(pods, [](Doc const& pod) {
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
        if (Time const end = hooks_end(pod); end > now) {
            plan.requeue_at(end, "preStop");
            return plan;
        }
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
    plan.writes.back().verb = Write::Verb::kStrategicMergePatch;

    Value const self = reference_to(pod, kPod);
    if (picture.waiting == "CrashLoopBackOff") {
        plan.events.push_back({self, "Warning", "BackOff", picture.message});
    } else if (picture.waiting == "ImagePullBackOff") {
        plan.events.push_back({self, "Warning", "Failed", "Error: ImagePullBackOff"});
    }
    return plan;
}

}   // namespace aviary::simulator
