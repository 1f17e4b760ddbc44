// The status column of Pods: upstream shows the one reason that tells most about the pod's state.
#include <fmt/format.h>

#include <algorithm>

#include "kube/apiserver/builtin/internal/cells.h"
#include "kube/apiserver/builtin/internal/rows.h"

namespace aviary::builtin::internal {

namespace {

struct PodView {
    std::string reason;
    std::int64_t restarts = 0;
    std::int64_t sidecar_restarts = 0;
    int ready = 0;
    int total = 0;
    std::string last_restart;   // RFC 3339 texts in UTC order as times do
    std::string last_sidecar_restart;
};

bool condition_is_true(json::Doc const& pod, std::string_view type) {
    for (auto [_, condition] : pod.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == type) return condition["status"].as_string() == "True";
    }
    return false;
}

bool is_sidecar(json::Doc const& pod, std::string_view container) {
    for (auto [_, init] : pod.at({"spec", "initContainers"}).elements()) {
        if (init["name"].as_string() == container) return init["restartPolicy"].as_string() == "Always";
    }
    return false;
}

void note_restart(std::string& last, json::Doc const& status) {
    std::string_view finished = status.at({"lastState", "terminated", "finishedAt"}).as_string();
    if (finished > last) last = std::string(finished);
}

std::string termination_reason(json::Doc const& terminated) {
    if (!terminated["reason"].as_string().empty()) return terminated["reason"].string();
    if (terminated["signal"].as_int() != 0) return fmt::format("Signal:{}", terminated["signal"].as_int());
    return fmt::format("ExitCode:{}", terminated["exitCode"].as_int());
}

// True while an init container is still to do or has failed.
bool look_at_init_containers(json::Doc const& pod, PodView& view) {
    std::size_t index = 0;
    for (auto [_, status] : pod.at({"status", "initContainerStatuses"}).elements()) {
        std::int64_t restarts = status["restartCount"].as_int();
        bool sidecar = is_sidecar(pod, status["name"].as_string());
        view.restarts += restarts;
        note_restart(view.last_restart, status);
        if (sidecar) {
            view.sidecar_restarts += restarts;
            note_restart(view.last_sidecar_restart, status);
        }
        json::Doc terminated = status.at({"state", "terminated"});
        std::string_view waiting = status.at({"state", "waiting", "reason"}).as_string();
        std::size_t position = index++;
        if (terminated.is_object() && terminated["exitCode"].as_int() == 0) continue;
        if (sidecar && status["started"].as_bool()) {
            if (status["ready"].as_bool()) ++view.ready;
            continue;
        }
        if (terminated.is_object()) {
            view.reason = "Init:" + termination_reason(terminated);
        } else if (!waiting.empty() && waiting != "PodInitializing") {
            view.reason = fmt::format("Init:{}", waiting);
        } else {
            view.reason = fmt::format("Init:{}/{}", position, pod.at({"spec", "initContainers"}).size());
        }
        return true;
    }
    return false;
}

void look_at_containers(json::Doc const& pod, PodView& view) {
    view.restarts = view.sidecar_restarts;
    view.last_restart = view.last_sidecar_restart;
    bool running = false;
    std::string error;
    json::Doc statuses = pod.at({"status", "containerStatuses"});
    for (std::size_t i = statuses.size(); i-- > 0;) {
        json::Doc status = statuses[i];
        view.restarts += status["restartCount"].as_int();
        note_restart(view.last_restart, status);
        json::Doc terminated = status.at({"state", "terminated"});
        std::string_view waiting = status.at({"state", "waiting", "reason"}).as_string();
        if (!waiting.empty()) {
            view.reason = std::string(waiting);
        } else if (terminated.is_object()) {
            view.reason = termination_reason(terminated);
            if (terminated["exitCode"].as_int() != 0) error = view.reason;
        } else if (status["ready"].as_bool() && status.at({"state", "running"}).is_object()) {
            running = true;
            ++view.ready;
        }
    }
    if (view.reason != "Completed") return;
    if (running && condition_is_true(pod, "Ready")) {
        view.reason = "Running";
    } else if (!error.empty()) {
        view.reason = error;
    } else if (running) {
        view.reason = "NotReady";
    }
}

PodView look_at(json::Doc const& pod) {
    PodView view;
    std::string_view phase = pod.at({"status", "phase"}).as_string();
    view.reason = text_or(pod.at({"status", "reason"}), phase);
    for (auto [_, condition] : pod.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == "PodScheduled" && condition["reason"].as_string() == "SchedulingGated") {
            view.reason = "SchedulingGated";
        }
    }
    view.total = static_cast<int>(pod.at({"spec", "containers"}).size());
    for (auto [_, init] : pod.at({"spec", "initContainers"}).elements()) {
        if (init["restartPolicy"].as_string() == "Always") ++view.total;
    }
    bool initializing = look_at_init_containers(pod, view);
    if (!initializing || condition_is_true(pod, "Initialized")) look_at_containers(pod, view);

    if (pod.at({"metadata", "deletionTimestamp"}).is_string()) {
        if (pod.at({"status", "reason"}).as_string() == "NodeLost") {
            view.reason = "Unknown";
        } else if (phase != "Succeeded" && phase != "Failed") {
            view.reason = "Terminating";
        }
    }
    return view;
}

std::string readiness_gates(json::Doc const& pod) {
    json::Doc gates = pod.at({"spec", "readinessGates"});
    if (gates.size() == 0) return "<none>";
    auto met = std::ranges::count_if(gates.elements(), [&](auto const& gate) {
        return condition_is_true(pod, gate.second["conditionType"].as_string());
    });
    return fmt::format("{}/{}", met, gates.size());
}

}   // namespace

json::Array pod_row(json::Doc const& pod, Time now) {
    PodView view = look_at(pod);
    std::string restarts = std::to_string(view.restarts);
    if (view.restarts != 0 && !view.last_restart.empty()) {
        restarts += fmt::format(" ({} ago)", age_since(view.last_restart, now));
    }
    return {name_of(pod),
            fmt::format("{}/{}", view.ready, view.total),
            view.reason,
            restarts,
            age_of(pod, now),
            text_or(pod.at({"status", "podIPs"})[0]["ip"], "<none>"),
            text_or(pod.at({"spec", "nodeName"}), "<none>"),
            text_or(pod.at({"status", "nominatedNodeName"}), "<none>"),
            readiness_gates(pod)};
}

}   // namespace aviary::builtin::internal
