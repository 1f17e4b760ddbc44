#include "hub/proxy/internal/trouble.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;

// The worst first: what no waiting will mend.
constexpr std::string_view kWorstFirst[] = {"CrashLooping",  "PodFailed",    "ImagePullFailed", "InsufficientGPU",
                                            "Unschedulable", "PullingImage", "LoadingModel",    "NotReady"};

bool pull_has_failed(std::string_view waiting) {
    return waiting == "ErrImagePull" || waiting == "ImagePullBackOff" || waiting == "InvalidImageName" ||
           waiting == "ErrImageNeverPull";
}

std::string with_message(std::string text, Doc const& message) {
    return message.as_string().empty() ? text : fmt::format("{}: {}", text, message.as_string());
}

std::string restarted(Doc const& container) {
    std::int64_t const times = container["restartCount"].as_int();
    return fmt::format("{} restarted {} time{}", container["name"].as_string(), times, times == 1 ? "" : "s");
}

// It ran, was ready, and is so no more: Ready became false after the container had started.
bool was_ready(Doc const& pod, Doc const& container) {
    auto const fell = parse_rfc3339(meta::condition(pod, "Ready")["lastTransitionTime"].as_string());
    auto const started = parse_rfc3339(container.at({"state", "running", "startedAt"}).as_string());
    return fell && started && *fell > *started;
}

void look_at_running(Doc const& pod, Doc const& container, Trouble& trouble) {
    std::int64_t const restarts = container["restartCount"].as_int();
    trouble.reason = was_ready(pod, container) ? "NotReady" : "LoadingModel";
    trouble.starting = trouble.reason == "LoadingModel" && restarts == 0;
    if (restarts > 0) trouble.detail = restarted(container);
}

void look_at(Doc const& pod, Doc const& container, Trouble& trouble) {
    Doc const waiting = container.at({"state", "waiting"});
    std::string_view const reason = waiting["reason"].as_string();
    if (reason == "CrashLoopBackOff") {
        trouble.reason = "CrashLooping";
        trouble.detail = with_message(restarted(container), waiting["message"]);
    } else if (pull_has_failed(reason)) {
        trouble.reason = "ImagePullFailed";
        trouble.detail =
            with_message(fmt::format("{}: {}", reason, container["image"].as_string()), waiting["message"]);
    } else if (container["ready"].as_bool()) {
        return;
    } else if (container.at({"state", "running"}).exists()) {
        look_at_running(pod, container, trouble);
    } else if (reason == "ContainerCreating" || reason == "PodInitializing") {
        trouble.reason = "PullingImage";
        trouble.starting = container["restartCount"].as_int() == 0;
    } else if (!reason.empty()) {
        trouble.reason = "NotReady";
        trouble.detail = with_message(std::string(reason), waiting["message"]);
    }
}

Trouble trouble_of(Doc const& pod) {
    Trouble trouble;
    trouble.count = 1;
    trouble.since = meta::created(pod).value_or(Time());
    if (Doc const scheduled = meta::condition(pod, "PodScheduled"); scheduled["status"].as_string() == "False") {
        std::string_view const message = scheduled["message"].as_string();
        trouble.reason =
            message.contains("nvidia.com/gpu") || message.contains("amd.com/gpu") ? "InsufficientGPU" : "Unschedulable";
        trouble.detail = message;
        return trouble;
    }
    for (char const* list : {"initContainerStatuses", "containerStatuses"}) {
        for (auto const& [index, container] : pod.at({"status", list}).elements()) {
            look_at(pod, container, trouble);
            if (needs_person(trouble.reason)) return trouble;
        }
    }
    if (!trouble.reason.empty()) return trouble;
    trouble.reason = "NotReady";
    trouble.starting = pod.at({"status", "containerStatuses"}).size() == 0;
    return trouble;
}

// "Evicted: the node was low on memory", "vllm ended with exit code 1"
std::string why_failed(Doc const& pod) {
    Doc const status = pod["status"];
    if (std::string const reason = status["reason"].string(); !reason.empty())
        return with_message(reason, status["message"]);
    for (char const* list : {"initContainerStatuses", "containerStatuses"}) {
        for (auto const& [index, container] : status[list].elements()) {
            Doc const ended = container.at({"state", "terminated"});
            if (!ended.exists() || ended["exitCode"].as_int() == 0) continue;
            return with_message(
                fmt::format("{} ended with exit code {}", container["name"].as_string(), ended["exitCode"].as_int()),
                ended["message"]);
        }
    }
    return status["message"].string();
}

}   // namespace

bool ready(Doc const& pod) { return meta::condition_is_true(pod, "Ready"); }

bool failed(Doc const& pod) { return pod.at({"status", "phase"}).as_string() == "Failed"; }

bool needs_person(std::string_view reason) {
    return reason == "CrashLooping" || reason == "PodFailed" || reason == "ImagePullFailed" ||
           reason == "InsufficientGPU" || reason == "Unschedulable";
}

std::vector<Trouble> troubles_of(std::vector<Doc> const& pods) {
    std::map<std::string, Trouble, std::less<>> found;
    for (Doc const& pod : pods) {
        if (ready(pod)) continue;
        Trouble one = failed(pod) ? Trouble{"PodFailed", why_failed(pod), 1, meta::created(pod).value_or(Time()), false}
                                  : trouble_of(pod);
        Trouble& sum = found[one.reason];
        if (sum.count > 0) {
            one.since = std::min(one.since, sum.since);
            one.starting = one.starting && sum.starting;
        }
        one.count += sum.count;
        sum = std::move(one);
    }
    std::vector<Trouble> result;
    for (std::string_view reason : kWorstFirst) {
        if (auto const each = found.find(reason); each != found.end()) result.push_back(each->second);
    }
    return result;
}

std::string Trouble::text(std::string_view version, std::size_t of) const {
    std::string const why = detail.empty() ? "" : ": " + detail;
    if (reason == "PodFailed") return fmt::format("{} {} pod{} failed{}", count, version, count == 1 ? "" : "s", why);
    bool const pending = reason == "InsufficientGPU" || reason == "Unschedulable";
    return fmt::format("{} of {} {} pods {}{}", count, of, version, pending ? "Pending" : reason, why);
}

std::string Trouble::ends_when() const {
    std::string const pods = fmt::format("{} pod{}", count, count == 1 ? "" : "s");
    if (reason == "InsufficientGPU") return pods + (count == 1 ? " gets" : " get") + std::string(" a GPU");
    if (reason == "CrashLooping") return pods + (count == 1 ? " stops" : " stop") + std::string(" crashing");
    if (reason == "PodFailed") return "pods of it stay up";
    if (reason == "ImagePullFailed") return pods + (count == 1 ? " gets its image" : " get their images");
    if (reason == "PullingImage") return pods + (count == 1 ? " starts" : " start");
    return pods + (count == 1 ? " is" : " are") + std::string(" ready");
}

}   // namespace aviary::proxy
