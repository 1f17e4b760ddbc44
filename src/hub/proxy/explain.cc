#include "hub/proxy/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apis/fleet/hold.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "hub/decision/carry_out.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "hub/propagation/render.h"
#include "hub/proxy/internal/trouble.h"
#include "kube/meta/groups.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;
using json::Value;

std::string image_of(Doc const& pod_template) { return pod_template.at({"spec", "containers"})[0]["image"].string(); }

std::string who(std::string_view reason) {
    if (reason == "AwaitingApproval" || reason == "Paused") return "approver";
    if (reason == apis::kUnsupported || reason == "NewVersionRefused" || reason == "TrafficNotRouted" ||
        reason == "ProgressDeadlineExceeded" || reason == "WaitingForGroup")
        return "release owner";
    if (reason == "InsufficientGPU" || reason == "Unschedulable" || reason == "PullingImage") return "cluster owner";
    if (reason == "CrashLooping" || reason == "PodFailed" || reason == "ImagePullFailed" || reason == "LoadingModel" ||
        reason == "NotReady" || reason == "TakenBack" || reason == "ScaledToZero")
        return "service owner";
    if (reason == "ReadRefused" || reason == "Approved" || reason == apis::kAutoscalersUnread ||
        reason == apis::kWriteRefused)
        return "cluster owner";
    if (reason == "ClusterUnreachable") return "network on-call";
    return "-";
}

bool progressing(ClusterView const& view) { return view.rollout.at({"status", "phase"}).as_string() == "Progressing"; }

// The pods of the version that the workload's template says: by the hash that the release goes by, or by their image.
std::vector<Doc> new_pods(ClusterView const& view) {
    std::string const image = image_of(meta::pod_template_of(view.workload));
    std::string_view const hash = apis::release_status(view.rollout)["podTemplateHash"].as_string();
    bool const by_hash = progressing(view) && !propagation::rollout_closing(view.rollout) && !hash.empty();
    std::vector<Doc> result;
    for (Doc const& pod : view.pods) {
        bool const is_new =
            by_hash ? apis::is_of_revision(pod, hash) : pod.at({"spec", "containers"})[0]["image"].as_string() == image;
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

constexpr std::string_view kAbsent = "ControllerAbsent";

// What ends a wait, and who can.
struct End {
    std::string_view when, who;
};

void set_wait(Value& row, std::string reason, std::string message, End end, std::string since) {
    set_wait(row, std::move(reason), std::move(message), std::string(end.when), std::move(since));
    row["who"] = end.who;
}

// What the release guard waits for.
End end_of_guard(std::string_view reason) {
    if (reason == "RolloutNotPlaced") return {"a policy places the Rollout here", "service owner"};
    if (reason == "RolloutMissing") return {"the Rollout has arrived", "cluster owner"};
    if (reason == kAbsent) return {"a rollout controller runs there", "cluster owner"};
    if (reason == "ControllerTooOld") return {"a newer rollout controller runs there", "cluster owner"};
    if (reason == "RolloutDisabled") return {"the Rollout is enabled", "service owner"};
    if (reason == "RolloutLeaving") return {"the Rollout is gone, and another version is released", "service owner"};
    if (reason == "ReleaseClosing") return {"the release before is closed", "-"};
    if (reason == "WebhookNotInForce") return {"the webhook there is mended", "cluster owner"};
    if (reason == "RevisionMissing") return {"another version is released", "service owner"};
    if (reason == "KindNotSupported") return {"it is annotated unguarded", "service owner"};
    if (reason == "PinOutdated")
        return {"the open decision has looked again, or it is undone once more", "release owner"};
    return {"the guard lets it through", "cluster owner"};
}

// What ends it, when the hub's workload cannot go to this cluster as it is; nothing when it can.
End held_back(std::optional<propagation::Standing> const& standing) {
    using propagation::State;
    if (!standing) return {};
    switch (standing->state) {
        case State::kGuarded: return end_of_guard(standing->reason);
        case State::kHeld: return {"the hold ends or is taken off", "who holds it"};
        case State::kBehindMembers: return {"`aviary hub recover --from-members` brings the hub on", "hub owner"};
        case State::kNotServed: return {"the cluster serves the kind", "cluster owner"};
        case State::kConflict:
            if (standing->reason == "OtherHub") return {"one of the two hubs gives it up", "hub owner"};
            return {"the conflict is decided", "cluster owner"};
        case State::kApplying:
            return standing->reason == "ApplyFailed" ? End{"the cause is mended", "cluster owner"} : End{};
        default: return {};
    }
}

std::string next_replicas(Doc const& rollout, std::int64_t step) {
    auto const share = meta::IntOrPercent::from(apis::release_steps(rollout)[step]["replicas"]);
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
    canary.wanted = decision::pods_at(view.rollout, step, decision::replicas_of(view.workload));
    canary.up = std::ranges::count_if(canary.pods, ready);
    // What failed is of interest until others have taken its place.
    std::vector<Doc> of_interest = canary.pods;
    if (canary.up < canary.wanted) of_interest.insert(of_interest.end(), ended.begin(), ended.end());
    canary.troubles = troubles_of(of_interest);
    return canary;
}

void add_causes(Value& row, ClusterView const& view, Canary const& canary) {
    std::string const version = version_of(meta::pod_template_of(view.workload));
    for (Trouble const& trouble : canary.troubles) row["causes"].push_back(trouble.text(version, canary.pods.size()));
}

// A wait for a person says what the person should know: pods that were ready when the step ended may not be any more.
// What has only begun, as after a scale, is told and is no trouble.
void warn_of_troubles(Value& row, ClusterView const& view) {
    Canary const canary = canary_of(view, row["step"].as_int());
    auto const worst = std::ranges::find(canary.troubles, false, &Trouble::starting);
    if (worst != canary.troubles.end()) row["trouble"] = worst->reason;
    add_causes(row, view, canary);
    if (view.pods_unread.empty()) return;
    row["trouble"] = "ReadRefused";
    row["causes"].push_back("its pods cannot be looked at: " + view.pods_unread);
}

void explain_upgrade(Value& row, ClusterView const& view, std::string const& since) {
    if (std::string unread = apis::hindrance(view.rollout, apis::kAutoscalersUnread); !unread.empty()) {
        set_wait(row, std::string(apis::kAutoscalersUnread), std::move(unread), "the member there may read them",
                 since);
        return;
    }
    if (std::string why = apis::hindrance(view.rollout, apis::kUnsupported); !why.empty()) {
        set_wait(row, std::string(apis::kUnsupported), std::move(why), std::string(apis::kUntilSupported), since);
        row["trouble"] = apis::kUnsupported;
        row["causes"].push_back(row["message"]);
        return;
    }
    Canary const canary = canary_of(view, row["step"].as_int());
    if (Doc const stalled = meta::condition(view.rollout, "Stalled"); stalled["status"].as_string() == "True") {
        set_wait(row, stalled["reason"].string(), view.rollout.at({"status", "message"}).string(),
                 "it gets more time, or is taken back", stalled["lastTransitionTime"].string());
        row["trouble"] = stalled["reason"].string();
        add_causes(row, view, canary);
        return;
    }
    std::string const until = apis::holding_healthy_until(view.rollout);
    if (!until.empty() && canary.troubles.empty()) {
        set_wait(row, "HoldingHealthy", view.rollout.at({"status", "message"}).string(), until, since);
        return;
    }
    std::string const ready = fmt::format("{}/{} pods ready", canary.up, canary.wanted);
    if (canary.troubles.empty()) {
        // Controllers that look every few seconds have not seen it yet.
        bool const all = canary.wanted > 0 && canary.up >= canary.wanted;
        set_wait(row, all ? "Verifying" : "NotReady", ready,
                 all ? "the rollout controller there has seen it" : fmt::format("{} pods are ready", canary.wanted),
                 since);
        return;
    }
    Trouble const& worst = canary.troubles.front();
    set_wait(row, worst.reason, ready, worst.ends_when(), format_rfc3339(worst.since));
    if (needs_person(worst.reason)) row["trouble"] = worst.reason;
    add_causes(row, view, canary);
}

// Pods that run the hub's version, whatever the cluster is going to.
std::int64_t on_hub_version(ClusterView const& view) {
    std::vector<Doc> pods = new_pods(view);
    take_failed(pods);
    std::int64_t const there = static_cast<std::int64_t>(pods.size());
    // A version that is refused has no pods; those of the release are of the one before it.
    if (has_hub_version(view)) return apis::new_version_refused(view.rollout) ? 0 : there;
    if (image_of(meta::pod_template_of(view.workload)) != view.hub_image) {
        return std::ranges::count_if(view.pods, [&](Doc const& pod) {
            bool const alive = !failed(pod) && !meta::is_deleting(pod);
            return alive && pod.at({"spec", "containers"})[0]["image"].as_string() == view.hub_image;
        });
    }
    // Both versions have one image: what goes to the other one is what is left.
    if (!progressing(view)) return 0;
    auto const alive = [](Doc const& pod) { return !failed(pod) && !meta::is_deleting(pod); };
    return std::ranges::count_if(view.pods, alive) - there;
}

// The same where the pods are not known: by what its controllers have written last.
std::int64_t last_on_hub_version(ClusterView const& view) {
    if (!view.workload.exists() || !has_hub_version(view)) return 0;
    Doc const status = view.workload["status"];
    return std::max(status["updatedReplicas"].as_int(), status["updatedNumberScheduled"].as_int());
}

// The hub's version is not there yet, or there and not yet taken up by the rollout controller.
bool arriving(ClusterView const& view) {
    if (!view.bound || !view.workload.exists() || !view.pinned.empty()) return false;
    return !has_hub_version(view) || propagation::releasing(view.workload) || propagation::frozen(view.workload);
}

std::string tag_of(std::string const& image) {
    std::size_t const colon = image.rfind(':');
    return colon == std::string::npos ? image : image.substr(colon + 1);
}

void explain_pause(Value& row, ClusterView const& view, std::string const& since) {
    std::string const message = view.rollout.at({"status", "message"}).string();
    Doc const steps = apis::release_steps(view.rollout);
    Doc const duration = steps[row["step"].as_int() - 1].at({"pause", "duration"});
    if (duration.is_int()) {
        auto const start = parse_rfc3339(since);
        set_wait(row, "Soaking", message,
                 start ? format_rfc3339(*start + std::chrono::seconds(duration.as_int())) : "its duration has passed",
                 since);
    } else {
        // An undo of a release that was finished has steps of its own, whose approvals bring the old version.
        set_wait(row, "AwaitingApproval", message,
                 view.pinned.empty() ? "approved or aborted" : fmt::format("approved: back to {}", view.pinned), since);
    }
    warn_of_troubles(row, view);
    if (has_hub_version(view) || !view.pinned.empty()) return;
    // Who approves it approves that one.
    row["otherVersion"] = true;
    row["causes"].push_back(fmt::format("this is {}, and the hub has {}",
                                        version_of(meta::pod_template_of(view.workload)), tag_of(view.hub_image)));
}

// It has again what its release came from, and the rollout controller there has yet to see that. An undo of a release
// that was finished comes from the version that is taken back; one that goes back in batches waits at their steps.
bool back_unseen(ClusterView const& view) {
    std::string const stable = propagation::stable_template(view.workload);
    bool const on_stable = !stable.empty() && meta::label(view.workload, propagation::kTemplateLabel) == stable;
    bool const in_batches = meta::annotation(view.rollout, apis::kRollbackInBatchAnnotation) == "true";
    return on_stable && !in_batches && !propagation::observed(view.workload, view.rollout);
}

// Whether the hub leaves it alone for a hold on the member's object itself, and not on its own.
bool holds(std::optional<propagation::Standing> const& standing, Doc const& object) {
    return standing && standing->state == propagation::State::kHeld && !meta::annotation(object, apis::kHold).empty() &&
           standing->message.ends_with(apis::hold_words(object));
}

// "alice at 2026-11-23T13:52:07Z: its p95 doubled"
std::string paused_at(std::string_view paused_by) {
    constexpr std::string_view kAt = " at ";
    std::size_t const at = paused_by.find(kAt);
    if (at == std::string_view::npos) return {};
    std::string_view const rest = paused_by.substr(at + kAt.size());
    std::string time(rest.substr(0, rest.find(": ")));
    return parse_rfc3339(time) ? time : std::string();
}

void explain_progress(Value& row, ClusterView const& view, std::string const& since) {
    if (view.rollout.at({"spec", "strategy", "paused"}).as_bool()) {
        row["state"] = "Paused";
        // Not the hub's, which cannot resume it either.
        bool const held = view.rollout_held || holds(view.rollout_standing, view.rollout);
        bool const there = view.paused_by.empty() && held;
        if (there) row["pausedThere"] = true;
        std::string by = there                    ? "in the cluster itself, " + apis::hold_words(view.rollout)
                         : view.paused_by.empty() ? "spec.strategy.paused"
                                                  : "by " + view.paused_by;
        // Of others nobody has noted when: the step had begun before.
        set_wait(row, "Paused", std::move(by), "resumed", paused_at(view.paused_by));
        warn_of_troubles(row, view);
        return;
    }
    Doc const condition = meta::condition(view.rollout, "Progressing");
    std::string_view const reason = condition["reason"].as_string();
    if (reason == "Initializing") row["state"] = "BeforeStepUpgrade";
    // Whatever step it has left.
    if (reason == "Finalising" || reason == "Cancelling") {
        row["state"] = reason;
        set_wait(row, std::string(reason), condition["message"].string(), "the workload is handed back", since);
    } else if (!view.pinned.empty() && (has_hub_version(view) || back_unseen(view))) {
        row["state"] = "Cancelling";
        set_wait(row, "Cancelling", fmt::format("goes back to {}", view.pinned), "the workload is handed back", "");
    } else if (apis::new_version_refused(view.rollout)) {
        row["state"] = "NewVersionRefused";
        set_wait(row, "NewVersionRefused", view.rollout.at({"status", "message"}).string(),
                 "the stable version, or the one being released, is put back", since);
        row["causes"].push_back(row["message"]);
    } else if (apis::not_routed(view.rollout)) {
        set_wait(row, "TrafficNotRouted", view.rollout.at({"status", "message"}).string(), "it is put right",
                 meta::condition(view.rollout, "TrafficRouted")["lastTransitionTime"].string());
        row["causes"].push_back(row["message"]);
    } else if (apis::waits_for_group(view.rollout)) {
        bool const ends = row["state"].as_string() == apis::step::kCompleted;
        set_wait(row, "WaitingForGroup", view.rollout.at({"status", "message"}).string(),
                 ends ? "the others are through, too" : "the others have come to this step", since);
        row["causes"].push_back(row["message"]);
        if (ends) warn_of_troubles(row, view);
    } else if (reason == "Initializing") {
        set_wait(row, "Applying", condition["message"].string(), "the release begins there", "");
    } else if (row["state"].as_string() == "StepTrafficRouting") {
        set_wait(row, "TrafficRouting", view.rollout.at({"status", "message"}).string(),
                 "the step's requests go to the new version", since);
    } else if (row["state"].as_string() == "StepPaused") {
        explain_pause(row, view, since);
    } else if (row["state"].as_string() == "StepReady") {
        set_wait(row, "Approved", "the rollout controller there has not taken it up yet",
                 "the rollout controller there goes on", since);
    } else {
        explain_upgrade(row, view, since);
    }
}

// What was taken back by nobody's hand.
void add_deadline(Value& row, ClusterView const& view) {
    if (apis::taken_back_by_deadline(view.rollout))
        row["causes"].push_back(meta::condition(view.rollout, apis::condition::kSucceeded)["message"].string());
}

void explain_rest(Value& row, ClusterView const& view) {
    std::string const message = view.rollout.at({"status", "message"}).string();
    if (arriving(view)) {
        row["state"] = "Applying";
        if (propagation::without_pods(view.workload)) {
            set_wait(row, "ScaledToZero", "the workload is scaled to nothing",
                     "it is scaled up, and the release begins", "");
        } else {
            set_wait(row, "Applying", "the new version is on its way", "the release begins there", "");
        }
        return;
    }
    // A cancelled release leaves its last state behind.
    if (!row["state"].as_string().empty()) row["state"] = "Completed";
    if (view.pinned.empty()) {
        set_wait(row, "-", message, "-", "");
    } else {
        set_wait(row, "TakenBack", fmt::format("pinned to {}, {} rejected", view.pinned, view.rejected),
                 "another version is released", "");
        add_deadline(row, view);
    }
}

void describe(Value& row, ClusterView const& view) {
    Doc const status = view.rollout["status"];
    Doc const release = apis::release_status(view.rollout);
    std::int64_t const steps = static_cast<std::int64_t>(apis::release_steps(view.rollout).size());
    std::int64_t const replicas = decision::replicas_of(view.workload);
    std::int64_t const step = release["currentStepIndex"].as_int();
    row["rolloutUID"] = meta::uid(view.rollout);
    row["phase"] = status["phase"].string();
    row["step"] = step;
    row["steps"] = steps;
    row["state"] = release["currentStepState"].string();
    row["revision"] = apis::release_revision(view.rollout);
    row["pausedSince"] = release["lastUpdateTime"].string();
    row["replicas"] = replicas;
    Doc const counts = view.workload["status"];
    row["ready"] = std::max(counts["readyReplicas"].as_int(), counts["numberReady"].as_int());
    row["causes"] = json::Array();
    bool const seen = view.reachable && view.pods_unread.empty();
    row["updated"] = seen ? on_hub_version(view) : last_on_hub_version(view);
    row["current"] = view.workload.exists() && has_hub_version(view) && view.pinned.empty();
    if (view.workload.exists()) row["version"] = version_of(meta::pod_template_of(view.workload));
    // Nothing to go back to.
    bool const alone =
        view.pinned.empty() && has_hub_version(view) && apis::begun_by_id_alone(view.rollout, view.workload);
    if (alone) row["begunByIdAlone"] = true;
    if (!view.stable.empty() && !alone) row["stable"] = view.stable;
    if (!view.pinned.empty()) row["pinned"] = view.pinned;
    if (!view.pinned.empty()) row["rejected"] = view.rejected;
    if (!view.pinned.empty() && meta::condition_is_true(view.rollout, apis::condition::kRolledBack))
        row["inBatches"] = true;
    row["nextReplicas"] = step < steps ? next_replicas(view.rollout, step) : "";
    row["nextPods"] = step < steps ? decision::pods_at(view.rollout, step + 1, replicas) : replicas;
}

// What the clusters come from that have the hub's version, or are kept from it.
std::string from_of(json::Array const& rows) {
    std::set<std::string> versions;
    for (Value const& row : rows) {
        bool const releasing = row["phase"].as_string() == "Progressing";
        if (row["pinned"].is_string()) {
            versions.insert(row["pinned"].string());
        } else if (!row["current"].as_bool()) {
            versions.insert(row["version"].string());
        } else if (releasing) {
            versions.insert(row["stable"].string());
        }
    }
    versions.erase("");
    if (versions.size() > 1) return "several versions";
    return versions.empty() ? std::string() : *versions.begin();
}

void explain_unknown(Value& row, ClusterView const& view) {
    row["lastState"] = row["state"].string();
    row["state"] = "Unknown";
    // As it was last seen. Of its objects one may have been seen later than the other.
    row["finished"] = row["phase"].as_string() == "Healthy" && row["current"].as_bool() && !arriving(view);
    if (!view.unread.empty()) row["error"] = view.unread;
    if (view.reachable) {
        set_wait(row, "ReadRefused", view.unread, "it may be read", "");
        if (view.reachable_since != Time()) row["reachableSince"] = format_rfc3339(view.reachable_since);
        return;
    }
    bool const since_when = view.reachable_since != Time();
    std::string const& why = view.unread.empty() ? view.away_because : view.unread;
    set_wait(row, "ClusterUnreachable", why.empty() ? "does not answer" : "does not answer: " + why,
             "member connects again", since_when ? format_rfc3339(view.reachable_since) : "");
}

}   // namespace

bool has_hub_version(ClusterView const& view) {
    return view.hub_template.empty() || meta::label(view.workload, propagation::kTemplateLabel) == view.hub_template;
}

std::string version_of(Doc const& pod_template) { return tag_of(image_of(pod_template)); }

namespace {

// A Rollout whose workload is not there says so in its message, and where the cluster does not serve the kind, that.
constexpr std::string_view kNoWorkload = "Workload Not Found";

void explain_without_release(Value& row, ClusterView const& view) {
    std::string const phase = row["phase"].string();
    std::string message = view.rollout.at({"status", "message"}).string();
    if (message.starts_with(kNoWorkload) && !view.workload.exists()) {
        bool const served = message == kNoWorkload;
        row["state"] = phase;
        row["causes"].push_back(message);
        set_wait(row, served ? "WorkloadNotFound" : "KindNotServed", std::move(message),
                 served ? End{"the workload is created", "release owner"}
                        : End{"the cluster serves the kind", "cluster owner"},
                 "");
    } else {
        set_wait(row, phase.empty() ? std::string(kAbsent) : phase, std::move(message), "-", "");
    }
}

Value row_of(ClusterView const& view) {
    Value row{json::Object{{"cluster", view.cluster}, {"placed", view.placed}, {"reachable", view.reachable}}};
    describe(row, view);
    std::string const since = apis::release_status(view.rollout)["lastUpdateTime"].string();
    if (!view.reachable || !view.unread.empty()) {
        explain_unknown(row, view);
        return row;
    }
    if (End const end = held_back(view.workload_standing); !end.when.empty()) {
        row["state"] = propagation::to_string(view.workload_standing->state);
        set_wait(row, view.workload_standing->reason, view.workload_standing->message, end,
                 format_rfc3339(view.workload_standing->since));
        row["causes"].push_back(view.workload_standing->message);
        if (view.workload_standing->state == propagation::State::kHeld) {
            if (holds(view.workload_standing, view.workload)) row["heldThere"] = true;
            add_deadline(row, view);
        }
        return row;
    }
    if (!view.placed || !view.rollout.exists()) {
        row["state"] = "-";
        set_wait(row, view.placed ? "RolloutMissing" : "NotPlaced",
                 view.placed ? "the Rollout has not arrived yet" : "the Rollout is not placed here", "-", "");
        return row;
    }
    std::string const phase = row["phase"].string();
    if (phase == "Progressing") {
        explain_progress(row, view, since);
    } else if (phase == "Healthy") {
        explain_rest(row, view);
    } else {
        explain_without_release(row, view);
    }
    return row;
}

bool goes_on_by_itself(std::string_view reason) {
    constexpr std::string_view kMoving[] = {"PullingImage",   "LoadingModel",   "NotReady",   "Approved",
                                            "Verifying",      "Finalising",     "Cancelling", "Soaking",
                                            "HoldingHealthy", "TrafficRouting", "Applying",   "ReleaseClosing"};
    return std::ranges::find(kMoving, reason) != std::end(kMoving);
}

bool waits_for_a_person(Value const& row) {
    std::string_view const state = row["state"].as_string();
    std::string_view const reason = row["reason"].as_string();
    // What time or a release that ends will mend.
    constexpr std::string_view kPasses[] = {"ReleaseClosing", "ReleaseInProgress", "Drift"};
    bool const kept = state == "Guarded" || state == "Conflict" || state == "BehindMembers" || state == "NotServed";
    if (kept) return std::ranges::find(kPasses, reason) == std::end(kPasses);
    constexpr std::string_view kWaits[] = {"AwaitingApproval",
                                           "TrafficNotRouted",
                                           "Paused",
                                           "NewVersionRefused",
                                           "ProgressDeadlineExceeded",
                                           "ApplyFailed",
                                           "WorkloadNotFound",
                                           "KindNotServed",
                                           apis::kUnsupported,
                                           apis::kWriteRefused,
                                           kAbsent};
    return needs_person(reason) || std::ranges::find(kWaits, reason) != std::end(kWaits);
}

// A write of the Rollout's controller, or of its BatchRelease's.
void explain_refusal(Value& row, ClusterView const& view) {
    if (!view.reachable || !view.unread.empty()) return;
    Doc const condition = meta::condition(view.rollout, apis::condition::kWriteRefused);
    bool const own = condition["status"].as_string() == "True";
    std::string words = own ? condition["message"].string() : apis::hindrance(view.rollout, apis::kWriteRefused);
    std::string const phase = row["phase"].string();
    bool const rests = phase == "Healthy" || phase.empty();
    if (words.empty() || (!own && phase != "Progressing")) return;
    row["causes"].push_back(words);
    if (rests || (phase == "Progressing" && !goes_on_by_itself(row["reason"].as_string()))) return;
    row["trouble"] = apis::kWriteRefused;
    std::string since = own ? condition["lastTransitionTime"].string() : row["since"].string();
    set_wait(row, std::string(apis::kWriteRefused), std::move(words), std::string(apis::kUntilNotRefused),
             std::move(since));
}

// Without a controller nothing goes on by itself.
void explain_silence(Value& row, ClusterView const& view) {
    if (!view.controller_silent || row["phase"].as_string() != "Progressing") return;
    std::string const since = format_rfc3339(*view.controller_silent);
    std::string message = fmt::format("no rollout controller has led there since {}", since);
    if (!waits_for_controller(row)) {
        row["causes"].push_back(std::move(message));
        return;
    }
    row["causes"].push_back(row["message"]);
    set_wait(row, std::string(kAbsent), std::move(message), end_of_guard(kAbsent), since);
}

}   // namespace

bool waits_for_controller(Value const& row) {
    return row["phase"].as_string() == "Progressing" && goes_on_by_itself(row["reason"].as_string());
}

Value explain_cluster(ClusterView const& view) {
    Value row = row_of(view);
    explain_refusal(row, view);
    explain_silence(row, view);
    if (!view.controller_problem.empty()) row["causes"].push_back(view.controller_problem);
    return row;
}

Value explain(Release const& release, std::vector<ClusterView> const& views) {
    std::string const& digest = release.digest;
    Value answer{json::Object{
        {"name", meta::name(release.rollout)}, {"namespace", meta::ns(release.rollout)}, {"digest", digest}}};
    answer["release"] = digest.size() > 13 ? digest.substr(7, 6) : digest;
    answer["to"] = release.to.empty() ? version_of(meta::pod_template_of(release.workload)) : release.to;
    std::int64_t on_new = 0;
    std::int64_t total = 0;
    std::int64_t up = 0;
    bool person = false;
    bool moving = false;
    json::Array rows;
    for (ClusterView const& view : views) {
        if (!view.bound && !view.placed) continue;
        Value row = explain_cluster(view);
        on_new += row["updated"].as_int();
        total += row["replicas"].as_int();
        up += row["ready"].as_int();
        std::string_view const reason = row["reason"].as_string();
        person = person || waits_for_a_person(row);
        moving = moving || goes_on_by_itself(reason);
        rows.push_back(std::move(row));
    }
    answer["from"] = from_of(rows);
    if (release.workload.exists()) {
        answer["workload"] = fmt::format("{}/{}", meta::resource_of(meta::kind_of(release.workload)).group_resource(),
                                         meta::name(release.workload));
    }
    answer["steps"] = static_cast<std::int64_t>(apis::release_steps(release.rollout).size());
    answer["onNew"] = on_new;
    answer["total"] = total;
    answer["ready"] = up;
    answer["stuck"] = person && !moving;
    // In clusters without a hub each row says it.
    if (!release.attached && meta::is_deleting(release.rollout)) {
        std::string const word(meta::annotation(release.rollout, propagation::kOnDelete));
        bool const first = propagation::is_done_first(word);   // then the message is about that
        answer["deleting"] =
            json::Object{{"since", release.rollout.at({"metadata", "deletionTimestamp"}).string()},
                         {"onDelete", word},
                         {"message", first ? release.rollout.at({"status", "message"}).string() : std::string()}};
    }
    answer["pausedByAll"] = !release.attached && release.rollout.at({"spec", "strategy", "paused"}).as_bool();
    if (!release.problem.empty()) answer["problem"] = release.problem;
    if (release.attached) answer["attached"] = true;
    answer["clusters"] = std::move(rows);
    return answer;
}

}   // namespace aviary::proxy
