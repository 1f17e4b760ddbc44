#include "member/rollout/internal/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "apis/rollouts/hash.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/validate.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/batch_machine.h"
#include "member/rollout/internal/conditions.h"
#include "member/rollout/internal/rollback.h"
#include "member/rollout/internal/status_write.h"
#include "member/workload/deployment.h"
#include "member/workload/json_patch.h"

namespace aviary::rollout {

using apis::CanaryStatus;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

namespace {

// More transitions than any release has between two waits; a loop ends here, and is resumed with the next change.
constexpr int kMostTransitions = 300;

constexpr char kBeingCancelled[] = "The workload has been rolled back and the rollout process will be canceled";

}   // namespace

Plan Machine::run() {
    Doc const& object = seen_.rollout;
    if (!object.exists()) return {};
    auto rollout = apis::read_rollout(object);
    if (!rollout) {
        wait("Invalid", rollout.error().message(), "the Rollout is put right", "release owner");
        return std::move(plan_);
    }
    rollout_ = std::move(*rollout);
    limits_ = apis::read_step_limits(object);
    if (seen_.batch_release.exists()) {
        auto batch_release = apis::read_batch_release(seen_.batch_release);
        if (batch_release) batch_release_ = std::move(*batch_release);
    }
    before_ = status_ = rollout_.status;
    look_ahead();
    if (meta::is_deleting(object)) {
        terminate();
        return std::move(plan_);
    }
    mark_objects();
    status_.observed_generation = meta::generation(object);
    std::string const unsupported = this->unsupported();
    if (!unsupported.empty()) {
        status_.message = unsupported;
        wait("Unsupported", status_.message, "the Rollout is changed", "release owner");
    } else {
        for (int count = 0; count < kMostTransitions && transition(); ++count) {
        }
        follow_stable_pods();
        keep_shared_routing();
    }
    persist();
    if (unsupported.empty() && status_.phase == apis::phase::kProgressing) drive_batch_release();
    for (Write& each : after_status_) plan_.writes.push_back(std::move(each));
    return std::move(plan_);
}

// In the status for as long as it is so, and there before anything is tried again: a plan ends with what is refused.
void Machine::note_refusal() {
    constexpr std::string_view kType = apis::condition::kWriteRefused;
    if (seen_.refused.empty()) return drop_condition(status_, kType);
    apis::RolloutStatus said = before_;
    change_condition(said, kType, "True", kType, seen_.refused, now_);
    change_condition(status_, kType, "True", kType, seen_.refused, now_);
    wait(std::string(apis::kWriteRefused), seen_.refused, std::string(apis::kUntilNotRefused), "cluster owner");
    plan_.waits.back().since = parse_rfc3339(apis::find_condition(said.conditions, kType)->last_transition_time);
    std::ranges::rotate(plan_.waits, std::prev(plan_.waits.end()));
    if (said == before_) return;
    plan_.writes.insert(plan_.writes.begin(), of_status(said));
    if (apis::find_condition(before_.conditions, kType) != nullptr) return;
    plan_.events.push_back(control::event_about(seen_.rollout, control::kWarning, std::string(kType), seen_.refused));
    plan_.events.back().regardless = true;
}

// A batch that is ready, and is about to say so.
void Machine::look_ahead() {
    bool const upgrading = batch_release_ && noted() != nullptr && seen_.workload != nullptr &&
                           noted()->current_step_state == apis::step::kUpgrade;
    if (!upgrading) return;
    // A batch that has only begun is not written: what is there says still that the one before is ready.
    apis::BatchReleaseStatus const& said = batch_release_->status;
    bool const ready = said.canary_status.batch_state == apis::batch::kReady &&
                       said.observed_release_plan_hash == batch_release_hash();
    if (ready) return;
    bool const style_holds =
        workload::style_of_batch_release(seen_.batch_release).name == workload::style_of_rollout(seen_.rollout).name;
    if (!style_holds) return;
    auto status = status_to_come(
        {.batch_release = seen_.batch_release, .rollout = seen_.rollout, .workload = seen_.workload}, now_);
    if (status && status->canary_status.batch_state == apis::batch::kReady) batch_release_->status = std::move(*status);
}

std::string Machine::unsupported() const {
    auto const& strategy = rollout_.spec.strategy;
    if ((!strategy.canary && !strategy.blue_green) || steps().empty())
        return "the strategy of this Rollout is not supported: one with steps is";
    return {};
}

// The marks that Rollouts and their workloads always carry: the finalizer, the plan's hash, the workload's type.
void Machine::mark_objects() {
    workload::JsonPatch patch(seen_.rollout);
    if (!meta::has_finalizer(seen_.rollout, apis::kRolloutFinalizer)) {
        Value finalizers = seen_.rollout.at({"metadata", "finalizers"}).thaw();
        finalizers.push_back(apis::kRolloutFinalizer);
        patch.test({"metadata", "finalizers"});
        patch.set({"metadata", "finalizers"}, std::move(finalizers));
    }
    patch.set({"metadata", "annotations", apis::kRolloutHashAnnotation}, apis::plan_hash(seen_.rollout));
    if (patch.changes()) {
        Write mark;
        mark.verb = Write::Verb::kJsonPatch;
        mark.resource = apis::kRollouts;
        mark.key = meta::key_of(seen_.rollout);
        mark.body = patch.take();
        mark.why = "finalizer and plan hash";
        write(std::move(mark));
    }
    if (seen_.workload == nullptr || !meta::label(seen_.workload->object(), apis::kWorkloadTypeLabel).empty()) return;
    Write label;
    label.resource = seen_.workload->resource();
    label.key = seen_.workload->key();
    label.body.set({"metadata", "labels", apis::kWorkloadTypeLabel}, seen_.workload->type_label());
    label.why = "workload type";
    write(std::move(label));
}

// A workload in progress for a Rollout that is gone is ours: nobody else would ever end that.
bool Machine::held() const {
    if (seen_.workload == nullptr || facts().held_by.empty()) return false;
    return facts().held_by == meta::name(seen_.rollout) || !seen_.held_by_another;
}

bool Machine::transition() {
    if (rollout_.spec.disabled || status_.phase == apis::phase::kDisabling) return disabled();
    if (status_.phase == apis::phase::kDisabled) {
        status_.phase = apis::phase::kHealthy;
        status_.message = "rollout is healthy";
        // What came meanwhile was to be released without it.
        bool const others =
            seen_.workload != nullptr && noted() != nullptr && !seen_.workload->is_current(release().canary_revision);
        if (others && !held()) {
            release().canary_revision = facts().update_revision;
            release().pod_template_hash = facts().unit_revision;
        }
        return true;
    }
    if (status_.phase.empty()) {
        status_.phase = apis::phase::kInitial;
        return true;
    }
    if (seen_.workload == nullptr) return workload_missing();
    if (status_.phase == apis::phase::kInitial) {
        status_.phase = apis::phase::kHealthy;
        status_.message = "rollout is healthy";
        return true;
    }
    if (status_.phase == apis::phase::kHealthy) return healthy();
    if (status_.phase == apis::phase::kProgressing) return progressing();
    return false;
}

bool Machine::disabled() {
    // A template may have been frozen beside the write that disabled the Rollout.
    if (status_.phase == apis::phase::kDisabled && !held()) {
        if (seen_.workload != nullptr) after_status_ = seen_.workload->clean();
        return false;
    }
    if (status_.phase != apis::phase::kDisabling) {
        bool const busy = status_.phase == apis::phase::kProgressing || held();
        status_.phase = busy ? apis::phase::kDisabling : apis::phase::kDisabled;
        status_.message = busy ? "Disabling rollout, release resources" : "Rollout is disabled";
        return true;
    }
    if (!finalise(Closing::kDisabled)) return false;
    if (noted() != nullptr) release().finalising_step = apis::finalising::kEnd;
    status_.phase = apis::phase::kDisabled;
    status_.message = "Rollout is disabled";
    return true;
}

bool Machine::workload_missing() {
    if (!abandon_traffic()) return false;
    write(shared_routing_left());
    apis::RolloutStatus reset;
    reset.observed_generation = status_.observed_generation;
    reset.phase = apis::phase::kInitial;
    reset.message = "Workload Not Found";
    auto const& reference = rollout_.spec.workload_ref;
    std::string const absent =
        fmt::format("this cluster does not serve {} of {}", reference.kind, reference.api_version);
    if (!seen_.kind_served) reset.message += ": " + absent;
    status_ = std::move(reset);
    if (seen_.batch_release.exists()) remove_batch_release();
    if (!seen_.kind_served) {
        wait("KindNotServed", absent, "its CustomResourceDefinition is installed", "cluster owner");
    } else if (seen_.unlabelled) {
        wait("Unsupported",
             fmt::format("{} {} does not say that it is like a StatefulSet", reference.kind, reference.name),
             fmt::format("it has the label {}: {}", apis::kWorkloadTypeLabel, apis::kStatefulSetType), "release owner");
    } else if (seen_.kind_supported) {
        wait("WorkloadNotFound", fmt::format("{} {} does not exist", reference.kind, reference.name), "it is created",
             "release owner");
    } else {
        wait("Unsupported", fmt::format("{} {} is not supported", reference.api_version, reference.kind),
             "another workload is named", "release owner");
    }
    return false;
}

bool Machine::healthy() {
    if (held()) {
        // An earlier release's end is shown once before the next begins.
        if (before_.phase == apis::phase::kProgressing) return false;
        status_.phase = apis::phase::kProgressing;
        begin_condition(status_, apis::condition::kProgressing, "True", apis::reason::kInitializing,
                        "Rollout is in Progressing", now_);
        status_.message = "Rollout is in Progressing";
        drop_condition(status_, apis::condition::kSucceeded);
        drop_condition(status_, kTrafficRouted);
        return true;
    }
    if (noted() == nullptr) describe_finished();
    bool const current = seen_.workload->is_current(release().canary_revision);
    if (current) release().observed_rollout_id = rollout_id();
    if (current) release().observed_workload_generation = facts().generation;
    if (!current && catch_up()) return false;
    bool const ours = seen_.batch_release.exists() && meta::controller_of(seen_.batch_release).has_value();
    if (ours) remove_batch_release();
    bool const stray =
        facts().leftovers && facts().held_by.empty() && !seen_.batch_release.exists() && !seen_.controlled_by_other;
    if (stray) write(seen_.workload->restore({}));
    for (Write& each : seen_.workload->clean()) after_status_.push_back(std::move(each));
    return false;
}

// A version that came while nobody asked the webhook, as between two controllers: what has it keeps it, and the rest is
// held as the webhook would have held it. Upstream lets it pass.
bool Machine::catch_up() {
    bool const rests = before_.phase == apis::phase::kHealthy && facts().held_by.empty() && !facts().leftovers &&
                       !seen_.batch_release.exists() && !seen_.controlled_by_other;
    // Nothing moves of one that somebody else holds, as a hub that finds out whether the webhook is in force.
    if (!rests || facts().replicas == 0 || facts().updated == 0 || facts().outdated == 0) return false;
    // Back to what the last release came from it goes at once: that may have been put back while the release ended.
    if (seen_.workload->is_current(release().stable_revision)) return false;
    // canary_revision may be a hash of another controller's own. What pods are labelled with is of the version that was
    // released last, also where that was taken back.
    Doc const succeeded = meta::condition(seen_.rollout, apis::condition::kSucceeded);
    bool const taken_back = succeeded["status"].as_string() == "False";
    std::string const& label = release().pod_template_hash;
    std::string const& before = taken_back || label.empty() ? release().canary_revision : label;
    auto held = seen_.workload->catch_up(meta::name(seen_.rollout), before);
    if (!held) return false;
    // Side by side there are all old ones, or it is none.
    bool const side_by_side = rollout_.spec.strategy.blue_green.has_value();
    char const* const what = side_by_side ? "it goes on by the workload's own strategy" : "it is held from here";
    plan_.events.push_back(
        control::event_about(seen_.rollout, control::kWarning, "WebhookMissed",
                             fmt::format("a new version came past the webhook, {} of {} have it by now: {}",
                                         facts().updated, facts().replicas, what)));
    if (side_by_side) {
        describe_finished();
        return false;
    }
    write(std::move(held));
    return true;
}

// So that whoever asks whether the release of this version is complete gets an answer without one.
void Machine::describe_finished() {
    CanaryStatus& finished = release();
    finished.observed_workload_generation = facts().generation;
    finished.rollout_hash = apis::plan_hash(seen_.rollout);
    finished.canary_revision = facts().update_revision;
    finished.observed_rollout_id = rollout_id();
    finished.stable_revision = facts().stable_revision;
    // In canary style upstream takes that of the pods there are.
    if (finished.stable_revision.empty() && apis::has_extra_workload(seen_.rollout) && facts().outdated == 0)
        finished.stable_revision = facts().unit_revision;
    finished.pod_template_hash = facts().unit_revision;
    finished.current_step_index = step_count();
    finished.next_step_index = -1;
    finished.current_step_state = apis::step::kCompleted;
    finished.last_update_time = format_rfc3339(now_);
    status_.message = "workload deployment is completed";
}

bool Machine::progressing() {
    std::string const why = reason_of(status_, apis::condition::kProgressing);
    if (why == apis::reason::kInitializing) return initializing();
    if (why == apis::reason::kInRolling || why == apis::reason::kPaused) return in_rolling();
    if (why == apis::reason::kFinalising) return taken_back_at_the_end() ? cancel() : closing(Closing::kSuccess);
    if (why == apis::reason::kCancelling) {
        // On record before the workload is freed: free, and nothing said of it, the stable version would be taken for a
        // release of its own.
        bool const recorded = reason_of(before_, apis::condition::kProgressing) == apis::reason::kCancelling;
        return recorded && closing(Closing::kRollback);
    }
    status_.phase = apis::phase::kHealthy;   // Completed
    return true;
}

bool Machine::initializing() {
    if (seen_.batch_release.exists()) {
        remove_batch_release();
        wait("Initializing", "the BatchRelease of an earlier release is being removed", "it is gone");
        return false;
    }
    // The old version was put back before anything happened; or where there is anything, it goes as is asked.
    bool const cancelled = facts().rolled_back && !(goes_back_in_batches() && facts().outdated > 0);
    note_way(facts().rolled_back && !cancelled);
    begin_steps();
    if (!cancelled && !take_shared_routing()) return false;
    if (cancelled) {
        reason("True", apis::reason::kCancelling, kBeingCancelled);
    } else {
        reason("True", apis::reason::kInRolling, "Rollout is in Progressing");
    }
    return true;
}

void Machine::begin_steps() {
    bool const waits = noted() != nullptr && noted()->current_step_state == apis::step::kBeforeUpgrade &&
                       noted()->current_step_index == 1 && noted()->canary_revision == facts().update_revision;
    std::string since = waits ? noted()->last_update_time : std::string();
    status_.canary_status.reset();
    status_.blue_green_status.reset();
    CanaryStatus& fresh = release();
    fresh.observed_workload_generation = facts().generation;
    fresh.rollout_hash = apis::plan_hash(seen_.rollout);
    fresh.stable_revision = facts().stable_revision;
    fresh.canary_revision = facts().update_revision;
    fresh.observed_rollout_id = rollout_id();
    fresh.pod_template_hash = facts().unit_revision;
    fresh.current_step_index = 1;
    fresh.next_step_index = next_of(1);
    enter(apis::step::kBeforeUpgrade);
    if (!since.empty()) fresh.last_update_time = std::move(since);
}

bool Machine::in_rolling() {
    if (noted() == nullptr) {
        reason("True", apis::reason::kInitializing, "Rollout is in Progressing");
        return true;
    }
    bool const current = seen_.workload->is_current(release().canary_revision);
    bool const back = facts().rolled_back && !current;
    if (back && !goes_back_in_batches()) return cancel();
    bool const was_paused = reason_of(status_, apis::condition::kProgressing) == apis::reason::kPaused;
    if (rollout_.spec.strategy.paused) {
        if (!was_paused)
            reason("True", apis::reason::kPaused, "Rollout has been paused, you can resume it by kube-cli");
        wait("Paused", "spec.strategy.paused is true", "it is resumed", "release owner");
        follow_batch_release();
        follow_stable_pods_at_rest();
        return false;
    }
    if (was_paused) {
        reason("True", apis::reason::kInRolling, "Rollout is in Progressing");
        if (limits_.progress_deadline) note_progress();   // no time has run meanwhile
        return true;
    }
    if (back) return turn_back();
    if (!release().canary_revision.empty() && !current) {
        if (!is_adopted()) return new_version();
        release().canary_revision = facts().update_revision;
    }
    // Upstream does not know it of every kind, and begins without.
    if (release().stable_revision.empty()) release().stable_revision = facts().stable_revision;
    // Known once there is a pod of it: also of one that never gets ready people see which pods are new. With a template
    // of its own the second Deployment has another one than the workload has.
    bool const own_template =
        apis::has_extra_workload(seen_.rollout) && rollout_.spec.strategy.canary->patch_pod_template_metadata;
    bool const known = !release().pod_template_hash.empty() && !(own_template && !facts().unit_revision.empty());
    if (!known) release().pod_template_hash = facts().unit_revision;
    release().observed_rollout_id = rollout_id();
    release().observed_workload_generation = facts().generation;
    if (release().rollout_hash != apis::plan_hash(seen_.rollout)) return plan_changed();
    if (group_has_failed()) return false;
    return step();
}

bool Machine::cancel() {
    if (facts().rolled_back) {
        event("Progressing", "workload has been rollback, then rollout is canceled");
        release().canary_revision = facts().update_revision;
    } else {
        event("Progressing", "a newer version has come before this one could be completed: it is canceled");
    }
    release().last_update_time = format_rfc3339(now_);
    reason("True", apis::reason::kCancelling, kBeingCancelled);
    return true;
}

// Another template has come. Requests may all be led to the new version by now, and its pods go once the workload is
// free: they leave it first.
bool Machine::taken_back_at_the_end() const {
    bool const held = seen_.workload != nullptr && seen_.batch_release.exists() &&
                      facts().controller_uid == meta::uid(seen_.batch_release);
    return held && noted() != nullptr && (facts().rolled_back || facts().loses_released) &&
           !seen_.workload->is_current(noted()->canary_revision);
}

// A release that another controller has begun, under a hash that only it can compute: what has pods beside the stable
// version is the workload's template; or nothing has yet, and then nothing was approved.
bool Machine::is_adopted() const {
    if (seen_.workload->is_known(noted()->canary_revision) || facts().outdated != facts().stable) return false;
    // Ours has no ReplicaSet yet where it began a moment ago, after another one, and a newer one comes.
    if (batch_release_ && seen_.workload->is_known(batch_release_->status.update_revision)) return false;
    std::string const& state = noted()->current_step_state;
    bool const begins = noted()->current_step_index <= 1 &&
                        (state.empty() || state == apis::step::kBeforeUpgrade || state == apis::step::kUpgrade);
    return begins || facts().updated > 0;
}

bool Machine::new_version() {
    if (!facts().restarts) {
        status_.message = apis::kNewVersionRefused;
        if (before_.message != status_.message)
            plan_.events.push_back(
                control::event_about(seen_.rollout, control::kWarning, "Progressing", status_.message));
        wait("NewVersionRefused", status_.message, "the stable version, or the one being released, is put back",
             "release owner");
        return false;
    }
    // The pause of the version before is over: nobody is to approve it, nor to end with it, and what was routed for it
    // goes.
    std::string const& state = release().current_step_state;
    if (state == apis::step::kPaused || state == apis::step::kCompleted) enter(apis::step::kBeforeUpgrade);
    // The stable Service keeps to its version: the next one gets nothing early.
    if (!finish_traffic(apis::finalising::kRouteTrafficToStable)) return false;
    if (seen_.batch_release.exists()) {
        if (!meta::is_deleting(seen_.batch_release))
            event("Progressing", "workload continuous publishing canaryRevision, then restart publishing");
        remove_batch_release();
        wait("Initializing",
             "a newer version is about to be released: the BatchRelease of the one before is being removed",
             "it is gone");
        return false;
    }
    if (!finish_traffic(apis::finalising::kRemoveCanaryService)) return false;
    reason("True", apis::reason::kInitializing, "Workload is continuous release");
    return true;
}

bool Machine::closing(Closing why) {
    if (!finalise(why)) return false;
    bool const success = why == Closing::kSuccess;
    std::string const over =
        success ? "Rollout progressing has been completed" : "Rollout progressing has been canceled";
    change_condition(status_, apis::condition::kProgressing, "False", apis::reason::kCompleted, over, now_);
    status_.message = over;
    change_condition(status_, apis::condition::kSucceeded, success ? "True" : "False", "", "", now_);
    if (!success) note_failure();
    release().finalising_step = apis::finalising::kEnd;
    return true;
}

void Machine::terminate() {
    if (!meta::has_finalizer(seen_.rollout, apis::kRolloutFinalizer)) return;
    if (status_.phase != apis::phase::kTerminating) {
        status_.phase = apis::phase::kTerminating;
        status_.message = "Rollout is in terminating";
        begin_condition(status_, apis::condition::kTerminating, "True", apis::reason::kInTerminating,
                        "Rollout is in terminating", now_);
    }
    bool const done = finalise(Closing::kDeleting);
    if (done) change_condition(status_, apis::condition::kTerminating, "False", apis::reason::kCompleted, "", now_);
    persist();
    for (Write& each : after_status_) plan_.writes.push_back(std::move(each));
    // Looked at once more when this has been seen: a template may have been frozen meanwhile.
    if (!done || reason_of(before_, apis::condition::kTerminating) != apis::reason::kCompleted) return;
    if (seen_.workload != nullptr) {
        for (Write& each : seen_.workload->clean()) write(std::move(each));
    }
    write(workload::without_finalizer(seen_.rollout, apis::kRollouts, apis::kRolloutFinalizer));
}

bool Machine::only_counts_differ() const {
    apis::RolloutStatus levelled = status_;
    auto const level = [](CanaryStatus& after, CanaryStatus const& before) {
        after.canary_replicas = before.canary_replicas;
        after.canary_ready_replicas = before.canary_ready_replicas;
        after.message = before.message;
        after.observed_workload_generation = before.observed_workload_generation;
        if (before.pod_template_hash.empty()) after.pod_template_hash.clear();
    };
    if (levelled.canary_status && before_.canary_status) level(*levelled.canary_status, *before_.canary_status);
    if (levelled.blue_green_status && before_.blue_green_status)
        level(*levelled.blue_green_status, *before_.blue_green_status);
    // When there was progress is noted with them.
    for (apis::RolloutCondition& each : levelled.conditions) {
        auto const* const old = apis::find_condition(before_.conditions, each.type);
        if (old != nullptr) each.last_update_time = old->last_update_time;
    }
    return levelled == before_;
}

void Machine::persist() {
    if (status_.phase != apis::phase::kProgressing) drop_condition(status_, apis::condition::kStalled);
    if (CanaryStatus const* const current = noted()) {
        // Of an earlier strategy, when it was edited.
        if (blue_green()) {
            status_.canary_status.reset();
        } else {
            status_.blue_green_status.reset();
        }
        status_.current_step_index = current->current_step_index;
        status_.current_step_state = current->current_step_state;
    }
    note_refusal();
    if (status_ == before_) return;
    if (only_counts_differ() && seen_.counts_after && now_ < *seen_.counts_after) {
        plan_.requeue_at(*seen_.counts_after, "counts in the status");
        return;
    }
    write(of_status(status_));
}

Write Machine::of_status(apis::RolloutStatus const& next) const {
    std::string_view const part = blue_green() ? "blueGreenStatus" : "canaryStatus";
    return status_write(seen_.rollout, apis::kRollouts, apis::write_rollout_status(before_),
                        apis::write_rollout_status(next),
                        {{"status", "phase"},
                         {"status", part, "currentStepIndex"},
                         {"status", part, "currentStepState"},
                         {"status", part, "nextStepIndex"}});
}

CanaryStatus& Machine::release() {
    if (blue_green())
        return status_.blue_green_status ? *status_.blue_green_status : status_.blue_green_status.emplace();
    return status_.canary_status ? *status_.canary_status : status_.canary_status.emplace();
}

CanaryStatus const* Machine::noted_in(apis::RolloutStatus const& status) const {
    if (blue_green()) return status.blue_green_status ? &*status.blue_green_status : nullptr;
    return status.canary_status ? &*status.canary_status : nullptr;
}

// The user's own id of the release, or the revision.
std::string Machine::rollout_id() const {
    if (!facts().rollout_id.empty()) return facts().rollout_id;
    return facts().rolled_back ? rollback_id(noted()->canary_revision) : noted()->canary_revision;
}

void Machine::enter(std::string_view state) {
    drop_condition(status_, apis::condition::kStalled);
    release().current_step_state = state;
    release().finalising_step.clear();
    release().last_update_time = format_rfc3339(now_);
}

void Machine::reason(std::string_view status, std::string_view reason, std::string_view message) {
    change_condition(status_, apis::condition::kProgressing, status, reason, message, now_);
    status_.message = message;
}

void Machine::event(std::string reason, std::string message) {
    plan_.events.push_back(
        control::event_about(seen_.rollout, control::kNormal, std::move(reason), std::move(message)));
}

void Machine::wait(std::string reason, std::string message, std::string ends_when, std::string who) {
    std::optional<Time> since;
    if (noted() != nullptr) since = parse_rfc3339(noted()->last_update_time);
    plan_.waits.push_back({std::move(reason), std::move(message), since, std::move(ends_when), std::move(who)});
}

void Machine::write(std::optional<Write> write) {
    if (write) plan_.writes.push_back(std::move(*write));
}

control::Plan decide_rollout(RolloutSeen const& seen, Time now) { return Machine(seen, now).run(); }

}   // namespace aviary::rollout
