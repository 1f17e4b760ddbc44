#include "hub/proxy/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "hub/decision/carry_out.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"
#include "hub/proxy/internal/trouble.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;
using json::Value;

std::string image_of(Doc const& pod_template) { return pod_template.at({"spec", "containers"})[0]["image"].string(); }

std::string version_of(std::string const& image) {
    std::size_t const colon = image.rfind(':');
    return colon == std::string::npos ? image : image.substr(colon + 1);
}

std::string who(std::string_view reason) {
    if (reason == "AwaitingApproval" || reason == "Paused") return "approver";
    if (reason == "InsufficientGPU" || reason == "Unschedulable" || reason == "PullingImage") return "cluster owner";
    if (reason == "CrashLooping" || reason == "PodFailed" || reason == "ImagePullFailed" || reason == "LoadingModel" ||
        reason == "NotReady")
        return "service owner";
    if (reason == "ClusterUnreachable") return "network on-call";
    return "-";
}

bool progressing(ClusterView const& view) { return view.rollout.at({"status", "phase"}).as_string() == "Progressing"; }

// The pods of the version that the workload's template says: by the hash that the release goes by, or by their image.
std::vector<Doc> new_pods(ClusterView const& view) {
    std::string const image = image_of(view.workload.at({"spec", "template"}));
    std::string_view const hash = view.rollout.at({"status", "canaryStatus", "podTemplateHash"}).as_string();
    bool const by_hash = progressing(view) && !propagation::rollout_closing(view.rollout) && !hash.empty();
    std::vector<Doc> result;
    for (Doc const& pod : view.pods) {
        bool const is_new = by_hash ? meta::label(pod, "pod-template-hash") == hash
                                    : pod.at({"spec", "containers"})[0]["image"].as_string() == image;
        if (is_new && !meta::is_deleting(pod)) result.push_back(pod);
    }
    return result;
}

void set_wait(Value& row, std::string reason, std::string message, std::string ends, std::string since) {
    row["who"] = who(reason);
    row["reason"] = std::move(reason);
    row["message"] = std::move(message);
    row["endsWhen"] = std::move(ends);
    if (!since.empty()) row["since"] = std::move(since);
}

// What ends it, when the hub's workload cannot go to this cluster as it is; empty when it can.
std::string held_back(std::optional<propagation::Standing> const& standing) {
    using propagation::State;
    if (!standing) return {};
    switch (standing->state) {
        case State::kGuarded: return "the guard lets it through";
        case State::kHeld: return "the hold ends or is taken off";
        case State::kBehindMembers: return "the hub has caught up";
        case State::kNotServed: return "the cluster serves the kind";
        case State::kConflict: return "the conflict is decided";
        case State::kApplying: return standing->reason == "ApplyFailed" ? "the cause is mended" : "";
        default: return {};
    }
}

std::string next_replicas(Doc const& rollout, std::int64_t step) {
    auto const share = meta::IntOrPercent::from(rollout.at({"spec", "strategy", "canary", "steps"})[step]["replicas"]);
    return share ? share->to_string() : std::string();
}

// The pods of the version that a cluster goes to: how many it is to have, how many are ready, and what of the rest.
struct Canary {
    std::vector<Doc> pods;
    std::int64_t wanted = 0;
    std::int64_t up = 0;
    std::vector<Trouble> troubles;
};

// They are none of the pods that a version has.
std::vector<Doc> take_failed(std::vector<Doc>& pods) {
    std::vector<Doc> ended;
    std::ranges::copy_if(pods, std::back_inserter(ended), failed);
    std::erase_if(pods, failed);
    return ended;
}

Canary canary_of(ClusterView const& view, std::int64_t step) {
    Canary canary;
    canary.pods = new_pods(view);
    std::vector<Doc> const ended = take_failed(canary.pods);
    canary.wanted = decision::pods_at(view.rollout, step, view.workload.at({"spec", "replicas"}).as_int());
    canary.up = std::ranges::count_if(canary.pods, ready);
    // What failed is of interest until others have taken its place.
    std::vector<Doc> of_interest = canary.pods;
    if (canary.up < canary.wanted) of_interest.insert(of_interest.end(), ended.begin(), ended.end());
    canary.troubles = troubles_of(of_interest);
    return canary;
}

void add_causes(Value& row, ClusterView const& view, Canary const& canary) {
    std::string const version = version_of(image_of(view.workload.at({"spec", "template"})));
    for (Trouble const& trouble : canary.troubles) row["causes"].push_back(trouble.text(version, canary.pods.size()));
}

// A wait for a person says what the person should know: pods that were ready when the step ended may not be any more.
void warn_of_troubles(Value& row, ClusterView const& view) {
    Canary const canary = canary_of(view, row["step"].as_int());
    if (canary.troubles.empty()) return;
    row["trouble"] = canary.troubles.front().reason;
    add_causes(row, view, canary);
}

void explain_upgrade(Value& row, ClusterView const& view, std::string const& since) {
    Canary const canary = canary_of(view, row["step"].as_int());
    std::string const ready = fmt::format("{}/{} pods ready", canary.up, canary.wanted);
    if (canary.troubles.empty()) {
        set_wait(row, "NotReady", ready, fmt::format("{} pods are ready", canary.wanted), since);
        return;
    }
    Trouble const& worst = canary.troubles.front();
    set_wait(row, worst.reason, ready, worst.ends_when(), format_rfc3339(worst.since));
    add_causes(row, view, canary);
}

}   // namespace

Value explain_cluster(ClusterView const& view) {
    Doc const status = view.rollout["status"];
    Doc const canary = status["canaryStatus"];
    std::int64_t const steps =
        static_cast<std::int64_t>(view.rollout.at({"spec", "strategy", "canary", "steps"}).size());
    std::int64_t const replicas = view.workload.at({"spec", "replicas"}).as_int();
    Value row{json::Object{{"cluster", view.cluster}, {"placed", view.placed}, {"reachable", view.reachable}}};
    row["rolloutUID"] = meta::uid(view.rollout);
    row["phase"] = status["phase"].string();
    row["step"] = canary["currentStepIndex"].as_int();
    row["steps"] = steps;
    row["state"] = canary["currentStepState"].string();
    row["revision"] = canary["canaryRevision"].string();
    row["pausedSince"] = canary["lastUpdateTime"].string();
    row["replicas"] = replicas;
    row["ready"] = view.workload.at({"status", "readyReplicas"}).as_int();
    row["causes"] = json::Array();
    std::vector<Doc> on_new = new_pods(view);
    take_failed(on_new);
    row["updated"] = static_cast<std::int64_t>(on_new.size());
    std::int64_t const step = row["step"].as_int();
    row["nextReplicas"] = step < steps ? next_replicas(view.rollout, step) : "";
    row["nextPods"] = step < steps ? decision::pods_at(view.rollout, step + 1, replicas) : replicas;
    std::string const since = canary["lastUpdateTime"].string();

    if (!view.reachable) {
        row["state"] = "Unknown";
        set_wait(row, "ClusterUnreachable", "does not answer", "member connects again",
                 format_rfc3339(view.reachable_since));
        return row;
    }
    if (std::string const ends = held_back(view.workload_standing); !ends.empty()) {
        row["state"] = propagation::to_string(view.workload_standing->state);
        set_wait(row, view.workload_standing->reason, view.workload_standing->message, ends,
                 format_rfc3339(view.workload_standing->since));
        row["causes"].push_back(view.workload_standing->message);
        return row;
    }
    if (!view.placed || !view.rollout.exists()) {
        row["state"] = "-";
        set_wait(row, view.placed ? "RolloutMissing" : "NotPlaced",
                 view.placed ? "the Rollout has not arrived yet" : "the Rollout is not placed here", "-", "");
        return row;
    }
    std::string_view const phase = status["phase"].as_string();
    std::string_view const state = canary["currentStepState"].as_string();
    if (view.rollout.at({"spec", "strategy", "paused"}).as_bool() && progressing(view)) {
        row["state"] = "Paused";
        set_wait(row, "Paused", "spec.strategy.paused", "resumed", since);
        warn_of_troubles(row, view);
    } else if (progressing(view) && state == "StepPaused") {
        Doc const duration =
            view.rollout.at({"spec", "strategy", "canary", "steps"})[step - 1].at({"pause", "duration"});
        if (duration.is_int()) {
            auto const start = parse_rfc3339(since);
            set_wait(
                row, "Soaking", status["message"].string(),
                start ? format_rfc3339(*start + std::chrono::seconds(duration.as_int())) : "its duration has passed",
                since);
        } else {
            set_wait(row, "AwaitingApproval", status["message"].string(), "approved or rejected", since);
        }
        warn_of_troubles(row, view);
    } else if (progressing(view)) {
        Doc const condition = meta::condition(view.rollout, "Progressing");
        std::string_view const reason = condition["reason"].as_string();
        if (reason == "Finalising" || reason == "Cancelling") {
            row["state"] = reason;
            set_wait(row, std::string(reason), condition["message"].string(), "the workload is handed back", since);
        } else {
            explain_upgrade(row, view, since);
        }
    } else if (phase == "Healthy") {
        if (state == "StepPaused") row["state"] = "Completed";   // a cancelled release leaves its last state behind
        set_wait(row, "-", status["message"].string(), "-", "");
    } else {
        set_wait(row, phase.empty() ? "ControllerAbsent" : std::string(phase), status["message"].string(), "-", "");
    }
    return row;
}

Value explain(Doc const& rollout, Doc const& workload, std::string const& digest,
              std::vector<ClusterView> const& views) {
    Value answer{json::Object{{"name", meta::name(rollout)}, {"namespace", meta::ns(rollout)}, {"digest", digest}}};
    answer["release"] = digest.size() > 13 ? digest.substr(7, 6) : digest;
    std::string const image = image_of(workload.at({"spec", "template"}));
    answer["to"] = version_of(image);
    std::string const hash = propagation::template_hash(propagation::pod_template(workload));
    std::string from;
    std::int64_t on_new = 0;
    std::int64_t total = 0;
    std::int64_t up = 0;
    bool person = false;
    bool moving = false;
    json::Array rows;
    for (ClusterView const& view : views) {
        if (!view.bound && !view.placed) continue;
        Value row = explain_cluster(view);
        for (Doc const& pod : view.pods) {
            std::string const own = pod.at({"spec", "containers"})[0]["image"].string();
            if (own != image && !meta::is_deleting(pod)) from = version_of(own);
        }
        // Of a cluster that was kept from it, or taken back, no pod is on the new version, whatever its image.
        bool const has_it = meta::label(view.workload, propagation::kTemplateLabel) == hash;
        on_new += has_it ? row["updated"].as_int() : 0;
        total += row["replicas"].as_int();
        up += row["ready"].as_int();
        std::string_view const reason = row["reason"].as_string();
        person = person || reason == "AwaitingApproval" || reason == "Paused" || needs_person(reason) ||
                 row["state"].as_string() == "Guarded" || reason == "ApplyFailed";
        moving = moving || reason == "PullingImage" || reason == "LoadingModel" || reason == "NotReady" ||
                 reason == "Finalising" || reason == "Cancelling" || reason == "Soaking";
        rows.push_back(std::move(row));
    }
    answer["from"] = from;
    answer["steps"] = static_cast<std::int64_t>(rollout.at({"spec", "strategy", "canary", "steps"}).size());
    answer["onNew"] = on_new;
    answer["total"] = total;
    answer["ready"] = up;
    answer["stuck"] = person && !moving;
    answer["clusters"] = std::move(rows);
    return answer;
}

}   // namespace aviary::proxy
