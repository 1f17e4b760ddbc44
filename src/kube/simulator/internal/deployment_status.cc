// What a Deployment reports: counts and conditions.
#include "kube/simulator/internal/deployment_sync.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

Value* Sync::condition(std::string_view type) {
    for (Value& each : status["conditions"].make_array()) {
        if (each["type"].as_string() == type) return &each;
    }
    return nullptr;
}

void Sync::remove_condition(std::string_view type) {
    std::erase_if(status["conditions"].make_array(),
                  [type](Value const& each) { return each["type"].as_string() == type; });
}

void Sync::set_condition(std::string_view type, std::string_view value, std::string_view reason, std::string message) {
    std::string const stamp = format_rfc3339(now);
    std::string transition = stamp;
    if (Value* current = condition(type)) {
        Value const& seen = *current;
        if (seen["status"].as_string() == value && seen["reason"].as_string() == reason) return;
        if (seen["status"].as_string() == value) transition = seen["lastTransitionTime"].string();
        remove_condition(type);
    }
    status["conditions"].push_back(json::Object{{"type", type},
                                                {"status", value},
                                                {"lastUpdateTime", stamp},
                                                {"lastTransitionTime", transition},
                                                {"reason", reason},
                                                {"message", message}});
}

bool Sync::complete(Value const& counts) const {
    return counts["updatedReplicas"].as_int() == replicas && counts["replicas"].as_int() == replicas &&
           counts["availableReplicas"].as_int() == replicas &&
           counts["observedGeneration"].as_int() >= meta::generation(deployment);
}

void Sync::count() {
    std::vector<ReplicaSet*> const everyone = all();
    auto const put = [&](char const* field, std::int64_t value) {
        if (value == 0 && std::string_view(field) != "observedGeneration") {
            status.erase(field);
        } else {
            status[field] = value;
        }
    };
    std::int64_t const available = sum(everyone, &ReplicaSet::available);
    put("observedGeneration", meta::generation(deployment));
    put("replicas", sum(everyone, &ReplicaSet::actual));
    put("updatedReplicas", fresh != nullptr ? fresh->actual : 0);
    put("readyReplicas", sum(everyone, &ReplicaSet::ready));
    put("availableReplicas", available);
    put("unavailableReplicas", std::max<std::int64_t>(0, sum(everyone, &ReplicaSet::replicas) - available));
    if (available >= replicas - max_unavailable()) {
        set_condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    } else {
        set_condition("Available", "False", "MinimumReplicasUnavailable",
                      "Deployment does not have minimum availability.");
    }
}

void Sync::report_progress() {
    if (!has_deadline) return remove_condition("Progressing");
    Value const before = deployment["status"].thaw();
    Value const* current = condition("Progressing");
    std::string const reason = current != nullptr ? (*current)["reason"].string() : std::string();
    bool const was_complete =
        status["replicas"].as_int() == status["updatedReplicas"].as_int() && reason == "NewReplicaSetAvailable";
    if (was_complete) return;
    auto const subject =
        fresh != nullptr ? fmt::format("ReplicaSet \"{}\"", fresh->name()) : fmt::format("Deployment \"{}\"", name);
    auto const grew = [&](char const* field) { return status[field].as_int() > before[field].as_int(); };
    bool const old_shrank = status["replicas"].as_int() - status["updatedReplicas"].as_int() <
                            before["replicas"].as_int() - before["updatedReplicas"].as_int();
    if (complete(status)) {
        set_condition("Progressing", "True", "NewReplicaSetAvailable", subject + " has successfully progressed.");
    } else if (grew("updatedReplicas") || grew("readyReplicas") || grew("availableReplicas") || old_shrank) {
        std::string transition = format_rfc3339(now);
        if (current != nullptr && (*current)["status"].as_string() == "True")
            transition = (*current)["lastTransitionTime"].string();
        remove_condition("Progressing");
        set_condition("Progressing", "True", "ReplicaSetUpdated", subject + " is progressing.");
        (*condition("Progressing"))["lastTransitionTime"] = transition;
    } else if (timed_out()) {
        set_condition("Progressing", "False", "ProgressDeadlineExceeded", subject + " has timed out progressing.");
    }
}

bool Sync::timed_out() {
    Value const* current = condition("Progressing");
    if (current == nullptr) return false;
    std::string_view const reason = (*current)["reason"].as_string();
    if (reason == "ProgressDeadlineExceeded") return true;
    if (reason == "NewReplicaSetAvailable" || reason == "DeploymentPaused") return false;
    auto const since = parse_rfc3339((*current)["lastUpdateTime"].as_string());
    if (!since) return false;
    Time const until = *since + std::chrono::seconds(deadline);
    if (until <= now) return true;
    plan.requeue_at(until, "spec.progressDeadlineSeconds");
    return false;
}

void Sync::report_pause() {
    if (!has_deadline) return;
    Value const* current = condition("Progressing");
    std::string const reason = current != nullptr ? (*current)["reason"].string() : std::string();
    if (reason == "ProgressDeadlineExceeded") return;
    if (paused && reason != "DeploymentPaused") {
        set_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    } else if (!paused && reason == "DeploymentPaused") {
        set_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
    }
}

void Sync::write_status() {
    Value changes{json::Object()};
    if (!annotations.empty()) {
        for (auto const& [key, value] : annotations) changes.set({"metadata", "annotations", key}, value);
    }
    Value const before = deployment["status"].thaw();
    for (auto const& [key, value] : status.object()) {
        if (!(before[key] == value)) changes.set({"status", key}, value);
    }
    for (auto const& [key, value] : before.object()) {
        if (!status.contains(key)) changes.set({"status", key}, nullptr);
    }
    if (changes.size() == 0) return;
    changes.set({"metadata", "resourceVersion"}, meta::resource_version(deployment));
    Write write;
    write.resource = kDeployments;
    write.key = {ns, name};
    write.subresource = "status";
    write.body = std::move(changes);
    write.why = "status";
    plan.writes.push_back(std::move(write));
}

}   // namespace aviary::simulator
