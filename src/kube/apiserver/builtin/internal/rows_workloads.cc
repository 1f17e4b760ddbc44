// The cells of kinds that run pods.
#include <fmt/format.h>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/internal/cells.h"
#include "kube/apiserver/builtin/internal/rows.h"

namespace aviary::builtin::internal {

namespace {

std::int64_t status_count(json::Doc const& object, std::string_view field) {
    return object.at({"status", field}).as_int();
}

json::Doc containers_of(json::Doc const& object) { return object.at({"spec", "template", "spec", "containers"}); }

bool job_condition(json::Doc const& job, std::string_view type) {
    for (auto [_, condition] : job.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == type) return condition["status"].as_string() == "True";
    }
    return false;
}

std::string_view job_status(json::Doc const& job) {
    if (job_condition(job, "Complete")) return "Complete";
    if (job_condition(job, "Failed")) return "Failed";
    if (job.at({"metadata", "deletionTimestamp"}).is_string()) return "Terminating";
    if (job_condition(job, "Suspended")) return "Suspended";
    if (job_condition(job, "FailureTarget")) return "FailureTarget";
    if (job_condition(job, "SuccessCriteriaMet")) return "SuccessCriteriaMet";
    return "Running";
}

std::string job_completions(json::Doc const& job) {
    std::int64_t succeeded = status_count(job, "succeeded");
    json::Doc completions = job.at({"spec", "completions"});
    if (completions.is_int()) return fmt::format("{}/{}", succeeded, completions.as_int());
    std::int64_t parallelism = job.at({"spec", "parallelism"}).as_int();
    return parallelism > 1 ? fmt::format("{}/1 of {}", succeeded, parallelism) : fmt::format("{}/1", succeeded);
}

std::string job_duration(json::Doc const& job, Time now) {
    auto start = parse_rfc3339(job.at({"status", "startTime"}).as_string());
    if (!start) return {};
    auto end = parse_rfc3339(job.at({"status", "completionTime"}).as_string());
    return format_age(end.value_or(now) - *start);
}

}   // namespace

json::Array pod_template_row(json::Doc const& object, Time) {
    json::Doc containers = object.at({"template", "spec", "containers"});
    return {name_of(object), container_names(containers), container_images(containers),
            format_labels(object.at({"template", "metadata", "labels"}))};
}

json::Array replication_controller_row(json::Doc const& object, Time now) {
    return {name_of(object),
            object.at({"spec", "replicas"}).as_int(),
            status_count(object, "replicas"),
            status_count(object, "readyReplicas"),
            age_of(object, now),
            container_names(containers_of(object)),
            container_images(containers_of(object)),
            format_labels(object.at({"spec", "selector"}))};
}

json::Array deployment_row(json::Doc const& object, Time now) {
    return {name_of(object),
            fmt::format("{}/{}", status_count(object, "readyReplicas"), object.at({"spec", "replicas"}).as_int()),
            status_count(object, "updatedReplicas"),
            status_count(object, "availableReplicas"),
            age_of(object, now),
            container_names(containers_of(object)),
            container_images(containers_of(object)),
            selector_text(object.at({"spec", "selector"}))};
}

json::Array replica_set_row(json::Doc const& object, Time now) {
    return {name_of(object),
            object.at({"spec", "replicas"}).as_int(),
            status_count(object, "replicas"),
            status_count(object, "readyReplicas"),
            age_of(object, now),
            container_names(containers_of(object)),
            container_images(containers_of(object)),
            format_selector(object.at({"spec", "selector"}))};
}

json::Array stateful_set_row(json::Doc const& object, Time now) {
    return {name_of(object),
            fmt::format("{}/{}", status_count(object, "readyReplicas"), object.at({"spec", "replicas"}).as_int()),
            age_of(object, now), container_names(containers_of(object)), container_images(containers_of(object))};
}

json::Array daemon_set_row(json::Doc const& object, Time now) {
    return {name_of(object),
            status_count(object, "desiredNumberScheduled"),
            status_count(object, "currentNumberScheduled"),
            status_count(object, "numberReady"),
            status_count(object, "updatedNumberScheduled"),
            status_count(object, "numberAvailable"),
            format_labels(object.at({"spec", "template", "spec", "nodeSelector"})),
            age_of(object, now),
            container_names(containers_of(object)),
            container_images(containers_of(object)),
            format_selector(object.at({"spec", "selector"}))};
}

json::Array controller_revision_row(json::Doc const& object, Time now) {
    std::string controller = "<none>";
    for (auto [_, owner] : object.at({"metadata", "ownerReferences"}).elements()) {
        if (!owner["controller"].as_bool()) continue;
        std::string_view version = owner["apiVersion"].as_string();
        std::size_t slash = version.find('/');
        std::string kind = to_lower(owner["kind"].as_string());
        if (slash != std::string_view::npos) kind += fmt::format(".{}", version.substr(0, slash));
        controller = fmt::format("{}/{}", kind, owner["name"].as_string());
    }
    return {name_of(object), controller, object["revision"].as_int(), age_of(object, now)};
}

json::Array job_row(json::Doc const& object, Time now) {
    return {name_of(object),
            job_status(object),
            job_completions(object),
            job_duration(object, now),
            age_of(object, now),
            container_names(containers_of(object)),
            container_images(containers_of(object)),
            format_selector(object.at({"spec", "selector"}))};
}

json::Array cron_job_row(json::Doc const& object, Time now) {
    json::Doc last = object.at({"status", "lastScheduleTime"});
    json::Doc suspend = object.at({"spec", "suspend"});
    json::Doc containers = object.at({"spec", "jobTemplate", "spec", "template", "spec", "containers"});
    return {name_of(object),
            object.at({"spec", "schedule"}).as_string(),
            text_or(object.at({"spec", "timeZone"}), "<none>"),
            suspend.is_bool() ? (suspend.as_bool() ? "True" : "False") : "<unset>",
            object.at({"status", "active"}).size(),
            last.is_string() ? age_since(last.as_string(), now) : "<none>",
            age_of(object, now),
            container_names(containers),
            container_images(containers),
            format_selector(object.at({"spec", "jobTemplate", "spec", "selector"}))};
}

json::Array disruption_budget_row(json::Doc const& object, Time now) {
    return {name_of(object), text_or(object.at({"spec", "minAvailable"}), "N/A"),
            text_or(object.at({"spec", "maxUnavailable"}), "N/A"), status_count(object, "disruptionsAllowed"),
            age_of(object, now)};
}

}   // namespace aviary::builtin::internal
