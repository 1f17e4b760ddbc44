#include "hub/proxy/internal/trouble.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;

// The worst first: what no waiting will mend.
constexpr std::string_view kWorstFirst[] = {"CrashLooping", "InsufficientGPU", "Unschedulable",
                                            "PullingImage", "LoadingModel",    "NotReady"};

Trouble trouble_of(Doc const& pod) {
    Trouble trouble;
    trouble.count = 1;
    trouble.since = meta::created(pod).value_or(Time());
    if (Doc const scheduled = meta::condition(pod, "PodScheduled"); scheduled["status"].as_string() == "False") {
        std::string_view const message = scheduled["message"].as_string();
        trouble.reason = message.contains("nvidia.com/gpu") ? "InsufficientGPU" : "Unschedulable";
        trouble.detail = message;
        return trouble;
    }
    for (auto const& [index, container] : pod.at({"status", "containerStatuses"}).elements()) {
        std::string_view const waiting = container.at({"state", "waiting", "reason"}).as_string();
        if (waiting == "CrashLoopBackOff") {
            trouble.reason = "CrashLooping";
            trouble.detail = fmt::format("{} restarted {} times: {}", container["name"].as_string(),
                                         container["restartCount"].as_int(),
                                         container.at({"state", "waiting", "message"}).as_string());
            return trouble;
        }
        if (waiting == "ImagePullBackOff" || waiting == "ErrImagePull") {
            trouble.reason = "PullingImage";
            trouble.detail = fmt::format("{}: {}", waiting, container["image"].as_string());
            return trouble;
        }
        if (waiting == "ContainerCreating") trouble.reason = "PullingImage";
        if (container.at({"state", "running"}).exists()) trouble.reason = "LoadingModel";
    }
    if (trouble.reason.empty()) trouble.reason = "NotReady";
    return trouble;
}

}   // namespace

bool ready(Doc const& pod) { return meta::condition_is_true(pod, "Ready"); }

std::vector<Trouble> troubles_of(std::vector<Doc> const& pods) {
    std::map<std::string, Trouble, std::less<>> found;
    for (Doc const& pod : pods) {
        if (ready(pod)) continue;
        Trouble one = trouble_of(pod);
        Trouble& sum = found[one.reason];
        one.count += sum.count;
        if (sum.count > 0) one.since = std::min(one.since, sum.since);
        sum = std::move(one);
    }
    std::vector<Trouble> result;
    for (std::string_view reason : kWorstFirst) {
        if (auto const each = found.find(reason); each != found.end()) result.push_back(each->second);
    }
    return result;
}

std::string Trouble::text(std::string_view version, std::size_t of) const {
    bool const pending = reason == "InsufficientGPU" || reason == "Unschedulable";
    return fmt::format("{} of {} {} pods {}{}", count, of, version, pending ? "Pending" : reason,
                       detail.empty() ? "" : ": " + detail);
}

std::string Trouble::ends_when() const {
    std::string const pods = fmt::format("{} pod{}", count, count == 1 ? "" : "s");
    if (reason == "InsufficientGPU") return pods + (count == 1 ? " gets" : " get") + std::string(" a GPU");
    if (reason == "CrashLooping") return pods + (count == 1 ? " stops" : " stop") + std::string(" crashing");
    if (reason == "PullingImage") return pods + (count == 1 ? " starts" : " start");
    return pods + (count == 1 ? " is" : " are") + std::string(" ready");
}

}   // namespace aviary::proxy
